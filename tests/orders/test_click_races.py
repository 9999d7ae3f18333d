"""Two clicks at once, and the sweeper against a slow reply: each race first without what prevents it, then with it."""

import threading
import time
import uuid
from decimal import Decimal

import pytest
from django.db import connection

from esims.models import Esim
from orders.checkout import place_order
from orders.checkpoints import Checkpoint, install_hook
from orders.models import Order, Payment, Purchase, PurchaseAttempt
from orders.payments import record_payment
from orders.purchasing import run_purchase
from orders.sweeping import sweep_purchases
from tests.orders.fakes import Wholesaler
from tests.orders.making import (
    make_customer,
    make_fake_plan,
    make_overdue,
    make_purchase,
    make_user,
    order_plan,
)
from tests.orders.test_races import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
PS = Purchase.State
PATIENCE = 20.0


# -- two clicks on "place the order" ----------------------------------------------------------------------------------


def test_naive_clicks_on_buy_give_two_orders(wholesaler: Wholesaler) -> None:
    """Without the key's constraint: look for the form's order, then place one."""
    plan, customer, staff, form = make_fake_plan(), make_customer(), make_user(), uuid.uuid4()
    both_looked = threading.Barrier(2)

    def click_naively() -> int:
        known = Order.objects.filter(note=str(form)).first()
        both_looked.wait(timeout=PATIENCE)
        if known is not None:
            return known.pk
        order = place_order(
            customer=customer,
            plan=plan,
            quantity=1,
            checkout_key=uuid.uuid4(),
            expected_unit_price=Decimal(6),
            by=staff,
            note=str(form),
        )
        return order.pk

    assert len(set(race(click_naively, click_naively))) == 2
    assert Order.objects.count() == 2


def test_click_whose_form_is_being_placed_waits_for_its_order(wholesaler: Wholesaler) -> None:
    """The first has written and not committed when the others have looked and found nothing; the key decides."""
    plan, customer, staff, form = make_fake_plan(), make_customer(), make_user(), uuid.uuid4()
    written, others_began = threading.Event(), threading.Event()

    def hook(checkpoint: Checkpoint, _row_id: int) -> None:
        if checkpoint == Checkpoint.PLACING and not written.is_set():
            written.set()
            assert others_began.wait(PATIENCE)
            # They are at the insert now, or soon.
            time.sleep(0.2)

    def click() -> int:
        order = place_order(
            customer=customer, plan=plan, quantity=1, checkout_key=form, expected_unit_price=Decimal(6), by=staff
        )
        return order.pk

    def click_later() -> int:
        assert written.wait(PATIENCE)
        others_began.set()
        return click()

    install_hook(hook)
    results = race(click, click_later, click_later)
    assert results == [Order.objects.get().pk] * 3


# -- two clicks on "paid" ---------------------------------------------------------------------------------------------


def test_naive_clicks_on_paid_plan_the_order_twice(wholesaler: Wholesaler) -> None:
    """Without the order's lock: look whether it is paid, then write payment and purchase."""
    order = order_plan(make_fake_plan())
    both_looked = threading.Barrier(2)

    def click_naively() -> bool:
        row = Order.objects.get(pk=order.pk)
        both_looked.wait(timeout=PATIENCE)
        if row.state != Order.State.UNPAID:
            return False
        line = row.lines.select_related("plan").get()
        Payment.objects.create(
            order=row,
            method="cash",
            amount=row.total,
            currency="USD",
            captured_amount=row.total,
            captured_currency="USD",
            captured_at=row.created_at,
        )
        Purchase.objects.create(
            order_line=line, account=line.plan.account, plan_ref="P", quantity=1, idempotency_key=str(uuid.uuid4())
        )
        Order.objects.filter(pk=row.pk).update(state="buying", paid_at=row.created_at)
        return True

    assert race(click_naively, click_naively) == [True, True]
    assert (Payment.objects.count(), Purchase.objects.count()) == (2, 2)


def test_two_forms_of_one_order_pay_it_once(wholesaler: Wholesaler) -> None:
    order, staff = order_plan(make_fake_plan()), make_user()

    def click() -> str:
        payment = record_payment(
            order=order,
            method="cash",
            amount=order.total,
            currency="USD",
            reference="",
            form_key=uuid.uuid4(),
            by=staff,
        )
        return str(payment.state)

    results = race(*[click] * 4)
    assert sorted(type(result).__name__ for result in results) == ["PaymentRefused"] * 3 + ["str"]
    assert (Payment.objects.count(), Purchase.objects.count()) == (1, 1)


# -- the sweeper against a slow reply ---------------------------------------------------------------------------------


def test_naive_sweeper_overwrites_what_a_slow_reply_brought(wholesaler: Wholesaler) -> None:
    """Without looking again under the lock: the sweeper saw it overdue, and parks it although its lines have come."""
    purchase = make_purchase()
    looked, applied = threading.Event(), threading.Event()

    def sweep_naively() -> bool:
        row = Purchase.objects.get(pk=purchase.pk)
        looked.set()
        assert applied.wait(PATIENCE)
        if row.state == PS.FULFILLED:
            return False
        Purchase.objects.filter(pk=row.pk).update(state=PS.UNKNOWN, next_attempt_at=None)
        return True

    def work_slowly() -> bool:
        assert looked.wait(PATIENCE)
        run_purchase(purchase_id=purchase.pk)
        applied.set()
        return True

    assert race(sweep_naively, work_slowly) == [True, True]
    purchase.refresh_from_db()
    # Lines that are here, and a person who is asked what became of them.
    assert (purchase.state, Esim.objects.count()) == ("unknown", 2)


@pytest.mark.parametrize("is_stored", [True, False], ids=["reply-stored", "reply-applied"])
def test_sweeper_that_saw_it_overdue_leaves_what_a_slow_reply_brought(
    wholesaler: Wholesaler, *, is_stored: bool
) -> None:
    """The sweeper stands before it rules; meanwhile the slow worker gets so far."""
    purchase = make_purchase()
    sent, seen, done = threading.Event(), threading.Event(), threading.Event()

    def hook(checkpoint: Checkpoint, _row_id: int) -> None:
        if checkpoint == Checkpoint.ANSWERED:
            sent.set()
            assert seen.wait(PATIENCE)
        if checkpoint == Checkpoint.RULING:
            seen.set()
            assert done.wait(PATIENCE)
        if checkpoint == Checkpoint.STORED and is_stored:
            done.set()

    def work_slowly() -> str:
        outcome = run_purchase(purchase_id=purchase.pk)
        done.set()
        return outcome

    def sweep() -> int:
        assert sent.wait(PATIENCE)
        make_overdue(purchase)
        return sweep_purchases().total

    install_hook(hook)
    assert race(work_slowly, sweep) == ["fulfilled", 1]
    purchase.refresh_from_db()
    assert (purchase.state, purchase.attention, Esim.objects.count()) == ("fulfilled", "", 2)
    assert PurchaseAttempt.objects.get().outcome == "fulfilled"
    assert purchase.events.filter(kind="purchase.state", facts__new="fulfilled").count() == 1
    assert not purchase.events.filter(kind="purchase.state", facts__new="unknown").exists()


def test_slow_reply_after_the_sweepers_ruling_is_applied_all_the_same(wholesaler: Wholesaler) -> None:
    purchase = make_purchase()
    sent, ruled = threading.Event(), threading.Event()

    def hook(checkpoint: Checkpoint, _row_id: int) -> None:
        if checkpoint == Checkpoint.ANSWERED:
            sent.set()
            assert ruled.wait(PATIENCE)

    def sweep() -> str:
        assert sent.wait(PATIENCE)
        make_overdue(purchase)
        sweep_purchases()
        state = Purchase.objects.get(pk=purchase.pk).state
        ruled.set()
        return state

    install_hook(hook)
    results = race(lambda: run_purchase(purchase_id=purchase.pk), sweep)
    purchase.refresh_from_db()
    assert results[1] == "unknown"
    assert (purchase.state, Esim.objects.count(), len(wholesaler.sales)) == ("fulfilled", 2, 1)
    assert connection.vendor == "postgresql"
