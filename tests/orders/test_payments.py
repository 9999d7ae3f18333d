"""Taking money: exact, once, and only then anything is bought."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from orders.capturing import count_outstanding
from orders.checkout import cancel_order
from orders.models import Order, Payment, Purchase
from orders.payments import PaymentRefused, record_payment
from orders.purchasing import run_purchase
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan, pay
from tests.queue import Queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]


def record(order: Order, **changes: Any) -> Payment:
    arguments: dict[str, Any] = {
        "order": order,
        "method": "cash",
        "amount": order.total,
        "currency": "USD",
        "reference": "till 3",
        "form_key": uuid.uuid4(),
        "by": changes.pop("by", None) or make_user(),
    }
    return record_payment(**{**arguments, **changes})


def test_payment_starts_the_buying_in_one_transaction(queue: Queue) -> None:
    order, staff = order_plan(make_fake_plan(), 2), make_user()
    payment = record(order, by=staff)
    order.refresh_from_db()
    assert (order.state, order.paid_at is not None, count_outstanding(order)) == ("buying", True, Decimal(0))
    assert (payment.state, payment.amount, payment.reference, payment.recorded_by) == (
        "captured",
        Decimal(12),
        "till 3",
        staff,
    )
    purchase = Purchase.objects.get()
    assert (purchase.state, purchase.quantity, purchase.plan_ref) == (
        "planned",
        2,
        purchase.order_line.plan.plan_ref,
    )
    assert uuid.UUID(purchase.idempotency_key)
    jobs = queue.waiting()
    assert [(job.queue, job.name, job.args) for job in jobs] == [
        ("roamdesk", "orders.tasks.run_purchase", (purchase.pk,))
    ]
    kinds = list(order.events.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["order.placed", "payment.captured", "order.state", "purchase.planned"]


def test_payment_that_fails_to_plan_leaves_nothing(queue: Queue, settings: Settings) -> None:
    order = order_plan(make_fake_plan())
    settings.PROVIDERS = {}
    with pytest.raises(PaymentRefused, match="not configured"):
        record(order)
    order.refresh_from_db()
    assert (order.state, Payment.objects.count(), Purchase.objects.count()) == ("unpaid", 0, 0)
    assert queue.waiting() == []


def test_line_is_split_by_what_one_order_may_hold() -> None:
    order = order_plan(make_fake_plan("fake-blind"), 7)
    pay(order)
    purchases = Purchase.objects.order_by("pk")
    assert [purchase.quantity for purchase in purchases] == [3, 3, 1]
    assert len({purchase.idempotency_key for purchase in purchases}) == 3


@pytest.mark.parametrize("amount", ["11.99", "12.01", "0", "-12"])
def test_other_amount_is_refused(amount: str, queue: Queue) -> None:
    order = order_plan(make_fake_plan(), 2)
    with pytest.raises(PaymentRefused, match=r"exactly 12\.00 USD") as refused:
        record(order, amount=Decimal(amount))
    assert refused.value.field == "amount"
    order.refresh_from_db()
    assert (order.state, Payment.objects.count(), Purchase.objects.count()) == ("unpaid", 0, 0)
    assert queue.waiting() == []


@pytest.mark.parametrize(("change", "field"), [({"currency": "JPY"}, "currency"), ({"method": "barter"}, "method")])
def test_other_currency_or_method_is_refused(change: dict[str, str], field: str) -> None:
    with pytest.raises(PaymentRefused) as refused:
        record(order_plan(make_fake_plan()), **change)
    assert refused.value.field == field
    assert Payment.objects.count() == 0


def test_same_form_records_one_payment(queue: Queue) -> None:
    order, key = order_plan(make_fake_plan()), uuid.uuid4()
    first, second = record(order, form_key=key), record(order, form_key=key)
    assert first.pk == second.pk
    assert (Payment.objects.count(), Purchase.objects.count(), len(queue.waiting())) == (1, 1, 1)


def test_same_form_for_another_order_is_refused() -> None:
    key = uuid.uuid4()
    record(order_plan(make_fake_plan()), form_key=key)
    with pytest.raises(PaymentRefused, match="sent before"):
        record(order_plan(make_fake_plan()), form_key=key)
    assert Payment.objects.count() == 1


def test_paid_order_takes_no_second_payment() -> None:
    order = order_plan(make_fake_plan())
    record(order)
    with pytest.raises(PaymentRefused, match="paid already"):
        record(order)
    assert (Payment.objects.count(), Purchase.objects.count()) == (1, 1)


def test_cancelled_order_takes_no_payment() -> None:
    order = order_plan(make_fake_plan())
    cancel_order(order=order, by=make_user(), why="")
    with pytest.raises(PaymentRefused, match="cancelled"):
        record(order)
    assert Payment.objects.count() == 0


def test_order_of_nothing_is_paid_with_nothing(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan(retail_price=Decimal(0)))
    record(order, amount=Decimal(0))
    run_purchase(purchase_id=Purchase.objects.get().pk)
    order.refresh_from_db()
    assert (order.state, len(wholesaler.sold_refs)) == ("completed", 1)


def test_purchase_of_an_unpaid_order_is_never_sent(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan())
    pay(order)
    Order.objects.update(paid_at=None, state=Order.State.UNPAID)
    assert run_purchase(purchase_id=Purchase.objects.get().pk) == ""
    assert wholesaler.arrived == []
    assert Purchase.objects.get().state == "planned"
