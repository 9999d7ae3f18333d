"""What providers' calls name is looked at again: an order that allocates is asked for, a line or its use is read.

Nothing is believed from a delivery, so a repetition, a wrong order or a late one does no harm: what is stored moves
only by what the provider answers to a question. All of it is database work; calls are other jobs'.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.hints import follow_hints
from orders.verdicts import describe_crash
from providers.encryption import decrypt
from providers.models import ProviderAccount, WebhookDelivery
from providers.reading import UnreadableError
from providers.registry import get_provider
from providers.types import WebhookHint

log = structlog.get_logger(__name__)
DS = WebhookDelivery.State

#: So many deliveries of one account are worked off together: far fewer statements, and still over in some hundredths
#: of a second, for which a repetition of one of them waits at the door.
_BATCH = 50
#: A delivery over which our program fails is tried so often, with these waits in between; then it is parked.
_WAITS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))


class RetryRefused(Exception):
    """The delivery cannot be tried again; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def due_deliveries() -> QuerySet[WebhookDelivery]:
    """Deliveries that wait to be worked off, the oldest first."""
    return WebhookDelivery.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at", "pk")


def drain_inbox(*, limit: int | None = None, seconds: float = 30.0, give_way: Callable[[], bool] | None = None) -> int:
    """Work off what is due, for about ``seconds`` and ``limit`` deliveries; returns how many were.

    Accounts take turns: the flood of one keeps no other waiting. After each round it ends as soon as ``give_way`` says
    so. Any number of these may run at once: each takes rows that no other holds.
    """
    end, done = monotonic() + seconds, 0
    accounts = list(ProviderAccount.objects.order_by("pk").values_list("pk", flat=True))
    while accounts and monotonic() < end and not (done and give_way is not None and give_way()):
        for account_id in list(accounts):
            room = _BATCH if limit is None else min(_BATCH, limit - done)
            taken = _take_turn(account_id, room) if room > 0 else 0
            done += taken
            if not taken:
                accounts.remove(account_id)
    return done


def retry_delivery(*, delivery: WebhookDelivery, by: User) -> None:
    """Have a delivery worked off once more. Raises ``RetryRefused`` while it waits anyway."""
    if not by.has_perm("providers.handle_delivery"):
        raise PermissionDenied
    now = timezone.now()
    changed = (
        WebhookDelivery.objects.filter(pk=delivery.pk)
        .exclude(state=DS.NEW)
        .update(state=DS.NEW, attempts=0, next_attempt_at=now, handled_at=None)
    )
    if not changed:
        raise RetryRefused(_("This delivery waits to be worked off already."))
    log.info("delivery_retried", delivery=delivery.pk, by=by.pk)


# -- a turn of an account ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A delivery and what it names, or why that cannot be said."""

    row: WebhookDelivery
    hints: Sequence[WebhookHint] = ()
    #: With which state it ends unfollowed, and the note; "" for the state: it is tried again.
    failed: tuple[str, str] | None = None


def _take_turn(account_id: int, size: int) -> int:
    """Work off up to ``size`` deliveries of an account together; one by one where our program fails over one."""
    try:
        return _work_off(account_id, size)
    except Exception as error:  # noqa: BLE001  (one poisoned delivery must not keep the others waiting)
        # Nothing of it was written. Each then has a transaction of its own, as if the others were not there.
        log.warning("deliveries_taken_one_by_one", account=account_id, crash=describe_crash(error))
        done = 0
        while done < size and _work_off(account_id, 1):
            done += 1
        return done


def _work_off(account_id: int, size: int) -> int:
    """In one transaction. All that the deliveries touch is locked together and in one order (``follow_hints``)."""
    with transaction.atomic(durable=True):
        due = due_deliveries().filter(account_id=account_id).select_for_update(skip_locked=True, of=("self",))
        # As stored: a body whose key is gone must not keep the others from being read.
        sealed = due.defer("body").annotate(sealed=Cast("body", TextField())).select_related("account")
        rows = list(sealed[:size])
        if not rows:
            return 0
        slug = rows[0].account.slug
        read = [_read(row) for row in rows]
        good = [one for one in read if one.failed is None]
        try:
            with transaction.atomic():
                answers = follow_hints(account_id=account_id, slug=slug, deliveries=[one.hints for one in good])
        except Exception as error:
            if size > 1:
                raise
            crash = describe_crash(error)
            log.warning("delivery_crashed", delivery=rows[0].pk, crash=crash)
            _try_later(rows[0], f"our program failed over it ({crash})")
        else:
            _finish([(one, *answer) for one, answer in zip(good, answers, strict=True)])
        _finish([(one, *one.failed) for one in read if one.failed is not None and one.failed[0]])
        for one in read:
            if one.failed is not None and not one.failed[0]:
                _try_later(one.row, one.failed[1])
        for row in rows:
            pass_checkpoint(Checkpoint.DRAINING, row_id=row.pk)
    for row in rows:
        pass_checkpoint(Checkpoint.DRAINED, row_id=row.pk)
    return len(rows)


def _read(row: WebhookDelivery) -> _Read:
    """What a delivery names. Never raises: what is poisoned fails here, alone."""
    sealed: str = row.sealed  # type: ignore[attr-defined]
    try:
        body = decrypt(sealed) if sealed else b""
    except ImproperlyConfigured as error:
        return _Read(row=row, failed=("", str(error)))
    try:
        return _Read(row=row, hints=get_provider(row.account.slug).read_webhook(body))
    except UnreadableError as error:
        return _Read(row=row, failed=(DS.NOT_UNDERSTOOD, f"it cannot be read: {error}"))
    except ImproperlyConfigured:
        return _Read(row=row, failed=("", "the account is not configured"))
    except Exception as error:  # noqa: BLE001  (one poisoned delivery must not keep the others waiting)
        crash = describe_crash(error)
        log.warning("delivery_crashed", delivery=row.pk, crash=crash)
        return _Read(row=row, failed=("", f"our program failed over it ({crash})"))


def _finish(done: Sequence[tuple[_Read, str, str]]) -> None:
    """Write down what came of deliveries; those that ended alike in one statement."""
    alike: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for one, state, note in done:
        kind, word = (one.hints[0].kind.value, one.hints[0].word[:60]) if one.hints else (one.row.kind, one.row.word)
        alike[state, note[:300], kind, word].append(one.row.pk)
    now = timezone.now()
    for (state, note, kind, word), keys in alike.items():
        WebhookDelivery.objects.filter(pk__in=keys).update(
            state=state,
            note=note,
            kind=kind,
            word=word,
            attempts=F("attempts") + 1,
            handled_at=now,
            next_attempt_at=None,
        )


def _try_later(row: WebhookDelivery, note: str) -> None:
    """Again after a wait, or parked after too many tries."""
    row.attempts += 1
    row.note = note[:300]
    if row.attempts > len(_WAITS):
        log.error("delivery_parked", delivery=row.pk, account=row.account.slug)
        row.state, row.handled_at, row.next_attempt_at = DS.PARKED, timezone.now(), None
    else:
        row.next_attempt_at = timezone.now() + _WAITS[row.attempts - 1]
    row.save(update_fields=["state", "note", "attempts", "handled_at", "next_attempt_at"])
