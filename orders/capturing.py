"""Money that came: it is counted for its order, whenever and however it came, and never lost.

An order begins to be bought when what came covers its total, and only here. What an order does not need is owed back
as a refund (``surplus``) or waits for a person, marked on its payment (``attention``):

| The order is        | In its currency                                   | In another currency    |
|---------------------|---------------------------------------------------|------------------------|
| unpaid              | enough: bought, the rest owed back; short: a look | owed back, and a look  |
| expired             | a look: buy it after all, or give it back         | owed back, and a look  |
| cancelled, or paid  | owed back, and a look                             | owed back, and a look  |
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from orders.amounts import say_amount
from orders.attention import log
from orders.checkpoints import Checkpoint, pass_checkpoint
from orders.models import Order, Payment, Refund
from orders.planning import plan_purchases
from orders.states import change_order, lock_order, note_event

#: How the marks end that an order's payments carry only until it is bought.
_WHILE_IT_WAITS = ("nothing is bought yet.", "or give the money back.")
#: What comes although we had given it up still came.
_MAY_STILL_COME = (Payment.State.PENDING, Payment.State.FAILED, Payment.State.CANCELLED)


def count_captured(order: Order) -> Decimal:
    """What was paid for the order and is not owed back as a surplus, in its currency."""
    return sum_captured(order, order.payments.all(), order.refunds.all())


def sum_captured(order: Order, payments: Iterable[Payment], refunds: Iterable[Refund]) -> Decimal:
    """``count_captured`` of an order whose payments and refunds were read already.

    Added here: SQLite adds decimals as floats, and the rows are few.
    """
    came = (
        row.captured_amount or Decimal(0)
        for row in payments
        if row.state == Payment.State.CAPTURED and row.captured_currency == order.currency
    )
    owed_back = (
        row.amount
        for row in refunds
        if row.kind == Refund.Kind.SURPLUS and row.state in Refund.STANDING and row.currency == order.currency
    )
    return sum(came, Decimal(0)) - sum(owed_back, Decimal(0))


def count_outstanding(order: Order) -> Decimal:
    """What is still to be paid, in the order's currency; nothing for one that is cancelled or expired."""
    if order.state in (Order.State.CANCELLED, Order.State.EXPIRED):
        return Decimal(0)
    return max(Decimal(0), order.total - count_captured(order))


def capture_payment(
    *,
    payment_id: int,
    amount: Decimal,
    currency: str,
    captured_at: datetime,
    by: str,
    reference: str = "",
    why: str = "",
) -> Payment:
    """Record that ``amount`` (major units, in the ISO ``currency``) came for a payment, and do what follows from it.

    The same capture again changes nothing, also under a race; another amount for a captured payment asks for a look.
    """
    with transaction.atomic():
        order = lock_order(Payment.objects.values_list("order_id", flat=True).get(pk=payment_id))
        payment = Payment.objects.select_for_update(no_key=True).get(pk=payment_id)
        payment.order = order
        if payment.state not in _MAY_STILL_COME:
            if (payment.captured_amount, payment.captured_currency) != (amount, currency):
                told = say_amount(amount, currency)
                ask_about_payment(payment, f"Another capture of the same payment was told: {told}.", by=by)
            return payment
        was, payment.state = payment.state, Payment.State.CAPTURED
        payment.captured_amount, payment.captured_currency, payment.captured_at = amount, currency, captured_at
        payment.reference = reference[:120] or payment.reference
        payment.client_secret, payment.next_check_at, payment.ended_at, payment.error = None, None, None, ""
        payment.save()
        note_capture(payment, by=by, why=why, facts={"was": was} if was != Payment.State.PENDING else {})
        settle_capture(payment, by=by)
        pass_checkpoint(Checkpoint.CAPTURING, row_id=payment_id)
    pass_checkpoint(Checkpoint.CAPTURED, row_id=payment_id)
    return payment


def note_capture(payment: Payment, *, by: str, why: str = "", facts: dict[str, str] | None = None) -> None:
    """One row of the timeline for money that came."""
    known = {
        "amount": str(payment.captured_amount),
        "currency": payment.captured_currency,
        "method": payment.method,
    }
    note_event(payment.order, kind="payment.captured", by=by, why=why, facts={**known, **(facts or {})})


def settle_capture(payment: Payment, *, by: str) -> None:
    """Decide what a captured payment of a locked order (``payment.order``) does, in the caller's transaction."""
    order, amount = payment.order, payment.captured_amount or Decimal(0)
    if payment.captured_currency != order.currency:
        told = say_amount(amount, payment.captured_currency)
        ask_about_payment(payment, f"The order is in {order.currency}, and {told} came: it is owed back.", by=by)
        owe_surplus(payment, amount, why="paid in another currency", by=by)
    elif order.state == Order.State.UNPAID:
        _settle_unpaid(payment, by=by)
    elif order.state == Order.State.EXPIRED:
        why = "It came after the order had expired: buy the order after all, or give the money back."
        ask_about_payment(payment, why, by=by)
    else:
        why = "the order is cancelled" if order.state == Order.State.CANCELLED else "the order is paid already"
        ask_about_payment(payment, f"It came although {why}: it is owed back.", by=by)
        owe_surplus(payment, amount, why=why, by=by)


def _settle_unpaid(payment: Payment, *, by: str) -> None:
    order = payment.order
    missing = order.total - count_captured(order)
    if missing > 0:
        why = f"{say_amount(missing, order.currency)} of the order's total are missing: nothing is bought yet."
        ask_about_payment(payment, why, by=by)
        return
    try:
        with transaction.atomic():
            begin_buying(order, by=by)
    except ImproperlyConfigured:
        why = "The order is paid, and its provider's account is not configured: nothing is bought yet."
        ask_about_payment(payment, why, by=by)
        order.refresh_from_db()
        return
    payment.refresh_from_db(fields=["attention"])
    if missing < 0:
        ask_about_payment(payment, f"{say_amount(-missing, order.currency)} too much came: it is owed back.", by=by)
        owe_excess(order, by=by)


def begin_buying(order: Order, *, by: str) -> None:
    """Move a locked order whose total has come to ``buying``, and plan its purchases.

    Raises ``ImproperlyConfigured`` when a provider's account cannot be used: the caller rolls back.
    """
    if count_captured(order) < order.total:
        raise ValueError("nothing is bought before it is paid")
    change_order(order, to=Order.State.BUYING, by=by, why="paid")
    plan_purchases(order=order, by=by)
    forget_waiting(order)


def owe_surplus(payment: Payment, amount: Decimal, *, why: str, by: str) -> Refund:
    """Owe back what the order (locked) does not need of a captured payment; once for each payment."""
    refund, is_new = Refund.objects.get_or_create(
        kind=Refund.Kind.SURPLUS,
        payment=payment,
        defaults={
            "order": payment.order,
            "amount": amount,
            "currency": payment.captured_currency,
            "reason": why[:300],
        },
    )
    if is_new:
        facts = {"new": str(amount), "currency": payment.captured_currency}
        note_event(payment.order, kind="refund.due", by=by, why=why, facts=facts)
    return refund


def owe_excess(order: Order, *, by: str) -> None:
    """Owe back what came for a locked, paid order beyond its total: of the newest payments first."""
    excess = count_captured(order) - order.total
    for payment in list_kept(order):
        if excess <= 0:
            return
        amount = min(excess, payment.captured_amount or Decimal(0))
        owe_surplus(payment, amount, why="more was paid than the order costs", by=by)
        excess -= amount


def owe_everything(order: Order, *, why: str, by: str) -> list[Refund]:
    """Owe back all that came for a locked order of which nothing was bought."""
    return [owe_surplus(payment, payment.captured_amount or Decimal(0), why=why, by=by) for payment in list_kept(order)]


def list_kept(order: Order) -> list[Payment]:
    """What came for a locked order in its currency and is not owed back, the newest first; each with the order."""
    returned = Refund.objects.filter(payment=OuterRef("pk"), kind=Refund.Kind.SURPLUS, state__in=Refund.STANDING)
    kept = Payment.objects.filter(
        ~Exists(returned),
        order=order,
        state=Payment.State.CAPTURED,
        captured_currency=order.currency,
        captured_amount__gt=0,
    )
    found = list(kept.order_by("-pk"))
    for payment in found:
        payment.order = order
    return found


def forget_waiting(order: Order) -> None:
    """Take away what payments of a locked order asked while it waited: it is bought now."""
    for payment in Payment.objects.filter(order=order).exclude(attention=""):
        left = [line for line in payment.attention.split("\n") if not line.endswith(_WHILE_IT_WAITS)]
        payment.attention = "\n".join(left)
        payment.save(update_fields=["attention"])


def ask_about_payment(payment: Payment, what: str, *, by: str) -> None:
    """Mark a locked payment for a person's look, with a row on the timeline; the same words are not added twice."""
    if what in payment.attention:
        return
    payment.attention = "\n".join(filter(None, [payment.attention, what]))
    payment.save(update_fields=["attention"])
    note_event(payment.order, kind="payment.attention", by=by, why=what)
    facts = {"payment": payment.pk, "order": payment.order.number}
    transaction.on_commit(lambda: log.error("payment_needs_look", **facts))


def give_up_payment(*, payment_id: int, state: str, error: str, by: str) -> Payment:
    """Record that a pending payment ``failed`` or was ``cancelled``; one that has ended or was captured stays."""
    with transaction.atomic():
        order = lock_order(Payment.objects.values_list("order_id", flat=True).get(pk=payment_id))
        payment = Payment.objects.select_for_update(no_key=True).get(pk=payment_id)
        payment.order = order
        if payment.state != Payment.State.PENDING:
            return payment
        payment.state, payment.error, payment.ended_at = state, error[:300], timezone.now()
        payment.client_secret, payment.next_check_at = None, None
        payment.save()
        note_event(order, kind=f"payment.{state}", by=by, why=error)
    return payment
