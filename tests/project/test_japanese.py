"""Every page that a Japanese member of staff reaches by links speaks Japanese: none of our English shows."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from babel.messages.pofile import read_po
from django.test import Client
from pytest_django import Settings

from catalog.models import Plan
from customers.models import Customer, User
from esims.actions import request_action
from esims.events import EventKind, make_event
from esims.models import Esim
from esims.refresh import refresh_line
from orders.models import Order, Purchase
from orders.purchasing import run_purchase
from providers.registry import ensure_accounts
from providers.types import Capability, Priority
from tests.catalog.syncing import read
from tests.orders.making import make_due, order_plan, pay
from tests.project.messages import LOCALE_DIR
from tests.simulator_client import KEYS, PRODUCTION, Simulator

#: Of one kind of page, so many are looked at.
PAGES_OF_A_KIND = 4
#: Codes, names and what a provider says are nobody's language.
NOT_WORDS = {"code", "call-what"}
SEEN_BY_PEOPLE = ("title", "aria-label", "alt", "placeholder", "data-label", "data-copied")
#: Pages for people who are not signed in.
ENTRANCES = [
    "/accounts/login/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/signup/",
    "/accounts/login/code/",
    "/accounts/inactive/",
    "/api/docs/",
]
#: Kinds of pages that the walk must have come by.
REACHED = {
    *(
        "/",
        "/me/",
        "/orders/",
        "/orders/1/",
        "/orders/1/cancel/",
        "/orders/new/",
        "/customers/1/",
        "/customers/1/edit/",
    ),
    *("/esims/", "/esims/1/", "/esims/1/suspend/", "/plans/", "/plans/1/", "/plans/compare/", "/syncs/", "/syncs/1/"),
    *("/payments/", "/credit/", "/orders/1/came/"),
    *("/staff/", "/staff/1/", "/staff/invite/", "/me/sign-ins/"),
    *("/purchases/", "/purchases/1/", "/refunds/", "/refunds/1/made/", "/providers/", "/providers/esim-commerce/"),
}


class PageText(HTMLParser):
    """What a person reads or hears of a page, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language = ""
        self.texts: list[str] = []
        self.links: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        hidden = tag in {"script", "style", "pre", "code"} or bool(NOT_WORDS & set(given.get("class", "").split()))
        # Languages are named in themselves.
        hidden = hidden or (tag != "html" and given.get("lang", "ja") != "ja")
        if tag == "html":
            self.language = given.get("lang", "")
        if tag not in {"br", "hr", "img", "input", "link", "meta", "rect", "line", "path", "polyline", "use", "circle"}:
            self._open.append((tag, hidden))
        if tag == "a":
            self.links.append(given.get("href", ""))
        if not self._is_hidden() and not hidden:
            self.texts += [given[name] for name in SEEN_BY_PEOPLE if given.get(name)]

    def handle_endtag(self, tag: str) -> None:
        while self._open and any(name == tag for name, _hidden in self._open):
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._is_hidden():
            self.texts.append(" ".join(data.split()))

    def _is_hidden(self) -> bool:
        return any(hidden for _name, hidden in self._open)


class OurEnglish:
    """The English of our catalogue: whole texts, and the longer parts of texts around their placeholders."""

    def __init__(self) -> None:
        with (LOCALE_DIR / "ja" / "LC_MESSAGES" / "django.po").open("rb") as file:
            catalog = read_po(file, locale="ja")
        texts = [
            text
            for message in catalog
            if message.id and message.id != message.string
            for text in ([message.id] if isinstance(message.id, str) else message.id)
        ]
        self.whole = {text for text in texts if len(text) > 3}
        parts = {part.strip() for text in texts for part in re.split(r"%\(\w+\)[sd]|%%", text)}
        self.parts = sorted(part for part in parts if len(part) > 9 and " " in part)

    def find(self, text: str) -> str | None:
        """The English in a text, None for none."""
        if text in self.whole or text.capitalize() in self.whole:
            return text
        for piece in re.split(r"\s*[·:：/,、()（）–]\s*", text):
            if piece in self.whole:
                return piece
        return next((part for part in self.parts if part in text), None)


@pytest.fixture
def staff(db: None) -> User:
    """A superuser who reads Japanese; the browser asks for English."""
    user: User = User.objects.create_superuser("mika@desk.example", "x", language="ja")
    return user


@pytest.fixture
def office(staff: User, settings: Settings, simulator: Simulator) -> Simulator:
    """A desk with something of everything: good and bad purchases, lines in use, a suspension, a refund."""
    simulator.set_limits(multiplier=0)
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "esim-commerce": {
            **settings.PROVIDERS["esim-commerce"],
            "url": simulator.production_url,
            "key_id": KEYS[PRODUCTION].key_id,
            "key_secret": KEYS[PRODUCTION].key_secret,
            "currency": "USD",
            "limits": dict.fromkeys(("plans", "order", "status", "control", "usage", "transaction"), 5000),
        },
    }
    settings.PURCHASE_INQUIRY_SPACING_SECONDS = 0.0
    (account,) = ensure_accounts()
    read(account)
    simulator.change_plan(simulator.plan_codes()[0], netPrice="9.99")
    simulator.remove_plans(*simulator.plan_codes()[-3:])
    read(account)
    plan = Plan.objects.filter(retail_price__isnull=False, retired_at=None).order_by("pk")[0]
    customer = Customer.objects.create(
        name="田中 愛子", email="aiko@example.jp", phone="+81312345678", note="窓口で支払い"
    )

    def sell(quantity: int = 2, fault: str = "", **details: Any) -> Order:
        order = order_plan(plan, quantity, by=staff, customer=customer)
        pay(order, by=staff)
        if fault:
            simulator.order_fault(fault, endpoint="order", **details)
        for purchase in Purchase.objects.filter(order_line__order=order):
            run_purchase(purchase_id=purchase.pk)
        return order

    sell()
    sell(fault="reset_after")
    sell(fault="reset_before")
    sell(fault="refuse", reason="insufficient_balance")
    sell(fault="status_before", status=400, code="PLAN_SUSPENDED", message="停止中")
    short = sell(3, fault="short_order", by=1)
    for _inquiry in range(3):
        for purchase in Purchase.objects.filter(order_line__order=short):
            make_due(purchase)
            run_purchase(purchase_id=purchase.pk)
    order_plan(plan, 1, by=staff, customer=customer)
    first, second, *_rest = Esim.objects.order_by("pk")
    simulator.install_line(first.iccid)
    simulator.connect_line(first.iccid)
    simulator.use_data(first.iccid, 300 * 1024)
    refresh_line(esim_id=first.pk, priority=Priority.PEOPLE, by="refresh")
    request_action(esim=second, capability=Capability.SUSPEND, reason="紛失", by=staff)
    refused = {"action": "suspend", "message": "The provider refused (HTTP 409 BUSY)"}
    make_event(first, EventKind.ACTION_REJECTED, by="actions", facts=refused).save()
    failed = {"message": "The provider could not be reached in time (connect)"}
    make_event(first, EventKind.READ_FAILED, by="refresh", facts=failed).save()
    return simulator


def walk(client: Client, *starts: str) -> Iterator[tuple[str, PageText]]:
    """Pages by their links, some of each kind; the admin is Django's and is looked at by itself."""
    waiting, seen, kinds = list(starts), set(starts), Counter[tuple[str, ...]]()
    while waiting:
        address = waiting.pop(0)
        response = client.get(address, follow=True)
        if "text/html" not in response.headers["Content-Type"]:
            continue
        assert response.status_code == 200, address
        page = PageText(response.content.decode())
        yield address, page
        for link in page.links:
            target = urljoin(address, link).split("#")[0]
            parts = urlsplit(target)
            kind = (re.sub(r"\d+", "1", parts.path), *sorted(word.split("=")[0] for word in parts.query.split("&")))
            is_ours = not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("/admin")
            if is_ours and target not in seen and kinds[kind] < PAGES_OF_A_KIND and "logout" not in target:
                kinds[kind] += 1
                seen.add(target)
                waiting.append(target)


@pytest.mark.looks
def test_no_page_shows_our_english(office: Simulator, staff: User) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(staff)
    english = OurEnglish()
    found: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    states = set(Purchase.objects.values_list("state", flat=True))
    assert states >= {"fulfilled", "unknown", "held", "rejected"}
    for address, page in walk(client, "/"):
        assert page.language == "ja", address
        kinds[re.sub(r"\d+", "1", urlsplit(address).path)] += 1
        found.update({f"{text} [{part}]": address for text in page.texts if (part := english.find(text))})
    assert found == {}
    assert set(kinds) >= REACHED


def test_the_search_is_not_blind(staff: User) -> None:
    User.objects.update(language="en")
    client = Client()
    client.force_login(staff)
    english = OurEnglish()
    page = PageText(client.get("/").content.decode())
    assert page.language == "en"
    assert {"Dashboard", "New order", "Needs a person now"} <= {text for text in page.texts if english.find(text)}
    assert english.find("仕入：outcome unknown") == "outcome unknown"
    assert english.find("注文R-1は Nothing is bought before it is paid.") == "Nothing is bought before it is paid."
    assert english.find("eSIM 2枚、SM-DP+アドレス、Roamdesk") is None


@pytest.mark.django_db
def test_entrances_are_japanese_for_japanese_browsers() -> None:
    english = OurEnglish()
    client = Client(headers={"accept-language": "ja"})
    for address in ENTRANCES:
        page = PageText(client.get(address, follow=True).content.decode())
        assert page.language == "ja", address
        assert [text for text in page.texts if english.find(text)] == [], address
        assert any(re.search("[ぁ-ん]", text) for text in page.texts), address


def test_failures_are_japanese(staff: User) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ken@desk.example", "x", is_staff=True, language="ja"))
    english = OurEnglish()
    for address, status in (("/orders/", 403), ("/syncs/", 403), ("/esims/7/", 403), ("/nothing/", 404)):
        response = client.get(address)
        page = PageText(response.content.decode())
        assert (response.status_code, page.language) == (status, "ja")
        assert [text for text in page.texts if english.find(text)] == [], address


def test_refusals_are_japanese(staff: User) -> None:
    client = Client()
    client.force_login(staff)
    english = OurEnglish()
    response = client.post("/customers/new/", {"name": "", "email": "x", "country": "Japan"})
    page = PageText(response.content.decode())
    assert response.status_code == 200
    told = " ".join(page.texts)
    assert "この項目は必須です。" in told
    assert "有効なメールアドレスを入力してください。" in told
    assert [text for text in page.texts if english.find(text)] == []
