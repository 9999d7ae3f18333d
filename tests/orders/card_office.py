"""Card payments, refunds and disputes as tests need them, made through the verbs and the payment service."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from customers.models import User
from orders.books import read_balances
from orders.card.inbox import drain_payment_inbox
from orders.card.payments import run_card_payments, start_card_payment
from orders.card.refunds import run_card_refunds
from orders.models import Dispute, Order, Payment, PaymentDelivery, Purchase, Refund
from orders.purchasing import run_purchase
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, make_user, order_plan
from tests.simulator_cards import CardService


def ask_for_card(order: Order | None = None, *, by: User | None = None, quantity: int = 2) -> Payment:
    """An unpaid order of 2 × 6.00 USD whose customer is asked to pay by card."""
    order = order or order_plan(make_fake_plan(), quantity)
    return start_card_payment(order=order, form_key=uuid.uuid4(), by=by or make_user())


def make_card_payment(order: Order, *, state: str = "pending") -> Payment:
    """A row as if the service had been asked: for pages, which do not ask it."""
    came = {"captured_amount": order.total, "captured_currency": order.currency, "captured_at": timezone.now()}
    return Payment.objects.create(
        order=order,
        method=Payment.Method.CARD,
        state=state,
        amount=order.total,
        currency=order.currency,
        intent_id=f"pi_{uuid.uuid4().hex}",
        service_state="requires_payment_method" if state == "pending" else "succeeded",
        next_check_at=timezone.now() + timedelta(hours=1) if state == "pending" else None,
        **(came if state == "captured" else {}),
    )


def make_dispute(payment: Payment, *, state: str = "open") -> Dispute:
    """A row as if the service had told of it."""
    return Dispute.objects.create(
        payment=payment,
        dispute_id=f"du_{uuid.uuid4().hex}",
        state=state,
        raw_state="needs_response" if state == "open" else state,
        reason="product_not_received",
        amount=payment.amount,
        currency=payment.currency,
        is_withdrawn=state != "won",
        evidence_due_at=timezone.now() + timedelta(days=7),
        opened_at=timezone.now(),
    )


def again(row: Any) -> Any:
    """The row as it is in the database."""
    return type(row).objects.get(pk=row.pk)


def pay_by_card(cards: CardService, **order: Any) -> Payment:
    """An order paid by card, found by polling; nothing is bought yet."""
    payment = ask_for_card(**order)
    cards.pay(payment.intent_id)
    poll(payment)
    paid: Payment = again(payment)
    assert paid.state == Payment.State.CAPTURED
    return paid


def poll(payment: Payment) -> int:
    """As if its next look were due."""
    Payment.objects.filter(pk=payment.pk, next_check_at__isnull=False).update(next_check_at=timezone.now())
    return run_card_payments()


def drain() -> int:
    """As if every call of the service that waits were due."""
    PaymentDelivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())
    return drain_payment_inbox()


def owe(cards: CardService, wholesaler: Wholesaler, *, quantity: int = 2) -> Refund:
    """An order paid by card that the provider refused: its whole price is owed back."""
    payment = pay_by_card(cards, quantity=quantity)
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=Purchase.objects.get(order_line__order=payment.order).pk)
    return Refund.objects.get(order=payment.order)


def run_refunds(refund: Refund, *, later: timedelta = timedelta(0)) -> int:
    """As if its next step were due, and ``later`` had passed since it was sent."""
    row = Refund.objects.get(pk=refund.pk)
    sent = None if row.sent_at is None else row.sent_at - later
    Refund.objects.filter(pk=refund.pk, next_attempt_at__isnull=False).update(
        next_attempt_at=timezone.now(), sent_at=sent
    )
    return run_card_refunds()


def balance() -> dict[str, Decimal]:
    """The one currency's balance, without zeros; its difference is zero."""
    (row,) = read_balances()
    assert row.difference == 0
    names = (
        *("captured", "delivered", "open", "refunds_due", "refunds_made", "unallocated", "given_away", "charge_backs"),
    )
    return {name: value for name in names if (value := getattr(row, name))}
