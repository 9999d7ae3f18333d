"""Orders that nobody paid in time, and giving them more time.

An order with money on it never expires by itself: a person decides about that money. Nor does one with a payment that
is pending: it must be given up first, where its payment service can still stop it. One of which the service has said
nothing for a day holds its order no longer; money that comes late after all is recorded, and a person decides.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import User
from orders.capturing import list_kept
from orders.card.waits import HANGS_AFTER
from orders.erasing import close_activations
from orders.models import Order, Payment, Refund
from orders.states import change_order, lock_order, note_event

BY = "expiring"
#: So many in one job: the next one goes on.
_AT_ONCE = 500
#: Nobody is waited for longer at a time.
MOST_DAYS = 90


class ExtensionRefused(Exception):
    """The order cannot wait longer; nothing was written. ``field`` names what to mend."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def overdue_orders() -> QuerySet[Order]:
    """Orders that nobody paid in time, whatever holds them."""
    return Order.objects.filter(state=Order.State.UNPAID, expires_at__lte=timezone.now())


def due_orders() -> QuerySet[Order]:
    """The overdue ones that expire now: no payment of theirs is pending, and none came that they keep."""
    returned = Refund.objects.filter(payment=OuterRef("pk"), kind=Refund.Kind.SURPLUS, state__in=Refund.STANDING)
    came = Q(state=Payment.State.CAPTURED, captured_amount__gt=0) & ~Exists(returned)
    holding = Payment.objects.filter(came | _may_come(), order=OuterRef("pk"))
    return overdue_orders().filter(~Exists(holding))


def _may_come() -> Q:
    """Pending payments that are worth waiting for: new ones, and what the service says a bank is carrying out."""
    is_new = Q(created_at__gt=timezone.now() - HANGS_AFTER)
    return Q(state=Payment.State.PENDING) & (is_new | Q(service_state="processing", error=""))


def is_held(payments: Iterable[Payment], refunds: Iterable[Refund]) -> bool:
    """Whether money that came keeps an order from ever expiring by itself; its payments and refunds were read already.

    As ``due_orders`` asks it. A payment that is pending only puts it off.
    """
    returned = {row.payment_id for row in refunds if row.kind == Refund.Kind.SURPLUS and row.state in Refund.STANDING}
    return any(
        row.state == Payment.State.CAPTURED and row.captured_amount and row.pk not in returned for row in payments
    )


def expire_orders(*, limit: int = _AT_ONCE) -> int:
    """Let due orders expire, each in a transaction of its own; returns how many. May run twice, at the same time."""
    due = due_orders().order_by("expires_at", "pk").values_list("pk", flat=True)
    return sum(_expire(order_id) for order_id in list(due[:limit]))


def _expire(order_id: int) -> bool:
    with transaction.atomic():
        order = lock_order(order_id)
        return expire_if_due(order, by=BY)


def expire_if_due(order: Order, *, by: str) -> bool:
    """Let a locked order expire, unless it was paid, extended or is being paid; whether it did."""
    if not overdue_orders().filter(pk=order.pk).exists():
        return False
    if list_kept(order) or order.payments.filter(_may_come()).exists():
        return False
    change_order(order, to=Order.State.EXPIRED, by=by, why="nobody paid in time")
    close_activations(order)
    return True


def extend_order(*, order: Order, until: datetime, why: str, by: User) -> Order:
    """Let an order wait for its payment until then (UTC); the same moment again changes nothing.

    Raises ``ExtensionRefused`` when it waits no longer, or ``until`` is past or too far away.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = lock_order(order.pk)
        if locked.state != Order.State.UNPAID:
            raise ExtensionRefused(_("This order no longer waits for its payment."))
        if locked.expires_at == until:
            return locked
        if until <= now:
            raise ExtensionRefused(_("This moment is past."), "days")
        if until > now + timedelta(days=MOST_DAYS, hours=1):
            raise ExtensionRefused(_("At most %(most)d days from now.") % {"most": MOST_DAYS}, "days")
        old, locked.expires_at = locked.expires_at, until
        locked.save(update_fields=["expires_at"])
        facts = {"old": old.isoformat() if old else "", "new": until.isoformat()}
        note_event(locked, kind="order.extended", by=by.email, why=why, facts=facts)
    return locked
