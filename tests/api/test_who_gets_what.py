"""Every operation for everybody: nobody, another customer, the customer, staff without the permission and with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Plan
from customers.models import Device, User
from tests.api.app import App
from tests.api.buying import make_traveller
from tests.catalog.making import make_plan
from tests.customers.making import make_staff

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


FOR_ALL = (200, 200, 200, 200, 200)
SIGNED_IN = (401, 200, 200, 200, 200)
CUSTOMERS = (401, 200, 200, 403, 403)
PHONE = {"token": "another-token", "platform": "ios"}
OWNER = "owner@example.com"
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
]


@pytest.fixture
def world() -> World:
    customer = make_traveller(OWNER)
    device = Device.objects.create(user=customer, token="a-push-token", platform="ios", seen_at=timezone.now())
    return World(customer=customer, plan=make_plan(), device=device)


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
    response = app.call(row.method, row.address(world), row.body)
    assert response.status_code == row.gets[CALLERS.index(caller)], response.content


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_token_that_is_not_known_is_nobodys_way_in(world: World, row: Row) -> None:
    app = App()
    app.token = "x" * 32
    response = app.call(row.method, row.address(world), row.body)
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
