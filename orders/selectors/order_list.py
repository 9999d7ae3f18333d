"""The list of orders: filters, and what a page of it shows beside the orders themselves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from orders.models import Order, OrderLine, Payment, Purchase, PurchasedEsim, PurchasedPackage

_DIGITS = re.compile(r"[\d\s-]{4,}")
#: ``R-2611-ABC123`` as people say it: without the letter, without hyphens, in small letters.
_NUMBER = re.compile(r"R?-?(\d{4})-?([A-Z0-9]{1,6})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """What the list is narrowed to; empty values do not narrow. Dates are days in the reader's time zone."""

    state: str = ""
    text: str = ""
    account: str = ""
    since: date | None = None
    until: date | None = None
    customer_id: int | None = None

    @property
    def is_empty(self) -> bool:
        return self == OrderFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One order of a list, with how many of its eSIMs, or packages for a line, have come."""

    order: Order
    plan_name: str
    kind: str
    more_lines: int
    quantity: int
    delivered: int
    #: A purchase or a payment of it waits for somebody's decision.
    needs_person: bool


def find_orders(wanted: OrderFilter) -> QuerySet[Order]:
    """Orders that match, with their customers; the caller orders and pages them."""
    orders = Order.objects.select_related("customer")
    if wanted.state:
        orders = orders.filter(state=wanted.state)
    if wanted.customer_id is not None:
        orders = orders.filter(customer=wanted.customer_id)
    if wanted.account:
        orders = orders.filter(
            Exists(OrderLine.objects.filter(order=OuterRef("pk"), plan__account__slug=wanted.account))
        )
    if wanted.since is not None:
        orders = orders.filter(created_at__gte=start_of_day(wanted.since))
    if wanted.until is not None:
        orders = orders.filter(created_at__lt=start_of_day(wanted.until + timedelta(days=1)))
    text = wanted.text.strip()
    return orders.filter(_match_text(text)) if text else orders


def list_rows(orders: Sequence[Order]) -> list[OrderRow]:
    """Rows for a page of orders, with four queries whatever its length."""
    keys = [order.pk for order in orders]
    lines: dict[int, list[OrderLine]] = {}
    for line in OrderLine.objects.filter(order__in=keys).order_by("pk"):
        lines.setdefault(line.order_id, []).append(line)
    came = [
        brought.filter(purchase__order_line__order__in=keys)
        .order_by()
        .values_list("purchase__order_line__order")
        .annotate(number=Count("pk"))
        for brought in (PurchasedEsim.objects.all(), PurchasedPackage.objects.all())
    ]
    delivered = dict(came[0].union(came[1], all=True))
    stuck = set(
        Purchase.objects.filter(
            Q(state__in=(Purchase.State.UNKNOWN, Purchase.State.HELD)) | ~Q(attention=""), order_line__order__in=keys
        ).values_list("order_line__order", flat=True)
    )
    stuck |= set(Payment.objects.filter(order__in=keys).exclude(attention="").values_list("order", flat=True))
    return [
        OrderRow(
            order=order,
            plan_name=own[0].plan_name if own else "",
            kind=own[0].kind if own else "",
            more_lines=max(0, len(own) - 1),
            quantity=sum(line.quantity for line in own),
            delivered=delivered.get(order.pk, 0),
            needs_person=order.pk in stuck,
        )
        for order in orders
        for own in [lines.get(order.pk, [])]
    ]


def start_of_day(day: date) -> datetime:
    """Midnight in the reader's time zone."""
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def _match_text(text: str) -> Q:
    """Each kind of text is looked for where it can stand, so that an index finds it."""
    if _DIGITS.fullmatch(text):
        return _match_digits(re.sub(r"\D", "", text))
    if "@" in text:
        return Q(customer__email__iexact=text) | Q(customer__email__istartswith=text)
    found = Q(customer__name__icontains=text) | Q(customer__company__icontains=text)
    if number := _NUMBER.fullmatch(text):
        found |= Q(number__startswith=f"R-{number[1]}-{number[2].upper()}")
    by_purchase = Purchase.objects.filter(Q(transaction_id=text) | Q(idempotency_key=text) | Q(provider_order_ref=text))
    return (
        found
        | Q(number__startswith=text.upper())
        | Q(number__endswith=f"-{text.upper()}")
        | Q(pk__in=by_purchase.values("order_line__order"))
    )


def _match_digits(digits: str) -> Q:
    """A whole ICCID or its end, or the digits of an order number."""
    lines = PurchasedEsim.objects.filter(esim__iccid_reversed__startswith=digits[::-1])
    found = Q(pk__in=lines.values("purchase__order_line__order"))
    if len(digits) >= 4:
        found |= Q(number__startswith=f"R-{digits[:4]}-{digits[4:]}")
    return found
