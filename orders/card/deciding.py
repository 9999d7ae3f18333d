"""What people decide about what hangs at the payment service: a payment or a refund that has no end after a day.

The service is asked first, where there is one, and no lock is held meanwhile: what it says counts, and a person's word
only where it says nothing. What it says later is recorded all the same, and shown where it differs.
"""

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.capturing import capture_payment, give_up_payment
from orders.card.gateway import CardServiceError
from orders.card.payments import give_up_card_payment, refresh_card_payment
from orders.card.refunds import look_for_refund, make_due
from orders.card.waits import HANGS_AFTER, lease
from orders.expiring import expire_if_due
from orders.models import Order, Payment, Refund
from orders.payments import PaymentRefused
from orders.refunds import RefundRefused, lock_refunded
from orders.states import lock_order, note_event

PS = Payment.State
RS = Refund.State
#: A bank or the service is at work: the end comes by itself.
_WORKING = ("processing", "pending")


def may_decide_payment(payment: Payment) -> bool:
    """Whether a card payment has waited so long that a person may say what became of it."""
    is_open = payment.method == Payment.Method.CARD and payment.state == PS.PENDING
    return is_open and payment.created_at < timezone.now() - HANGS_AFTER


def may_decide_refund(refund: Refund) -> bool:
    """Whether a refund has been on its way so long that a person may say what became of it."""
    since = refund.sending_since
    return refund.state == RS.SENDING and since is not None and since < timezone.now() - HANGS_AFTER


def hanging_payments() -> Q:
    """Payments that their orders no longer need, and that the service has not cancelled in a day."""
    over = ~Q(order__state=Order.State.UNPAID) & ~Q(service_state="processing", error="")
    # Only open ones have a next look; the index is of those.
    is_open = Q(next_check_at__isnull=False, state=PS.PENDING, method=Payment.Method.CARD)
    return is_open & Q(created_at__lt=timezone.now() - HANGS_AFTER) & over


def hanging_refunds() -> Q:
    """Refunds that a person may decide about."""
    return Q(state=RS.SENDING, sending_since__lt=timezone.now() - HANGS_AFTER)


# -- payments ---------------------------------------------------------------------------------------------------------


def declare_unpaid(*, payment: Payment, why: str, by: User) -> Payment:
    """Say that a card payment that hangs did not go through: it has failed, and holds its order no longer.

    Raises ``PaymentRefused`` while a bank is carrying it out, ``PermissionDenied`` without ``orders.handle_payment``.
    """
    if not _is_open(payment, by):
        return Payment.objects.get(pk=payment.pk)
    try:
        give_up_card_payment(payment=payment, by=by.email, why=why)
    except (CardServiceError, ImproperlyConfigured) as error:
        if getattr(error, "code", "") in _WORKING:
            raise PaymentRefused(_("The payment service answers, and is carrying it out: wait for it.")) from error
    with transaction.atomic():
        order = lock_order(payment.order_id)
        found = give_up_payment(payment_id=payment.pk, state=PS.FAILED, error=why, by=by.email)
        if order.state == Order.State.UNPAID:
            expire_if_due(order, by=by.email)
    return found


def declare_paid(*, payment: Payment, reference: str, why: str, by: User) -> Payment:
    """Say that a card payment that hangs went through: the whole amount counts as captured.

    Raises ``PaymentRefused`` when the service answers and says something else, ``PermissionDenied`` without
    ``orders.handle_payment``.
    """
    if not _is_open(payment, by):
        return Payment.objects.get(pk=payment.pk)
    try:
        seen = refresh_card_payment(payment=payment, by=by.email)
    except (CardServiceError, ImproperlyConfigured):
        seen = None
    if seen is not None:
        if seen.state == PS.PENDING:
            words = {"state": seen.service_state}
            raise PaymentRefused(_("The payment service answers, and says that it is “%(state)s”.") % words)
        return seen
    with transaction.atomic():
        lock_order(payment.order_id)
        locked = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        if locked.state != PS.PENDING:
            return locked
        return capture_payment(
            payment_id=locked.pk,
            amount=locked.amount,
            currency=locked.currency,
            captured_at=timezone.now(),
            by=by.email,
            reference=reference,
            why=why,
        )


def _is_open(payment: Payment, by: User) -> bool:
    """Whether there is something to decide. Raises ``PaymentRefused`` where it is too early."""
    if not by.has_perm("orders.handle_payment"):
        raise PermissionDenied
    now = Payment.objects.get(pk=payment.pk)
    if now.state == PS.PENDING and not may_decide_payment(now):
        raise PaymentRefused(_("It is too early: the payment service is still asked by itself."))
    return now.state == PS.PENDING


# -- refunds ----------------------------------------------------------------------------------------------------------


def declare_not_refunded(*, refund: Refund, why: str, by: User) -> Refund:
    """Say that a refund that hangs did not go through: it is due again.

    Raises ``RefundRefused`` while the service carries it out, ``PermissionDenied`` without ``orders.refund``.
    """
    claimed = _claim(refund, by)
    if claimed is None:
        return Refund.objects.get(pk=refund.pk)
    try:
        said = look_for_refund(refund=claimed, by=by.email)
    except (CardServiceError, ImproperlyConfigured):
        said = ""
    if said in _WORKING:
        raise RefundRefused(_("The payment service answers, and is carrying it out: wait for it."))
    with transaction.atomic():
        order, purchase = lock_refunded(claimed)
        locked = Refund.objects.select_for_update().get(pk=claimed.pk)
        if (locked.state, locked.tries) == (RS.SENDING, claimed.tries):
            locked.order = order
            make_due(locked, why, purchase, by=by.email)
    return locked


def declare_refunded(*, refund: Refund, reference: str, why: str, by: User) -> Refund:
    """Say that a refund that hangs went through: it is made.

    Raises ``RefundRefused`` when the service answers and says something else, ``PermissionDenied`` without
    ``orders.refund``.
    """
    claimed = _claim(refund, by)
    if claimed is None:
        return Refund.objects.get(pk=refund.pk)
    try:
        said: str | None = look_for_refund(refund=claimed, by=by.email)
    except (CardServiceError, ImproperlyConfigured):
        said = None
    with transaction.atomic():
        order, purchase = lock_refunded(claimed)
        locked = Refund.objects.select_for_update().get(pk=claimed.pk)
        if (locked.state, locked.tries) != (RS.SENDING, claimed.tries):
            return locked
        if said is not None:
            words = {"state": said or _("unknown")}
            raise RefundRefused(_("The payment service answers, and says that it is “%(state)s”.") % words)
        locked.state, locked.reference, locked.error = RS.MADE, reference, ""
        locked.made_at, locked.made_by, locked.next_attempt_at = timezone.now(), by, None
        locked.save(update_fields=["state", "reference", "error", "made_at", "made_by", "next_attempt_at"])
        facts = {"amount": str(locked.amount), "currency": locked.currency, "method": locked.method}
        note_event(order, kind="refund.made", purchase=purchase, by=by.email, why=why, facts=facts)
    return locked


def _claim(refund: Refund, by: User) -> Refund | None:
    """Have it to oneself, so that no worker sends it meanwhile; None when it has ended.

    Raises ``RefundRefused`` where it is too early, or a worker may have it: for no longer than a lease.
    """
    if not by.has_perm("orders.refund"):
        raise PermissionDenied
    now = timezone.now()
    found = Refund.objects.get(pk=refund.pk)
    if found.state != RS.SENDING:
        return None
    if not may_decide_refund(found):
        raise RefundRefused(_("It is too early: the payment service is still asked by itself."))
    free = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now) | Q(next_attempt_at__gt=now + lease())
    rows = Refund.objects.filter(hanging_refunds(), free, pk=refund.pk, tries=found.tries)
    if rows.update(next_attempt_at=now + lease(), calls=F("calls") + 1) != 1:
        raise RefundRefused(_("The payment service is being asked at this moment. Try again in a few minutes."))
    return Refund.objects.select_related("order", "payment").get(pk=refund.pk)
