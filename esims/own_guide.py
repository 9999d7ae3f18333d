"""The guide on the customer's own page: for one kind of phone, in the order in which mistakes are not made.

What is said of the line itself is what its provider tells: the APN, what starts its days, how data is added.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.abilities import abilities_of
from esims.install import (
    BEFORE,
    MANUAL,
    MANUAL_WITH_CONFIRMATION,
    NO_DATA,
    OWN_LINE,
    PREPARE,
    TURN_ON,
    advise_when,
    needs_confirmation_code,
    tell_start,
    top_up_rules,
)
from esims.models import Esim
from esims.states import ENDED, NOT_INSTALLED
from esims.top_up_words import why_not_topped_up
from providers.types import AfterCap, Capability, DataPeriod, LineState

Step = str | Promise


class PhoneKind(StrEnum):
    """Kinds of phones that are set up in different ways."""

    IPHONE = "iphone"
    SAMSUNG = "samsung"
    ANDROID = "android"


PLATFORM_LABELS = {
    PhoneKind.IPHONE: gettext_lazy("iPhone or iPad"),
    PhoneKind.SAMSUNG: gettext_lazy("Samsung Galaxy"),
    PhoneKind.ANDROID: gettext_lazy("Another Android phone"),
}
#: Whose days may still have to begin.
_NOT_IN_USE = NOT_INSTALLED | {LineState.INSTALLED}
_APPLE_AGENT = re.compile(r"\b(?:iPhone|iPad|iPod)\b")
_SAMSUNG_AGENT = re.compile(r"\b(?:SAMSUNG|SM-[A-Z][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One heading of the guide with its steps, in their order; ``key`` names it in the page's address."""

    key: str
    title: Step
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnGuide:
    """What there is to do, one after the other; empty parts are not shown."""

    before: tuple[Step, ...]
    install: tuple[Step, ...]
    #: After it is installed, at once and on arrival: each with a heading of its own.
    after: tuple[Section, ...]
    #: What to do when something does not work.
    troubles: tuple[Section, ...]
    #: What holds for data that is added.
    adding: tuple[Step, ...]


def guess_platform(user_agent: str) -> PhoneKind | None:
    """The kind of phone that a browser says it runs on; None for a computer, and for what nobody knows."""
    told = user_agent[:400]
    if _APPLE_AGENT.search(told):
        return PhoneKind.IPHONE
    if "Android" not in told:
        return None
    return PhoneKind.SAMSUNG if _SAMSUNG_AGENT.search(told) else PhoneKind.ANDROID


def write_guide(esim: Esim, state: LineState, platform: PhoneKind | None, *, has_code: bool) -> OwnGuide:
    """For a line (with account and plan) in this state; ``has_code`` while the page shows its code."""
    if state in ENDED:
        return OwnGuide(before=(), install=(), after=(), troubles=(), adding=())
    where = (_WHERE[platform],) if platform else ()
    time = tell_start(esim) if state in _NOT_IN_USE else ()
    after = [
        Section(
            key="prepare",
            title=gettext_lazy("Right after the installation"),
            steps=(*PREPARE, *where) if state in _NOT_IN_USE or has_code else (),
        ),
        Section(key="arrive", title=gettext_lazy("After landing"), steps=(*TURN_ON, *OWN_LINE, *where)),
        Section(key="apn", title=gettext_lazy("Access point name (APN)"), steps=_name_apn(esim, platform)),
        Section(key="time", title=gettext_lazy("When its time starts"), steps=time),
    ]
    return OwnGuide(
        before=(*BEFORE, *advise_when(esim)) if has_code else (),
        install=_install_steps(esim, platform) if has_code else (),
        after=tuple(section for section in after if section.steps),
        troubles=_name_troubles(esim, has_code=has_code),
        adding=_adding_rules(esim, state),
    )


def _install_steps(esim: Esim, platform: PhoneKind | None) -> tuple[Step, ...]:
    manual = MANUAL_WITH_CONFIRMATION if needs_confirmation_code(esim) else MANUAL
    if platform is None:
        return (_OPEN_ON_PHONE, *manual)
    return (*_INSTALL[platform], *manual, *_TO_THE_END)


def _name_apn(esim: Esim, platform: PhoneKind | None) -> tuple[Step, ...]:
    """Only where the provider tells one: of others the phone knows more than we do."""
    if not esim.apn:
        return ()
    where = (_WHERE_APN[platform],) if platform else ()
    return (
        _("This line needs the access point name (APN) %(apn)s.") % {"apn": esim.apn},
        *where,
        gettext_lazy("Write it exactly so, and leave user name and password empty."),
    )


def _name_troubles(esim: Esim, *, has_code: bool) -> tuple[Section, ...]:
    installing = [
        Section(key="no-scan", title=gettext_lazy("The code cannot be scanned"), steps=_NO_SCAN),
        Section(key="not-added", title=gettext_lazy("The phone says that it cannot add the eSIM"), steps=_NOT_ADDED),
        Section(
            key="used", title=gettext_lazy("The phone says that the code is not valid or was used"), steps=_USED_CODE
        ),
    ]
    slow = _SLOW_DAY if _slows_down_by_day(esim) else ()
    using = [
        Section(key="no-data", title=gettext_lazy("It is installed, but there is no data"), steps=_NO_DATA_AT_ALL),
        Section(key="slow", title=gettext_lazy("It is slow"), steps=(*slow, *_SLOW)),
        Section(key="removed", title=gettext_lazy("The eSIM was removed from the phone"), steps=_REMOVED),
    ]
    return tuple([*installing, *using] if has_code else using)


def _slows_down_by_day(esim: Esim) -> bool:
    return esim.plan.data_period == DataPeriod.DAY and esim.plan.after_cap == AfterCap.REDUCED


def _adding_rules(esim: Esim, state: LineState) -> tuple[Step, ...]:
    """What holds for data that is added to the line; nothing where none can be, or no rule is known."""
    if state is LineState.CANCELLED or esim.plan.top_up_supported is False or why_not_topped_up(esim):
        return ()
    return top_up_rules(esim) if Capability.TOP_UP in abilities_of(esim.account) else ()


_OPEN_ON_PHONE = gettext_lazy(
    "Say above which phone it is for. Have it beside this screen: its camera reads the QR code."
)
_INSTALL: dict[PhoneKind, tuple[Step, ...]] = {
    PhoneKind.IPHONE: (
        gettext_lazy("This page is on the iPhone: tap “Install on an iPhone” above (iOS 17.4 or later)."),
        gettext_lazy(
            "Nothing happens? Touch and hold the QR code on this page, then choose “Add eSIM” (iOS 17.4 or later)."
        ),
        gettext_lazy(
            "This page is on another screen: open Settings → Mobile Service (Cellular) → Add eSIM → Use QR Code, and "
            "scan the code."
        ),
    ),
    PhoneKind.SAMSUNG: (
        gettext_lazy("This page is on the phone: tap “Install on an Android phone” above. Not every phone knows it."),
        gettext_lazy(
            "This page is on another screen: open Settings → Connections → SIM manager → Add eSIM → Scan QR code, and "
            "scan the code."
        ),
        gettext_lazy("This page is on the phone: tap “Install on an Android phone” above. Not every phone knows it."),
    ),
    PhoneKind.ANDROID: (
        gettext_lazy("This page is on the phone: tap “Install on an Android phone” above. Not every phone knows it."),
        gettext_lazy(
            "This page is on another screen: open Settings → Network & internet → SIMs → Add eSIM, and scan the code. "
            "Makers call it differently: search the settings for “SIM”."
        ),
        gettext_lazy("This page is on the phone: tap “Install on an Android phone” above. Not every phone knows it."),
    ),
}
_TO_THE_END = (
    gettext_lazy("Stay on Wi-Fi and wait until the phone says that the line was added. It may take some minutes."),
)
_WHERE: dict[PhoneKind, Step] = {
    PhoneKind.IPHONE: gettext_lazy("All of this is in Settings → Mobile Service (Cellular)."),
    PhoneKind.SAMSUNG: gettext_lazy(
        "All of this is in Settings → Connections: in SIM manager, data roaming in Mobile networks."
    ),
    PhoneKind.ANDROID: gettext_lazy(
        "All of this is in Settings → Network & internet → SIMs; makers call it differently."
    ),
}
_WHERE_APN: dict[PhoneKind, Step] = {
    PhoneKind.IPHONE: gettext_lazy(
        "Enter it in Settings → Mobile Service (Cellular) → this line → Mobile Data Network, in the first field "
        "“APN” under “Mobile Data”."
    ),
    PhoneKind.SAMSUNG: gettext_lazy(
        "Enter it in Settings → Connections → Mobile networks → Access Point Names → this line → Add, save it and "
        "choose it."
    ),
    PhoneKind.ANDROID: gettext_lazy(
        "Enter it in Settings → Network & internet → SIMs → this line → Access Point Names → +, save it and choose it."
    ),
}
_NO_SCAN = (
    gettext_lazy("Open this page on a larger screen, make it bright and hold the phone a hand's breadth away."),
    gettext_lazy("Or choose to enter details by hand on the phone, with what stands under “Enter it by hand”."),
)
_NOT_ADDED = (
    gettext_lazy("Look above whether your phone takes eSIMs at all, in the version that you have."),
    gettext_lazy("A phone that is locked to one operator takes no eSIM of others: only that operator can unlock it."),
    gettext_lazy("Restart the phone, use another Wi-Fi, switch a VPN off, and try once more."),
)
_USED_CODE = (
    gettext_lazy("Look in the phone's list of mobile lines (SIMs): perhaps it is there already. Do not remove it."),
    gettext_lazy("It is on no phone of yours? Write to us before you try again."),
)
_NO_DATA_AT_ALL = (
    gettext_lazy("Is the line turned on, chosen for mobile data, and data roaming on for it? All three are needed."),
    *NO_DATA,
    gettext_lazy("Restart the phone. Still nothing after half an hour? Write to us."),
)
_SLOW_DAY = (
    gettext_lazy(
        "Once the day's data at full speed is used, the line goes on more slowly until the network begins a new day."
    ),
)
_SLOW = (
    gettext_lazy("Switch flight mode on and off, or choose another network by hand in the phone's settings."),
    gettext_lazy("In crowds and indoors networks are slow for everybody: try it elsewhere."),
)
_REMOVED = (
    gettext_lazy("As a rule an eSIM can be installed once only. Do not buy another one yet: write to us first."),
)
