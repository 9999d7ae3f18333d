"""What the payment service's calls name is read again at the service; nothing is believed from a call itself.

So a repetition, a wrong order or a late one does no harm. The service is asked for each call, so a call is claimed and
no transaction is held meanwhile.
"""

from datetime import timedelta
from time import monotonic
from uuid import UUID

import structlog
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.card import gateway
from orders.card.disputes import refresh_dispute
from orders.card.gateway import CardServiceError, Event
from orders.card.payments import SYSTEM, refresh_card_payment
from orders.card.refunds import refresh_service_refund
from orders.card.waits import GiveWay, lease, never
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.inbox import RetryRefused
from orders.models import Payment, PaymentDelivery
from orders.verdicts import describe_crash

log = structlog.get_logger(__name__)
DS = PaymentDelivery.State

#: A call that cannot be worked off is tried so often, with these waits in between; then it is parked.
_WAITS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
_READ = "read again at the payment service"
_NOT_OURS = "names nothing of ours"


def due_payment_deliveries() -> QuerySet[PaymentDelivery]:
    """Calls that wait to be worked off, the oldest first."""
    return PaymentDelivery.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at", "pk")


def drain_payment_inbox(*, limit: int | None = None, seconds: float = 30.0, give_way: GiveWay = never) -> int:
    """Work off what is due, for at most ``seconds`` and ``limit`` calls; returns how many were.

    Any number of these may run at once. After each call it ends as soon as ``give_way`` says so.
    """
    end, done = monotonic() + seconds, 0
    while monotonic() < end and (pk := due_payment_deliveries().values_list("pk", flat=True).first()) is not None:
        if done == limit or (done and give_way()):
            break
        now = timezone.now()
        due = PaymentDelivery.objects.filter(pk=pk, next_attempt_at__lte=now)
        if due.update(next_attempt_at=now + lease(), attempts=F("attempts") + 1) != 1:
            continue
        _work_off(PaymentDelivery.objects.get(pk=pk))
        pass_checkpoint(Checkpoint.DRAINED, row_id=pk)
        done += 1
    return done


def retry_payment_delivery(*, delivery: PaymentDelivery, by: User) -> None:
    """Have a call worked off once more. Raises ``RetryRefused`` while it waits anyway."""
    if not by.has_perm("orders.handle_paymentdelivery"):
        raise PermissionDenied
    ended = PaymentDelivery.objects.filter(pk=delivery.pk).exclude(state=DS.NEW)
    changed = ended.update(state=DS.NEW, attempts=0, next_attempt_at=timezone.now(), handled_at=None)
    if not changed:
        raise RetryRefused(_("This delivery waits to be worked off already."))
    log.info("payment_delivery_retried", delivery=delivery.pk, by=by.pk)


def _work_off(row: PaymentDelivery) -> None:
    try:
        note = _follow(gateway.read_stored_event(bytes(row.body or b"")))
    except (CardServiceError, ImproperlyConfigured) as error:
        _try_later(row, str(error))
    except Exception as error:  # noqa: BLE001  (one poisoned call must not keep the others waiting)
        crash = describe_crash(error)
        log.warning("payment_delivery_crashed", delivery=row.pk, crash=crash)
        _try_later(row, f"our program failed over it ({crash})")
    else:
        _finish(row, DS.APPLIED if note == _READ else DS.IGNORED, note)


def _follow(event: Event) -> str:
    """Read what the call is about; a note for staff. Raises ``CardServiceError``."""
    if event.object_kind == "dispute":
        return _READ if refresh_dispute(dispute_id=event.object_id, by=SYSTEM) else _NOT_OURS
    if event.object_kind not in ("payment_intent", "charge", "refund"):
        return "an event that asks for nothing"
    payment = _find_payment(event)
    if payment is None:
        return _NOT_OURS
    if event.object_kind == "refund":
        refresh_service_refund(payment=payment, refund_id=event.object_id, by=SYSTEM)
        return _READ
    refresh_card_payment(payment=payment, by=SYSTEM, intent_id=event.intent_id)
    if event.kind == "charge.refunded":
        for found in reversed(gateway.list_refunds(event.intent_id)):
            refresh_service_refund(payment=payment, refund_id=found.id, by=SYSTEM)
    return _READ


def _find_payment(event: Event) -> Payment | None:
    """By the service's name, or by our key where we know another or none: the answer that told it was lost."""
    known = Payment.objects.filter(intent_id=event.intent_id).first() if event.intent_id else None
    try:
        key = UUID(event.key)
    except ValueError:
        return known
    return known or Payment.objects.filter(method=Payment.Method.CARD, form_key=key).first()


def _finish(row: PaymentDelivery, state: str, note: str) -> None:
    _save(row, state=state, note=note, handled_at=timezone.now(), next_attempt_at=None)


def _try_later(row: PaymentDelivery, note: str) -> None:
    if row.attempts > len(_WAITS):
        log.error("payment_delivery_parked", delivery=row.pk)
        _finish(row, DS.PARKED, note)
        return
    _save(row, note=note, next_attempt_at=timezone.now() + _WAITS[row.attempts - 1])


def _save(row: PaymentDelivery, **fields: object) -> None:
    """Unless somebody else has taken it over meanwhile, or asked for it anew."""
    if "note" in fields:
        fields["note"] = str(fields["note"])[:300]
    PaymentDelivery.objects.filter(pk=row.pk, attempts=row.attempts, state=DS.NEW).update(**fields)
