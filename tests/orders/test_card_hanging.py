"""What hangs at the payment service is shown, and ended by people; what the service says counts, now and later."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django import Settings

from customers.models import User
from orders.card.deciding import declare_not_refunded, declare_paid, declare_refunded, declare_unpaid
from orders.card.refunds import pay_back_by_card
from orders.card.waits import lease
from orders.expiring import expire_orders
from orders.models import Order, OrderEvent, Payment, Refund
from orders.payments import PaymentRefused
from orders.refunds import RefundRefused, record_refund_made
from tests.orders.card_office import again, ask_for_card, balance, drain, owe, run_refunds
from tests.orders.desk import sign_in
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user, pay
from tests.orders.test_card_late_news import slow_down
from tests.orders.test_card_pages import read
from tests.pages import assert_clean_page
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db
USD = Decimal("12.00")
DAY = timedelta(hours=25)
EVERYTHING = (
    "orders.handle_payment",
    "orders.refund",
    "orders.view_order",
    "orders.view_refund",
    "orders.view_payment",
)


def make_decider() -> User:
    return make_user(*EVERYTHING)


def take_keys_away(settings: Settings) -> Callable[[], None]:
    """No service is set up any more, until it is put back."""
    names = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET")
    kept = {name: getattr(settings, name) for name in names}
    for name in names:
        setattr(settings, name, "")

    def put_back() -> None:
        for name, value in kept.items():
            setattr(settings, name, value)

    return put_back


def ask_long_ago(order: Order | None = None) -> Payment:
    payment = ask_for_card(order)
    Payment.objects.update(created_at=timezone.now() - DAY)
    return payment


def send_long_ago(cards: CardService, wholesaler: Wholesaler, status: str = "pending") -> Refund:
    """A refund of 12.00 USD that has been on its way for more than a day."""
    cards.simulator.set_switches(stripe_refund_status=status)
    sent = pay_back_by_card(refund=owe(cards, wholesaler), by=make_user("orders.refund"))
    assert sent.state == "sending"
    then = timezone.now() - DAY
    Refund.objects.update(sending_since=then, sent_at=then, next_attempt_at=timezone.now())
    return again(sent)  # type: ignore[no-any-return]


def lose_answer(cards: CardService, wholesaler: Wholesaler) -> Refund:
    """As ``send_long_ago``, and nobody here knows the service's number for it."""
    sent = send_long_ago(cards, wholesaler)
    Refund.objects.update(service_ref="")
    return again(sent)  # type: ignore[no-any-return]


def events(kind: str) -> list[tuple[str, str]]:
    return list(OrderEvent.objects.filter(kind=kind).order_by("pk").values_list("by", "why"))


# -- payments ---------------------------------------------------------------------------------------------------------


def test_a_payment_that_did_not_go_through_has_failed_and_its_order_expires(
    cards: CardService, settings: Settings
) -> None:
    payment, staff = ask_long_ago(), make_decider()
    Order.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    take_keys_away(settings)
    for _click in range(2):
        assert declare_unpaid(payment=payment, why="closed account", by=staff).state == "failed"
    assert (again(payment).error, again(payment).next_check_at) == ("closed account", None)
    assert events("payment.failed") == [(staff.email, "closed account")]
    assert (payment.order.state, expire_orders()) == ("unpaid", 0)
    Order.objects.update(expires_at=timezone.now())
    assert expire_orders() == 1


def test_one_that_is_paid_by_hand_after_that_and_by_card_too_is_owed_back_once(
    cards: CardService, settings: Settings
) -> None:
    payment = ask_long_ago()
    put_back = take_keys_away(settings)
    declare_unpaid(payment=payment, why="closed account", by=make_decider())
    pay(payment.order)
    put_back()
    cards.pay(payment.intent_id)
    cards.bring_in("payment_intent.succeeded")
    drain()
    assert (again(payment).state, again(payment).attention) == (
        "captured",
        "It came although the order is paid already: it is owed back.",
    )
    assert balance() == {"captured": 2 * USD, "open": USD, "refunds_due": USD}


def test_a_payment_that_went_through_buys_its_order_and_the_service_may_say_so_later(
    cards: CardService, settings: Settings
) -> None:
    payment, staff = ask_long_ago(), make_decider()
    cards.pay(payment.intent_id)
    put_back = take_keys_away(settings)
    for _click in range(2):
        declare_paid(payment=payment, reference="pi_seen", why="on its page", by=staff)
    assert (again(payment).state, again(payment).reference) == ("captured", "pi_seen")
    assert again(payment.order).state == "buying"
    assert events("payment.captured") == [(staff.email, "on its page")]
    put_back()
    cards.bring_in("payment_intent.succeeded")
    drain()
    assert (again(payment).attention, balance()) == ("", {"captured": USD, "open": USD})


def test_the_service_that_says_later_that_it_was_not_paid_is_shown(cards: CardService, settings: Settings) -> None:
    payment = ask_long_ago()
    put_back = take_keys_away(settings)
    declare_paid(payment=payment, reference="pi_seen", why="on its page", by=make_decider())
    put_back()
    cards.call("POST", f"/v1/payment_intents/{payment.intent_id}/cancel")
    cards.bring_in("payment_intent.canceled")
    drain()
    told = "It was recorded as paid, and the payment service says that it is “canceled”."
    assert (again(payment).state, again(payment).attention) == ("captured", told)


def test_what_the_service_says_counts_before_what_a_person_says(cards: CardService) -> None:
    staff = make_decider()
    paid, open_one, asked = ask_long_ago(), ask_long_ago(), ask_long_ago()
    cards.pay(paid.intent_id)
    assert declare_unpaid(payment=paid, why="no money", by=staff).state == "captured"
    with pytest.raises(PaymentRefused, match="requires_payment_method"):
        declare_paid(payment=open_one, reference="pi_1", why="seen", by=staff)
    assert again(open_one).state == "pending"
    cards.move(asked.intent_id, "requires_action")
    assert declare_unpaid(payment=asked, why="no answer", by=staff).state == "cancelled"


def test_a_bank_that_carries_it_out_is_waited_for(cards: CardService, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = ask_long_ago()
    cards.move(payment.intent_id, "processing")
    cards.order_fault("refuse_code", "intent_cancel", code="payment_intent_unexpected_state", http_status=400)
    with pytest.raises(PaymentRefused, match="is carrying it out"):
        declare_unpaid(payment=payment, why="no answer", by=make_decider())
    Order.objects.update(expires_at=timezone.now())
    assert (again(payment).state, again(payment).service_state) == ("pending", "processing")
    Payment.objects.update(error="")
    assert expire_orders() == 0


@pytest.mark.parametrize("verb", [declare_unpaid, declare_paid])
def test_nobody_decides_too_early_or_without_the_permission(cards: CardService, verb: Callable[..., Payment]) -> None:
    payment = ask_for_card()
    more: dict[str, Any] = {"reference": "pi_1"} if verb is declare_paid else {}
    with pytest.raises(PaymentRefused, match="too early"):
        verb(payment=payment, why="x", by=make_decider(), **more)
    Payment.objects.update(created_at=timezone.now() - DAY)
    with pytest.raises(PermissionDenied):
        verb(payment=payment, why="x", by=make_user("orders.sell", "orders.refund"), **more)
    assert (again(payment).state, OrderEvent.objects.filter(kind__startswith="payment.").count()) == ("pending", 1)


def test_an_order_is_not_held_for_ever_by_a_payment_that_hangs(cards: CardService, settings: Settings) -> None:
    payment = ask_for_card()
    take_keys_away(settings)
    Order.objects.update(expires_at=timezone.now())
    assert expire_orders() == 0
    Payment.objects.update(created_at=timezone.now() - DAY)
    assert expire_orders() == 1
    assert (again(payment).state, again(payment.order).state) == ("pending", "expired")
    client = sign_in(*EVERYTHING)
    assert "12.00 USD" in read(client.get("/payments/"))
    page = client.get(f"/payments/{payment.pk}/")
    assert_clean_page(page)
    assert "It did not go through" in read(page)
    decide = client.get(f"/payments/{payment.pk}/not-paid/")
    assert "the customer may still pay it" in read(decide)
    client.post(f"/payments/{payment.pk}/not-paid/", {"why": "closed account"})
    assert again(payment).state == "failed"
    assert "Nothing waits here" in read(client.get("/payments/"))


# -- refunds ----------------------------------------------------------------------------------------------------------


def test_a_refund_that_did_not_go_through_is_due_again_and_paid_once(
    cards: CardService, wholesaler: Wholesaler, settings: Settings
) -> None:
    sent, staff = lose_answer(cards, wholesaler), make_decider()
    ref = cards.objects("refund")[0]["id"]
    put_back = take_keys_away(settings)
    for _click in range(2):
        assert declare_not_refunded(refund=sent, why="not on its page", by=staff).state == "due"
    assert events("refund.failed") == [(staff.email, "not on its page")]
    assert balance() == {"captured": USD, "refunds_due": USD}
    record_refund_made(refund=again(sent), method="cash", reference="R1", by=staff)
    # The service did it all the same: both are shown, and the books count what we owed.
    put_back()
    cards.end_refund(ref, "succeeded")
    cards.bring_in("refund.updated")
    drain()
    assert (again(sent).method, again(sent).reference) == ("cash", "R1")
    assert Payment.objects.get().attention == (
        f"The payment service paid 12.00 USD back that was not asked for here ({ref})."
    )
    assert balance() == {"captured": USD, "refunds_made": USD}


def test_a_refund_that_went_through_is_made_and_the_service_may_say_so_later(
    cards: CardService, wholesaler: Wholesaler, settings: Settings
) -> None:
    sent, staff = lose_answer(cards, wholesaler), make_decider()
    ref = cards.objects("refund")[0]["id"]
    put_back = take_keys_away(settings)
    for _click in range(2):
        declare_refunded(refund=sent, reference="re_seen", why="on its page", by=staff)
    assert (again(sent).state, again(sent).method, again(sent).reference) == ("made", "card", "re_seen")
    assert events("refund.made") == [(staff.email, "on its page")]
    put_back()
    cards.end_refund(ref, "succeeded")
    cards.bring_in("refund.updated")
    drain()
    assert (again(sent).service_ref, Payment.objects.get().attention) == (ref, "")
    cards.end_refund(ref, "failed")
    cards.bring_in("refund.failed")
    drain()
    assert again(sent).state == "due"
    assert balance() == {"captured": USD, "refunds_due": USD}


def test_the_service_is_asked_first_and_nothing_is_sent(cards: CardService, wholesaler: Wholesaler) -> None:
    sent, staff = lose_answer(cards, wholesaler), make_decider()
    made = cards.count("refund_create")
    with pytest.raises(RefundRefused, match="is carrying it out"):
        declare_not_refunded(refund=sent, why="x", by=staff)
    Refund.objects.update(next_attempt_at=timezone.now())
    with pytest.raises(RefundRefused, match="says that it is “pending”"):
        declare_refunded(refund=sent, reference="re_1", why="x", by=staff)
    assert again(sent).state == "sending"
    Refund.objects.update(next_attempt_at=timezone.now())
    cards.end_refund(again(sent).service_ref, "succeeded")
    assert declare_not_refunded(refund=sent, why="x", by=staff).state == "made"
    assert cards.count("refund_create") == made


def test_one_that_the_service_does_not_know_is_due_again(cards: CardService, wholesaler: Wholesaler) -> None:
    cards.order_fault("reset_before", "refund_create")
    sent = pay_back_by_card(refund=owe(cards, wholesaler), by=make_user("orders.refund"))
    then, staff = timezone.now() - DAY, make_decider()
    Refund.objects.update(sending_since=then, sent_at=then, next_attempt_at=timezone.now())
    with pytest.raises(RefundRefused, match="“unknown”"):
        declare_refunded(refund=sent, reference="re_1", why="x", by=staff)
    Refund.objects.update(next_attempt_at=timezone.now())
    assert declare_not_refunded(refund=sent, why="x", by=staff).state == "due"
    assert (cards.count("refund_create"), cards.objects("refund")) == (1, [])


@pytest.mark.parametrize("verb", [declare_not_refunded, declare_refunded])
def test_a_worker_that_may_be_sending_it_is_not_disturbed(
    cards: CardService, wholesaler: Wholesaler, settings: Settings, verb: Callable[..., Refund]
) -> None:
    sent, staff = send_long_ago(cards, wholesaler), make_decider()
    more: dict[str, Any] = {"reference": "re_1"} if verb is declare_refunded else {}
    take_keys_away(settings)
    Refund.objects.update(next_attempt_at=timezone.now() + lease())
    with pytest.raises(RefundRefused, match="being asked at this moment"):
        verb(refund=sent, why="x", by=staff, **more)
    Refund.objects.update(next_attempt_at=timezone.now(), sending_since=timezone.now())
    with pytest.raises(RefundRefused, match="too early"):
        verb(refund=sent, why="x", by=staff, **more)
    with pytest.raises(PermissionDenied):
        verb(refund=sent, why="x", by=make_user("orders.handle_payment"), **more)
    assert (again(sent).state, run_refunds(sent)) == ("sending", 1)


def test_what_is_on_its_way_is_owed_and_warned_of_after_a_day(cards: CardService, wholesaler: Wholesaler) -> None:
    sent, client = send_long_ago(cards, wholesaler), sign_in(*EVERYTHING)
    assert "Owed now: 12.00 USD (1)" in read(client.get("/refunds/"))
    assert "Refund that hangs at the payment service" in read(client.get("/"))
    page = client.get("/refunds/?state=sending")
    assert_clean_page(page)
    assert "the refund is due again." in read(page)
    assert "It did not go through" in read(client.get(f"/orders/{sent.order_id}/"))
    decide = client.get(f"/refunds/{sent.pk}/decide/not-paid/")
    assert_clean_page(decide)
    assert "the customer may be paid back twice" in read(decide)
    assert client.get(f"/refunds/{sent.pk}/decide/delete/").status_code == 404
    answer = client.post(f"/refunds/{sent.pk}/decide/not-paid/", {"why": "not there"})
    assert (answer.status_code, "is carrying it out" in read(answer)) == (422, True)
    assert client.post(f"/refunds/{sent.pk}/decide/not-paid/", {"why": ""}).status_code == 422
    Refund.objects.update(sending_since=timezone.now())
    assert "Refund that hangs" not in read(client.get("/"))
    assert "Owed now: 12.00 USD (1)" in read(client.get("/refunds/"))
    assert client.get(f"/refunds/{sent.pk}/decide/not-paid/").status_code == 302
    assert again(sent).state == "sending"


def test_a_decision_does_not_overtake_a_worker_that_is_asking(
    cards: CardService, wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, told = send_long_ago(cards, wholesaler), []

    def decide() -> None:
        with pytest.raises(RefundRefused) as refused:
            declare_not_refunded(refund=sent, why="x", by=make_decider())
        told.append(refused.value.message)

    slow_down(monkeypatch, "/refunds/", decide)
    assert run_refunds(sent) == 1
    assert told == ["The payment service is being asked at this moment. Try again in a few minutes."]
    assert again(sent).state == "sending"
