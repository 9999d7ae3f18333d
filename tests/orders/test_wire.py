"""Buying from the simulator over real HTTP: our rows against the provider's own books, fault by fault."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from esims.models import Esim
from orders.books import read_balances
from orders.models import Order, Purchase, PurchaseAttempt, Refund
from orders.purchasing import run_purchase
from orders.reconciliation import enter_transaction_id
from orders.sweeping import sweep_purchases
from providers.models import ProviderCall
from tests.catalog.making import make_account, make_plan
from tests.orders.making import make_due, make_overdue, make_user, order_plan, pay
from tests.queue import ChildProcess
from tests.simulator_client import KEYS, PRODUCTION, Simulator


def plan_purchase(wire: Simulator, quantity: int = 3) -> Purchase:
    plan = make_plan(make_account(), plan_ref=wire.plan_codes()[0])
    order = order_plan(plan, quantity)
    pay(order)
    return Purchase.objects.get()


def step(purchase: Purchase) -> Purchase:
    run_purchase(purchase_id=make_due(purchase).pk)
    return Purchase.objects.get(pk=purchase.pk)


def held_refs() -> list[str]:
    return sorted(Esim.objects.values_list("provider_ref", flat=True))


def assert_balanced() -> None:
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


@pytest.mark.django_db
def test_buys_over_the_wire(wire: Simulator) -> None:
    purchase = step(plan_purchase(wire))
    (sale,) = wire.orders()
    assert (purchase.state, purchase.transaction_id) == ("fulfilled", sale["reference"])
    assert held_refs() == sorted(sale["refs"])
    for esim in Esim.objects.all():
        assert esim.lpa == wire.line(esim.provider_ref)["qrCode"]
    secrets = [esim.lpa for esim in Esim.objects.all()] + [esim.matching_id for esim in Esim.objects.all()]
    logged = "".join(ProviderCall.objects.values_list("reply", flat=True))
    assert not [secret for secret in secrets if secret in logged]
    assert_balanced()


#: Fault, its parameters, the state after one step, how many eSIMs the provider sold.
FAULTS: list[tuple[str, dict[str, Any], str, int]] = [
    ("reset_before", {}, "unknown", 0),
    ("reset_after", {}, "unknown", 3),
    ("close_before", {}, "unknown", 0),
    ("close_after", {}, "unknown", 3),
    ("hang", {"seconds": 3}, "unknown", 0),
    ("hang_after", {"seconds": 3}, "unknown", 3),
    ("status_before", {"status": 500}, "unknown", 0),
    ("status_after", {"status": 503}, "unknown", 3),
    ("cut_body", {"fraction": 0.5}, "allocating", 3),
    ("cut_body", {"at_byte": 10}, "unknown", 3),
    ("cut_body", {"at_byte": 0}, "unknown", 3),
    ("empty_body", {}, "unknown", 3),
    ("html_body", {}, "unknown", 3),
    ("short_reply", {"by": 1}, "allocating", 3),
    ("short_reply", {"by": 3}, "allocating", 3),
    ("short_order", {"by": 1}, "allocating", 2),
    ("duplicate_item", {}, "fulfilled", 3),
    ("unknown_words", {}, "fulfilled", 3),
    ("drop_fields", {"fields": ["transactionId"]}, "fulfilled", 3),
    ("extra_fields", {}, "fulfilled", 3),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "parameters", "state", "sold"), FAULTS, ids=[f"{f[0]}-{i}" for i, f in enumerate(FAULTS)]
)
def test_fault(wire: Simulator, kind: str, parameters: dict[str, Any], state: str, sold: int) -> None:
    purchase = plan_purchase(wire)
    wire.order_fault(kind, "order", **parameters)
    purchase = step(purchase)
    assert purchase.state == state, purchase.error
    assert len(wire.sold_iccids()) == sold
    assert Refund.objects.count() == 0
    wire.forget_faults()
    for _ in range(4):
        purchase = step(purchase)
    if state == "unknown":
        assert (purchase.state, held_refs(), wire.count_requests("order")) == ("unknown", [], 1)
    else:
        assert purchase.state == ("short" if kind == "short_order" else "fulfilled"), purchase.error
        assert held_refs() == sorted(wire.sold_iccids())
        assert len(wire.orders()) == 1
    assert_balanced()


@pytest.mark.django_db
def test_limit_at_the_provider_is_waited_for(wire: Simulator) -> None:
    purchase = plan_purchase(wire)
    wire.order_fault("rate_limited", "order", retry_after=2)
    purchase = step(purchase)
    assert (purchase.state, wire.orders()) == ("planned", [])
    assert purchase.next_attempt_at is not None
    assert 0 < (purchase.next_attempt_at - timezone.now()).total_seconds() <= 2
    time.sleep(2.1)
    run_purchase(purchase_id=purchase.pk)
    assert (Purchase.objects.get().state, held_refs()) == ("fulfilled", sorted(wire.sold_iccids()))


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["wrong_json", "cut_body"])
def test_reply_in_ruins_still_gives_its_handle(wire: Simulator, kind: str) -> None:
    purchase = plan_purchase(wire)
    wire.order_fault(kind, "order")
    purchase = step(purchase)
    assert purchase.state in ("unknown", "allocating")
    if purchase.state == "unknown":
        reference = wire.orders()[0]["reference"]
        enter_transaction_id(purchase=purchase, transaction_id=reference, by=make_user("orders.reconcile"))
    purchase = step(purchase)
    assert (purchase.state, held_refs()) == ("fulfilled", sorted(wire.sold_iccids()))


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["out_of_stock", "insufficient_balance"])
def test_refusal_buys_nothing(wire: Simulator, reason: str) -> None:
    purchase = plan_purchase(wire)
    wire.order_fault("refuse", "order", reason=reason)
    purchase = step(purchase)
    assert purchase.state in ("held", "rejected")
    assert (wire.orders(), held_refs()) == ([], [])
    assert_balanced()


@pytest.mark.django_db
def test_plan_that_vanished_at_the_provider(wire: Simulator) -> None:
    purchase = plan_purchase(wire)
    wire.remove_plans(purchase.plan_ref)
    purchase = step(purchase)
    assert purchase.state in ("held", "rejected")
    assert (wire.orders(), wire.count_requests("order")) == ([], 1)
    assert_balanced()


@pytest.mark.django_db
def test_provider_that_is_not_there(wire: Simulator, settings: Any) -> None:
    purchase = plan_purchase(wire)
    settings.PROVIDERS["esim-commerce"]["url"] = "http://127.0.0.1:9"
    purchase = step(purchase)
    assert (purchase.state, PurchaseAttempt.objects.get().outcome) == ("planned", "not_sent")
    settings.PROVIDERS["esim-commerce"]["url"] = wire.production_url
    assert step(purchase).state == "fulfilled"
    assert len(wire.orders()) == 1


@pytest.mark.django_db
def test_thousand_esims_in_one_reply(wire: Simulator, settings: Any) -> None:
    settings.HTTP_ORDER_READ_TIMEOUT = 60.0
    purchase = step(plan_purchase(wire, quantity=1000))
    assert purchase.state == "fulfilled"
    assert held_refs() == sorted(wire.sold_iccids())
    assert len(held_refs()) == 1000


# -- the worker is killed while the order is on the wire ---------------------------------------------------------------


def wait_until(condition: Callable[[], bool], worker: ChildProcess, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, worker.output()
        time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
@pytest.mark.parametrize("command", ["qcluster", "run_purchases"])
def test_worker_killed_while_the_order_is_on_the_wire(
    wire: Simulator, spawn: Callable[..., ChildProcess], kind: str, command: str
) -> None:
    keys = KEYS[PRODUCTION]
    environment = {
        "ESIM_COMMERCE_URL": wire.production_url,
        "ESIM_COMMERCE_KEY_ID": keys.key_id,
        "ESIM_COMMERCE_KEY_SECRET": keys.key_secret,
        "ESIM_COMMERCE_CURRENCY": "USD",
        "WORKERS": "1",
    }
    purchase = plan_purchase(wire, quantity=2)
    wire.order_fault(kind, "order", seconds=4)
    worker = spawn(command, **environment)
    wait_until(lambda: wire.count_requests("order") == 1, worker)
    if kind == "delay_after":
        wait_until(lambda: len(wire.orders()) == 1, worker)
    purchase.refresh_from_db()
    assert purchase.state == "sending"
    worker.kill()
    # The order goes through at the provider although nobody waits for the reply any more.
    wait_until(lambda: len(wire.orders()) == 1, worker)

    # A new worker finds the job of the dead one again, at the latest when its lock ends; it sends nothing.
    spawn(command, **environment)
    assert run_purchase(purchase_id=purchase.pk) == ""
    make_overdue(purchase)
    assert sweep_purchases().lost == 1
    purchase.refresh_from_db()
    assert (purchase.state, purchase.next_attempt_at) == ("unknown", None)
    assert Order.objects.get().state == "buying"
    time.sleep(1)
    assert (len(wire.orders()), wire.count_requests("order"), Esim.objects.count()) == (1, 1, 0)

    # A person finds the transaction in the provider's portal.
    enter_transaction_id(
        purchase=purchase, transaction_id=wire.orders()[0]["reference"], by=make_user("orders.reconcile")
    )
    if command == "qcluster":
        wait_until(lambda: Order.objects.get().state == "completed", worker)
    else:
        run_purchase(purchase_id=purchase.pk)
    assert held_refs() == sorted(wire.sold_iccids())
    assert wire.count_requests("order") == 1
