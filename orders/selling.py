"""Selling at the counter: the order and its payment together, or neither."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from catalog.models import Plan
from customers.models import Customer, User
from orders.checkout import place_order
from orders.credit import charge_order
from orders.models import Order, Payment
from orders.payments import record_payment


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTaken:
    """What the customer paid with; the amount is the order's total. ``form_key`` makes it one payment."""

    method: str
    reference: str
    form_key: UUID


def sell_plan(
    *,
    customer: Customer,
    plan: Plan,
    quantity: int,
    checkout_key: UUID,
    expected_unit_price: Decimal,
    payment: PaymentTaken | None,
    by: User,
    period_days: int | None = None,
    note: str = "",
) -> Order:
    """Take an order and, where ``payment`` says so, the money for it (in the plan's currency), in one transaction.

    The same keys give the same order and payment, also under a race. Raises ``CheckoutRefused`` and
    ``PaymentRefused``; nothing new is written then.
    """
    with transaction.atomic():
        order = place_order(
            customer=customer,
            plan=plan,
            quantity=quantity,
            checkout_key=checkout_key,
            expected_unit_price=expected_unit_price,
            by=by,
            period_days=period_days,
            note=note,
        )
        take_payment(order=order, payment=payment, by=by)
    return order


def take_payment(*, order: Order, payment: PaymentTaken | None, by: User) -> None:
    """Record the money for the whole of an order; nothing where it stays unpaid. Raises ``PaymentRefused``."""
    if payment is not None:
        pay_order(
            order=order,
            method=payment.method,
            amount=order.total,
            currency=order.currency,
            reference=payment.reference,
            form_key=payment.form_key,
            by=by,
        )


def pay_order(
    *, order: Order, method: str, amount: Decimal, currency: str, reference: str, form_key: UUID, by: User
) -> Payment:
    """Take what is outstanding of an order, in hand or on the customer's credit. Raises ``PaymentRefused``."""
    if method == Payment.Method.CREDIT:
        return charge_order(
            order=order, amount=amount, currency=currency, reference=reference, form_key=form_key, by=by
        )
    return record_payment(
        order=order,
        method=method,
        amount=amount,
        currency=currency,
        reference=reference,
        form_key=form_key,
        by=by,
    )
