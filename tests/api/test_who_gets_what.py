"""Every operation for everybody: nobody, another customer, the customer, staff without the permission and with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Plan
from customers.models import Device, User
from orders.receipts import issue_receipt
from tests.api.app import App
from tests.api.buying import make_traveller
from tests.customers.making import make_staff
from tests.esims.making import make_line
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, order_plan, pay

pytestmark = pytest.mark.django_db

CALLERS = ("nobody", "other", "customer", "staff_without", "staff")


@dataclass(frozen=True, slots=True)
class World:
    """Whose things are asked for: always the customer's."""

    customer: User
    plan: Plan
    device: Device


@dataclass(frozen=True, slots=True)
class Row:
    """One operation; ``gets`` are the statuses of the callers in their order. ``permission`` is what staff hold."""

    name: str
    method: str
    address: Callable[[World], str]
    gets: tuple[int, int, int, int, int]
    permission: str = ""
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def an_order(world: World, *, paid: bool = False) -> str:
    """The address of an order of the customer's; a paid one has its receipt."""
    order = order_plan(world.plan, customer=world.customer.customer)
    if paid:
        pay(order)
        issue_receipt(order=order, by=world.customer)
    return f"/orders/{order.number}"


def a_line(world: World) -> str:
    """The address of a line of the customer's, which takes no top-up."""
    return f"/esims/{make_line(plan=world.plan, customer=world.customer.customer).pk}"


FOR_ALL = (200, 200, 200, 200, 200)
SIGNED_IN = (401, 200, 200, 200, 200)
CUSTOMERS = (401, 200, 200, 403, 403)
#: What is a customer's own, and cannot be done now.
OWN = (401, 404, 409, 403, 403)
NOT_BOUGHT = (401, 409, 409, 403, 403)
#: What its customer and staff may see, and what its customer alone may do.
SEEN, DONE = (401, 404, 200, 404, 200), (401, 404, 200, 403, 403)
PHONE = {"token": "another-token", "platform": "ios"}
OWNER = "owner@example.com"
KEY = {"Idempotency-Key": "a-wish"}
SEE_ORDERS, SEE_ESIMS, MAY_SUSPEND = "orders.view_order", "esims.view_esim", "esims.suspend_esim"
#: What is asked of a provider for a line: by its customer too, or by staff alone.
ASKED, STAFF = (401, 404, 202, 404, 202), (401, 403, 403, 403, 409)
REASON = {"reason": "The phone was stolen."}
PRICE = {"amount": "6.00", "currency": "USD"}
WISH = {"plan_id": 2**40, "unit_price": PRICE}
PAYMENT = {"method": "card", "amount": PRICE}
ROWS = [
    Row("listDestinations", "get", lambda _world: "/destinations", FOR_ALL),
    Row("listRegions", "get", lambda _world: "/regions", FOR_ALL),
    Row("listPlans", "get", lambda _world: "/plans", FOR_ALL),
    Row("readPlan", "get", lambda world: f"/plans/{world.plan.pk}", FOR_ALL),
    Row("readMe", "get", lambda _world: "/me", SIGNED_IN),
    Row("changeMe", "patch", lambda _world: "/me", SIGNED_IN, body={"language": "ja"}),
    Row("changeMyName", "patch", lambda _world: "/me", (401, 200, 200, 422, 422), body={"name": "Another"}),
    Row("signOutEverywhere", "delete", lambda _world: "/me/sessions", (401, 204, 204, 204, 204)),
    Row("listDevices", "get", lambda _world: "/me/devices", SIGNED_IN),
    Row("registerDevice", "post", lambda _world: "/me/devices", (401, 201, 201, 201, 201), body=PHONE),
    Row("forgetDevice", "delete", lambda world: f"/me/devices/{world.device.pk}", (401, 404, 204, 404, 404)),
    Row("readNotificationChoices", "get", lambda _world: "/me/notification-choices", CUSTOMERS),
    Row("changeNotificationChoices", "patch", lambda _world: "/me/notification-choices", CUSTOMERS, body={}),
    Row("exportMe", "get", lambda _world: "/me/export", SIGNED_IN),
    Row("previewDeletion", "get", lambda _world: "/me/deletion", SIGNED_IN),
    # The address that is typed is the customer's.
    Row("deleteMe", "post", lambda _world: "/me/deletion", (401, 422, 204, 422, 422), body={"email": OWNER}),
    Row("listOrders", "get", lambda _world: "/orders", CUSTOMERS, SEE_ORDERS),
    Row("listAllOrders", "get", lambda _world: "/orders?scope=all", (401, 403, 403, 403, 200), SEE_ORDERS),
    # There is no such plan, or none to be topped up with.
    Row("placeOrder", "post", lambda _world: "/orders", NOT_BOUGHT, "orders.sell", WISH, KEY),
    Row("readOrder", "get", an_order, SEEN, SEE_ORDERS),
    # No payment service is set up.
    Row("payOrder", "post", lambda world: f"{an_order(world)}/payments", OWN, "orders.sell", PAYMENT, KEY),
    Row("cancelOrder", "post", lambda world: f"{an_order(world)}/cancellation", DONE, "orders.sell"),
    Row(
        "readReceipt",
        "get",
        lambda world: f"{an_order(world, paid=True)}/receipt",
        (401, 404, 200, 404, 200),
        SEE_ORDERS,
    ),
    Row("issueReceipt", "post", lambda world: f"{an_order(world)}/receipt", OWN, SEE_ORDERS),
    Row("listTopUpOptions", "get", lambda world: f"{a_line(world)}/top-ups", OWN, "orders.sell"),
    Row(
        "orderTopUp",
        "post",
        lambda world: f"{a_line(world)}/top-ups",
        OWN,
        "orders.sell",
        WISH,
        KEY,
    ),
    Row("listEsims", "get", lambda _world: "/esims", CUSTOMERS, SEE_ESIMS),
    Row("listAllEsims", "get", lambda _world: "/esims?scope=all", (401, 403, 403, 403, 200), SEE_ESIMS),
    Row("readEsim", "get", a_line, SEEN, SEE_ESIMS),
    Row("changeEsim", "patch", a_line, DONE, SEE_ESIMS, {"label": "Mine"}),
    Row("readInstallGuide", "get", lambda world: f"{a_line(world)}/guide", SEEN, SEE_ESIMS),
    Row("readEsimQrPng", "get", lambda world: f"{a_line(world)}/qr.png", SEEN, "esims.reveal_codes"),
    Row("readEsimQrSvg", "get", lambda world: f"{a_line(world)}/qr.svg", SEEN, "esims.reveal_codes"),
    Row("readEsimActivation", "get", lambda world: f"{a_line(world)}/activation", SEEN, "esims.reveal_codes"),
    Row("refreshEsim", "post", lambda world: f"{a_line(world)}/refresh", ASKED, "esims.refresh_esim"),
    # This provider suspends nothing.
    Row("suspendEsim", "post", lambda world: f"{a_line(world)}/suspension", STAFF, MAY_SUSPEND, REASON, KEY),
    Row("releaseEsim", "post", lambda world: f"{a_line(world)}/release", STAFF, MAY_SUSPEND, REASON, KEY),
    Row("listNotifications", "get", lambda _world: "/notifications", CUSTOMERS),
    Row("countUnread", "get", lambda _world: "/notifications/unread", CUSTOMERS),
    Row("markRead", "post", lambda _world: "/notifications/read", CUSTOMERS, body={"ids": [1]}),
]


@pytest.fixture
def world(wholesaler: Wholesaler) -> World:
    customer = make_traveller(OWNER)
    device = Device.objects.create(user=customer, token="a-push-token", platform="ios", seen_at=timezone.now())
    return World(customer=customer, plan=make_fake_plan(), device=device)


def _caller(name: str, world: World, permission: str) -> App:
    if name == "nobody":
        return App()
    if name == "customer":
        return App.signed_in(world.customer, lately=True)
    if name == "other":
        return App.signed_in(make_traveller("other@example.com"), lately=True)
    held = [permission] if permission and name == "staff" else []
    return App.signed_in(make_staff(*held, email=f"{name}@desk.example"), lately=True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("caller", CALLERS)
def test_everybody_gets_what_is_theirs(world: World, row: Row, caller: str) -> None:
    app = _caller(caller, world, row.permission)
    response = app.call(row.method, row.address(world), row.body, **row.headers)
    assert response.status_code == row.gets[CALLERS.index(caller)], response.content


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_token_that_is_not_known_is_nobodys_way_in(world: World, row: Row) -> None:
    app = App()
    app.token = "x" * 32
    response = app.call(row.method, row.address(world), row.body, **row.headers)
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
