"""Which states an order and a purchase may go between, and the one way to do it.

``docs/purchase-protocol.md`` says why for every pair. A change locks the order, then the purchase (always in this
order), re-checks, writes the fields that it names and one row of the timeline, and settles what follows from it: the
refund that is owed and the state of the order. All of it is one transaction, which the caller opens.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from orders.models import Activation, Order, OrderEvent, OrderLine, Purchase
from orders.notice_reasons import awaits_notice
from orders.refunding import settle_refund

PS = Purchase.State
OS = Order.State

#: From → where a purchase may go. What is missing here does not happen.
PURCHASE_TRANSITIONS: Mapping[str, frozenset[str]] = {
    # The first four are the protocol; the others are a late reply to an earlier, repeatable request.
    PS.PLANNED: frozenset(
        {PS.SENDING, PS.HELD, PS.CANCELLED, PS.REJECTED, PS.FULFILLED, PS.SHORT, PS.ALLOCATING, PS.UNKNOWN}
    ),
    PS.SENDING: frozenset({PS.PLANNED, PS.ALLOCATING, PS.FULFILLED, PS.SHORT, PS.HELD, PS.REJECTED, PS.UNKNOWN}),
    PS.ALLOCATING: frozenset({PS.FULFILLED, PS.SHORT, PS.REJECTED, PS.HELD, PS.UNKNOWN}),
    PS.HELD: frozenset({PS.PLANNED, PS.REJECTED, PS.FULFILLED, PS.SHORT, PS.ALLOCATING, PS.UNKNOWN}),
    PS.UNKNOWN: frozenset({PS.ALLOCATING, PS.FULFILLED, PS.SHORT, PS.REJECTED, PS.HELD}),
    # Ended, and yet a late reply is applied.
    PS.SHORT: frozenset({PS.FULFILLED}),
    PS.REJECTED: frozenset({PS.FULFILLED, PS.SHORT, PS.ALLOCATING, PS.UNKNOWN}),
    PS.CANCELLED: frozenset({PS.FULFILLED, PS.SHORT, PS.ALLOCATING, PS.UNKNOWN}),
    PS.FULFILLED: frozenset(),
}

#: While it may have to be sent (again), an activation keeps its form.
_SENDABLE = frozenset({PS.PLANNED, PS.SENDING, PS.HELD})

#: From → where an order may go. A paid order follows its purchases, also back when a late reply changes one.
_FOLLOWS = frozenset({OS.BUYING, OS.COMPLETED, OS.PARTIAL, OS.FAILED})
ORDER_TRANSITIONS: Mapping[str, frozenset[str]] = {
    OS.UNPAID: frozenset({OS.BUYING, OS.CANCELLED, OS.EXPIRED}),
    OS.BUYING: _FOLLOWS,
    OS.PARTIAL: _FOLLOWS,
    OS.FAILED: _FOLLOWS,
    OS.COMPLETED: _FOLLOWS,
    OS.CANCELLED: frozenset(),
    # Money that came too late may buy it after all.
    OS.EXPIRED: frozenset({OS.BUYING}),
}


class TransitionRefused(Exception):
    """The row is not in a state from which this change is allowed: somebody was faster, or the caller is wrong."""


def lock_order(order_id: int) -> Order:
    """The order as it is now, locked until the transaction ends. Raises ``Order.DoesNotExist``."""
    _require_transaction()
    return Order.objects.select_for_update(no_key=True).get(pk=order_id)


def lock_purchase(purchase_id: int) -> Purchase:
    """The purchase as it is now, with line, order and account; its order is locked first, then itself."""
    order_id = Purchase.objects.values_list("order_line__order_id", flat=True).get(pk=purchase_id)
    order = lock_order(order_id)
    Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
    purchase = Purchase.objects.select_related("order_line__plan", "order_line__esim", "account").get(pk=purchase_id)
    purchase.order_line.order = order
    return purchase


def change_order(order: Order, *, to: str, by: str, why: str = "", facts: Mapping[str, Any] | None = None) -> None:
    """Move a locked order to ``to`` and write it on the timeline. Raises ``TransitionRefused``."""
    _require_transaction()
    if to not in ORDER_TRANSITIONS[order.state]:
        raise TransitionRefused(f"Order {order.number} cannot go from {order.state} to {to}.")
    old, order.state = order.state, to
    now = timezone.now()
    if to == OS.BUYING and order.paid_at is None:
        order.paid_at = now
    order.finished_at = None if to in (OS.BUYING, OS.UNPAID) else now
    order.save(update_fields=["state", "paid_at", "finished_at"])
    note_event(order, kind="order.state", by=by, why=why, facts={"old": old, "new": to, **(facts or {})})


def change_purchase(
    purchase: Purchase,
    *,
    to: str,
    by: str,
    why: str = "",
    facts: Mapping[str, Any] | None = None,
    next_attempt_at: datetime | None = None,
    **fields: Any,
) -> None:
    """Move a locked purchase (see ``lock_purchase``) to ``to``, with ``fields``, and settle refund and order.

    ``next_attempt_at`` (UTC) is when the next step is due by itself: None says never. Raises ``TransitionRefused``.
    """
    _require_transaction()
    if to not in PURCHASE_TRANSITIONS[purchase.state]:
        raise TransitionRefused(f"Purchase {purchase.pk} cannot go from {purchase.state} to {to}.")
    old = purchase.state
    fields |= {
        "state": to,
        "next_attempt_at": next_attempt_at,
        "finished_at": timezone.now() if to in Purchase.ENDED else None,
    }
    if to != PS.SENDING:
        fields["claim_until"] = None
    if to != PS.HELD:
        fields["mend"] = ""
    if to == PS.ALLOCATING:
        fields["allocating_since"] = timezone.now()
    save_purchase(purchase, **fields)
    note_event(
        purchase.order_line.order,
        kind="purchase.state",
        purchase=purchase,
        by=by,
        why=why,
        facts={"old": old, "new": to, **(facts or {})},
    )
    settle_form(purchase)
    settle_purchase(purchase, by=by)


def save_purchase(purchase: Purchase, **fields: Any) -> None:
    """Write fields of a locked purchase that are no change of state."""
    _require_transaction()
    for name, value in fields.items():
        setattr(purchase, name, value)
    purchase.save(update_fields=list(fields))


def next_attempt_number(purchase: Purchase) -> int:
    """The number of the next attempt of a locked purchase."""
    return (purchase.attempts.aggregate(last=Max("number"))["last"] or 0) + 1


def settle_form(purchase: Purchase) -> None:
    """Erase an activation's form as soon as it is not needed to send (again), and say whether its EID is free."""
    if purchase.order_line.kind not in OrderLine.BY_FORM:
        return
    activation = Activation.objects.select_for_update().get(order_line=purchase.order_line)
    if purchase.state not in _SENDABLE and activation.payload is not None:
        activation.payload, activation.payload_erased_at = None, timezone.now()
    is_open = purchase.state not in Purchase.ENDED
    others = Activation.objects.filter(account=activation.account, eid=activation.eid, is_open=True)
    if not is_open or not others.exclude(pk=activation.pk).exists():
        activation.is_open = is_open
    activation.save(update_fields=["payload", "payload_erased_at", "is_open"])


def settle_purchase(purchase: Purchase, *, by: str) -> None:
    """Bring refund and order in line with a locked purchase whose state or delivered lines changed."""
    word = settle_refund(purchase)
    order = purchase.order_line.order
    if word is not None:
        note_event(order, kind=f"refund.{word.kind}", purchase=purchase, by=by, why=word.why, facts=word.facts)
    state = derive_order_state(order)
    if state != order.state:
        change_order(order, to=state, by=by, why="follows from its purchases")


def derive_order_state(order: Order) -> str:
    """The state that a paid order has by its purchases; one that was never paid keeps its own."""
    if order.state in (OS.UNPAID, OS.CANCELLED, OS.EXPIRED):
        return order.state
    states = set(Purchase.objects.filter(order_line__order=order).values_list("state", flat=True))
    if not states <= set(Purchase.ENDED):
        return OS.BUYING
    if states == {PS.FULFILLED}:
        return OS.COMPLETED
    return OS.PARTIAL if states & {PS.FULFILLED, PS.SHORT} else OS.FAILED


def note_event(
    order: Order,
    *,
    kind: str,
    by: str,
    why: str = "",
    purchase: Purchase | None = None,
    facts: Mapping[str, Any] | None = None,
) -> OrderEvent:
    """One row of the timeline. ``facts`` are shown to staff: never a secret.

    What a customer may have to be told of waits, in the same transaction, for the job that does so.
    """
    known = dict(facts or {})
    return OrderEvent.objects.create(
        order=order,
        purchase=purchase,
        kind=kind,
        by=by,
        why=why,
        facts=known,
        awaits_notice=awaits_notice(order, kind, known),
    )


def _require_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("A change of state needs a transaction.")
