"""Which lines are due to be read, and the right to read them: one worker at a time, by a conditional update.

A claim holds until its stamp. Whoever records what came of a read shows it; a worker that was thought dead must not
undo another's bookkeeping. It also knows when the line was to be read as things stood then: another time on the line is
somebody's request that came while it was being read, and of which the answer may not have heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from esims.models import Esim
from providers.errors import RateLimited
from providers.models import ProviderAccount

#: Lines of an order that will be due so soon are taken along: before a line in use would be read again anyway.
TAKEN_ALONG = timedelta(hours=4)
#: … unless they were read so short a time ago.
JUST_READ = timedelta(minutes=5)
#: Lines whose use will be due so soon fill a call that has room.
FILLED_UP = timedelta(hours=1)


class LineBusy(RateLimited):
    """Another worker is reading the line at this moment: nothing was sent; look again in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to read a line until ``until``, and when it was to be read when that was taken."""

    until: datetime
    next_refresh_at: datetime | None
    next_usage_at: datetime | None

    def keep_asked(self, line: Esim, planned: datetime | None) -> datetime | None:
        """``planned``, or the sooner time that somebody has put on the line's state since."""
        return _sooner(planned, line.next_refresh_at, self.next_refresh_at)

    def keep_asked_usage(self, line: Esim, planned: datetime | None) -> datetime | None:
        """The same for its use."""
        return _sooner(planned, line.next_usage_at, self.next_usage_at)


def _sooner(planned: datetime | None, stored: datetime | None, known: datetime | None) -> datetime | None:
    if stored is None or stored == known:
        return planned
    return stored if planned is None else min(planned, stored)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLine:
    """A line that this worker may read. ``wants_state``: all of it is due, not the use alone."""

    pk: int
    provider_ref: str
    order_ref: str
    failures: int
    is_watched: bool
    wants_state: bool
    claim: Claim


def longest_call() -> timedelta:
    """How long one call to a provider may take, and a little more."""
    return timedelta(seconds=settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_READ_TIMEOUT + 30)


def claim_line(esim: Esim, *, only_if_due: bool) -> Claim:
    """Take the right to read one line, just loaded; what is returned is the proof of it. Raises ``LineBusy``."""
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
    return Claim(until=until, next_refresh_at=esim.next_refresh_at, next_usage_at=esim.next_usage_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPlan:
    """How many of an account's lines to claim, and for which calls.

    Up to ``states`` lines that are due as a whole, up to ``uses`` others of which the use alone is due, no more
    than ``most`` in all. ``by_order``: one call tells of all lines of an order. ``per_call``: the use of so many lines
    comes in one call.
    """

    account_id: int
    states: int
    uses: int
    most: int | None
    lease: timedelta
    by_order: bool
    per_call: int


def claim_due_lines(plan: ClaimPlan) -> list[ClaimedLine]:
    """Claim lines that are due, watched ones first, then the longest due; with them, what their calls tell of anyway:
    lines of the same orders that are nearly due, and lines whose use is, to fill the last call.

    Workers of one account claim one after the other: none finds half of an order that another is about to read.
    """
    with transaction.atomic():
        list(ProviderAccount.objects.select_for_update(no_key=True).filter(pk=plan.account_id).values_list("pk"))
        now = timezone.now()
        whole, use = _find_due(plan, now)
        if plan.by_order:
            whole += _find_siblings(plan, whole, now)
            refs = {line.order_ref for line in whole if line.order_ref and not line.refresh_failures}
            # The call for its order tells of its use as well.
            whole += [line for line in use if line.order_ref in refs]
            use = [line for line in use if line.order_ref not in refs]
        use += _find_soon_used(plan, use, now)
        return _claim(whole, use, now, plan.lease)


def _find_due(plan: ClaimPlan, now: datetime) -> tuple[list[Esim], list[Esim]]:
    """(lines to be read as a whole, others of which the use is due)."""
    free = _free_lines(plan.account_id, now)
    due = free.filter(next_refresh_at__lte=now)
    states = plan.states if plan.most is None else min(plan.states, plan.most)
    whole = list(due.filter(watched_until__gt=now).order_by("next_refresh_at")[:states])
    if len(whole) < states:
        others = due.exclude(pk__in=[line.pk for line in whole]).order_by("next_refresh_at")
        whole += others[: states - len(whole)]
    uses = plan.uses if plan.most is None else min(plan.uses, plan.most - len(whole))
    apart = free.filter(Q(next_refresh_at__isnull=True) | Q(next_refresh_at__gt=now), next_usage_at__lte=now)
    return whole, list(apart.order_by("next_usage_at")[:uses])


def _find_siblings(plan: ClaimPlan, whole: Sequence[Esim], now: datetime) -> list[Esim]:
    refs = {line.order_ref for line in whole if line.order_ref and not line.refresh_failures}
    if not refs:
        return []
    soon = now + TAKEN_ALONG
    rested = Q(refreshed_at__isnull=True) | Q(refreshed_at__lte=now - JUST_READ)
    nearly_due = rested & (Q(next_refresh_at__lte=soon) | Q(next_usage_at__lte=soon))
    lines = _free_lines(plan.account_id, now).filter(
        Q(next_refresh_at__lte=now) | nearly_due, order_ref__in=sorted(refs), refresh_failures=0
    )
    return list(lines.exclude(pk__in=[line.pk for line in whole]).order_by("pk"))


def _find_soon_used(plan: ClaimPlan, use: Sequence[Esim], now: datetime) -> list[Esim]:
    missing = -sum(not line.refresh_failures for line in use) % plan.per_call
    if not missing:
        return []
    lines = _free_lines(plan.account_id, now).filter(
        next_usage_at__gt=now, next_usage_at__lte=now + FILLED_UP, next_refresh_at__gt=now, refresh_failures=0
    )
    return list(lines.order_by("next_usage_at")[:missing])


def release_lines(lines: Sequence[ClaimedLine]) -> None:
    """Give back what was claimed and not read: it stays due as it was."""
    for until in {line.claim.until for line in lines}:
        held = Esim.objects.filter(pk__in=[line.pk for line in lines if line.claim.until == until])
        held.filter(refresh_claimed_until=until).update(refresh_claimed_until=None)


def postpone_lines(lines: Sequence[ClaimedLine], *, wait: timedelta) -> None:
    """Not a failure of the lines: the budget is spent. They stay due, at a new time."""
    later = timezone.now() + wait
    for until in {line.claim.until for line in lines}:
        mine = [line for line in lines if line.claim.until == until]
        for wants_state, field in ((True, "next_refresh_at"), (False, "next_usage_at")):
            ids = [line.pk for line in mine if line.wants_state is wants_state]
            if ids:
                held = Esim.objects.filter(pk__in=ids, refresh_claimed_until=until)
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
    needed = (
        "pk",
        "provider_ref",
        "order_ref",
        "refresh_failures",
        "watched_until",
        "next_refresh_at",
        "next_usage_at",
    )
    return lines.only(*needed).filter(_unclaimed(now), account_id=account_id)


def _claim(whole: Sequence[Esim], use: Sequence[Esim], now: datetime, lease: timedelta) -> list[ClaimedLine]:
    """Within the transaction that locked them: nobody else can have claimed them since."""
    until = now + lease
    wants_state = {line.pk: False for line in use} | {line.pk: True for line in whole}
    lines = {line.pk: line for line in (*whole, *use)}
    if not lines:
        return []
    if Esim.objects.filter(_unclaimed(now), pk__in=list(lines)).update(refresh_claimed_until=until) != len(lines):
        transaction.set_rollback(True)
        return []
    return [
        ClaimedLine(
            pk=pk,
            provider_ref=line.provider_ref,
            order_ref=line.order_ref,
            failures=line.refresh_failures,
            is_watched=line.watched_until is not None and line.watched_until > now,
            wants_state=wants_state[pk],
            claim=Claim(until=until, next_refresh_at=line.next_refresh_at, next_usage_at=line.next_usage_at),
        )
        for pk, line in lines.items()
    ]
