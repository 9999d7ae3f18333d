"""What providers' calls name is looked at again: an order that allocates is asked for, a line or its use is read.

Nothing is believed from a delivery, so a repetition, a wrong order or a late one does no harm: what is stored moves
only by what the provider answers to a question. All of it is database work, delivery by delivery; calls are other
jobs'.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from esims.models import Esim, Package
from esims.states import ENDED
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import OrderLine, Purchase
from orders.verdicts import describe_crash
from providers.models import WebhookDelivery
from providers.reading import UnreadableError
from providers.registry import get_provider, offers
from providers.types import Capability, WebhookHint, WebhookKind

log = structlog.get_logger(__name__)
DS = WebhookDelivery.State

#: A delivery over which our program fails is tried so often, with these waits in between; then it is parked.
_WAITS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
_ENDED_VALUES = tuple(state.value for state in ENDED)


class RetryRefused(Exception):
    """The delivery cannot be tried again; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def due_deliveries() -> QuerySet[WebhookDelivery]:
    """Deliveries that wait to be worked off, the oldest first."""
    return WebhookDelivery.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at", "pk")


def drain_inbox(*, limit: int | None = None, seconds: float = 30.0) -> int:
    """Work off what is due, for at most ``seconds`` and about ``limit`` deliveries; returns how many were.

    Any number of these may run at once: each takes rows that no other holds.
    """
    end, done = monotonic() + seconds, 0
    while monotonic() < end and (limit is None or done < limit):
        # One by one: what two deliveries touch, in whatever order, is never locked together.
        with transaction.atomic(durable=True):
            waiting = due_deliveries().select_for_update(skip_locked=True, of=("self",)).select_related("account")
            row = waiting.first()
            if row is not None:
                _work_off(row)
                pass_checkpoint(Checkpoint.DRAINING, row_id=row.pk)
        if row is None:
            break
        pass_checkpoint(Checkpoint.DRAINED, row_id=row.pk)
        done += 1
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


def _work_off(row: WebhookDelivery) -> None:
    row.attempts += 1
    try:
        with transaction.atomic():
            hints = get_provider(row.account.slug).read_webhook(bytes(row.body or b""))
            state, note = _follow(row, hints)
    except UnreadableError as error:
        _finish(row, DS.NOT_UNDERSTOOD, note=f"it cannot be read: {error}")
    except ImproperlyConfigured:
        _try_later(row, "the account is not configured")
    except Exception as error:  # noqa: BLE001  (one poisoned delivery must not keep the others waiting)
        crash = describe_crash(error)
        log.warning("delivery_crashed", delivery=row.pk, crash=crash)
        _try_later(row, f"our program failed over it ({crash})")
    else:
        if hints:
            row.kind, row.word = hints[0].kind.value, hints[0].word[:60]
        _finish(row, state, note=note)


def _finish(row: WebhookDelivery, state: str, *, note: str) -> None:
    row.state, row.note = state, note[:300]
    row.handled_at, row.next_attempt_at = timezone.now(), None
    _save(row)


def _try_later(row: WebhookDelivery, note: str) -> None:
    if row.attempts > len(_WAITS):
        log.error("delivery_parked", delivery=row.pk, account=row.account.slug)
        _finish(row, DS.PARKED, note=note)
        return
    row.note, row.next_attempt_at = note[:300], timezone.now() + _WAITS[row.attempts - 1]
    _save(row)


def _save(row: WebhookDelivery) -> None:
    row.save(update_fields=["state", "note", "attempts", "kind", "word", "handled_at", "next_attempt_at"])


# -- following a hint -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """The rows that a hint names: purchases that wait for their outcome, and lines."""

    hint: WebhookHint
    purchases: Sequence[int]
    lines: Sequence[int]


def _follow(row: WebhookDelivery, hints: Iterable[WebhookHint]) -> tuple[str, str]:
    """Do what the hints ask for; the delivery's new state and a note for staff."""
    meant = [_find_meant(row, hint) for hint in hints]
    # Locked as every purchase locks: purchases before lines, each in the order of their keys. Whatever order a delivery
    # names them in, two transactions never wait for each other in a circle.
    for model, field in ((Purchase, "purchases"), (Esim, "lines")):
        keys = {pk for one in meant for pk in getattr(one, field)}
        list(model.objects.select_for_update(of=("self",)).filter(pk__in=keys).order_by("pk").values_list("pk"))
    notes = [_wake(row, one) for one in meant]
    if all(one.hint.kind is WebhookKind.HEALTH_CHECK for one in meant):
        return (DS.IGNORED, notes[0]) if notes else (DS.NOT_UNDERSTOOD, "it names nothing")
    note = "; ".join(dict.fromkeys(notes))
    if any(one.hint.kind is WebhookKind.UNKNOWN for one in meant):
        return DS.NOT_UNDERSTOOD, f"an unknown event; {note}"
    return (DS.APPLIED if "read again" in note else DS.IGNORED), note


def _find_meant(row: WebhookDelivery, hint: WebhookHint) -> _Meant:
    if hint.kind is WebhookKind.HEALTH_CHECK:
        return _Meant(hint=hint, purchases=(), lines=())
    tells_lines = offers(row.account.slug, Capability.READ_LINE)
    lines = _find_lines(row.account_id, hint) if tells_lines else ()
    return _Meant(hint=hint, purchases=_find_purchases(row.account_id, hint), lines=lines)


def _wake(row: WebhookDelivery, meant: _Meant) -> str:
    """Make due what a hint means; a note for staff.

    Of a line only the use, where that can be read alone and only that moved. An order is asked for at once.
    """
    if meant.hint.kind is WebhookKind.HEALTH_CHECK:
        return "the provider tried whether we answer"
    now = timezone.now()
    waiting = Purchase.objects.filter(pk__in=meant.purchases, state=Purchase.State.ALLOCATING)
    live = Esim.objects.filter(pk__in=meant.lines).exclude(state__in=_ENDED_VALUES)
    is_use = meant.hint.kind is WebhookKind.USAGE and offers(row.account.slug, Capability.USAGE_BATCH)
    woken = waiting.update(next_attempt_at=now) + live.update(**{"next_usage_at" if is_use else "next_refresh_at": now})
    return f"{woken} to be read again" if woken else "names nothing of ours"


def _find_purchases(account_id: int, hint: WebhookHint) -> list[int]:
    """The orders that allocate and that a hint names; one by form waits for its file, whatever is said."""
    by = Q()
    if hint.order_ref:
        by |= Q(provider_order_ref=hint.order_ref) | Q(transaction_id=hint.order_ref)
    if hint.order_key:
        by |= Q(idempotency_key=hint.order_key)
    if not by:
        return []
    waiting = Purchase.objects.filter(by, account_id=account_id, state=Purchase.State.ALLOCATING)
    return list(waiting.exclude(order_line__kind__in=OrderLine.BY_FORM).values_list("pk", flat=True))


def _find_lines(account_id: int, hint: WebhookHint) -> list[int]:
    """The lines that a hint names, by the surest of what it names; none where it names no line of ours.

    An ICCID alone may have been given to several lines one after the other: the newest is meant then.
    """
    ours = Esim.objects.filter(account_id=account_id)
    ways: tuple[tuple[bool, Callable[[], QuerySet[Esim]]], ...] = (
        (bool(hint.provider_ref), lambda: ours.filter(provider_ref=hint.provider_ref)),
        (
            bool(hint.order_ref and hint.iccid),
            lambda: ours.filter(order_ref=hint.order_ref, iccid=hint.iccid),
        ),
        (bool(hint.order_ref), lambda: ours.filter(pk__in=_lines_with_package(hint.order_ref))),
        (bool(hint.iccid), lambda: ours.filter(iccid=hint.iccid).order_by("-created_at", "-pk")[:1]),
        (bool(hint.order_ref and not hint.iccid), lambda: ours.filter(order_ref=hint.order_ref)),
    )
    for applies, find in ways:
        if applies and (found := list(find().values_list("pk", flat=True)[:50])):
            return found
    return []


def _lines_with_package(order_ref: str) -> QuerySet[Package, int]:
    return Package.objects.filter(order_ref=order_ref).values_list("esim_id", flat=True)
