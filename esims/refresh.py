"""Reading lines from their provider: by need in the background, at once where a person looks.

A read is claimed by a conditional update, so that two workers never read the same line at once; the call itself runs
outside any transaction. A failed read keeps what is stored and leaves its error beside it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.db import DataError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from esims.events import EventKind, make_event
from esims.lifecycle import apply_snapshot
from esims.models import Esim
from esims.schedule import is_long_over, plan_next_refresh, plan_retry
from esims.states import ENDED
from esims.usage import measure_share_used
from providers.errors import NotOffered, NotSent, ProviderError, RateLimited, Rejected, Unavailable
from providers.registry import configured_accounts, get_provider, offers
from providers.types import Capability, LineSnapshot, LineState, Priority

log = structlog.get_logger(__name__)

#: How long opening a line's page keeps it watched.
WATCHED_FOR = timedelta(minutes=3)
#: What was read this short a time ago is not read again only because somebody opens the page.
FRESH_FOR = timedelta(seconds=30)
#: A background run gives an account up after this many failed reads in a row: it is down, not the lines.
FAILURES_IN_A_ROW = 3
#: Ended lines are given up after this many failed late looks.
_LATE_LOOK_FAILURES = 5
_BATCH = 50
_ENDED_VALUES = [state.value for state in ENDED]


class LineBusy(RateLimited):
    """Another worker is reading the line at this moment: nothing was sent; look again in a moment."""


class RefreshRefused(Exception):
    """The line cannot be read; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def refresh_line(*, esim_id: int, priority: Priority, by: str, only_if_due: bool = False) -> Esim:
    """Read the line and bring it up to date; one call to the provider, not to be made inside a transaction.

    Raises a ``ProviderError`` after recording it, and ``ImproperlyConfigured`` when the account has no settings.
    ``LineBusy``: another worker is reading the line or, with ``only_if_due``, has read it already.
    """
    esim = Esim.objects.select_related("account").get(pk=esim_id)
    provider = get_provider(esim.account.slug)
    claim = _claim_line(esim, only_if_due=only_if_due)
    try:
        snapshot = provider.read_line(esim.provider_ref, priority=priority)
        if snapshot.provider_ref != esim.provider_ref:
            raise Unavailable("the provider answered for another line", operation="read_line")
    except RateLimited as error:
        _postpone_read(esim, claim, wait=error.retry_after)
        raise
    except ProviderError as error:
        _record_failure(esim, claim, error, by=by)
        raise
    try:
        return _record_success(esim, claim, snapshot, by=by)
    except (DataError, OverflowError) as error:
        # A value that no column holds must not stop the reading of other lines.
        unusable = Unavailable("what the provider said cannot be stored", operation="read_line")
        _record_failure(esim, claim, unusable, by=by)
        raise unusable from error


def refresh_due_lines(*, limit: int | None, seconds: float) -> int:
    """Read the lines that are due, watched ones first, for at most ``seconds`` and ``limit`` lines.

    Returns how many were read. An account whose budget is spent, or that does not answer, is left alone until the next
    run. Any number of these may run at once.
    """
    end, done = monotonic() + seconds, 0
    run = _Run(open_accounts=set(configured_accounts()))
    while (limit is None or done < limit) and monotonic() < end:
        line = run.next_line()
        if line is None:
            break
        done += run.read(*line)
    return done


class _Run:
    """One background run: which accounts still answer, and what was tried."""

    def __init__(self, *, open_accounts: set[str]) -> None:
        self._open_accounts = open_accounts
        self._failures: Counter[str] = Counter()
        self._tried: set[int] = set()
        self._batch: list[tuple[int, str, bool]] = []

    def next_line(self) -> tuple[int, str, bool] | None:
        """(id, account, watched) of the next due line of an account that still answers."""
        self._batch = [line for line in self._batch if line[1] in self._open_accounts]
        if not self._batch and self._open_accounts:
            found = _due_lines(self._open_accounts, size=_BATCH + len(self._tried))
            self._batch = [line for line in found if line[0] not in self._tried]
        return self._batch.pop(0) if self._batch else None

    def read(self, esim_id: int, account: str, watched: bool) -> bool:
        """Read one line; whether that worked. The error is on the line already."""
        self._tried.add(esim_id)
        priority = Priority.PEOPLE if watched else Priority.BACKGROUND
        try:
            refresh_line(esim_id=esim_id, priority=priority, by="refresh", only_if_due=True)
        except LineBusy:
            return False
        except RateLimited:
            self._open_accounts.discard(account)
            return False
        except (NotSent, Unavailable):
            self._failures[account] += 1
            if self._failures[account] >= FAILURES_IN_A_ROW:
                self._open_accounts.discard(account)
            return False
        except ProviderError:
            return False
        self._failures[account] = 0
        return True


def count_due_lines(now: datetime | None = None) -> int:
    """How many lines wait to be read."""
    return _due(now or timezone.now()).count()


def watch_line(*, esim: Esim) -> None:
    """A person opened the line's page: mark it, so that a worker reads it at once. Calls nobody; cheap to repeat."""
    if esim.state in _ENDED_VALUES:
        return
    now = timezone.now()
    line = Esim.objects.filter(pk=esim.pk)
    not_long = Q(watched_until__isnull=True) | Q(watched_until__lt=now + WATCHED_FOR / 2)
    line.filter(not_long).update(watched_until=now + WATCHED_FOR)
    stale = Q(refreshed_at__isnull=True) | Q(refreshed_at__lt=now - FRESH_FOR)
    not_soon = Q(next_refresh_at__isnull=True) | Q(next_refresh_at__gt=now + FRESH_FOR)
    line.filter(stale & not_soon).update(next_refresh_at=now)


def request_refresh(*, esim: Esim, by: str) -> None:
    """A person wants the line read now: a worker does it, with the priority of people.

    Raises ``RefreshRefused`` when the account cannot be asked.
    """
    if not offers(esim.account.slug, Capability.READ_LINE):
        raise RefreshRefused(_("This provider account is not set up, or it does not tell of single lines."))
    if esim.account.is_paused:
        raise RefreshRefused(_("Calls to this provider are paused by staff."))
    now = timezone.now()
    with transaction.atomic():
        Esim.objects.filter(pk=esim.pk).update(watched_until=now + WATCHED_FOR, next_refresh_at=now)
        async_task("esims.tasks.read_line", esim.pk, cluster=settings.QUEUES["refresh"])
    log.info("refresh asked for", esim=esim.pk, by=by)


def read_asked_line(*, esim_id: int) -> bool:
    """The job behind ``request_refresh``: read the line if that is still due. Returns whether it was read."""
    try:
        refresh_line(esim_id=esim_id, priority=Priority.PEOPLE, by="refresh", only_if_due=True)
    except LineBusy:
        return False
    except ProviderError as error:
        # Recorded on the line, which stays due by its schedule.
        log.info("line not read", esim=esim_id, error=type(error).__name__)
        return False
    return True


# -- finding and claiming ---------------------------------------------------------------------------------------------


def _due(now: datetime) -> QuerySet[Esim]:
    unclaimed = Q(refresh_claimed_until__isnull=True) | Q(refresh_claimed_until__lte=now)
    return Esim.objects.filter(unclaimed, next_refresh_at__lte=now, account__is_paused=False)


def _due_lines(accounts: Iterable[str], *, size: int) -> list[tuple[int, str, bool]]:
    """(id, account, watched) of due lines: those that people look at, then the longest due."""
    now = timezone.now()
    due = _due(now).filter(account__slug__in=sorted(accounts))
    names = ("pk", "account__slug")
    watched = list(due.filter(watched_until__gt=now).order_by("next_refresh_at").values_list(*names)[:size])
    others = list(due.order_by("next_refresh_at").values_list(*names)[:size])
    seen = {pk for pk, _slug in watched}
    return [(pk, slug, True) for pk, slug in watched] + [(pk, slug, False) for pk, slug in others if pk not in seen]


def _claim_line(esim: Esim, *, only_if_due: bool) -> datetime:
    """Take the right to read the line; the returned stamp is the proof of it."""
    now = timezone.now()
    until = now + timedelta(seconds=settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_READ_TIMEOUT + 30)
    unclaimed = Q(refresh_claimed_until__isnull=True) | Q(refresh_claimed_until__lte=now)
    line = Esim.objects.filter(unclaimed, pk=esim.pk)
    if only_if_due:
        # Between finding the line and claiming it another run may have read it.
        line = line.filter(next_refresh_at__lte=now)
    if not line.update(refresh_claimed_until=until):
        raise LineBusy(
            "the line is being read at this moment",
            retry_after=timedelta(seconds=1),
            operation="read_line",
            account=esim.account.slug,
        )
    return until


# -- recording --------------------------------------------------------------------------------------------------------


def _mine(esim: Esim, claim: datetime) -> QuerySet[Esim]:
    """The line as long as our claim stands: a worker that was thought dead must not undo another's bookkeeping."""
    return Esim.objects.filter(pk=esim.pk, refresh_claimed_until=claim)


def _record_success(esim: Esim, claim: datetime, snapshot: LineSnapshot, *, by: str) -> Esim:
    with transaction.atomic():
        fresh = apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by=by)
        now = timezone.now()
        next_at = plan_next_refresh(
            fresh,
            now=now,
            share_used=measure_share_used(fresh, now=now) if fresh.state == LineState.ACTIVE else None,
            had_ended=esim.state in _ENDED_VALUES,
        )
        fields = {
            "refreshed_at": now,
            "next_refresh_at": next_at,
            "refresh_failures": 0,
            "refresh_error": "",
            "refresh_claimed_until": None,
        }
        if _mine(esim, claim).update(**fields):
            for name, value in fields.items():
                setattr(fresh, name, value)
    return fresh


def _record_failure(esim: Esim, claim: datetime, error: ProviderError, *, by: str) -> None:
    """Keep the old data, store the error beside it and wait longer after each failure in a row."""
    now = timezone.now()
    failures = min(esim.refresh_failures + 1, 1000)
    next_at: datetime | None = plan_retry(now=now, failures=failures, refused=isinstance(error, Rejected))
    is_over = esim.state in _ENDED_VALUES or is_long_over(esim, now)
    if (is_over and failures >= _LATE_LOOK_FAILURES) or isinstance(error, NotOffered):
        next_at = None
    message = f"{error.message} ({error.code})" if error.code else error.message
    with transaction.atomic():
        recorded = _mine(esim, claim).update(
            next_refresh_at=next_at,
            refresh_failures=failures,
            refresh_error=message[:300],
            refresh_claimed_until=None,
        )
        if recorded and failures == 1:
            make_event(esim, EventKind.READ_FAILED, by=by, facts={"message": message[:300]}).save()


def _postpone_read(esim: Esim, claim: datetime, *, wait: timedelta) -> None:
    """Not a failure of the line: the budget is spent. It stays due, at its new time."""
    _mine(esim, claim).update(next_refresh_at=timezone.now() + wait, refresh_claimed_until=None)
