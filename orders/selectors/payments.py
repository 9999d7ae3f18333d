"""Payments that a person must look at, with what is needed to decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, QuerySet

from orders.capturing import count_captured
from orders.card.deciding import hanging_payments
from orders.checkout import price_for
from orders.expiring import is_held
from orders.models import Order, OrderEvent, OrderLine, Payment, Refund
from orders.selectors.order_page import EventLook, read_events


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPage:
    payment: Payment
    order: Order
    lines: Sequence[OrderLine]
    #: What came for the order in all, without what is owed back.
    paid: Decimal
    #: What the order would cost today; None where a plan has no price in its currency any more.
    total_today: Decimal | None
    refund: Refund | None
    #: The order waits for its payment without an end: money came for it.
    is_held: bool
    others: Sequence[Payment]
    events: Sequence[EventLook]

    @property
    def price_has_changed(self) -> bool:
        return self.total_today != self.order.total


def find_unfit() -> QuerySet[Payment]:
    """The payments that wait for a person with what a row shows, the oldest first."""
    return _unfit().select_related("order__customer", "recorded_by").order_by("created_at", "pk")


def count_unfit() -> int:
    """How many payments wait for a person."""
    return _unfit().count()


def _unfit() -> QuerySet[Payment]:
    return Payment.objects.filter(~Q(attention="") | hanging_payments())


def read_payment_page(payment: Payment) -> PaymentPage:
    """A payment (fetched with its order and customer) and what must be known to decide about it."""
    order = payment.order
    lines = list(order.lines.select_related("plan__account").order_by("pk"))
    others, refunds = list(order.payments.exclude(pk=payment.pk).order_by("pk")), list(order.refunds.order_by("pk"))
    own = [row for row in refunds if row.payment_id == payment.pk and row.kind == Refund.Kind.SURPLUS]
    return PaymentPage(
        payment=payment,
        order=order,
        lines=lines,
        paid=count_captured(order),
        total_today=_price_today(order, lines),
        refund=own[-1] if own else None,
        is_held=order.state == Order.State.UNPAID and is_held([payment, *others], refunds),
        others=others,
        events=read_events(OrderEvent.objects.filter(order=order), limit=12),
    )


def _price_today(order: Order, lines: Sequence[OrderLine]) -> Decimal | None:
    total = Decimal(0)
    for line in lines:
        price = price_for(line.plan, line.period_days)
        if price is None or line.plan.currency != order.currency:
            return None
        total += price * line.quantity
    return total
