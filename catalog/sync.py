"""Verbs around a sync run: ask for one, do it, answer its question.

A run reads the whole catalogue first and then writes it in one transaction, so a failure at any point leaves the old
catalogue as it was. Jobs may come twice and workers may die: a run is claimed by a conditional update, and only the
claim that still holds may write.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_q.tasks import async_task

from catalog.models import SyncRun
from catalog.pricing import lock_prices
from catalog.sync_read import Reading, ReadingTooSlow, read_catalogue
from catalog.sync_rows import make_row
from catalog.sync_write import Written, retire_plans, write_catalogue
from providers.errors import ProviderError
from providers.models import ProviderAccount
from providers.registry import get_provider
from providers.types import Capability, Fault

log = structlog.get_logger(__name__)

#: A running run that has not shown life for so long is dead. Longer than a read time-out and the longest write.
STALE_AFTER = timedelta(minutes=5)
#: The share of a job's time that the reading may take; the rest is for writing.
READING_SHARE = 0.8
#: More faults than these are counted, not kept.
MOST_FAULTS = 200

OPEN = (SyncRun.State.WAITING, SyncRun.State.RUNNING)
READING, WRITING, DONE = "reading", "writing", "done"
STEPS = {READING: _("reading"), WRITING: _("writing"), DONE: _("done")}


class TakenOver(Exception):
    """This claim on the run is gone: another worker, or the sweep, has it."""


class AlreadyDecided(Exception):
    """Somebody, or a newer run, has answered the question of this run."""


class NoCatalogue(Exception):
    """The account's provider lists no plans: there is nothing to read. The message says so to staff."""


# -- asking -----------------------------------------------------------------------------------------------------------


def request_sync(*, account: ProviderAccount, asked_by: str) -> SyncRun:
    """Have an account's catalogue read by a worker. Returns the open run if there is one. Raises ``NoCatalogue``."""
    return open_run(account=account, asked_by=asked_by, enqueue=True)[0]


def open_run(*, account: ProviderAccount, asked_by: str, enqueue: bool) -> tuple[SyncRun, bool]:
    """The account's open run, made if there is none; and whether it was made. Raises ``NoCatalogue``.

    With ``enqueue`` a job is put on the queue in the same transaction, again for a run whose first job seems lost.
    """
    if not has_catalogue(account.slug):
        raise NoCatalogue(tell_no_catalogue(account.name))
    fail_stale_runs(account=account)
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(account=account, asked_by=asked_by)
            if enqueue:
                _enqueue(run)
    except IntegrityError:
        found = SyncRun.objects.filter(account=account, state__in=OPEN).first()
        if found is None:
            # It ended between our two looks.
            return open_run(account=account, asked_by=asked_by, enqueue=enqueue)
        if enqueue and found.state == SyncRun.State.WAITING and found.created_at < timezone.now() - STALE_AFTER:
            _enqueue(found)
        return found, False
    return run, True


def has_catalogue(slug: str) -> bool:
    """Whether an account's provider lists its plans. One that is not set up may: its run says what is wrong."""
    try:
        return Capability.LIST_PLANS in get_provider(slug).offered
    except ImproperlyConfigured:
        return True


def tell_no_catalogue(name: str) -> str:
    """Why an account is never read, in the reader's language."""
    return gettext("%(account)s has no list of plans that could be read: its plans are entered by staff.") % {
        "account": name
    }


def fail_stale_runs(*, account: ProviderAccount | None = None) -> int:
    """Close the runs whose worker died; returns how many."""
    dead = SyncRun.objects.filter(state=SyncRun.State.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    if account is not None:
        dead = dead.filter(account=account)
    return dead.update(
        state=SyncRun.State.FAILED,
        finished_at=timezone.now(),
        error=gettext("The worker stopped in the middle. Nothing was changed."),
    )


# -- doing ------------------------------------------------------------------------------------------------------------


def run_sync(*, run_id: int, on_progress: Callable[[SyncRun], None] | None = None) -> SyncRun:
    """Read and write one run's catalogue; the job. Does nothing for a run that is finished or being done.

    Never raises for what a provider or the database does: the run is FAILED then and says why. Must not be called
    inside a transaction: it talks to the provider.
    """
    run = _claim(run_id)
    if run is None:
        return SyncRun.objects.get(pk=run_id)
    try:
        _read_and_write(run, on_progress or _say_nothing)
    except TakenOver:
        log.warning("sync run taken over", run=run.pk)
    except ProviderError as error:
        _fail(run, gettext("The provider could not be read: %(error)s") % {"error": error.message})
    except (ImproperlyConfigured, ReadingTooSlow) as error:
        _fail(run, str(error))
    except DatabaseError as error:
        log.exception("sync run failed in the database", run=run.pk)
        _fail(run, gettext("The catalogue could not be written: %(error)s") % {"error": str(error).splitlines()[0]})
    except Exception as error:
        # The job's boundary: whatever it was, the run must not look alive, and the queue must see the error.
        _fail(run, gettext("Unexpected: %(error)s") % {"error": type(error).__name__})
        raise
    run.refresh_from_db()
    return run


def _claim(run_id: int) -> SyncRun | None:
    """Take a waiting run, or a running one whose worker died."""
    now = timezone.now()
    claim: dict[str, Any] = {
        "state": SyncRun.State.RUNNING,
        "started_at": now,
        "heartbeat_at": now,
        "step": READING,
        "pages_read": 0,
        "offers_read": 0,
    }
    free = SyncRun.objects.filter(pk=run_id, state=SyncRun.State.WAITING)
    dead = SyncRun.objects.filter(pk=run_id, state=SyncRun.State.RUNNING, heartbeat_at__lt=now - STALE_AFTER)
    if not (free.update(**claim) or dead.update(**claim)):
        return None
    return SyncRun.objects.select_related("account").get(pk=run_id, started_at=now)


def _read_and_write(run: SyncRun, on_progress: Callable[[SyncRun], None]) -> None:
    if run.account.is_paused:
        _fail(run, gettext("%(account)s is paused by staff.") % {"account": run.account})
        return
    provider = get_provider(run.account.slug)

    def show(reading: Reading) -> None:
        _hold(
            run,
            step=READING,
            pages_read=reading.pages,
            pages_total=reading.pages_total,
            offers_read=len(reading.offers),
            offers_total=reading.total,
        )
        on_progress(run)

    reading = read_catalogue(provider, seconds=settings.JOB_TIMEOUT * READING_SHARE, on_progress=show)
    write_reading(run=run, reading=reading)
    on_progress(run)


def write_reading(*, run: SyncRun, reading: Reading) -> None:
    """Write what was read and finish the run, in one transaction. Raises ``TakenOver``."""
    rows = {ref: make_row(offer) for ref, offer in reading.offers.items()}
    faults = [*reading.faults, *(fault for row in rows.values() for fault in row.faults)]
    gap = reading.describe_gap()
    _hold(run, step=WRITING)
    with transaction.atomic():
        # Holds the run's row: whoever wants to take the run over waits, and then finds it finished.
        _hold(run, step=WRITING)
        written = write_catalogue(run=run, rows=rows, unreadable=reading.faulty_refs, is_complete=not gap)
        _finish(run, written, faults, gap)


def _finish(run: SyncRun, written: Written, faults: list[Fault], gap: str) -> None:
    if gap:
        state = SyncRun.State.INCOMPLETE
    else:
        state = SyncRun.State.NEEDS_APPROVAL if written.asks else SyncRun.State.SUCCEEDED
    kept = [_tell_fault(fault) for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        kept.append({"where": "", "message": gettext("and %(count)s more") % {"count": len(faults) - MOST_FAULTS}})
    _hold(
        run,
        state=state,
        step=DONE,
        finished_at=timezone.now(),
        added=written.added,
        changed=written.changed,
        unchanged=written.unchanged,
        returned=written.returned,
        retired=written.retired,
        would_retire=written.would_retire,
        faults=kept,
        error=gap,
    )


def _tell_fault(fault: Fault) -> dict[str, str]:
    if fault.ref and fault.ref != fault.where:
        return {"where": fault.ref, "message": f"{fault.where} {fault.message}".strip()}
    return {"where": fault.where, "message": fault.message}


def _hold(run: SyncRun, **values: Any) -> None:
    """Write to the run and show that it is alive, if the claim still holds."""
    values["heartbeat_at"] = timezone.now()
    ours = SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.RUNNING, started_at=run.started_at)
    if not ours.update(**values):
        raise TakenOver
    for name, value in values.items():
        setattr(run, name, value)


def _fail(run: SyncRun, message: str) -> None:
    SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.RUNNING, started_at=run.started_at).update(
        state=SyncRun.State.FAILED, finished_at=timezone.now(), error=message
    )


def _enqueue(run: SyncRun) -> None:
    async_task("catalog.tasks.sync_catalog", run.pk, cluster=settings.QUEUES["catalogue"])


def _say_nothing(_run: SyncRun) -> None:
    return None


# -- answering --------------------------------------------------------------------------------------------------------


def approve_retirement(*, run: SyncRun, by: str) -> SyncRun:
    """Retire the plans that the run asks about, except those that came back since. Raises ``AlreadyDecided``."""
    with transaction.atomic():
        # Before the question's row, as a sync that answers older questions does.
        lock_prices()
        asked = _lock_question(run)
        at = timezone.now()
        asked.retired += retire_plans(asked.would_retire, run=asked, by=by, at=at)
        return _decide(asked, by=by)


def decline_retirement(*, run: SyncRun, by: str) -> SyncRun:
    """Keep the plans that the run asks about. Raises ``AlreadyDecided``."""
    with transaction.atomic():
        return _decide(_lock_question(run), by=by)


def _lock_question(run: SyncRun) -> SyncRun:
    # A conditional update is the lock that SQLite knows, too.
    mine = SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.NEEDS_APPROVAL)
    if not mine.update(state=SyncRun.State.SUCCEEDED):
        raise AlreadyDecided
    return SyncRun.objects.select_related("account").get(pk=run.pk)


def _decide(asked: SyncRun, *, by: str) -> SyncRun:
    asked.decided_by, asked.decided_at = by, timezone.now()
    asked.save(update_fields=["decided_by", "decided_at", "retired"])
    return asked
