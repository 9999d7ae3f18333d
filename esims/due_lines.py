"""Reading the lines that are due, with as few calls as the provider allows.

Where a provider tells all lines of an order in one call, due lines are read by their orders, and the order's lines that
are nearly due are taken along. Where it tells the use of several lines in one call, lines of which only the use is due
are read in full calls. What a batch did not tell of, and what failed before, is read by itself.

A run waits for its turn while the rate budget is spent for a moment, so that the budget is used; any number of runs
share it, and each line, by claims (``esims/claims.py``). No transaction is open while a provider is called.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic, sleep

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError
from django.utils import timezone

from esims.claims import ClaimPlan, claim_due_lines, lines_due, longest_call, postpone_lines, release_lines
from esims.reading_desk import Call, Desk, put_into_calls
from providers.errors import NotSent, ProviderError, RateLimited, Unavailable
from providers.models import ProviderAccount
from providers.registry import configured_accounts, get_provider
from providers.types import Capability, Priority

log = structlog.get_logger(__name__)

#: A run gives an account up after this many failed calls in a row: it is down, not the lines.
FAILURES_IN_A_ROW = 3
#: For so many calls lines are claimed ahead.
_CALLS_AHEAD = 16
#: While it waits for its turn, a run looks this often whether it is to give way, in seconds.
_LONGEST_SLEEP = 0.25


def refresh_due_lines(*, limit: int | None, seconds: float, give_way: Callable[[], bool] | None = None) -> int:
    """Read the lines that are due, watched ones first, for at most ``seconds`` and about ``limit`` lines.

    Returns how many were read. An account whose budget is spent for longer than the run, or that does not answer, is
    left alone until the next run. Once it has begun it ends as soon as ``give_way`` says so. Any number of these may
    run at once.
    """
    return _Run(limit=limit, seconds=seconds, give_way=give_way).go()


class _Run:
    def __init__(self, *, limit: int | None, seconds: float, give_way: Callable[[], bool] | None) -> None:
        self._end = monotonic() + seconds
        self._give_way = give_way
        self._has_begun = False
        self._limit = limit
        self._done = 0
        self._desks = _open_desks()

    def go(self) -> int:
        try:
            while self._may_go_on():
                desk = self._next_desk()
                if desk is None:
                    break
                pause = desk.rests_until - monotonic()
                if pause > 0:
                    desk.write_down()
                    pause = desk.rests_until - monotonic()
                self._has_begun = True
                if pause > 0:
                    sleep(min(pause, _LONGEST_SLEEP, max(self._end - monotonic(), 0.0)))
                else:
                    self._make_call(desk, desk.calls.popleft())
        finally:
            for desk in self._desks:
                desk.close()
        return self._done

    def _may_go_on(self) -> bool:
        if monotonic() >= self._end or (self._limit is not None and self._done >= self._limit):
            return False
        return not (self._has_begun and self._give_way is not None and self._give_way())

    def _next_desk(self) -> Desk | None:
        """The account that may be asked first; of several, the one that has waited longest."""
        for desk in self._desks:
            if not desk.is_closed and not desk.calls:
                desk.write_down()
                desk.calls.extend(self._plan_calls(desk))
                desk.is_closed = not desk.calls
        ready = [desk for desk in self._desks if desk.calls]
        now = monotonic()
        return min(ready, key=lambda desk: (max(desk.rests_until, now), desk.last_call_at), default=None)

    def _plan_calls(self, desk: Desk) -> list[Call]:
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
        calls = put_into_calls(claimed, by_order=by_order, use_per_call=per_call)
        # What people wait for goes first; the rest stays in its order.
        return sorted(calls, key=lambda call: call.priority is not Priority.PEOPLE)

    # -- one call -----------------------------------------------------------------------------------------------------

    def _make_call(self, desk: Desk, call: Call) -> None:
        """Make it, and write down what came of it."""
        if min(line.claim.until for line in call.lines) < timezone.now() + longest_call():
            # Somebody else may take the lines over before this call has ended.
            release_lines(call.lines)
            return
        try:
            self._done += desk.read(call)
        except RateLimited as error:
            self._wait(desk, call, error)
        except (NotSent, Unavailable) as error:
            desk.failures += 1
            desk.fail(call, error)
            if desk.failures >= FAILURES_IN_A_ROW:
                desk.close()
        except ProviderError as error:
            desk.take_refusal(call, error)
        except (DataError, OverflowError):
            # A value that no column holds must not stop the reading of other lines.
            desk.take_refusal(call, Unavailable("what the provider said cannot be stored", operation="read_line"))
        else:
            desk.failures = 0
        desk.last_call_at = monotonic()

    def _wait(self, desk: Desk, call: Call, error: RateLimited) -> None:
        """Soon it is our turn: keep the call. Otherwise leave the account alone."""
        turn = monotonic() + error.retry_after.total_seconds()
        if turn < self._end:
            desk.rests_until = turn
            desk.calls.appendleft(call)
        else:
            postpone_lines(call.lines, wait=error.retry_after)
            desk.close()


def _open_desks() -> list[Desk]:
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
        desks.append(Desk(account_id=account.pk, provider=provider, abilities=abilities))
    return desks
