"""What a customer sees behind a link: state, time and data in plain words, made only of facts that we hold.

Staff's words (what the provider calls something, what failed) never come here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from babel.lists import format_list
from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy, to_locale
from django.utils.translation import gettext as _

from catalog.countries import country_name
from catalog.devices import find_device_of, search_devices
from catalog.models import DeviceModel
from esims.abilities import abilities_of
from esims.install import InstallLinks, install_links, needs_confirmation_code
from esims.models import Esim, Package
from esims.notices import UseOfTotal, measure_total_use
from esims.own_guide import OwnGuide, PhoneKind, guess_platform, write_guide
from esims.states import (
    ENDED,
    instant_words,
    japan_date_words,
    last_promised_instant,
    shown_state,
    state_label,
    surely_over_instant,
    use_deadline,
)
from esims.usage import DayPoint, UsageSeries, read_usage_series
from providers.types import Capability, LineState, PackageStatus

_SENTENCES: Mapping[LineState, Any] = {
    LineState.PROVISIONING: gettext_lazy("Your eSIM is being prepared. Look again in a few minutes."),
    LineState.READY: gettext_lazy("Your eSIM is ready to be installed."),
    LineState.DOWNLOADED: gettext_lazy("Your eSIM was downloaded to a phone."),
    LineState.INSTALLED: gettext_lazy("Your eSIM is installed. Switch it on when you arrive."),
    LineState.ACTIVE: gettext_lazy("Your eSIM is in use."),
    LineState.SUSPENDED: gettext_lazy("Your eSIM is paused. Write to us if you do not know why."),
    LineState.DEPLETED: gettext_lazy("The data of your eSIM is used up."),
    LineState.EXPIRED: gettext_lazy("Your eSIM is over."),
    LineState.CANCELLED: gettext_lazy("Your eSIM was cancelled."),
    LineState.TERMINATED: gettext_lazy("Your eSIM was ended."),
    LineState.ERROR: gettext_lazy("Something is wrong with your eSIM. Write to us, and we look into it."),
    LineState.UNKNOWN: gettext_lazy("We cannot tell how your eSIM is doing just now."),
}
#: While it may still have to be installed.
SHOWS_CODE = frozenset({LineState.READY, LineState.DOWNLOADED, LineState.ERROR, LineState.UNKNOWN})


#: Days in the chart, and phones that a search names.
_DAYS, _PHONES = 30, 8
_ABILITIES: Mapping[str, Any] = {
    DeviceModel.Ability.YES: gettext_lazy("Yes: eSIMs can be installed on it."),
    DeviceModel.Ability.NO: gettext_lazy("No: eSIMs cannot be installed on it."),
    DeviceModel.Ability.DEPENDS: gettext_lazy("It depends on the version that you have."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the customer chose on the page: by its address alone, nothing is remembered."""

    platform: PhoneKind | None = None
    #: A phone that they look for.
    phone: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAnswer:
    """Whether a phone takes eSIMs, in sentences."""

    name: str
    ability: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCheck:
    """What the list of devices says of the phone that was looked for, or of the one that the browser names."""

    answers: tuple[PhoneAnswer, ...]
    has_more: bool
    is_guess: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    esim: Esim
    state: LineState
    state_label: str
    sentences: tuple[str, ...]
    #: The codes; None once it is installed or over.
    links: InstallLinks | None
    needs_confirmation: bool
    platform: PhoneKind | None
    #: Read on a phone or tablet, so that what is on the page can be tapped there.
    is_on_phone: bool
    phone: PhoneCheck | None
    guide: OwnGuide
    #: Of an allowance in total; the others are told beside it.
    use: UseOfTotal | None
    usage: UsageSeries
    #: The provider tells of single lines at all.
    is_read: bool
    #: Where data was added: each part by itself, and until when one that waits has to be used.
    packages: tuple[tuple[Package, str], ...]

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it: nothing is left, whatever was not used."""
        return self.state in ENDED

    @property
    def as_of_words(self) -> str:
        return instant_words(self.usage.as_of) if self.usage.as_of is not None else ""

    @property
    def percent(self) -> int | None:
        return min(100, int(self.use.share * 100)) if self.use else None

    @property
    def left_bytes(self) -> int | None:
        return max(0, self.use.total - self.use.used) if self.use and not self.is_over else None

    @property
    def days(self) -> list[dict[str, Any]]:
        """The days as the chart takes them."""
        return [
            {"label": point.day, "value": point.used_bytes, "derived": point.is_derived} for point in self.usage.points
        ]

    @property
    def last_day(self) -> DayPoint | None:
        """The newest day of which something is reported, for an allowance by the day."""
        return self.usage.points[-1] if self.usage.points and self.usage.daily_cap_bytes else None


def read_link_page(esim: Esim, asked: Asked | None = None, *, now: datetime | None = None) -> LinkPage:
    """The page of a line (fetched with account, plan and customer); at most three queries more."""
    now, asked = now or timezone.now(), asked or Asked()
    state = shown_state(esim, now)
    packages = list(Package.objects.filter(esim=esim).order_by("pk"))
    links = install_links(esim.lpa) if shows_code(esim, now) else None
    guessed = guess_platform(asked.user_agent)
    return LinkPage(
        esim=esim,
        state=state,
        state_label=state_label(state),
        sentences=tuple(filter(None, [describe_line(esim, state), describe_time(esim, now)])),
        links=links,
        needs_confirmation=needs_confirmation_code(esim),
        platform=asked.platform or guessed,
        is_on_phone=guessed is not None,
        phone=check_phone(asked) if links is not None else None,
        guide=write_guide(esim, state, asked.platform or guessed, has_code=links is not None),
        use=measure_total_use(esim, packages),
        usage=read_usage_series(esim, days=_DAYS, packages=packages),
        is_read=Capability.READ_LINE in abilities_of(esim.account),
        packages=tuple((package, _say_waiting(package)) for package in packages) if len(packages) > 1 else (),
    )


def shows_code(esim: Esim, now: datetime | None = None) -> bool:
    """Whether the line may still be installed by its code, so that the page shows it."""
    return bool(esim.lpa) and shown_state(esim, now) in SHOWS_CODE


def check_phone(asked: Asked) -> PhoneCheck | None:
    """The phones that fit what was typed; without that the one that the browser names; None where neither says any."""
    if asked.phone:
        found = list(search_devices(asked.phone)[: _PHONES + 1])
        answers = tuple(_describe_phone(device) for device in found[:_PHONES])
        return PhoneCheck(answers=answers, has_more=len(found) > _PHONES, is_guess=False)
    device = find_device_of(asked.user_agent)
    return PhoneCheck(answers=(_describe_phone(device),), has_more=False, is_guess=True) if device else None


def _say_waiting(package: Package) -> str:
    """Until when a part that waits has to be used; "" for any other."""
    if package.status != PackageStatus.WAITING or package.activate_by is None:
        return ""
    return _("to be used before %(when)s") % {"when": instant_words(package.activate_by)}


def _describe_phone(device: DeviceModel) -> PhoneAnswer:
    said = [str(_ABILITIES[device.ability])]
    if device.none_in:
        names = [country_name(code) for code in device.none_in.split()]
        places = format_list(names, locale=to_locale(get_language() or settings.LANGUAGE_CODE))
        said.append(_("Versions made for %(places)s take none.") % {"places": places})
    note = device.note_ja if get_language() == "ja" and device.note_ja else device.note
    return PhoneAnswer(name=str(device), ability=device.ability, sentences=tuple(filter(None, [*said, note])))


def describe_line(esim: Esim, state: LineState) -> str:
    """The state in one sentence for the customer."""
    if not esim.lpa and esim.eid and state in {LineState.READY, LineState.PROVISIONING}:
        return _("Your eSIM was made for one device, which fetches it by itself.")
    return str(_SENTENCES[state])


def describe_time(esim: Esim, now: datetime) -> str:
    """What the customer should know of its time: the end, else the deadline; "" where neither is ahead or known."""
    state = shown_state(esim, now)
    if state in ENDED:
        return ""
    if esim.expires_on is not None and now < surely_over_instant(esim.expires_on):
        ahead = now < last_promised_instant(esim.expires_on)
        text = _("Its last day is %(when)s.") if ahead else _("Its last day was %(when)s; it may end at any time.")
        return text % {"when": japan_date_words(esim.expires_on)}
    if esim.expires_at is not None and now < esim.expires_at:
        return _("It ends on %(when)s.") % {"when": instant_words(esim.expires_at)}
    deadline = use_deadline(esim)
    if deadline is None or now >= deadline:
        return ""
    text = _("Use it before %(when)s.") if state is LineState.INSTALLED else _("Install it before %(when)s.")
    return text % {"when": instant_words(deadline)}
