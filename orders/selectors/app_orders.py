"""Orders as customers see them in the app: without costs, providers and what staff do about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from customers.models import Customer
from esims.models import Esim
from orders.app_sales import has_passed
from orders.capturing import sum_captured
from orders.card import gateway
from orders.models import CreditAccount, Order, OrderLine, Payment, Refund
from orders.selectors.order_list import OrderRow, list_rows
from orders.selectors.order_page import order_esims

#: What an app shows; its words never change, whatever we call the states.
STATES: Mapping[str, str] = {
    Order.State.UNPAID: "awaiting_payment",
    Order.State.BUYING: "in_progress",
    Order.State.COMPLETED: "completed",
    Order.State.PARTIAL: "partly_delivered",
    Order.State.FAILED: "not_delivered",
    Order.State.CANCELLED: "cancelled",
    Order.State.EXPIRED: "expired",
}
#: eSIMs that are named with an order; the rest is in the list of eSIMs.
ESIMS_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOrder:
    """One order with all that the app shows of it."""

    order: Order
    lines: Sequence[OrderLine]
    delivered: int
    takes_longer: bool
    outstanding: Decimal
    payments: Sequence[Payment]
    refunds: Sequence[Refund]
    esims: Sequence[Esim]
    #: Methods by which the customer can pay what is outstanding now.
    pay_by: Sequence[str]

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def kind(self) -> str:
        return self.lines[0].kind if self.lines else ""

    @property
    def open_payment(self) -> Payment | None:
        """The card payment that waits for the customer."""
        pending = [row for row in self.payments if row.state == Payment.State.PENDING]
        return next((row for row in pending if row.method == Payment.Method.CARD), None)


def find_app_orders(*, customer: Customer | None, states: Sequence[str] = ()) -> QuerySet[Order]:
    """The customer's orders, or everybody's; ``states`` are ours."""
    orders = Order.objects.all() if customer is None else Order.objects.filter(customer=customer)
    return orders.filter(state__in=states) if states else orders


def read_app_order(order: Order) -> AppOrder:
    """Everything about one order, with a fixed number of queries."""
    own = order.lines.select_related("plan", "esim__account", "esim__plan")
    lines = list(own.order_by("pk"))
    payments = list(order.payments.order_by("pk"))
    refunds = list(order.refunds.order_by("pk"))
    (row,) = list_rows([order])
    outstanding = Decimal(0)
    if order.state == Order.State.UNPAID:
        outstanding = max(Decimal(0), order.total - sum_captured(order, payments, refunds))
    return AppOrder(
        order=order,
        lines=lines,
        delivered=row.delivered,
        takes_longer=takes_longer(row),
        outstanding=outstanding,
        payments=payments,
        refunds=refunds,
        esims=list(order_esims(order)[:ESIMS_SHOWN]),
        pay_by=_find_methods(order, outstanding),
    )


def takes_longer(row: OrderRow) -> bool:
    """Whether a paid order waits for a person."""
    return row.order.state == Order.State.BUYING and row.needs_person


def _find_methods(order: Order, outstanding: Decimal) -> list[str]:
    if not outstanding or has_passed(order):
        return []
    accounts = CreditAccount.objects.filter(customer=order.customer_id, currency=order.currency, is_open=True)
    has_room = any(account.credit_limit - account.owed >= outstanding for account in accounts)
    cards = [Payment.Method.CARD.value] if gateway.is_configured() else []
    return [*cards, *([Payment.Method.CREDIT.value] if has_room else [])]
