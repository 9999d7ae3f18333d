"""The pages about cards in a real browser: they fit and are clean in every look, and the open payment is live."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from orders.card.payments import look_at_card_payment
from orders.models import Payment, PaymentDelivery, Refund
from tests.browser import LOOKS, Console, find_faults_of
from tests.orders.card_office import ask_for_card, make_card_payment, make_dispute, owe
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, order_plan
from tests.simulator_cards import CardService

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.looks
def test_every_page_about_cards(console: Console, cards: CardService, wholesaler: Wholesaler) -> None:
    refund = owe(cards, wholesaler)
    make_dispute(Payment.objects.get())
    lost = make_dispute(make_card_payment(order_plan(make_fake_plan()), state="captured"), state="lost")
    waiting = ask_for_card()
    Payment.objects.filter(pk=waiting.pk).update(error="Your card has insufficient funds.")
    asked = order_plan(make_fake_plan(), 2)
    note = "The payment service refused (resource_missing: No such dispute: 'du_1')"
    call = PaymentDelivery.objects.create(
        event_id="evt_1",
        kind="charge.dispute.created",
        received_at=timezone.now(),
        body=b'{"id": "evt_1", "type": "charge.dispute.created", "data": {"object": {"id": "du_1"}}}',
        state="parked",
        attempts=6,
        note=note,
    )
    pages = {
        "dashboard": "/",
        "disputed": f"/orders/{refund.order_id}/",
        "lost": f"/orders/{lost.payment.order_id}/",
        "waiting": f"/orders/{waiting.order_id}/",
        "asked": f"/orders/{asked.pk}/",
        "give-up": f"/card-payments/{waiting.pk}/give-up/",
        "refund": f"/refunds/{refund.pk}/card/",
        "made": f"/refunds/{refund.pk}/made/",
        "disputes": "/disputes/?kind=all",
        "calls": "/payment-calls/",
        "call": f"/payment-calls/{call.pk}/",
    }
    page = console.open("/", enforce_csp=False)
    assert find_faults_of(page, pages, "cards", looks=LOOKS) == []


@pytest.mark.looks
def test_every_page_about_what_hangs(console: Console, cards: CardService, wholesaler: Wholesaler) -> None:
    sent, waiting = owe(cards, wholesaler), ask_for_card()
    long_ago = timezone.now() - timedelta(days=2)
    Refund.objects.update(state="sending", sending_since=long_ago, error="The payment service could not be reached")
    Payment.objects.filter(pk=waiting.pk).update(created_at=long_ago)
    pages = {
        "dashboard": "/",
        "refunds": "/refunds/?state=sending",
        "order": f"/orders/{sent.order_id}/",
        "refund-not-paid": f"/refunds/{sent.pk}/decide/not-paid/",
        "refund-went-through": f"/refunds/{sent.pk}/decide/went-through/",
        "waiting": f"/orders/{waiting.order_id}/",
        "payment": f"/payments/{waiting.pk}/",
        "payment-not-paid": f"/payments/{waiting.pk}/not-paid/",
    }
    page = console.open("/", enforce_csp=False)
    assert find_faults_of(page, pages, "cards", looks=LOOKS) == []


def test_the_open_payment_is_live(console: Console, cards: CardService) -> None:
    payment = ask_for_card()
    page = console.open(f"/orders/{payment.order_id}/")
    panel = page.locator("#card")
    expect(panel).to_contain_text("It waits for the customer's card.")
    cards.decline(payment.intent_id, message="Your card has expired.")
    look_at_card_payment(payment=payment)
    expect(panel).to_contain_text("Your card has expired.")
    cards.pay(payment.intent_id)
    look_at_card_payment(payment=payment)
    expect(panel).to_have_count(0)
    expect(page.locator("main")).to_contain_text("being bought")
