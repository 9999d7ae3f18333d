"""What a customer has to know before an order is paid, in sentences: the plan's rules, and those of what is added."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.models import Plan
from esims.install import top_up_rules
from orders.models import OrderLine
from providers.types import AfterCap, StartsWith

_STARTS: Mapping[str, Promise] = {
    StartsWith.INSTALLATION: gettext_lazy("Its days start with the installation."),
    StartsWith.CONNECTION: gettext_lazy("Its days start when the line first connects to a network at the destination."),
}
_AFTER_CAP: Mapping[str, Promise] = {
    AfterCap.REDUCED: gettext_lazy("When its data is used up it goes on, more slowly."),
    AfterCap.CUT_OFF: gettext_lazy("When its data is used up the connection ends."),
}


def describe_sale_terms(line: OrderLine) -> list[str]:
    """For one line of an order, fetched with its plan and, of a top-up, with the eSIM, its account and its plan."""
    if line.kind == OrderLine.Kind.TOP_UP and line.esim is not None:
        said = [*_describe_data(line.plan), *map(str, top_up_rules(line.esim))]
    else:
        said = describe_plan_terms(line.plan)
    return [*said, _("A paid order is bought at once: that cannot be taken back.")]


def describe_plan_terms(plan: Plan) -> list[str]:
    """What is known of a plan; what its provider does not say is not said here either."""
    said = []
    if plan.kyc_required:
        said.append(_("Identity check (eKYC): the traveller must pass it before the eSIM works."))
    said += [plan.activation_info] if plan.activation_info else _say(_STARTS, plan.starts_with)
    said += _describe_data(plan)
    if plan.unused_termination_days:
        text = ngettext(
            "Unused, it ends %(days)s day after it was bought.",
            "Unused, it ends %(days)s days after it was bought.",
            plan.unused_termination_days,
        )
        said.append(text % {"days": plan.unused_termination_days})
    if plan.tethering is False:
        said.append(_("It cannot be shared with other devices (no tethering)."))
    if plan.top_up_supported is False:
        said.append(_("No data can be added to it later."))
    return [*said, *filter(None, (plan.validity_info, plan.restrictions))]


def _describe_data(plan: Plan) -> list[str]:
    return _say(_AFTER_CAP, plan.after_cap)


def _say(words: Mapping[str, Promise], about: str) -> list[str]:
    return [str(words[about])] if about in words else []
