"""From what came of a sent order to our rows: the only place where a reply changes a purchase.

A verdict is *current* when it belongs to the newest order that was sent for the purchase. Lines are applied whatever
the state and however late; a no, or silence, counts only while the verdict is current and nobody has decided since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from orders.attention import ask_for_look, raise_alarm
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.delivering import apply_in_transaction, deliver_snapshots, deliver_top_up
from orders.models import OrderLine, Purchase, PurchaseAttempt
from orders.refunding import count_delivered
from orders.requests import build_request, is_repeatable
from orders.settling import find_provider, keep_handles, move_or_stay, park_unknown, settle_delivery
from orders.states import change_purchase, lock_purchase, note_event, save_purchase
from orders.verdicts import Unreadable, Verdict, build_reply, describe_crash, read_verdict
from orders.waiting import find_look, has_unanswered_request, may_repeat, wait_for_retry
from providers.base import Provider
from providers.errors import (
    KeyTaken,
    NotOffered,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    StillAllocating,
)
from providers.types import OrderOutcome, TopUpOutcome

log = structlog.get_logger(__name__)
PS = Purchase.State

#: While nobody has decided, a late no or silence may still move the purchase.
_UNDECIDED = frozenset({PS.SENDING, PS.UNKNOWN, PS.PLANNED})
#: The code of the sweeper's own verdict about an attempt whose worker left no reply.
NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One verdict about one locked purchase."""

    purchase: Purchase
    attempt: PurchaseAttempt
    provider: Provider | None
    by: str

    @property
    def is_current(self) -> bool:
        return self.attempt.claim is not None and self.attempt.claim == self.purchase.claim

    @property
    def is_own(self) -> bool:
        """Whether the purchase still waits for exactly this verdict."""
        return self.is_current and self.purchase.state == PS.SENDING

    @property
    def is_undecided(self) -> bool:
        """Whether nobody has decided since, so that a late no or silence may still move the purchase.

        What is only looked for, because its answer was given up, counts as undecided for the answer itself.
        """
        purchase = self.purchase
        is_looked_for = purchase.state == PS.ALLOCATING and self.attempt.outcome == NO_ANSWER
        has_handle = bool(purchase.transaction_id or purchase.provider_order_ref)
        is_sought = is_looked_for and not has_handle and purchase.order_line.kind not in OrderLine.BY_FORM
        return self.is_current and (purchase.state in _UNDECIDED or is_sought)


def digest_reply(*, attempt_id: int, by: str) -> Purchase:
    """Parse the stored reply of an attempt and apply it; safe to run twice and at the same time.

    A crash of our own code leaves the reply and parks the purchase as ``unknown``. A database that is away is no
    such crash: it comes through (``OperationalError``, ``InterfaceError``), and the sweeper digests later.
    """
    attempt = PurchaseAttempt.objects.select_related("purchase__account", "purchase__order_line").get(pk=attempt_id)
    provider = find_provider(attempt.purchase.account.slug)
    reply = build_reply(attempt)
    verdict: Verdict
    if reply is None:
        verdict = Unreadable("No reply is stored for this request.")
    elif provider is None:
        verdict = Unreadable("The account is not configured: its reply cannot be read.")
    else:
        verdict = read_verdict(provider, reply, build_request(attempt))
    pass_checkpoint(Checkpoint.PARSED, row_id=attempt.purchase_id)
    try:
        return apply_verdict(attempt_id=attempt_id, verdict=verdict, by=by)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  (money was spent: park it for a person, with the reply kept)
        crash = describe_crash(error)
        log.critical("reply_not_applied", purchase=attempt.purchase_id, crash=crash)
        parked = Unreadable(f"The reply could not be applied by our program ({crash}).")
        return apply_verdict(attempt_id=attempt_id, verdict=parked, by=by)


def apply_verdict(*, attempt_id: int, verdict: Verdict, by: str, why: str = "", again: bool = False) -> Purchase:
    """Write what came of an attempt: lines, state, refund, order and timeline in one transaction of its own.

    An attempt is judged once; with ``again`` once more, and ``why`` says why.
    """

    def apply() -> Purchase:
        purchase = _apply_once(attempt_id, verdict, by=by, why=why, again=again)
        pass_checkpoint(Checkpoint.APPLYING, row_id=purchase.pk)
        return purchase

    purchase = apply_in_transaction(apply)
    pass_checkpoint(Checkpoint.APPLIED, row_id=purchase.pk)
    return purchase


def _apply_once(attempt_id: int, verdict: Verdict, *, by: str, why: str, again: bool) -> Purchase:
    found = PurchaseAttempt.objects.only("purchase_id").get(pk=attempt_id)
    purchase = lock_purchase(found.purchase_id)
    attempt = PurchaseAttempt.objects.get(pk=attempt_id)
    if attempt.outcome not in PurchaseAttempt.NOT_JUDGED and not again:
        return purchase
    if _is_overtaken(attempt, verdict):
        return purchase
    case = Case(purchase=purchase, attempt=attempt, provider=find_provider(purchase.account.slug), by=by)
    if (
        case.is_current
        and purchase.first_sent_at is None
        and not isinstance(verdict, NotSent | NotOffered | RateLimited)
    ):
        save_purchase(purchase, first_sent_at=attempt.sent_at or attempt.started_at)
    if not case.is_own:
        why = why or f"request {attempt.number} is judged when the purchase has moved on"
        note_event(purchase.order_line.order, kind="purchase.late_reply", purchase=purchase, by=by, why=why)
    attempt.outcome = _judge(case, verdict)
    if not isinstance(verdict, OrderOutcome | TopUpOutcome):
        attempt.error_code = getattr(verdict, "code", "")[:60]
        attempt.error = verdict.message
    attempt.save(update_fields=["outcome", "error_code", "error"])
    return purchase


def _judge(case: Case, verdict: Verdict) -> str:
    """Change the purchase by the verdict; returns what came of the attempt."""
    match verdict:
        case OrderOutcome() | TopUpOutcome():
            return _apply_outcome(case, verdict)
        case Unreadable():
            return _apply_unreadable(case, verdict)
        case NotOffered():
            return _apply_not_offered(case, verdict)
        case Rejected():
            return _apply_rejected(case, verdict)
        case NotSent() | RateLimited():
            return _apply_not_processed(case, verdict)
        case _:
            return _apply_silence(case, verdict)


def _is_overtaken(attempt: PurchaseAttempt, verdict: Verdict) -> bool:
    """The sweeper says that no answer came, and one has been stored since: it is digested for itself."""
    gone = isinstance(verdict, OutcomeUnknown) and verdict.code == NO_ANSWER
    return gone and (attempt.received_at is not None or attempt.outcome != "")


# -- the provider took the order --------------------------------------------------------------------------------------


def _apply_outcome(case: Case, outcome: OrderOutcome | TopUpOutcome) -> str:
    purchase = case.purchase
    keep_handles(purchase, transaction_id=outcome.transaction_id, order_ref=outcome.order_ref, by=case.by)
    if isinstance(outcome, TopUpOutcome):
        deliver_top_up(purchase, outcome.package, order_ref=outcome.order_ref, by=case.by)
        move_or_stay(purchase, to=PS.FULFILLED, by=case.by, error="", error_code="", failures_in_row=0)
        return str(purchase.state) if case.is_current else "late"
    delivery = deliver_snapshots(purchase, outcome.lines, by=case.by)
    save_purchase(purchase, failures_in_row=0)
    surely_all = outcome.final and not outcome.faults and delivery.is_clean
    settle_delivery(case.purchase, delivery, provider=case.provider, surely_all=surely_all, by=case.by)
    return str(purchase.state) if case.is_current else "late"


# -- the provider said no, or nothing ---------------------------------------------------------------------------------


def _apply_rejected(case: Case, error: Rejected) -> str:
    if not case.is_undecided:
        return "rejected"
    to, mend = (PS.REJECTED, "") if error.mend is None else (PS.HELD, error.mend.value)
    facts = {"field": error.field or ""}
    if to == PS.HELD:
        _rule_not_bought(case, to=to, why=error.message, code=error.code, facts=facts, mend=mend)
        return "held"
    _rule_not_bought(case, to=to, why=error.message, code=error.code, facts=facts)
    return "rejected"


def _apply_not_offered(case: Case, error: NotOffered) -> str:
    """Refused by our own side before anything was sent: what staff can mend, never the provider's no."""
    if case.is_own:
        _rule_not_bought(case, to=PS.HELD, why=error.message, code=error.code)
    return "not_sent"


def _apply_not_processed(case: Case, error: NotSent | RateLimited) -> str:
    purchase = case.purchase
    asked_wait = error.retry_after if isinstance(error, RateLimited) else None
    failures = purchase.failures_in_row + (asked_wait is None)
    if case.is_undecided and purchase.state in (PS.UNKNOWN, PS.ALLOCATING):
        # Certainly not bought, but a person may have it in hand: it does not go out again by itself.
        why = f"a late answer says that nothing was bought: {error.message}"
        _rule_not_bought(case, to=PS.HELD, why=why, code=error.code)
    elif case.is_own and asked_wait is None and failures >= settings.PURCHASE_NOT_SENT_LIMIT:
        why = f"could not be sent {failures} times in a row: {error.message}"
        _rule_not_bought(case, to=PS.HELD, why=why, code=error.code, failures_in_row=failures)
    elif case.is_own:
        change_purchase(
            purchase,
            to=PS.PLANNED,
            by=case.by,
            why=error.message,
            next_attempt_at=wait_for_retry(failures) if asked_wait is None else timezone.now() + asked_wait,
            failures_in_row=failures,
            error=error.message,
            error_code=error.code[:60],
        )
    return "not_sent" if asked_wait is None else "rate_limited"


def _rule_not_bought(
    case: Case, *, to: str, why: str, code: str, facts: Mapping[str, object] | None = None, **fields: Any
) -> None:
    """``held`` or ``rejected``, unless an earlier request of the purchase was never answered, or lines came.

    A no to a repeated request says nothing of the first one: a provider may look at our balance before it looks at the
    key.
    """
    purchase = case.purchase
    if has_unanswered_request(purchase, but=case.attempt) or count_delivered(purchase):
        why = f"refused now, but an earlier request may have gone through: {why}"
        park_unknown(purchase, by=case.by, why=why, error_code=code, facts=facts)
        return
    facts = {"code": code, **(facts or {})}
    change_purchase(purchase, to=to, by=case.by, why=why, facts=facts, error=why, error_code=code[:60], **fields)
    if to == PS.HELD:
        raise_alarm("purchase_held", purchase, code=code)


def _apply_silence(case: Case, error: ProviderError) -> str:
    """Rule 4: it was sent and may have happened."""
    purchase = case.purchase
    found = error.transaction_id if isinstance(error, OutcomeUnknown) else ""
    keep_handles(purchase, transaction_id=found, by=case.by)
    words: dict[str, Any] = {"error": error.message, "error_code": error.code[:60]}
    judged = NO_ANSWER if error.code == NO_ANSWER else "unknown"
    evidence = bool(found) and purchase.state in (PS.REJECTED, PS.CANCELLED)
    if found and purchase.state == PS.SHORT:
        ask_for_look(
            purchase, f"A late answer gave the transaction {found}: it may hold the missing lines.", by=case.by
        )
    if not evidence and not (case.is_current and purchase.state in _UNDECIDED):
        return judged
    failures = purchase.failures_in_row + 1
    is_settled_there = isinstance(error, StillAllocating | KeyTaken)
    if case.is_own and is_repeatable(purchase, case.provider) and may_repeat(purchase) and not is_settled_there:
        change_purchase(
            purchase,
            to=PS.PLANNED,
            by=case.by,
            why=f"asked again with the same key: {error.message}",
            next_attempt_at=wait_for_retry(failures),
            failures_in_row=failures,
            **words,
        )
    elif purchase.state == PS.PLANNED:
        return judged
    elif find_look(purchase, case.provider) is not None:
        why = f"the provider is asked what it holds: {error.message}"
        move_or_stay(purchase, to=PS.ALLOCATING, by=case.by, why=why, next_attempt_at=timezone.now(), **words)
        # Of an attempt without any answer one may still come, and is applied then.
        return judged if judged == NO_ANSWER else "allocating"
    else:
        park_unknown(purchase, by=case.by, why=error.message, error_code=error.code)
    return judged


def _apply_unreadable(case: Case, error: Unreadable) -> str:
    if case.is_current and case.purchase.state in _UNDECIDED:
        park_unknown(case.purchase, by=case.by, why=error.message)
    else:
        ask_for_look(case.purchase, error.message, by=case.by)
    return "unreadable"
