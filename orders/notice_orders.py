"""What an order has to tell its customer: lines and top-ups that came.

All of it by what the order (locked) is now and what was told of it before; the rows that wake this say nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from esims.models import Esim
from esims.notices import awaits_code, code_late_at
from esims.states import ENDED
from orders.attention import ask_for_look
from orders.models import Notification, Order, OrderLine, PurchasedEsim, PurchasedPackage
from orders.notice_rows import Telling, write_tellings
from orders.states import lock_order, lock_purchase

K = Notification.Kind
BY = "notifications"
#: So many are named to staff.
_NAMED = 10
_ENDED_VALUES = tuple(state.value for state in ENDED)
_MAIN = (Notification.Channel.EMAIL, Notification.Channel.FEED)


def plan_order(order: Order) -> None:
    """Tell of what a locked order has delivered and was not told of before, once all of it can be installed."""
    if order.state not in (Order.State.COMPLETED, Order.State.PARTIAL):
        return
    write_tellings([*_deliveries(order), *_top_ups(order)])


def _deliveries(order: Order) -> Iterable[Telling]:
    lines = Esim.objects.filter(purchased__purchase__order_line__order=order).exclude(state__in=_ENDED_VALUES)
    told = set[int]()
    tellings = Notification.objects.filter(
        order=order, kind__in=(K.ORDER_READY, K.REPLACEMENT), channel__in=_MAIN, resent_of=None
    )
    for facts in tellings.values_list("facts", flat=True):
        told.update(facts.get("esims", ()))
    untold = list(lines.exclude(pk__in=told).select_related("account", "plan").order_by("pk"))
    new = [line for line in untold if not awaits_code(line)]
    if not new or any(awaits_code(line) and not is_late(line) for line in untold):
        return
    order_lines = list(OrderLine.objects.filter(order=order).select_related("replaces"))
    replaced = next((line.replaces for line in order_lines if line.replaces is not None), None)
    ordered = sum(line.quantity for line in order_lines if line.kind != OrderLine.Kind.TOP_UP)
    came = PurchasedEsim.objects.filter(purchase__order_line__order=order).count()
    yield Telling(
        kind=K.ORDER_READY if replaced is None else K.REPLACEMENT,
        # What came later is another telling; who is first is decided by the order's lock, and by this key.
        key=f"ready:order:{order.pk}:{len(told)}",
        customer=order.customer,
        order=order,
        esim=new[0] if len(new) == 1 else None,
        delivered=tuple(new),
        context=lambda: {
            "order": order.number,
            "count": len(new),
            "coming": len(untold) - len(new),
            "missing": max(0, ordered - came) if order.state == Order.State.PARTIAL else 0,
            "replaced": replaced.label if replaced else "",
        },
        facts={"esims": [line.pk for line in new]},
    )


def is_late(line: Esim) -> bool:
    return code_late_at(line) <= timezone.now()


def give_up_waiting(lines: Sequence[Esim]) -> None:
    """These lines hold their orders' messages up no longer: what is there is told, and staff look for the rest."""
    brought = PurchasedEsim.objects.filter(esim__in=lines)
    brought = brought.order_by("purchase__order_line__order_id", "purchase_id", "esim_id")
    found: dict[int, dict[int, list[str]]] = {}
    for row in brought.select_related("esim", "purchase__order_line") if lines else ():
        purchases = found.setdefault(row.purchase.order_line.order_id, {})
        if awaits_code(row.esim):
            purchases.setdefault(row.purchase_id, []).append(row.esim.label)
    for order_id, by_purchase in found.items():
        with transaction.atomic():
            order = lock_order(order_id)
            for purchase_id, labels in by_purchase.items():
                words = f"The provider has named no code yet for: {', '.join(labels[:_NAMED])}"
                ask_for_look(lock_purchase(purchase_id), words, by=BY)
            plan_order(order)


def _top_ups(order: Order) -> Iterable[Telling]:
    brought = PurchasedPackage.objects.filter(purchase__order_line__order=order)
    for row in brought.select_related("esim__account", "esim__plan", "purchase__order_line").order_by("pk"):
        yield Telling(
            kind=K.TOPPED_UP,
            key=f"topped-up:purchase:{row.purchase_id}",
            customer=order.customer,
            order=order,
            esim=row.esim,
            context=_top_up_context(order, row),
            facts={"package": row.package_id},
        )


def _top_up_context(order: Order, row: PurchasedPackage) -> Any:
    return lambda: {"order": order.number, "label": row.esim.label, "package": row.purchase.order_line.plan_name}
