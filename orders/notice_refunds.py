"""What customers hear of money that goes back: that it is owed, that it went, that it came back, that it is dropped.

The books say what holds now, the last telling what the customer believes; where they differ something is told. So a
refund that goes to and fro is told each time, and one that went at once is told by one word.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from orders.models import Notification, Order, Payment, Refund
from orders.notice_rows import Telling, write_tellings

K = Notification.Kind
RS = Refund.State
_KINDS = (K.REFUND_DUE, K.REFUND_MADE)
_MAIN = (Notification.Channel.EMAIL, Notification.Channel.FEED)
#: Ways by which a bank takes its time.
_BY_BANK = frozenset({Payment.Method.TRANSFER, Payment.Method.TERMINAL, Payment.Method.CARD})


def is_told_of_refunds() -> bool:
    """Whether customers hear by themselves of what is owed back to them."""
    return K.REFUND_DUE not in settings.NOTIFICATION_OFF


def say_told_of_refunds() -> list[str]:
    """For pages that owe money back, in the reader's language; nothing where customers are not told."""
    told = _("Of money that goes back the customer is told by a message: when it is owed, and when it has gone.")
    return [told] if is_told_of_refunds() else []


def plan_refunds(order: Order) -> None:
    """Tell of the money that goes back for a locked order what was not told yet."""
    refunds = list(Refund.objects.filter(order=order, amount__gt=0).order_by("pk"))
    if refunds:
        write_tellings(_list_tellings(order, refunds))


def _list_tellings(order: Order, refunds: Iterable[Refund]) -> Iterable[Telling]:
    rows = Notification.objects.filter(order=order, kind__in=_KINDS, channel__in=_MAIN, resent_of=None).order_by("pk")
    keys, told = set[str](), dict[int, list[tuple[str, Mapping[str, Any]]]]()
    for key, kind, facts in rows.values_list("key", "kind", "facts"):
        keys.add(key)
        told.setdefault(facts.get("refund", 0), []).append((kind, facts))
    for refund in refunds:
        before = told.get(refund.pk, [])
        what = _find_news(refund, *(before[-1] if before else ("", {})))
        if what:
            yield _write(order, refund, what, keys, len(before))


def _find_news(refund: Refund, kind: str, facts: Mapping[str, Any]) -> str:
    """What is to be told of it after the last telling; "" for nothing."""
    was_due = kind == K.REFUND_DUE and not facts.get("is_dropped")
    if refund.state == RS.DROPPED:
        return "dropped" if was_due else ""
    if refund.state == RS.MADE:
        is_known = kind == K.REFUND_MADE and facts.get("made_at", _say_made(refund)) == _say_made(refund)
        return "" if is_known else "made"
    if kind == K.REFUND_MADE:
        return "again"
    return "" if was_due and facts.get("amount") == _say_plain(refund) else "due"


def _write(order: Order, refund: Refund, what: str, keys: set[str], number: int) -> Telling:
    is_made = what == "made"
    amount = _say_plain(refund)
    key = f"refund-made:{refund.pk}" if is_made else f"refund-due:{refund.pk}:{amount}"
    facts = {"refund": refund.pk, "amount": amount, "currency": refund.currency}
    if is_made:
        facts["made_at"] = _say_made(refund)
    if what == "dropped":
        key, facts["is_dropped"] = f"refund-dropped:{refund.pk}", True
    return Telling(
        kind=K.REFUND_MADE if is_made else K.REFUND_DUE,
        # The order is locked: the number is that of nobody else.
        key=f"{key}:{number}" if key in keys else key,
        customer=order.customer,
        order=order,
        esim=None,
        context=lambda: _describe(order, refund, what),
        facts=facts,
    )


def _describe(order: Order, refund: Refund, what: str) -> Mapping[str, Any]:
    return {
        "order": order.number,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.kind,
        "what": what,
        "method": refund.get_method_display(),
        "is_credit": refund.method == Payment.Method.CREDIT,
        "takes_days": refund.method in _BY_BANK,
        "reference": refund.reference,
    }


def _say_plain(refund: Refund) -> str:
    return f"{refund.amount.normalize():f}"


def _say_made(refund: Refund) -> str:
    return refund.made_at.isoformat() if refund.made_at else ""
