"""Rate budgets, kept in the database so that all processes on all hosts share them.

A budget of N calls in W seconds is a ring of N slots. A slot may be taken again W seconds (plus the budget's margin)
after it was taken last, so that no window of that length, wherever it starts, holds more than N calls. The claim is a
short transaction of its own: no HTTP happens inside.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog
from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from django.db.models import Count, F, Max, Q, Window
from django.utils import timezone

from providers.errors import RateLimited
from providers.models import RatePause, RateSlot
from providers.types import Priority, RateBudget

log = structlog.get_logger(__name__)

#: Ours, where a provider refuses for its limit and does not say for how long: documented windows are one minute.
DEFAULT_RETRY_AFTER = timedelta(seconds=60)
#: Ours: a longer wait than this is taken for nonsense and shortened.
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: Ours: ``X-RateLimit-Reset`` is seconds; more than this is something else, perhaps an epoch, and is not obeyed.
LONGEST_RESET = 3600
_SHORTEST = timedelta(milliseconds=1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


#: (free from, id, stamp) of one slot of a ring.
Slot = tuple[datetime, int, datetime | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot that was taken at ``used_at``."""

    slot_id: int
    used_at: datetime


def take(
    account: str,
    operation: str,
    budget: RateBudget | None,
    priority: Priority = Priority.BACKGROUND,
    *,
    wait: float = 0.0,
) -> Claim | None:
    """Take one call out of the budget, waiting up to ``wait`` seconds for it. Not to be called inside a transaction.

    Raises ``RateLimited`` with the time to the next chance when there is none before; nothing was sent then. The pause
    that a provider asked for is kept as well, and applies to people too. Background work leaves the last ``reserve``
    free slots alone. Without a budget only the pause counts, and there is no claim.
    """
    patience_ends = time.monotonic() + wait
    while True:
        claimed = _try_to_take(account, operation, budget, priority)
        if not isinstance(claimed, timedelta):
            return claimed
        if time.monotonic() + claimed.total_seconds() > patience_ends:
            raise RateLimited(
                f"The rate budget of {operation} is spent for {claimed.total_seconds():.1f} s",
                retry_after=claimed,
                code="budget",
                operation=operation,
                account=account,
            )
        time.sleep(claimed.total_seconds())


def stamp_again(claim: Claim) -> None:
    """Count a claimed call from now: connecting took long, and the provider counts from its arrival."""
    RateSlot.objects.filter(pk=claim.slot_id, used_at=claim.used_at).update(used_at=_read_clock())


def _try_to_take(
    account: str, operation: str, budget: RateBudget | None, priority: Priority
) -> Claim | timedelta | None:
    if budget is None:
        until = RatePause.objects.filter(account=account, operation=operation).values_list("until", flat=True).first()
        left = until - _read_clock() if until else timedelta(0)
        return max(left, _SHORTEST) if left > timedelta(0) else None
    # The pause row is the gate of its operation: PostgreSQL locks it, SQLite locks all with BEGIN IMMEDIATE.
    with transaction.atomic(durable=True):
        gate, _made = RatePause.objects.select_for_update().get_or_create(
            account=account, operation=operation, defaults={"until": _NEVER}
        )
        now = _read_clock()
        if gate.until > now:
            return max(gate.until - now, _SHORTEST)
        kept_free = min(budget.reserve, budget.calls - 1) if priority is Priority.BACKGROUND else 0
        return _claim_slot(_find_slots(account, operation, budget, kept_free, now), kept_free, now)


def _claim_slot(slots: Sequence[Slot], kept_free: int, now: datetime) -> Claim | timedelta:
    """``slots`` are the longest unused first, at least one more than are kept free."""
    free_from = slots[kept_free][0]
    if free_from > now:
        return max(free_from - now, _SHORTEST)
    _free_from, slot_id, stamp = slots[0]
    # Under the gate the count is always one; without it (a database that cannot lock) it decides.
    seen = Q(used_at__isnull=True) if stamp is None else Q(used_at=stamp)
    if RateSlot.objects.filter(seen, pk=slot_id).update(used_at=now) != 1:
        return _SHORTEST
    return Claim(slot_id, now)


def _find_slots(account: str, operation: str, budget: RateBudget, kept_free: int, now: datetime) -> Sequence[Slot]:
    """The longest unused slots, as many as decide about a call; a ring that does not fit is mended first."""
    rows = RateSlot.objects.filter(account=account, operation=operation)
    oldest = list(
        rows.annotate(length=Window(Count("pk")), newest=Window(Max("used_at")))
        .order_by(F("used_at").asc(nulls_first=True), "number")
        .values_list("pk", "used_at", "length", "newest")[: kept_free + 1]
    )
    _pk, _stamp, length, newest = oldest[0] if oldest else (0, None, 0, None)
    if length != budget.calls or (newest is not None and newest > now):
        return _fit_slots(account, operation, budget, now)
    window = timedelta(seconds=budget.seconds + budget.margin)
    return [(stamp + window if stamp else _NEVER, pk, stamp) for pk, stamp, _length, _newest in oldest]


def _fit_slots(account: str, operation: str, budget: RateBudget, now: datetime) -> Sequence[Slot]:
    """The ring, made as long as the budget. A shorter ring keeps the youngest stamps: those calls still count."""
    rows = RateSlot.objects.filter(account=account, operation=operation)
    found = list(rows.order_by(F("used_at").desc(nulls_last=True), "number").values_list("pk", "number", "used_at"))
    if len(found) > budget.calls:
        rows.filter(pk__in=[pk for pk, _number, _stamp in found[budget.calls :]]).delete()
        found = found[: budget.calls]
    elif len(found) < budget.calls:
        taken = {number for _pk, number, _stamp in found}
        free = [number for number in range(budget.calls) if number not in taken][: budget.calls - len(found)]
        RateSlot.objects.bulk_create(
            [RateSlot(account=account, operation=operation, number=number) for number in free], ignore_conflicts=True
        )
        found = list(rows.order_by(F("used_at").desc(nulls_last=True), "number").values_list("pk", "number", "used_at"))
    if any(stamp and stamp > now for _pk, _number, stamp in found):
        # The clock was set back: a stamp from the future would hold its slot for as long as the clock was wrong.
        rows.filter(used_at__gt=now).update(used_at=now)
        found = [(pk, number, min(stamp, now) if stamp else None) for pk, number, stamp in found]
    window = timedelta(seconds=budget.seconds + budget.margin)
    return sorted(
        ((stamp + window if stamp else _NEVER, pk, stamp) for pk, _number, stamp in found), key=lambda slot: slot[:2]
    )


def _read_clock() -> datetime:
    """PostgreSQL's clock, which all hosts share; with SQLite all processes are on one machine."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    now: datetime = row[0]
    return now


# -- what a provider says about its limits ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportedLimit:
    """``X-RateLimit-*`` as far as they could be read; ``reset`` is seconds until the window ends."""

    limit: int | None
    remaining: int | None
    reset: int | None


def read_reported_limit(headers: Mapping[str, str]) -> ReportedLimit:
    """The documented rate headers. They inform; they never raise a budget of ours."""
    return ReportedLimit(
        limit=_read_count(headers, "x-ratelimit-limit"),
        remaining=_read_count(headers, "x-ratelimit-remaining"),
        reset=_read_count(headers, "x-ratelimit-reset"),
    )


def _read_count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip().strip('"').strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def read_retry_after(headers: Mapping[str, str], received_at: datetime) -> timedelta | None:
    """``Retry-After`` in seconds or as an HTTP date; None where it is absent or nonsense. At least one second.

    A date is compared with the reply's own ``Date`` where there is one: the provider's clock may differ from ours.
    """
    text = headers.get("retry-after", "").strip().strip('"').strip()
    if not text:
        return None
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
        wait = LONGEST_RETRY_AFTER if seconds > LONGEST_RETRY_AFTER.total_seconds() else timedelta(seconds=seconds)
    else:
        until = _read_http_date(text)
        if until is None:
            return None
        wait = until - (_read_http_date(headers.get("date", "")) or received_at)
    return min(max(wait, timedelta(seconds=1)), LONGEST_RETRY_AFTER)


def _read_http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # Numbers of any length come through the parser; the reply behind such a header must not be lost.
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def wait_asked_for(status: int, headers: Mapping[str, str], received_at: datetime) -> timedelta | None:
    """How long the provider wants us to wait before the same operation; None for not at all."""
    asked = read_retry_after(headers, received_at)
    if asked is not None:
        return asked
    reported = read_reported_limit(headers)
    if status == 429 or reported.remaining == 0:
        if reported.reset is not None and reported.reset <= LONGEST_RESET:
            return timedelta(seconds=max(reported.reset, 1))
        return DEFAULT_RETRY_AFTER if status == 429 else None
    return None


def note_reply(account: str, operation: str, *, status: int, headers: Mapping[str, str], received_at: datetime) -> None:
    """Store what a reply says about limits, for all workers. A pause is only ever made longer. Never raises."""
    reported = read_reported_limit(headers)
    wait = wait_asked_for(status, headers, received_at)
    if wait is None and reported.remaining is None and reported.limit is None:
        return
    try:
        gate, _made = RatePause.objects.get_or_create(account=account, operation=operation, defaults={"until": _NEVER})
        rows = RatePause.objects.filter(pk=gate.pk)
        if reported.remaining is not None or reported.limit is not None:
            rows.update(provider_limit=reported.limit, provider_remaining=reported.remaining, reported_at=received_at)
        if wait is not None:
            until = _read_clock() + wait
            rows.filter(until__lt=until).update(until=until)
    except DatabaseFailure as error:
        # The reply in the caller's hands is worth more than the note about it.
        log.warning("rate_note_failed", account=account, operation=operation, error=type(error).__name__)
