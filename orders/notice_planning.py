"""From what happened to rows that say who is told: each reason once, however often it is found.

Reasons wait in three places, each behind a small index: rows of lines' timelines, rows of orders' timelines, and lines
whose clock has come. They are taken in batches; a batch costs the same number of queries whatever it holds. Whether
somebody was told of a reason is decided by the row's unique key and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from esims.events import EventKind
from esims.models import Esim, LineEvent
from esims.notices import awaits_code, code_late_at, lacks_code, plan_next_notice
from esims.row_changes import write_changes
from esims.states import ENDED
from orders.attention import ask_for_look
from orders.models import Notification, Order, OrderEvent, OrderLine, PurchasedEsim, PurchasedPackage, Refund
from orders.notice_lines import Reason, clock_reason, event_reason
from orders.notice_rows import Telling, write_tellings
from orders.notice_top_ups import TopUpHints
from orders.states import lock_order, lock_purchase

K = Notification.Kind
BY = "notifications"
_BATCH = 200
#: So many are named to staff.
_NAMED = 10
_ENDED_VALUES = tuple(state.value for state in ENDED)


def is_anything_to_plan() -> bool:
    """Three looks into small indexes."""
    return waiting_line_events().exists() or waiting_order_events().exists() or due_lines().exists()


def waiting_line_events() -> QuerySet[LineEvent]:
    return LineEvent.objects.filter(awaits_notice=True).order_by("pk")


def waiting_order_events() -> QuerySet[OrderEvent]:
    return OrderEvent.objects.filter(awaits_notice=True).order_by("pk")


def due_lines() -> QuerySet[Esim]:
    return Esim.objects.filter(notice_due_at__lte=timezone.now()).order_by("notice_due_at")


def plan_notifications(*, seconds: float = 10.0) -> int:
    """Take what waits, for at most about ``seconds``; returns how many reasons were looked at. Any number at once."""
    end, looked = monotonic() + seconds, 0
    while monotonic() < end:
        done = take_line_events() + take_order_events() + take_due_lines()
        looked += done
        if not done:
            break
    return looked


def take_line_events(*, limit: int = _BATCH) -> int:
    """Rows of lines' timelines that wait; returns how many were taken."""
    with transaction.atomic():
        waiting = waiting_line_events().select_for_update(skip_locked=True, of=("self",))
        events = list(waiting.select_related("esim__account", "esim__plan", "esim__customer")[:limit])
        fresh_from = timezone.now() - timedelta(hours=settings.NOTIFICATION_STALE_HOURS)
        fresh = [event for event in events if event.at >= fresh_from]
        news = [event for event in fresh if event.kind != EventKind.CODES_REPORTED]
        hints = TopUpHints(event.esim for event in news)
        _tell((event.esim, event_reason(event, hints)) for event in news)
        # The order of a line whose codes have come may now have all of them.
        with_codes = [event.esim_id for event in events if event.kind == EventKind.CODES_REPORTED]
        orders = _orders_of(with_codes)
        for order_id in orders:
            _plan_order(lock_order(order_id))
        LineEvent.objects.filter(pk__in=[event.pk for event in events]).update(awaits_notice=False)
    return len(events)


def take_order_events(*, limit: int = _BATCH) -> int:
    """Rows of orders' timelines that wait, order by order; returns how many were taken."""
    found: dict[int, list[int]] = {}
    for pk, order_id in waiting_order_events().values_list("pk", "order_id")[:limit]:
        found.setdefault(order_id, []).append(pk)
    for order_id, events in found.items():
        with transaction.atomic():
            order = lock_order(order_id)
            _plan_order(order)
            _plan_refunds(order)
            OrderEvent.objects.filter(pk__in=events).update(awaits_notice=False)
    return sum(map(len, found.values()))


def take_due_lines(*, limit: int = _BATCH) -> int:
    """Lines whose clock has come; returns how many were taken. Each gets its next moment, or none."""
    due = list(due_lines()[:limit])
    if not due:
        return 0
    # Before the lines are locked: an order is locked before its lines.
    _give_up_waiting([line for line in due if lacks_code(line) and _is_late(line)])
    with transaction.atomic():
        now = timezone.now()
        waiting = due_lines().filter(pk__in=[line.pk for line in due])
        waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        lines = list(waiting.select_related("account", "plan", "customer"))
        hints = TopUpHints(lines)
        _tell((line, clock_reason(line, now, hints)) for line in lines)
        write_changes({line.pk: {"notice_due_at": plan_next_notice(line, now=now, after=now)} for line in lines})
    return len(lines)


# -- lines ------------------------------------------------------------------------------------------------------------


def _tell(found: Iterable[tuple[Esim, Reason | None]]) -> None:
    """Write what is told of lines, leaving out what was told before."""
    reasons = {reason.key: (line, reason) for line, reason in found if reason is not None}
    if not reasons:
        return
    known = set(Notification.objects.filter(key__in=reasons).values_list("key", flat=True))
    write_tellings(
        Telling(
            kind=reason.kind,
            key=key,
            customer=line.customer,
            esim=line,
            context=reason.context,
            facts=reason.facts,
        )
        for key, (line, reason) in reasons.items()
        if key not in known
    )


def _orders_of(esim_ids: Sequence[int]) -> list[int]:
    if not esim_ids:
        return []
    brought = PurchasedEsim.objects.filter(esim_id__in=esim_ids)
    return sorted(set(brought.values_list("purchase__order_line__order_id", flat=True)))


# -- orders -----------------------------------------------------------------------------------------------------------


def _plan_order(order: Order) -> None:
    """Tell of what a locked order has delivered and was not told of before, once all of it can be installed."""
    if order.state not in (Order.State.COMPLETED, Order.State.PARTIAL):
        return
    write_tellings([*_deliveries(order), *_top_ups(order)])


def _deliveries(order: Order) -> Iterable[Telling]:
    lines = Esim.objects.filter(purchased__purchase__order_line__order=order).exclude(state__in=_ENDED_VALUES)
    told = set[int]()
    tellings = Notification.objects.filter(
        order=order, kind__in=(K.ORDER_READY, K.REPLACEMENT), channel__in=_MAIN, resent_of=None
    )
    for facts in tellings.values_list("facts", flat=True):
        told.update(facts.get("esims", ()))
    untold = list(lines.exclude(pk__in=told).select_related("account", "plan").order_by("pk"))
    new = [line for line in untold if not awaits_code(line)]
    if not new or any(awaits_code(line) and not _is_late(line) for line in untold):
        return
    order_lines = list(OrderLine.objects.filter(order=order).select_related("replaces"))
    replaced = next((line.replaces for line in order_lines if line.replaces is not None), None)
    ordered = sum(line.quantity for line in order_lines if line.kind != OrderLine.Kind.TOP_UP)
    came = PurchasedEsim.objects.filter(purchase__order_line__order=order).count()
    yield Telling(
        kind=K.ORDER_READY if replaced is None else K.REPLACEMENT,
        # What came later is another telling; who is first is decided by the order's lock, and by this key.
        key=f"ready:order:{order.pk}:{len(told)}",
        customer=order.customer,
        order=order,
        esim=new[0] if len(new) == 1 else None,
        delivered=tuple(new),
        context=lambda: {
            "order": order.number,
            "count": len(new),
            "coming": len(untold) - len(new),
            "missing": max(0, ordered - came) if order.state == Order.State.PARTIAL else 0,
            "replaced": replaced.label if replaced else "",
        },
        facts={"esims": [line.pk for line in new]},
    )


_MAIN = (Notification.Channel.EMAIL, Notification.Channel.FEED)


def _is_late(line: Esim) -> bool:
    return code_late_at(line) <= timezone.now()


def _give_up_waiting(lines: Sequence[Esim]) -> None:
    """These lines hold their orders' messages up no longer: what is there is told, and staff look for the rest."""
    brought = PurchasedEsim.objects.filter(esim__in=lines).order_by("purchase__order_line__order_id", "purchase_id")
    found: dict[int, dict[int, list[str]]] = {}
    for row in brought.select_related("esim", "purchase__order_line") if lines else ():
        purchases = found.setdefault(row.purchase.order_line.order_id, {})
        if awaits_code(row.esim):
            purchases.setdefault(row.purchase_id, []).append(row.esim.label)
    for order_id, by_purchase in found.items():
        with transaction.atomic():
            order = lock_order(order_id)
            for purchase_id, labels in by_purchase.items():
                words = f"The provider has named no code yet for: {', '.join(labels[:_NAMED])}"
                ask_for_look(lock_purchase(purchase_id), words, by=BY)
            _plan_order(order)


def _top_ups(order: Order) -> Iterable[Telling]:
    brought = PurchasedPackage.objects.filter(purchase__order_line__order=order)
    for row in brought.select_related("esim__account", "esim__plan", "purchase__order_line").order_by("pk"):
        yield Telling(
            kind=K.TOPPED_UP,
            key=f"topped-up:purchase:{row.purchase_id}",
            customer=order.customer,
            order=order,
            esim=row.esim,
            context=_top_up_context(order, row),
            facts={"package": row.package_id},
        )


def _top_up_context(order: Order, row: PurchasedPackage) -> Any:
    return lambda: {"order": order.number, "label": row.esim.label, "package": row.purchase.order_line.plan_name}


def _plan_refunds(order: Order) -> None:
    """Tell of money that goes back for a locked order: that it is owed, each time it changes, and that it went."""
    refunds = Refund.objects.filter(~Q(state=Refund.State.DROPPED), order=order, amount__gt=0).order_by("pk")
    write_tellings(_refund(order, refund) for refund in refunds)


def _refund(order: Order, refund: Refund) -> Telling:
    is_made = refund.state == Refund.State.MADE
    amount = f"{refund.amount.normalize():f}"
    return Telling(
        kind=K.REFUND_MADE if is_made else K.REFUND_DUE,
        key=f"refund-made:{refund.pk}" if is_made else f"refund-due:{refund.pk}:{amount}",
        customer=order.customer,
        order=order,
        esim=None,
        context=lambda: _refund_context(order, refund),
        facts={"refund": refund.pk, "amount": amount, "currency": refund.currency},
    )


def _refund_context(order: Order, refund: Refund) -> Mapping[str, Any]:
    return {
        "order": order.number,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.kind,
        "method": refund.get_method_display(),
        "reference": refund.reference,
    }
