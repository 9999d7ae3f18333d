"""Disputes: the money is away, comes back or stays away, and the books say which."""

from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied

from orders.card.disputes import DisputeRefused, disputes_for_a_person, settle_dispute
from orders.card.refunds import find_charge_backs, pay_back_by_card
from orders.models import Dispute, OrderEvent, Purchase, Refund
from orders.purchasing import run_purchase
from orders.refunds import RefundRefused
from tests.orders.card_office import again, balance, drain, owe, pay_by_card
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db
USD = Decimal("12.00")


def hear(cards: CardService, *kinds: str, backwards: bool = False) -> None:
    cards.bring_in(*kinds, backwards=backwards)
    drain()


def test_lost(cards: CardService) -> None:
    payment = pay_by_card(cards)
    run_purchase(purchase_id=Purchase.objects.get().pk)
    assert balance() == {"captured": USD, "delivered": USD}
    dispute_id = cards.dispute(payment.intent_id, reason="product_not_received")
    hear(cards)
    row = Dispute.objects.get()
    assert (row.dispute_id, row.payment, row.state, row.raw_state) == (dispute_id, payment, "open", "needs_response")
    assert (row.reason, row.amount, row.currency, row.is_withdrawn) == ("product_not_received", USD, "USD", True)
    assert row.evidence_due_at is not None
    assert balance() == {"captured": USD, "delivered": USD, "charge_backs": USD}
    assert list(disputes_for_a_person()) == [row]
    assert list(find_charge_backs(payment.order)) == [row]

    cards.move_dispute(dispute_id, "lost")
    hear(cards)
    row = again(row)
    assert (row.state, row.is_withdrawn, row.closed_at is None) == ("lost", True, False)
    assert balance() == {"captured": USD, "delivered": USD, "charge_backs": USD}
    assert list(disputes_for_a_person()) == [row]
    with pytest.raises(PermissionDenied):
        settle_dispute(dispute=row, by=make_user("orders.refund"))
    staff = make_user("orders.handle_payment")
    settle_dispute(dispute=row, by=staff)
    settle_dispute(dispute=row, by=make_user("orders.handle_payment"))
    assert (again(row).settled_by, list(disputes_for_a_person())) == (staff.email, [])
    assert cards.effects("withdrawn", "reinstated") == [("withdrawn", 1200)]
    assert [event.facts["new"] for event in OrderEvent.objects.filter(kind="dispute.state").order_by("pk")] == [
        "open",
        "lost",
    ]


def test_won(cards: CardService) -> None:
    payment = pay_by_card(cards)
    dispute_id = cards.dispute(payment.intent_id)
    hear(cards)
    cards.move_dispute(dispute_id, "under_review")
    hear(cards)
    assert Dispute.objects.get().raw_state == "under_review"
    with pytest.raises(DisputeRefused):
        settle_dispute(dispute=Dispute.objects.get(), by=make_user("orders.handle_payment"))
    cards.move_dispute(dispute_id, "won")
    hear(cards)
    row = Dispute.objects.get()
    assert (row.state, row.is_withdrawn) == ("won", False)
    assert balance() == {"captured": USD, "open": USD}
    assert not disputes_for_a_person().exists()
    assert cards.effects("withdrawn", "reinstated") == [("withdrawn", 1200), ("reinstated", 1200)]


def test_a_part_of_the_payment(cards: CardService) -> None:
    payment = pay_by_card(cards)
    cards.dispute(payment.intent_id, amount=450)
    hear(cards)
    assert balance() == {"captured": USD, "open": USD, "charge_backs": Decimal("4.50")}


def test_an_inquiry_takes_nothing_until_it_becomes_a_dispute(cards: CardService) -> None:
    payment = pay_by_card(cards)
    dispute_id = cards.dispute(payment.intent_id, inquiry=True)
    hear(cards)
    assert (Dispute.objects.get().state, Dispute.objects.get().is_withdrawn) == ("open", False)
    assert balance() == {"captured": USD, "open": USD}
    cards.move_dispute(dispute_id, "needs_response")
    hear(cards)
    assert Dispute.objects.get().is_withdrawn
    assert balance() == {"captured": USD, "open": USD, "charge_backs": USD}


def test_an_inquiry_that_is_closed_took_nothing(cards: CardService) -> None:
    payment = pay_by_card(cards)
    cards.move_dispute(cards.dispute(payment.intent_id, inquiry=True), "warning_closed")
    hear(cards, backwards=True)
    row = Dispute.objects.get()
    assert (row.state, row.raw_state, row.is_withdrawn) == ("won", "warning_closed", False)


def test_events_in_the_wrong_order_end_in_the_same_row(cards: CardService) -> None:
    payment = pay_by_card(cards)
    cards.move_dispute(cards.dispute(payment.intent_id), "won")
    hear(cards, backwards=True)
    row = Dispute.objects.get()
    assert (row.state, row.is_withdrawn) == ("won", False)
    assert OrderEvent.objects.filter(kind="dispute.state").count() == 1


def test_a_dispute_of_somebody_elses_payment_is_none_of_ours(cards: CardService) -> None:
    foreign = cards.call("POST", "/v1/payment_intents", data={"amount": "900", "currency": "usd"}).json()
    cards.pay(foreign["id"])
    cards.dispute(foreign["id"])
    hear(cards)
    assert not Dispute.objects.exists()


def test_what_the_bank_took_is_not_paid_back_by_card_too(cards: CardService, wholesaler: Wholesaler) -> None:
    refund = owe(cards, wholesaler)
    cards.dispute(cards.objects()[0]["id"])
    hear(cards)
    with pytest.raises(RefundRefused):
        pay_back_by_card(refund=refund, by=make_user("orders.refund"))
    assert (Refund.objects.get().state, cards.count("refund_create")) == ("due", 0)
    assert balance() == {"captured": USD, "refunds_due": USD, "charge_backs": USD}
