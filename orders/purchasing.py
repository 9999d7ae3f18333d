"""Sending what was planned: claim, call, store, apply, each committed by itself (docs/purchase-protocol.md).

No transaction and no lock is held while the provider is called: every transaction here is durable, which Django
refuses inside another one. Jobs may run twice and at the same time; the row says what is still to be done.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from orders.applying import apply_verdict, digest_reply
from orders.attention import raise_alarm
from orders.call_log import log_calls_of
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.inquiring import run_inquiry
from orders.models import Purchase, PurchaseAttempt
from orders.planning import plan_purchases
from orders.requests import (
    FormErased,
    Request,
    build_request,
    describe_request,
    is_repeatable,
    require_form,
    send_request,
)
from orders.settling import park_unknown
from orders.states import change_purchase, lock_purchase, next_attempt_number, note_event
from orders.topping import claim_line, look_before_top_up
from orders.verdicts import Unreadable, Verdict, describe_crash, read_verdict, write_reply
from orders.waiting import find_look, has_unanswered_request, may_repeat
from providers.base import Provider
from providers.errors import Mend, ProviderError
from providers.registry import get_provider
from providers.types import ProviderReply

log = structlog.get_logger(__name__)
PS = Purchase.State
BY = "purchasing"

#: What came of a sent order is worth waiting for while the database is away or busy: waits in seconds, two minutes in
#: all. With the longest order call they stay within the time of a job.
_WRITE_WAITS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to send one order once; its attempt is committed."""

    attempt_id: int
    purchase_id: int
    request: Request


def run_purchase(*, purchase_id: int) -> str:
    """Take the next step of a purchase, if one is due: send it, or ask what the provider holds.

    Returns what came of it as the attempt says ("" when there was nothing to do). Safe to run twice.
    """
    purchase = Purchase.objects.select_related("account").filter(pk=purchase_id).first()
    if purchase is None or purchase.account.is_paused:
        return ""
    if purchase.state == PS.ALLOCATING:
        return run_inquiry(purchase_id=purchase_id)
    if purchase.state == PS.PLANNED:
        return _send_planned(purchase_id, purchase.account.slug)
    return ""


def _send_planned(purchase_id: int, slug: str) -> str:
    """Claim and send a planned purchase, if it is due and nothing stands against it."""
    try:
        provider = get_provider(slug)
    except ImproperlyConfigured:
        why = "the account is not configured: nothing was sent"
        return _hold(purchase_id, why=why, mend=Mend.CREDENTIALS, code="not_configured")
    if not look_before_top_up(purchase_id=purchase_id, provider=provider):
        return ""
    try:
        claim = claim_purchase(purchase_id=purchase_id, provider=provider)
    except FormErased:
        return _hold(purchase_id, why="the form is erased: enter it again", mend=Mend.DATA, code="form_erased")
    if claim is None:
        return ""
    pass_checkpoint(Checkpoint.CLAIMED, row_id=purchase_id)
    _send(claim, provider)
    return PurchaseAttempt.objects.values_list("outcome", flat=True).get(pk=claim.attempt_id)


def due_purchases() -> QuerySet[Purchase]:
    """Purchases whose next step is due now, the longest due first."""
    due = Purchase.objects.filter(next_attempt_at__lte=timezone.now(), account__is_paused=False)
    return due.filter(state__in=(PS.PLANNED, PS.ALLOCATING)).order_by("next_attempt_at", "pk")


def run_due_purchases(*, limit: int | None = None, seconds: float = 60.0) -> int:
    """Take the next step of what is due, one after the other, until nothing is, or ``limit`` or ``seconds`` are spent.

    An account that is rate limited is left alone for the rest of the round. Returns how many steps were taken.
    """
    end = time.monotonic() + seconds
    taken = 0
    limited: Q = Q(pk__in=[])
    tried: set[int] = set()
    while time.monotonic() < end and (limit is None or taken < limit):
        row = due_purchases().exclude(limited).exclude(pk__in=tried).values_list("pk", "account_id", "state").first()
        if row is None:
            break
        purchase_id, account_id, state = row
        tried.add(purchase_id)
        try:
            outcome = run_purchase(purchase_id=purchase_id)
        except Exception as error:  # noqa: BLE001  (one purchase must not keep the others waiting)
            log.critical("purchase_step_crashed", purchase=purchase_id, crash=describe_crash(error))
            continue
        taken += bool(outcome)
        if outcome == "rate_limited":
            limited |= Q(account_id=account_id, state=state)
    return taken


def claim_purchase(*, purchase_id: int, provider: Provider) -> Claim | None:
    """Claim a planned, paid and due purchase and write its attempt, committed; None when there is nothing to claim.

    The conditional update decides between two workers: it succeeds for one. Raises ``FormErased``; then nothing is
    claimed.
    """
    now = timezone.now()
    token = uuid.uuid4()
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        order = purchase.order_line.order
        if purchase.state != PS.PLANNED or purchase.next_attempt_at is None or purchase.next_attempt_at > now:
            return None
        if order.paid_at is None:
            log.error("purchase_of_unpaid_order", purchase=purchase_id, order=order.number)
            return None
        if not _may_send(purchase, provider) or not claim_line(purchase, provider):
            return None
        claimed = Purchase.objects.filter(pk=purchase_id, state=PS.PLANNED, next_attempt_at__lte=now).update(
            state=PS.SENDING,
            claim=token,
            claim_until=now + provider.order_deadline,
            next_attempt_at=None,
            attempts_made=F("attempts_made") + 1,
        )
        if claimed != 1:
            return None
        attempt = PurchaseAttempt.objects.create(
            purchase=purchase,
            number=next_attempt_number(purchase),
            kind=PurchaseAttempt.Kind.ORDER,
            claim=token,
            request=describe_request(purchase),
            started_at=now,
        )
        facts = {"old": PS.PLANNED.value, "new": PS.SENDING.value, "attempt": attempt.number}
        note_event(order, kind="purchase.state", purchase=purchase, by=BY, facts=facts)
        request = build_request(attempt)
        require_form(request)
        pass_checkpoint(Checkpoint.CLAIMING, row_id=purchase_id)
    return Claim(attempt_id=attempt.pk, purchase_id=purchase_id, request=request)


def _may_send(purchase: Purchase, provider: Provider) -> bool:
    """Whether a locked, planned purchase may go out; if not, what it may hold is looked for instead.

    An unanswered request is repeated only while its key is young, however long the purchase was paused or held.
    """
    if not has_unanswered_request(purchase) or (is_repeatable(purchase, provider) and may_repeat(purchase)):
        return True
    why = "an earlier request was never answered, and its key is too old to be sent again"
    if find_look(purchase, provider) is None:
        park_unknown(purchase, by=BY, why=why)
    else:
        change_purchase(purchase, to=PS.ALLOCATING, by=BY, why=why, next_attempt_at=timezone.now())
    return False


def _send(claim: Claim, provider: Provider) -> None:
    verdict: Verdict
    try:
        with log_calls_of(claim.attempt_id):
            reply = send_request(provider, claim.request)
    except ProviderError as error:
        verdict = error
    except Exception as error:  # noqa: BLE001  (it may have been sent: a bug of ours must not look like "not sent")
        crash = describe_crash(error)
        log.critical("sending_crashed", purchase=claim.purchase_id, crash=crash)
        verdict = Unreadable(f"Our program failed while it sent the order ({crash}).")
    else:
        pass_checkpoint(Checkpoint.ANSWERED, row_id=claim.purchase_id)
        _store_reply(claim, provider, reply)
        pass_checkpoint(Checkpoint.STORED, row_id=claim.purchase_id)
        digest_reply(attempt_id=claim.attempt_id, by=BY)
        return
    pass_checkpoint(Checkpoint.UNANSWERED, row_id=claim.purchase_id)
    # Lost, "nothing was sent" would turn into "no answer came".
    outcome = verdict
    _write_for_certain(claim, lambda: apply_verdict(attempt_id=claim.attempt_id, verdict=outcome, by=BY))


def _store_reply(claim: Claim, provider: Provider, reply: ProviderReply) -> None:
    """Commit the reply as it came, whatever became of the purchase meanwhile."""

    def store() -> None:
        with transaction.atomic(durable=True):
            write_reply(claim.attempt_id, reply)
            pass_checkpoint(Checkpoint.STORING, row_id=claim.purchase_id)

    try:
        _write_for_certain(claim, store)
    except (OperationalError, InterfaceError):
        # The last place where the provider's handle can be kept: with it a person finds what was bought.
        handle = getattr(read_verdict(provider, reply, claim.request), "transaction_id", "")
        log.critical("reply_lost", purchase=claim.purchase_id, status=reply.status, transaction=handle)
        raise


def _write_for_certain(claim: Claim, write: Callable[[], object]) -> None:
    """Write, again and again while the database is away or busy; raises its error when that lasts too long."""
    for wait in (*_WRITE_WAITS, None):
        try:
            write()
        except (OperationalError, InterfaceError):
            if wait is None:
                raise
            log.critical("database_away_after_order", purchase=claim.purchase_id, waits=wait)
            close_old_connections()
            time.sleep(wait)
        else:
            return


def _hold(purchase_id: int, *, why: str, mend: Mend, code: str) -> str:
    """Nothing was sent, and staff can mend it."""
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.state == PS.PLANNED:
            change_purchase(purchase, to=PS.HELD, by=BY, why=why, error=why, mend=mend.value)
            raise_alarm("purchase_held", purchase, code=code)
            pass_checkpoint(Checkpoint.HOLDING, row_id=purchase_id)
    return "not_sent"


__all__ = ["Claim", "claim_purchase", "due_purchases", "plan_purchases", "run_due_purchases", "run_purchase"]
