"""Whether the jobs are being done: waiting jobs by queue, answers of the workers, and the dispatcher's own pulse."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Max, Q
from django.utils import timezone
from django_q.models import OrmQ

from catalog.models import SyncRun
from catalog.sync import STALE_AFTER
from esims.models import LineAction
from orders.models import Purchase, Wake, WorkerBeat
from orders.waking import WAKE_UPS, ask_for_job, begin_job

#: A queue's worker is asked for a sign of life so long after its last one.
BEAT_EVERY = timedelta(seconds=15)
_BEAT = "beat:"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """One queue. ``oldest_wait`` is None when nothing waits; ``silent_for`` is None while its worker answers."""

    queue: str
    waiting: int
    oldest_wait: timedelta | None
    last_beat: datetime | None
    silent_for: timedelta | None

    @property
    def is_late(self) -> bool:
        """A job has waited longer than ``JOB_ALARM_SECONDS``."""
        return self.oldest_wait is not None and self.oldest_wait > _alarm_after()

    @property
    def is_silent(self) -> bool:
        """The worker owes an answer for longer than ``JOB_ALARM_SECONDS``."""
        return self.silent_for is not None and self.silent_for > _alarm_after()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHealth:
    """All queues. ``dispatched_at`` is when a dispatcher last asked a worker for a sign of life."""

    queues: Sequence[QueueHealth]
    dispatched_at: datetime | None

    @property
    def is_dispatching(self) -> bool:
        return self.dispatched_at is not None and timezone.now() - self.dispatched_at < _alarm_after()

    @property
    def is_well(self) -> bool:
        return self.is_dispatching and not any(queue.is_late or queue.is_silent for queue in self.queues)


def job_health() -> JobHealth:
    """How the jobs are doing now; a handful of small queries."""
    beats = {beat.queue: beat for beat in WorkerBeat.objects.all()}
    queues = [_queue_health(queue, beats.get(queue)) for queue in queue_names()]
    asked = Wake.objects.filter(name__startswith=_BEAT).aggregate(queued=Max("queued_at"), begun=Max("started_at"))
    return JobHealth(queues=queues, dispatched_at=max(filter(None, asked.values()), default=None))


def queue_names() -> list[str]:
    """The clusters that have to run: one for all purposes, or one each."""
    return sorted(set(settings.QUEUES.values()))


def ask_for_beats() -> None:
    """Ask every queue's worker for a sign of life, through its own queue, when the last one is a while ago."""
    now = timezone.now()
    for queue in queue_names():
        WorkerBeat.objects.get_or_create(queue=queue)
        never = Q(asked_at__isnull=True)
        answered = Q(beat_at__gte=F("asked_at"), beat_at__lt=now - BEAT_EVERY)
        rows = WorkerBeat.objects.filter(queue=queue)
        rows.filter(never | answered).update(asked_at=now)
        if rows.filter(Q(beat_at__isnull=True) | Q(beat_at__lt=F("asked_at"))).exists():
            ask_for_job(_BEAT + queue, ("orders.tasks.beat", queue), cluster=queue)


def record_beat(queue: str) -> None:
    """The sign of life: run by the queue's own worker."""
    begin_job(_BEAT + queue)
    WorkerBeat.objects.filter(queue=queue).update(beat_at=timezone.now())


def is_frozen(queue: str) -> bool:
    """Whether the queue's worker is to be started again: it owes a sign of life for ``JOB_FREEZE_SECONDS``, has begun
    no job since, and nothing shows it at work. Never while it may hold an order or an action of a line on the wire.
    """
    now = timezone.now()
    since = now - timedelta(seconds=settings.JOB_FREEZE_SECONDS)
    owing = Q(beat_at__isnull=True) | Q(beat_at__lt=F("asked_at"))
    if not WorkerBeat.objects.filter(owing, queue=queue, asked_at__lt=since).exists():
        return False
    purposes = {purpose for purpose, name in settings.QUEUES.items() if name == queue}
    names = [name for name, wake_up in WAKE_UPS.items() if wake_up.purpose in purposes]
    return not (
        Wake.objects.filter(name__in=[*names, _BEAT + queue], started_at__gte=since).exists()
        or ("orders" in purposes and _is_money_on_the_wire(now))
        or (
            "catalogue" in purposes
            and SyncRun.objects.filter(state=SyncRun.State.RUNNING, heartbeat_at__gte=now - STALE_AFTER).exists()
        )
    )


def _is_money_on_the_wire(now: datetime) -> bool:
    sending = Purchase.objects.filter(state=Purchase.State.SENDING, claim_until__gte=now)
    return sending.exists() or LineAction.objects.filter(state=LineAction.State.SENDING, deadline_at__gte=now).exists()


def _queue_health(queue: str, beat: WorkerBeat | None) -> QueueHealth:
    now = timezone.now()
    # While a job waits, its lock is the moment of its enqueueing; once fetched, it lies in the future.
    waiting = OrmQ.objects.filter(key=queue, lock__lte=now)
    oldest = waiting.order_by("lock").values_list("lock", flat=True).first()
    silent_for = None
    if beat is not None and beat.asked_at is not None and (beat.beat_at is None or beat.beat_at < beat.asked_at):
        silent_for = now - beat.asked_at
    return QueueHealth(
        queue=queue,
        waiting=waiting.count(),
        oldest_wait=None if oldest is None else now - oldest,
        last_beat=None if beat is None else beat.beat_at,
        silent_for=silent_for,
    )


def _alarm_after() -> timedelta:
    return timedelta(seconds=settings.JOB_ALARM_SECONDS)
