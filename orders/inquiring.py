"""Asking the provider what became of a request, until all of it is here or it is clear that no more will come.

Three ways (``waiting.Look``): by the provider's transaction, by our own key where its answer was lost, and for a top-up
by a fresh look at the line. Each only reads: it may be done twice; only the newest one is counted as a confirmation.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from esims.models import Esim
from esims.refresh import refresh_line
from orders.answers import Answer, apply_answer
from orders.call_log import log_calls_of
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.delivering import apply_in_transaction
from orders.models import Purchase, PurchaseAttempt
from orders.settling import find_provider, park_unknown
from orders.states import lock_purchase, next_attempt_number
from orders.verdicts import describe_crash
from orders.waiting import Look, find_look
from providers.base import Provider
from providers.errors import ProviderError
from providers.types import Capability, Priority, TransactionRecord

log = structlog.get_logger(__name__)
PS = Purchase.State
BY = "inquiry"

#: A worker that asks has the purchase for itself so long; then another may ask.
_LEASE = timedelta(minutes=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """The right to ask once; its attempt is committed."""

    attempt_id: int
    purchase_id: int
    number: int
    look: Look
    transaction_id: str
    key: str
    sent_at: datetime
    esim_id: int | None
    #: What ``next_attempt_at`` was set to meanwhile: another value says that somebody called for a look since.
    lease: datetime


def run_inquiry(*, purchase_id: int) -> str:
    """Ask once about an allocating purchase whose inquiry is due, and apply the answer; returns the attempt's outcome.

    When the provider can no longer be asked the purchase goes to the staff as ``unknown``.
    """
    slug = Purchase.objects.values_list("account__slug", flat=True).get(pk=purchase_id)
    provider = find_provider(slug)
    inquiry = _claim_inquiry(purchase_id, provider)
    if inquiry is None or provider is None:
        return ""
    pass_checkpoint(Checkpoint.ASKING, row_id=purchase_id)
    answer = _ask(provider, inquiry)
    pass_checkpoint(Checkpoint.ASKED, row_id=purchase_id)
    try:
        outcome = _apply(inquiry, answer, provider)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  (asked again later; a person is told when it lasts)
        crash = describe_crash(error)
        log.critical("answer_not_applied", purchase=purchase_id, crash=crash)
        outcome = _apply(inquiry, f"Our program failed over what it found ({crash}).", provider)
    pass_checkpoint(Checkpoint.APPLIED, row_id=purchase_id)
    return outcome


def _apply(inquiry: Inquiry, answer: Answer, provider: Provider) -> str:
    def apply() -> str:
        outcome = apply_answer(
            purchase_id=inquiry.purchase_id,
            attempt_id=inquiry.attempt_id,
            number=inquiry.number,
            lease=inquiry.lease,
            answer=answer,
            provider=provider,
            by=BY,
        )
        pass_checkpoint(Checkpoint.APPLYING, row_id=inquiry.purchase_id)
        return outcome

    return apply_in_transaction(apply)


def _claim_inquiry(purchase_id: int, provider: Provider | None) -> Inquiry | None:
    now = timezone.now()
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.state != PS.ALLOCATING or purchase.next_attempt_at is None or purchase.next_attempt_at > now:
            return None
        look = find_look(purchase, provider)
        if look is None:
            why = "the provider can no longer be asked about it: enter what its portal says"
            park_unknown(purchase, by=BY, why=why)
            return None
        number, lease = purchase.inquiries_made + 1, now + _LEASE
        claimed = Purchase.objects.filter(
            pk=purchase_id, state=PS.ALLOCATING, inquiries_made=number - 1, next_attempt_at__lte=now
        ).update(inquiries_made=number, next_attempt_at=lease)
        if claimed != 1:
            return None
        attempt = PurchaseAttempt.objects.create(
            purchase=purchase,
            number=next_attempt_number(purchase),
            kind=look.value,
            request=_describe(purchase, look),
            started_at=now,
        )
    return Inquiry(
        attempt_id=attempt.pk,
        purchase_id=purchase_id,
        number=number,
        look=look,
        transaction_id=purchase.transaction_id,
        key=purchase.idempotency_key,
        sent_at=purchase.first_sent_at or purchase.created_at,
        esim_id=purchase.order_line.esim_id,
        lease=lease,
    )


def _describe(purchase: Purchase, look: Look) -> dict[str, str]:
    if look is Look.INQUIRY:
        return {"transaction": purchase.transaction_id}
    if look is Look.LOOKUP:
        return {"key": purchase.idempotency_key}
    return {"line": purchase.order_line.esim.provider_ref if purchase.order_line.esim else ""}


def _ask(provider: Provider, inquiry: Inquiry) -> Answer:
    """What was found, the error that the provider or the way to it gave, or what of ours crashed."""
    try:
        with log_calls_of(inquiry.attempt_id):
            return _look(provider, inquiry)
    except ProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001  (asked again later; the reason is on the attempt)
        crash = describe_crash(error)
        log.warning("inquiry_crashed", purchase=inquiry.purchase_id, crash=crash)
        return f"Our program failed over the inquiry ({crash})."


def _look(provider: Provider, inquiry: Inquiry) -> TransactionRecord | Esim | None:
    if inquiry.look is Look.INQUIRY:
        record = provider.read_transaction(inquiry.transaction_id)
        if record.is_missing and Capability.ORDER_LOOKUP in provider.offered:
            # Its number may be wrong, or not be known there yet: our own key is certain.
            return provider.find_order(inquiry.key, sent_at=inquiry.sent_at) or record
        return record
    if inquiry.look is Look.LOOKUP:
        return provider.find_order(inquiry.key, sent_at=inquiry.sent_at)
    if inquiry.esim_id is None:
        return None
    return refresh_line(esim_id=inquiry.esim_id, priority=Priority.PEOPLE, by=BY)
