"""Disputes: a customer's bank takes a card payment back, for now or for good."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.card import gateway
from orders.card.amounts import from_minor
from orders.card.gateway import NotDone, ServiceDispute
from orders.models import Dispute, Payment
from orders.states import lock_order, note_event

log = structlog.get_logger(__name__)
DS = Dispute.State

#: So often a dispute is read again that somebody else changed here while it was being read.
_READINGS = 3

Seen = tuple[str, bool, Decimal, datetime | None]

#: The service's words; what is not here is open. An inquiry that was closed took nothing.
STATES: Mapping[str, str] = {"won": DS.WON, "lost": DS.LOST, "warning_closed": DS.WON, "prevented": DS.WON}


class DisputeRefused(Exception):
    """The dispute cannot be settled; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def disputes_for_a_person() -> QuerySet[Dispute]:
    """Those that are open, and lost ones that nobody has settled."""
    return Dispute.objects.filter(Q(state=DS.OPEN) | Q(state=DS.LOST, settled_at__isnull=True))


def refresh_dispute(*, dispute_id: str, by: str) -> bool:
    """Read it at the service and keep what it says; whether it is about a payment of ours.

    What another worker kept meanwhile may be newer: then it is read again. Raises ``CardServiceError``.
    """
    for _number in range(_READINGS):
        seen = _look(dispute_id)
        found = gateway.read_dispute(dispute_id)
        payment = Payment.objects.filter(intent_id=found.intent_id).first() if found.intent_id else None
        if payment is None:
            return False
        if _apply(found, payment, seen, by=by):
            return True
    raise NotDone("It was changed each time it was read")


def _look(dispute_id: str) -> Seen | None:
    """What our row says, to be compared with later; None: we have none."""
    rows = Dispute.objects.filter(dispute_id=dispute_id)
    return rows.values_list("raw_state", "is_withdrawn", "amount", "evidence_due_at").first()


def _apply(found: ServiceDispute, payment: Payment, seen: Seen | None, *, by: str) -> bool:
    """Make our row say what the service said, where it is still as it was seen before; whether it is.

    One that was closed is not opened again.
    """
    with transaction.atomic():
        order = lock_order(payment.order_id)
        payment = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        known = Dispute.objects.select_for_update().filter(dispute_id=found.id).first()
        if _look(found.id) != seen:
            return False
        dispute = known or Dispute(dispute_id=found.id, payment=payment, opened_at=found.opened_at)
        before = (dispute.state, dispute.is_withdrawn) if known else None
        state = STATES.get(found.status, DS.OPEN)
        if known is not None and known.state != DS.OPEN and state == DS.OPEN:
            return True
        for name, value in _read_fields(found, state, dispute).items():
            setattr(dispute, name, value)
        dispute.save()
        if before != (dispute.state, dispute.is_withdrawn):
            amount = {"amount": str(dispute.amount), "currency": dispute.currency}
            facts = {**amount, "new": dispute.state, "withdrawn": dispute.is_withdrawn}
            note_event(order, kind="dispute.state", by=by, why=dispute.reason, facts=facts)
            alarm = {"dispute": dispute.pk, "order": order.number, "state": str(dispute.state)}
            transaction.on_commit(lambda: log.error("payment_disputed", **alarm))
    return True


def settle_dispute(*, dispute: Dispute, by: User) -> None:
    """Record that a person has looked at a lost one and closed it here too. Raises ``DisputeRefused``."""
    if not by.has_perm("orders.handle_payment"):
        raise PermissionDenied
    with transaction.atomic():
        order = lock_order(dispute.payment.order_id)
        locked = Dispute.objects.select_for_update().get(pk=dispute.pk)
        if locked.settled_at is not None:
            return
        if locked.state != DS.LOST:
            raise DisputeRefused(
                _("Only a dispute that was lost is settled here; this one is “%(state)s”.")
                % {"state": locked.get_state_display()}
            )
        locked.settled_at, locked.settled_by = timezone.now(), by.email
        locked.save(update_fields=["settled_at", "settled_by"])
        note_event(order, kind="dispute.settled", by=by.email)


def _read_fields(found: ServiceDispute, state: str, dispute: Dispute) -> Mapping[str, Any]:
    closed = None if state == DS.OPEN else dispute.closed_at or timezone.now()
    return {
        "state": state,
        "raw_state": found.status[:40],
        "reason": found.reason[:80],
        "amount": from_minor(found.amount, found.currency),
        "currency": found.currency,
        "is_withdrawn": found.is_withdrawn,
        "evidence_due_at": found.due_at,
        "closed_at": closed,
    }
