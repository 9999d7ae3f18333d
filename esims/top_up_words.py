"""What a package that is added to a line is subject to, in sentences that a customer is told before they pay.

They come from what the line's adapter declares of its document (``Provider.top_up_terms``); what it does not say is not
said here either.
"""

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.models import Esim
from esims.states import ENDED, instant_words, state_label
from providers.registry import find_adapter
from providers.types import LineState, TopUpRule, TopUpTerms


def find_top_up_terms(esim: Esim) -> TopUpTerms:
    """The terms of the line's provider; nothing but unknowns where there is no such adapter (any more)."""
    try:
        return find_adapter(esim.account.adapter).top_up_terms
    except ImproperlyConfigured:
        return TopUpTerms()


def why_not_topped_up(esim: Esim) -> str:
    """Why a line in this state takes no top-up by its provider's document; in the reader's language, "" where it does.

    A line whose state is not known is left to the provider.
    """
    terms, state = find_top_up_terms(esim), LineState(esim.state)
    if state in ENDED:
        return _("The line has ended: it can no longer be topped up.")
    if terms.states and state not in terms.states and state is not LineState.UNKNOWN:
        return _("The provider takes no top-up while the line is “%(state)s”.") % {"state": state_label(state)}
    return ""


def describe_top_up_terms(terms: TopUpTerms, esim: Esim) -> tuple[str | Promise, ...]:
    """For this line; empty where nothing is known."""
    said: list[str | Promise] = [*_BEGINNING.get(terms.rule, ())]
    if terms.days_add_up is True:
        said.append(gettext_lazy("Its days are added to the line's: the line's end moves to a later day."))
    if terms.days_add_up is False:
        said.append(gettext_lazy("Its days are counted from the moment when its own data is first used."))
    if terms.needs_install is False:
        said.append(
            gettext_lazy("The eSIM need not be installed again, and the added package need not be activated by hand.")
        )
    if terms.states:
        said.append(_IN_USE_OR_NOT if terms.states >= _NEW else _IN_USE)
    if terms.until_end:
        said.append(_say_end(esim))
    if terms.use_within is not None:
        text = _(
            "It should be in use within %(days)s days of its purchase: whether it still works later is not certain."
        )
        said.append(text % {"days": terms.use_within.days})
    return tuple(said)


def _say_end(esim: Esim) -> str | Promise:
    if esim.expires_at is None:
        return gettext_lazy("It is taken only until the line ends; an ended line cannot be topped up.")
    text = _("It is taken only until the line ends, now on %(when)s; an ended line cannot be topped up.")
    return text % {"when": instant_words(esim.expires_at)}


_NEW = frozenset({LineState.READY})
_IN_USE_OR_NOT = gettext_lazy("The line need not be in use: a new one and one whose data is used up take it as well.")
_IN_USE = gettext_lazy("Only a line that is in use takes it.")
_BEGINNING: dict[TopUpRule, tuple[Promise, ...]] = {
    TopUpRule.QUEUED: (
        gettext_lazy(
            "The added data starts by itself once the data of the present package is used up or its time is over."
        ),
    ),
    TopUpRule.MERGED: (
        gettext_lazy("The added data is there at once, beside what is left: the line has one new total."),
        gettext_lazy("Which part is used first, the provider does not say."),
    ),
}
