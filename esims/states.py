"""What a line's state means: in words, in time, and for what may be asked of it.

A line's last day is a date in Japan. eSIM Commerce ends the service "at an unspecified time on the following day"
(eSIM Commerce 1.0, ``expiresOn``): until the end of the last day it is promised, a day later it is surely over.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from esims.models import STATE_LABELS, Esim
from providers.types import Capability, LineState

JAPAN = ZoneInfo("Asia/Tokyo")
#: A later last day means "never" and would leave the calendar when a day is added.
_LAST_DAY_WE_COUNT = date(9999, 1, 1)

#: The service is over for good; nothing more happens on the line.
ENDED = frozenset({LineState.EXPIRED, LineState.CANCELLED, LineState.TERMINATED})
#: Not on a device yet.
NOT_INSTALLED = frozenset({LineState.PROVISIONING, LineState.READY, LineState.DOWNLOADED})

#: In which states an action may be asked for; what is missing here is allowed in every state that has not ended.
#: Release is not about the state: it needs a suspension.
ACTION_STATES: dict[Capability, frozenset[LineState]] = {
    Capability.SUSPEND: frozenset(LineState) - ENDED - {LineState.PROVISIONING, LineState.SUSPENDED},
}
ACTION_LABELS = {
    Capability.SUSPEND: gettext_lazy("Suspend"),
    Capability.RELEASE: gettext_lazy("Release"),
}


def last_promised_instant(expires_on: date) -> datetime:
    """Until when (UTC) the service is promised: the end of its last day in Japan."""
    return _start_of_japan_day(expires_on, 1)


def surely_over_instant(expires_on: date) -> datetime:
    """From when (UTC) the service is surely over: the end of the day after its last day in Japan."""
    return _start_of_japan_day(expires_on, 2)


def japan_today(now: datetime | None = None) -> date:
    """The date in Japan at ``now`` (aware)."""
    return (now or timezone.now()).astimezone(JAPAN).date()


def shown_state(esim: Esim, now: datetime | None = None) -> LineState:
    """The state for people, UTC ``now``.

    It is the provider's, except for a line whose time is surely over and of which the provider has said nothing since:
    that one is expired.
    """
    state = LineState(esim.state)
    if state in ENDED or esim.expires_on is None:
        return state
    over = surely_over_instant(esim.expires_on)
    spoken_since = esim.state_as_of is not None and esim.state_as_of >= over
    return LineState.EXPIRED if (now or timezone.now()) >= over and not spoken_since else state


def state_label(state: LineState) -> str:
    """The state's name in the reader's language."""
    return str(STATE_LABELS[state])


def action_label(capability: Capability) -> str:
    """The action's name in the reader's language."""
    return str(ACTION_LABELS.get(capability, capability.value))


def why_not(capability: Capability, *, state: LineState, restricted: bool | None) -> str:
    """Why this may not be asked of a line that looks like this, in the reader's language; "" where it may."""
    if state in ENDED:
        return _("The line has ended (%(state)s): nothing can be done with it any more.") % {
            "state": state_label(state)
        }
    # A faulty line may be suspended as well; then only the flag tells.
    suspended = state is LineState.SUSPENDED or restricted is True
    if capability is Capability.SUSPEND and suspended:
        return _("The line is suspended already.")
    if capability is Capability.RELEASE:
        return "" if suspended else _("The line is not suspended: there is nothing to release.")
    if state in ACTION_STATES.get(capability, frozenset(LineState)):
        return ""
    return _("This is not possible while the line is “%(state)s”.") % {"state": state_label(state)}


def shows_effect(capability: Capability, *, state: LineState, restricted: bool | None) -> bool:
    """Whether a line that looks like this has got what was asked for."""
    if state in ENDED:
        return False
    suspended = state is LineState.SUSPENDED or restricted is True
    if capability is Capability.SUSPEND:
        return suspended
    if capability is Capability.RELEASE:
        return not suspended and (restricted is False or state not in {LineState.UNKNOWN, LineState.PROVISIONING})
    return False


def explain_state(esim: Esim, now: datetime | None = None) -> list[str]:
    """The state in plain sentences, made only of facts that we hold; instants in the reader's time zone."""
    now = now or timezone.now()
    state = shown_state(esim, now)
    return [sentence for sentence in (_main_sentence(esim, state), _time_left(esim, state, now)) if sentence]


def instant_words(instant: datetime) -> str:
    """An instant in the reader's zone, which is named, and language."""
    return date_format(timezone.localtime(instant), pgettext("format of an instant", "j M Y, H:i T"))


def date_words(day: date) -> str:
    """A plain date in the reader's language; never converted to another zone."""
    return date_format(day, pgettext("format of a date", "j M Y"))


def japan_date_words(day: date) -> str:
    """A business date in the reader's language, named as Japan's."""
    return _("%(day)s (Japan date)") % {"day": date_words(day)}


def _main_sentence(esim: Esim, state: LineState) -> str:
    """One sentence for the state itself."""
    if state in {LineState.ERROR, LineState.UNKNOWN}:
        words = ", ".join(f"{name}: {word}" for name, word in sorted(esim.raw_states.items()))
        return str(_SENTENCES[state]) % {"words": words or _("nothing")}
    field, text, words_of = _DATED_SENTENCES.get(state, ("", "", str))
    date_known = getattr(esim, field) if field else None
    return str(text) % {"when": words_of(date_known)} if date_known else str(_SENTENCES[state])


#: The sentence where the date is known: (field, text, how the date reads)
_DATED_SENTENCES: dict[LineState, tuple[str, Any, Callable[[Any], str]]] = {
    LineState.DOWNLOADED: (
        "downloaded_at",
        gettext_lazy("Downloaded to a device on %(when)s; an installation is not reported yet."),
        instant_words,
    ),
    LineState.INSTALLED: (
        "installed_at",
        gettext_lazy(
            "Installed on %(when)s, not yet connected to a network; its time starts with the first connection."
        ),
        instant_words,
    ),
    LineState.ACTIVE: ("activated_on", gettext_lazy("In use since %(when)s."), japan_date_words),
    LineState.TERMINATED: (
        "terminated_on",
        gettext_lazy("The provider ended the service for good on %(when)s."),
        japan_date_words,
    ),
    LineState.EXPIRED: (
        "expires_on",
        gettext_lazy("Its time is over: the last day was %(when)s."),
        japan_date_words,
    ),
}
_SENTENCES = {
    LineState.PROVISIONING: gettext_lazy("The provider is still setting this line up; it cannot be installed yet."),
    LineState.READY: gettext_lazy("Not on a device yet: it can be installed now."),
    LineState.DOWNLOADED: gettext_lazy("Downloaded to a device; an installation is not reported yet."),
    LineState.INSTALLED: gettext_lazy(
        "Installed on a device, not yet connected to a network; its time starts with the first connection."
    ),
    LineState.ACTIVE: gettext_lazy("In use."),
    LineState.SUSPENDED: gettext_lazy("Suspended: network access is blocked until the line is released."),
    LineState.DEPLETED: gettext_lazy("The data is used up."),
    LineState.EXPIRED: gettext_lazy("Its time is over."),
    LineState.CANCELLED: gettext_lazy("The line was cancelled."),
    LineState.TERMINATED: gettext_lazy("The provider ended the service for good."),
    LineState.ERROR: gettext_lazy("The provider reports a fault (%(words)s): a person has to look at it."),
    LineState.UNKNOWN: gettext_lazy("The provider says something we do not know (%(words)s)."),
}


def _time_left(esim: Esim, state: LineState, now: datetime) -> str:
    """One sentence for the deadline that comes next, or that has just passed."""
    if state in ENDED:
        return ""
    if esim.expires_on is not None:
        if now < last_promised_instant(esim.expires_on):
            text = _("The last day is %(when)s; the service ends at some time on the day after.")
        elif now < surely_over_instant(esim.expires_on):
            text = _("The last day was %(when)s: the service ends at some time today.")
        else:
            text = _("The last day was %(when)s, yet the provider still reports the line as “%(state)s”.")
        return text % {"when": japan_date_words(esim.expires_on), "state": state_label(state)}
    if state in NOT_INSTALLED and esim.activation_deadline is not None:
        to_come = now < esim.activation_deadline
        text = _("It must be installed before %(when)s.") if to_come else _("It had to be installed before %(when)s.")
        return text % {"when": instant_words(esim.activation_deadline)}
    return ""


def _start_of_japan_day(day: date, days_later: int) -> datetime:
    counted = min(day, _LAST_DAY_WE_COUNT) + timedelta(days=days_later)
    return datetime.combine(counted, time.min, JAPAN).astimezone(UTC)
