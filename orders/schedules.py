"""What django-q2 starts by itself. ``dispatch`` is quicker and does most of it; these are its fallback."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule

#: Our schedules are known by this beginning of their name; others are left alone.
PREFIX = "roamdesk: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job every so many minutes. ``args`` is a literal: one that cannot be parsed would stop all schedules."""

    name: str
    function: str
    purpose: str
    minutes: int
    args: str = ""
    #: The hour of the day (TIME_ZONE) at which a new one runs first; None: at once.
    hour: int | None = None


def declare_jobs() -> Sequence[Job]:
    """Everything that runs by the clock."""
    wake = "orders.tasks.wake"
    return (
        Job(name="buy what is due", function=wake, args="'purchases'", purpose="orders", minutes=1),
        Job(name="take over from dead workers", function=wake, args="'sweep'", purpose="orders", minutes=1),
        Job(name="line actions that are due", function=wake, args="'actions'", purpose="orders", minutes=1),
        Job(name="let unpaid orders expire", function=wake, args="'expiry'", purpose="orders", minutes=5),
        Job(name="settle top-ups that show late", function=wake, args="'arrivals'", purpose="orders", minutes=1),
        Job(name="order by lists", function=wake, args="'bulk_orders'", purpose="orders", minutes=1),
        Job(name="owe back what was promised", function=wake, args="'returns'", purpose="orders", minutes=1),
        Job(name="work off webhooks", function=wake, args="'inbox'", purpose="webhooks", minutes=1),
        Job(
            name="work off the payment service's calls",
            function=wake,
            args="'payment_inbox'",
            purpose="webhooks",
            minutes=1,
        ),
        Job(name="card payments and refunds that are due", function=wake, args="'cards'", purpose="orders", minutes=1),
        Job(name="read lines that are due", function=wake, args="'lines'", purpose="refresh", minutes=1),
        Job(name="write notifications", function=wake, args="'notices'", purpose="refresh", minutes=1),
        Job(name="send notifications", function=wake, args="'messages'", purpose="refresh", minutes=1),
        Job(name="tell staff of trouble", function="orders.tasks.tell_staff", purpose="refresh", minutes=1),
        Job(name="go on with bulk actions", function=wake, args="'bulk'", purpose="refresh", minutes=1),
        Job(name="mend catalogue runs", function=wake, args="'syncs'", purpose="catalogue", minutes=10),
        Job(name="mend comparisons", function=wake, args="'comparisons'", purpose="catalogue", minutes=10),
        Job(
            name="read all catalogues",
            function="catalog.tasks.sync_all_catalogs",
            purpose="catalogue",
            minutes=settings.CATALOG_SYNC_MINUTES,
        ),
        Job(
            name="read balances",
            function="providers.tasks.read_all_balances",
            purpose="catalogue",
            minutes=settings.BALANCE_MINUTES,
        ),
        Job(name="issue credit statements", function="orders.tasks.issue_statements", purpose="catalogue", minutes=60),
        Job(
            name="compare accounts",
            function="orders.tasks.compare_all_accounts",
            purpose="catalogue",
            minutes=settings.COMPARE_MINUTES,
            hour=settings.COMPARE_HOUR,
        ),
        Job(name="prune", function="orders.tasks.prune", purpose="catalogue", minutes=24 * 60),
    )


def find_first_run(job: Job, now: datetime) -> datetime:
    """When a job that is new runs first (aware)."""
    if job.hour is None:
        return now
    local = timezone.localtime(now)
    first = local.replace(hour=job.hour, minute=0, second=0, microsecond=0)
    return first if first > local else first + timedelta(days=1)


def set_up_schedules() -> tuple[int, int, int]:
    """Make the database's schedules as declared; returns how many were made, changed and removed.

    May run any number of times: what is as it should be keeps its next run.
    """
    made = changed = 0
    with transaction.atomic():
        ours = Schedule.objects.filter(name__startswith=PREFIX)
        known: dict[str, Schedule] = {}
        doubles = [row.pk for row in ours.order_by("pk") if known.setdefault(row.name, row) is not row]
        for job in declare_jobs():
            values = {
                "func": job.function,
                "args": job.args or None,
                "kwargs": None,
                "hook": None,
                "schedule_type": Schedule.MINUTES,
                "minutes": job.minutes,
                "repeats": -1,
                "cluster": settings.QUEUES[job.purpose],
            }
            row = known.pop(PREFIX + job.name, None)
            if row is None:
                Schedule.objects.create(name=PREFIX + job.name, next_run=find_first_run(job, timezone.now()), **values)
                made += 1
            elif any(getattr(row, name) != value for name, value in values.items()):
                Schedule.objects.filter(pk=row.pk).update(**values)
                changed += 1
        gone = [*doubles, *(row.pk for row in known.values())]
        Schedule.objects.filter(pk__in=gone).delete()
    return made, changed, len(gone)
