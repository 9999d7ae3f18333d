"""Plans that staff enter, for providers that list none: their contract with us is on paper.

Such a plan is priced by the same rules as every other. No sync reads it, changes it or retires it: its digest is empty.
Account, kind and code say which plan it is and never change; a wrong one is retired and entered anew.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.codes import validate_country_code, validate_currency_code
from catalog.models import Plan, PlanChange, PlanCoverage
from catalog.pricing import active_rules, explain_price, lock_prices, require_price
from catalog.version import bump_version
from providers.models import ProviderAccount
from providers.registry import configured_accounts, ensure_accounts, offers
from providers.types import Capability, CoverageKind, DataPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredTerms:
    """What staff know of a plan. ``data_bytes`` None without ``data_unlimited``: nobody says how much."""

    name: str
    net_price: Decimal
    currency: str
    own_price: Decimal | None = None
    validity_days: int | None = None
    data_bytes: int | None = None
    data_period: DataPeriod = DataPeriod.UNKNOWN
    data_unlimited: bool = False
    countries: Sequence[str] = ()
    #: Free words for those who sell it.
    notes: str = ""


#: Terms that are columns of a plan by another name.
_COLUMNS = {"notes": "restrictions"}
#: Set here, never typed.
_OURS = ("account", "digest")
_CODE = re.compile(r"[!-~]{1,120}")


def accounts_for_entering() -> QuerySet[ProviderAccount]:
    """The accounts whose plans staff enter: they activate lines and list no plans."""
    slugs = [slug for slug in configured_accounts() if takes_entered_plans(slug)]
    found = ProviderAccount.objects.filter(slug__in=slugs)
    if found.count() < len(slugs):
        # A new account has its row from the first job that meets it; its plans come before any job.
        ensure_accounts()
    return found


def takes_entered_plans(slug: str) -> bool:
    """Whether staff enter an account's plans."""
    return offers(slug, Capability.LINE_ACTIVATION) and not offers(slug, Capability.LIST_PLANS)


# -- verbs ------------------------------------------------------------------------------------------------------------


def enter_plan(*, account: ProviderAccount, kind: str, plan_ref: str, terms: EnteredTerms, by: str) -> Plan:
    """Add a plan that no provider lists. Raises ``ValidationError``, by field, and writes nothing then."""
    if not takes_entered_plans(account.slug):
        raise ValidationError({"account": _("The plans of this account are not entered by staff.")})
    if kind not in Plan.ENTERED_KINDS:
        raise ValidationError({"kind": _("Plans of this kind are not entered by staff.")})
    require_terms(terms)
    now = timezone.now()
    plan = Plan(account=account, kind=kind, plan_ref=plan_ref.strip(), digest="", first_seen_at=now, changed_at=now)
    if not _CODE.fullmatch(plan.plan_ref):
        raise ValidationError({"plan_ref": _("A plan code has half-width letters, digits and signs, and no spaces.")})
    _apply(plan, terms)
    plan.clean_fields(exclude=_OURS)
    try:
        with transaction.atomic():
            lock_prices()
            plan.save()
            _write_coverage(plan, terms.countries)
            _quote(plan)
            plan.save(update_fields=["retail_price", "price_source"])
            _record(plan, PlanChange.Kind.ADDED, by=by, at=now)
    except IntegrityError as error:
        if Plan.objects.filter(account=account, plan_ref=plan.plan_ref).exists():
            raise ValidationError({"plan_ref": _("This account has a plan with this code already.")}) from error
        raise
    return plan


def change_entered_plan(*, plan: Plan, terms: EnteredTerms, by: str) -> Plan:
    """Write what became different. Raises ``ValidationError``, by field, and changes nothing then."""
    require_terms(terms)
    now = timezone.now()
    with transaction.atomic():
        lock_prices()
        current = _lock(plan)
        before = _read(current)
        _apply(current, terms)
        current.clean_fields(exclude=_OURS)
        _write_coverage(current, terms.countries)
        _quote(current)
        changes = {name: [old, new] for name, new in _read(current).items() if (old := before[name]) != new}
        if changes:
            current.changed_at = now
            current.save(update_fields=[*(name for name in changes if name != "coverage"), "changed_at"])
            _record(current, PlanChange.Kind.CHANGED, by=by, at=now, changes=_tell(changes))
    return current


def retire_entered_plan(*, plan: Plan, by: str) -> Plan:
    """Take a plan that staff entered out of the catalogue. What was sold stays sold; twice is once."""
    return _set_retired(plan, at=timezone.now(), kind=PlanChange.Kind.RETIRED, by=by)


def return_entered_plan(*, plan: Plan, by: str) -> Plan:
    """Bring a retired plan that staff entered back."""
    return _set_retired(plan, at=None, kind=PlanChange.Kind.RETURNED, by=by)


# -- below the verbs --------------------------------------------------------------------------------------------------


def _lock(plan: Plan) -> Plan:
    """The plan as it is now. Raises ``ValidationError`` for one that is a provider's business."""
    current = Plan.objects.select_for_update().get(pk=plan.pk)
    if current.kind not in Plan.ENTERED_KINDS:
        raise ValidationError(_("This plan comes from its provider: staff cannot change it."))
    return current


def _set_retired(plan: Plan, *, at: datetime | None, kind: str, by: str) -> Plan:
    with transaction.atomic():
        lock_prices()
        current = _lock(plan)
        if (current.retired_at is None) != (at is None):
            current.retired_at = at
            current.save(update_fields=["retired_at"])
            _record(current, kind, by=by, at=timezone.now())
    return current


def require_terms(terms: EnteredTerms) -> None:
    """Raise ``ValidationError``, by field, for terms that cannot be."""
    faults: dict[str, Any] = {}
    checks = (
        ("currency", validate_currency_code, [terms.currency]),
        ("countries", validate_country_code, terms.countries),
    )
    for name, check, values in checks:
        for value in values:
            try:
                check(value)
            except ValidationError as error:
                faults[name] = error.messages
    if not terms.net_price.is_finite() or terms.net_price < 0:
        faults["net_price"] = _("A price is a number of zero or more.")
    if terms.data_bytes is not None and terms.data_unlimited:
        faults["data_bytes"] = _("A plan without a cap has no amount of data.")
    if terms.data_bytes is not None and not terms.data_unlimited and terms.data_period == DataPeriod.UNKNOWN:
        faults["data_period"] = _("Say whether this is the data in total or of each day.")
    try:
        require_price(terms.own_price, terms.currency)
    except ValidationError as error:
        faults["own_price"] = error.message_dict["amount"]
    if faults:
        raise ValidationError(faults)


def _apply(plan: Plan, terms: EnteredTerms) -> None:
    for term in fields(terms):
        if term.name != "countries":
            setattr(plan, _COLUMNS.get(term.name, term.name), getattr(terms, term.name))
    plan.name, plan.restrictions = plan.name.strip(), plan.restrictions.strip()
    if plan.data_bytes is None:
        plan.data_period = DataPeriod.UNKNOWN.value


def _write_coverage(plan: Plan, countries: Sequence[str]) -> None:
    known = set(PlanCoverage.objects.filter(plan=plan).values_list("country", flat=True))
    if gone := known - set(countries):
        PlanCoverage.objects.filter(plan=plan, country__in=gone).delete()
    PlanCoverage.objects.bulk_create(
        PlanCoverage(plan=plan, country=country, kind=CoverageKind.UNSPECIFIED.value, networks=[])
        for country in sorted(set(countries) - known)
    )


def _quote(plan: Plan) -> None:
    """Set the price. The caller holds ``lock_prices`` and has written the coverage: rules may ask for a country."""
    quote = explain_price(plan, active_rules())
    plan.retail_price, plan.price_source = quote.amount, quote.source


def _read(plan: Plan) -> dict[str, Any]:
    """Everything that a change may touch."""
    names = [_COLUMNS.get(term.name, term.name) for term in fields(EnteredTerms) if term.name != "countries"]
    found = {name: getattr(plan, name) for name in (*names, "retail_price", "price_source")}
    return {**found, "coverage": sorted(plan.coverage.values_list("country", flat=True))}


def _tell(changes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """As history keeps it: amounts as text, coverage by country as a sync tells it."""
    told = {name: [_plain(value) for value in pair] for name, pair in changes.items()}
    if "coverage" in told:
        before, after = (set(side) for side in told["coverage"])
        blank = [CoverageKind.UNSPECIFIED.value, []]
        told["coverage"] = [
            dict.fromkeys(sorted(before - after), blank),
            dict.fromkeys(sorted(after - before), blank),
        ]
    return told


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _record(plan: Plan, kind: str, *, by: str, at: datetime, changes: dict[str, list[Any]] | None = None) -> None:
    bump_version()
    PlanChange.objects.create(plan=plan, kind=kind, at=at, by=by, changes=changes or {})
