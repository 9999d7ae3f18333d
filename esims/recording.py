"""What came of reading lines, written on them: news, or an error beside what is known."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from esims.claims import Claim, ClaimedLine
from esims.events import EventKind, make_event
from esims.line_batch import LineBatch
from esims.models import Esim, LineEvent
from esims.schedule import is_long_over, plan_next_refresh, plan_next_usage, plan_retry
from esims.states import ENDED
from esims.usage import measure_shares
from esims.use_batch import UseBatch
from providers.errors import NotOffered, ProviderError, Rejected
from providers.types import Capability, LineSnapshot, LineState, UsageSnapshot

#: Ended lines are given up after this many failed late looks.
_LATE_LOOK_FAILURES = 5
#: So much of the allowance is used that the line's state has probably changed.
_USED_UP = 1.0
_ENDED_VALUES = frozenset(state.value for state in ENDED)


def record_snapshots(
    snapshots: Mapping[int, LineSnapshot], claims: Mapping[int, Claim], *, abilities: frozenset[Capability], by: str
) -> Mapping[int, Esim]:
    """Bring lines (by id) up to date and plan their next reads, in one transaction; returns them as they then are.

    News is news, whoever brings it; the bookkeeping is done only where the claim still stands. Whoever asked for a line
    while it was being read is not forgotten: it is read once more.
    """
    usage_apart = Capability.USAGE_BATCH in abilities
    with transaction.atomic():
        batch = LineBatch.lock(snapshots)
        had_ended = {pk: line.state in _ENDED_VALUES for pk, line in batch.lines.items()}
        batch.apply({pk: snapshots[pk] for pk in batch.lines}, by=by)
        now = timezone.now()
        active = [line for line in batch.lines.values() if line.state == LineState.ACTIVE]
        shares = measure_shares(active, batch.packages, now=now)
        for pk, line in batch.lines.items():
            claim, share = claims[pk], shares.get(pk)
            if line.refresh_claimed_until != claim.until:
                continue
            line.refreshed_at, line.refresh_failures, line.refresh_error = now, 0, ""
            line.refresh_claimed_until = None
            planned = plan_next_refresh(
                line,
                now=now,
                share_used=share,
                had_ended=had_ended[pk],
                usage_apart=usage_apart,
                packages=batch.packages[pk],
            )
            line.next_refresh_at = claim.keep_asked(line, planned)
            planned = plan_next_usage(line, now=now, share_used=share) if usage_apart else None
            line.next_usage_at = claim.keep_asked_usage(line, planned)
        batch.save()
    return batch.lines


def record_usages(
    usages: Mapping[int, UsageSnapshot], lines: Sequence[ClaimedLine], *, abilities: frozenset[Capability]
) -> int:
    """Bring the use of claimed lines up to date and plan when it is read next; returns how many were ours still.

    A line whose allowance is used up is read as a whole soon.
    """
    claims = {line.pk: line.claim for line in lines}
    with transaction.atomic():
        batch = UseBatch.lock(usages, derives_days=Capability.USAGE_BY_DAY not in abilities)
        batch.apply(usages)
        now = timezone.now()
        shares = batch.measure_shares(now)
        mine = [line for pk, line in batch.lines.items() if line.refresh_claimed_until == claims[pk].until]
        for line in mine:
            share = shares.get(line.pk)
            planned = plan_next_usage(line, now=now, share_used=share)
            line.next_usage_at = claims[line.pk].keep_asked_usage(line, planned)
            if share is not None and share >= _USED_UP and line.next_refresh_at is not None:
                line.next_refresh_at = min(line.next_refresh_at, now)
        noted = {"refreshed_at": now, "refresh_failures": 0, "refresh_error": "", "refresh_claimed_until": None}
        batch.save({line.pk for line in mine}, noted)
    return len(mine)


def record_failures(lines: Mapping[int, Claim], error: ProviderError, *, by: str) -> None:
    """Keep the old data of lines (id → our claim), store the error beside it and wait longer after each failure in a
    row.
    """
    now = timezone.now()
    message = (f"{error.message} ({error.code})" if error.code else error.message)[:300]
    rows, events = [], list[LineEvent]()
    with transaction.atomic():
        held = Esim.objects.select_for_update(of=("self",)).filter(pk__in=list(lines)).order_by("pk")
        for line in held:
            claim = lines[line.pk]
            if line.refresh_claimed_until != claim.until:
                continue
            failures = min(line.refresh_failures + 1, 1000)
            next_at = plan_retry(now=now, failures=failures, refused=isinstance(error, Rejected))
            is_over = line.state in _ENDED_VALUES or is_long_over(line, now)
            planned = None if is_over and failures >= _LATE_LOOK_FAILURES else next_at
            # Asked for since, also for its use alone: tried once more before the wait.
            asked = claim.keep_asked_usage(line, claim.keep_asked(line, planned))
            line.next_refresh_at = None if isinstance(error, NotOffered) else asked
            # A line that fails is read as a whole, by itself, until that works.
            line.next_usage_at = None
            line.refresh_failures, line.refresh_error, line.refresh_claimed_until = failures, message, None
            rows.append(line)
            if failures == 1:
                events.append(make_event(line, EventKind.READ_FAILED, by=by, facts={"message": message}))
        Esim.objects.bulk_update(
            rows,
            ["next_refresh_at", "next_usage_at", "refresh_failures", "refresh_error", "refresh_claimed_until"],
        )
        LineEvent.objects.bulk_create(events)


def postpone_line(esim: Esim, claim: Claim, *, wait: timedelta) -> None:
    """Not a failure of the line: the budget is spent. It stays due, at its new time, also for whoever asked since."""
    _held(esim, claim).update(next_refresh_at=timezone.now() + wait, refresh_claimed_until=None)


def _held(esim: Esim, claim: Claim) -> QuerySet[Esim]:
    return Esim.objects.filter(pk=esim.pk, refresh_claimed_until=claim.until)
