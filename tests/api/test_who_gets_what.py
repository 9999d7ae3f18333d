"""Every operation for everybody: nobody, another customer, the customer, staff without the permission and with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from catalog.models import Plan
from customers.models import User
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
ROWS = [
    Row("listDestinations", "get", lambda _world: "/destinations", FOR_ALL),
    Row("listRegions", "get", lambda _world: "/regions", FOR_ALL),
    Row("listPlans", "get", lambda _world: "/plans", FOR_ALL),
    Row("readPlan", "get", lambda world: f"/plans/{world.plan.pk}", FOR_ALL),
]


@pytest.fixture
def world() -> World:
    return World(customer=make_traveller(), plan=make_plan())


def _caller(name: str, world: World, permission: str) -> App:
    if name == "nobody":
        return App()
    if name == "customer":
        return App.signed_in(world.customer)
    if name == "other":
        return App.signed_in(make_traveller("other@example.com"))
    held = [permission] if permission and name == "staff" else []
    return App.signed_in(make_staff(*held, email=f"{name}@desk.example"))


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
