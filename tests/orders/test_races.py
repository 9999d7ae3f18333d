"""Two at once: the same form, payment, purchase. The race for a purchase is first shown without what prevents it."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.db import connection, transaction
from django.utils import timezone

from esims.models import Esim
from orders.applying import digest_reply
from orders.checkout import CheckoutRefused, place_order
from orders.checkpoints import Checkpoint, install_hook
from orders.models import Order, OrderEvent, Payment, Purchase, PurchaseAttempt, Refund
from orders.payments import PaymentRefused, record_payment
from orders.purchasing import claim_purchase, run_due_purchases, run_purchase
from orders.reconciliation import ReconciliationRefused, mark_not_bought, resume_purchase
from orders.refunds import record_refund_made
from orders.sweeping import sweep_purchases
from providers.registry import get_provider
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_overdue, make_purchase, make_user, order_plan

pytestmark = pytest.mark.django_db(transaction=True)
Result = TypeVar("Result")


def race(*works: Callable[[], Result]) -> list[Result | BaseException]:
    """Run all at once, each with its own connection; returns what each returned or raised."""
    barrier = threading.Barrier(len(works))
    results: list[Result | BaseException] = [AssertionError("did not run")] * len(works)

    def run(index: int, work: Callable[[], Result]) -> None:
        try:
            barrier.wait(timeout=10)
            results[index] = work()
        except Exception as error:  # noqa: BLE001  (told to the test, which asserts on it)
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index, work)) for index, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def test_naive_claim_lets_both_workers_buy(wholesaler: Wholesaler) -> None:
    """Without the conditional update: look, then write."""
    purchase = make_purchase()
    both_looked = threading.Barrier(2)

    def claim_naively() -> bool:
        row = Purchase.objects.get(pk=purchase.pk)
        both_looked.wait(timeout=10)
        if row.state != Purchase.State.PLANNED:
            return False
        now = timezone.now()
        Purchase.objects.filter(pk=row.pk).update(state="sending", claim=uuid.uuid4(), claim_until=now)
        return True

    assert race(claim_naively, claim_naively) == [True, True]


def test_one_of_many_workers_claims(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    provider = get_provider("fake")
    claims = race(*[lambda: claim_purchase(purchase_id=purchase.pk, provider=provider)] * 6)
    assert not [claim for claim in claims if isinstance(claim, BaseException)]
    assert sum(claim is not None for claim in claims) == 1
    assert PurchaseAttempt.objects.count() == 1
    purchase.refresh_from_db()
    assert (purchase.state, purchase.attempts_made) == ("sending", 1)


def test_many_workers_buy_each_purchase_once(wholesaler: Wholesaler) -> None:
    purchases = [make_purchase(quantity=2) for _ in range(5)]
    results = race(*[lambda: run_due_purchases(seconds=20)] * 4)
    assert not [result for result in results if isinstance(result, BaseException)]
    assert sorted(wholesaler.arrived) == sorted(purchase.idempotency_key for purchase in purchases)
    assert set(Purchase.objects.values_list("state", flat=True)) == {"fulfilled"}
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)
    assert set(Order.objects.values_list("state", flat=True)) == {"completed"}


def test_parts_of_one_order_are_bought_at_once(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan("fake-single"), 8)
    record_payment(
        order=order,
        method="cash",
        amount=order.total,
        currency="USD",
        reference="",
        form_key=uuid.uuid4(),
        by=make_user(),
    )
    results = race(*[lambda: run_due_purchases(seconds=30)] * 4)
    assert not [result for result in results if isinstance(result, BaseException)]
    order.refresh_from_db()
    assert (order.state, len(wholesaler.sales)) == ("completed", 8)
    # One row for the end of the order, whoever delivered last.
    assert order.events.filter(kind="order.state", facts__new="completed").count() == 1


def test_double_click_on_buy_gives_one_order(wholesaler: Wholesaler) -> None:
    plan, customer, staff, key = make_fake_plan(), make_customer(), make_user(), uuid.uuid4()

    def click() -> int:
        order = place_order(
            customer=customer, plan=plan, quantity=2, checkout_key=key, expected_unit_price=Decimal(6), by=staff
        )
        return order.pk

    pks = race(*[click] * 5)
    assert (len(set(pks)), Order.objects.count()) == (1, 1)
    assert pks[0] == Order.objects.get().pk


def test_double_click_with_other_contents(wholesaler: Wholesaler) -> None:
    plan, customer, staff, key = make_fake_plan(), make_customer(), make_user(), uuid.uuid4()

    def click(quantity: int) -> int:
        order = place_order(
            customer=customer, plan=plan, quantity=quantity, checkout_key=key, expected_unit_price=Decimal(6), by=staff
        )
        return order.pk

    results = race(lambda: click(1), lambda: click(2))
    assert sorted(type(result).__name__ for result in results) == ["CheckoutRefused", "int"]
    assert Order.objects.count() == 1
    assert any(isinstance(result, CheckoutRefused) for result in results)


@pytest.mark.parametrize("same_form", [True, False])
def test_double_click_on_pay(wholesaler: Wholesaler, same_form: bool) -> None:
    order, staff, key = order_plan(make_fake_plan(), 2), make_user(), uuid.uuid4()

    def click() -> int:
        payment = record_payment(
            order=order,
            method="cash",
            amount=order.total,
            currency="USD",
            reference="",
            form_key=key if same_form else uuid.uuid4(),
            by=staff,
        )
        return payment.pk

    results = race(*[click] * 4)
    paid = [result for result in results if isinstance(result, int)]
    assert (Payment.objects.count(), Purchase.objects.count()) == (1, 1)
    if same_form:
        assert paid == [Payment.objects.get().pk] * 4
    else:
        assert (len(paid), sum(isinstance(result, PaymentRefused) for result in results)) == (1, 3)


def test_sweepers_and_the_slow_worker_apply_one_reply_once(wholesaler: Wholesaler) -> None:
    class Stop(Exception):
        pass

    def stop(checkpoint: Checkpoint, _purchase_id: int) -> None:
        if checkpoint == Checkpoint.STORED:
            raise Stop

    purchase = make_purchase(quantity=5)
    install_hook(stop)
    with pytest.raises(Stop):
        run_purchase(purchase_id=purchase.pk)
    install_hook(None)
    attempt = PurchaseAttempt.objects.get()
    make_overdue(purchase)
    results = race(
        lambda: digest_reply(attempt_id=attempt.pk, by="slow worker") and None,
        lambda: sweep_purchases() and None,
        lambda: sweep_purchases() and None,
    )
    assert results == [None, None, None]
    purchase.refresh_from_db()
    assert (purchase.state, Esim.objects.count()) == ("fulfilled", 5)
    assert OrderEvent.objects.filter(kind="purchase.state", facts__new="fulfilled").count() == 1


def test_sweepers_rule_once(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    claim_purchase(purchase_id=purchase.pk, provider=get_provider("fake"))
    make_overdue(purchase)
    results = race(*[lambda: sweep_purchases().lost] * 4)
    assert not [result for result in results if isinstance(result, BaseException)]
    assert OrderEvent.objects.filter(kind="purchase.state", facts__new="unknown").count() == 1


def test_late_reply_and_refund_see_each_other(wholesaler: Wholesaler) -> None:
    """Either the refund is dropped and refused, or it is made and the lines ask for a look; never neither."""
    staff = make_user("orders.reconcile", "orders.refund")

    class Stop(Exception):
        pass

    def stop(checkpoint: Checkpoint, _purchase_id: int) -> None:
        if checkpoint == Checkpoint.STORED:
            raise Stop

    purchase = make_purchase()
    install_hook(stop)
    with pytest.raises(Stop):
        run_purchase(purchase_id=purchase.pk)
    install_hook(None)
    attempt = PurchaseAttempt.objects.get()
    Purchase.objects.update(state="unknown", claim_until=None)
    mark_not_bought(purchase=purchase, why="portal", by=staff)
    refund = Refund.objects.get()
    results: list[Any] = race(
        lambda: digest_reply(attempt_id=attempt.pk, by="slow worker") and "applied",
        lambda: record_refund_made(refund=refund, method="cash", by=staff) and "made",
    )
    purchase.refresh_from_db()
    refund.refresh_from_db()
    assert (results[0], purchase.state) == ("applied", "fulfilled")
    if results[1] == "made":
        assert (refund.state, "went back already" in purchase.attention) == ("made", True)
    else:
        assert (refund.state, purchase.attention) == ("dropped", "")


def test_one_of_two_decisions_counts(wholesaler: Wholesaler) -> None:
    staff = make_user("orders.reconcile")
    wholesaler.plan_orders("no_balance")
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    results = race(*[lambda: resume_purchase(purchase=purchase, by=staff) and "done"] * 3)
    assert sorted(str(type(result).__name__) for result in results) == [
        "ReconciliationRefused",
        "ReconciliationRefused",
        "str",
    ]
    assert any(isinstance(result, ReconciliationRefused) for result in results)


@pytest.mark.postgres
def test_locks_are_real_on_postgres(wholesaler: Wholesaler) -> None:
    """A claim waits for the order's lock, so that it sees what the other transaction decided."""
    purchase = make_purchase()
    provider = get_provider("fake")
    claimed: list[object] = []

    def claim() -> None:
        claimed.append(claim_purchase(purchase_id=purchase.pk, provider=provider))
        connection.close()

    with transaction.atomic():
        Order.objects.select_for_update().get()
        thread = threading.Thread(target=claim)
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive()
        Purchase.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    thread.join(timeout=10)
    assert claimed == [None]
