"""Reading the lines that are due, with as few calls as the provider allows.

Where a provider tells all lines of an order in one call, due lines are read by their orders, and the order's lines that
are nearly due are taken along. Where it tells the use of several lines in one call, lines of which only the use is due
are read in full calls. What a batch did not tell of, and what failed before, is read by itself.

A run waits for its turn while the rate budget is spent for a moment, so that the budget is used; any number of runs
share it, and each line, by claims (``esims/claims.py``). No transaction is open while a provider is called.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError
from django.utils import timezone

from esims.claims import (
    ClaimedLine,
    ClaimPlan,
    claim_due_lines,
    lines_due,
    longest_call,
    postpone_lines,
    release_lines,
)
from esims.recording import record_failures, record_snapshots, record_usages
from providers.base import Provider
from providers.errors import Mend, NotSent, ProviderError, RateLimited, Rejected, Unavailable
from providers.models import ProviderAccount
from providers.registry import configured_accounts, get_provider
from providers.types import Capability, LineSnapshot, Priority, UsageSnapshot

log = structlog.get_logger(__name__)

#: A run gives an account up after this many failed calls in a row: it is down, not the lines.
FAILURES_IN_A_ROW = 3
#: For so many calls lines are claimed ahead, and the use that so many calls told is written together: one call's worth
#: of rows costs the database almost as much as eight calls' worth.
_CALLS_AHEAD = 16
_CALLS_WRITTEN = 8


def refresh_due_lines(*, limit: int | None, seconds: float) -> int:
    """Read the lines that are due, watched ones first, for at most ``seconds`` and about ``limit`` lines.

    Returns how many were read. An account whose budget is spent for longer than the run, or that does not answer, is
    left alone until the next run. Any number of these may run at once.
    """
    return _Run(limit=limit, seconds=seconds).go()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What one call will read: an order's lines, the use of some, or one line by itself."""

    lines: Sequence[ClaimedLine]
    order_ref: str = ""
    is_use: bool = False

    @property
    def is_single(self) -> bool:
        return not self.order_ref and not self.is_use

    @property
    def priority(self) -> Priority:
        return Priority.PEOPLE if any(line.is_watched for line in self.lines) else Priority.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """The use that one call told, and of which claimed lines; not written down yet."""

    usages: Mapping[int, UsageSnapshot]
    lines: Sequence[ClaimedLine]


@dataclass(slots=True, kw_only=True)
class _Desk:
    """One account in one run: what is to be read there, and whether it answers."""

    account_id: int
    provider: Provider
    abilities: frozenset[Capability]
    calls: deque[_Call] = field(default_factory=deque)
    told: list[_Told] = field(default_factory=list)
    #: ``monotonic`` time before which its budget gives nothing.
    rests_until: float = 0.0
    last_call_at: float = 0.0
    failures: int = 0
    #: Nothing more is due, or it does not answer.
    is_closed: bool = False

    def close(self) -> None:
        """Write down what was told, and give back what was claimed and not read."""
        self.is_closed = True
        self.write_down()
        release_lines([line for call in self.calls for line in call.lines])
        self.calls.clear()

    def write_down(self) -> None:
        """Record the use that was told. Where a value cannot be stored, the lines of its call are read one by one."""
        told, self.told = self.told, []
        try:
            self._record(told)
        except (DataError, OverflowError):
            for one in told:
                try:
                    self._record([one])
                except (DataError, OverflowError):
                    self.read_singly(one.lines)

    def read_singly(self, lines: Sequence[ClaimedLine]) -> None:
        """Each by a call of its own, next."""
        self.calls.extendleft(_Call(lines=[line]) for line in reversed(lines))

    def _record(self, told: Sequence[_Told]) -> None:
        if told:
            usages = {pk: usage for one in told for pk, usage in one.usages.items()}
            record_usages(usages, [line for one in told for line in one.lines], abilities=self.abilities)

    @property
    def lines_waiting(self) -> int:
        return sum(len(call.lines) for call in self.calls)


class _Run:
    def __init__(self, *, limit: int | None, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._limit = limit
        self._done = 0
        self._desks = _open_desks()

    def go(self) -> int:
        try:
            while monotonic() < self._end and (self._limit is None or self._done < self._limit):
                desk = self._next_desk()
                if desk is None:
                    break
                pause = desk.rests_until - monotonic()
                if pause > 0:
                    desk.write_down()
                    pause = desk.rests_until - monotonic()
                if pause > 0:
                    sleep(min(pause, max(self._end - monotonic(), 0.0)))
                else:
                    self._make_call(desk, desk.calls.popleft())
        finally:
            for desk in self._desks:
                desk.close()
        return self._done

    def _next_desk(self) -> _Desk | None:
        """The account that may be asked first; of several, the one that has waited longest."""
        for desk in self._desks:
            if not desk.is_closed and not desk.calls:
                desk.write_down()
                desk.calls.extend(self._plan_calls(desk))
                desk.is_closed = not desk.calls
        ready = [desk for desk in self._desks if desk.calls]
        now = monotonic()
        return min(ready, key=lambda desk: (max(desk.rests_until, now), desk.last_call_at), default=None)

    def _plan_calls(self, desk: _Desk) -> list[_Call]:
        """Claim some of the account's due lines and put them into as few calls as it allows."""
        room = None if self._limit is None else self._limit - self._done - sum(d.lines_waiting for d in self._desks)
        if room is not None and room <= 0:
            return []
        by_order = Capability.BATCH_QUERY in desk.abilities
        per_call = desk.provider.usage_batch if Capability.USAGE_BATCH in desk.abilities else 1
        claimed = claim_due_lines(
            ClaimPlan(
                account_id=desk.account_id,
                states=_CALLS_AHEAD,
                uses=_CALLS_AHEAD * per_call,
                most=room,
                lease=longest_call() + timedelta(seconds=max(self._end - monotonic(), 0.0)),
                by_order=by_order,
                per_call=per_call,
            )
        )
        calls = _put_into_calls(claimed, by_order=by_order, use_per_call=per_call)
        # What people wait for goes first; the rest stays in its order.
        return sorted(calls, key=lambda call: call.priority is not Priority.PEOPLE)

    # -- one call -----------------------------------------------------------------------------------------------------

    def _make_call(self, desk: _Desk, call: _Call) -> None:
        """Make it, and write down what came of it."""
        if min(line.claim for line in call.lines) < timezone.now() + longest_call():
            # Somebody else may take the lines over before this call has ended.
            release_lines(call.lines)
            return
        try:
            self._done += _read(desk, call)
        except RateLimited as error:
            self._wait(desk, call, error)
        except (NotSent, Unavailable) as error:
            desk.failures += 1
            _fail(call, error)
            if desk.failures >= FAILURES_IN_A_ROW:
                desk.close()
        except ProviderError as error:
            _refuse(desk, call, error)
        except (DataError, OverflowError):
            # A value that no column holds must not stop the reading of other lines.
            _refuse(desk, call, Unavailable("what the provider said cannot be stored", operation="read_line"))
        else:
            desk.failures = 0
        desk.last_call_at = monotonic()

    def _wait(self, desk: _Desk, call: _Call, error: RateLimited) -> None:
        """Soon it is our turn: keep the call. Otherwise leave the account alone."""
        turn = monotonic() + error.retry_after.total_seconds()
        if turn < self._end:
            desk.rests_until = turn
            desk.calls.appendleft(call)
        else:
            postpone_lines(call.lines, wait=error.retry_after)
            desk.close()


def _open_desks() -> list[_Desk]:
    """The accounts that can be asked. Lines of those that tell of none are never due."""
    desks = []
    for account in ProviderAccount.objects.filter(slug__in=configured_accounts(), is_paused=False).order_by("pk"):
        try:
            provider = get_provider(account.slug)
        except ImproperlyConfigured as error:
            log.warning("provider_misconfigured", account=account.slug, error=str(error))
            continue
        abilities = provider.offered
        if Capability.READ_LINE not in abilities:
            lines_due().filter(account=account).update(next_refresh_at=None, next_usage_at=None)
            continue
        desks.append(_Desk(account_id=account.pk, provider=provider, abilities=abilities))
    return desks


def _put_into_calls(claimed: Sequence[ClaimedLine], *, by_order: bool, use_per_call: int) -> list[_Call]:
    """By order and by use where the provider can and there is more than one; what failed before always by itself."""
    orders: dict[str, list[ClaimedLine]] = {}
    use, single = [], []
    for line in claimed:
        if line.failures or (line.wants_state and not (by_order and line.order_ref)):
            single.append(line)
        elif line.wants_state:
            orders.setdefault(line.order_ref, []).append(line)
        else:
            use.append(line)
    calls = [_Call(lines=lines, order_ref=ref) for ref, lines in orders.items() if len(lines) > 1]
    single += [lines[0] for lines in orders.values() if len(lines) == 1]
    if use_per_call == 1:
        single += use
    else:
        calls += [
            _Call(lines=use[start : start + use_per_call], is_use=True) for start in range(0, len(use), use_per_call)
        ]
    return [*calls, *(_Call(lines=[line]) for line in single)]


def _read(desk: _Desk, call: _Call) -> int:
    """Ask, and record the answer; what it did not tell of is read by itself next. Returns how many lines were read."""
    if call.is_use:
        usages: Sequence[UsageSnapshot] = desk.provider.read_usage(
            [line.provider_ref for line in call.lines], priority=call.priority
        )
        told_use = {usage.provider_ref: usage for usage in usages}
        found = [line for line in call.lines if line.provider_ref in told_use]
        desk.told.append(_Told(usages={line.pk: told_use[line.provider_ref] for line in found}, lines=found))
        if len(desk.told) >= _CALLS_WRITTEN:
            desk.write_down()
    else:
        told = {snapshot.provider_ref: snapshot for snapshot in _ask_for_lines(desk, call)}
        found = [line for line in call.lines if line.provider_ref in told]
        record_snapshots(
            {line.pk: told[line.provider_ref] for line in found},
            {line.pk: line.claim for line in found},
            abilities=desk.abilities,
            by="refresh",
        )
    missing = [line for line in call.lines if line not in found]
    if missing and call.is_single:
        raise Unavailable("the provider answered for another line", operation="read_line")
    desk.read_singly(missing)
    return len(found)


def _ask_for_lines(desk: _Desk, call: _Call) -> Sequence[LineSnapshot]:
    if call.order_ref:
        return desk.provider.read_order_lines(call.order_ref, priority=call.priority)
    return [desk.provider.read_line(call.lines[0].provider_ref, priority=call.priority)]


def _refuse(desk: _Desk, call: _Call, error: ProviderError) -> None:
    """A refusal of a batch may be about one of its lines only: each is read by itself. One of keys is about all."""
    if call.is_single or (isinstance(error, Rejected) and error.mend is Mend.CREDENTIALS):
        _fail(call, error)
    else:
        desk.read_singly(call.lines)


def _fail(call: _Call, error: ProviderError) -> None:
    record_failures({line.pk: line.claim for line in call.lines}, error, by="refresh")
