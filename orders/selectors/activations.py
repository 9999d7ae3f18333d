"""Activations and completion files as their pages show them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from catalog.models import Plan
from esims.models import Esim
from orders import wording
from orders.checkout import why_not_sellable
from orders.models import Activation, CompletionImport, CompletionOutcome, Order, Purchase
from providers.models import ProviderAccount
from providers.registry import configured_accounts, offers
from providers.types import Capability

#: So many rows that a completion file told of one activation are shown.
_ROWS_SHOWN = 20
_EID_END = re.compile(r"[0-9]{4,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChoice:
    """A plan that is sold by a form; ``refusal`` says why it cannot be now ("" where it can)."""

    plan: Plan
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationLook:
    """An activation with what became of it. ``state`` is a word for the badge's colour, ``label`` what it reads."""

    activation: Activation
    order: Order
    purchase: Purchase | None
    state: str
    label: str
    #: Since when it waits; None once its outcome is known.
    waits_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationPage:
    look: ActivationLook
    sentence: str
    mend: str
    line: Esim | None
    old_line: Esim | None
    rows: Sequence[CompletionOutcome]


def form_plans(esim: Esim | None) -> list[PlanChoice]:
    """Plans that are sold by a form, those that can be sold first; for a line of ours only what replaces it."""
    plans = Plan.objects.select_related("account").filter(
        kind__in=Plan.ENTERED_KINDS, retired_at__isnull=True, is_published=True
    )
    if esim is not None:
        plans = plans.filter(account=esim.account_id, kind=Plan.Kind.REISSUE)
    choices = [PlanChoice(plan=plan, refusal=why_not_sellable(plan)) for plan in plans.order_by("kind", "name", "pk")]
    return sorted(choices, key=lambda choice: bool(choice.refusal))


def form_accounts() -> list[ProviderAccount]:
    """The accounts that activate lines now, by their names."""
    slugs = [slug for slug in configured_accounts() if offers(slug, Capability.LINE_ACTIVATION)]
    return list(ProviderAccount.objects.filter(slug__in=slugs).order_by("name"))


def find_activations(*, text: str = "", is_open: bool | None = None) -> QuerySet[Activation]:
    """Those that a text names, by delivery code, order number or the end of the EID; ``is_open`` narrows them."""
    found = _with_purchases(Activation.objects.all())
    if is_open is not None:
        found = found.filter(is_open=is_open)
    if text := text.strip():
        digits = re.sub(r"[\s-]", "", text)
        match = Q(delivery_code=text.upper()) | Q(order_line__order__number=text.upper())
        if _EID_END.fullmatch(digits):
            match |= Q(eid__endswith=digits)
        found = found.filter(match)
    return found


def longest_waiting() -> QuerySet[Activation]:
    """Open ones, of those the longest waiting first."""
    return find_activations(is_open=True).order_by("created_at", "pk")


def look_at(activation: Activation) -> ActivationLook:
    """An activation that comes from ``find_activations`` or ``read_activation``."""
    order = activation.order_line.order
    purchase = next(iter(activation.order_line.purchases.all()), None)
    is_waiting = purchase is not None and purchase.state not in Purchase.ENDED
    return ActivationLook(
        activation=activation,
        order=order,
        purchase=purchase,
        state=purchase.state if purchase else order.state,
        label=str(purchase.get_state_display() if purchase else order.get_state_display()),
        waits_since=(purchase.first_sent_at or purchase.created_at) if purchase and is_waiting else None,
    )


def read_activation(activation: Activation) -> ActivationPage:
    """One activation with all that its page shows. It comes from ``activations_for_page``."""
    look = look_at(activation)
    purchase = look.purchase
    line = Esim.objects.filter(purchased__purchase=purchase).first() if purchase else None
    return ActivationPage(
        look=look,
        sentence=wording.describe_state(purchase) if purchase else "",
        mend=wording.describe_mend(purchase) if purchase else "",
        line=line,
        old_line=activation.order_line.esim,
        rows=list(rows_about(purchase)[:_ROWS_SHOWN]) if purchase else [],
    )


def activations_for_page() -> QuerySet[Activation]:
    return _with_purchases(Activation.objects.select_related("order_line__esim", "order_line__plan"))


def rows_about(purchase: Purchase) -> QuerySet[CompletionOutcome]:
    """What completion files said of a purchase, the newest first."""
    return CompletionOutcome.objects.filter(purchase=purchase).select_related("report").order_by("-report_id", "number")


def find_imports() -> QuerySet[CompletionImport]:
    return CompletionImport.objects.select_related("account").order_by("-imported_at", "-pk")


def find_rows(report: CompletionImport, outcome: str = "") -> QuerySet[CompletionOutcome]:
    """The rows of a report in the file's order; ``outcome`` narrows it."""
    rows = report.outcomes.select_related("purchase__order_line__order").order_by("number")
    return rows.filter(outcome=outcome) if outcome else rows


def _with_purchases(found: QuerySet[Activation]) -> QuerySet[Activation]:
    lines = Prefetch("order_line__purchases", queryset=Purchase.objects.select_related("order_line"))
    return found.select_related("account", "order_line__order__customer").prefetch_related(lines)
