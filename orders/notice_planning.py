"""From what happened to rows that say who is told: each reason once, however often it is found.

Reasons wait in three places, each behind a small index: rows of lines' timelines, rows of orders' timelines, and lines
whose clock has come. They are taken in batches; a batch costs the same number of queries whatever it holds. Whether
somebody was told of a reason is decided by the row's unique key and nothing else.

A reason over which our program fails keeps nobody else waiting: the batch is taken again one by one, what fails alone
is set aside for staff.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from esims.events import EventKind
from esims.models import Esim, LineEvent, Package
from esims.notices import lacks_code, plan_next_notice
from esims.row_changes import write_changes
from orders.models import Notification, OrderEvent, PurchasedEsim
from orders.notice_failures import set_line_aside, set_order_aside
from orders.notice_lines import Reason, clock_reason, event_reason, is_same_moment, read_first, wants_reading
from orders.notice_orders import give_up_waiting, is_late, plan_order
from orders.notice_refunds import plan_refunds
from orders.notice_rows import Telling, write_tellings
from orders.notice_top_ups import TopUpHints
from orders.states import lock_order
from orders.verdicts import describe_crash
from providers.types import PackageStatus

log = structlog.get_logger(__name__)

_BATCH = 200
#: Nothing that a reason can do for: all of them wait until the database, or our settings, are there again.
_NOT_A_REASONS_FAULT = (OperationalError, InterfaceError, ImproperlyConfigured)


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
    return _take(
        lambda: list(waiting_line_events().values_list("pk", flat=True)[:limit]),
        lambda one: _take_line_events(waiting_line_events()[:limit] if one is None else _only(one)),
        _set_line_event_aside,
    )


def take_order_events(*, limit: int = _BATCH) -> int:
    """Rows of orders' timelines that wait, order by order; returns how many were taken."""
    found: dict[int, list[int]] = {}
    for pk, order_id in waiting_order_events().values_list("pk", "order_id")[:limit]:
        found.setdefault(order_id, []).append(pk)
    for order_id, events in found.items():
        try:
            _take_order(order_id, events)
        except _NOT_A_REASONS_FAULT:
            raise
        except Exception as error:  # noqa: BLE001  (one poisoned order must not keep the others waiting)
            set_order_aside(order_id=order_id, events=events, crash=describe_crash(error))
    return sum(map(len, found.values()))


def take_due_lines(*, limit: int = _BATCH) -> int:
    """Lines whose clock has come; returns how many were taken. Each gets its next moment, or none."""
    return _take(
        lambda: list(due_lines().values_list("pk", flat=True)[:limit]),
        lambda one: _take_due_lines(list(due_lines()[:limit] if one is None else due_lines().filter(pk=one))),
        _set_due_line_aside,
    )


# -- turns ------------------------------------------------------------------------------------------------------------


def _take(
    keys: Callable[[], Sequence[int]], take: Callable[[int | None], int], set_aside: Callable[[int, str], None]
) -> int:
    """Take all that waits together (``None``); one by one where our program fails over one of them."""
    try:
        return take(None)
    except _NOT_A_REASONS_FAULT:
        raise
    except Exception as error:  # noqa: BLE001  (nothing of it was written; who is to blame is found one by one)
        log.warning("notices_taken_one_by_one", crash=describe_crash(error))
    done = 0
    for key in keys():
        try:
            done += take(key)
        except _NOT_A_REASONS_FAULT:
            raise
        except Exception as error:  # noqa: BLE001  (one poisoned row must not keep the others waiting)
            set_aside(key, describe_crash(error))
            done += 1
    return done


def _only(pk: int) -> QuerySet[LineEvent]:
    return waiting_line_events().filter(pk=pk)


def _take_line_events(waiting: QuerySet[LineEvent]) -> int:
    with transaction.atomic():
        rows = waiting.select_for_update(skip_locked=True, of=("self",))
        events = list(rows.select_related("esim__account", "esim__plan", "esim__customer"))
        fresh_from = timezone.now() - timedelta(hours=settings.NOTIFICATION_STALE_HOURS)
        fresh = [event for event in events if event.at >= fresh_from]
        news = [event for event in fresh if event.kind != EventKind.CODES_REPORTED]
        hints = TopUpHints(event.esim for event in news)
        _tell((event.esim, event_reason(event, hints)) for event in news)
        # The order of a line whose codes have come may now have all of them.
        with_codes = [event.esim_id for event in events if event.kind == EventKind.CODES_REPORTED]
        for order_id in _orders_of(with_codes):
            plan_order(lock_order(order_id))
        LineEvent.objects.filter(pk__in=[event.pk for event in events]).update(awaits_notice=False)
    return len(events)


def _set_line_event_aside(pk: int, crash: str) -> None:
    event = LineEvent.objects.get(pk=pk)
    LineEvent.objects.filter(pk=pk).update(awaits_notice=False)
    set_line_aside(esim_id=event.esim_id, crash=crash)


def _take_order(order_id: int, events: Sequence[int]) -> None:
    with transaction.atomic():
        order = lock_order(order_id)
        plan_order(order)
        plan_refunds(order)
        OrderEvent.objects.filter(pk__in=events).update(awaits_notice=False)


def _take_due_lines(due: Sequence[Esim]) -> int:
    if not due:
        return 0
    # Before the lines are locked: an order is locked before its lines.
    give_up_waiting([line for line in due if lacks_code(line) and is_late(line)])
    with transaction.atomic():
        now = timezone.now()
        waiting = due_lines().filter(pk__in=[line.pk for line in due])
        waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        lines = list(waiting.select_related("account", "plan", "customer"))
        # What may have changed since it was read is told by what the next reading says.
        waiting_packages = _packages_that_wait(lines)
        unread = {
            line.pk: read_first(line, now) for line in lines if wants_reading(line, now, waiting_packages[line.pk])
        }
        told = [line for line in lines if line.pk not in unread]
        hints = TopUpHints(told)
        _tell(_leave_out_told((line, clock_reason(line, now, hints, waiting_packages[line.pk])) for line in told))
        write_changes(
            {
                **unread,
                **{line.pk: {"notice_due_at": _plan_next(line, now, waiting_packages[line.pk])} for line in told},
            }
        )
    return len(lines)


def _packages_that_wait(lines: Sequence[Esim]) -> Mapping[int, list[Package]]:
    found: dict[int, list[Package]] = {line.pk: [] for line in lines}
    rows = Package.objects.filter(esim__in=lines, status=PackageStatus.WAITING, activate_by__isnull=False)
    for package in rows.order_by("activate_by", "pk"):
        found[package.esim_id].append(package)
    return found


def _plan_next(line: Esim, now: datetime, packages: Sequence[Package]) -> datetime | None:
    return plan_next_notice(line, now=now, after=now, packages=packages)


def _set_due_line_aside(pk: int, crash: str) -> None:
    Esim.objects.filter(pk=pk).update(notice_due_at=None)
    set_line_aside(esim_id=pk, crash=crash)


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


def _leave_out_told(found: Iterable[tuple[Esim, Reason | None]]) -> list[tuple[Esim, Reason]]:
    """Without moments that were told already and have only drifted since. The lines are locked."""
    reasons = [(line, reason) for line, reason in found if reason is not None]
    if not reasons:
        return []
    told = Notification.objects.filter(
        esim__in=[line for line, _reason in reasons],
        kind__in={reason.kind for _line, reason in reasons},
        resent_of=None,
    )
    before: dict[tuple[int | None, str], list[Mapping[str, Any]]] = {}
    for esim_id, kind, facts in told.values_list("esim_id", "kind", "facts"):
        before.setdefault((esim_id, kind), []).append(facts)
    return [
        (line, reason)
        for line, reason in reasons
        if not any(is_same_moment(reason.facts, facts) for facts in before.get((line.pk, reason.kind), ()))
    ]


def _orders_of(esim_ids: Sequence[int]) -> list[int]:
    if not esim_ids:
        return []
    brought = PurchasedEsim.objects.filter(esim_id__in=esim_ids)
    return sorted(set(brought.values_list("purchase__order_line__order_id", flat=True)))
