"""The state of a purchase after lines came, or when nothing is certain: for replies, inquiries and staff alike.

All of it works on a locked purchase, in the caller's transaction.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from orders.attention import ask_for_look, raise_alarm
from orders.delivering import Delivery
from orders.models import CompletionOutcome, OrderLine, Purchase
from orders.states import change_purchase, save_purchase, settle_purchase
from orders.waiting import find_look, wait_for_allocation
from providers.base import Provider
from providers.registry import get_provider

PS = Purchase.State


def find_provider(slug: str) -> Provider | None:
    """The account's client, or None when it is not configured (any more)."""
    try:
        return get_provider(slug)
    except ImproperlyConfigured:
        return None


def keep_handles(purchase: Purchase, *, transaction_id: str, order_ref: str = "", by: str) -> None:
    """Remember the provider's handles of a locked purchase; another one than before needs a person's look."""
    fields = {}
    for name, value in (("transaction_id", transaction_id), ("provider_order_ref", order_ref)):
        known = getattr(purchase, name)
        if value and not known:
            fields[name] = value[:80]
        elif value and known != value[:80]:
            ask_for_look(purchase, f"The provider answered {value[:80]} where {known} was known.", by=by)
    if fields:
        save_purchase(purchase, **fields)


def settle_delivery(
    purchase: Purchase, delivery: Delivery, *, provider: Provider | None, surely_all: bool, by: str
) -> None:
    """Choose the state of a locked purchase after lines came: all, more, fewer, or lines that are somebody else's.

    ``surely_all``: the provider said that no more will come.
    """
    facts = {"delivered": delivery.delivered, "ordered": purchase.quantity}
    ask_about_oddities(purchase, delivery, by=by)
    if delivery.delivered >= purchase.quantity:
        move_or_stay(purchase, to=PS.FULFILLED, by=by, facts=facts, error="", error_code="")
    elif purchase.state in (PS.FULFILLED, PS.SHORT):
        settle_purchase(purchase, by=by)
    elif delivery.taken:
        why = f"{len(delivery.taken)} of the lines named are lines of somebody else here already"
        park_unknown(purchase, by=by, why=why, facts={**facts, "taken": list(delivery.taken)})
    elif surely_all and delivery.delivered:
        move_or_stay(purchase, to=PS.SHORT, by=by, why="the provider delivered fewer for good", facts=facts)
    elif _is_told_by_file(purchase):
        # A reply that was read late: the provider has said since what became of it.
        settle_purchase(purchase, by=by)
    elif not surely_all and purchase.order_line.kind in OrderLine.BY_FORM:
        why = "accepted: the completion file will say what came of it"
        move_or_stay(purchase, to=PS.ALLOCATING, by=by, why=why, facts=facts, next_attempt_at=None)
    elif not surely_all and find_look(purchase, provider) is not None:
        move_or_stay(
            purchase,
            to=PS.ALLOCATING,
            by=by,
            why="more lines may come: the provider is asked",
            facts=facts,
            next_attempt_at=timezone.now() + _wait_for_more(provider, delivery),
        )
    else:
        why = f"the provider took the order and named {delivery.delivered} of {purchase.quantity} lines"
        park_unknown(purchase, by=by, why=why, facts=facts)


def _is_told_by_file(purchase: Purchase) -> bool:
    """Whether a completion file has told what became of an activation, after which "accepted" is no news."""
    if purchase.order_line.kind not in OrderLine.BY_FORM or purchase.state not in Purchase.ENDED:
        return False
    told = CompletionOutcome.objects.filter(purchase=purchase, outcome=CompletionOutcome.Outcome.APPLIED)
    return told.exists()


def _wait_for_more(provider: Provider | None, delivery: Delivery) -> timedelta:
    if provider is not None and provider.allocation_pace and not delivery.delivered:
        return wait_for_allocation(provider, 0)
    return timedelta(seconds=settings.PURCHASE_INQUIRY_SPACING_SECONDS if delivery.delivered else 0)


def ask_about_oddities(purchase: Purchase, delivery: Delivery, *, by: str) -> None:
    if delivery.taken:
        refs = ", ".join(delivery.taken[:10])
        ask_for_look(purchase, f"The provider named lines that are somebody else's here: {refs}", by=by)
    if delivery.repeated:
        ask_for_look(purchase, f"The provider named lines twice: {', '.join(delivery.repeated[:10])}", by=by)
    if delivery.new and delivery.delivered > purchase.quantity:
        more = delivery.delivered - purchase.quantity
        ask_for_look(purchase, f"The provider delivered {more} more than ordered; they are kept.", by=by)


def park_unknown(
    purchase: Purchase, *, by: str, why: str, error_code: str = "", facts: Mapping[str, object] | None = None
) -> None:
    """Put a locked purchase into the staff's queue as ``unknown`` and raise the alarm."""
    move_or_stay(purchase, to=PS.UNKNOWN, by=by, why=why, facts=facts, error=why, error_code=error_code[:60])
    raise_alarm("purchase_outcome_unknown", purchase, code=error_code)


def move_or_stay(purchase: Purchase, *, to: str, by: str, **changes: Any) -> None:
    """``change_purchase``, or, when the purchase is in that state already, only the fields and what follows."""
    if purchase.state != to:
        change_purchase(purchase, to=to, by=by, **changes)
        return
    fields = {name: value for name, value in changes.items() if name not in ("why", "facts")}
    if fields:
        save_purchase(purchase, **fields)
    settle_purchase(purchase, by=by)
