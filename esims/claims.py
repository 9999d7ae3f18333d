"""Which lines are due to be read, and the right to read them: one worker at a time, by a conditional update.

A claim is the stamp until which it holds. Whoever records what came of a read shows it; a worker that was thought dead
must not undo another's bookkeeping.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from esims.models import Esim
from providers.errors import RateLimited


class LineBusy(RateLimited):
    """Another worker is reading the line at this moment: nothing was sent; look again in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLine:
    """A line that this worker may read. ``wants_state``: all of it is due, not the use alone."""

    pk: int
    provider_ref: str
    order_ref: str
    failures: int
    is_watched: bool
    wants_state: bool
    claim: datetime


def longest_call() -> timedelta:
    """How long one call to a provider may take, and a little more."""
    return timedelta(seconds=settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_READ_TIMEOUT + 30)


def claim_line(esim: Esim, *, only_if_due: bool) -> datetime:
    """Take the right to read one line; the returned stamp is the proof of it. Raises ``LineBusy``."""
    now = timezone.now()
    line = Esim.objects.filter(_unclaimed(now), pk=esim.pk)
    if only_if_due:
        # Between finding the line and claiming it another run may have read it.
        line = line.filter(next_refresh_at__lte=now)
    until = now + longest_call()
    if not line.update(refresh_claimed_until=until):
        raise LineBusy(
            "the line is being read at this moment",
            retry_after=timedelta(seconds=1),
            operation="read_line",
            account=esim.account.slug,
        )
    return until


def claim_due_lines(
    *, account_id: int, states: int, uses: int, most: int | None, lease: timedelta
) -> list[ClaimedLine]:
    """Claim up to ``states`` lines that are due for a whole reading, watched ones first, then the longest due; and up
    to ``uses`` others of which the use alone is due; no more than ``most`` in all.
    """
    now = timezone.now()
    free = _free_lines(account_id, now)
    due = free.filter(next_refresh_at__lte=now)
    with transaction.atomic():
        found = list(due.filter(watched_until__gt=now).order_by("next_refresh_at")[:states])
        if len(found) < states:
            others = due.exclude(pk__in=[line.pk for line in found]).order_by("next_refresh_at")
            found += others[: states - len(found)]
        if uses:
            apart = free.filter(Q(next_refresh_at__isnull=True) | Q(next_refresh_at__gt=now), next_usage_at__lte=now)
            found += apart.order_by("next_usage_at")[:uses]
        return _claim(found[:most], now, lease)


def claim_siblings(
    *, account_id: int, order_refs: Iterable[str], within: timedelta, lease: timedelta
) -> list[ClaimedLine]:
    """Claim the other lines of these orders that are due, or will be within ``within``: one call tells of all."""
    now = timezone.now()
    soon = now + within
    refs = sorted(set(order_refs))
    if not refs:
        return []
    lines = _free_lines(account_id, now).filter(
        Q(next_refresh_at__lte=soon) | Q(next_usage_at__lte=soon), order_ref__in=refs, refresh_failures=0
    )
    with transaction.atomic():
        return _claim(list(lines.order_by("pk")), now, lease, wants_state=True)


def claim_soon_used(*, account_id: int, count: int, within: timedelta, lease: timedelta) -> list[ClaimedLine]:
    """Claim lines whose use will be due within ``within``, to fill a call that has room for them."""
    now = timezone.now()
    lines = _free_lines(account_id, now).filter(
        next_usage_at__gt=now, next_usage_at__lte=now + within, next_refresh_at__gt=now, refresh_failures=0
    )
    with transaction.atomic():
        return _claim(list(lines.order_by("next_usage_at")[:count]), now, lease)


def release_lines(lines: Sequence[ClaimedLine]) -> None:
    """Give back what was claimed and not read: it stays due as it was."""
    for claim in {line.claim for line in lines}:
        held = Esim.objects.filter(pk__in=[line.pk for line in lines if line.claim == claim])
        held.filter(refresh_claimed_until=claim).update(refresh_claimed_until=None)


def postpone_lines(lines: Sequence[ClaimedLine], *, wait: timedelta) -> None:
    """Not a failure of the lines: the budget is spent. They stay due, at a new time."""
    later = timezone.now() + wait
    for claim in {line.claim for line in lines}:
        mine = [line for line in lines if line.claim == claim]
        for wants_state, field in ((True, "next_refresh_at"), (False, "next_usage_at")):
            ids = [line.pk for line in mine if line.wants_state is wants_state]
            if ids:
                held = Esim.objects.filter(pk__in=ids, refresh_claimed_until=claim)
                held.update(**{field: later, "refresh_claimed_until": None})


def lines_due(now: datetime | None = None) -> QuerySet[Esim]:
    """The lines that wait to be read, as a whole or for their use."""
    now = now or timezone.now()
    due = Q(next_refresh_at__lte=now) | Q(next_usage_at__lte=now)
    return Esim.objects.filter(_unclaimed(now), due, account__is_paused=False)


def count_due_lines(now: datetime | None = None) -> int:
    """How many lines wait to be read."""
    return lines_due(now).count()


def are_lines_due() -> bool:
    """Whether any line waits to be read; one cheap query per kind of reading."""
    now = timezone.now()
    free = Esim.objects.filter(_unclaimed(now), account__is_paused=False)
    return free.filter(next_refresh_at__lte=now).exists() or free.filter(next_usage_at__lte=now).exists()


def _unclaimed(now: datetime) -> Q:
    return Q(refresh_claimed_until__isnull=True) | Q(refresh_claimed_until__lte=now)


def _free_lines(account_id: int, now: datetime) -> QuerySet[Esim]:
    """Rows that another worker is claiming at this moment are passed over (on SQLite nobody else is)."""
    lines = Esim.objects.select_for_update(of=("self",), skip_locked=True)
    needed = ("pk", "provider_ref", "order_ref", "refresh_failures", "watched_until", "next_refresh_at")
    return lines.only(*needed).filter(_unclaimed(now), account_id=account_id)


def _claim(
    lines: Sequence[Esim], now: datetime, lease: timedelta, *, wants_state: bool | None = None
) -> list[ClaimedLine]:
    """Within the transaction that locked them: nobody else can have claimed them since."""
    until = now + lease
    ids = [line.pk for line in lines]
    if not ids:
        return []
    if Esim.objects.filter(_unclaimed(now), pk__in=ids).update(refresh_claimed_until=until) != len(ids):
        transaction.set_rollback(True)
        return []
    return [
        ClaimedLine(
            pk=line.pk,
            provider_ref=line.provider_ref,
            order_ref=line.order_ref,
            failures=line.refresh_failures,
            is_watched=line.watched_until is not None and line.watched_until > now,
            wants_state=(
                wants_state
                if wants_state is not None
                else line.next_refresh_at is not None and line.next_refresh_at <= now
            ),
            claim=until,
        )
        for line in lines
    ]
