"""Erasing activation forms that nobody needs any more: they hold names, birthdays and passwords.

A form goes by itself as soon as it is not needed to be sent (``states.settle_form``). Here are the forms that would
wait for ever: of orders that nobody pays, and of purchases that nobody mends.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from orders.models import Activation, Order, OrderLine, Purchase
from orders.states import lock_order, note_event

BY = "schedule"


def close_activations(order: Order) -> int:
    """Of a locked order that is never bought: its activations are over, and their forms are gone. Returns how many."""
    mine = Activation.objects.filter(order_line__order=order)
    mine.filter(payload__isnull=False).update(payload=None, payload_erased_at=timezone.now())
    return mine.filter(is_open=True).update(is_open=False)


def erase_waiting_forms(*, older_than: timedelta) -> int:
    """Erase the forms that have waited so long, unpaid or held; returns how many.

    The EID of an unpaid one is free again; a held one stays open, and its form is entered again.
    """
    before = timezone.now() - older_than
    orders = [*_unpaid_before(before), *_held_before(before)]
    return sum(_erase(order_id, before) for order_id in sorted(set(orders)))


def _erase(order_id: int, before: datetime) -> int:
    with transaction.atomic():
        order = lock_order(order_id)
        # It may have been paid, sent or corrected since we looked.
        still_waits = order_id in {*_unpaid_before(before, order_id), *_held_before(before, order_id)}
        if not still_waits:
            return 0
        kept = Activation.objects.filter(order_line__order=order, payload__isnull=False)
        if order.state == Order.State.UNPAID:
            kept.update(is_open=False)
        erased = kept.update(payload=None, payload_erased_at=timezone.now())
        note_event(order, kind="activation.form_erased", by=BY, why="it waited too long")
    return erased


def _kept(order_id: int | None) -> QuerySet[Activation]:
    kept = Activation.objects.filter(payload__isnull=False)
    return kept if order_id is None else kept.filter(order_line__order_id=order_id)


def _unpaid_before(before: datetime, order_id: int | None = None) -> list[int]:
    waiting = _kept(order_id).filter(order_line__order__state=Order.State.UNPAID, created_at__lt=before)
    return list(waiting.values_list("order_line__order_id", flat=True))


def _held_before(before: datetime, order_id: int | None = None) -> list[int]:
    """Purchases on which nothing has happened since."""
    lines = OrderLine.objects.filter(activation__in=_kept(order_id))
    held = Purchase.objects.filter(order_line__in=lines, state=Purchase.State.HELD)
    quiet = held.annotate(last=Max("events__at")).filter(last__lt=before)
    return list(quiet.values_list("order_line__order_id", flat=True))
