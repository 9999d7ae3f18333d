"""What speaks for "installed" and what against it: refund disputes turn on this."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.abilities import abilities_of
from esims.models import Esim
from esims.states import instant_words, japan_date_words
from providers.types import Capability, LineState


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that we know of a line, who says so and as of when (aware, None: no time given)."""

    label: str
    value: str
    source: str
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallEvidence:
    """What speaks for "installed" or against it. ``verdict``: "yes", "used", "downloaded", "no", "not_known".

    "used": no installation is reported, but what cannot be without one is.
    """

    verdict: str
    summary: str
    facts: tuple[Fact, ...]


def install_evidence(esim: Esim) -> InstallEvidence:
    """The facts on which a dispute about "installed or not" turns; device numbers are not among them."""
    provider = _("the provider (%(name)s)") % {"name": esim.account.name}

    def fact(label: str, value: str, as_of: datetime | None = None) -> Fact:
        return Fact(label=label, value=value, source=provider, as_of=as_of or esim.state_as_of)

    facts = [fact(name, word) for name, word in sorted(esim.raw_states.items())]
    if esim.downloaded_at:
        facts.append(fact(_("Downloaded to a device"), instant_words(esim.downloaded_at)))
    if esim.installed_at:
        facts.append(fact(_("First installed on a device"), instant_words(esim.installed_at)))
    if _device_told_its_eid(esim):
        facts.append(fact(_("EID of the device"), _("its number was reported")))
    if esim.install_device_imei:
        facts.append(fact(_("Device at installation"), _("its number was reported")))
    if esim.activated_on:
        facts.append(fact(_("First connected to a network"), japan_date_words(esim.activated_on)))
    elif esim.activated_at:
        facts.append(fact(_("Began to be used"), instant_words(esim.activated_at)))
    if esim.connection_device_imei:
        facts.append(fact(_("Device at first connection"), _("its number was reported")))
    if esim.total_used_bytes:
        facts.append(fact(_("Data was used"), _("yes"), esim.usage_as_of))
    verdict = _install_verdict(esim)
    return InstallEvidence(verdict=verdict, summary=str(_VERDICTS[verdict]), facts=tuple(facts))


_VERDICTS = {
    "yes": gettext_lazy("The provider reports that the line was installed on a device."),
    "used": gettext_lazy("The provider reports no installation, but a use that needs one: the line is on a device."),
    "downloaded": gettext_lazy("The provider reports a download to a device, but no installation."),
    "no": gettext_lazy("The provider reports neither a download nor an installation."),
    "not_known": gettext_lazy("The provider has not said anything about this line yet."),
}


def _install_verdict(esim: Esim) -> str:
    state = LineState(esim.state)
    if esim.installed_at or esim.install_device_imei or state is LineState.INSTALLED:
        return "yes"
    traces = (esim.activated_on, esim.activated_at, esim.connection_device_imei, esim.total_used_bytes)
    if any(traces) or state in {LineState.ACTIVE, LineState.DEPLETED}:
        return "used"
    if esim.downloaded_at or state is LineState.DOWNLOADED or _device_told_its_eid(esim):
        return "downloaded"
    return "no" if esim.state_as_of else "not_known"


def _device_told_its_eid(esim: Esim) -> bool:
    """An EID that the provider reports comes from a device; one that we named ourselves proves nothing."""
    return bool(esim.eid) and Capability.LINE_ACTIVATION not in abilities_of(esim.account)
