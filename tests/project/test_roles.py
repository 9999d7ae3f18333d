"""Roles: what each may open, for every address of the console; and that the table in the code is whole."""

import re
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from customers.models import User
from customers.roles import ADMINISTRATOR, AUDITOR, ROLES, find_role, is_given, lay_out_roles
from tests.project.sources import APPS, find_files

pytestmark = pytest.mark.django_db

#: S support, L sales, F finance, C catalogue, A administrator, U auditor.
LETTERS = dict(zip(ROLES, "SLFCAU", strict=True))
EVERYBODY = "SLFCAU"
MAY: dict[str, str] = {
    "dashboard": "SLFCAU",
    "me": "SLFCAU",
    "my-sessions": "SLFCAU",
    "search": "SLFCAU",
    "notification-choices": "SLFCAU",
    # orders and money
    "order-list": "SLF·AU",
    "order-detail": "SLF·AU",
    "order-live": "SLF·AU",
    "order-esims": "SLF·AU",
    "bulk-order-list": "·LF·AU",
    "bulk-order-detail": "·LF·AU",
    "bulk-order-live": "·LF·AU",
    "bulk-order-report": "·LF·AU",
    "bulk-order-new": "·L··A·",
    "bulk-order-confirm": "·L··A·",
    "bulk-order-step": "·L··A·",
    "order-codes": "SL··A·",
    "order-codes-file": "SL··A·",
    "order-card": "SLF·AU",
    "order-new": "·L··A·",
    "order-pay": "·L··A·",
    "order-cancel": "·L··A·",
    "order-came": "·L··A·",
    "order-extend": "·L··A·",
    "order-card-ask": "·L··A·",
    "card-payment-look": "·L··A·",
    "card-payment-give-up": "·L··A·",
    "payment-queue": "·LF·AU",
    "payment-detail": "·LF·AU",
    "payment-decide": "··F·A·",
    "credit-list": "·LF·AU",
    "credit-detail": "·LF·AU",
    "credit-csv": "·LF·AU",
    "statement-detail": "·LF·AU",
    "statement-csv": "·LF·AU",
    "credit-change": "··F·A·",
    "credit-new": "··F·A·",
    "refund-list": "SLF·AU",
    "refund-drop": "··F·A·",
    "refund-card": "··F·A·",
    "refund-decide": "··F·A·",
    "refund-made": "··F·A·",
    "dispute-list": "··F·AU",
    "dispute-settle": "··F·A·",
    "payment-delivery-list": "··F·AU",
    "payment-delivery-detail": "··F·AU",
    "payment-delivery-retry": "··F·A·",
    # buying
    "purchase-queue": "SLF·AU",
    "purchase-detail": "SLF·AU",
    "purchase-list": "SLF·AU",
    # lists (here: of orders); without an action or a run there is nothing to be done
    "list-view-save": "SLF·AU",
    "list-view-delete": "SLF·AU",
    "list-export": "·LF·A·",
    "list-bulk": "SLF·AU",
    "bulk-detail": "SLFCAU",
    "bulk-start": "SLFCAU",
    "purchase-reply": "SL··A·",
    "purchase-decide": "··F·A·",
    "action-settle": "··F·A·",
    "difference-list": "S·F·AU",
    "difference-detail": "S·F·AU",
    "comparison-detail": "S·F·AU",
    "comparison-start": "··F·A·",
    "difference-close": "··F·A·",
    "difference-attach": "··F·A·",
    "difference-take-over": "··F·A·",
    "difference-reopen": "··F·A·",
    "activation-list": "SLF·AU",
    "activation-detail": "SLF·AU",
    "activation-new": "·L··A·",
    "activation-correct": "·L··A·",
    "completion-list": "SLF·AU",
    "completion-detail": "SLF·AU",
    # lines
    "esim-list": "SLF·AU",
    "esim-by-iccid": "SLF·AU",
    "esim-detail": "SLF·AU",
    "esim-live": "SLF·AU",
    "esim-notifications": "SLF·AU",
    "esim-qr-png": "SL··A·",
    "esim-qr-svg": "SL··A·",
    "esim-reveal": "SL··A·",
    "esim-refresh": "SL··A·",
    "esim-links-revoke": "SL··A·",
    "esim-link-make": "SL··A·",
    "esim-links-renew": "SL··A·",
    "esim-top-up": "·L··A·",
    "esim-suspend": "S···A·",
    "esim-release": "S···A·",
    "esim-cancel": "S···A·",
    "esim-revoke": "S···A·",
    "esim-block": "S···A·",
    "esim-sms": "S···A·",
    "esim-activate": "S···A·",
    "esim-terminate": "S···A·",
    "esim-replace": "S···A·",
    "esim-simulate-usage": "S···A·",
    "esim-give-back": "··F·A·",
    # customers and messages
    "customer-list": "SLF·AU",
    "customer-detail": "SLF·AU",
    "customer-new": "SL··A·",
    "customer-edit": "SL··A·",
    "notification-list": "SLF·AU",
    "notification-detail": "SLF·AU",
    "notification-resend": "SL··A·",
    # catalogue and providers
    "device-list": "SL·CAU",
    "device-export": "SL·CAU",
    "device-enter": "···CA·",
    "device-edit": "···CA·",
    "device-delete": "···CA·",
    "device-import": "···CA·",
    "plan-list": "SLFCAU",
    "plan-compare": "SLFCAU",
    "plan-detail": "SLFCAU",
    "plan-enter": "···CA·",
    "plan-edit": "···CA·",
    "plan-retire": "···CA·",
    "plan-return": "···CA·",
    "plan-price": "···CA·",
    "plan-publish": "···CA·",
    "sync-run-list": "···CAU",
    "sync-run-detail": "···CAU",
    "sync-start": "···CA·",
    "sync-approve": "···CA·",
    "sync-decline": "···CA·",
    "provider-list": "SLFCAU",
    "provider-detail": "SLFCAU",
    "provider-task": "···CA·",
    "provider-low-mark": "···CA·",
    "provider-pause": "···CA·",
    "provider-resume": "···CA·",
    "delivery-list": "···CAU",
    "delivery-detail": "···CAU",
    "delivery-retry": "···CA·",
    # staff
    "staff-list": "····AU",
    "staff-detail": "····AU",
    "staff-invite": "····A·",
    "staff-role": "····A·",
    "staff-step": "····A·",
    "staff-session-end": "····A·",
}
#: Addresses for others than staff.
NOT_FOR_STAFF = {
    *("webhook", "webhook-secret", "payment-events", "line-link", "line-link-qr", "staff-join"),
    *("brand-colours", "brand-logo-light", "brand-logo-dark"),
    *("set_language", "set-theme", "healthz", "readyz", "robots"),
}
#: Other programs' and other faces' addresses: tested where they live.
ELSEWHERE = ("admin/", "api/", "_allauth", "^_allauth", "accounts/", "example-app/")
#: Only administrators do these.
ADMINISTRATION = {"customers.manage_staff", "orders.repeat_bulk"}
USED = re.compile(r"""["'](?:providers|catalog|customers|esims|orders)\.[a-z]+(?:_[a-z]+)+["']""")
IN_TEMPLATES = re.compile(r"\bperms\.((?:providers|catalog|customers|esims|orders|usersessions)\.[a-z_]+)")


def console_addresses(patterns: list[URLPattern | URLResolver] | None = None, above: str = "") -> Iterator[str]:
    """The names of all addresses of the URL conf that are the console's."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        path = above + str(pattern.pattern)
        if path.startswith(ELSEWHERE):
            continue
        if isinstance(pattern, URLResolver):
            yield from console_addresses(pattern.url_patterns, path)
        else:
            yield str(pattern.name)


def address_of(name: str) -> str:
    """With words that name nothing: who may come in finds nothing there."""
    values = {
        "pk": 987654321,
        "package_id": 987654321,
        "session": 987654321,
        "number": 1,
        "slug": "nothing",
        "name": "orders",
        "iccid": "8901",
    }
    values |= {"decision": "nothing", "change": "nothing", "step": "nothing", "form": "nothing"}
    ((_path, wanted),) = get_resolver().reverse_dict.getlist(name)[0][0]
    return reverse(name, kwargs={word: values[word] for word in wanted})


def member_of(slug: str) -> Client:
    user = User.objects.create_user(f"{slug}@desk.example", "x", is_staff=True)
    user.groups.add(Group.objects.get(name=ROLES[slug].group))
    client = Client()
    client.force_login(user)
    return client


def test_every_address_of_the_console_is_in_the_table() -> None:
    found = set(console_addresses())
    assert found - {*MAY, *NOT_FOR_STAFF} == set()
    assert {*MAY, *NOT_FOR_STAFF} - found == set()


@pytest.mark.parametrize("slug", ROLES)
def test_a_role_opens_what_it_should_and_nothing_else(slug: str) -> None:
    client = member_of(slug)
    opened = set()
    for name in MAY:
        address = address_of(name)
        # As htmx asks: a refusal without the page around it is quicker.
        response = client.get(address, headers={"HX-Request": "true"})
        if response.status_code == 405:
            response = client.post(address, headers={"HX-Request": "true"})
        assert response.status_code != 500, name
        assert not response.headers.get("Location", "").startswith("/accounts/"), name
        if response.status_code != 403:
            opened.add(name)
    assert opened == {name for name, roles in MAY.items() if LETTERS[slug] in roles}


def known_permissions(rows: QuerySet[Permission]) -> list[str]:
    return [f"{row.content_type.app_label}.{row.codename}" for row in rows.select_related("content_type")]


def permissions_in_use() -> set[str]:
    """What pages, buttons and verbs of ours ask for."""
    every = {
        f"{row.content_type.app_label}.{row.codename}" for row in Permission.objects.select_related("content_type")
    }
    code = "\n".join(path.read_text() for path in find_files(*APPS, endings=(".py",)) if path.name != "roles.py")
    templates = "\n".join(path.read_text() for path in find_files("templates", endings=(".html", ".txt")))
    asked = set(IN_TEMPLATES.findall(templates))
    assert asked <= every, "a template asks for what there is not"
    return asked | ({found.strip("\"'") for found in USED.findall(code)} & every)


def test_every_permission_in_use_belongs_to_a_role() -> None:
    used = permissions_in_use()
    assert {"orders.sell", "esims.reveal_codes", "catalog.set_price", "customers.manage_staff"} <= used
    working = [role for role in ROLES.values() if role.slug not in (ADMINISTRATOR, AUDITOR)]
    homeless = {name for name in used if not any(is_given(role, name) for role in working)}
    assert {name for name in homeless if ".view_" not in name} == ADMINISTRATION
    assert all(is_given(ROLES[ADMINISTRATOR], name) for name in used)


def test_roles_name_only_permissions_that_there_are() -> None:
    every = {
        f"{row.content_type.app_label}.{row.codename}" for row in Permission.objects.select_related("content_type")
    }
    assert {name for role in ROLES.values() for name in role.permissions} - every == set()


def test_the_groups_hold_what_the_table_says() -> None:
    """As ``migrate`` has left them: the migration made the groups, and what came after filled them."""
    for role in ROLES.values():
        names = set(known_permissions(Group.objects.get(name=role.group).permissions.all()))
        assert role.permissions <= names
        assert all(is_given(role, name) for name in names)


def test_an_auditor_changes_nothing_and_sees_no_secret() -> None:
    held = Group.objects.get(name=ROLES[AUDITOR].group).permissions.values_list("codename", flat=True)
    assert len(held) > 50
    assert [name for name in held if not name.startswith("view_")] == []


def test_laying_out_again_mends_what_was_changed_by_hand() -> None:
    group = Group.objects.get(name="Sales")
    before = set(group.permissions.values_list("pk", flat=True))
    group.permissions.set(Permission.objects.filter(codename="manage_staff"))
    call_command("migrate", verbosity=0)
    assert set(group.permissions.values_list("pk", flat=True)) == before
    lay_out_roles()
    assert set(group.permissions.values_list("pk", flat=True)) == before


def test_an_auditor_reads_the_admin_and_writes_nothing_there() -> None:
    client = member_of(AUDITOR)
    for page in ("customers/user/", "esims/esim/", "orders/order/", "catalog/plan/", "usersessions/usersession/"):
        assert client.get(f"/admin/{page}").status_code == 200, page
        assert client.get(f"/admin/{page}add/").status_code == 403, page
    assert client.get("/admin/auth/group/").status_code == 403
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(email=f"{AUDITOR}@desk.example")
    may = {
        model._meta.label: [*one.get_actions(request)]
        for model, one in admin.site._registry.items()
        if one.has_view_permission(request)
    }
    assert len(may) > 40
    assert {label: actions for label, actions in may.items() if actions} == {}


def test_a_group_of_the_same_name_keeps_its_people() -> None:
    """The migration on a database where somebody made such a group by hand; back, and there once more."""
    migration = import_module("customers.migrations.0007_roles")
    clerk = User.objects.create_user("clerk@desk.example", "x", is_staff=True)
    clerk.groups.add(Group.objects.get(name="Sales"))
    migration.put_groups_aside(apps, None)
    assert [group.name for group in clerk.groups.all()] == ["Sales (role)"]
    own = Group.objects.create(name="Finance")
    clerk.groups.add(own)
    migration.make_groups(apps, None)
    assert sorted(group.name for group in clerk.groups.all()) == ["Finance (by hand)", "Sales"]
    assert not clerk.has_perm("orders.refund")
    migration.put_groups_aside(apps, None)
    own.refresh_from_db()
    assert own.name == "Finance"


def test_the_demo_has_somebody_in_each_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROAMDESK_DEMO_PASSWORD", "a demo's own password")
    for _time in range(2):
        call_command("demo_login", "desk@roamdesk.example")
    found = {user.email.partition("@")[0]: find_role(user) for user in User.objects.filter(is_superuser=False)}
    assert found == dict(ROLES)
    client = Client()
    form = {"login": "auditor@roamdesk.example", "password": "a demo's own password"}
    assert client.post("/accounts/login/", form).headers["Location"] == "/"
    assert client.get("/staff/").status_code == 200
