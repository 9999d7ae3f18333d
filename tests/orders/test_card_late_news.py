"""News of the payment service that come late, out of turn, or about what nobody here waits for any more."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import requests
from django.db import connection
from pytest_django import Settings

from esims.models import Esim
from orders.card import gateway
from orders.card.inbox import due_payment_deliveries
from orders.card.payments import due_card_payments, payment_sheet, unneeded_card_payments
from orders.card.refunds import pay_back_by_card
from orders.giving_back import owe_return
from orders.models import Dispute, Payment, PaymentDelivery, Purchase, Refund
from orders.purchasing import run_purchase
from orders.selectors.cards import find_payment_deliveries
from tests.orders.card_office import again, ask_for_card, balance, drain, owe, pay_by_card, poll, run_refunds
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db
USD = Decimal("12.00")


def slow_down(monkeypatch: pytest.MonkeyPatch, path: str, meanwhile: Callable[[], object]) -> None:
    """The next answer to a question about ``path`` is here, and not applied, when ``meanwhile`` happens."""
    send = requests.adapters.HTTPAdapter.send
    waits = [True]

    def slow(self: Any, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        answer = send(self, request, *args, **kwargs)
        if request.method == "GET" and path in str(request.url) and waits and waits.pop():
            meanwhile()
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", slow)


def give_back(purchase: Purchase, amount: str) -> Refund:
    staff, esim = make_user("orders.give_back"), Esim.objects.get()
    key = uuid.uuid4()
    return owe_return(purchase=purchase, esim=esim, amount=Decimal(amount), reason="late", form_key=key, by=staff)


def buy_one(cards: CardService) -> Purchase:
    """One line of 6.00 USD, delivered."""
    pay_by_card(cards, quantity=1)
    purchase = Purchase.objects.get()
    run_purchase(purchase_id=purchase.pk)
    return purchase


# -- a refund that fails while more is owed for the same line ----------------------------------------------------------


def test_one_that_comes_back_is_due_beside_a_second_for_the_same_line(
    cards: CardService, wholesaler: Wholesaler
) -> None:
    purchase = buy_one(cards)
    made = pay_back_by_card(refund=give_back(purchase, "2"), by=make_user("orders.refund"))
    second = give_back(purchase, "1")
    cards.end_refund(made.service_ref, "failed")
    cards.bring_in("refund.failed")
    drain()
    assert PaymentDelivery.objects.get().state == "applied"
    assert [again(made).state, again(second).state] == ["due", "due"]
    assert balance() == {"captured": Decimal(6), "delivered": Decimal(3), "refunds_due": Decimal(3)}


def test_one_under_way_that_fails_is_due_beside_a_second(cards: CardService, wholesaler: Wholesaler) -> None:
    purchase = buy_one(cards)
    cards.simulator.set_switches(stripe_refund_status="pending")
    sent = pay_back_by_card(refund=give_back(purchase, "2"), by=make_user("orders.refund"))
    second = give_back(purchase, "1")
    cards.end_refund(sent.service_ref, "failed")
    assert run_refunds(sent) == 1
    assert [again(sent).state, again(second).state] == ["due", "due"]


# -- an older answer after a newer one ---------------------------------------------------------------------------------


def test_an_older_answer_about_a_refund_is_not_believed(
    cards: CardService, wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pay_back_by_card(refund=owe(cards, wholesaler), by=make_user("orders.refund"))

    def fail() -> None:
        cards.end_refund(made.service_ref, "failed")
        cards.bring_in("refund.failed")
        drain()
        assert again(made).state == "due"

    cards.bring_in("refund.created")
    slow_down(monkeypatch, f"/refunds/{made.service_ref}", fail)
    drain()
    assert again(made).state == "due"
    assert balance() == {"captured": USD, "refunds_due": USD}


def test_an_older_answer_about_a_try_is_no_foreign_refund(
    cards: CardService, wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = make_user("orders.refund")
    made = pay_back_by_card(refund=owe(cards, wholesaler), by=staff)
    asked = []

    def fail_and_try_anew() -> None:
        cards.end_refund(made.service_ref, "failed")
        cards.bring_in("refund.failed")
        drain()
        asked.append(Payment.objects.get().attention)
        assert pay_back_by_card(refund=again(made), by=staff).state == "made"

    cards.bring_in("refund.created")
    slow_down(monkeypatch, f"/refunds/{made.service_ref}", fail_and_try_anew)
    drain()
    assert (again(made).state, again(made).tries) == ("made", 2)
    assert [Payment.objects.get().attention] == asked


def test_an_older_answer_about_a_dispute_is_not_believed(cards: CardService, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = pay_by_card(cards)
    dispute_id = cards.dispute(payment.intent_id, inquiry=True)
    cards.bring_in("charge.dispute.created")

    def take_back() -> None:
        cards.move_dispute(dispute_id, "needs_response")
        cards.bring_in("charge.dispute.updated")
        drain()
        assert Dispute.objects.get().is_withdrawn

    slow_down(monkeypatch, f"/disputes/{dispute_id}", take_back)
    drain()
    assert (Dispute.objects.get().raw_state, Dispute.objects.get().is_withdrawn) == ("needs_response", True)
    assert balance() == {"captured": USD, "open": USD, "charge_backs": USD}


# -- money for a payment of which the service's name is not known ------------------------------------------------------


def forget_intent(payment: Payment) -> None:
    """As after a lost answer and a refusal at the repetition."""
    Payment.objects.filter(pk=payment.pk).update(intent_id="", state="failed", next_check_at=None)


def test_a_capture_of_one_that_failed_here_without_a_name_counts(cards: CardService) -> None:
    payment = ask_for_card()
    intent_id = payment.intent_id
    forget_intent(payment)
    cards.pay(intent_id)
    cards.bring_in("payment_intent.succeeded")
    drain()
    payment = again(payment)
    assert (payment.state, payment.intent_id, payment.captured_amount) == ("captured", intent_id, USD)
    assert payment.order.state == "buying"


def test_a_call_with_our_key_that_names_somebody_elses_payment_is_not_believed(cards: CardService) -> None:
    mine, other = ask_for_card(), ask_for_card()
    forget_intent(mine)
    cards.pay(other.intent_id)
    told = {"object": "payment_intent", "id": other.intent_id, "metadata": {"payment": str(mine.form_key)}}
    Payment.objects.filter(pk=other.pk).update(intent_id="pi_unknown")
    cards.send_event("payment_intent.succeeded", told)
    cards.knock(cards.list_events("payment_intent.succeeded")[-1])
    drain()
    assert again(mine).state == "failed"
    assert PaymentDelivery.objects.get().note == "The payment service answered about another payment"


# -- a service that is no longer set up --------------------------------------------------------------------------------


def test_what_is_open_says_that_there_is_no_service_any_more(
    cards: CardService, wholesaler: Wholesaler, settings: Settings
) -> None:
    payment = ask_for_card()
    cards.simulator.set_switches(stripe_refund_status="pending")
    sent = pay_back_by_card(refund=owe(cards, wholesaler), by=make_user("orders.refund"))
    settings.STRIPE_SECRET_KEY = settings.STRIPE_PUBLISHABLE_KEY = settings.STRIPE_WEBHOOK_SECRET = ""
    assert (poll(payment), run_refunds(sent)) == (1, 1)
    told = "The payment service is not configured."
    assert [(again(row).state, again(row).error) for row in (payment, sent)] == [("pending", told), ("sending", told)]


# -- secrets and questions to the database -----------------------------------------------------------------------------


def test_no_client_secret_is_in_what_a_log_would_show(cards: CardService) -> None:
    payment = ask_for_card()
    sheet, intent = payment_sheet(payment=payment), gateway.read_intent(payment.intent_id)
    assert sheet.client_secret == intent.client_secret != ""
    assert sheet.client_secret not in repr(sheet) + repr(intent)


def test_what_the_service_names_is_found_by_an_index(cards: CardService) -> None:
    found = (
        ("payment_by_intent", Payment.objects.filter(intent_id="pi_1").order_by()),
        ("payment_delivery_recent", find_payment_deliveries("")[:25]),
        ("payment_delivery_due", due_payment_deliveries().values_list("pk", flat=True)[:1]),
        ("payment_due", due_card_payments().values_list("pk", flat=True)[:1]),
        ("payment_due", unneeded_card_payments().values_list("pk", flat=True)),
    )
    if connection.vendor == "postgresql":
        # Of an empty table any index is as good as another to the planner: it must have rows, and know it.
        copy_payment(ask_for_card(), 1_000)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE orders_payment; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    for index, rows in found:
        plan = rows.explain()
        assert index in plan or "payment_intent_once" in plan, plan


def copy_payment(payment: Payment, number: int) -> None:
    """``number`` failed payments like this one: nothing is to be asked about them."""
    values = {field.attname: getattr(payment, field.attname) for field in Payment._meta.concrete_fields}
    values |= {"id": None, "state": Payment.State.FAILED, "next_check_at": None}
    Payment.objects.bulk_create(
        Payment(**values | {"form_key": uuid.uuid4(), "intent_id": f"pi_copy_{each}"}) for each in range(number)
    )
