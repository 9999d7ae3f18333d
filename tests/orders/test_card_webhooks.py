"""The payment service's calls: taken in from nobody else, stored first, worked off once, parked when they cannot be."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from orders.card.inbox import retry_payment_delivery
from orders.inbox import RetryRefused
from orders.models import Payment, PaymentDelivery
from orders.pruning import prune_old_rows
from orders.waking import WAKE_UPS
from tests.orders.card_office import again, ask_for_card, drain
from tests.orders.making import make_user
from tests.simulator_cards import DOOR, CardService
from tests.simulator_webhooks import Webhooks

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(cards: CardService) -> dict[str, Any]:
    """A call about a payment of ours that has come meanwhile; the service's answers tell so."""
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    return cards.list_events("payment_intent.succeeded")[0]


def test_stored_first_and_nobody_is_called(cards: CardService, event: dict[str, Any]) -> None:
    calls = cards.count("intent")
    assert cards.knock(event) == 200
    row = PaymentDelivery.objects.get()
    told = json.loads(event["body"])
    assert (row.event_id, row.kind, row.state, row.attempts) == (told["id"], "payment_intent.succeeded", "new", 0)
    assert json.loads(bytes(row.body or b"")) == told
    assert (Payment.objects.get().state, cards.count("intent")) == ("pending", calls)
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM orders_paymentdelivery")
        assert told["id"] not in cursor.fetchone()[0]
    assert WAKE_UPS["payment_inbox"].is_due()
    WAKE_UPS["payment_inbox"].run()
    row = again(row)
    assert (row.state, row.note, row.attempts) == ("applied", "read again at the payment service", 1)
    assert Payment.objects.get().state == "captured"
    assert not WAKE_UPS["payment_inbox"].is_due()


def test_taking_one_in_costs_few_questions_to_the_database(cards: CardService, event: dict[str, Any]) -> None:
    with CaptureQueriesContext(connection) as taken:
        assert cards.knock(event) == 200
    assert len([query for query in taken if "SAVEPOINT" not in query["sql"]]) == 1


def test_a_real_call_over_the_wire(
    cards: CardService, live_server: LiveServer, transactional_db: None, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    cards.set_webhook(f"{live_server.url}{DOOR}")
    payment = ask_for_card()
    cards.pay(payment.intent_id)
    sent = Webhooks(cards.simulator, "stripe").wait_until_sent()
    assert [row["status"] for row in sent] == [200, 200, 200]
    assert PaymentDelivery.objects.count() == 3
    drain()
    assert again(payment).state == "captured"


# -- from nobody else --------------------------------------------------------------------------------------------------


def knock(body: bytes, **headers: str) -> int:
    return Client().post(DOOR, data=body, content_type="application/json", headers=headers).status_code


def test_a_wrong_signature_is_turned_away(cards: CardService, event: dict[str, Any]) -> None:
    body, signature = event["body"].encode(), event["headers"]["Stripe-Signature"]
    assert knock(body) == 400
    assert knock(body, **{"Stripe-Signature": "nonsense"}) == 400
    assert knock(body, **{"Stripe-Signature": signature[:-1] + ("0" if signature[-1] != "0" else "1")}) == 400
    assert knock(body.replace(b"usd", b"eur"), **{"Stripe-Signature": signature}) == 400
    cards.send_event("x", {}, secret="whsec_other")
    assert cards.knock(cards.wait_for_event("x")) == 400
    assert not PaymentDelivery.objects.exists()


@pytest.mark.parametrize(("age", "status"), [(295, 200), (305, 400)])
def test_an_old_call_is_turned_away(cards: CardService, age: int, status: int) -> None:
    cards.send_event("x", {}, age_s=age)
    assert cards.knock(cards.wait_for_event("x")) == status
    assert PaymentDelivery.objects.count() == (status == 200)


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"object": "v2.core.event"}', '{"id": 5, "type": "x"}', "1"])
def test_a_signed_call_that_is_no_event_is_turned_away(cards: CardService, text: str) -> None:
    cards.send_event("x", text=text)
    assert cards.knock(cards.wait_for_event("x")) == 400
    assert not PaymentDelivery.objects.exists()


def test_a_huge_body_is_not_read(cards: CardService) -> None:
    assert knock(b"x" * (256 * 1024 + 1)) == 413
    assert not PaymentDelivery.objects.exists()


def test_other_methods_and_an_office_without_cards(cards: CardService, settings: Settings) -> None:
    assert Client().get(DOOR).status_code == 405
    settings.STRIPE_SECRET_KEY = settings.STRIPE_WEBHOOK_SECRET = settings.STRIPE_PUBLISHABLE_KEY = ""
    assert knock(b"{}") == 404


# -- worked off --------------------------------------------------------------------------------------------------------


def test_an_unknown_event_asks_for_nothing(cards: CardService) -> None:
    cards.send_event("product.updated", {"id": "prod_1", "object": "product"})
    cards.knock(cards.wait_for_event("product.updated"))
    drain()
    row = PaymentDelivery.objects.get()
    assert (row.state, row.note) == ("ignored", "an event that asks for nothing")


@pytest.mark.parametrize(
    "document",
    [
        {"id": "pi_x", "object": "payment_intent"},
        {"id": "pi_x", "object": "payment_intent", "metadata": {"payment": "no-uuid"}},
        {"id": "pi_x", "object": "payment_intent", "metadata": {"payment": "0" * 36}},
        {"id": "re_x", "object": "refund", "payment_intent": "pi_x"},
        {"id": "ch_x", "object": "charge", "payment_intent": None},
    ],
)
def test_what_is_not_ours_is_left_alone(cards: CardService, document: dict[str, Any]) -> None:
    ask_for_card()
    calls = cards.count("intent")
    cards.send_event("thing", document)
    cards.knock(cards.wait_for_event("thing"))
    drain()
    row = PaymentDelivery.objects.get()
    assert (row.state, row.note, cards.count("intent")) == ("ignored", "names nothing of ours", calls)


def test_what_a_call_says_is_not_believed(cards: CardService) -> None:
    payment = ask_for_card()
    said = {"id": payment.intent_id, "object": "payment_intent", "status": "succeeded", "amount_received": 1200}
    cards.send_event("payment_intent.succeeded", said)
    cards.bring_in("payment_intent.succeeded")
    drain()
    assert (PaymentDelivery.objects.get().state, again(payment).state) == ("applied", "pending")


def test_a_service_that_does_not_answer_is_asked_later(cards: CardService, event: dict[str, Any]) -> None:
    cards.knock(event)
    cards.order_fault("status_before", "intent")
    drain()
    row = PaymentDelivery.objects.get()
    assert (row.state, row.attempts) == ("new", 1)
    assert row.next_attempt_at is not None
    assert 9 < (row.next_attempt_at - timezone.now()).total_seconds() <= 10
    drain()
    assert (again(row).state, Payment.objects.get().state) == ("applied", "captured")


def test_poison_is_parked_and_tried_again_by_a_person(
    cards: CardService, event: dict[str, Any], django_assert_num_queries: Callable[..., Any]
) -> None:
    del django_assert_num_queries
    cards.send_event("charge.dispute.created", {"id": "du_nobody_knows", "object": "dispute"})
    cards.knock(cards.wait_for_event("charge.dispute.created"))
    cards.knock(event)
    for _number in range(6):
        drain()
    row = PaymentDelivery.objects.get(kind="charge.dispute.created")
    assert (row.state, row.attempts) == ("parked", 6)
    assert row.note == "The payment service refused (resource_missing: No such dispute: 'du_nobody_knows')"
    assert Payment.objects.get().state == "captured"
    assert drain() == 0
    with pytest.raises(PermissionDenied):
        retry_payment_delivery(delivery=row, by=make_user("orders.view_paymentdelivery"))
    boss = make_user("orders.handle_paymentdelivery")
    retry_payment_delivery(delivery=row, by=boss)
    with pytest.raises(RetryRefused):
        retry_payment_delivery(delivery=row, by=boss)
    assert drain() == 1
    assert (again(row).state, again(row).attempts) == ("new", 1)


def test_worked_off_ones_are_kept_for_a_time_only(cards: CardService, event: dict[str, Any]) -> None:
    cards.knock(event)
    drain()
    assert prune_old_rows()["payment deliveries"] == 0
    PaymentDelivery.objects.update(received_at=timezone.now() - timedelta(days=91))
    assert prune_old_rows()["payment deliveries"] == 1
    assert not PaymentDelivery.objects.exists()
