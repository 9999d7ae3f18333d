"""Which line another one was ordered for: what both replacing and giving money back look at."""

from collections.abc import Iterable

from esims.models import Esim
from orders.models import Order, OrderLine

_NOTHING_CAME = (Order.State.FAILED, Order.State.CANCELLED, Order.State.EXPIRED)


def find_replacement(esim: Esim, *, but: Order | None = None) -> OrderLine | None:
    """The order line that replaces this line or will; None where there is none, or it brought nothing.

    ``but``: an order that does not count.
    """
    lines = OrderLine.objects.filter(replaces=esim).exclude(order__state__in=_NOTHING_CAME)
    if but is not None:
        lines = lines.exclude(order=but)
    return lines.select_related("order").order_by("pk").first()


def find_replaced(esim_ids: Iterable[int]) -> frozenset[int]:
    """Which of the lines have such an order line; one query."""
    lines = OrderLine.objects.filter(replaces__in=list(esim_ids)).exclude(order__state__in=_NOTHING_CAME)
    return frozenset(pk for pk in lines.values_list("replaces_id", flat=True) if pk is not None)
