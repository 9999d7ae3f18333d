"""What a line's state means: in words and in time.

Some providers give the last day as a date in Japan. eSIM Commerce ends the service "at an unspecified time on the
following day" (eSIM Commerce 1.0, ``expiresOn``): until the end of the last day it is promised, a day later it is
surely over. Others give an instant, which is both.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy, pgettext
from django.utils.translation import gettext as _

from esims.models import STATE_LABELS, Esim, Package
from providers.types import LineState, PackageStatus, StartsWith

JAPAN = ZoneInfo("Asia/Tokyo")
#: A later last day means "never" and would leave the calendar when a day is added.
_LAST_DAY_WE_COUNT = date(9999, 1, 1)

#: The service is over for good; nothing more happens on the line.
ENDED = frozenset({LineState.EXPIRED, LineState.CANCELLED, LineState.TERMINATED})
#: Not on a device yet.
NOT_INSTALLED = frozenset({LineState.PROVISIONING, LineState.READY, LineState.DOWNLOADED})


def last_promised_instant(expires_on: date) -> datetime:
    """Until when (UTC) the service is promised: the end of its last day in Japan."""
    return _start_of_japan_day(expires_on, 1)


def surely_over_instant(expires_on: date) -> datetime:
    """From when (UTC) the service is surely over: the end of the day after its last day in Japan."""
    return _start_of_japan_day(expires_on, 2)


def promised_until(esim: Esim) -> datetime | None:
    """Until when (UTC) the line's service is promised; None where no end is known."""
    return esim.expires_at if esim.expires_on is None else last_promised_instant(esim.expires_on)


def surely_over_from(esim: Esim) -> datetime | None:
    """From when (UTC) the line's service is surely over; None where no end is known."""
    return esim.expires_at if esim.expires_on is None else surely_over_instant(esim.expires_on)


def japan_today(now: datetime | None = None) -> date:
    """The date in Japan at ``now`` (aware)."""
    return (now or timezone.now()).astimezone(JAPAN).date()


def shown_state(esim: Esim, now: datetime | None = None) -> LineState:
    """The state for people, UTC ``now``.

    It is the provider's, except for a line whose time is surely over and of which the provider has said nothing since:
    that one is expired.
    """
    state = LineState(esim.state)
    over = surely_over_from(esim)
    if state in ENDED or over is None:
        return state
    spoken_since = esim.state_as_of is not None and esim.state_as_of >= over
    return LineState.EXPIRED if (now or timezone.now()) >= over and not spoken_since else state


def use_deadline(esim: Esim) -> datetime | None:
    """Until when the line must be put to use, as long as that is to be done; None where there is no such moment.

    Where a plan's days begin with the first connection the deadline is for that, so that an installation is not enough.
    Elsewhere it is the installation's (eSIM Commerce), or nobody knows.
    """
    state = LineState(esim.state)
    if state in {LineState.READY, LineState.DOWNLOADED}:
        return esim.activation_deadline
    if state is not LineState.INSTALLED or not esim.plan_id or esim.plan.starts_with != StartsWith.CONNECTION:
        return None
    traces = (esim.activated_at, esim.activated_on, esim.expires_at, esim.expires_on, esim.total_used_bytes)
    return None if any(traces) else esim.activation_deadline


def state_label(state: LineState) -> str:
    """The state's name in the reader's language."""
    return _label(state, get_language())


@cache
def _label(state: LineState, _language: str | None) -> str:
    """Looked up once for each language: lists ask for every row."""
    return str(STATE_LABELS[state])


def explain_state(esim: Esim, now: datetime | None = None, *, packages: Sequence[Package] = ()) -> list[str]:
    """The state in plain sentences, made only of facts that we hold; instants in the reader's time zone.

    Of ``packages`` those that wait are told of, and what happens to them when.
    """
    now = now or timezone.now()
    state = shown_state(esim, now)
    sentences = [_main_sentence(esim, state), _time_left(esim, state, now)]
    if state is LineState.EXPIRED and _may_be_used_up(esim, packages, now):
        sentences = [_("It is over: its time has ended or its data is used up; the provider does not tell which.")]
    if state not in {LineState.CANCELLED, LineState.TERMINATED}:
        sentences += [sentence for package in packages for sentence in explain_waiting(package, now)]
    return [sentence for sentence in sentences if sentence]


def _may_be_used_up(esim: Esim, packages: Sequence[Package], now: datetime) -> bool:
    """Whether "expired" may as well mean "used up": some providers have one word for both ends of a package."""
    over = surely_over_from(esim)
    return any(package.status == PackageStatus.ENDED for package in packages) and (over is None or now < over)


def explain_waiting(package: Package, now: datetime) -> list[str]:
    """What is to come of a package that waits; its times have not happened, and are said so."""
    if package.status != PackageStatus.WAITING:
        return []
    sentences = [_("The package “%(name)s” waits to be started.") % {"name": package.name}]
    if package.activate_by is not None:
        text = (
            _("It must be started before %(when)s; the provider does not say for certain what it does after that.")
            if now < package.activate_by
            else _("It had to be started before %(when)s; the provider still reports it as waiting.")
        )
        sentences.append(text % {"when": instant_words(package.activate_by)})
    if package.is_projected and package.ends_at is not None:
        if package.starts_at is None:
            text = _("It would end on %(end)s by the provider's projection; nothing has begun.")
        else:
            text = _("It would end on %(end)s if it were started on %(start)s: a projection, nothing has begun.")
        words = {"end": instant_words(package.ends_at), "start": ""}
        words["start"] = instant_words(package.starts_at) if package.starts_at else ""
        sentences.append(text % words)
    return [" ".join(sentences)]


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
    if state is LineState.INSTALLED and esim.plan_id and esim.plan.starts_with == StartsWith.INSTALLATION:
        return _("Installed on a device, not yet connected to a network; its time runs since the installation.")
    for field, text, words_of in _DATED_SENTENCES.get(state, ()):
        known = getattr(esim, field)
        if known:
            return str(text) % {"when": words_of(known)}
    return str(_SENTENCES[state])


#: The sentence where a date is known: (field, text, how the date reads), the first field that is known counts.
_DATED_SENTENCES: dict[LineState, tuple[tuple[str, Any, Callable[[Any], str]], ...]] = {
    LineState.DOWNLOADED: (
        (
            "downloaded_at",
            gettext_lazy("Downloaded to a device on %(when)s; an installation is not reported yet."),
            instant_words,
        ),
    ),
    LineState.INSTALLED: (
        (
            "installed_at",
            gettext_lazy(
                "Installed on %(when)s, not yet connected to a network; its time starts with the first connection."
            ),
            instant_words,
        ),
    ),
    LineState.ACTIVE: (
        ("activated_on", gettext_lazy("In use since %(when)s."), japan_date_words),
        ("activated_at", gettext_lazy("In use since %(when)s."), instant_words),
    ),
    LineState.TERMINATED: (
        (
            "terminated_on",
            gettext_lazy("The provider ended the service for good on %(when)s."),
            japan_date_words,
        ),
    ),
    LineState.EXPIRED: (
        (
            "expires_on",
            gettext_lazy("Its time is over: the last day was %(when)s."),
            japan_date_words,
        ),
        ("expires_at", gettext_lazy("Its time was over on %(when)s."), instant_words),
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
    if esim.expires_at is not None:
        if now < esim.expires_at:
            text = _("It ends on %(when)s.")
        else:
            text = _("It had to end on %(when)s, yet the provider still reports the line as “%(state)s”.")
        return text % {"when": instant_words(esim.expires_at), "state": state_label(state)}
    if state in NOT_INSTALLED and esim.activation_deadline is not None:
        to_come = now < esim.activation_deadline
        text = _("It must be installed before %(when)s.") if to_come else _("It had to be installed before %(when)s.")
        return text % {"when": instant_words(esim.activation_deadline)}
    deadline = use_deadline(esim) if state is LineState.INSTALLED else None
    if deadline is not None:
        to_come = now < deadline
        text = _("It must be in use before %(when)s.") if to_come else _("It had to be in use before %(when)s.")
        return text % {"when": instant_words(deadline)}
    return ""


def _start_of_japan_day(day: date, days_later: int) -> datetime:
    counted = min(day, _LAST_DAY_WE_COUNT) + timedelta(days=days_later)
    return datetime.combine(counted, time.min, JAPAN).astimezone(UTC)
