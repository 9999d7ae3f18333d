"""Paying back to the card over real HTTP: each refund goes out once, and one that fails is owed again."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from orders.card.refunds import find_card_to_refund, pay_back_by_card
from orders.models import Order, OrderEvent, Payment, Purchase, Refund
from orders.purchasing import run_purchase
from orders.refunds import RefundRefused, record_refund_made
from orders.waking import WAKE_UPS
from tests.orders.card_office import again, ask_for_card, balance, drain, owe, pay_by_card, poll, run_refunds
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan, pay
from tests.orders.test_card_payments import Killed, die
from tests.simulator_cards import CardService

pytestmark = pytest.mark.django_db
USD = Decimal("12.00")


@pytest.fixture
def refund(cards: CardService, wholesaler: Wholesaler) -> Refund:
    return owe(cards, wholesaler)


def pay_back(refund: Refund) -> Refund:
    return pay_back_by_card(refund=again(refund), by=make_user("orders.refund"))


def test_paid_back_at_once(cards: CardService, refund: Refund) -> None:
    assert balance() == {"captured": USD, "refunds_due": USD}
    staff = make_user("orders.refund")
    made = pay_back_by_card(refund=refund, by=staff)
    (at_service,) = cards.objects("refund")
    assert (made.state, made.method, made.service_ref, made.reference) == (
        "made",
        "card",
        at_service["id"],
        at_service["id"],
    )
    assert (made.made_by, made.tries, made.next_attempt_at, made.error) == (staff, 1, None, "")
    assert (at_service["amount"], at_service["metadata"]["order"]) == (1200, made.order.number)
    assert cards.effects("refunded") == [("refunded", 1200)]
    assert balance() == {"captured": USD, "refunds_made": USD}
    assert find_card_to_refund(Refund(kind="returned", order=made.order, amount=Decimal(1), currency="USD")) is None
    kinds = list(OrderEvent.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds[-2:] == ["refund.sending", "refund.made"]
    # Its events, and a second click, change nothing.
    cards.bring_in()
    drain()
    assert pay_back(refund).state == "made"
    assert len(cards.objects("refund")) == OrderEvent.objects.filter(kind="refund.made").count() == 1
    assert Payment.objects.get().attention == ""


def test_a_refund_needs_its_permission(cards: CardService, refund: Refund) -> None:
    with pytest.raises(PermissionDenied):
        pay_back_by_card(refund=refund, by=make_user("orders.sell"))
    assert (again(refund).state, cards.count("refund_create")) == ("due", 0)


def test_only_what_a_card_payment_has_left(cards: CardService, refund: Refund) -> None:
    Refund.objects.filter(pk=refund.pk).update(amount=Decimal("12.01"))
    with pytest.raises(RefundRefused) as refused:
        pay_back(refund)
    assert refused.value.message == "No card payment has 12.01 USD left to be paid back."
    assert (again(refund).state, cards.count("refund_create")) == ("due", 0)


def test_cash_is_not_paid_back_by_card(cards: CardService, wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan(), 1)
    pay(order)
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=Purchase.objects.get().pk)
    refund = Refund.objects.get()
    assert find_card_to_refund(refund) is None
    with pytest.raises(RefundRefused):
        pay_back(refund)
    assert again(refund).state == "due"


def test_one_that_the_service_ends_later_is_asked_for(cards: CardService, refund: Refund) -> None:
    cards.simulator.set_switches(stripe_refund_status="pending")
    sent = pay_back(refund)
    assert (sent.state, sent.service_ref) == ("sending", cards.objects("refund")[0]["id"])
    assert balance() == {"captured": USD, "refunds_due": USD}
    with pytest.raises(RefundRefused):
        record_refund_made(refund=sent, method="cash", by=make_user("orders.refund"))
    run_refunds(refund)
    assert again(refund).state == "sending"
    cards.end_refund(sent.service_ref, "succeeded")
    Refund.objects.update(next_attempt_at=timezone.now())
    assert WAKE_UPS["cards"].is_due()
    WAKE_UPS["cards"].run()
    assert again(refund).state == "made"
    assert cards.count("refund_create") == 1


def test_a_failing_one_is_due_again_and_can_be_tried_anew(cards: CardService, refund: Refund) -> None:
    cards.simulator.set_switches(stripe_refund_status="failed")
    failed = pay_back(refund)
    assert (failed.state, failed.method, failed.payment, failed.next_attempt_at) == ("due", "", None, None)
    assert failed.error == "The payment service could not pay it back: expired_or_canceled_card"
    assert balance() == {"captured": USD, "refunds_due": USD}
    cards.simulator.set_switches(stripe_refund_status="succeeded")
    assert pay_back(refund).state == "made"
    first, second = (row["metadata"]["refund"] for row in reversed(cards.objects("refund")))
    assert (first[-2:], second[-2:], first[:-2]) == ("-1", "-2", second[:-2])
    # What is told of the first try changes nothing any more.
    cards.bring_in(backwards=True)
    drain()
    assert again(refund).state == "made"


def test_one_that_fails_days_later_is_due_again_and_asks_a_person(cards: CardService, refund: Refund) -> None:
    made = pay_back(refund)
    cards.end_refund(made.service_ref, "failed")
    cards.bring_in("refund.failed", "charge.refund.updated", times=2)
    drain()
    assert (again(refund).state, again(refund).made_at) == ("due", None)
    assert Payment.objects.get().attention == (
        "A refund of 12.00 USD that had been made came back (expired_or_canceled_card): it is due again."
    )
    assert balance() == {"captured": USD, "refunds_due": USD}
    assert cards.effects("refunded", "refund_failed") == [("refunded", 1200), ("refund_failed", 1200)]
    assert pay_back(refund).state == "made"
    assert balance() == {"captured": USD, "refunds_made": USD}


def test_a_refusal_makes_it_due_again(cards: CardService, refund: Refund) -> None:
    cards.order_fault("refuse_code", "refund_create", code="charge_already_refunded", message="Already.")
    row = pay_back(refund)
    assert (row.state, row.error) == ("due", "The payment service refused (charge_already_refunded: Already.)")
    assert cards.objects("refund") == []


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("reset_after", {}),
    ("status_after", {"status": 500}),
    ("empty_body", {}),
    ("cut_body", {}),
    ("null_fields", {"fields": ["amount"]}),
    ("reset_before", {}),
    ("status_before", {"status": 503}),
    ("rate_limited", {}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    cards: CardService, refund: Refund, fault: tuple[str, dict[str, Any]]
) -> None:
    kind, details = fault
    cards.order_fault(kind, "refund_create", **details)
    row = pay_back(refund)
    assert (row.state, row.service_ref, row.tries) == ("sending", "", 1)
    assert row.error.startswith("The payment service ")
    assert run_refunds(refund) == 1
    assert (again(refund).state, again(refund).error) == ("made", "")
    assert cards.effects("refunded") == [("refunded", 1200)]
    assert cards.count("refund_list") == 0


def test_an_answer_that_stays_lost_is_found_in_the_list(cards: CardService, refund: Refund) -> None:
    cards.order_fault("reset_after", "refund_create", times=None)
    pay_back(refund)
    run_refunds(refund)
    assert (again(refund).state, cards.count("refund_list")) == ("sending", 0)
    run_refunds(refund)
    assert (again(refund).state, cards.count("refund_create"), cards.count("refund_list")) == ("made", 2, 1)
    assert cards.effects("refunded") == [("refunded", 1200)]


@pytest.mark.parametrize("sent", [True, False])
def test_after_a_day_the_list_is_read_before_it_is_sent_anew(cards: CardService, refund: Refund, sent: bool) -> None:
    cards.order_fault("reset_after" if sent else "reset_before", "refund_create")
    pay_back(refund)
    cards.simulator.move_clock(days=2)
    run_refunds(refund, later=timedelta(days=2))
    row = again(refund)
    assert (row.state, row.tries, cards.count("refund_list")) == ("made", 1 if sent else 2, 1)
    assert cards.effects("refunded") == [("refunded", 1200)]


def test_after_a_day_nothing_is_sent_while_the_list_cannot_be_read(cards: CardService, refund: Refund) -> None:
    cards.order_fault("reset_after", "refund_create")
    pay_back(refund)
    cards.order_fault("status_before", "refund_list")
    run_refunds(refund, later=timedelta(days=2))
    assert (again(refund).state, cards.count("refund_create")) == ("sending", 1)
    run_refunds(refund)
    assert again(refund).state == "made"
    assert cards.effects("refunded") == [("refunded", 1200)]


def test_a_refusal_after_a_lost_answer_is_not_believed(cards: CardService, refund: Refund) -> None:
    cards.order_fault("reset_after", "refund_create")
    pay_back(refund)
    cards.order_fault("refuse_code", "refund_create", code="charge_already_refunded")
    run_refunds(refund)
    assert again(refund).state == "made"
    assert cards.effects("refunded") == [("refunded", 1200)]


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_dies_leaves_a_refund_that_the_next_one_finishes(
    cards: CardService, refund: Refund, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    with monkeypatch.context() as patch:
        die(patch, after=after)
        with pytest.raises(Killed):
            pay_back(refund)
    row = again(refund)
    assert (row.state, row.service_ref, len(cards.objects("refund"))) == ("sending", "", int(after))
    assert not WAKE_UPS["cards"].is_due()
    assert pay_back(refund).state == "sending"
    run_refunds(refund)
    assert again(refund).state == "made"
    assert cards.effects("refunded") == [("refunded", 1200)]


def test_too_much_goes_back_to_its_own_card(cards: CardService) -> None:
    payment = ask_for_card()
    pay(payment.order)
    cards.pay(payment.intent_id)
    poll(payment)
    refund = Refund.objects.get()
    assert (refund.kind, refund.payment, refund.amount) == ("surplus", payment, USD)
    assert pay_back(refund).state == "made"
    assert balance() == {"captured": 2 * USD, "open": USD, "refunds_made": USD}


def test_lines_that_come_after_a_failed_refund_are_not_owed(
    cards: CardService, wholesaler: Wholesaler, refund: Refund
) -> None:
    cards.simulator.set_switches(stripe_refund_status="pending")
    sent = pay_back(refund)
    purchase = Purchase.objects.get()
    assert purchase.state == "rejected"
    cards.end_refund(sent.service_ref, "failed")
    run_refunds(refund)
    assert (again(refund).state, again(refund).amount) == ("due", USD)


def test_what_was_paid_back_at_the_service_itself_asks_a_person(cards: CardService) -> None:
    payment = pay_by_card(cards)
    made = cards.call("POST", "/v1/refunds", data={"payment_intent": payment.intent_id, "amount": "500"}).json()
    cards.bring_in()
    drain()
    assert again(payment).attention == (
        f"The payment service paid 5.00 USD back that was not asked for here ({made['id']})."
    )
    assert not Refund.objects.exists()
    assert Order.objects.get().state == "buying"


def test_a_refund_with_garbage_for_a_key_is_not_ours(cards: CardService) -> None:
    payment = pay_by_card(cards)
    for key in (f"{payment.form_key}-x-1", f"{payment.form_key}-1", "1-1"):
        data = {"payment_intent": payment.intent_id, "amount": "100", "metadata[refund]": key}
        assert cards.call("POST", "/v1/refunds", data=data).status_code == 200
    cards.bring_in("refund.created")
    drain()
    assert again(payment).attention.count("was not asked for here") == 3
