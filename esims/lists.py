"""The list of lines: its columns and orders, and what may be done with many lines at once."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from customers.lists import Asked, BulkAction, BulkRefused, Column, ListPage, by_time
from esims.action_rules import RULES
from esims.actions import ActionRefused, request_action, why_refused
from esims.codes import record_codes_taken
from esims.forms import LineFilterForm
from esims.models import Esim
from esims.refresh import RefreshRefused, request_refresh, why_not_read
from esims.search import load_labels, search_lines
from providers.types import Capability

#: A line that was asked for within this time is not asked for again.
_READ_AGAIN = timedelta(minutes=1)


def _narrow(words: QueryDict) -> QuerySet[Esim]:
    return search_lines(LineFilterForm(words).wanted())


def _prepare(lines: Sequence[Esim]) -> Sequence[Esim]:
    load_labels(lines)
    return lines


def _load(keys: Sequence[int]) -> QuerySet[Esim]:
    return Esim.objects.filter(pk__in=keys).select_related("account").defer("raw", "lpa", "matching_id")


def _with_secrets(lines: QuerySet[Esim]) -> QuerySet[Esim]:
    return lines.defer(None).defer("raw", "raw_states")


def _refresh(line: Esim, asked: Asked) -> None:
    try:
        request_refresh(esim=line, by=asked.by.email, at_most_every=_READ_AGAIN)
    except RefreshRefused as refused:
        raise BulkRefused(refused.message) from refused


def _why_not(capability: Capability) -> Callable[[Esim], str]:
    return lambda line: why_refused(line, capability)


def _ask(capability: Capability) -> Callable[[Esim, Asked], None]:
    def ask(line: Esim, asked: Asked) -> None:
        try:
            request_action(esim=line, capability=capability, reason=asked.reason, by=asked.by)
        except ActionRefused as refused:
            raise BulkRefused(refused.message) from refused

    return ask


def _customer(field: str) -> Callable[[Any], object]:
    return lambda line: getattr(line.customer, field)


LINES = ListPage(
    name="lines",
    label=_("eSIMs"),
    url_name="esim-list",
    permission="esims.view_esim",
    narrow=_narrow,
    prepare=_prepare,
    load=_load,
    title=lambda line: line.label,
    with_secrets=_with_secrets,
    note_secrets=lambda lines, by: record_codes_taken(lines=lines, by=by),
    sorts=by_time(),
    columns=(
        Column(name="iccid", label=_("ICCID"), value=lambda line: line.label),
        Column(name="account", label=_("Provider"), value=lambda line: line.account.name),
        Column(name="state", label=_("State"), value=lambda line: str(line.get_state_display())),
        Column(name="customer", label=_("Customer"), value=_customer("name")),
        Column(
            name="email",
            label=_("E-mail address"),
            value=_customer("email"),
            permission="customers.view_customer",
            is_usual=False,
        ),
        Column(name="plan", label=_("Plan"), value=lambda line: line.plan.name),
        Column(name="used", label=_("Used, bytes"), value=lambda line: line.total_used_bytes),
        Column(name="last_day", label=_("Last day"), value=lambda line: line.expires_on or line.expires_at),
        Column(name="deadline", label=_("Install before"), value=lambda line: line.activation_deadline, is_usual=False),
        Column(name="as_of", label=_("State as of"), value=lambda line: line.state_as_of, is_usual=False),
        Column(name="entered", label=_("Entered"), value=lambda line: line.created_at),
        Column(
            name="lpa",
            label=_("Activation code"),
            value=lambda line: line.lpa,
            permission="esims.reveal_codes",
            is_secret=True,
        ),
        Column(
            name="eid", label=_("EID"), value=lambda line: line.eid, permission="esims.reveal_codes", is_secret=True
        ),
        Column(
            name="phone",
            label=_("Phone number of the line"),
            value=lambda line: line.phone_number,
            permission="esims.reveal_codes",
            is_secret=True,
        ),
    ),
    bulk=(
        BulkAction(
            name="refresh",
            label=_("Read from the provider"),
            permission="esims.refresh_esim",
            consequences=(_("Each line is read anew, as the provider's rate budget allows."),),
            why_not=why_not_read,
            run=_refresh,
        ),
        BulkAction(
            name="suspend",
            label=RULES[Capability.SUSPEND].label,
            permission="esims.suspend_esim",
            consequences=(
                _("The customers' data connections stop until the lines are released."),
                _("Each line is looked at just before it is asked for, and has it on its timeline, with your reason."),
            ),
            why_not=_why_not(Capability.SUSPEND),
            run=_ask(Capability.SUSPEND),
            danger=True,
        ),
        BulkAction(
            name="release",
            label=RULES[Capability.RELEASE].label,
            permission="esims.suspend_esim",
            consequences=(
                _("The lines can be used again."),
                _("Each line is looked at just before it is asked for, and has it on its timeline, with your reason."),
            ),
            why_not=_why_not(Capability.RELEASE),
            run=_ask(Capability.RELEASE),
        ),
    ),
)
