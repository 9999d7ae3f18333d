"""What happens when somebody presses the button: said before it is pressed, made only of facts.

About money the provider's own word counts, which its adapter declares (``Provider.money_back``); what the customer paid
is another matter and never moves by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.action_rules import RULES
from esims.models import Esim, Package
from esims.states import instant_words
from providers.registry import find_adapter
from providers.types import Capability, MoneyBack, PackageStatus, Returned


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionWords:
    """The confirmation page's title, what is said after the click, and what will happen."""

    title: str
    asked: str
    consequences: list[str]


def action_words(
    capability: Capability,
    esim: Esim,
    package: Package | None = None,
    *,
    now: datetime | None = None,
    customers_money: str = "",
) -> ActionWords:
    """In the reader's language, for this line (and package) as it is now.

    ``customers_money``: what becomes of what the customer paid, where the page asks about that.
    """
    said = _SAID[capability]
    lines = [str(line) for line in said.consequences]
    if RULES[capability].is_final:
        lines.insert(1, money_words(capability, esim, package, now=now or timezone.now()))
        lines.append(
            f"{_('It cannot be taken back.')} {customers_money}"
            if customers_money
            else _("It cannot be taken back. What the customer paid is not refunded by this: see the order.")
        )
    return ActionWords(title=str(said.title), asked=str(said.asked), consequences=lines)


def money_words(capability: Capability, esim: Esim, package: Package | None, *, now: datetime) -> str:
    """What the provider gives back for this action on this line, as its document says."""
    fact = _find_money_back(esim, capability)
    if fact is None:
        return _("Whether the provider gives us money back is not known: ask it first.")
    if fact.returned is Returned.NOTHING:
        return _("The provider gives us no money back.")
    if fact.only_waiting and package is not None and package.status != PackageStatus.WAITING:
        return _("The provider gives us no money back: the package has begun already.")
    bought_at = _find_bought_at(esim, package)
    if fact.within is not None and now >= bought_at + fact.within:
        return _("The provider gives us no money back: more than %(days)s days have passed since the order.") % {
            "days": fact.within.days
        }
    return _SUMS[fact.returned](fact, bought_at)


def _find_bought_at(esim: Esim, package: Package | None) -> datetime:
    """The provider's periods run from its own order; ours may have heard of that late, or taken the line over."""
    if package is None:
        return esim.created_at
    return package.ordered_at or package.created_at


def _find_money_back(esim: Esim, capability: Capability) -> MoneyBack | None:
    try:
        return find_adapter(esim.account.adapter).money_back.get(capability)
    except ImproperlyConfigured:
        return None


def _all_of_it(fact: MoneyBack, bought_at: datetime) -> str:
    text = _("The provider gives us back what the line cost.")
    return f"{text} {_until(fact, bought_at)}".strip()


def _the_package_fee(fact: MoneyBack, bought_at: datetime) -> str:
    text = _("The provider gives us back the package's fee alone, never what it charges for the eSIM.")
    return f"{text} {_until(fact, bought_at)}".strip()


def _until(fact: MoneyBack, bought_at: datetime) -> str:
    if fact.within is None:
        return ""
    return _("It does so until %(when)s.") % {"when": instant_words(bought_at + fact.within)}


_SUMS: dict[Returned, Callable[[MoneyBack, datetime], str]] = {
    Returned.ALL: _all_of_it,
    Returned.PACKAGE_FEE: _the_package_fee,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    title: Promise
    asked: Promise
    consequences: tuple[Promise, ...]


_SHOWN = gettext_lazy("It counts as done only when the provider reports it so.")
_SAID: dict[Capability, _Said] = {
    Capability.SUSPEND: _Said(
        title=gettext_lazy("Suspend this line?"),
        asked=gettext_lazy("The suspension has been asked for; this page shows when the line confirms it."),
        consequences=(
            gettext_lazy("The provider is asked to block the line's network access. The customer loses data at once."),
            gettext_lazy("The line is read first: nothing is sent if it has ended or is suspended already."),
            gettext_lazy("It counts as suspended only when the provider reports it so."),
            gettext_lazy("The plan's days may go on running. You can release the line later."),
        ),
    ),
    Capability.RELEASE: _Said(
        title=gettext_lazy("Release this line?"),
        asked=gettext_lazy("The release has been asked for; this page shows when the line confirms it."),
        consequences=(
            gettext_lazy("The provider is asked to lift the suspension. The customer can use data again."),
            gettext_lazy("The line is read first: nothing is sent if it is not suspended."),
            gettext_lazy("It counts as released only when the provider reports it so."),
        ),
    ),
    Capability.CANCEL: _Said(
        title=gettext_lazy("Cancel this line?"),
        asked=gettext_lazy("The cancellation has been asked for; this page shows when the line confirms it."),
        consequences=(
            gettext_lazy("The line ends before it was used; its codes can no longer be installed."),
            gettext_lazy("The line is read first: nothing is sent once it has been on a device or in use."),
            gettext_lazy("The provider may refuse all the same, for its reports lag behind; its code is shown then."),
            _SHOWN,
        ),
    ),
    Capability.REVOKE: _Said(
        title=gettext_lazy("Revoke this line for good?"),
        asked=gettext_lazy("The revocation has been asked for; this page shows when the line confirms it."),
        consequences=(
            gettext_lazy("The line ends at once, used or not. The customer loses the service and what is left of it."),
            gettext_lazy("The line is read first: nothing is sent if it has ended already."),
            _SHOWN,
        ),
    ),
    Capability.BLOCK: _Said(
        title=gettext_lazy("Block this line for good?"),
        asked=gettext_lazy("The block has been asked for; this page shows when the line confirms it."),
        consequences=(
            gettext_lazy("The eSIM is blocked with everything on it. The customer loses the service at once."),
            gettext_lazy("The line is read first: nothing is sent if it has ended already."),
            _SHOWN,
        ),
    ),
    Capability.TERMINATE: _Said(
        title=gettext_lazy("Terminate this package?"),
        asked=gettext_lazy("The termination has been asked for; this page shows when the package confirms it."),
        consequences=(
            gettext_lazy("The package ends at once and gives no more data. Other packages of the line stay."),
            gettext_lazy("The line is read first: nothing is sent if the package has ended already."),
            _SHOWN,
        ),
    ),
    Capability.ACTIVATE: _Said(
        title=gettext_lazy("Start this package now?"),
        asked=gettext_lazy("The start has been asked for; this page shows when the package confirms it."),
        consequences=(
            gettext_lazy("The package's time begins to run at once, whether or not the customer is abroad yet."),
            gettext_lazy("The line is read first: nothing is sent if the package no longer waits."),
            _SHOWN,
            gettext_lazy("It cannot be taken back."),
        ),
    ),
    Capability.SMS: _Said(
        title=gettext_lazy("Send an SMS to this line?"),
        asked=gettext_lazy("The SMS has been asked for; this page shows when the provider has taken it."),
        consequences=(
            gettext_lazy("The text goes to the line's phone, as from the provider's number."),
            gettext_lazy("The line is read first: nothing is sent if it has ended."),
            gettext_lazy(
                "It counts as sent when the provider takes it; whether the phone has received it, nobody tells."
            ),
            gettext_lazy("A message whose answer is lost is not sent again by itself."),
        ),
    ),
}
