"""What may be asked of a provider for a line: by whom, in which states, and how one sees that it happened.

An action is a capability of the provider. One table says everything about it; pages, the admin and the verbs read it.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from esims.models import Esim, Package
from esims.states import ENDED, NOT_INSTALLED, state_label
from providers.types import Capability, LineState, PackageStatus

#: The longest text of an SMS (eSIM Access: "message <= 500"; nobody else offers it).
LONGEST_MESSAGE = 500

_LIVE = frozenset(LineState) - ENDED
_MADE = _LIVE - {LineState.PROVISIONING}
#: Ended by a person, the provider or us: nothing is left to act on. A line whose time is over may still hold packages.
_GONE = frozenset({LineState.CANCELLED, LineState.TERMINATED})
#: What a package is once it got what was asked for.
_PACKAGE_EFFECTS = {
    Capability.TERMINATE: frozenset({PackageStatus.TERMINATED}),
    Capability.ACTIVATE: frozenset({PackageStatus.ACTIVE, PackageStatus.ENDED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRule:
    """One action. ``slug`` is its word in addresses. ``on_package``: it acts on one package of the line.

    ``is_final``: it cannot be taken back, so that it is confirmed twice. ``shows``: its effect can be seen on the line;
    otherwise the provider's word is all there will be.
    """

    capability: Capability
    label: Promise
    #: Beside what it is done to.
    short_label: Promise | None = None
    permission: str
    icon: str
    states: frozenset[LineState]
    on_package: bool = False
    package_states: frozenset[PackageStatus] = frozenset()
    is_final: bool = False
    shows: bool = True

    @property
    def slug(self) -> str:
        return self.capability.value

    @property
    def url_name(self) -> str:
        return f"esim-{self.slug}"

    @property
    def is_danger(self) -> bool:
        """Whether the customer loses something by it."""
        return self.is_final or self.capability is Capability.SUSPEND


RULES: dict[Capability, ActionRule] = {
    rule.capability: rule
    for rule in (
        ActionRule(
            capability=Capability.SUSPEND,
            label=gettext_lazy("Suspend"),
            permission="esims.suspend_esim",
            icon="pause",
            states=_MADE - {LineState.SUSPENDED},
        ),
        # Not about the state: it needs a suspension.
        ActionRule(
            capability=Capability.RELEASE,
            label=gettext_lazy("Release"),
            permission="esims.suspend_esim",
            icon="play",
            states=_LIVE,
        ),
        # eSIM Access: "the eSIM is created and not installed" (GOT_RESOURCE with RELEASED), which is our "ready".
        ActionRule(
            capability=Capability.CANCEL,
            label=gettext_lazy("Cancel the line"),
            permission="esims.cancel_esim",
            icon="back",
            states=frozenset({LineState.READY}),
            is_final=True,
        ),
        ActionRule(
            capability=Capability.REVOKE,
            label=gettext_lazy("Revoke for good"),
            permission="esims.revoke_esim",
            icon="warn",
            states=_MADE,
            is_final=True,
        ),
        ActionRule(
            capability=Capability.BLOCK,
            label=gettext_lazy("Block for good"),
            permission="esims.revoke_esim",
            icon="lock",
            states=_MADE | {LineState.EXPIRED},
            is_final=True,
        ),
        ActionRule(
            capability=Capability.SMS,
            label=gettext_lazy("Send an SMS"),
            permission="esims.message_esim",
            icon="phone",
            states=_MADE - NOT_INSTALLED - {LineState.ERROR},
            shows=False,
        ),
        ActionRule(
            capability=Capability.ACTIVATE,
            label=gettext_lazy("Start the package"),
            short_label=gettext_lazy("Start"),
            permission="esims.activate_esim",
            icon="play",
            states=frozenset(LineState) - _GONE - {LineState.PROVISIONING},
            on_package=True,
            package_states=frozenset({PackageStatus.WAITING}),
        ),
        ActionRule(
            capability=Capability.TERMINATE,
            label=gettext_lazy("Terminate the package"),
            short_label=gettext_lazy("Terminate"),
            permission="esims.cancel_esim",
            icon="exit",
            states=frozenset(LineState) - _GONE,
            on_package=True,
            package_states=frozenset({PackageStatus.WAITING, PackageStatus.ACTIVE, PackageStatus.UNKNOWN}),
            is_final=True,
        ),
    )
}


def action_label(capability: Capability) -> str:
    """The action's name in the reader's language."""
    return str(RULES[capability].label) if capability in RULES else capability.value


def why_not(capability: Capability, esim: Esim, package: Package | None = None) -> str:
    """Why this may not be asked of a line that looks like this, in the reader's language; "" where it may."""
    state, rule = LineState(esim.state), RULES.get(capability)
    if rule is None:
        return _("This cannot be asked for a line.")
    if state not in rule.states:
        return _why_not_state(capability, esim, state)
    if capability is Capability.RELEASE and not is_suspended(esim):
        return _("The line is not suspended: there is nothing to release.")
    return _why_not_detail(rule, esim, package)


def _why_not_state(capability: Capability, esim: Esim, state: LineState) -> str:
    if state in ENDED:
        return _("The line has ended (%(state)s): nothing can be done with it any more.") % {
            "state": state_label(state)
        }
    if capability is Capability.SUSPEND and is_suspended(esim):
        return _("The line is suspended already.")
    return _("This is not possible while the line is “%(state)s”.") % {"state": state_label(state)}


def _why_not_detail(rule: ActionRule, esim: Esim, package: Package | None) -> str:
    if rule.capability is Capability.SUSPEND and is_suspended(esim):
        return _("The line is suspended already.")
    if rule.capability is Capability.CANCEL and shows_use(esim):
        return _("The line has been on a device or in use: it can no longer be cancelled.")
    if rule.capability is Capability.SMS and esim.api_sms is False:
        return _("The provider says that no SMS can be sent to this line.")
    return _why_not_package(rule, esim, package) if rule.on_package else ""


def shows_effect(capability: Capability, esim: Esim, package: Package | None = None) -> bool:
    """Whether a line that looks like this has got what was asked for."""
    state = LineState(esim.state)
    if capability is Capability.CANCEL:
        # Only a cancelled line's cost comes back: one that ended in another way (revoked, deleted) did not get this.
        return state is LineState.CANCELLED
    if capability in {Capability.REVOKE, Capability.BLOCK}:
        return state in _GONE
    if capability in _PACKAGE_EFFECTS:
        return package is not None and package.status in _PACKAGE_EFFECTS[capability]
    if capability is Capability.SUSPEND:
        return state not in ENDED and is_suspended(esim)
    is_clear = esim.is_restricted is False or state not in {LineState.UNKNOWN, LineState.PROVISIONING}
    return capability is Capability.RELEASE and state not in ENDED and not is_suspended(esim) and is_clear


def ended_otherwise(capability: Capability, esim: Esim) -> bool:
    """Whether the line was ended, but not in the way that was asked for."""
    return capability is Capability.CANCEL and esim.state == LineState.TERMINATED


def is_suspended(esim: Esim) -> bool:
    """A faulty line may be suspended as well; then only the flag tells."""
    return esim.state == LineState.SUSPENDED or esim.is_restricted is True


def shows_use(esim: Esim) -> bool:
    """Whether anything is known that speaks against "never on a device, never used"."""
    traces = (esim.downloaded_at, esim.installed_at, esim.activated_at, esim.activated_on, esim.eid)
    return any(traces) or bool(esim.total_used_bytes)


def _why_not_package(rule: ActionRule, esim: Esim, package: Package | None) -> str:
    if package is None or package.esim_id != esim.pk:
        return _("Name the package of this line.")
    if not package.package_ref:
        return _("The provider has not named this package yet.")
    status = PackageStatus(package.status) if package.status else PackageStatus.UNKNOWN
    if status not in rule.package_states:
        return _("This is not possible while the package is “%(state)s”.") % {"state": package.get_status_display()}
    return ""
