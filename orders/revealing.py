"""Showing a provider's raw reply in clear: who saw it stands on the order's timeline."""

from django.core.exceptions import PermissionDenied
from django.db import transaction

from customers.models import User
from orders.models import PurchaseAttempt
from orders.states import note_event


def reveal_reply(*, attempt: PurchaseAttempt, by: User) -> str:
    """The whole reply as it came, activation codes included; "" where none is stored (any more).

    Wants ``esims.reveal_codes``. The attempt comes with its purchase and order.
    """
    if not by.has_perm("esims.reveal_codes"):
        raise PermissionDenied
    if attempt.body is None:
        return ""
    purchase = attempt.purchase
    with transaction.atomic():
        facts = {"attempt": attempt.number}
        order = purchase.order_line.order
        note_event(order, kind="purchase.reply_shown", purchase=purchase, by=by.email, facts=facts)
    return bytes(attempt.body).decode("utf-8", "replace")
