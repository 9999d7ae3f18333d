"""Two at once over cards: clicks, webhook and polling, workers. The refund's race is first shown without its guard."""

import threading
import uuid
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.card import gateway
from orders.card.inbox import drain_payment_inbox
from orders.card.payments import give_up_card_payment, look_at_card_payment, run_card_payments, start_card_payment
from orders.card.refunds import pay_back_by_card, run_card_refunds
from orders.models import OrderEvent, Payment, PaymentDelivery, Purchase, Refund
from tests.orders.card_office import again, ask_for_card, balance, owe, pay_by_card
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan
from tests.orders.test_races import race
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db(transaction=True)
USD = Decimal("12.00")


def owe_half(cards: CardService, wholesaler: Wholesaler) -> Refund:
    """12 of 24 USD are owed back: the service itself would not refuse a second refund."""
    refund = owe(cards, wholesaler, quantity=4)
    Refund.objects.filter(pk=refund.pk).update(amount=USD)
    return Refund.objects.get(pk=refund.pk)


@pytest.mark.postgres
def test_naive_clicks_pay_back_twice(cards: CardService, wholesaler: Wholesaler) -> None:
    """Without the lock and the committed ``sending``: look, then send, then write."""
    refund = owe_half(cards, wholesaler)
    both_looked = threading.Barrier(2)

    def pay_back_naively() -> str:
        row = Refund.objects.get(pk=refund.pk)
        both_looked.wait(timeout=10)
        assert row.state == Refund.State.DUE
        intent_id = Payment.objects.get().intent_id
        gateway.create_refund(key=str(uuid.uuid4()), intent_id=intent_id, amount=1200, order=row.order.number)
        Refund.objects.filter(pk=row.pk).update(state="made")
        return "made"

    assert race(pay_back_naively, pay_back_naively) == ["made", "made"]
    assert cards.effects("refunded") == [("refunded", 1200)] * 2


def test_of_many_clicks_one_pays_back(cards: CardService, wholesaler: Wholesaler) -> None:
    refund, staff = owe_half(cards, wholesaler), make_user("orders.refund")
    results = race(*[lambda: pay_back_by_card(refund=refund, by=staff).state] * 4)
    assert set(results) <= {"sending", "made"}
    assert again(refund).state == "made"
    assert (cards.effects("refunded"), cards.count("refund_create")) == ([("refunded", 1200)], 1)
    assert OrderEvent.objects.filter(kind="refund.sending").count() == 1


def test_of_many_workers_one_takes_a_refunds_turn(cards: CardService, wholesaler: Wholesaler) -> None:
    refund, staff = owe_half(cards, wholesaler), make_user("orders.refund")
    cards.order_fault("reset_before", "refund_create")
    pay_back_by_card(refund=refund, by=staff)
    Refund.objects.update(next_attempt_at=timezone.now())
    assert sorted(race(*[run_card_refunds] * 4), key=str) == [0, 0, 0, 1]
    assert again(refund).state == "made"
    assert cards.effects("refunded") == [("refunded", 1200)]


def test_a_request_under_way_is_not_begun_a_second_time(cards: CardService, wholesaler: Wholesaler) -> None:
    """Two senders of one key at once, as after a claim that ran out: the service turns the second away, for now."""
    payment = pay_by_card(cards, quantity=4)
    cards.simulator.set_switches(stripe_slow_s=0.4)

    def send() -> str:
        try:
            found = gateway.create_refund(key="k", intent_id=payment.intent_id, amount=1200, order="x")
        except gateway.NotDone as error:
            return error.message
        return found.status

    busy = "The payment service is carrying out the same request at this moment"
    assert sorted(map(str, race(send, send))) == [busy, "succeeded"]
    assert send() == "succeeded"
    assert cards.effects("refunded") == [("refunded", 1200)]


def test_of_many_clicks_one_asks_for_the_payment(cards: CardService) -> None:
    order, staff = order_plan(make_fake_plan(), 2), make_user()
    results = race(*[lambda: start_card_payment(order=order, form_key=uuid.uuid4(), by=staff).pk] * 4)
    assert len(set(results)) == 1
    assert Payment.objects.count() == len(cards.objects()) == 1


def test_webhook_polling_and_a_person_capture_once(cards: CardService) -> None:
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    cards.bring_in()
    Payment.objects.update(next_check_at=timezone.now())
    results = race(
        drain_payment_inbox,
        drain_payment_inbox,
        run_card_payments,
        lambda: int(look_at_card_payment(payment=payment).state == "captured"),
    )
    assert not [result for result in results if isinstance(result, BaseException)]
    assert Payment.objects.get().state == "captured"
    assert OrderEvent.objects.filter(kind="payment.captured").count() == Purchase.objects.count() == 1
    assert list(PaymentDelivery.objects.values_list("state", "attempts")) == [("applied", 1)] * 3
    assert balance() == {"captured": USD, "open": USD}


def test_paying_and_giving_up_at_once_end_in_one_of_the_two(cards: CardService) -> None:
    payment = ask_for_card()

    def pay() -> str:
        try:
            return str(cards.pay(payment.intent_id)["status"])
        except AssertionError:
            return "canceled"

    results = race(pay, lambda: give_up_card_payment(payment=payment, by="rika@example.com").state)
    at_service = cards.objects()[0]["status"]
    assert results == (["succeeded", "captured"] if at_service == "succeeded" else ["canceled", "cancelled"])
    assert Purchase.objects.count() == (at_service == "succeeded")
