"""Purchases and timelines in sentences for staff: what happened, and what the system will do by itself and when."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.models import Dispute, Order, OrderEvent, OrderLine, Purchase, PurchaseAttempt
from providers.errors import Mend

P = Purchase.State

MEND_WORDS: Mapping[str, Any] = {
    Mend.BALANCE: gettext_lazy("Our balance at the provider does not cover it: top it up there, then resume."),
    Mend.PRICE: gettext_lazy(
        "The provider's price has changed: sync the catalogue and look at the margin, then resume."
    ),
    Mend.STOCK: gettext_lazy("The provider has none in stock now: resume later, or give up and refund."),
    Mend.CREDENTIALS: gettext_lazy("The provider does not take our keys: put them right in the settings, then resume."),
    Mend.DATA: gettext_lazy("The provider refuses something in the form: put it right there, then it is sent again."),
    Mend.TIME: gettext_lazy("The provider takes it later (next month, say): resume it then, or give up and refund."),
}

_STATE_SENTENCES: Mapping[str, Any] = {
    P.PLANNED: gettext_lazy("Nothing has been sent yet."),
    P.SENDING: gettext_lazy("The order is with the provider; the answer has not come yet."),
    P.ALLOCATING: gettext_lazy("The provider took the order and has not named all its lines yet."),
    P.FULFILLED: gettext_lazy("All eSIMs have come."),
    P.SHORT: gettext_lazy("The provider delivered fewer eSIMs than ordered, for good."),
    P.HELD: gettext_lazy("The provider said no for a reason that can be mended. Nothing was bought."),
    P.REJECTED: gettext_lazy("Refused for good: nothing was bought."),
    P.UNKNOWN: gettext_lazy(
        "The order was sent, and no usable answer came: it may have been bought, or not."
        " It is never sent again by itself."
    ),
    P.CANCELLED: gettext_lazy("Cancelled before anything was sent."),
}
_TOP_UP_SENTENCES: Mapping[str, Any] = {
    P.ALLOCATING: gettext_lazy("The answer was lost: the line is read to see whether the top-up arrived."),
    P.FULFILLED: gettext_lazy("The top-up is on the line."),
}
_FORM_SENTENCES: Mapping[str, Any] = {
    P.ALLOCATING: gettext_lazy("The provider took the request; its completion file will say what came of it."),
    P.FULFILLED: gettext_lazy("The line is activated."),
}


def describe_state(purchase: Purchase) -> str:
    """The purchase's state as one sentence. It comes with its order line."""
    kind, state = purchase.order_line.kind, purchase.state
    own = _TOP_UP_SENTENCES if kind == OrderLine.Kind.TOP_UP else _FORM_SENTENCES if kind in OrderLine.BY_FORM else {}
    return str(own.get(state) or _STATE_SENTENCES.get(state, purchase.get_state_display()))


def describe_mend(purchase: Purchase) -> str:
    """What a person can put right while the purchase is held; "" otherwise."""
    return str(MEND_WORDS.get(purchase.mend, "")) if purchase.state == P.HELD else ""


def describe_next(purchase: Purchase) -> str:
    """What happens by itself from here; the moment is ``next_moment``."""
    asks = purchase.next_attempt_at is not None
    match purchase.state:
        case P.PLANNED if purchase.failures_in_row:
            words = _("It is sent again by itself (tries that failed before anything was sent: %(number)d).")
            text = words % {"number": purchase.failures_in_row}
        case P.PLANNED:
            text = _("It is sent by itself.")
        case P.SENDING:
            text = _("If no answer is here by then, the worker counts as lost and the outcome as unknown.")
        case P.ALLOCATING if purchase.order_line.kind in OrderLine.BY_FORM:
            text = _("It waits for its row in a completion file, which staff import.")
        case P.ALLOCATING | P.UNKNOWN if asks:
            text = _("The provider is asked by itself what it holds under the transaction.")
        case P.UNKNOWN | P.ALLOCATING:
            text = _("Nothing happens by itself: a person must decide.")
        case P.HELD:
            text = _("Nothing happens by itself: resume it or give it up.")
        case P.FULFILLED:
            text = ""
        case _:
            text = _("Nothing more happens, unless a late reply brings eSIMs: those are always kept.")
    return text


def next_moment(purchase: Purchase) -> datetime | None:
    """When the next thing happens by itself (UTC); None when nothing does, or when it is due already."""
    moment = purchase.claim_until if purchase.state == P.SENDING else purchase.next_attempt_at
    if moment is None or purchase.state in Purchase.ENDED:
        return None
    return moment if moment > timezone.now() + timedelta(seconds=2) else None


_TOP_UP_ORDERS: Mapping[str, Any] = {
    Order.State.BUYING: gettext_lazy("The line is being topped up."),
    Order.State.COMPLETED: gettext_lazy("The line is topped up."),
    Order.State.FAILED: gettext_lazy("The line was not topped up."),
}
_FORM_ORDERS: Mapping[str, Any] = {
    Order.State.BUYING: gettext_lazy("The line is not activated yet."),
    Order.State.COMPLETED: gettext_lazy("The line is activated."),
    Order.State.FAILED: gettext_lazy("The line was not activated."),
}


def describe_order(order: Order, *, kind: str, delivered: int, quantity: int) -> str:
    """The order's state as one sentence; ``kind`` is that of its lines."""
    own = _TOP_UP_ORDERS if kind == OrderLine.Kind.TOP_UP else _FORM_ORDERS if kind in OrderLine.BY_FORM else {}
    count = {"delivered": delivered, "quantity": quantity}
    match order.state:
        case state if state in own:
            text = str(own[state])
        case Order.State.UNPAID:
            text = _("Nothing is bought before it is paid.")
        case Order.State.BUYING:
            text = _("%(delivered)d of %(quantity)d eSIMs are here.") % count
        case Order.State.COMPLETED:
            text = ngettext("The eSIM is here.", "All %(quantity)d eSIMs are here.", quantity) % count
        case Order.State.PARTIAL:
            text = _("%(delivered)d of %(quantity)d eSIMs came; no more will.") % count
        case Order.State.FAILED:
            text = _("No eSIM came.")
        case Order.State.EXPIRED:
            text = _("Nobody paid in time: nothing was bought.")
        case _:
            text = _("Cancelled before it was paid.")
    return text


_OUTCOME_WORDS: Mapping[str, Any] = {
    "": gettext_lazy("no answer yet"),
    "fulfilled": gettext_lazy("delivered"),
    "allocating": gettext_lazy("lines to come"),
    "short": gettext_lazy("delivered in part"),
    "rejected": gettext_lazy("refused"),
    "held": gettext_lazy("refused: can be mended"),
    "rate_limited": gettext_lazy("rate limited"),
    "not_sent": gettext_lazy("not sent"),
    "unknown": gettext_lazy("outcome unknown"),
    "no_answer": gettext_lazy("no answer: not known"),
    "unreadable": gettext_lazy("cannot be read"),
    "failed": gettext_lazy("failed"),
    "late": gettext_lazy("overtaken by a newer one"),
    "not_found": gettext_lazy("not found"),
    "foreign": gettext_lazy("somebody else's lines"),
    "unchanged": gettext_lazy("the line is as before"),
}
_LINES = re.compile(r"(\d+) lines")


def describe_outcome(attempt: PurchaseAttempt) -> str:
    """What came of one call; a word that this page does not know is shown as it is."""
    if named := _LINES.fullmatch(attempt.outcome):
        number = int(named[1])
        return ngettext("%(n)d line named", "%(n)d lines named", number) % {"n": number}
    return str(_OUTCOME_WORDS.get(attempt.outcome, attempt.outcome))


# -- the timeline -----------------------------------------------------------------------------------------------------

_TONES = {
    P.FULFILLED: "ok",
    Order.State.COMPLETED: "ok",
    P.UNKNOWN: "danger",
    P.REJECTED: "danger",
    Order.State.FAILED: "danger",
    P.HELD: "warn",
    P.SHORT: "warn",
    Order.State.PARTIAL: "warn",
}

_KIND_WORDS: Mapping[str, Any] = {
    "order.placed": gettext_lazy("Order placed"),
    "order.from_list": gettext_lazy("Ordered by a list"),
    "order.extended": gettext_lazy("It may be paid later"),
    "payment.captured": gettext_lazy("Payment recorded"),
    "payment.attention": gettext_lazy("Payment: needs a look"),
    "payment.looked_at": gettext_lazy("Payment: looked at"),
    "payment.voided": gettext_lazy("Payment taken back: entered by mistake"),
    "payment.failed": gettext_lazy("Payment failed"),
    "payment.cancelled": gettext_lazy("Payment given up"),
    "notification.failed": gettext_lazy("The customer was not told"),
    "notification.again": gettext_lazy("A notification is sent again"),
    "refund.due": gettext_lazy("A refund is due"),
    "refund.returned": gettext_lazy("Money is owed back for what was delivered"),
    "refund.not_owed": gettext_lazy("Money back was promised for a line's end; nothing is owed by that"),
    "payment.asked": gettext_lazy("A payment by card was asked for"),
    "refund.sending": gettext_lazy("The refund is on its way to the card"),
    "refund.failed": gettext_lazy("The refund did not go through: it is due again"),
    "dispute.settled": gettext_lazy("Dispute settled"),
    "refund.made": gettext_lazy("Refund made"),
    "refund.dropped": gettext_lazy("The refund is no longer due"),
    "refund.overtaken": gettext_lazy("eSIMs came although the money went back"),
    "purchase.planned": gettext_lazy("Purchase planned"),
    "activation.shown": gettext_lazy("The form or the numbers of the activation were shown"),
    "purchase.topped_up": gettext_lazy("The top-up is on the line"),
    "purchase.attention": gettext_lazy("Purchase: needs a look"),
    "purchase.looked_at": gettext_lazy("Purchase: looked at"),
    "purchase.reply_shown": gettext_lazy("A raw reply was shown in clear"),
    "purchase.late_reply": gettext_lazy("Purchase: a late reply came"),
    "activation.form_erased": gettext_lazy("The form was erased"),
}


#: Rows that name another order or a line.
_NAMING: Mapping[str, Any] = {
    "order.replaced": gettext_lazy("Replacement of %(line)s ordered: %(order)s"),
    "order.replaces": gettext_lazy("In place of %(line)s of order %(order)s, free of charge"),
}


def describe_event(event: OrderEvent) -> str:
    """A row of the timeline as a short title; a kind that this page does not know shows its own name."""
    facts: Mapping[str, Any] = event.facts or {}
    if event.kind == "order.state":
        return _("Order: %(new)s") % {"new": _label(Order.State, facts.get("new"))}
    if event.kind == "purchase.state":
        return _("Purchase: %(new)s") % {"new": _label(P, facts.get("new"))}
    if event.kind == "dispute.state":
        return _("Dispute: %(new)s") % {"new": _label(Dispute.State, facts.get("new"))}
    if event.kind == "purchase.lines":
        number = int(facts.get("new") or 0)
        return ngettext("%(n)d eSIM came", "%(n)d eSIMs came", number) % {"n": number}
    if event.kind in _NAMING:
        return str(_NAMING[event.kind]) % {"order": facts.get("order", ""), "line": facts.get("line", "")}
    words = _KIND_WORDS.get(event.kind)
    return str(words) if words else event.kind.replace(".", ": ").replace("_", " ")


_WARNS = frozenset(
    {
        "refund.due",
        "refund.returned",
        "refund.not_owed",
        "refund.overtaken",
        "purchase.attention",
        "payment.attention",
        "payment.failed",
        "notification.failed",
        "refund.failed",
    }
)


def event_tone(event: OrderEvent) -> str:
    """The colour of a row of the timeline."""
    if event.kind in {"payment.captured", "refund.made"}:
        return "ok"
    if event.kind == "dispute.state":
        return "ok" if (event.facts or {}).get("new") == Dispute.State.WON else "danger"
    if event.kind in _WARNS:
        return "warn"
    return _TONES.get((event.facts or {}).get("new", ""), "")


def _label(choices: type[Any], value: Any) -> str:
    try:
        return str(choices(value).label)
    except ValueError:
        return str(value)
