"""Orders that nobody pays in time: they expire once, without money on them, and can be given more time."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.checkout import CheckoutRefused, cancel_order
from orders.expiring import ExtensionRefused, due_orders, expire_orders, extend_order
from orders.models import Activation, Order, Payment, Purchase
from orders.payments import record_what_came
from orders.waking import WAKE_UPS
from tests.orders.making import make_fake_plan, make_user, order_plan, pay
from tests.queue import Queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]


def make_overdue(order: Order) -> Order:
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    order.refresh_from_db()
    return order


def test_an_order_waits_as_long_as_the_setting_says(settings: Settings) -> None:
    settings.ORDER_EXPIRES_HOURS = 2
    before = timezone.now()
    order = order_plan(make_fake_plan())
    assert order.expires_at is not None
    assert timedelta(hours=2) <= order.expires_at - before < timedelta(hours=2, minutes=1)
    settings.ORDER_EXPIRES_HOURS = 0
    assert order_plan(make_fake_plan()).expires_at is None


def test_an_unpaid_order_expires_once_with_one_row(queue: Queue) -> None:
    order, young = make_overdue(order_plan(make_fake_plan())), order_plan(make_fake_plan())
    assert WAKE_UPS["expiry"].is_due()
    assert (expire_orders(), expire_orders()) == (1, 0)
    assert not WAKE_UPS["expiry"].is_due()
    order.refresh_from_db()
    young.refresh_from_db()
    assert (order.state, order.finished_at is not None, young.state) == ("expired", True, "unpaid")
    event = order.events.get(kind="order.state")
    assert (event.by, event.why, event.facts) == (
        "expiring",
        "nobody paid in time",
        {"old": "unpaid", "new": "expired"},
    )
    assert (Purchase.objects.count(), queue.waiting()) == (0, [])


def test_paid_and_cancelled_orders_do_not_expire() -> None:
    paid, cancelled = order_plan(make_fake_plan()), order_plan(make_fake_plan())
    pay(paid)
    cancel_order(order=cancelled, by=make_user(), why="")
    for order in (paid, cancelled):
        make_overdue(order)
    assert (list(due_orders()), expire_orders()) == ([], 0)
    assert set(Order.objects.values_list("state", flat=True)) == {"buying", "cancelled"}


def test_an_order_with_money_on_it_or_a_pending_payment_stays() -> None:
    short, pending = (make_overdue(order_plan(make_fake_plan())) for _ in range(2))
    record_what_came(
        order=short,
        method="cash",
        amount=Decimal(1),
        currency="USD",
        reference="",
        form_key=uuid.uuid4(),
        by=make_user(),
    )
    Payment.objects.create(order=pending, method="card", state="pending", amount=6, currency="USD")
    assert (list(due_orders()), expire_orders()) == ([], 0)
    # What is owed back holds nothing: this one was in another currency.
    foreign = make_overdue(order_plan(make_fake_plan()))
    record_what_came(
        order=foreign,
        method="cash",
        amount=Decimal(6),
        currency="EUR",
        reference="",
        form_key=uuid.uuid4(),
        by=make_user(),
    )
    assert (list(due_orders()), expire_orders()) == ([foreign], 1)
    assert list(Order.objects.filter(state="unpaid").order_by("pk")) == [short, pending]


def test_a_pending_payment_that_comes_first_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """It began between the look and the lock."""
    order = make_overdue(order_plan(make_fake_plan()))
    stale = [order.pk]
    Payment.objects.create(order=order, method="card", state="pending", amount=6, currency="USD")
    monkeypatch.setattr("orders.expiring.due_orders", lambda: Order.objects.filter(pk__in=stale))
    assert expire_orders() == 0
    order.refresh_from_db()
    assert order.state == "unpaid"


def test_the_form_of_an_expired_activation_is_erased() -> None:
    order = make_overdue(order_plan(make_fake_plan()))
    line = order.lines.get()
    activation = Activation.objects.create(
        order_line=line, account=line.plan.account, delivery_code="D1", eid="8" * 32, payload=b"{}", is_open=True
    )
    assert expire_orders() == 1
    activation.refresh_from_db()
    assert (activation.payload, activation.is_open, activation.payload_erased_at is not None) == (None, False, True)


def test_staff_let_an_order_wait_longer() -> None:
    order, staff = make_overdue(order_plan(make_fake_plan())), make_user()
    until = timezone.now() + timedelta(days=5)
    for _ in range(2):
        extend_order(order=order, until=until, why="pays on Friday", by=staff)
    order.refresh_from_db()
    assert (order.expires_at, expire_orders(), order.state) == (until, 0, "unpaid")
    event = order.events.get(kind="order.extended")
    assert (event.by, event.why, event.facts["new"]) == (staff.email, "pays on Friday", until.isoformat())


@pytest.mark.parametrize("days", [-1, 91])
def test_an_order_does_not_wait_into_the_past_or_for_ever(days: int) -> None:
    order = order_plan(make_fake_plan())
    with pytest.raises(ExtensionRefused) as refused:
        extend_order(order=order, until=timezone.now() + timedelta(days=days), why="", by=make_user())
    assert refused.value.field == "days"
    assert not order.events.filter(kind="order.extended").exists()


def test_what_has_expired_neither_waits_longer_nor_is_cancelled() -> None:
    order = make_overdue(order_plan(make_fake_plan()))
    expire_orders()
    with pytest.raises(ExtensionRefused, match="no longer waits"):
        extend_order(order=order, until=timezone.now() + timedelta(days=1), why="", by=make_user())
    with pytest.raises(CheckoutRefused, match="expired already"):
        cancel_order(order=order, by=make_user(), why="")
    order.refresh_from_db()
    assert order.state == "expired"
