"""A role is shown no link and no button that leads it to a refusal: walked page by page, with something on each."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import Resolver404, resolve

from customers.models import User
from customers.roles import ROLES
from tests.project.test_japanese import office, staff
from tests.simulator_client import Simulator

__all__ = ["office", "staff"]
_PRESSED = re.compile(r"""<form[^>]* action="([^"#]+)"|\bhx-(?:get|post)="([^"#]+)"|formaction="([^"#]+)""")
_FOLLOWED = re.compile(r"""<(?:a|img)\b[^>]* (?:href|src)="([^"#]+)""")
#: Those that differ most; one page of a kind is enough.
_ROLES = ("support", "finance", "catalogue")


def permissions_of(view: Callable[..., Any] | None) -> Iterator[str]:
    """What the guards around a view ask for (``providers.access.staff_page``)."""
    while view is not None:
        names = getattr(getattr(view, "__code__", None), "co_freevars", ())
        if "permission" in names:
            cells: Any = getattr(view, "__closure__", None)
            permission = cells[names.index("permission")].cell_contents
            yield from [permission] if permission else []
        view = getattr(view, "__wrapped__", None)


def find_dead_ends(client: Client, user: User) -> list[str]:
    waiting, seen, kinds = ["/"], {"/"}, Counter[tuple[str, ...]]()
    found = []
    while waiting:
        address = waiting.pop(0)
        response = client.get(address, follow=True)
        if response.status_code == 403:
            found.append(f"{address} is refused")
        if "text/html" not in response.headers["Content-Type"]:
            continue
        html = response.content.decode()
        for pressed in {urljoin(address, "".join(parts)) for parts in _PRESSED.findall(html)}:
            try:
                view = resolve(urlsplit(pressed).path).func
            except Resolver404:
                continue
            if not user.has_perms(list(permissions_of(view))):
                found.append(f"{address} has a button to {pressed}")
        for link in _FOLLOWED.findall(html):
            target = urljoin(address, link.replace("&amp;", "&"))
            parts = urlsplit(target)
            words = sorted(word.split("=")[0] for word in parts.query.split("&"))
            kind = (re.sub(r"\d+", "1", parts.path), *words)
            is_ours = not parts.netloc and not parts.path.startswith(("/admin", "/static", "/accounts"))
            if is_ours and target not in seen and not kinds[kind]:
                kinds[kind] += 1
                seen.add(target)
                waiting.append(target)
    assert len(seen) > 20
    return found


@pytest.mark.looks
def test_nobody_is_led_to_a_refusal(office: Simulator, staff: User) -> None:
    assert list(permissions_of(resolve("/orders/new/").func)) == ["orders.sell"]
    dead = {}
    for slug in _ROLES:
        user = User.objects.create_user(f"{slug}@desk.example", "x", is_staff=True)
        user.groups.add(Group.objects.get(name=ROLES[slug].group))
        client = Client()
        client.force_login(user)
        dead[slug] = find_dead_ends(client, user)
    assert dead == {slug: [] for slug in _ROLES}
