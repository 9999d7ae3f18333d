"""Which jobs ``dispatch`` wakes, when each is due, and how it is asked for once however many dispatchers run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django_q.tasks import async_task

from catalog.models import SyncRun
from catalog.sync import STALE_AFTER, fail_stale_runs
from esims.actions import run_due_actions, sweep_actions
from esims.claims import are_lines_due
from esims.due_lines import refresh_due_lines
from esims.models import LineAction
from orders.arrivals import due_arrivals, settle_arrivals
from orders.bulk import due_runs, run_due_bulk
from orders.bulk_order_running import due_bulks, run_due_bulks
from orders.card.inbox import drain_payment_inbox, due_payment_deliveries
from orders.card.payments import due_card_payments, run_card_payments, unneeded_card_payments
from orders.card.refunds import due_card_refunds, run_card_refunds
from orders.card.waits import lease
from orders.comparing import STALE_AFTER as COMPARISON_STALE_AFTER
from orders.comparing import enqueue_comparison, fail_stale_comparisons
from orders.ending import due_wishes, settle_return_wishes
from orders.expiring import due_orders, expire_orders
from orders.inbox import drain_inbox, due_deliveries
from orders.models import Comparison, Wake
from orders.notice_planning import is_anything_to_plan, plan_notifications
from orders.notice_sending import is_anything_to_send, send_due_notifications
from orders.purchasing import due_purchases, run_due_purchases
from orders.sweeping import overdue_purchases, sweep_purchases, waiting_replies

#: A job that was asked for and has not begun after so long is taken for lost, and asked for again.
STALE = timedelta(seconds=60)
#: How long one job drains before it ends and makes room for others. What orders would wait for, because one cluster
#: works for all queues, ends sooner: as soon as one is due.
_DRAIN_SECONDS = 30.0
_SHORT_DRAIN_SECONDS = 5.0
#: Nobody waits for an order to expire.
_EXPIRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeUp:
    """A job without arguments: ``is_due`` costs one small query, ``run`` may run twice and at the same time.

    ``purpose`` is a key of ``settings.QUEUES``; the job is not asked for again until ``every`` after it began. One with
    ``alone`` is not while it runs either, for as long as that: where it hangs, it has one worker and not all of them.
    """

    purpose: str
    is_due: Callable[[], bool]
    run: Callable[[], object]
    every: timedelta = timedelta(0)
    alone: Callable[[], timedelta] = timedelta


def _are_purchases_due() -> bool:
    return due_purchases().exists()


def _are_purchases_lost() -> bool:
    return overdue_purchases().exists() or waiting_replies().exists()


def _are_orders_due() -> bool:
    return due_orders().exists()


def _are_deliveries_due() -> bool:
    return due_deliveries().exists()


def _are_payment_deliveries_due() -> bool:
    return due_payment_deliveries().exists()


def _are_cards_due() -> bool:
    return due_card_payments().exists() or unneeded_card_payments().exists() or due_card_refunds().exists()


def _run_cards() -> None:
    asked = run_card_refunds(seconds=_SHORT_DRAIN_SECONDS, give_way=lambda: _make_way("orders"))
    # A call may take long, and each of the two makes one before it looks who waits.
    if not (asked and _make_way("orders")):
        run_card_payments(seconds=_SHORT_DRAIN_SECONDS, give_way=lambda: _make_way("orders"))


def _drain_payment_inbox() -> None:
    drain_payment_inbox(seconds=_SHORT_DRAIN_SECONDS, give_way=lambda: _make_way("webhooks"))


def _longest_card_job() -> timedelta:
    """Two rows, each for as long as it is claimed, and some seconds: after that its worker has died."""
    return 2 * lease() + timedelta(seconds=_DRAIN_SECONDS)


def _are_actions_due() -> bool:
    now = timezone.now()
    waiting = Q(state__in=(LineAction.State.PLANNED, LineAction.State.NOT_CONFIRMED), next_attempt_at__lte=now)
    overdue = Q(state=LineAction.State.SENDING, deadline_at__lte=now)
    return LineAction.objects.filter(waiting | overdue).exists()


def _are_arrivals_due() -> bool:
    return due_arrivals().exists()


def _are_wishes_due() -> bool:
    return due_wishes().exists()


def _run_bulks() -> None:
    run_due_bulks(seconds=_SHORT_DRAIN_SECONDS, give_way=lambda: _make_way("orders"))


def _run_actions() -> None:
    sweep_actions()
    run_due_actions(seconds=_SHORT_DRAIN_SECONDS)


def _make_way(purpose: str) -> bool:
    """Whether a job of ``purpose`` is to end now: an order or a line's action is due, and may wait for this worker."""
    return settings.QUEUES[purpose] == settings.QUEUES["orders"] and (_are_purchases_due() or _are_actions_due())


def _drain_inbox() -> None:
    drain_inbox(seconds=_SHORT_DRAIN_SECONDS, give_way=lambda: _make_way("webhooks"))


def _refresh_lines() -> None:
    refresh_due_lines(limit=None, seconds=_SHORT_DRAIN_SECONDS, give_way=lambda: _make_way("refresh"))


def _are_runs_stale() -> bool:
    limit = timezone.now() - STALE_AFTER
    dead = Q(state=SyncRun.State.RUNNING, heartbeat_at__lt=limit)
    lost = Q(state=SyncRun.State.WAITING, created_at__lt=limit)
    return SyncRun.objects.filter(dead | lost).exists()


def _mend_runs() -> None:
    """Close the runs whose worker died, and ask again for those whose job was lost; a run is claimed by one worker."""
    fail_stale_runs()
    lost = SyncRun.objects.filter(state=SyncRun.State.WAITING, created_at__lt=timezone.now() - STALE_AFTER)
    for run_id in lost.values_list("pk", flat=True):
        async_task("catalog.tasks.sync_catalog", run_id, cluster=settings.QUEUES["catalogue"])


def _are_comparisons_stale() -> bool:
    limit = timezone.now() - COMPARISON_STALE_AFTER
    dead = Q(state=Comparison.State.RUNNING, heartbeat_at__lt=limit)
    lost = Q(state=Comparison.State.WAITING, created_at__lt=limit)
    return Comparison.objects.filter(dead | lost).exists()


def _mend_comparisons() -> None:
    fail_stale_comparisons()
    limit = timezone.now() - COMPARISON_STALE_AFTER
    lost = Comparison.objects.filter(state=Comparison.State.WAITING, created_at__lt=limit)
    for run_id in lost.values_list("pk", flat=True):
        enqueue_comparison(run_id)


WAKE_UPS: Mapping[str, WakeUp] = {
    "purchases": WakeUp(
        purpose="orders", is_due=_are_purchases_due, run=lambda: run_due_purchases(seconds=_DRAIN_SECONDS)
    ),
    "sweep": WakeUp(purpose="orders", is_due=_are_purchases_lost, run=sweep_purchases),
    "inbox": WakeUp(purpose="webhooks", is_due=_are_deliveries_due, run=_drain_inbox),
    "payment_inbox": WakeUp(
        purpose="webhooks",
        is_due=_are_payment_deliveries_due,
        run=_drain_payment_inbox,
        alone=_longest_card_job,
    ),
    "cards": WakeUp(purpose="orders", is_due=_are_cards_due, run=_run_cards, alone=_longest_card_job),
    "actions": WakeUp(purpose="orders", is_due=_are_actions_due, run=_run_actions),
    "arrivals": WakeUp(purpose="orders", is_due=_are_arrivals_due, run=settle_arrivals),
    "bulk_orders": WakeUp(purpose="orders", is_due=lambda: due_bulks().exists(), run=_run_bulks),
    "returns": WakeUp(purpose="orders", is_due=_are_wishes_due, run=settle_return_wishes),
    "lines": WakeUp(
        purpose="refresh",
        is_due=are_lines_due,
        run=_refresh_lines,
        every=timedelta(seconds=2),
    ),
    "expiry": WakeUp(
        purpose="orders", is_due=_are_orders_due, run=expire_orders, every=timedelta(seconds=_EXPIRY_SECONDS)
    ),
    "comparisons": WakeUp(
        purpose="catalogue", is_due=_are_comparisons_stale, run=_mend_comparisons, every=COMPARISON_STALE_AFTER
    ),
    "notices": WakeUp(
        purpose="refresh", is_due=is_anything_to_plan, run=lambda: plan_notifications(seconds=_SHORT_DRAIN_SECONDS)
    ),
    "messages": WakeUp(
        purpose="refresh", is_due=is_anything_to_send, run=lambda: send_due_notifications(seconds=_SHORT_DRAIN_SECONDS)
    ),
    "bulk": WakeUp(
        purpose="refresh",
        is_due=lambda: due_runs().exists(),
        run=lambda: run_due_bulk(give_way=lambda: _make_way("refresh")),
        every=timedelta(seconds=2),
    ),
    "syncs": WakeUp(purpose="catalogue", is_due=_are_runs_stale, run=_mend_runs, every=STALE_AFTER),
}


def wake_due_jobs() -> list[str]:
    """Ask for every job that is due and not asked for already; returns their names."""
    return [name for name, wake_up in WAKE_UPS.items() if wake_up.is_due() and _ask_for(name, wake_up)]


def run_wake_up(name: str) -> None:
    """The job: from here on it may be asked for again, because rows that come due now may be missed by this run."""
    begin_job(name)
    try:
        WAKE_UPS[name].run()
    finally:
        Wake.objects.filter(name=name).update(finished_at=timezone.now())


def _ask_for(name: str, wake_up: WakeUp) -> bool:
    job = ("orders.tasks.wake", name)
    cluster = settings.QUEUES[wake_up.purpose]
    return ask_for_job(name, job, cluster=cluster, every=wake_up.every, alone=wake_up.alone())


def ask_for_job(
    name: str,
    job: tuple[str, str],
    *,
    cluster: str,
    every: timedelta = timedelta(0),
    alone: timedelta = timedelta(0),
) -> bool:
    """Enqueue ``job`` (dotted name, argument) unless it waits already, or runs ``alone``; whether it was enqueued.

    The conditional update decides between dispatchers, and commits with the job.
    """
    now = timezone.now()
    Wake.objects.get_or_create(name=name)
    # A stamp far ahead is of a clock that was set back since: believed, nothing would be woken until it is reached.
    waits_not = Q(queued_at__isnull=True) | Q(queued_at__lt=now - STALE) | Q(queued_at__gt=now + STALE)
    rested = Q(started_at__isnull=True) | Q(started_at__lte=now - every) | Q(started_at__gt=now + STALE)
    if alone:
        rested &= Q(finished_at__gte=F("started_at")) | Q(started_at__isnull=True) | ~_began_within(alone, now)
    with transaction.atomic():
        if Wake.objects.filter(waits_not, rested, name=name).update(queued_at=now) != 1:
            return False
        function, argument = job
        # Its success is of no interest afterwards: there is one every second.
        async_task(function, argument, cluster=cluster, save=False)
    return True


def _began_within(span: timedelta, now: datetime) -> Q:
    return Q(started_at__gt=now - span, started_at__lte=now + STALE)


def begin_job(name: str) -> None:
    """Said by the job itself when it begins."""
    Wake.objects.filter(name=name).update(queued_at=None, started_at=timezone.now())
