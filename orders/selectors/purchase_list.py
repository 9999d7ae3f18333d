"""The list of all purchases: its filters."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from customers.indexed import is_filled
from orders.models import OrderLine, Purchase


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseFilter:
    """What the list is narrowed to; empty values do not narrow. ``text``: a reference or an order's number, whole."""

    state: str = ""
    account: str = ""
    text: str = ""


def find_purchases(wanted: PurchaseFilter) -> QuerySet[Purchase]:
    """Purchases that match, with what a row shows; the caller orders and pages them."""
    rows = Purchase.objects.select_related("account", "order_line__order__customer").order_by()
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.account:
        rows = rows.filter(account__slug=wanted.account)
    text = wanted.text.strip()
    if text:
        spellings = sorted({text, text.upper(), text.lower()})
        # Asked first: within an OR, a joined table would be read through.
        lines = list(OrderLine.objects.filter(order__number__in=spellings).order_by().values_list("pk", flat=True))
        rows = rows.filter(
            Q(transaction_id__in=spellings)
            | Q(idempotency_key__in=spellings)
            | is_filled("provider_order_ref") & Q(provider_order_ref__in=spellings)
            | Q(order_line__in=lines)
        )
    return rows
