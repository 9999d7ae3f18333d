"""Comparing an account with our books: ask for a run, do it, take over from runs whose worker died.

A run only reads at the provider, as background work: the reserve of the rate budget stays for people and orders. Jobs
may come twice and workers may die: a run is claimed by a conditional update, and only the claim that still holds
writes. Each part (lines, prices, balance) is written down in a transaction of its own as soon as it is done.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from orders.comparing_balance import compare_balance
from orders.comparing_lines import compare_lines
from orders.comparing_prices import compare_prices
from orders.differing import Tally, record_findings
from orders.findings import OutOfTime, Pace, Part, PartState
from orders.models import Comparison
from orders.verdicts import describe_crash
from providers.base import Provider
from providers.errors import ProviderError
from providers.models import ProviderAccount
from providers.registry import ensure_accounts, get_provider

log = structlog.get_logger(__name__)
State = Comparison.State

#: A running run that has not shown life for so long is dead. Longer than any single call and any write.
STALE_AFTER = timedelta(minutes=10)
#: The share of a job's time that the reading of all parts may take.
_READING_SHARE = 0.8

Look = Callable[[ProviderAccount, Provider, Pace], Part]
#: In this order: what was bought meanwhile must be in our books before the balance is read.
PARTS: Mapping[str, Look] = {"lines": compare_lines, "prices": compare_prices, "balance": compare_balance}


class TakenOver(Exception):
    """This claim on the run is gone: another worker, or the sweep, has it."""


class ComparisonRefused(Exception):
    """Nothing was asked; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


# -- asking -----------------------------------------------------------------------------------------------------------


def request_comparison(*, account: ProviderAccount, asked_by: str) -> Comparison:
    """Have an account compared by a worker; the open run if there is one. Raises ``ComparisonRefused``."""
    return open_comparison(account=account, asked_by=asked_by, enqueue=True)[0]


def open_comparison(*, account: ProviderAccount, asked_by: str, enqueue: bool) -> tuple[Comparison, bool]:
    """The account's open run, made if there is none; and whether it was made. Raises ``ComparisonRefused``.

    With ``enqueue`` a job is put on the queue in the same transaction, again for a run whose first job seems lost.
    """
    if account.is_paused:
        raise ComparisonRefused(_("Calls to this provider are paused by staff."))
    if account.slug not in {row.slug for row in ensure_accounts()}:
        raise ComparisonRefused(_("This provider account is not set up."))
    fail_stale_comparisons(account=account)
    try:
        with transaction.atomic():
            run = Comparison.objects.create(account=account, asked_by=asked_by)
            if enqueue:
                enqueue_comparison(run.pk)
    except IntegrityError:
        found = Comparison.objects.filter(account=account, state__in=Comparison.OPEN).first()
        if found is None:
            # It ended between our two looks.
            return open_comparison(account=account, asked_by=asked_by, enqueue=enqueue)
        if enqueue and found.state == State.WAITING and found.created_at < timezone.now() - STALE_AFTER:
            enqueue_comparison(found.pk)
        return found, False
    return run, True


def request_all_comparisons(*, asked_by: str) -> int:
    """Ask for a comparison of every account that is set up and not paused; returns how many."""
    accounts = [account for account in ensure_accounts() if not account.is_paused]
    for account in accounts:
        request_comparison(account=account, asked_by=asked_by)
    return len(accounts)


def enqueue_comparison(run_id: int) -> None:
    """Put the job of a run on its queue, in the caller's transaction."""
    async_task("orders.tasks.compare_account", run_id, cluster=settings.QUEUES["catalogue"])


def fail_stale_comparisons(*, account: ProviderAccount | None = None) -> int:
    """Close the runs whose worker died; returns how many."""
    dead = Comparison.objects.filter(state=State.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    if account is not None:
        dead = dead.filter(account=account)
    return dead.update(
        state=State.FAILED,
        finished_at=timezone.now(),
        error="The worker stopped in the middle. What it had compared stands.",
    )


# -- doing ------------------------------------------------------------------------------------------------------------


def run_comparison(*, run_id: int, on_progress: Callable[[Comparison], None] | None = None) -> Comparison:
    """Compare one run's account; the job. Does nothing for a run that is finished or being done.

    Never raises for what a provider does. Must not be called inside a transaction: it talks to the provider.
    """
    run = _claim(run_id)
    if run is None:
        return Comparison.objects.get(pk=run_id)
    try:
        _compare(run, on_progress or (lambda _run: None))
    except TakenOver:
        log.warning("comparison_taken_over", run=run.pk)
    except ImproperlyConfigured as error:
        _fail(run, str(error))
    except Exception as error:
        # The job's boundary: whatever it was, the run must not look alive, and the queue must see the error.
        _fail(run, f"Our program failed over the comparison ({describe_crash(error)}).")
        raise
    run.refresh_from_db()
    return run


def _claim(run_id: int) -> Comparison | None:
    """Take a waiting run, or a running one whose worker died."""
    now = timezone.now()
    claim: dict[str, Any] = {"state": State.RUNNING, "started_at": now, "heartbeat_at": now, "step": "", "parts": {}}
    claim |= dict.fromkeys(("found", "reopened", "changed", "gone", "still", "done"), 0)
    free = Comparison.objects.filter(pk=run_id, state=State.WAITING)
    dead = Comparison.objects.filter(pk=run_id, state=State.RUNNING, heartbeat_at__lt=now - STALE_AFTER)
    if not (free.update(**claim) or dead.update(**claim)):
        return None
    return Comparison.objects.select_related("account").get(pk=run_id, started_at=now)


def _compare(run: Comparison, on_progress: Callable[[Comparison], None]) -> None:
    if run.account.is_paused:
        _fail(run, "Staff have paused this provider account")
        return
    provider = get_provider(run.account.slug)

    def beat(done: int, total: int | None) -> None:
        _hold(run, done=done, total=total)
        on_progress(run)

    pace = Pace.make(seconds=settings.JOB_TIMEOUT * _READING_SHARE, beat=beat)
    for name, look in PARTS.items():
        _hold(run, step=name, done=0, total=None)
        on_progress(run)
        _write_part(run, name, _look(look, run.account, provider, pace))
    states = {told["state"] for told in run.parts.values()}
    state = State.INCOMPLETE if PartState.FAILED in states else State.SUCCEEDED
    _hold(run, state=state, step="", finished_at=timezone.now())
    on_progress(run)


def _look(look: Look, account: ProviderAccount, provider: Provider, pace: Pace) -> Part:
    try:
        return look(account, provider, pace)
    except ProviderError as error:
        return Part(state=PartState.FAILED, looked=pace.done, note=error.message)
    except OutOfTime:
        return Part(state=PartState.FAILED, looked=pace.done, note="The time of the run was over before it was done.")


def _write_part(run: Comparison, name: str, part: Part) -> None:
    """Differences and the part's own result in one transaction, while the claim holds."""
    with transaction.atomic():
        # Holds the run's row: whoever wants to take the run over waits.
        _hold(run, step=name)
        tally = record_findings(run=run, part=part)
        told = {"state": part.state.value, "looked": part.looked, "note": part.note}
        _hold(run, parts={**run.parts, name: told}, **_add(run, tally))


def _add(run: Comparison, tally: Tally) -> dict[str, int]:
    names = ("found", "reopened", "changed", "gone", "still")
    return {name: getattr(run, name) + getattr(tally, name) for name in names}


def _hold(run: Comparison, **values: Any) -> None:
    """Write to the run and show that it is alive, if the claim still holds."""
    values["heartbeat_at"] = timezone.now()
    ours = Comparison.objects.filter(pk=run.pk, state=State.RUNNING, started_at=run.started_at)
    if not ours.update(**values):
        raise TakenOver
    for name, value in values.items():
        setattr(run, name, value)


def _fail(run: Comparison, message: str) -> None:
    Comparison.objects.filter(pk=run.pk, state=State.RUNNING, started_at=run.started_at).update(
        state=State.FAILED, finished_at=timezone.now(), error=message
    )
