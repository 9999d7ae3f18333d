"""Payments by card over real HTTP: asked for once, captured once, whatever is lost on the way."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from django.utils import timezone

from orders.card.gateway import NotDone
from orders.card.payments import (
    give_up_card_payment,
    look_at_card_payment,
    payment_sheet,
    run_card_payments,
    start_card_payment,
)
from orders.checkout import cancel_order
from orders.models import Order, OrderEvent, Payment, PaymentDelivery, Purchase, Refund
from orders.payments import PaymentRefused
from orders.waking import WAKE_UPS
from tests.orders.card_office import again, ask_for_card, balance, drain, pay_by_card, poll
from tests.orders.making import make_fake_plan, make_user, order_plan, pay
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db
USD = Decimal("12.00")


def make_old(payment: Payment, age: timedelta) -> None:
    Payment.objects.filter(pk=payment.pk).update(created_at=timezone.now() - age)


class Killed(BaseException):
    """The worker dies here."""


def die(monkeypatch: pytest.MonkeyPatch, *, after: bool, method: str = "POST") -> None:
    """At the next call: before anything is sent, or when the answer is here and nothing of it is written."""
    send = requests.adapters.HTTPAdapter.send

    def killed(self: Any, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if request.method != method or "/_control/" in str(request.url):
            return send(self, request, *args, **kwargs)
        if after:
            send(self, request, *args, **kwargs)
        raise Killed

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", killed)


# -- the good way ------------------------------------------------------------------------------------------------------


def test_asked_for_once_and_paid(cards: CardService) -> None:
    staff = make_user()
    payment = ask_for_card(by=staff)
    (intent,) = cards.objects()
    assert (intent["amount"], intent["currency"]) == (1200, "usd")
    assert intent["metadata"] == {"order": payment.order.number, "payment": str(payment.form_key)}
    assert (payment.state, payment.intent_id, payment.service_state) == (
        "pending",
        intent["id"],
        "requires_payment_method",
    )
    assert (payment.amount, payment.currency, payment.captured_amount, payment.recorded_by) == (USD, "USD", None, staff)
    sheet = payment_sheet(payment=payment)
    assert (sheet.intent_id, sheet.client_secret) == (intent["id"], intent["client_secret"])
    assert sheet.publishable_key == "pk_test_demo"
    assert not Purchase.objects.exists()

    cards.pay(intent["id"])
    assert set(cards.bring_in()) == {200}
    assert drain() == 3
    payment = again(payment)
    assert (payment.state, payment.captured_amount, payment.captured_currency) == ("captured", USD, "USD")
    assert (payment.reference, payment.client_secret, payment.next_check_at) == (intent["id"], None, None)
    assert (payment.attention, payment.error) == ("", "")
    assert Order.objects.get().state == "buying"
    assert Purchase.objects.get().state == "planned"
    assert balance() == {"captured": USD, "open": USD}
    with pytest.raises(PaymentRefused):
        payment_sheet(payment=payment)
    kinds = list(OrderEvent.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["order.placed", "payment.asked", "payment.captured", "order.state", "purchase.planned"]


def test_polling_finds_what_a_lost_webhook_would_have_told(cards: CardService) -> None:
    payment = ask_for_card()
    assert not WAKE_UPS["cards"].is_due()
    cards.pay(payment.intent_id)
    Payment.objects.update(next_check_at=timezone.now())
    assert WAKE_UPS["cards"].is_due()
    WAKE_UPS["cards"].run()
    assert again(payment).state == "captured"
    assert Order.objects.get().state == "buying"
    assert not WAKE_UPS["cards"].is_due()


def test_the_waits_between_looks_grow_to_their_cap(cards: CardService) -> None:
    payment = ask_for_card()
    waits = []
    for _number in range(9):
        payment = again(payment)
        assert payment.next_check_at is not None
        waits.append(round((payment.next_check_at - timezone.now()).total_seconds()))
        poll(payment)
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900, 900]


def test_a_declined_card_is_told_and_the_next_one_is_taken(cards: CardService) -> None:
    payment = ask_for_card()
    cards.decline(payment.intent_id, message="Your card has insufficient funds.")
    poll(payment)
    payment = again(payment)
    assert (payment.state, payment.error) == ("pending", "Your card has insufficient funds.")
    cards.move(payment.intent_id, "processing")
    assert look_at_card_payment(payment=payment).service_state == "processing"
    cards.pay(payment.intent_id)
    assert look_at_card_payment(payment=payment).state == "captured"
    assert again(payment).error == ""


def test_yen_are_counted_whole(cards: CardService) -> None:
    plan = make_fake_plan(currency="JPY", retail_price=Decimal(750), net_price=Decimal(500))
    payment = pay_by_card(cards, order=order_plan(plan, 2))
    assert cards.objects()[0]["amount"] == 1500
    assert (payment.captured_amount, payment.captured_currency) == (Decimal(1500), "JPY")


# -- once --------------------------------------------------------------------------------------------------------------


def test_a_second_start_finds_the_open_payment(cards: CardService) -> None:
    first = ask_for_card()
    order, key = first.order, first.form_key
    assert start_card_payment(order=order, form_key=key, by=make_user()) == first
    assert start_card_payment(order=order, form_key=uuid.uuid4(), by=make_user()) == first
    assert Payment.objects.count() == len(cards.objects()) == cards.count("intent_create") == 1


def test_nothing_is_asked_for_what_needs_no_payment(cards: CardService) -> None:
    staff = make_user()
    paid, cancelled = order_plan(make_fake_plan()), order_plan(make_fake_plan())
    expired = order_plan(make_fake_plan())
    pay(paid)
    cancel_order(order=cancelled, by=staff, why="")
    Order.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    for order in (paid, cancelled, expired):
        with pytest.raises(PaymentRefused):
            start_card_payment(order=order, form_key=uuid.uuid4(), by=staff)
    used = ask_for_card()
    with pytest.raises(PaymentRefused):
        start_card_payment(order=order_plan(make_fake_plan()), form_key=used.form_key, by=staff)
    assert Payment.objects.filter(method="card").count() == len(cards.objects()) == 1


def test_an_amount_that_cards_cannot_move_is_refused_before_anything(cards: CardService) -> None:
    plan = make_fake_plan(currency="KWD", retail_price=Decimal("1.234"), net_price=Decimal(1))
    with pytest.raises(PaymentRefused) as refused:
        ask_for_card(order_plan(plan, 1))
    assert (
        refused.value.message
        == "1.234 KWD cannot be moved by card: the payment service takes whole steps of 0.01 KWD only."
    )
    assert not Payment.objects.exists()
    assert cards.count("intent_create") == 0


def test_a_capture_that_is_told_often_counts_once(cards: CardService) -> None:
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    assert cards.bring_in(times=3, backwards=True) == [200] * 9
    assert PaymentDelivery.objects.count() == 3
    assert sorted(PaymentDelivery.objects.values_list("repeats", flat=True)) == [2, 2, 2]
    drain()
    PaymentDelivery.objects.update(state="new", next_attempt_at=timezone.now())
    drain()
    poll(payment)
    assert Payment.objects.count() == Purchase.objects.count() == 1
    assert OrderEvent.objects.filter(kind="payment.captured").count() == 1
    assert balance() == {"captured": USD, "open": USD}


# -- what is lost ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        ("reset_after", {}),
        ("close_after", {}),
        ("status_after", {"status": 502}),
        ("html_body", {}),
        ("wrong_json", {}),
        ("replace_body", {"body": "[]"}),
        ("cut_body", {}),
        ("drop_fields", {"fields": ["status"]}),
        ("reset_before", {}),
        ("status_before", {}),
        ("rate_limited", {}),
        ("refuse_code", {"code": "idempotency_key_in_use", "http_status": 409}),
        ("refuse_code", {"code": "x", "http_status": 401}),
    ],
    ids=lambda fault: fault[0],
)
def test_a_lost_answer_is_asked_for_again_with_the_same_key(cards: CardService, fault: tuple[str, Any]) -> None:
    kind, details = fault
    cards.order_fault(kind, "intent_create", **details)
    payment = ask_for_card()
    assert (payment.state, payment.intent_id, payment.client_secret) == ("pending", "", None)
    assert payment.error.startswith("The payment service ")
    poll(payment)
    payment = again(payment)
    (intent,) = cards.objects()
    assert (payment.state, payment.intent_id, payment.error) == ("pending", intent["id"], "")
    keys = {row["body"] for row in cards.simulator.requests("intent_create", "stripe")}
    assert len(keys) == 1
    assert cards.effects("opened") == [("opened", 1200)]


def test_a_service_that_cannot_be_reached_is_asked_later(cards: CardService, settings: Any) -> None:
    url, settings.STRIPE_URL = settings.STRIPE_URL, "http://127.0.0.1:9"
    payment = ask_for_card()
    assert (payment.state, payment.error) == ("pending", "The payment service could not be reached")
    settings.STRIPE_URL = url
    poll(payment)
    assert again(payment).intent_id == cards.objects()[0]["id"]


def test_a_service_that_repeats_its_failure_is_read(cards: CardService) -> None:
    """It keeps a failure as the answer to the key: then its list says that the payment was made."""
    cards.order_fault("status_after", "intent_create", times=None)
    payment = ask_for_card()
    for _number in range(3):
        poll(payment)
    assert (again(payment).intent_id, cards.count("intent_list")) == (cards.objects()[0]["id"], 1)
    cards.pay(again(payment).intent_id)
    poll(payment)
    assert again(payment).state == "captured"


def test_after_its_key_has_gone_nothing_is_sent_again(cards: CardService) -> None:
    cards.order_fault("reset_before", "intent_create", times=None)
    payment = ask_for_card()
    make_old(payment, timedelta(hours=24))
    poll(payment)
    payment = again(payment)
    assert (payment.state, payment.error) == ("failed", "The payment service knows nothing of it")
    assert (cards.count("intent_create"), cards.objects()) == (1, [])


def test_a_refused_payment_has_failed(cards: CardService) -> None:
    cards.order_fault("refuse_code", "intent_create", code="amount_too_small", message="Too small")
    payment = ask_for_card()
    assert (payment.state, payment.error) == ("failed", "The payment service refused (amount_too_small: Too small)")
    assert (payment.next_check_at, Order.objects.get().state) == (None, "unpaid")
    assert ask_for_card(payment.order).intent_id == cards.objects()[0]["id"]


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_dies_leaves_a_payment_that_the_next_one_finishes(
    cards: CardService, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    order = order_plan(make_fake_plan(), 2)
    with monkeypatch.context() as patch:
        die(patch, after=after)
        with pytest.raises(Killed):
            ask_for_card(order)
    payment = Payment.objects.get()
    assert (payment.state, payment.intent_id, len(cards.objects())) == ("pending", "", int(after))
    assert run_card_payments() == 0
    poll(payment)
    (intent,) = cards.objects()
    assert again(payment).intent_id == intent["id"]


def test_a_worker_that_dies_over_a_capture_loses_nothing(cards: CardService, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    with monkeypatch.context() as patch:
        die(patch, after=True, method="GET")
        with pytest.raises(Killed):
            poll(payment)
    assert again(payment).state == "pending"
    poll(payment)
    assert again(payment).state == "captured"


def test_an_event_tells_of_a_payment_whose_answer_was_lost(cards: CardService) -> None:
    cards.order_fault("reset_after", "intent_create")
    payment = ask_for_card()
    cards.bring_in()
    drain()
    assert again(payment).intent_id == cards.objects()[0]["id"]


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_less_than_was_asked_is_counted_and_buys_nothing(cards: CardService) -> None:
    payment = ask_for_card()
    cards.pay(payment.intent_id, amount=700)
    poll(payment)
    payment = again(payment)
    assert (payment.state, payment.captured_amount) == ("captured", Decimal("7.00"))
    assert payment.attention == "5.00 USD of the order's total are missing: nothing is bought yet."
    assert (Order.objects.get().state, Purchase.objects.count()) == ("unpaid", 0)
    rest = ask_for_card(payment.order)
    assert rest.amount == Decimal("5.00")
    cards.pay(rest.intent_id)
    poll(rest)
    assert Order.objects.get().state == "buying"
    assert balance() == {"captured": USD, "open": USD}


def test_another_currency_is_owed_back(cards: CardService) -> None:
    payment = ask_for_card()
    cards.pay(payment.intent_id, currency="eur")
    poll(payment)
    payment = again(payment)
    assert (payment.captured_amount, payment.captured_currency) == (USD, "EUR")
    assert payment.attention == "The order is in USD, and 12.00 EUR came: it is owed back."
    refund = Refund.objects.get()
    assert (refund.kind, refund.state, refund.amount, refund.currency) == ("surplus", "due", USD, "EUR")
    assert Order.objects.get().state == "unpaid"


@pytest.mark.parametrize("how", ["cancelled", "paid", "expired"])
def test_an_order_that_needs_no_payment_ends_it_at_the_service(cards: CardService, how: str) -> None:
    payment = ask_for_card()
    end_order(payment.order, how)
    assert WAKE_UPS["cards"].is_due() is False
    later(payment)
    assert WAKE_UPS["cards"].is_due()
    assert run_card_payments() == 1
    payment = again(payment)
    why = {
        "cancelled": "the order is cancelled",
        "paid": "the order is paid already",
        "expired": "the order has expired",
    }
    assert (payment.state, payment.error, payment.client_secret) == ("cancelled", why[how], None)
    assert cards.objects()[0]["status"] == "canceled"
    assert run_card_payments() == 0


@pytest.mark.parametrize("how", ["cancelled", "paid"])
def test_money_that_was_faster_than_the_giving_up_is_owed_back(cards: CardService, how: str) -> None:
    payment = ask_for_card()
    end_order(payment.order, how)
    cards.pay(payment.intent_id)
    later(payment)
    run_card_payments()
    payment = again(payment)
    assert payment.state == "captured"
    assert payment.attention.endswith("it is owed back.")
    refund = Refund.objects.get(payment=payment)
    assert (refund.kind, refund.state, refund.amount) == ("surplus", "due", USD)


def test_money_for_an_order_that_is_past_its_time_still_buys_it(cards: CardService) -> None:
    payment = ask_for_card()
    end_order(payment.order, "expired")
    cards.pay(payment.intent_id)
    later(payment)
    run_card_payments()
    assert again(payment).state == "captured"
    assert Order.objects.get().state == "buying"


def test_money_for_an_order_that_has_expired_asks_a_person(cards: CardService) -> None:
    payment = ask_for_card()
    Order.objects.update(state="expired")
    cards.pay(payment.intent_id)
    cards.bring_in("payment_intent.succeeded")
    drain()
    payment = again(payment)
    assert (payment.state, payment.captured_amount) == ("captured", USD)
    assert payment.attention == "It came after the order had expired: buy the order after all, or give the money back."
    assert not Refund.objects.exists()


def test_a_payment_given_up_here_that_comes_all_the_same_counts(cards: CardService) -> None:
    payment = ask_for_card()
    Payment.objects.update(state="failed", ended_at=timezone.now(), next_check_at=None)
    cards.pay(payment.intent_id)
    cards.bring_in("payment_intent.succeeded")
    drain()
    assert again(payment).state == "captured"
    assert Order.objects.get().state == "buying"
    assert OrderEvent.objects.get(kind="payment.captured").facts["was"] == "failed"


def test_a_cancelling_that_fails_is_tried_again_soon(cards: CardService) -> None:
    payment = ask_for_card()
    end_order(payment.order, "cancelled")
    later(payment)
    cards.order_fault("status_before", "intent_cancel")
    run_card_payments()
    payment = again(payment)
    assert (payment.state, payment.error) == (
        "pending",
        "The payment service answered HTTP 500; it may have been carried out",
    )
    assert payment.next_check_at is not None
    assert payment.next_check_at - timezone.now() <= timedelta(seconds=60)
    assert not WAKE_UPS["cards"].is_due()
    poll(payment)
    assert again(payment).state == "cancelled"


# -- staff give up -----------------------------------------------------------------------------------------------------


def test_giving_up_cancels_at_the_service_first(cards: CardService) -> None:
    payment = ask_for_card()
    given = give_up_card_payment(payment=payment, by="rika@example.com")
    assert (given.state, given.error, cards.objects()[0]["status"]) == ("cancelled", "given up", "canceled")
    assert give_up_card_payment(payment=payment, by="rika@example.com").state == "cancelled"
    assert cards.count("intent_cancel") == 1
    other = ask_for_card(payment.order)
    assert other.pk != payment.pk


def test_giving_up_what_was_paid_captures_it(cards: CardService) -> None:
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    assert give_up_card_payment(payment=payment, by="rika@example.com").state == "captured"
    assert Order.objects.get().state == "buying"


def test_giving_up_while_the_service_is_silent_changes_nothing(cards: CardService) -> None:
    payment = ask_for_card()
    cards.order_fault("reset_before", "intent_cancel")
    with pytest.raises(Exception, match="no usable answer"):
        give_up_card_payment(payment=payment, by="rika@example.com")
    assert again(payment).state == "pending"
    assert cards.objects()[0]["status"] == "requires_payment_method"


def test_giving_up_what_the_service_never_heard_of(cards: CardService) -> None:
    cards.order_fault("reset_before", "intent_create")
    payment = ask_for_card()
    assert give_up_card_payment(payment=payment, by="rika@example.com").state == "cancelled"
    assert cards.objects() == []


def test_giving_up_one_whose_answer_was_lost_cancels_it_there(cards: CardService) -> None:
    cards.order_fault("reset_after", "intent_create")
    payment = ask_for_card()
    assert give_up_card_payment(payment=payment, by="rika@example.com").state == "cancelled"
    assert cards.objects()[0]["status"] == "canceled"


def test_a_payment_without_an_answer_is_not_given_up_while_the_service_is_down(cards: CardService) -> None:
    cards.order_fault("close_before", "*", times=None)
    payment = ask_for_card()
    with pytest.raises(Exception, match="no usable answer") as raised:
        give_up_card_payment(payment=payment, by="rika@example.com")
    assert not isinstance(raised.value, NotDone)
    assert again(payment).state == "pending"


# -- helpers -----------------------------------------------------------------------------------------------------------


def end_order(order: Order, how: str) -> None:
    match how:
        case "cancelled":
            cancel_order(order=order, by=make_user(), why="changed plans")
        case "paid":
            pay(order)
        case _:
            Order.objects.filter(pk=order.pk).update(expires_at=timezone.now())


def later(payment: Payment) -> None:
    """Long enough ago that its next look is far away."""
    Payment.objects.filter(pk=payment.pk).update(next_check_at=timezone.now() + timedelta(minutes=15))
