"""What people decide about payments that do not fit to their orders.

Every verb wants ``orders.handle_payment`` (``PermissionDenied`` otherwise), locks, looks again, and writes who and why.
Done twice they change nothing more. Raises ``PaymentRefused`` where a decision is no longer possible.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.capturing import begin_buying, count_captured, list_kept, owe_excess, owe_surplus
from orders.checkout import cancel_unpaid, why_not_sellable
from orders.expiring import expire_if_due
from orders.models import Order, OrderLine, Payment, Refund
from orders.payments import PaymentRefused
from orders.states import lock_order, note_event
from orders.topups import why_no_top_up

#: In these an order may still be bought with what came for it.
_MAY_BE_BOUGHT = (Order.State.UNPAID, Order.State.EXPIRED)


def buy_after_all(*, payment: Payment, why: str, by: User) -> Payment:
    """Buy the order of a payment whose total has come: it expired before, or could not be bought then.

    At its frozen price; what came beyond it is owed back. An order that is being bought already stays as it is.
    """
    with transaction.atomic():
        locked = _lock(payment, by)
        order = locked.order
        if order.paid_at is not None:
            return locked
        _require_buyable(order)
        _note_look(locked, why=why or "bought after all", by=by)
        try:
            begin_buying(order, by=by.email)
        except ImproperlyConfigured as error:
            raise PaymentRefused(_("The provider's account is not configured, so nothing could be bought.")) from error
        owe_excess(order, by=by.email)
    return locked


def give_back(*, payment: Payment, why: str, by: User, cancels: bool = False) -> Payment:
    """Owe a payment back of which nothing was bought. ``cancels``: and cancel the order, where it waits for payment.

    An order whose time is over, and that keeps no other money, expires with it.
    """
    with transaction.atomic():
        locked = _lock(payment, by)
        order = locked.order
        if not is_owed_back(locked):
            if locked.state != Payment.State.CAPTURED or order.paid_at is not None:
                raise PaymentRefused(_("The order was bought with this payment: look at its purchases instead."))
            owe_surplus(locked, locked.captured_amount or Decimal(0), why="the money is given back", by=by.email)
        if locked.attention:
            _note_look(locked, why=why or "the money is given back", by=by)
        if order.state == Order.State.UNPAID:
            if cancels:
                cancel_unpaid(order, why=why, by=by.email)
            else:
                expire_if_due(order, by=by.email)
    return locked


def settle_payment(*, payment: Payment, why: str, by: User) -> Payment:
    """Take the mark away: somebody has looked at it. Not while nobody has decided where the money goes."""
    with transaction.atomic():
        locked = _lock(payment, by)
        if not locked.attention:
            return locked
        if is_undecided(locked):
            raise PaymentRefused(_("Decide first where the money goes: buy the order, or give it back."))
        _note_look(locked, why=why, by=by)
    return locked


def void_payment(*, payment: Payment, why: str, by: User) -> Payment:
    """Take back a payment that was entered by mistake, with the refund that was owed for it.

    Only what was recorded by hand, and only while nothing was bought for it and nothing of it has gone back.
    """
    with transaction.atomic():
        locked = _lock(payment, by)
        if locked.state == Payment.State.VOIDED:
            return locked
        if locked.method not in Payment.BY_HAND or locked.state != Payment.State.CAPTURED:
            raise PaymentRefused(_("Only a payment that was recorded by hand can be taken back."))
        refund = _find_surplus(locked)
        if refund is not None and refund.state in Refund.GONE:
            raise PaymentRefused(_("The money went back already: the payment stays."))
        if locked.order.paid_at is not None and not is_owed_back(locked):
            raise PaymentRefused(_("The order was bought with this payment: look at its purchases instead."))
        if refund is not None and refund.state == Refund.State.DUE:
            refund.state = Refund.State.DROPPED
            refund.save(update_fields=["state"])
            facts = {"old": str(refund.amount), "new": "0", "currency": refund.currency}
            note_event(locked.order, kind="refund.dropped", by=by.email, why="the payment was a mistake", facts=facts)
        locked.state, locked.ended_at, locked.attention = Payment.State.VOIDED, timezone.now(), ""
        locked.save(update_fields=["state", "ended_at", "attention"])
        facts = {"amount": str(locked.captured_amount), "currency": locked.captured_currency, "method": locked.method}
        note_event(locked.order, kind="payment.voided", by=by.email, why=why, facts=facts)
        if locked.order.state == Order.State.UNPAID:
            expire_if_due(locked.order, by=by.email)
    return locked


def is_owed_back(payment: Payment) -> bool:
    """Whether all of a captured payment is owed back, or went back."""
    refund = _find_surplus(payment)
    return refund is not None and refund.state in Refund.STANDING and refund.amount == payment.captured_amount


def is_undecided(payment: Payment) -> bool:
    """Whether money came, and nobody has said yet where it goes: its order neither takes it nor owes it back."""
    order = payment.order
    if payment.state != Payment.State.CAPTURED or order.state not in _MAY_BE_BOUGHT or is_owed_back(payment):
        return False
    return order.state == Order.State.EXPIRED or count_captured(order) >= order.total


def why_not_buyable(order: Order) -> str:
    """Why an order cannot be bought with what came for it, as a sentence for people; "" when it can."""
    if order.state not in _MAY_BE_BOUGHT:
        return _("The order is “%(state)s”: it is not bought any more.") % {"state": order.get_state_display()}
    if count_captured(order) < order.total:
        return _("What came does not cover the order's total.")
    for line in order.lines.select_related("plan__account", "esim__account"):
        refusal = why_not_sellable(line.plan, kind=line.kind)
        if not refusal and line.kind == OrderLine.Kind.TOP_UP and line.esim is not None:
            refusal = why_no_top_up(line.esim)
        if refusal:
            return refusal
    return ""


def _require_buyable(order: Order) -> None:
    if refusal := why_not_buyable(order):
        raise PaymentRefused(refusal)


def _may_be_given_back(payment: Payment) -> bool:
    return payment.order.paid_at is None and payment.pk in {kept.pk for kept in list_kept(payment.order)}


def _may_be_voided(payment: Payment) -> bool:
    if payment.state != Payment.State.CAPTURED or payment.method not in Payment.BY_HAND:
        return False
    refund = _find_surplus(payment)
    if refund is not None and refund.state in Refund.GONE:
        return False
    return payment.order.paid_at is None or is_owed_back(payment)


#: Decision → whether it is possible now, for a payment that comes with its order. The verbs look again.
POSSIBLE: Mapping[str, Callable[[Payment], bool]] = {
    "buy_after_all": lambda payment: payment.state == Payment.State.CAPTURED and not why_not_buyable(payment.order),
    "give_back": _may_be_given_back,
    "settle_payment": lambda payment: bool(payment.attention) and not is_undecided(payment),
    "void_payment": _may_be_voided,
}


def _lock(payment: Payment, by: User) -> Payment:
    if not by.has_perm("orders.handle_payment"):
        raise PermissionDenied
    order = lock_order(payment.order_id)
    locked = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
    locked.order = order
    return locked


def _find_surplus(payment: Payment) -> Refund | None:
    return payment.refunds.filter(kind=Refund.Kind.SURPLUS).first()


def _note_look(payment: Payment, *, why: str, by: User) -> None:
    payment.attention = ""
    payment.save(update_fields=["attention"])
    note_event(payment.order, kind="payment.looked_at", by=by.email, why=why)
