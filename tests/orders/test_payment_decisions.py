"""What people decide about payments that do not fit: once each, with exact books, and only while it is possible."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django import Settings

from catalog.models import Plan
from customers.models import User
from orders.checkout import cancel_order
from orders.models import Order, Payment, Purchase, Refund
from orders.payment_decisions import POSSIBLE, buy_after_all, give_back, settle_payment, void_payment
from orders.payments import PaymentRefused
from orders.refunds import record_refund_made
from tests.orders.making import make_user, pay
from tests.orders.test_capturing import assert_exact_books, come, make_order
from tests.orders.test_expiring import make_overdue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]
Verb = Callable[..., Payment]


def make_decider() -> User:
    return make_user("orders.handle_payment", "orders.refund")


def find_possible(payment: Payment) -> set[str]:
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    return {name for name, is_possible in POSSIBLE.items() if is_possible(fresh)}


def read(order: Order) -> tuple[str, int]:
    order.refresh_from_db()
    return order.state, Purchase.objects.filter(order_line__order=order).count()


def test_a_late_payment_buys_the_order_after_all_at_its_frozen_price() -> None:
    order, staff = make_order("expired"), make_decider()
    payment = come(order, "12")
    assert find_possible(payment) == {"buy_after_all", "give_back", "void_payment"}
    Plan.objects.update(retail_price=Decimal(9))
    for _ in range(2):
        buy_after_all(payment=payment, why="the bank was slow", by=staff)
    payment.refresh_from_db()
    assert (read(order), payment.attention, Refund.objects.count()) == (("buying", 1), "", 0)
    assert order.total == Decimal(12)
    assert [event.why for event in order.events.filter(kind="payment.looked_at")] == ["the bank was slow"]
    assert order.events.get(kind="order.state", facts__new="buying").by == staff.email
    assert find_possible(payment) == set()
    assert_exact_books()


def test_late_payments_beyond_the_total_are_owed_back() -> None:
    order = make_order("expired")
    first, second, third = come(order, "12"), come(order, "12"), come(order, "2")
    buy_after_all(payment=second, why="", by=make_decider())
    assert dict(Refund.objects.values_list("payment", "amount")) == {third.pk: Decimal(2), second.pk: Decimal(12)}
    first.refresh_from_db()
    assert (read(order), first.attention) == (("buying", 1), "")
    assert_exact_books()


def test_what_is_short_or_no_longer_sold_is_not_bought() -> None:
    staff = make_decider()
    short = come(make_order("expired"), "11")
    with pytest.raises(PaymentRefused, match="does not cover"):
        buy_after_all(payment=short, why="", by=staff)
    gone = come(make_order("expired"), "12")
    Plan.objects.update(is_published=False)
    with pytest.raises(PaymentRefused, match="not for sale"):
        buy_after_all(payment=gone, why="", by=staff)
    assert "buy_after_all" not in find_possible(gone)
    Plan.objects.update(is_published=True)
    cancelled = come(make_order("cancelled"), "12")
    with pytest.raises(PaymentRefused, match="cancelled"):
        buy_after_all(payment=cancelled, why="", by=staff)
    assert Purchase.objects.count() == 0
    assert_exact_books()


def test_what_could_not_be_bought_is_bought_when_the_account_is_there(settings: Settings) -> None:
    order, staff, providers = make_order(), make_decider(), settings.PROVIDERS
    settings.PROVIDERS = {}
    payment = come(order, "13")
    with pytest.raises(PaymentRefused, match="not configured"):
        buy_after_all(payment=payment, why="", by=staff)
    assert find_possible(payment) == {"give_back", "void_payment"}
    settings.PROVIDERS = providers
    buy_after_all(payment=payment, why="", by=staff)
    payment.refresh_from_db()
    assert (read(order), payment.attention) == (("buying", 1), "")
    assert Refund.objects.get().amount == Decimal(1)
    assert_exact_books()


def test_a_late_payment_goes_back() -> None:
    order, staff = make_order("expired"), make_decider()
    payment = come(order, "12")
    for _ in range(2):
        give_back(payment=payment, why="does not travel", by=staff)
    payment.refresh_from_db()
    refund = Refund.objects.get()
    assert (read(order), payment.attention) == (("expired", 0), "")
    assert (refund.payment, refund.amount, refund.state) == (payment, Decimal(12), "due")
    assert order.events.get(kind="payment.looked_at").why == "does not travel"
    assert find_possible(payment) == {"void_payment"}
    record_refund_made(refund=refund, method="transfer", reference="T1", by=staff)
    assert find_possible(payment) == set()
    with pytest.raises(PaymentRefused, match="went back already"):
        void_payment(payment=payment, why="", by=staff)
    with pytest.raises(PaymentRefused, match="does not cover"):
        buy_after_all(payment=payment, why="", by=staff)
    assert_exact_books()


def test_a_short_payment_goes_back_and_the_order_goes_its_way() -> None:
    staff = make_decider()
    waits, cancelled, over = make_order(), make_order(), make_order()
    kept = come(cancelled, "1")
    for order, cancels in ((waits, False), (cancelled, True), (over, False)):
        payment = come(order, "5")
        if order is over:
            make_overdue(over)
        give_back(payment=payment, why="pays by card", by=staff, cancels=cancels)
    assert [read(order)[0] for order in (waits, cancelled, over)] == ["unpaid", "cancelled", "expired"]
    # A cancelled order keeps nothing, the other part neither.
    assert Refund.objects.get(payment=kept).amount == Decimal(1)
    assert Refund.objects.count() == 4
    assert_exact_books()


def test_a_mark_is_taken_away_with_a_note_once_the_money_has_its_place() -> None:
    order, staff = make_order(), make_decider()
    short = come(order, "5")
    for _ in range(2):
        settle_payment(payment=short, why="brings the rest tomorrow", by=staff)
    short.refresh_from_db()
    assert (read(order), short.attention) == (("unpaid", 0), "")
    assert [event.why for event in order.events.filter(kind="payment.looked_at")] == ["brings the rest tomorrow"]
    late = come(make_order("expired"), "12")
    assert "settle_payment" not in find_possible(late)
    with pytest.raises(PaymentRefused, match="Decide first"):
        settle_payment(payment=late, why="", by=staff)
    late.refresh_from_db()
    assert late.attention
    assert_exact_books()


@pytest.mark.parametrize("state", ["unpaid", "expired", "cancelled", "buying"])
def test_a_payment_entered_by_mistake_is_taken_back(state: str) -> None:
    order, staff = make_order(state), make_decider()
    payment = come(order, "5")
    before = read(order)
    for _ in range(2):
        void_payment(payment=payment, why="another customer's", by=staff)
    payment.refresh_from_db()
    assert (payment.state, payment.attention, payment.ended_at is not None) == ("voided", "", True)
    assert read(order) == before
    assert set(Refund.objects.values_list("state", flat=True)) <= {"dropped"}
    event = order.events.get(kind="payment.voided")
    assert (event.by, event.why, event.facts["amount"]) == (staff.email, "another customer's", "5.0000")
    assert_exact_books()


def test_what_was_bought_with_stays() -> None:
    order, staff = make_order(), make_decider()
    payment = pay(order)
    for verb in (void_payment, give_back):
        with pytest.raises(PaymentRefused, match="bought with this payment"):
            verb(payment=payment, why="", by=staff)
    over = come(make_order(), "15")
    with pytest.raises(PaymentRefused, match="bought with this payment"):
        void_payment(payment=over, why="", by=staff)
    assert Payment.objects.filter(state="captured").count() == 2
    assert_exact_books()


def test_only_what_was_recorded_by_hand_is_taken_back() -> None:
    payment = Payment.objects.create(order=make_order(), method="card", state="pending", amount=12, currency="USD")
    with pytest.raises(PaymentRefused, match="by hand"):
        void_payment(payment=payment, why="", by=make_decider())
    payment.refresh_from_db()
    assert payment.state == "pending"


def test_the_order_expires_when_the_mistake_that_held_it_is_taken_back() -> None:
    order = make_order()
    payment = come(order, "5")
    make_overdue(order)
    void_payment(payment=payment, why="", by=make_decider())
    assert read(order) == ("expired", 0)


@pytest.mark.parametrize("verb", [buy_after_all, give_back, settle_payment, void_payment])
@pytest.mark.parametrize("permissions", [(), ("orders.sell", "orders.refund", "orders.reconcile")])
def test_deciding_needs_the_permission(verb: Verb, permissions: tuple[str, ...]) -> None:
    order = make_order("expired")
    payment = come(order, "12")
    before = Payment.objects.values().get(pk=payment.pk)
    with pytest.raises(PermissionDenied):
        verb(payment=payment, why="I may not", by=make_user(*permissions))
    assert Payment.objects.values().get(pk=payment.pk) == before
    assert (read(order), Refund.objects.count()) == (("expired", 0), 0)


def test_cancelling_after_a_void_owes_nothing() -> None:
    order, staff = make_order(), make_decider()
    void_payment(payment=come(order, "5"), why="", by=staff)
    cancel_order(order=order, by=staff, why="")
    assert Refund.objects.count() == 0
    assert_exact_books()
