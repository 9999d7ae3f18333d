"""Asking for a payment by card, and what becomes of it.

The row is committed before the service is called, and its key never changes: an answer that was lost is asked for again
with it. The service's webhook is only a hint to look; ``run_card_payments`` looks by itself where it does not come.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.amounts import say_amount
from orders.capturing import ask_about_payment, capture_payment, count_outstanding, give_up_payment
from orders.card import gateway
from orders.card.amounts import AmountRefused, from_minor, to_minor
from orders.card.gateway import CardServiceError, Intent, NotDone, OutcomeUnknown, Refused
from orders.card.waits import GiveWay, lease, never, wait_after
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import Order, Payment
from orders.payments import PaymentRefused
from orders.states import lock_order, note_event
from orders.verdicts import describe_crash

log = structlog.get_logger(__name__)
PS = Payment.State
SYSTEM = "system"
SUCCEEDED = "succeeded"

#: A payment that its order no longer needs is given up within this, and tried again as soon.
_UNNEEDED_WAIT = timedelta(seconds=60)
#: After so many lost answers the service's own list is read before it is asked again.
_LOOK_AFTER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSheet:
    """What a customer's app needs to take the card."""

    intent_id: str
    client_secret: str = field(repr=False)
    publishable_key: str


def start_card_payment(*, order: Order, form_key: UUID, by: User) -> Payment:
    """Ask for the outstanding amount by card; the open payment where there is one.

    The payment may come back without an intent: the service did not answer, and is asked again by itself. Raises
    ``PaymentRefused``.
    """
    payment, is_new = _open_payment(order, form_key, by)
    if is_new or (payment.state == PS.PENDING and not payment.intent_id):
        return look_at_card_payment(payment=payment, by=by.email)
    return payment


def look_at_card_payment(*, payment: Payment, by: str = SYSTEM) -> Payment:
    """Ask the service what became of it and do what follows; a look that fails is noted on the payment."""
    try:
        return refresh_card_payment(payment=payment, by=by)
    except (CardServiceError, ImproperlyConfigured) as error:
        return _wait(payment.pk, str(error))


def refresh_card_payment(*, payment: Payment, by: str, intent_id: str = "") -> Payment:
    """As ``look_at_card_payment``; raises ``CardServiceError`` when the service does not tell.

    ``intent_id`` is what a call of the service named: ours may be unknown, because the answer that told it was lost.
    """
    row = _find(payment.pk)
    if named := intent_id or row.intent_id:
        return _apply(row, gateway.read_intent(named), by=by)
    return _make_intent(row, by=by) if row.state == PS.PENDING else row


def give_up_card_payment(*, payment: Payment, by: str, why: str = "given up") -> Payment:
    """Cancel it at the service first; one that has succeeded meanwhile is captured instead.

    Raises ``CardServiceError`` when the service does not cancel it, or ``ImproperlyConfigured`` when there is none any
    more: it stays open then.
    """
    row = _find(payment.pk)
    if row.state != PS.PENDING:
        return row
    try:
        return _give_up(row, by=by, why=why)
    except (CardServiceError, ImproperlyConfigured) as error:
        Payment.objects.filter(pk=row.pk, state=PS.PENDING).update(error=str(error)[:300])
        raise


def payment_sheet(*, payment: Payment) -> PaymentSheet:
    """What the customer's app confirms the payment with. Raises ``PaymentRefused`` when there is nothing to confirm."""
    row = _find(payment.pk)
    if row.state != PS.PENDING or not row.intent_id or not row.client_secret:
        raise PaymentRefused(_("This payment does not wait for a card."))
    return PaymentSheet(
        intent_id=row.intent_id,
        client_secret=bytes(row.client_secret).decode(),
        publishable_key=settings.STRIPE_PUBLISHABLE_KEY,
    )


# -- by itself --------------------------------------------------------------------------------------------------------


def due_card_payments() -> QuerySet[Payment]:
    """Payments of which the service is asked now, the longest due first."""
    pending = Payment.objects.filter(state=PS.PENDING, method=Payment.Method.CARD)
    return pending.filter(next_check_at__lte=timezone.now()).order_by("next_check_at", "pk")


def unneeded_card_payments() -> QuerySet[Payment]:
    """Open payments whose order is paid, cancelled or expired, and that are not looked at soon."""
    now = timezone.now()
    over = ~Q(order__state=Order.State.UNPAID) | Q(order__expires_at__lte=now)
    pending = Payment.objects.filter(state=PS.PENDING, method=Payment.Method.CARD)
    # Without an order: there are few, and they are found by when they are due.
    return pending.filter(over, next_check_at__gt=now + _UNNEEDED_WAIT).order_by()


def run_card_payments(*, seconds: float = 30.0, give_way: GiveWay = never) -> int:
    """Look at what is due, for at most ``seconds``; returns how many were looked at.

    After each it ends as soon as ``give_way`` says so. Any number of these may run at once: each payment is claimed.
    """
    unneeded = list(unneeded_card_payments().values_list("pk", flat=True))
    Payment.objects.filter(pk__in=unneeded, state=PS.PENDING).update(next_check_at=timezone.now())
    end, done = monotonic() + seconds, 0
    while monotonic() < end and (pk := due_card_payments().values_list("pk", flat=True).first()) is not None:
        if done and give_way():
            break
        now = timezone.now()
        due = Payment.objects.filter(pk=pk, state=PS.PENDING, next_check_at__lte=now)
        if due.update(next_check_at=now + lease(), checks=F("checks") + 1) != 1:
            continue
        done += 1
        try:
            _take_turn(_find(pk))
        except Exception as error:  # noqa: BLE001  (one payment must not keep the others waiting; its claim runs out)
            crash = describe_crash(error)
            log.error("card_payment_crashed", payment=pk, crash=crash)  # noqa: TRY400  (no traceback: it holds secrets)
    return done


def _take_turn(payment: Payment) -> None:
    order = payment.order
    has_expired = order.expires_at is not None and order.expires_at <= timezone.now()
    if order.state == Order.State.UNPAID and not has_expired:
        look_at_card_payment(payment=payment)
        return
    why = "the order has expired" if has_expired or order.state == Order.State.EXPIRED else "the order is paid already"
    why = "the order is cancelled" if order.state == Order.State.CANCELLED else why
    # Shorter than the claim, so that it does not count as put off for long; a second cancelling does no harm.
    Payment.objects.filter(pk=payment.pk, state=PS.PENDING).update(next_check_at=timezone.now() + _UNNEEDED_WAIT)
    try:
        give_up_card_payment(payment=payment, by=SYSTEM, why=why)
    except (CardServiceError, ImproperlyConfigured) as error:
        _wait(payment.pk, str(error), at_most=_UNNEEDED_WAIT)


# -- their parts ------------------------------------------------------------------------------------------------------


def _find(pk: int) -> Payment:
    return Payment.objects.select_related("order").get(pk=pk, method=Payment.Method.CARD)


def _open_payment(order: Order, form_key: UUID, by: User) -> tuple[Payment, bool]:
    """The committed row, and whether it is new."""
    if not gateway.is_configured():
        raise PaymentRefused(_("No payment service is set up."))
    try:
        with transaction.atomic():
            locked = lock_order(order.pk)
            known = Payment.objects.filter(form_key=form_key, order=locked, method=Payment.Method.CARD).first()
            known = known or _find_open(locked)
            payment = known or _write_payment(locked, form_key, by)
    except IntegrityError as error:
        raise PaymentRefused(_("This form was sent before, with other contents. Open the order again.")) from error
    pass_checkpoint(Checkpoint.OPENED, row_id=payment.pk)
    return payment, known is None


def _find_open(order: Order) -> Payment | None:
    """The open payment for what is outstanding. Raises ``PaymentRefused`` when one of another amount is open."""
    payment = order.payments.filter(state=PS.PENDING, method=Payment.Method.CARD).first()
    if payment is None or payment.amount == count_outstanding(order):
        return payment
    raise PaymentRefused(
        _("A card payment of %(amount)s is open: give it up first.")
        % {"amount": say_amount(payment.amount, payment.currency)}
    )


def _write_payment(order: Order, form_key: UUID, by: User) -> Payment:
    _require_payable(order)
    outstanding = count_outstanding(order)
    if not outstanding:
        raise PaymentRefused(_("Nothing is to be paid for this order."))
    try:
        to_minor(outstanding, order.currency)
    except AmountRefused as error:
        raise PaymentRefused(error.message, "amount") from error
    payment = Payment.objects.create(
        order=order,
        form_key=form_key,
        method=Payment.Method.CARD,
        state=PS.PENDING,
        amount=outstanding,
        currency=order.currency,
        recorded_by=by,
        # Until then this process has it to itself.
        next_check_at=timezone.now() + lease(),
    )
    facts = {"amount": str(outstanding), "currency": order.currency}
    note_event(order, kind="payment.asked", by=by.email, facts=facts)
    return payment


def _require_payable(order: Order) -> None:
    if order.state == Order.State.CANCELLED:
        raise PaymentRefused(_("This order was cancelled. Place a new one before you take money."))
    has_passed = order.expires_at is not None and order.expires_at <= timezone.now()
    if order.state == Order.State.EXPIRED or (order.state == Order.State.UNPAID and has_passed):
        raise PaymentRefused(_("This order has expired. Place a new one before you take money."))
    if order.state != Order.State.UNPAID:
        raise PaymentRefused(_("This order is paid already."))


def _make_intent(payment: Payment, *, by: str) -> Payment:
    """Have the service make it, or find it made; one that it refuses has failed."""
    is_old = payment.created_at < timezone.now() - gateway.KEY_LIFE
    if is_old or payment.checks >= _LOOK_AFTER:
        found = gateway.find_intent(key=str(payment.form_key), since=payment.created_at)
        if found is not None:
            return _apply(payment, found, by=by)
    if is_old:
        why = "The payment service knows nothing of it"
        return give_up_payment(payment_id=payment.pk, state=PS.FAILED, error=why, by=by)
    try:
        intent = gateway.create_intent(
            key=str(payment.form_key),
            amount=to_minor(payment.amount, payment.currency),
            currency=payment.currency,
            order=payment.order.number,
        )
    except Refused as error:
        return give_up_payment(payment_id=payment.pk, state=PS.FAILED, error=error.message, by=by)
    return _apply(payment, intent, by=by)


def _give_up(row: Payment, *, by: str, why: str) -> Payment:
    intent = _cancel_at_service(row)
    if intent is None:
        # Whoever has no client secret cannot pay: one that was made and never named to us stays unpaid.
        return give_up_payment(payment_id=row.pk, state=PS.CANCELLED, error=why, by=by)
    row = _apply(row, intent, by=by, why=why)
    if row.state == PS.PENDING:
        raise NotDone(f"The payment service does not cancel it while it is “{intent.status}”", code=intent.status)
    return row


def _cancel_at_service(payment: Payment) -> Intent | None:
    """The payment as it is after the service was asked to cancel it; None when the service has none."""
    intent_id = payment.intent_id
    if not intent_id:
        found = gateway.find_intent(key=str(payment.form_key), since=payment.created_at)
        if found is None:
            return None
        intent_id = found.id
    try:
        return gateway.cancel_intent(intent_id)
    except Refused:
        # It has succeeded, or was cancelled before.
        return gateway.read_intent(intent_id)


def _apply(payment: Payment, intent: Intent, *, by: str, why: str = "") -> Payment:
    """Do what the service says of a payment. Late news of one that has ended here counts all the same."""
    if intent.key != str(payment.form_key):
        raise OutcomeUnknown("The payment service answered about another payment")
    if not _note_intent(payment, intent):
        return _find(payment.pk)
    _compare_with_decision(payment, intent)
    if intent.status == SUCCEEDED:
        return capture_payment(
            payment_id=payment.pk,
            amount=from_minor(intent.received, intent.currency),
            currency=intent.currency,
            captured_at=intent.charged_at or timezone.now(),
            by=by,
            reference=intent.id,
        )
    if intent.status == "canceled":
        why = why or "The payment service says that it was cancelled"
        return give_up_payment(payment_id=payment.pk, state=PS.CANCELLED, error=why, by=by)
    return _find(payment.pk)


def _note_intent(payment: Payment, intent: Intent) -> bool:
    """Keep what the service said; False when the payment is another one there."""
    same = Payment.objects.filter(Q(intent_id="") | Q(intent_id=intent.id), pk=payment.pk)
    # Of what came this is how it came: an answer from before says nothing new.
    word = Case(When(state=PS.CAPTURED, then=F("service_state")), default=Value(intent.status[:40]))
    if same.update(intent_id=intent.id, service_state=word) != 1:
        _ask_about_second(payment, intent)
        return False
    open_fields: dict[str, object] = {
        "error": intent.error[:300],
        "next_check_at": timezone.now() + wait_after(payment.checks),
    }
    if intent.client_secret:
        open_fields["client_secret"] = intent.client_secret.encode()
    same.filter(state=PS.PENDING).update(**open_fields)
    return True


def _compare_with_decision(payment: Payment, intent: Intent) -> None:
    """Show it where a person said that it was paid, and the service says something else."""
    if not Payment.objects.filter(pk=payment.pk, state=PS.CAPTURED).exclude(service_state=SUCCEEDED).exists():
        return
    with transaction.atomic():
        order = lock_order(payment.order_id)
        locked = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        locked.order = order
        if locked.state != PS.CAPTURED or locked.service_state == SUCCEEDED:
            return
        if intent.status == SUCCEEDED:
            locked.service_state = SUCCEEDED
            locked.save(update_fields=["service_state"])
            return
        what = f"It was recorded as paid, and the payment service says that it is “{intent.status}”."
        ask_about_payment(locked, what, by=SYSTEM)


def _ask_about_second(payment: Payment, intent: Intent) -> None:
    with transaction.atomic():
        order = lock_order(payment.order_id)
        locked = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        locked.order = order
        what = f"The payment service holds a second payment for this one: {intent.id} ({intent.status})."
        ask_about_payment(locked, what, by=SYSTEM)


def _wait(pk: int, error: str, *, at_most: timedelta | None = None) -> Payment:
    """Note a question that was not answered, and when the next is due."""
    payment = _find(pk)
    wait = wait_after(payment.checks)
    due = timezone.now() + (wait if at_most is None else min(wait, at_most))
    Payment.objects.filter(pk=pk, state=PS.PENDING).update(error=error[:300], next_check_at=due)
    return _find(pk)
