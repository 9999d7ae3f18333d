"""Which rows of an order's timeline may have to be told to its customer: said with the row, at no cost of a query."""

from collections.abc import Mapping
from typing import Any

from orders.models import Order

REFUND_KINDS = frozenset({"refund.due", "refund.returned", "refund.made", "refund.failed", "refund.dropped"})
_DELIVERED = frozenset({Order.State.COMPLETED, Order.State.PARTIAL})


def awaits_notice(order: Order, kind: str, facts: Mapping[str, Any]) -> bool:
    """Whether somebody has to look at the row: something was delivered for good, or money goes back.

    While an order is being bought its lines are no reason: its end is one, and tells of all of them.
    """
    if kind == "order.state":
        return facts.get("new") in _DELIVERED
    if kind == "purchase.lines":
        return order.state in _DELIVERED
    return kind in REFUND_KINDS
