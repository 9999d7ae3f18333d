"""What providers' calls name is looked at again: an order that allocates is asked for, a line or its use is read.

Nothing is believed from a delivery, so a repetition, a wrong order or a late one does no harm: what is stored moves
only by what the provider answers to a question. All of it is database work, delivery by delivery; calls are other
jobs'.
"""

from collections.abc import Callable, Iterable
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
        if row is None:
            break
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


def _follow(row: WebhookDelivery, hints: Iterable[WebhookHint]) -> tuple[str, str]:
    """Do what the hints ask for; the delivery's new state and a note for staff."""
    notes, is_known = [], True
    for hint in hints:
        if hint.kind is WebhookKind.HEALTH_CHECK:
            notes.append("the provider tried whether we answer")
            continue
        is_known = is_known and hint.kind is not WebhookKind.UNKNOWN
        woken = _wake_orders(row.account_id, hint) + _wake_lines(row, hint)
        notes.append(f"{woken} to be read again" if woken else "names nothing of ours")
    if not notes:
        return DS.NOT_UNDERSTOOD, "it names nothing"
    note = "; ".join(dict.fromkeys(notes))
    if not is_known:
        return DS.NOT_UNDERSTOOD, f"an unknown event; {note}"
    return (DS.APPLIED if "read again" in note else DS.IGNORED), note


def _wake_orders(account_id: int, hint: WebhookHint) -> int:
    """Ask at once for an order that allocates; one by form waits for its file, whatever is said."""
    by = Q()
    if hint.order_ref:
        by |= Q(provider_order_ref=hint.order_ref) | Q(transaction_id=hint.order_ref)
    if hint.order_key:
        by |= Q(idempotency_key=hint.order_key)
    if not by:
        return 0
    waiting = Purchase.objects.filter(by, account_id=account_id, state=Purchase.State.ALLOCATING)
    return waiting.exclude(order_line__kind__in=OrderLine.BY_FORM).update(next_attempt_at=timezone.now())


def _wake_lines(row: WebhookDelivery, hint: WebhookHint) -> int:
    """Make the lines that a hint means due: only their use where that can be read alone and only that moved."""
    if not offers(row.account.slug, Capability.READ_LINE):
        return 0
    lines = _find_lines(row.account_id, hint)
    if lines is None:
        return 0
    now = timezone.now()
    # Locked in the order in which readings lock them: two never wait for each other in a circle.
    list(Esim.objects.select_for_update(of=("self",)).filter(pk__in=lines).order_by("pk").values_list("pk"))
    live = Esim.objects.filter(pk__in=lines).exclude(state__in=_ENDED_VALUES)
    if hint.kind is WebhookKind.USAGE and offers(row.account.slug, Capability.USAGE_BATCH):
        return live.update(next_usage_at=now)
    return live.update(next_refresh_at=now)


def _find_lines(account_id: int, hint: WebhookHint) -> list[int] | None:
    """The lines that a hint names, by the surest of what it names; None where it names no line of ours.

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
    return None


def _lines_with_package(order_ref: str) -> QuerySet[Package, int]:
    return Package.objects.filter(order_ref=order_ref).values_list("esim_id", flat=True)
