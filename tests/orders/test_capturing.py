"""Money that comes as it comes: the whole table of ``orders/capturing.py``, with exact books after each row."""

import uuid
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.books import find_uneven_orders, read_balances
from orders.capturing import capture_payment, count_outstanding
from orders.checkout import cancel_order
from orders.expiring import expire_orders
from orders.models import Order, Payment, Purchase, Refund
from orders.payments import PaymentRefused, record_what_came
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan, pay
from tests.orders.test_expiring import make_overdue
from tests.queue import Queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]


def come(order: Order, amount: str, currency: str = "USD", *, form_key: uuid.UUID | None = None) -> Payment:
    """A bank transfer as it stands on the statement. Two eSIMs at 6.00 USD are asked for."""
    return record_what_came(
        order=order,
        method="transfer",
        amount=Decimal(amount),
        currency=currency,
        reference="BANK-1",
        form_key=form_key or uuid.uuid4(),
        by=make_user(),
    )


def make_order(state: str = "unpaid") -> Order:
    order = order_plan(make_fake_plan(), 2)
    if state == "expired":
        make_overdue(order)
        expire_orders()
    elif state == "cancelled":
        cancel_order(order=order, by=make_user(), why="")
    elif state == "buying":
        pay(order)
    order.refresh_from_db()
    assert order.state == state
    return order


def assert_exact_books() -> None:
    assert [balance.difference for balance in read_balances() if balance.difference] == []
    assert find_uneven_orders() == []


#: The order is, what came → the order then, what is owed back, what a person is told ("" = nothing).
TABLE = [
    ("unpaid", "12", "USD", "buying", [], ""),
    ("unpaid", "11.99", "USD", "unpaid", [], "0.01 USD of the order's total are missing: nothing is bought yet."),
    ("unpaid", "15", "USD", "buying", ["3.00 USD"], "3.00 USD too much came: it is owed back."),
    ("unpaid", "12", "EUR", "unpaid", ["12.00 EUR"], "The order is in USD, and 12.00 EUR came: it is owed back."),
    (
        *("expired", "12", "USD", "expired", []),
        "It came after the order had expired: buy the order after all, or give the money back.",
    ),
    ("expired", "5", "EUR", "expired", ["5.00 EUR"], "The order is in USD, and 5.00 EUR came: it is owed back."),
    ("cancelled", "12", "USD", "cancelled", ["12.00 USD"], "It came although the order is cancelled: it is owed back."),
    ("cancelled", "12", "JPY", "cancelled", ["12 JPY"], "The order is in USD, and 12 JPY came: it is owed back."),
    ("buying", "12", "USD", "buying", ["12.00 USD"], "It came although the order is paid already: it is owed back."),
    ("buying", "1", "EUR", "buying", ["1.00 EUR"], "The order is in USD, and 1.00 EUR came: it is owed back."),
]


@pytest.mark.parametrize(("state", "amount", "currency", "then", "owed", "told"), TABLE)
@pytest.mark.parametrize("way", ["by hand", "by a service"])
def test_every_row_of_the_table(
    *, way: str, state: str, amount: str, currency: str, then: str, owed: list[str], told: str
) -> None:
    order = make_order(state)
    bought = Purchase.objects.count()
    if way == "by hand":
        payment = come(order, amount, currency)
    else:
        payment = Payment.objects.create(order=order, method="card", state="pending", amount=12, currency="USD")
        payment = capture_payment(
            payment_id=payment.pk, amount=Decimal(amount), currency=currency, captured_at=timezone.now(), by="service"
        )
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.state, payment.state, payment.attention) == (then, "captured", told)
    assert (payment.captured_amount, payment.captured_currency) == (Decimal(amount), currency)
    refunds = Refund.objects.filter(payment=payment, kind="surplus", state="due")
    assert [f"{refund.amount:f}".rstrip("0").rstrip(".") for refund in refunds] == [
        line.split()[0].removesuffix(".00") for line in owed
    ]
    assert Purchase.objects.count() == bought + (then == "buying" and state == "unpaid")
    assert order.events.filter(kind="payment.captured").count() == 1 + (state == "buying")
    assert_exact_books()


def test_a_capture_that_arrives_twice_counts_once(queue: Queue) -> None:
    payment = Payment.objects.create(order=make_order(), method="card", state="pending", amount=12, currency="USD")
    for _ in range(2):
        capture_payment(
            payment_id=payment.pk, amount=Decimal(12), currency="USD", captured_at=timezone.now(), by="service"
        )
    payment.refresh_from_db()
    assert (payment.attention, Purchase.objects.count(), len(queue.waiting())) == ("", 1, 1)
    capture_payment(payment_id=payment.pk, amount=Decimal(13), currency="USD", captured_at=timezone.now(), by="service")
    payment.refresh_from_db()
    assert payment.attention == "Another capture of the same payment was told: 13.00 USD."
    assert (payment.captured_amount, Refund.objects.count()) == (Decimal(12), 0)
    assert_exact_books()


def test_what_was_given_up_comes_after_all() -> None:
    payment = Payment.objects.create(order=make_order(), method="card", state="failed", amount=12, currency="USD")
    capture_payment(payment_id=payment.pk, amount=Decimal(12), currency="USD", captured_at=timezone.now(), by="service")
    payment.refresh_from_db()
    assert (payment.state, payment.order.state, payment.attention) == ("captured", "buying", "")
    assert_exact_books()


def test_parts_add_up_and_nothing_is_bought_before_the_total_is_there(queue: Queue, wholesaler: Wholesaler) -> None:
    order = make_order()
    first = come(order, "5")
    come(order, "6.50")
    assert (count_outstanding(order), Purchase.objects.count(), queue.waiting()) == (Decimal("0.5"), 0, [])
    assert wholesaler.arrived == []
    last = come(order, "2")
    order.refresh_from_db()
    first.refresh_from_db()
    assert (order.state, Purchase.objects.count()) == ("buying", 1)
    # What the first ones waited for is there now.
    assert (first.attention, last.attention) == ("", "1.50 USD too much came: it is owed back.")
    assert list(Refund.objects.values_list("payment", "amount")) == [(last.pk, Decimal("1.5"))]
    assert_exact_books()


def test_the_ordinary_payment_takes_what_is_still_missing() -> None:
    order = make_order()
    part = come(order, "5")
    with pytest.raises(PaymentRefused, match=r"exactly 7\.00 USD"):
        pay(order)
    order.total = Decimal(7)
    pay(order)
    order.refresh_from_db()
    part.refresh_from_db()
    assert (order.state, order.total, part.attention) == ("buying", Decimal(12), "")
    assert_exact_books()


def test_a_part_of_a_cancelled_order_is_owed_back() -> None:
    order = make_order()
    payment = come(order, "5")
    cancel_order(order=order, by=make_user(), why="changed their mind")
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.state, refund.reason) == (
        payment,
        Decimal(5),
        "due",
        "the order is cancelled",
    )
    assert_exact_books()


def test_paid_while_the_account_is_not_configured(settings: Settings) -> None:
    order, providers = make_order(), settings.PROVIDERS
    settings.PROVIDERS = {}
    first = come(order, "12")
    second = come(order, "20")
    order.refresh_from_db()
    assert (order.state, order.paid_at, Purchase.objects.count()) == ("unpaid", None, 0)
    assert first.attention == "The order is paid, and its provider's account is not configured: nothing is bought yet."
    settings.PROVIDERS = providers
    # Whatever comes next buys it; what it does not need is owed back, of the newest first, and of none more than came.
    third = come(order, "1")
    order.refresh_from_db()
    assert order.state == "buying"
    assert dict(Refund.objects.values_list("payment", "amount")) == {third.pk: Decimal(1), second.pk: Decimal(20)}
    assert_exact_books()


def test_the_same_form_records_what_came_once() -> None:
    order, key = make_order(), uuid.uuid4()
    assert come(order, "5", form_key=key).pk == come(order, "5", form_key=key).pk
    with pytest.raises(PaymentRefused, match="sent before"):
        come(order, "6", form_key=key)
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [("0", "USD", "amount"), ("-1", "USD", "amount"), ("1.5", "JPY", "amount"), ("5", "usd", "currency")],
)
def test_what_nobody_can_pay_is_not_recorded(amount: str, currency: str, field: str) -> None:
    with pytest.raises(PaymentRefused) as refused:
        come(make_order(), amount, currency)
    assert (refused.value.field, Payment.objects.count()) == (field, 0)


def test_by_hand_knows_no_card_and_no_credit() -> None:
    order = make_order()
    for method in ("card", "credit", "barter"):
        with pytest.raises(PaymentRefused) as refused:
            record_what_came(
                order=order,
                method=method,
                amount=Decimal(12),
                currency="USD",
                reference="",
                form_key=uuid.uuid4(),
                by=make_user(),
            )
        assert refused.value.field == "method"
    assert Payment.objects.count() == 0
