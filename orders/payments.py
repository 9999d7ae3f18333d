"""Taking money by hand: what staff hold in their hands, or see on the bank's statement."""

from decimal import Decimal
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.currencies import is_currency, is_payable
from customers.models import User
from orders.amounts import say_amount
from orders.capturing import begin_buying, count_captured, count_outstanding, note_capture, settle_capture
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import Order, Payment
from orders.states import lock_order


class PaymentRefused(Exception):
    """The payment cannot be recorded; nothing was written. ``field`` names what to mend: amount, currency, method."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def record_payment(
    *, order: Order, method: str, amount: Decimal, currency: str, reference: str, form_key: UUID, by: User
) -> Payment:
    """Record that staff took the whole outstanding amount; the order begins to be bought in the same transaction.

    An order whose total is zero takes a payment of zero. The same ``form_key`` gives the same payment, also under a
    race. Raises ``PaymentRefused``.
    """
    known = _find_recorded(form_key, order, amount, currency)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            payment = _write_payment(
                order=order,
                method=method,
                amount=amount,
                currency=currency,
                reference=reference,
                form_key=form_key,
                by=by,
            )
            pass_checkpoint(Checkpoint.CAPTURING, row_id=payment.pk)
    except (IntegrityError, PaymentRefused):
        # The same form was faster, by its key or by the order's lock: then this is about its own payment.
        known = _find_recorded(form_key, order, amount, currency)
        if known is None:
            raise
        return known
    pass_checkpoint(Checkpoint.CAPTURED, row_id=payment.pk)
    return payment


def _write_payment(
    *, order: Order, method: str, amount: Decimal, currency: str, reference: str, form_key: UUID, by: User
) -> Payment:
    locked = lock_order(order.pk)
    _require_payable(locked, method, amount, currency)
    payment = Payment.objects.create(
        order=locked,
        form_key=form_key,
        method=method,
        amount=amount,
        currency=currency,
        captured_amount=amount,
        captured_currency=currency,
        reference=reference,
        recorded_by=by,
        captured_at=timezone.now(),
    )
    note_capture(payment, by=by.email)
    try:
        begin_buying(locked, by=by.email)
    except ImproperlyConfigured as error:
        message = _("The provider's account is not configured, so nothing could be bought. No payment was recorded.")
        raise PaymentRefused(message) from error
    return payment


def record_what_came(
    *, order: Order, method: str, amount: Decimal, currency: str, reference: str, form_key: UUID, by: User
) -> Payment:
    """Record money that came as it came: short, too much, in another currency, or for an order that takes none.

    What follows is ``capturing.settle_capture``'s: nothing is bought before the order's total is there, and what the
    order does not need is owed back. The same ``form_key`` gives the same payment. Raises ``PaymentRefused``.
    """
    known = _find_arrived(form_key, order, amount, currency)
    if known is not None:
        return known
    _require_arrival(method, amount, currency)
    try:
        with transaction.atomic():
            payment = _write_arrival(
                order=order,
                method=method,
                amount=amount,
                currency=currency,
                reference=reference,
                form_key=form_key,
                by=by,
            )
            pass_checkpoint(Checkpoint.CAPTURING, row_id=payment.pk)
    except IntegrityError:
        known = _find_arrived(form_key, order, amount, currency)
        if known is None:
            raise
        return known
    pass_checkpoint(Checkpoint.CAPTURED, row_id=payment.pk)
    return payment


def _require_arrival(method: str, amount: Decimal, currency: str) -> None:
    if method not in Payment.BY_HAND:
        raise PaymentRefused(_("Choose how the customer paid."), "method")
    if not is_currency(currency):
        raise PaymentRefused(_("A currency has three capital letters, such as USD."), "currency")
    if amount <= 0 or not is_payable(amount, currency):
        message = _("%(amount)s is no amount that can be paid.")
        raise PaymentRefused(message % {"amount": say_amount(amount, currency)}, "amount")


def _write_arrival(
    *, order: Order, method: str, amount: Decimal, currency: str, reference: str, form_key: UUID, by: User
) -> Payment:
    locked = lock_order(order.pk)
    payment = Payment.objects.create(
        order=locked,
        form_key=form_key,
        method=method,
        amount=max(Decimal(0), locked.total - count_captured(locked)),
        currency=locked.currency,
        captured_amount=amount,
        captured_currency=currency,
        reference=reference,
        recorded_by=by,
        captured_at=timezone.now(),
    )
    note_capture(payment, by=by.email)
    settle_capture(payment, by=by.email)
    return payment


def _find_arrived(form_key: UUID, order: Order, amount: Decimal, currency: str) -> Payment | None:
    payment = Payment.objects.filter(form_key=form_key).first()
    if payment is None:
        return None
    if (payment.order_id, payment.captured_amount, payment.captured_currency) != (order.pk, amount, currency):
        raise PaymentRefused(_("This form was sent before, with other contents. Open the order again."))
    return payment


def _require_payable(order: Order, method: str, amount: Decimal, currency: str) -> None:
    if order.state == Order.State.CANCELLED:
        raise PaymentRefused(_("This order was cancelled. Place a new one before you take money."))
    if order.state == Order.State.EXPIRED:
        raise PaymentRefused(_("This order has expired. Place a new one before you take money."))
    if order.state != Order.State.UNPAID:
        raise PaymentRefused(_("This order is paid already."))
    if method not in Payment.BY_HAND:
        raise PaymentRefused(_("Choose how the customer paid."), "method")
    if currency != order.currency:
        message = _("This order is in %(currency)s, not %(given)s.")
        raise PaymentRefused(message % {"currency": order.currency, "given": currency}, "currency")
    outstanding = count_outstanding(order)
    if amount != outstanding:
        message = _("The amount to be paid is exactly %(amount)s, not %(given)s.")
        words = {"amount": say_amount(outstanding, currency), "given": say_amount(amount, currency)}
        raise PaymentRefused(message % words, "amount")


def _find_recorded(form_key: UUID, order: Order, amount: Decimal, currency: str) -> Payment | None:
    payment = Payment.objects.filter(form_key=form_key).first()
    if payment is None:
        return None
    if (payment.order_id, payment.amount, payment.currency) != (order.pk, amount, currency):
        raise PaymentRefused(_("This form was sent before, with other contents. Open the order again."))
    return payment
