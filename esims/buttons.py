"""The buttons of a line's page: by capability, permission and state, never by a provider's name."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from customers.models import User
from esims.action_rules import RULES, ActionRule, is_suspended
from esims.actions import why_refused
from esims.models import Esim, Package
from esims.states import ENDED, state_label
from esims.top_up_words import why_not_topped_up
from providers.registry import offers
from providers.types import Capability, LineState

#: Pages that sell something for a line; they are of a higher floor, and may not be there.
TOP_UP_PAGE = "esim-top-up"
FORM_PAGE = "activation-new"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionButton:
    """A button of the page; ``why_not`` explains one that cannot be pressed now. ``key`` is unique on the page."""

    key: str
    label: str
    url: str
    icon: str
    why_not: str
    is_danger: bool = False


def line_buttons(esim: Esim, user: User) -> list[ActionButton]:
    """What may be asked for the line itself; of suspend and release the one that makes sense."""
    senseless = Capability.SUSPEND if is_suspended(esim) else Capability.RELEASE
    rules = [rule for rule in RULES.values() if not rule.on_package and rule.capability is not senseless]
    asked = [_action_button(rule, esim, None) for rule in _offered(esim, user, rules)]
    return _say_once([*_top_up_button(esim, user), *_reissue_button(esim, user), *asked])


def package_buttons(esim: Esim, package: Package, user: User) -> list[ActionButton]:
    """What may be asked for one package now; the others are not shown: the package's state says why."""
    rules = [rule for rule in RULES.values() if rule.on_package]
    buttons = [_action_button(rule, esim, package) for rule in _offered(esim, user, rules)]
    return [button for button in buttons if not button.why_not]


def _offered(esim: Esim, user: User, rules: Iterable[ActionRule]) -> list[ActionRule]:
    return [rule for rule in rules if user.has_perm(rule.permission) and offers(esim.account.slug, rule.capability)]


def _action_button(rule: ActionRule, esim: Esim, package: Package | None) -> ActionButton:
    address = (esim.pk, package.pk) if package is not None else (esim.pk,)
    return ActionButton(
        key=f"{rule.url_name}-{package.pk}" if package is not None else rule.url_name,
        label=str(rule.short_label or rule.label),
        url=reverse(rule.url_name, args=address),
        icon=rule.icon,
        why_not=why_refused(esim, rule.capability, package),
        is_danger=rule.is_final,
    )


def _top_up_button(esim: Esim, user: User) -> list[ActionButton]:
    """A top-up is sold like anything else: the button leads to the page that does it."""
    if not (user.has_perm("orders.sell") and offers(esim.account.slug, Capability.TOP_UP)):
        return []
    try:
        url = reverse(TOP_UP_PAGE, args=(esim.pk,))
    except NoReverseMatch:
        return []
    why_not = _why_not_sold(esim) or why_not_topped_up(esim)
    return [ActionButton(key="esim-top-up", label=_("Top up"), url=url, icon="plus", why_not=why_not)]


def _reissue_button(esim: Esim, user: User) -> list[ActionButton]:
    """Where lines are opened by form, another eSIM is put in a line's place by the same form."""
    if not (user.has_perm("orders.sell") and offers(esim.account.slug, Capability.LINE_ACTIVATION)):
        return []
    try:
        url = f"{reverse(FORM_PAGE)}?esim={esim.pk}"
    except NoReverseMatch:
        return []
    return [ActionButton(key="esim-reissue", label=_("Reissue"), url=url, icon="phone", why_not=_why_not_sold(esim))]


def _why_not_sold(esim: Esim) -> str:
    state = LineState(esim.state)
    if esim.account.is_paused:
        return _("Calls to this provider are paused by staff.")
    if state in ENDED:
        return _("The line has ended (%(state)s): nothing can be done with it any more.") % {
            "state": state_label(state)
        }
    return _("The provider is still setting this line up.") if state is LineState.PROVISIONING else ""


def _say_once(buttons: Iterable[ActionButton]) -> list[ActionButton]:
    """Every reason why not is said once, at the first button that it holds for."""
    shown: dict[str, ActionButton] = {}
    for button in buttons:
        shown.setdefault(button.why_not or button.key, button)
    return list(shown.values())
