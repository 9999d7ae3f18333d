"""Asking the provider what it holds under a transaction of ours, until all lines are here or it is clear that none
more will come. An inquiry only reads: it may be made twice; only the newest one is counted as a confirmation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from esims.lifecycle import LineAlreadyHeld
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.delivering import deliver_refs
from orders.models import Purchase, PurchaseAttempt
from orders.settling import ask_about_oddities, find_provider, move_or_stay, park_unknown
from orders.states import lock_purchase, save_purchase, settle_purchase
from orders.verdicts import describe_crash
from orders.waiting import is_inquirable, wait_for_retry
from providers.base import Provider
from providers.errors import ProviderError, RateLimited, Rejected
from providers.types import TransactionRecord

log = structlog.get_logger(__name__)
PS = Purchase.State
BY = "inquiry"

#: A worker that asks has the purchase for itself so long; then another may ask.
_LEASE = timedelta(minutes=3)
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    attempt_id: int
    purchase_id: int
    number: int
    transaction_id: str


def run_inquiry(*, purchase_id: int) -> str:
    """Ask once about an allocating purchase whose inquiry is due, and apply the answer; returns the attempt's outcome.

    When the provider can no longer be asked the purchase goes to the staff as ``unknown``.
    """
    slug = Purchase.objects.values_list("account__slug", flat=True).get(pk=purchase_id)
    provider = find_provider(slug)
    inquiry = _claim_inquiry(purchase_id, provider)
    if inquiry is None or provider is None:
        return ""
    answer = _ask(provider, inquiry)
    pass_checkpoint(Checkpoint.ASKED, purchase_id=purchase_id)
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic(durable=True):
                outcome = _apply_answer(inquiry, answer)
        except LineAlreadyHeld:
            if not remaining:
                raise
        else:
            break
    return outcome


def _claim_inquiry(purchase_id: int, provider: Provider | None) -> Inquiry | None:
    now = timezone.now()
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.state != PS.ALLOCATING or purchase.next_attempt_at is None or purchase.next_attempt_at > now:
            return None
        if not is_inquirable(purchase, provider):
            why = "the provider can no longer be asked about this transaction: enter what its portal says"
            park_unknown(purchase, by=BY, why=why)
            return None
        number = purchase.inquiries_made + 1
        claimed = Purchase.objects.filter(
            pk=purchase_id, state=PS.ALLOCATING, inquiries_made=number - 1, next_attempt_at__lte=now
        ).update(inquiries_made=number, next_attempt_at=now + _LEASE)
        if claimed != 1:
            return None
        last = purchase.attempts.aggregate(last=Max("number"))["last"] or 0
        attempt = PurchaseAttempt.objects.create(
            purchase=purchase,
            number=last + 1,
            kind=PurchaseAttempt.Kind.INQUIRY,
            request={"transaction": purchase.transaction_id},
            started_at=now,
        )
    return Inquiry(
        attempt_id=attempt.pk, purchase_id=purchase_id, number=number, transaction_id=purchase.transaction_id
    )


def _ask(provider: Provider, inquiry: Inquiry) -> TransactionRecord | ProviderError | str:
    """The record, the error that the provider or the way to it gave, or what of ours crashed."""
    try:
        return provider.read_transaction(inquiry.transaction_id)
    except ProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001  (asked again later; the reason is on the attempt)
        crash = describe_crash(error)
        log.warning("inquiry_crashed", purchase=inquiry.purchase_id, crash=crash)
        return f"Our program failed over the inquiry ({crash})."


def _apply_answer(inquiry: Inquiry, answer: TransactionRecord | ProviderError | str) -> str:
    purchase = lock_purchase(inquiry.purchase_id)
    attempt = PurchaseAttempt.objects.get(pk=inquiry.attempt_id)
    attempt.received_at = timezone.now()
    newest = purchase.state == PS.ALLOCATING and purchase.inquiries_made == inquiry.number
    if isinstance(answer, TransactionRecord):
        attempt.outcome = f"{len(set(answer.line_refs))} lines"
        _apply_record(purchase, answer, newest=newest)
    else:
        attempt.error = answer if isinstance(answer, str) else answer.message
        attempt.error_code = "" if isinstance(answer, str) else answer.code[:60]
        attempt.outcome = _apply_failure(purchase, answer, newest=newest)
    attempt.save(update_fields=["received_at", "outcome", "error", "error_code"])
    return attempt.outcome


def _apply_record(purchase: Purchase, record: TransactionRecord, *, newest: bool) -> None:
    delivery = deliver_refs(purchase, record.line_refs, by=BY)
    facts = {"delivered": delivery.delivered, "ordered": purchase.quantity, "named": len(set(record.line_refs))}
    ask_about_oddities(purchase, delivery, by=BY)
    if delivery.delivered >= purchase.quantity:
        move_or_stay(purchase, to=PS.FULFILLED, by=BY, facts=facts, error="", error_code="", failures_in_row=0)
    elif not newest:
        settle_purchase(purchase, by=BY)
    elif delivery.taken:
        why = f"{len(delivery.taken)} of the lines named are lines of somebody else here already"
        park_unknown(purchase, by=BY, why=why, facts={**facts, "taken": list(delivery.taken)})
    else:
        _confirm_fewer(purchase, named=len(set(record.line_refs)), delivered=delivery.delivered, facts=facts)


def _confirm_fewer(purchase: Purchase, *, named: int, delivered: int, facts: Mapping[str, object]) -> None:
    """Fewer lines than ordered are believed when inquiries, some time apart, agree."""
    agreeing = purchase.inquiries_agreeing + 1 if named == purchase.last_line_count else 1
    counts = {"last_line_count": named, "inquiries_agreeing": agreeing, "failures_in_row": 0}
    if agreeing < settings.PURCHASE_INQUIRY_CONFIRMATIONS:
        spacing = timedelta(seconds=settings.PURCHASE_INQUIRY_SPACING_SECONDS)
        save_purchase(purchase, next_attempt_at=timezone.now() + spacing, **counts)
        settle_purchase(purchase, by=BY)
    elif delivered:
        why = f"{agreeing} inquiries agree: {delivered} of {purchase.quantity} were delivered"
        move_or_stay(purchase, to=PS.SHORT, by=BY, why=why, facts=facts, **counts)
    else:
        # A transaction without lines is no proof that nothing was bought.
        park_unknown(purchase, by=BY, why=f"{agreeing} inquiries agree that the transaction holds no lines")


def _apply_failure(purchase: Purchase, error: ProviderError | str, *, newest: bool) -> str:
    if not newest:
        return "late"
    if isinstance(error, RateLimited):
        save_purchase(purchase, next_attempt_at=timezone.now() + error.retry_after)
        return "rate_limited"
    if isinstance(error, Rejected) and error.mend is None:
        _doubt_transaction(purchase, error)
        return "rejected"
    # A refusal of our keys says nothing about the transaction: it is asked for again until the window closes.
    failures = purchase.failures_in_row + 1
    words = {} if isinstance(error, str) else {"error": error.message, "error_code": error.code[:60]}
    save_purchase(purchase, next_attempt_at=wait_for_retry(failures), failures_in_row=failures, **words)
    return "failed"


def _doubt_transaction(purchase: Purchase, error: Rejected) -> None:
    """ "Unknown id" is said of malformed, old and perhaps of very new ones too: it never means that nothing was bought.

    It is asked for again a few times before a person has to look.
    """
    refused = purchase.attempts.filter(
        kind=PurchaseAttempt.Kind.INQUIRY, outcome="rejected", request__transaction=purchase.transaction_id
    ).count()
    why = f"the provider does not know the transaction: {error.message}"
    if refused + 1 < settings.PURCHASE_INQUIRY_REFUSALS:
        spacing = timedelta(seconds=settings.PURCHASE_INQUIRY_SPACING_SECONDS)
        save_purchase(purchase, next_attempt_at=timezone.now() + spacing, error=why, error_code=error.code[:60])
    else:
        park_unknown(purchase, by=BY, why=why, error_code=error.code)
