"""A customer with orders and eSIMs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, Sum

from customers.models import Customer
from esims.models import Esim
from esims.states import ENDED
from orders.models import CreditAccount, Order, Refund
from orders.selectors.order_list import OrderRow, list_rows
from orders.selectors.overdue import CreditLook, look_at_accounts

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPage:
    customer: Customer
    orders: Sequence[OrderRow]
    order_count: int
    unpaid: int
    esims: Sequence[Esim]
    esim_count: int
    in_service: int
    #: Paid orders, by currency.
    spent: Sequence[tuple[str, Decimal]]
    refunds_due: Sequence[tuple[str, Decimal]]
    credit: Sequence[CreditLook]


def read_customer_page(customer: Customer) -> CustomerPage:
    """Everything about a customer (fetched with who made it), the newest ``SHOWN`` of each list."""
    orders = Order.objects.filter(customer=customer)
    esims = Esim.objects.filter(customer=customer)
    newest = list(orders.select_related("customer").order_by("-created_at", "-pk")[:SHOWN])
    counts = orders.aggregate(all=Count("pk"), unpaid=Count("pk", filter=Q(state=Order.State.UNPAID)))
    lines = esims.aggregate(
        all=Count("pk"), in_service=Count("pk", filter=~Q(state__in=[state.value for state in ENDED]))
    )
    paid = orders.filter(paid_at__isnull=False).values_list("currency").annotate(amount=Sum("total"))
    due = Refund.objects.filter(state__in=Refund.OWED, order__customer=customer)
    return CustomerPage(
        customer=customer,
        orders=list_rows(newest),
        order_count=counts["all"],
        unpaid=counts["unpaid"],
        esims=list(esims.select_related("plan", "account").order_by("-created_at", "-pk")[:SHOWN]),
        esim_count=lines["all"],
        in_service=lines["in_service"],
        spent=list(paid.order_by("currency")),
        refunds_due=list(due.values_list("currency").annotate(amount=Sum("amount")).order_by("currency")),
        credit=look_at_accounts(list(CreditAccount.objects.filter(customer=customer).order_by("currency"))),
    )
