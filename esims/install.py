"""How a traveller gets a line onto a phone: the activation code taken apart, one-tap links, the guide.

The code's form is GSMA SGP.22 §4.1: ``LPA:1$<SM-DP+ address>$<matching id>[$<SM-DP+ OID>[$1]]``; the last field says
that the phone will ask for a confirmation code, which is never part of the string.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.models import Esim
from esims.states import instant_words
from esims.top_up_words import describe_top_up_terms, find_top_up_terms
from providers.types import StartsWith

_PREFIX = re.compile(r"LPA:", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?(?::[0-9]{1,5})?")
_MATCHING_ID = re.compile(r"[A-Za-z0-9-]*")
_OID = re.compile(r"[0-9]+(?:\.[0-9]+)*")

_APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata="
_ANDROID = "https://esimsetup.android.com/esim_qrcode_provisioning?carddata="


class InvalidActivationCode(ValueError):
    """Not an activation code; ``message`` says why without repeating it, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationCode:
    """An activation code taken apart. Secret: whoever holds it can install the line."""

    smdp_address: str
    matching_id: str
    oid: str
    confirmation_required: bool

    @property
    def lpa(self) -> str:
        """The string as a QR code holds it, with ``LPA:``."""
        fields = ["LPA:1", self.smdp_address, self.matching_id]
        if self.oid or self.confirmation_required:
            fields.append(self.oid)
        if self.confirmation_required:
            fields.append("1")
        return "$".join(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallLinks:
    """One-tap links. Apple's works from iOS 17.4, Android's from Android 10 on and not on every maker's phones."""

    apple: str
    android: str


class Platform(StrEnum):
    """What the eSIM goes onto."""

    IOS = "ios"
    ANDROID = "android"
    OTHER = "other"


#: What a guide tells of where nobody has said what the eSIM goes onto.
PHONES = (Platform.IOS, Platform.ANDROID)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidePart:
    """One heading of the install guide with its steps. ``code`` is its name for programs."""

    code: str
    title: str | Promise
    steps: tuple[str | Promise, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideStage:
    """One of the two things to do, in their order: install the eSIM, then start it."""

    code: str
    title: str | Promise
    note: str | Promise
    parts: tuple[GuidePart, ...]


def parse_activation_code(text: str) -> ActivationCode:
    """Take an activation code apart, with or without ``LPA:`` in any case. Raises ``InvalidActivationCode``."""
    bare = text.strip()
    fields = bare[4:].split("$") if _PREFIX.match(bare) else bare.split("$")
    if not 3 <= len(fields) <= 5 or fields[0] != "1":
        raise InvalidActivationCode(_("An activation code looks like LPA:1$address$code."))
    fields += [""] * (5 - len(fields))
    _format, host, matching_id, oid, flag = fields
    if not _HOST.fullmatch(host):
        raise InvalidActivationCode(_("The address of the SM-DP+ server in the activation code is not valid."))
    if not _MATCHING_ID.fullmatch(matching_id):
        raise InvalidActivationCode(_("The matching ID in the activation code is not valid."))
    if oid and not _OID.fullmatch(oid):
        raise InvalidActivationCode(_("The OID in the activation code is not valid."))
    if flag not in {"", "1"}:
        raise InvalidActivationCode(_("The confirmation flag in the activation code is not valid."))
    return ActivationCode(smdp_address=host, matching_id=matching_id, oid=oid, confirmation_required=flag == "1")


def install_links(lpa: str) -> InstallLinks:
    """The one-tap links of an activation string. They hold the secret: shown only to those who may see it."""
    # The makers print the value raw; only what would end the parameter is encoded.
    value = quote(lpa, safe=":$-._~/")
    return InstallLinks(apple=_APPLE + value, android=_ANDROID + value)


def install_guide(esim: Esim, platforms: Sequence[Platform] = PHONES) -> tuple[GuideStage, ...]:
    """What to tell the customer, in two stages; of the line itself it says what is known of it.

    It names the confirmation code's place where one is needed, the APN where the line has one, and what starts its time
    where the provider says so.
    """
    manual = MANUAL_WITH_CONFIRMATION if needs_confirmation_code(esim) else MANUAL
    start = [
        GuidePart(
            code="after_landing",
            title=gettext_lazy("After landing"),
            steps=(*TURN_ON, *_name_apn(esim), *OWN_LINE),
        ),
        GuidePart(code="start_of_time", title=gettext_lazy("When its time starts"), steps=tell_start(esim)),
        GuidePart(code="no_data", title=gettext_lazy("If there is no data"), steps=NO_DATA),
    ]
    return (
        GuideStage(
            code="install",
            title=gettext_lazy("Install your eSIM"),
            note=gettext_lazy(
                "Not sure whether it is installed? Look in the phone's settings: an installed eSIM is listed among "
                "its mobile lines (SIMs)."
            ),
            parts=(
                GuidePart(
                    code="before",
                    title=gettext_lazy("Before you install"),
                    steps=(*BEFORE, *advise_when(esim), *PREPARE),
                ),
                *(_tell_platform(platform, manual) for platform in platforms),
            ),
        ),
        GuideStage(
            code="start",
            title=gettext_lazy("Start your eSIM"),
            note=gettext_lazy("An installed eSIM carries no data until it is switched on and chosen for it."),
            parts=tuple(part for part in start if part.steps),
        ),
    )


def _tell_platform(platform: Platform, manual: tuple[Promise, ...]) -> GuidePart:
    """How it is installed there."""
    title, before, after = _PLATFORMS[platform]
    return GuidePart(code="installing", title=title, steps=(*before, *manual, *after))


def top_up_rules(esim: Esim) -> tuple[str | Promise, ...]:
    """What a customer has to know before a top-up is paid; empty where the provider's rule is not known."""
    return describe_top_up_terms(find_top_up_terms(esim), esim)


def needs_confirmation_code(esim: Esim) -> bool:
    """Whether the phone will ask for a confirmation code while installing."""
    if esim.confirmation_code:
        return True
    try:
        return parse_activation_code(esim.lpa).confirmation_required
    except InvalidActivationCode:
        return False


def advise_when(esim: Esim) -> tuple[str | Promise, ...]:
    """When to install: at home, unless the days would be running from then on."""
    if esim.plan.starts_with == StartsWith.INSTALLATION:
        return (gettext_lazy("Its days start with the installation: install it when the journey begins."),)
    return (gettext_lazy("Install at home; switch the line on when you arrive."),)


def _name_apn(esim: Esim) -> tuple[str | Promise, ...]:
    """The last of the four steps, where the line needs it."""
    if not esim.apn:
        return ()
    return (
        _("Enter the access point name (APN) in the settings of the line's mobile data: %(apn)s") % {"apn": esim.apn},
    )


def tell_start(esim: Esim) -> tuple[str | Promise, ...]:
    """What starts the days, as the provider says, and until when that has to be; nothing is promised beyond that."""
    steps: list[str | Promise] = []
    if esim.plan.starts_with == StartsWith.CONNECTION:
        steps.append(
            gettext_lazy(
                "Its days start by themselves when the line first connects to a network at the destination: nothing "
                "has to be activated by hand."
            )
        )
    if esim.plan.starts_with == StartsWith.INSTALLATION:
        steps.append(gettext_lazy("Its days have been running since the installation."))
    if esim.activation_deadline is not None and esim.activated_at is None and esim.activated_on is None:
        steps.append(
            _(
                "Install it and start to use it before %(when)s. What becomes of a line that was not used by then is "
                "not certain: its days may start unused, or it may no longer work."
            )
            % {"when": instant_words(esim.activation_deadline)}
        )
    return tuple(steps)


BEFORE = (
    gettext_lazy("Check that the phone can use eSIMs and is not locked to one operator."),
    gettext_lazy(
        "Use a stable Wi-Fi connection and keep it until the installation is done: the line is downloaded over the "
        "internet."
    ),
    gettext_lazy(
        "It can be installed once only, on one phone. Do not remove the eSIM from the phone afterwards: it cannot be "
        "added again."
    ),
)
PREPARE = (
    gettext_lazy(
        "When the phone asks for a label, rename the line, for instance to “eSIM”, so that you know it again."
    ),
    gettext_lazy("Keep your own line (“Primary”) as the default for calls and messages."),
    gettext_lazy(
        "Turn off automatic switching of mobile data (“Allow Mobile Data Switching”): otherwise the phone may use your "
        "own line abroad, and your operator charges roaming for it."
    ),
)
_IPHONE = (
    gettext_lazy(
        "Tap the iPhone link on the phone itself (iOS 17.4 or later), or open Settings → Mobile Service → Add eSIM."
    ),
    gettext_lazy("Choose “Use QR Code” and scan the code from another screen or from paper."),
)
MANUAL = (gettext_lazy("If scanning fails, choose to enter details by hand: SM-DP+ address and activation code."),)
MANUAL_WITH_CONFIRMATION = (
    *MANUAL,
    gettext_lazy(
        "When the phone asks for a confirmation code, enter the one given here; it is not part of the QR code."
    ),
)
_IPHONE_AFTER = (gettext_lazy("Follow the phone's questions to the end: label, default line, line for mobile data."),)
_SCAN = gettext_lazy("Choose to scan a QR code and point the camera at it.")
_ANDROID_STEPS = (
    gettext_lazy(
        "Tap the Android link on the phone itself (Android 10 or later, not on every maker's phones), or open "
        "Settings → Network & internet → SIMs → Add eSIM; on a Samsung phone Settings → Connections → SIM manager → "
        "Add eSIM."
    ),
    _SCAN,
)
_ANDROID_AFTER = (gettext_lazy("Wait until the phone says that the line was added."),)
_PLATFORMS: Mapping[Platform, tuple[Promise, tuple[Promise, ...], tuple[Promise, ...]]] = {
    Platform.IOS: (gettext_lazy("On an iPhone"), _IPHONE, _IPHONE_AFTER),
    Platform.ANDROID: (gettext_lazy("On an Android phone"), _ANDROID_STEPS, _ANDROID_AFTER),
    Platform.OTHER: (
        gettext_lazy("On another device"),
        (
            gettext_lazy("Open the settings for mobile data or SIMs on the device, and choose to add an eSIM."),
            _SCAN,
        ),
        (gettext_lazy("Wait until the device says that the line was added."),),
    ),
}
TURN_ON = (
    gettext_lazy("Turn the new line on in the phone's settings."),
    gettext_lazy("Switch data roaming on for this line, and for this line only."),
    gettext_lazy("Choose this line for mobile data."),
)
OWN_LINE = (gettext_lazy("Switch data roaming off on your own line, so that it costs nothing."),)
NO_DATA = (
    gettext_lazy("Wait a few minutes, then switch flight mode on and off and choose a network by hand."),
    gettext_lazy(
        "Still nothing? Look at the access point name (APN) and reset it to what the line came with, unless you were "
        "given another."
    ),
)
