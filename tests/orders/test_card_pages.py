"""The pages about cards: asking, looking, giving up, paying back, disputes and the service's calls."""

import html
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from orders.models import Dispute, Order, Payment, PaymentDelivery, Purchase, Refund
from tests.orders.card_office import (
    again,
    ask_for_card,
    drain,
    make_card_payment,
    make_dispute,
    owe,
    pay_by_card,
)
from tests.orders.desk import DECIDER, SELLER, sign_in
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, order_plan
from tests.pages import assert_clean_page
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db


def read(response: Any) -> str:
    """The page's words."""
    text = html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode()))
    return re.sub(r"\s+", " ", text)


def show(client: Client, order: Order) -> str:
    response = client.get(f"/orders/{order.pk}/")
    assert_clean_page(response)
    return read(response)


def read_key(client: Client, order: Order) -> str:
    page = client.get(f"/orders/{order.pk}/").content.decode()
    form = page[page.index(f'action="/orders/{order.pk}/card/ask/"') :]
    found = re.search(r'name="form_key" value="([^"]+)"', form)
    assert found
    return found[1]


# -- asking ------------------------------------------------------------------------------------------------------------


def test_asked_for_by_a_button_looked_at_and_paid(cards: CardService) -> None:
    client, order = sign_in(*SELLER), order_plan(make_fake_plan(), 2)
    assert "Ask for a card payment: 12.00 USD" in show(client, order)
    key = read_key(client, order)
    for _click in range(2):
        response = client.post(f"/orders/{order.pk}/card/ask/", {"form_key": key}, follow=True)
    assert "The customer can pay by card now." in read(response)
    payment = Payment.objects.get()
    assert (str(payment.form_key), payment.state, len(cards.objects())) == (key, "pending", 1)
    words = show(client, order)
    assert "waiting for the customer It waits for the customer's card." in words
    assert payment.intent_id in words
    assert "Ask for a card payment" not in words

    cards.decline(payment.intent_id, message="Your card was declined.")
    response = client.post(f"/card-payments/{payment.pk}/look/", follow=True)
    assert "The payment is still open." in read(response)
    assert "Said last Your card was declined." in read(response)
    cards.pay(payment.intent_id)
    response = client.post(f"/card-payments/{payment.pk}/look/", follow=True)
    assert "The payment is “captured”." in read(response)
    assert "Payment by card" not in read(response)
    assert Order.objects.get().state == "buying"


def test_a_form_with_a_wrong_key_asks_for_nothing(cards: CardService) -> None:
    client, order = sign_in(*SELLER), order_plan(make_fake_plan())
    response = client.post(f"/orders/{order.pk}/card/ask/", {"form_key": "x"}, follow=True)
    assert "This form was sent before" in read(response)
    assert (Payment.objects.count(), cards.count("intent_create")) == (0, 0)


def test_a_refusal_and_a_silence_are_told(cards: CardService) -> None:
    client, order = sign_in(*SELLER), order_plan(make_fake_plan())
    cards.order_fault("refuse_code", "intent_create", code="currency_not_supported", message="No.")
    response = client.post(f"/orders/{order.pk}/card/ask/", {"form_key": str(uuid.uuid4())}, follow=True)
    assert "The payment service refused the payment." in read(response)
    assert "The payment service refused (currency_not_supported: No.)" in read(response)
    cards.order_fault("reset_after", "intent_create")
    response = client.post(f"/orders/{order.pk}/card/ask/", {"form_key": str(uuid.uuid4())}, follow=True)
    assert "The payment service has not answered yet; it is asked again by itself." in read(response)
    assert "The payment service gave no usable answer" in read(response)


def test_nothing_about_cards_without_a_payment_service(settings: Settings, wholesaler: Wholesaler) -> None:
    settings.STRIPE_SECRET_KEY = ""
    client, order = sign_in(*SELLER), order_plan(make_fake_plan())
    assert "card payment" not in show(client, order)
    response = client.post(f"/orders/{order.pk}/card/ask/", {"form_key": str(uuid.uuid4())}, follow=True)
    assert "No payment service is set up." in read(response)
    assert not Payment.objects.exists()


def test_whoever_may_not_sell_sees_the_open_payment_and_no_buttons(cards: CardService) -> None:
    client, payment = sign_in("orders.view_order"), ask_for_card()
    words = show(client, payment.order)
    assert "It waits for the customer's card." in words
    assert "Ask now" not in words
    assert "Give up" not in words
    assert "Ask for a card payment" not in show(client, order_plan(make_fake_plan()))


# -- live --------------------------------------------------------------------------------------------------------------


def test_the_panel_is_live(cards: CardService) -> None:
    client, payment = sign_in(*SELLER), ask_for_card()
    url = f"/orders/{payment.order_id}/card/"
    assert client.get(url)["Location"] == f"/orders/{payment.order_id}/"
    headers = {"HX-Request": "true"}
    panel = client.get(url, headers=headers).content.decode()
    found = re.search(r'hx-get="([^"]+)"', panel)
    assert found
    assert client.get(found[1], headers=headers).status_code == 204
    Payment.objects.update(service_state="processing")
    assert "The bank is carrying it out." in client.get(found[1], headers=headers).content.decode()
    Payment.objects.update(state="cancelled", next_check_at=None)
    response = client.get(found[1], headers=headers)
    assert (response.status_code, response["HX-Refresh"]) == (204, "true")


# -- giving up ---------------------------------------------------------------------------------------------------------


def test_given_up_after_a_question(cards: CardService) -> None:
    client, payment = sign_in(*SELLER), ask_for_card()
    url = f"/card-payments/{payment.pk}/give-up/"
    assert "the customer cannot pay it any more" in read(client.get(url))
    assert again(payment).state == "pending"
    response = client.post(url, follow=True)
    assert "The payment is “given up”." in read(response)
    assert cards.objects()[0]["status"] == "canceled"


def test_one_that_the_service_does_not_cancel_stays_open_and_says_why(cards: CardService) -> None:
    client, payment = sign_in(*SELLER), ask_for_card()
    cards.order_fault("close_before", "intent_cancel")
    response = client.post(f"/card-payments/{payment.pk}/give-up/", follow=True)
    assert "The payment service did not cancel it: it stays open." in read(response)
    assert "Said last The payment service gave no usable answer" in read(response)
    assert again(payment).state == "pending"


def test_other_payments_are_no_card_payments(cards: CardService) -> None:
    client, order = sign_in(*SELLER), order_plan(make_fake_plan())
    payment = make_card_payment(order)
    Payment.objects.update(method="cash")
    for path in ("look", "give-up"):
        assert client.post(f"/card-payments/{payment.pk}/{path}/").status_code == 404
    assert again(payment).state == "pending"


# -- paying back -------------------------------------------------------------------------------------------------------


def test_paid_back_by_a_button(cards: CardService, wholesaler: Wholesaler) -> None:
    refund = owe(cards, wholesaler)
    client = sign_in(*DECIDER)
    assert "Pay back by card" in show(client, refund.order)
    url = f"/refunds/{refund.pk}/card/"
    assert url in client.get(f"/refunds/{refund.pk}/made/").content.decode()
    page = client.get(url)
    assert_clean_page(page)
    assert f"12.00 USD go back to the card of the payment {Payment.objects.get().intent_id}." in read(page)
    assert again(refund).state == "due"
    for _click in range(2):
        response = client.post(url, follow=True)
        assert "the refund is made" in read(response)
    assert (again(refund).state, len(cards.objects("refund"))) == ("made", 1)
    assert "Nothing is due any more: this refund is “made”." in read(client.get(url, follow=True))


def test_a_failure_is_told_and_stays_on_the_pages(cards: CardService, wholesaler: Wholesaler) -> None:
    refund = owe(cards, wholesaler)
    client = sign_in(*DECIDER)
    cards.simulator.set_switches(stripe_refund_status="failed")
    response = client.post(f"/refunds/{refund.pk}/card/", follow=True)
    assert "it is due again." in read(response)
    for url in ("/refunds/", f"/refunds/{refund.pk}/made/", f"/orders/{refund.order_id}/"):
        assert "The payment service could not pay it back: expired_or_canceled_card" in read(client.get(url))
    cards.simulator.set_switches(stripe_refund_status="pending")
    response = client.post(f"/refunds/{refund.pk}/card/", follow=True)
    assert "has not said yet that it is made" in read(response)
    assert again(refund).state == "sending"


def test_no_card_has_enough(cards: CardService, wholesaler: Wholesaler) -> None:
    refund = owe(cards, wholesaler)
    Refund.objects.update(amount=Decimal(20))
    client = sign_in(*DECIDER)
    told = read(client.get(f"/refunds/{refund.pk}/card/", follow=True))
    assert "No card payment has 20.00 USD left to be paid back. " in told
    assert "Record that the refund was made" in told
    assert f"/refunds/{refund.pk}/card/" not in client.get(f"/refunds/{refund.pk}/made/").content.decode()
    response = client.post(f"/refunds/{refund.pk}/card/")
    assert response.status_code == 422
    assert "No card payment has 20.00 USD left to be paid back." in read(response)
    assert again(refund).state == "due"


# -- disputes ----------------------------------------------------------------------------------------------------------


def test_a_dispute_is_everywhere_until_it_is_settled(cards: CardService, wholesaler: Wholesaler) -> None:
    refund = owe(cards, wholesaler)
    payment = Payment.objects.get()
    dispute_id = cards.dispute(payment.intent_id, reason="duplicate")
    cards.bring_in()
    drain()
    client = sign_in(*DECIDER, "orders.view_dispute", "orders.handle_payment")
    assert "1 Dispute about a card payment" in read(client.get("/"))
    assert "The customer's bank took 12.00 USD back. open" in show(client, refund.order)
    warning = "Careful: the customer's bank has taken 12.00 USD of this order back already. Paying back too pays twice."
    for path in ("made", "card"):
        assert warning in read(client.get(f"/refunds/{refund.pk}/{path}/", follow=True))
    page = client.get("/disputes/")
    assert_clean_page(page)
    words = read(page)
    assert f"{refund.order.customer.name} 12.00 USD taken back open needs_response duplicate" in words
    assert refund.order.number in words
    assert "Settle the dispute" not in read(page)
    dispute = Dispute.objects.get()
    response = client.post(f"/disputes/{dispute.pk}/settle/", follow=True)
    assert "Only a dispute that was lost is settled here; this one is “open”." in read(response)

    cards.move_dispute(dispute_id, "lost")
    cards.bring_in()
    drain()
    assert "Settle the dispute about" in read(client.get("/disputes/"))
    response = client.post(f"/disputes/{dispute.pk}/settle/", follow=True)
    assert "The dispute is settled." in read(response)
    assert "No dispute needs a person" in read(response)
    assert "settled · staff" in read(client.get("/disputes/?kind=all"))
    assert "Dispute about a card payment" not in read(client.get("/"))
    assert again(dispute).settled_at is not None


def test_a_dispute_that_was_won_is_quiet(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan())
    make_dispute(make_card_payment(order, state="captured"), state="won")
    client = sign_in(*DECIDER, "orders.view_dispute")
    assert "bank" not in show(client, order)
    assert "No dispute needs a person" in read(client.get("/disputes/"))


# -- the service's calls -----------------------------------------------------------------------------------------------


def test_calls_are_listed_without_secrets_and_parked_ones_tried_again(cards: CardService) -> None:
    payment = ask_for_card()
    cards.bring_in()
    PaymentDelivery.objects.update(
        state="parked", attempts=6, next_attempt_at=None, note="our program failed over it (KeyError in x, line 1)"
    )
    view, handle = "orders.view_paymentdelivery", "orders.handle_paymentdelivery"
    client, row = sign_in(view, handle), PaymentDelivery.objects.get()
    assert "1 Payment call that is parked" in read(client.get("/"))
    page = client.get("/payment-calls/")
    assert_clean_page(page)
    assert "payment_intent.created parked our program failed over it" in read(page)
    assert "No deliveries" in read(client.get("/payment-calls/?state=applied"))
    detail = client.get(f"/payment-calls/{row.pk}/")
    assert_clean_page(detail)
    assert payment.intent_id in read(detail)
    assert payment.client_secret is not None
    assert bytes(payment.client_secret).decode() not in detail.content.decode()
    assert "Try again" not in read(sign_in(view).get(f"/payment-calls/{row.pk}/"))
    response = client.post(f"/payment-calls/{row.pk}/retry/", follow=True)
    assert "The delivery is worked off again." in read(response)
    response = client.post(f"/payment-calls/{row.pk}/retry/", follow=True)
    assert "This delivery waits to be worked off already." in read(response)
    drain()
    assert (again(row).state, again(row).attempts) == ("applied", 1)


def test_the_timeline_tells_of_cards_in_words(cards: CardService) -> None:
    payment = pay_by_card(cards)
    cards.dispute(payment.intent_id)
    cards.bring_in()
    drain()
    words = show(sign_in(*DECIDER), payment.order)
    for told in ("A payment by card was asked for", "Payment recorded", "Dispute: open"):
        assert told in words
    assert Purchase.objects.get().created_at <= timezone.now()
