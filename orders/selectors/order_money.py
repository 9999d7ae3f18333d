"""What an order earned: what stays of its price, less what its eSIMs cost us after all."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from esims.models import LineAction, Package
from orders.models import Order, OrderLine, Refund

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMoney:
    """In the order's currency. ``cost_back``: what providers said that they give us back for ended lines."""

    kept: Decimal
    cost: Decimal
    cost_back: Decimal
    lines_back: int

    @property
    def margin(self) -> Decimal:
        return self.kept - self.cost + self.cost_back


def read_order_money(order: Order, lines: Sequence[OrderLine], refunds: Sequence[Refund]) -> OrderMoney | None:
    """None where the cost of a line is not known in the order's currency. ``refunds`` with their purchases.

    What was not delivered costs nothing, and its price is not kept; a replacement keeps nothing and costs all the same.
    """
    if not lines or any(line.unit_cost is None or line.cost_currency != order.currency for line in lines):
        return None
    costs = {line.pk: line.unit_cost or ZERO for line in lines}
    kept, cost = order.total, sum((costs[line.pk] * line.quantity for line in lines), ZERO)
    for refund in refunds:
        if refund.state not in Refund.STANDING or refund.kind == Refund.Kind.SURPLUS:
            continue
        kept -= refund.amount
        if refund.kind == Refund.Kind.MISSING and refund.purchase is not None:
            cost -= costs.get(refund.purchase.order_line_id, ZERO) * refund.quantity
    back = _find_lines_back(order)
    cost_back = sum((costs.get(line_id, ZERO) for line_id in back), ZERO)
    return OrderMoney(kept=kept, cost=cost, cost_back=cost_back, lines_back=len(back))


def _find_lines_back(order: Order) -> list[int]:
    """The order line of everything for which a provider said that it gives our money back."""
    by_line, by_package = "esim__purchased__purchase__order_line", "package__purchased__purchase__order_line"
    is_top_up = Q(package__kind=Package.Kind.TOP_UP)
    is_line = Q(package__isnull=True) | Q(package__kind=Package.Kind.BASE)
    ended = LineAction.objects.filter(state=LineAction.State.CONFIRMED, refunded=True).filter(
        Q(is_top_up, **{f"{by_package}__order": order}) | Q(is_line, **{f"{by_line}__order": order})
    )
    rows = ended.values_list("package__kind", f"{by_line}_id", f"{by_package}_id")
    return [top_up if kind == Package.Kind.TOP_UP else base for kind, base, top_up in rows]
