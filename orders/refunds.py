"""Money that goes back, recorded by staff."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.credit import enter_refund, may_refund_to_credit
from orders.models import Order, Payment, Purchase, Refund
from orders.payments import PaymentRefused
from orders.states import lock_order, lock_purchase, note_event


class RefundRefused(Exception):
    """The refund cannot be recorded; nothing was written."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def record_refund_made(*, refund: Refund, method: str, reference: str = "", by: User) -> Refund:
    """Record that the whole amount went back to the customer; recording it twice gives one refund.

    Raises ``RefundRefused`` when it is no longer due (the lines came after all), ``PermissionDenied`` without
    ``orders.refund``.
    """
    if not by.has_perm("orders.refund"):
        raise PermissionDenied
    with transaction.atomic():
        # Order and purchase are locked first, so that a late reply and the refund see each other.
        order, purchase = lock_refunded(refund)
        locked = Refund.objects.select_for_update().get(pk=refund.pk)
        if locked.state == Refund.State.MADE:
            return locked
        if locked.state == Refund.State.SENDING:
            raise RefundRefused(_("The payment service is paying this back already."))
        if locked.state != Refund.State.DUE:
            raise RefundRefused(_why_dropped(locked))
        if (locked.amount, locked.quantity) != (refund.amount, refund.quantity):
            raise RefundRefused(_("The amount has changed meanwhile. Look at it again."), "amount")
        to_credit = method == Payment.Method.CREDIT and may_refund_to_credit(order)
        if method not in Payment.BY_HAND and not to_credit:
            raise RefundRefused(_("Choose how the money went back."), "method")
        locked.state, locked.method, locked.reference = Refund.State.MADE, method, reference
        locked.made_at, locked.made_by = timezone.now(), by
        locked.save(update_fields=["state", "method", "reference", "made_at", "made_by"])
        facts = {"amount": str(locked.amount), "currency": locked.currency, "method": method}
        note_event(order, kind="refund.made", purchase=purchase, by=by.email, facts=facts)
        if to_credit:
            locked.order = order
            try:
                enter_refund(refund=locked, by=by.email)
            except PaymentRefused as error:
                raise RefundRefused(error.message, error.field) from error
        pass_checkpoint(Checkpoint.REFUNDING, row_id=locked.pk)
    pass_checkpoint(Checkpoint.REFUNDED, row_id=locked.pk)
    return locked


def _why_dropped(refund: Refund) -> str:
    if refund.kind == Refund.Kind.MISSING:
        return _("This refund is no longer due: the provider delivered after all.")
    return _("This refund is no longer due: it was dropped.")


def lock_refunded(refund: Refund) -> tuple[Order, Purchase | None]:
    """The order of a refund and, where it is for one, its purchase: locked in this order, as every change does."""
    if refund.purchase_id is None:
        return lock_order(refund.order_id), None
    purchase = lock_purchase(refund.purchase_id)
    return purchase.order_line.order, purchase
