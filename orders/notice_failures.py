"""What our program could not tell a customer: it is on the timeline, and staff are asked to look."""

from collections.abc import Sequence

import structlog
from django.db import transaction

from esims.events import EventKind, make_event
from esims.models import Esim
from orders.attention import ask_for_look
from orders.models import OrderEvent, Purchase, PurchasedEsim
from orders.states import lock_order, lock_purchase, note_event

log = structlog.get_logger(__name__)
BY = "notifications"


def set_line_aside(*, esim_id: int, crash: str) -> None:
    """A reason of a line is told by nobody any more; the purchase that brought it is marked for a look."""
    log.error("notice_set_aside", esim=esim_id, crash=crash)
    with transaction.atomic():
        brought = PurchasedEsim.objects.filter(esim_id=esim_id).values_list("purchase_id", flat=True).first()
        if brought is not None:
            ask_for_look(lock_purchase(brought), _say(crash), by=BY)
        line = Esim.objects.get(pk=esim_id)
        make_event(line, EventKind.NOTICE_FAILED, by=BY, facts={"crash": crash}).save()


def set_order_aside(*, order_id: int, events: Sequence[int], crash: str) -> None:
    """These rows of an order's timeline are told by nobody any more; its first purchase is marked for a look."""
    log.error("notice_set_aside", order=order_id, crash=crash)
    with transaction.atomic():
        order = lock_order(order_id)
        OrderEvent.objects.filter(pk__in=events).update(awaits_notice=False)
        bought = Purchase.objects.filter(order_line__order=order).order_by("pk").values_list("pk", flat=True).first()
        if bought is not None:
            ask_for_look(lock_purchase(bought), _say(crash), by=BY)
        note_event(order, kind="notification.failed", by=BY, why=_say(crash))


def _say(crash: str) -> str:
    """Stored, and retold by pages (config/retelling.py)."""
    return f"The customer was not told: our program failed over the message ({crash})."
