"""What a provider's call says of a purchase that nobody waits for any more: looked for again, or a person is asked.

A call is believed in nothing, but it names what only the provider can know: it is a reason to ask once more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from orders.attention import ask_for_look
from orders.models import Order, Purchase
from orders.settling import find_provider, keep_handles
from orders.states import change_purchase, lock_purchase
from orders.waiting import find_look
from providers.base import Provider
from providers.types import Capability, WebhookHint, WebhookKind

PS = Purchase.State
BY = "webhooks"

#: Of which a person decides, or has decided.
LOST = frozenset({PS.UNKNOWN, PS.HELD, PS.REJECTED, PS.CANCELLED, PS.SHORT})


@dataclass(slots=True)
class Recalled:
    """Ids of purchases that are looked for again, and of those that a person is asked about."""

    sought: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)


def lock_orders(purchase_ids: Iterable[int]) -> None:
    """Lock the orders of purchases, in the order of their keys: before any purchase, as everybody does."""
    orders = Order.objects.select_for_update(of=("self",), no_key=True)
    list(orders.filter(lines__purchases__in=list(purchase_ids)).order_by("pk").values_list("pk"))


def recall_purchases(named: Mapping[int, Sequence[WebhookHint]]) -> Recalled:
    """Follow hints that name purchases by id. Their orders and they are locked; nothing else is yet."""
    done = Recalled()
    for purchase_id, hints in sorted(named.items()):
        purchase = lock_purchase(purchase_id)
        provider = find_provider(purchase.account.slug)
        kept = _keep_number(purchase, provider, hints) if purchase.state == PS.UNKNOWN else ""
        if purchase.state == PS.UNKNOWN and find_look(purchase, provider) is not None:
            why = "the provider's call names it: it is asked what it holds"
            change_purchase(
                purchase,
                to=PS.ALLOCATING,
                by=BY,
                why=why,
                facts={"transaction": kept} if kept else {},
                next_attempt_at=timezone.now(),
                failures_in_row=0,
            )
            done.sought.add(purchase_id)
        elif purchase.state in LOST and (purchase.state != PS.SHORT or _tells_of_order(hints)):
            number = next((hint.order_ref for hint in hints if hint.order_ref), "") or purchase.idempotency_key
            ask_for_look(purchase, f"The provider's call names this order ({number}): it may have been bought.", by=BY)
            done.asked.add(purchase_id)
    return done


def _keep_number(purchase: Purchase, provider: Provider | None, hints: Sequence[WebhookHint]) -> str:
    """Keep the provider's number where a call names it together with our key; returns it, "" where none was kept.

    It is what the provider is asked by. What comes of the question is believed only if the lines are ours, as where a
    person typed the number (``answers.py``).
    """
    told = (hint.order_ref for hint in hints if hint.order_ref and hint.order_key == purchase.idempotency_key)
    number = next(told, "")
    if not number or purchase.transaction_id or provider is None:
        return ""
    others = Purchase.objects.filter(account_id=purchase.account_id, transaction_id=number)
    if Capability.TRANSACTION_INQUIRY not in provider.offered or others.exists():
        return ""
    keep_handles(purchase, transaction_id=number, order_ref=number, by=BY)
    return number[:80]


def _tells_of_order(hints: Sequence[WebhookHint]) -> bool:
    """Of a purchase whose lines are here in part: calls about those name its number as well."""
    return any(hint.kind is WebhookKind.ORDER_READY for hint in hints)
