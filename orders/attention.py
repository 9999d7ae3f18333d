"""Calling a person: a line in the log that an alarm can watch, and a mark on the purchase that the queue shows."""

import structlog
from django.db import transaction

from orders.models import Purchase
from orders.states import note_event, save_purchase

log = structlog.get_logger(__name__)


def raise_alarm(event: str, purchase: Purchase, *, code: str = "") -> None:
    """Log an error once the transaction is committed; ids and codes only."""
    order = purchase.order_line.order
    facts = {"purchase": purchase.pk, "order": order.number, "account": purchase.account.slug, "code": code}
    transaction.on_commit(lambda: log.error(event, **facts))


def ask_for_look(purchase: Purchase, what: str, *, by: str) -> None:
    """Mark a locked purchase for a person's look, with a row on the timeline; the same words are not added twice."""
    if what in purchase.attention:
        return
    save_purchase(purchase, attention="\n".join(filter(None, [purchase.attention, what])))
    note_event(purchase.order_line.order, kind="purchase.attention", purchase=purchase, by=by, why=what)
    raise_alarm("purchase_needs_look", purchase)
