"""One order with everything that its page shows, in a constant number of queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Sum, Value, When
from django.utils import timezone

from esims.models import Esim
from orders import wording
from orders.capturing import sum_captured
from orders.expiring import is_held
from orders.models import Order, OrderEvent, OrderLine, Payment, Purchase, Refund
from orders.selectors.order_money import OrderMoney, read_order_money
from orders.selectors.refunds import with_purpose
from providers.types import LineState

#: How many eSIMs, purchases and timeline rows the page shows before it links to the whole list.
ESIMS_SHOWN = 20
PURCHASES_SHOWN = 12
EVENTS_SHOWN = 60

#: How long the page waits for the codes of a line that came without them.
CODES_AWAITED = timedelta(minutes=15)

#: The faulty line of a replacement, with the order that brought it.
_FAULTY = ("replaces__purchased__purchase__order_line__order",)
_UNDER_WAY = frozenset({Purchase.State.PLANNED, Purchase.State.SENDING, Purchase.State.ALLOCATING})
_LOUD = (Purchase.State.UNKNOWN, Purchase.State.HELD, Purchase.State.SHORT, Purchase.State.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseLook:
    """A purchase in words."""

    purchase: Purchase
    delivered: int
    sentence: str
    mend: str
    next_step: str
    next_at: datetime | None
    needs_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLook:
    """A row of the timeline, as ``components/timeline.html`` shows it."""

    title: str
    why: str
    by: str
    at: datetime
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCount:
    lines: int
    codes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    order: Order
    lines: Sequence[OrderLine]
    quantity: int
    payments: Sequence[Payment]
    paid: Decimal
    purchases: Sequence[PurchaseLook]
    purchase_count: int
    refunds: Sequence[Refund]
    #: What is owed back, by currency: what came in another one is owed back in that.
    refunds_due: Mapping[str, Decimal]
    esims: Sequence[Esim]
    esim_count: int
    events: Sequence[EventLook]
    #: None where the cost is not known in the order's currency.
    money: OrderMoney | None
    #: Lines of other orders that take the place of eSIMs of this one.
    replacements: Sequence[OrderLine]
    #: Something is under way: the page looks again by itself.
    is_open: bool

    @property
    def outstanding(self) -> Decimal:
        if self.order.state != Order.State.UNPAID:
            return Decimal(0)
        return max(Decimal(0), self.order.total - self.paid)

    @property
    def is_held(self) -> bool:
        """Whether it waits for its payment without an end: money came for it."""
        return self.order.state == Order.State.UNPAID and is_held(self.payments, self.refunds)

    @property
    def is_partly_paid(self) -> bool:
        """Whether money came that does not cover the total, or came in several parts."""
        return bool(self.paid) and (self.paid < self.order.total or len(self.payments) > 1)

    @property
    def sentence(self) -> str:
        kind = self.lines[0].kind if self.lines else ""
        return wording.describe_order(self.order, kind=kind, delivered=self.esim_count, quantity=self.quantity)

    @property
    def brings_lines(self) -> bool:
        """Whether eSIMs are to come: a top-up is for a line that is there."""
        return any(line.kind != OrderLine.Kind.TOP_UP for line in self.lines)

    @property
    def is_replacement(self) -> bool:
        return any(line.replaces_id is not None for line in self.lines)

    @property
    def esims_hidden(self) -> int:
        return max(0, self.esim_count - len(self.esims))

    @property
    def purchases_hidden(self) -> int:
        return max(0, self.purchase_count - len(self.purchases))


def read_order_page(order: Order) -> OrderPage:
    """Everything about an order (fetched with its customer and its creator)."""
    own = order.lines.select_related("plan__account", "activation", "esim", *_FAULTY)
    lines = list(own.order_by("pk"))
    purchases = Purchase.objects.filter(order_line__order=order)
    states = dict(purchases.values_list("state").annotate(number=Count("pk")))
    refunds = list(with_purpose(Refund.objects.filter(order=order)).select_related("made_by").order_by("pk"))
    esims = list(order_esims(order)[:ESIMS_SHOWN])
    payments = list(order.payments.select_related("recorded_by").order_by("pk"))
    return OrderPage(
        order=order,
        lines=lines,
        quantity=sum(line.quantity for line in lines),
        payments=payments,
        paid=sum_captured(order, payments, refunds),
        purchases=[
            look_at_purchase(row, delivered=row.delivered_count)
            for row in with_delivered(_loud_first(purchases))[:PURCHASES_SHOWN]
        ],
        purchase_count=sum(states.values()),
        refunds=refunds,
        refunds_due=_sum_due(refunds),
        esims=esims,
        esim_count=order_esims(order).count(),
        events=read_events(OrderEvent.objects.filter(order=order)),
        money=read_order_money(order, lines, refunds),
        replacements=list(
            OrderLine.objects.filter(replaces__purchased__purchase__order_line__order=order)
            .select_related("order", "replaces")
            .order_by("pk")
        ),
        is_open=_is_open(order, states, lines, esims),
    )


def _sum_due(refunds: Iterable[Refund]) -> dict[str, Decimal]:
    due: dict[str, Decimal] = {}
    for row in refunds:
        if row.state in Refund.OWED:
            due[row.currency] = due.get(row.currency, Decimal(0)) + row.amount
    return due


def _is_open(order: Order, states: Iterable[str], lines: Sequence[OrderLine], esims: Sequence[Esim]) -> bool:
    """Whether something happens by itself soon: a purchase is under way, or a line that came is still being read."""
    if order.state == Order.State.BUYING and _is_moving(set(states), lines):
        return True
    lately = timezone.now() - CODES_AWAITED
    return any(
        esim.state == LineState.PROVISIONING.value and not esim.lpa and esim.created_at > lately for esim in esims
    )


def _is_moving(states: set[str], lines: Sequence[OrderLine]) -> bool:
    """Whether the purchases of an order that is being bought move by themselves.

    Where all have ended the order ended with them, just after it was read: the next look shows it.
    """
    if states.issubset(Purchase.ENDED):
        return True
    # A taken activation waits for a file from staff.
    waits_for_file = bool(lines) and all(line.is_by_form for line in lines)
    return not (_UNDER_WAY - ({Purchase.State.ALLOCATING} if waits_for_file else set())).isdisjoint(states)


def order_esims(order: Order) -> QuerySet[Esim]:
    """The eSIMs that an order brought, in the order in which they came."""
    return (
        Esim.objects.filter(purchased__purchase__order_line__order=order)
        .select_related("plan", "account")
        .order_by("purchased__pk")
    )


def count_codes(order: Order) -> CodeCount:
    """How many eSIMs the order has brought, and of how many the code is there."""
    esims = order_esims(order).order_by().aggregate(lines=Count("pk"), codes=Count("pk", filter=~Q(lpa="")))
    return CodeCount(lines=esims["lines"], codes=esims["codes"])


def with_delivered(purchases: QuerySet[Purchase]) -> QuerySet[Any]:
    """Purchases with all that ``look_at_purchase`` and a row need, and ``delivered_count``: one query for a list."""
    return purchases.select_related("account", "order_line__plan", "order_line__order__customer").annotate(
        delivered_count=Count("delivered") + Count("topped_up")
    )


def look_at_purchase(purchase: Purchase, *, delivered: int) -> PurchaseLook:
    """One purchase in words."""
    waits_for_person = purchase.state in {Purchase.State.UNKNOWN, Purchase.State.HELD}
    return PurchaseLook(
        purchase=purchase,
        delivered=delivered,
        sentence=wording.describe_state(purchase),
        mend=wording.describe_mend(purchase),
        next_step=wording.describe_next(purchase),
        next_at=wording.next_moment(purchase),
        needs_person=bool(purchase.attention) or (waits_for_person and purchase.next_attempt_at is None),
    )


def read_events(events: QuerySet[OrderEvent], *, limit: int = EVENTS_SHOWN) -> list[EventLook]:
    """The newest rows of a timeline, newest first."""
    return [
        EventLook(
            title=wording.describe_event(event),
            why=event.why,
            by=event.by,
            at=event.at,
            tone=wording.event_tone(event),
        )
        for event in events.order_by("-at", "-pk")[:limit]
    ]


def unpaid_total(orders: QuerySet[Order]) -> dict[str, Decimal]:
    """What unpaid orders amount to, by currency."""
    unpaid = orders.filter(state=Order.State.UNPAID).values_list("currency").annotate(amount=Sum("total"))
    return dict(unpaid.order_by("currency"))


def _loud_first(purchases: QuerySet[Purchase]) -> QuerySet[Purchase]:
    """What needs a person first, then what is under way, then the rest."""
    rank = Case(
        When(Q(state__in=_LOUD) | ~Q(attention=""), then=Value(0)),
        When(~Q(state__in=Purchase.ENDED), then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return purchases.alias(rank=rank).order_by("rank", "pk")
