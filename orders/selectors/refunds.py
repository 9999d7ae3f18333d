"""Refunds due and made."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, QuerySet, Sum

from orders.models import Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    currency: str
    number: int
    amount: Decimal


def find_refunds(state: str) -> QuerySet[Refund]:
    """Refunds in a state with what a row shows: the longest owed first, what was made last first."""
    refunds = with_purpose(Refund.objects.filter(state=state)).select_related("order__customer", "made_by")
    return refunds.order_by("created_at", "pk") if state in Refund.OWED else refunds.order_by("-made_at", "-pk")


def with_purpose(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
    """Refunds with what ``orders/_refund_for.html`` tells of them: what was not delivered, or is given back."""
    return refunds.select_related("purchase__account", "purchase__order_line", "payment", "esim")


def count_due() -> Sequence[Due]:
    """What is owed, by currency: due, or on its way and perhaps not arriving."""
    rows = (
        Refund.objects.filter(state__in=Refund.OWED)
        .values_list("currency")
        .annotate(number=Count("pk"), amount=Sum("amount"))
        .order_by("currency")
    )
    return [Due(currency=currency, number=number, amount=amount) for currency, number, amount in rows]
