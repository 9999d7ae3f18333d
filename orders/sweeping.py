"""Taking over from workers that died: nothing that was sent stays without an outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from orders.applying import NO_ANSWER, apply_verdict, digest_reply
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import Purchase, PurchaseAttempt
from orders.states import lock_purchase
from orders.verdicts import describe_crash
from providers.errors import OutcomeUnknown

log = structlog.get_logger(__name__)
BY = "sweeper"

#: A stored reply is applied by the worker that got it; after so long by the sweeper too.
_PATIENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What one sweep did: replies that nobody had applied, and orders whose worker left no reply."""

    applied: int
    lost: int

    @property
    def total(self) -> int:
        return self.applied + self.lost


def sweep_purchases() -> Sweep:
    """Apply stored replies that nobody applied, then rule on orders that are past their deadline without a reply.

    Nothing is sent here. Any number of sweeps may run at once, and beside a worker that is only slow: whoever locks
    the purchase first decides, and a late reply is applied all the same.
    """
    replies = list(waiting_replies().values_list("pk", flat=True))
    applied = sum(_try(_digest, attempt_id) for attempt_id in replies)
    overdue = list(overdue_purchases().values_list("pk", flat=True))
    lost = sum(_try(_rule_on, purchase_id) for purchase_id in overdue)
    if applied or lost:
        log.warning("purchases_swept", applied=applied, lost=lost)
    return Sweep(applied=applied, lost=lost)


def waiting_replies() -> QuerySet[PurchaseAttempt]:
    """Order replies that are stored and not applied, though their worker had the time, or is past its deadline."""
    now = timezone.now()
    stored = PurchaseAttempt.objects.filter(
        kind=PurchaseAttempt.Kind.ORDER, outcome__in=PurchaseAttempt.NOT_JUDGED, received_at__isnull=False
    )
    late = Q(received_at__lt=now - _PATIENCE)
    overdue = Q(purchase__state=Purchase.State.SENDING, purchase__claim_until__lt=now)
    return stored.filter(late | overdue).order_by("received_at", "pk")


def overdue_purchases() -> QuerySet[Purchase]:
    """Orders that are being sent beyond their deadline."""
    overdue = Purchase.objects.filter(state=Purchase.State.SENDING, claim_until__lt=timezone.now())
    return overdue.order_by("claim_until", "pk")


def _try(work: Callable[[int], bool], row_id: int) -> bool:
    try:
        return work(row_id)
    except Exception as error:  # noqa: BLE001  (one row must not keep the others waiting; it stays for the next sweep)
        log.critical("sweep_crashed", step=work.__name__, row=row_id, crash=describe_crash(error))
        return False


def _digest(attempt_id: int) -> bool:
    digest_reply(attempt_id=attempt_id, by=BY)
    return True


def _rule_on(purchase_id: int) -> bool:
    """Rule 4 for an order whose worker left no reply; whether it was for us to rule."""
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.state != Purchase.State.SENDING or purchase.claim_until is None:
            return False
        if purchase.claim_until >= timezone.now():
            return False
        attempt = PurchaseAttempt.objects.get(purchase=purchase, claim=purchase.claim)
    pass_checkpoint(Checkpoint.RULING, row_id=purchase_id)
    if attempt.received_at is not None:
        digest_reply(attempt_id=attempt.pk, by=BY)
        return True
    error = OutcomeUnknown("No answer came before the deadline, or the worker died.", code=NO_ANSWER)
    apply_verdict(attempt_id=attempt.pk, verdict=error, by=BY)
    return True
