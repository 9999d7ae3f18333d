"""Doing one thing with many rows: chosen first and looked at, then done by a job with the verb of a single row.

What a run holds is fixed when it is chosen: what was previewed is what is done. Each row is claimed by itself, so that
a job that runs twice, or two at once, do nothing twice. What is done with a row is written down beside it in the same
transaction: a row whose worker died was not done, and is done by the next one.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from customers.lists import Asked, BulkAction, BulkRefused, ListPage, keep_words
from customers.models import User
from orders.list_pages import LISTS
from orders.models import BulkItem, BulkRun

log = structlog.get_logger(__name__)
#: A run takes so many rows at most; the preview says so.
MOST_ROWS = 2000
#: Previews that nobody started are forgotten after this.
FORGOTTEN_AFTER = timedelta(days=1)
#: After so long a worker counts as dead.
_ROW_SECONDS = 120
_DRAIN_SECONDS = 30.0

S = BulkItem.State


class _TakenOver(Exception):
    """Another worker has the row by now: what was done here is taken back."""


class NotChosen(Exception):
    """Nothing is there to be done; ``message`` is in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def choose_rows(*, page: ListPage, action: BulkAction, rows: Sequence[int] | None, query: str, by: User) -> BulkRun:
    """Write down what is to be done with these rows, or (None) with all that the list's address ``query`` finds.

    Nothing happens yet. Rows with which it may not be done are kept with the reason. Raises ``NotChosen``, and
    ``PermissionDenied``.
    """
    if not (by.has_perm(page.permission) and by.has_perm(action.permission)) or page.load is None:
        raise PermissionDenied
    words = keep_words(QueryDict(query))
    if rows is None:
        found = page.narrow(words).order_by(f"-{page.sorts[0].key}", "-pk")
        keys = list(found.values_list("pk", flat=True)[: MOST_ROWS + 1])
    else:
        keys = list(dict.fromkeys(rows))
    if not keys:
        raise NotChosen(_("No row was chosen."))
    items = [
        BulkItem(row=row.pk, title=page.title(row)[:120], note=why, state=S.REFUSED if why else S.WAITING)
        for row in page.load(keys[:MOST_ROWS])
        for why in [action.why_not(row)[:300]]
    ]
    with transaction.atomic():
        run = BulkRun.objects.create(
            page=page.name,
            action=action.name,
            query=words.urlencode() if rows is None else "",
            by=by,
            is_cut=len(keys) > MOST_ROWS,
        )
        for item in items:
            item.run = run
        BulkItem.objects.bulk_create(items)
    return run


def start_run(*, run: BulkRun, reason: str, by: User) -> bool:
    """Have a chosen run done; False where somebody has started it already. Raises ``PermissionDenied``."""
    if run.by_id != by.pk or find_action(run, by) is None:
        raise PermissionDenied
    now = timezone.now()
    with transaction.atomic():
        started = BulkRun.objects.filter(pk=run.pk, state=BulkRun.State.CHOSEN).update(
            state=BulkRun.State.RUNNING, reason=reason.strip()[:300], started_at=now, next_attempt_at=now
        )
        if started:
            async_task("orders.tasks.run_bulk", run.pk, cluster=settings.QUEUES["refresh"])
    return bool(started)


def find_action(run: BulkRun, user: User) -> BulkAction | None:
    """What the run does, where ``user`` may do that."""
    page = LISTS.get(run.page)
    return page.find_action(run.action, user) if page is not None and user.has_perm(page.permission) else None


def due_runs() -> QuerySet[BulkRun]:
    return BulkRun.objects.filter(state=BulkRun.State.RUNNING, next_attempt_at__lte=timezone.now())


def run_due_bulk(*, give_way: Callable[[], bool] = lambda: False) -> None:
    """Go on with what is under way, the oldest first."""
    for run_id in list(due_runs().order_by("next_attempt_at").values_list("pk", flat=True)):
        run_bulk(run_id=run_id, give_way=give_way)
        if give_way():
            return


def run_bulk(*, run_id: int, give_way: Callable[[], bool] = lambda: False) -> int:
    """Do the rows of a run that wait, for a while; returns how many were looked at. Safe to run at any time, twice too.

    What is left is woken again. Not to be called inside a transaction.
    """
    run = BulkRun.objects.select_related("by").get(pk=run_id)
    if run.state != BulkRun.State.RUNNING or run.started_at is None:
        return 0
    page, end, done = LISTS[run.page], monotonic() + _DRAIN_SECONDS, 0
    asked = Asked(by=run.by, reason=run.reason, at=run.started_at)
    action = find_action(run, run.by) if run.by.is_active else None
    # What is written beside a row is read by who asked.
    with translation.override(run.by.language or settings.LANGUAGE_CODE):
        while (item := _claim_next(run)) is not None:
            _do_row(item, page, action, asked)
            done += 1
            if monotonic() > end or give_way():
                break
    left = run.items.filter(state__in=(S.WAITING, S.RUNNING))
    if left.exists():
        # Rows that another worker has are looked at again when it should have ended.
        wait = timedelta(0) if left.filter(state=S.WAITING).exists() else timedelta(seconds=_ROW_SECONDS)
        BulkRun.objects.filter(pk=run.pk).update(next_attempt_at=timezone.now() + wait)
    else:
        BulkRun.objects.filter(pk=run.pk, state=BulkRun.State.RUNNING).update(
            state=BulkRun.State.DONE, finished_at=timezone.now(), next_attempt_at=None
        )
    return done


def _claim_next(run: BulkRun) -> BulkItem | None:
    while True:
        now = timezone.now()
        free = Q(state=S.WAITING) | Q(state=S.RUNNING, claimed_until__lt=now)
        item = run.items.filter(free).order_by("pk").first()
        if item is None:
            return None
        until = now + timedelta(seconds=_ROW_SECONDS)
        mine = BulkItem.objects.filter(free, pk=item.pk, claimed_until=item.claimed_until)
        if mine.update(state=S.RUNNING, claimed_until=until):
            item.claimed_until = until
            return item


def _do_row(item: BulkItem, page: ListPage, action: BulkAction | None, asked: Asked) -> None:
    state, note = S.REFUSED, ""
    row = page.load([item.row]).first() if page.load is not None else None
    if action is None:
        note = _("Whoever asked may no longer do this.")
    elif row is None:
        note = _("It is no longer there.")
    elif not (note := action.why_not(row)):
        try:
            with transaction.atomic():
                action.run(row, asked)
                if not _settle(item, S.DONE):
                    raise _TakenOver
        except _TakenOver:
            return
        except BulkRefused as refused:
            note = refused.message
        except Exception:
            # One row that our program fails over must not keep the others from their turn.
            log.exception("bulk_row_failed", run=item.run_id, row=item.row)
            state, note = S.FAILED, _("Our own program failed: the log says why.")
        else:
            return
    _settle(item, state, note)


def _settle(item: BulkItem, state: str, note: str = "") -> bool:
    """Write down what became of a row, if it is still this worker's."""
    mine = BulkItem.objects.filter(pk=item.pk, state=S.RUNNING, claimed_until=item.claimed_until)
    return bool(mine.update(state=state, note=note[:300], claimed_until=None))


def forget_previews() -> int:
    """Runs that were looked at and never started."""
    old = BulkRun.objects.filter(state=BulkRun.State.CHOSEN, created_at__lt=timezone.now() - FORGOTTEN_AFTER)
    deleted: int = old.delete()[0]
    return deleted
