"""From a paid order to the requests that will buy it."""

import uuid
from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone
from django_q.tasks import async_task

from orders.models import Order, OrderLine, Purchase
from orders.states import note_event
from providers.registry import get_provider


def plan_purchases(*, order: Order, by: str) -> list[Purchase]:
    """Write the purchases of a paid, locked order and enqueue each, in the caller's transaction.

    A line is split by how many eSIMs one order may hold at its provider. Each purchase gets the key that it keeps for
    ever. Raises ``ImproperlyConfigured`` when an account cannot be used.
    """
    if order.paid_at is None:
        raise ValueError("nothing is bought before it is paid")
    now = timezone.now()
    purchases = [
        Purchase.objects.create(
            order_line=line,
            account=line.plan.account,
            plan_ref=line.plan.plan_ref,
            plan_alias=line.plan.alias,
            quantity=quantity,
            period_days=line.period_days,
            idempotency_key=str(uuid.uuid4()),
            next_attempt_at=now,
        )
        for line in order.lines.select_related("plan__account")
        for quantity in split_quantity(line.quantity, _most_at_once(line))
    ]
    for purchase in purchases:
        facts = {"quantity": purchase.quantity, "account": purchase.account.slug, "plan": purchase.plan_ref}
        note_event(order, kind="purchase.planned", purchase=purchase, by=by, facts=facts)
        enqueue_purchase(purchase)
    return purchases


def _most_at_once(line: OrderLine) -> int:
    """How many of an order line one request may ask for."""
    provider = get_provider(line.plan.account.slug)
    return provider.max_order_quantity if line.kind == OrderLine.Kind.ESIM else 1


def enqueue_purchase(purchase: Purchase) -> None:
    """Let a worker take the purchase's next step; part of the caller's transaction."""
    async_task("orders.tasks.run_purchase", purchase.pk, cluster=settings.QUEUES["orders"])


def split_quantity(quantity: int, most: int) -> Iterator[int]:
    """50 by 30 gives 30 and 20."""
    while quantity > 0:
        yield min(quantity, most)
        quantity -= most
