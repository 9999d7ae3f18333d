"""What is owed back for a purchase. ``states`` calls it at each change; ``refunds.py`` holds the verbs of staff."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orders.amounts import say_amount
from orders.models import OrderLine, Purchase, PurchasedEsim, PurchasedPackage, Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundWord:
    """What changed about a refund, for the timeline."""

    kind: str
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def count_delivered(purchase: Purchase) -> int:
    """How many lines, or packages on lines, this purchase brought until now."""
    if purchase.order_line.kind == OrderLine.Kind.TOP_UP:
        return PurchasedPackage.objects.filter(purchase=purchase).count()
    return PurchasedEsim.objects.filter(purchase=purchase).count()


def settle_refund(purchase: Purchase) -> RefundWord | None:
    """Make the refund of a locked purchase say what is owed now; None when it did already.

    Owed is what was paid and not delivered, once the purchase has ended. A refund that went back, or may have, stays as
    it is: when lines come after all, the purchase asks for a person's look instead.
    """
    owed = max(0, purchase.quantity - count_delivered(purchase)) if purchase.state in Purchase.ENDED else 0
    price = purchase.order_line.unit_price
    refund = Refund.objects.select_for_update().filter(purchase=purchase, kind=Refund.Kind.MISSING).first()
    if refund is None:
        return _open_refund(purchase, owed) if owed and price else None
    if refund.state in Refund.GONE:
        return _notice_made(purchase, refund, owed)
    if owed == (refund.quantity if refund.state == Refund.State.DUE else 0):
        return None
    facts = {"old": str(refund.amount if refund.state == Refund.State.DUE else 0), "currency": refund.currency}
    if owed == 0:
        why = "the provider's lines came, or may still come"
        refund.state = Refund.State.DROPPED
        refund.save(update_fields=["state"])
        return RefundWord(kind="dropped", why=why, facts={**facts, "new": "0"})
    refund.state, refund.quantity, refund.amount = Refund.State.DUE, owed, price * owed
    refund.reason = _say_reason(purchase)
    refund.save(update_fields=["state", "quantity", "amount", "reason"])
    return RefundWord(kind="due", facts={**facts, "new": str(refund.amount)})


def _open_refund(purchase: Purchase, owed: int) -> RefundWord:
    line = purchase.order_line
    amount = line.unit_price * owed
    currency = line.order.currency
    Refund.objects.create(
        order=line.order,
        purchase=purchase,
        quantity=owed,
        amount=amount,
        currency=currency,
        reason=_say_reason(purchase),
    )
    return RefundWord(kind="due", facts={"new": str(amount), "currency": currency})


def _notice_made(purchase: Purchase, refund: Refund, owed: int) -> RefundWord | None:
    word = f"{say_amount(refund.amount, refund.currency)} went back already, yet lines were delivered"
    if owed >= refund.quantity or purchase.state not in Purchase.ENDED or word in purchase.attention:
        return None
    purchase.attention = "\n".join(filter(None, [purchase.attention, word]))
    purchase.save(update_fields=["attention"])
    return RefundWord(kind="overtaken", why=word, facts={"refunded": refund.quantity, "owed": owed})


def _say_reason(purchase: Purchase) -> str:
    return (purchase.error or purchase.get_state_display())[:300]
