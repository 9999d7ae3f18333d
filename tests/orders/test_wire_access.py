"""Buying from the simulated eSIM Access over real HTTP: fault by fault, never twice and never lost."""

from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from esims.models import Esim
from orders.books import read_balances
from orders.call_log import find_calls
from orders.models import Purchase
from orders.purchasing import run_purchase
from orders.reconciliation import enter_transaction_id
from tests.catalog.making import make_account, make_plan
from tests.orders.making import make_due, make_user, order_plan, pay
from tests.simulator_access import Access, open_account
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db
QUANTITY = 3


@pytest.fixture
def access(settings: Settings, simulator: Simulator) -> Access:
    """The account, with short time-outs, lines that are there a minute after the order, and no limits on its side."""
    access = open_account(settings, simulator, allocation_delay_s=60)
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 1.0
    return access


def plan_purchase(access: Access) -> Purchase:
    code = access.find_package(dataType=1)
    package = access.package(code)
    account = make_account("esim-access", adapter="esim_access")
    net = Decimal(package["price"]) / 10_000
    plan = make_plan(account, plan_ref=code, alias=package["slug"], net_price=net, currency="USD")
    pay(order_plan(plan, QUANTITY))
    return Purchase.objects.get()


def step(purchase: Purchase) -> Purchase:
    run_purchase(purchase_id=make_due(purchase).pk)
    return Purchase.objects.get(pk=purchase.pk)


def held_refs() -> list[str]:
    return sorted(Esim.objects.values_list("provider_ref", flat=True))


def sold_refs(access: Access) -> list[str]:
    return sorted(ref for order in access.orders() for ref in order["refs"])


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("reset_before", {}),
    ("reset_after", {}),
    ("hang_after", {"seconds": 3}),
    ("status_before", {"status": 500}),
    ("status_after", {"status": 503}),
    ("refuse_code", {"code": "000001"}),
    ("refuse_code_after", {"code": "000001"}),
    ("refuse_code", {"code": "101013"}),
    ("refuse_code", {"code": "900001"}),
    ("cut_body", {"fraction": 0.5}),
    ("empty_body", {}),
    ("drop_fields", {"fields": ["orderNo"]}),
    ("unknown_words", {}),
    ("extra_fields", {}),
]


@pytest.mark.parametrize("duplicate", ["original", "error"])
@pytest.mark.parametrize(("kind", "parameters"), FAULTS, ids=[f"{fault[0]}-{i}" for i, fault in enumerate(FAULTS)])
def test_every_fault_of_an_order_ends_with_all_lines_once(
    access: Access, kind: str, parameters: dict[str, Any], duplicate: str
) -> None:
    access.set_switches(duplicate_order=duplicate)
    purchase = plan_purchase(access)
    access.simulator.order_fault(kind, "order", system="access", **parameters)
    purchase = step(purchase)
    assert purchase.state in {"planned", "allocating"}, purchase.error
    for _look in range(3):
        purchase = step(purchase)
        assert purchase.state in {"planned", "allocating"}, purchase.error
    access.simulator.move_clock(seconds=61)
    for _look in range(5):
        purchase = step(purchase)
    assert purchase.state == "fulfilled", purchase.error
    assert len(access.orders()) == 1
    assert held_refs() == sold_refs(access)
    assert len(held_refs()) == QUANTITY
    for esim in Esim.objects.all():
        assert esim.lpa == access.line(esim.provider_ref)["line"]["ac"]
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


@pytest.mark.parametrize(
    ("code", "mend"), [("200005", "price"), ("200007", "balance"), ("200011", "stock"), ("101003", "credentials")]
)
def test_what_staff_can_mend_is_held_and_nothing_was_bought(access: Access, code: str, mend: str) -> None:
    purchase = plan_purchase(access)
    access.simulator.order_fault("refuse_code", "order", system="access", code=code)
    purchase = step(purchase)
    assert (purchase.state, purchase.mend, purchase.error_code) == ("held", mend, code)
    assert access.orders() == []


@pytest.mark.parametrize("reading", ["error", "empty", "bare"])
def test_allocation_is_waited_for_however_it_is_told(access: Access, reading: str) -> None:
    access.set_switches(allocating_reply=reading)
    purchase = plan_purchase(access)
    for _look in range(6):
        purchase = step(purchase)
        assert (purchase.state, held_refs()) == ("allocating", [])
    access.simulator.move_clock(seconds=61)
    purchase = step(purchase)
    assert (purchase.state, held_refs()) == ("fulfilled", sold_refs(access))


def test_an_order_number_that_the_provider_does_not_know_is_found_by_our_key_in_the_list_of_that_time(
    access: Access,
) -> None:
    """Somebody typed another number than the portal shows: our transactionId is looked for among all that was sold."""
    purchase = plan_purchase(access)
    access.set_switches(allocation_delay_s=0)
    access.simulator.order_fault("reset_after", "order", system="access")
    purchase = step(purchase)
    Purchase.objects.update(state="unknown", next_attempt_at=None)
    enter_transaction_id(purchase=purchase, transaction_id="B99999999999999", by=make_user("orders.reconcile"))
    purchase = step(purchase)
    assert (purchase.state, held_refs()) == ("fulfilled", sold_refs(access))
    spans = [request for request in access.requests("query") if "startTime" in request["body"]]
    assert len(spans) == 1
    assert len(access.orders()) == 1
    # That the number was another is for a person to see.
    assert "B99999999999999" in purchase.attention


def test_the_calls_of_each_attempt_are_found_in_the_call_log(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    purchase = step(plan_purchase(access))
    purchase = step(purchase)
    assert purchase.state == "fulfilled"
    order, inquiry = purchase.attempts.order_by("number")
    calls = find_calls("esim-access", [order, inquiry])
    assert [call.operation for call in calls[order.pk]] == ["order"]
    assert [call.operation for call in calls[inquiry.pk]] == ["query"]
