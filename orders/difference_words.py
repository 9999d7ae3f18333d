"""Differences and comparisons in words for staff: what differs, what it means, and what to do about it."""

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from esims.models import STATE_LABELS
from esims.states import ENDED
from orders.models import Difference
from providers.types import LineState

Kind = Difference.Kind

#: What a difference of each kind means.
MEANINGS: Mapping[str, Any] = {
    Kind.UNKNOWN_LINE: gettext_lazy("The provider sold us this line, and it is not in our books. It was paid for."),
    Kind.MISSING_LINE: gettext_lazy("This line is in our books, and the provider does not know it (any more)."),
    Kind.LIST_PRICE: gettext_lazy("The provider lists this plan at another net price than our catalogue has."),
    Kind.FROZEN_COST: gettext_lazy(
        "The customer has paid, nothing is bought yet, and the provider now wants another price than the sale was"
        " reckoned with."
    ),
    Kind.BALANCE: gettext_lazy("Our purchases do not explain how our money at the provider has changed."),
}
#: What a person can do about it.
ADVICE: Mapping[str, Any] = {
    Kind.UNKNOWN_LINE: gettext_lazy(
        "Find whose it is in the provider's portal. Attach it to the purchase that missed it, take it over for a"
        " customer, or close it as known (a test line, say)."
    ),
    Kind.MISSING_LINE: gettext_lazy(
        "Look it up in the provider's portal. If it was ended there, tell the customer and close it as known."
    ),
    Kind.LIST_PRICE: gettext_lazy("Sync the catalogue: with the new price this goes away by itself."),
    Kind.FROZEN_COST: gettext_lazy(
        "Look at the margin: let the purchase go on, or give it up and pay the customer back."
    ),
    Kind.BALANCE: gettext_lazy(
        "Compare with the provider's invoice or your transfers. A deposit is closed as such: the reckoning goes on from"
        " there."
    ),
}
_ADVICE_OVER = gettext_lazy(
    "The line is over, so it can be given to nobody. Find who ended it, and whether its money came back, and close it."
)
#: OURS: a larger part of what was bought is no discount (0.86 for a listed 0.90 was seen).
_LARGEST_DISCOUNT = Decimal("0.2")
_NAMES: Mapping[str, Any] = {
    "line": gettext_lazy("Line"),
    "iccid": gettext_lazy("ICCID"),
    "order": gettext_lazy("Provider's order"),
    "key": gettext_lazy("Our key"),
    "number": gettext_lazy("Order"),
    "plan": gettext_lazy("Plan"),
    "price": gettext_lazy("Net price"),
    "currency": gettext_lazy("Currency"),
    "unexplained": gettext_lazy("Unexplained"),
    "name": gettext_lazy("Name"),
    "state": gettext_lazy("State"),
    "said": gettext_lazy("What the provider said"),
    "entered": gettext_lazy("Entered into our books"),
    "quantity": gettext_lazy("eSIMs"),
}
#: The lines of a balance's reckoning, in this order, each with its sign.
RECKONING = (
    ("from", 1, gettext_lazy("Balance when the two last agreed")),
    ("bought", -1, gettext_lazy("What we bought since, at net cost")),
    ("returned", 1, gettext_lazy("What was given back for lines that ended")),
    ("expected", 0, gettext_lazy("So it ought to be")),
    ("amount", 0, gettext_lazy("What the provider says")),
    ("open", 0, gettext_lazy("Undecided orders: perhaps charged already")),
    ("late", 0, gettext_lazy("Orders under way at that time: perhaps charged since")),
    ("perhaps", 0, gettext_lazy("Ended lines: perhaps given back")),
    ("cheaper", 0, gettext_lazy("What was bought: perhaps charged so much less than listed")),
    ("dearer", 0, gettext_lazy("What came back: perhaps so much less than listed")),
)
STEPS: Mapping[str, Any] = {
    "lines": gettext_lazy("Lines"),
    "prices": gettext_lazy("Prices"),
    "balance": gettext_lazy("Balance"),
}
PART_STATES: Mapping[str, Any] = {
    "compared": pgettext_lazy("part of a comparison", "compared"),
    "partly": pgettext_lazy("part of a comparison", "in part"),
    "impossible": pgettext_lazy("part of a comparison", "cannot be compared"),
    "failed": pgettext_lazy("part of a comparison", "failed"),
}
PART_TONES: Mapping[str, str] = {"compared": "ok", "partly": "info", "impossible": "neutral", "failed": "danger"}


def name_fact(name: str) -> str:
    """The label of a fact; one that this page does not know shows its own name."""
    return str(_NAMES.get(name, name))


def tell_value(name: str, value: Any) -> str:
    """A fact's value for people; None says that this side has nothing."""
    if value is None:
        return _("not there")
    if name == "state":
        return str(STATE_LABELS[LineState(value)]) if value in set(LineState) else str(value)
    return str(value)


def describe(difference: Difference) -> str:
    """A difference as a short title."""
    ours, theirs = difference.facts.get("ours", {}), difference.facts.get("theirs", {})
    match difference.kind:
        case Kind.UNKNOWN_LINE:
            return _("Line %(line)s is not in our books") % {"line": theirs.get("iccid") or theirs.get("line")}
        case Kind.MISSING_LINE:
            return _("Line %(line)s is not known to the provider") % {"line": ours.get("iccid") or ours.get("line")}
        case Kind.LIST_PRICE:
            words = {"plan": difference.details.get("name") or difference.key}
            return _("%(plan)s: another net price") % words
        case Kind.FROZEN_COST:
            return _("Order %(number)s: it would cost another price now") % {"number": ours.get("number", "")}
        case _:
            return _("The balance is not explained")


def advise(difference: Difference) -> str:
    """What a person can do about it."""
    if difference.kind == Kind.UNKNOWN_LINE and difference.details.get("state") in ENDED:
        return str(_ADVICE_OVER)
    advice = str(ADVICE.get(difference.kind, ""))
    if difference.kind == Kind.BALANCE and (percent := _find_discount(difference)):
        words = {"percent": f"{percent:f}"}
        return (
            f"{advice} "
            + _(
                "It is %(percent)s %% of what was bought since: perhaps the provider charges less than it lists. If its"
                " invoices say so, whoever runs this system can enter the percentage in the account's settings, and it"
                " no longer shows."
            )
            % words
        )
    return advice


def _find_discount(difference: Difference) -> Decimal | None:
    """How many percent less than listed were charged, if a balance looks like that."""
    bought, rest = read_amount(difference.details.get("bought")), difference.amount
    if not bought or rest is None or not 0 < rest <= bought * _LARGEST_DISCOUNT:
        return None
    return (rest / bought * 100).quantize(Decimal("0.1"), ROUND_UP)


def read_amount(text: Any) -> Decimal | None:
    """An amount as facts keep it."""
    return None if text is None else Decimal(str(text))
