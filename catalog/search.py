"""Finding plans. Readers only; each is a constant number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.conf import settings
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.expressions import OrderBy

from catalog.models import FOR_SALE, Plan, PlanCoverage
from catalog.places import covers_country, covers_region
from catalog.terms import with_equal_terms
from providers.types import CoverageKind, DataPeriod, Money


class CoverageChoice(StrEnum):
    """How a plan must cover a country. Plans whose provider does not say which are found by ANY only."""

    ANY = "any"
    HOME = "home"
    ROAMING = "roaming"


class Sort(StrEnum):
    """Orders of a list; each ends with the primary key, so that pages never overlap."""

    NAME = "name"
    PRICE = "price"
    PRICE_DOWN = "-price"
    PER_DAY = "per_day"
    PER_GB = "per_gb"
    DATA = "-data"
    DAYS = "days"
    DAYS_DOWN = "-days"
    NEWEST = "-first_seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFilter:
    """What is asked for; the defaults ask for nothing but plans that are still offered.

    ``min_bytes`` is compared with a plan's own number, as the plan counts it: a daily cap as "per day", never
    multiplied by its days. ``data_period`` narrows to plans that count so. Plans without a cap always have enough.
    A plan that is sold by the day fits when the days asked for lie between 1 and its most, and its price is then the
    one of ``min_days``. ``max_price`` is in ``currency``, the house currency where none is given.
    """

    #: A ``Plan.Kind``; "" for all.
    kind: str = ""
    country: str = ""
    #: A provider's own code of an area: its plans, and those of others that cover all its countries.
    region: str = ""
    coverage: CoverageChoice = CoverageChoice.ANY
    min_bytes: int | None = None
    data_period: DataPeriod | None = None
    unlimited: bool | None = None
    min_days: int | None = None
    max_days: int | None = None
    max_price: Decimal | None = None
    currency: str = ""
    #: An account's slug.
    account: str = ""
    carrier: str = ""
    text: str = ""
    tethering: bool | None = None
    top_up: bool | None = None
    kyc: bool | None = None
    published: bool | None = None
    #: None: retired or not.
    retired: bool | None = False
    sort: Sort = Sort.NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A country that can be sold, with the lowest retail price in each currency."""

    country: str
    plans: int
    from_prices: tuple[Money, ...]


def search_plans(wanted: PlanFilter) -> QuerySet[Plan]:
    """The plans that fit, with their account and what ``with_equal_terms`` adds."""
    return narrow_plans(Plan.objects.select_related("account"), wanted).order_by(*order_plans(wanted.sort))


def narrow_plans(plans: QuerySet[Plan], wanted: PlanFilter) -> QuerySet[Plan]:
    """Those of ``plans`` that fit, in no order, with what ``with_equal_terms`` adds."""
    plans = with_equal_terms(plans, days=wanted.min_days)
    for condition in (_place(wanted), _data(wanted), _terms(wanted), _price(wanted), _state(wanted), _text(wanted)):
        plans = plans.filter(condition)
    return plans


def sellable_plans() -> QuerySet[Plan]:
    """Plans that may be sold as new eSIMs now: offered, published, with a price, by an account that is not paused."""
    return Plan.objects.filter(FOR_SALE, net_price__isnull=False, account__is_paused=False).exclude(currency="")


def offered_plans() -> QuerySet[Plan]:
    """What travellers may buy themselves, in the app: a sandbox's plans are for staff, for they connect nobody."""
    plans = sellable_plans()
    return plans if settings.APP_SELLS_SANDBOX else plans.filter(account__is_sandbox=False)


def destinations(plans: QuerySet[Plan] | None = None) -> list[Destination]:
    """Countries that ``plans`` (the sellable ones) cover, by code; one query."""
    chosen = sellable_plans() if plans is None else plans
    rows = (
        PlanCoverage.objects.filter(plan__in=chosen.order_by().values("pk"))
        .values_list("country", "plan__currency")
        .annotate(plans=Count("plan"), lowest=Min("plan__retail_price"))
        .order_by("country", "plan__currency")
    )
    found: dict[str, Destination] = {}
    for country, currency, count, lowest in rows:
        before = found.get(country)
        price = () if lowest is None else (Money(amount=lowest, currency=currency),)
        found[country] = Destination(
            country=country,
            plans=count + (before.plans if before else 0),
            from_prices=(*(before.from_prices if before else ()), *price),
        )
    return list(found.values())


def known_carriers() -> list[str]:
    """Carrier codes of plans still offered, for the filter's list."""
    rows = Plan.objects.filter(retired_at=None).exclude(carrier="").order_by("carrier")
    return list(rows.values_list("carrier", flat=True).distinct())


def known_currencies() -> list[str]:
    """Currencies of plans still offered, for the filter's list."""
    rows = Plan.objects.filter(retired_at=None).exclude(currency="").order_by("currency")
    return list(rows.values_list("currency", flat=True).distinct())


def tells_home_from_roaming() -> bool:
    """Whether any provider says which countries are home: else the choice makes no sense."""
    return PlanCoverage.objects.exclude(kind=CoverageKind.UNSPECIFIED).filter(plan__retired_at=None).exists()


def marked_plans(ids: Sequence[int]) -> list[Plan]:
    """The chosen plans side by side, cheapest first in each currency."""
    plans = Plan.objects.filter(pk__in=ids).defer("raw").select_related("account").prefetch_related("coverage")
    return list(with_equal_terms(plans).order_by(*order_plans(Sort.PRICE)))


# -- conditions -------------------------------------------------------------------------------------------------------


def _place(wanted: PlanFilter) -> Q:
    condition = Q()
    if wanted.country:
        kind = "" if wanted.coverage is CoverageChoice.ANY else wanted.coverage.value
        condition &= Q(covers_country(wanted.country, kind))
    return condition & covers_region(wanted.region) if wanted.region else condition


def _data(wanted: PlanFilter) -> Q:
    condition = Q()
    if wanted.unlimited is not None:
        condition &= Q(data_unlimited=wanted.unlimited)
    if wanted.data_period is not None:
        condition &= Q(data_period=wanted.data_period) | Q(data_unlimited=True)
    if wanted.min_bytes is not None:
        condition &= Q(data_bytes__gte=wanted.min_bytes) | Q(data_unlimited=True)
    return condition


def _terms(wanted: PlanFilter) -> Q:
    condition = Q()
    is_fixed = Q(days_choice_max=None)
    if wanted.min_days is not None:
        condition &= Q(is_fixed, validity_days__gte=wanted.min_days) | Q(days_choice_max__gte=wanted.min_days)
    if wanted.max_days is not None:
        by_the_day = Q(days_choice_max__gte=1) if wanted.max_days >= 1 else Q(pk__in=())
        condition &= Q(is_fixed, validity_days__lte=wanted.max_days) | by_the_day
    said = {"tethering": wanted.tethering, "top_up_supported": wanted.top_up, "kyc_required": wanted.kyc}
    return condition & Q(**{name: value for name, value in said.items() if value is not None})


def _price(wanted: PlanFilter) -> Q:
    condition = Q(currency=wanted.currency.upper()) if wanted.currency else Q()
    if wanted.max_price is not None:
        currency = wanted.currency.upper() or settings.CURRENCY
        condition &= Q(asked_price__lte=wanted.max_price, currency=currency)
    return condition


def _state(wanted: PlanFilter) -> Q:
    condition = Q(kind=wanted.kind) if wanted.kind else Q()
    if wanted.account:
        condition &= Q(account__slug=wanted.account)
    if wanted.carrier:
        condition &= Q(carrier=wanted.carrier)
    if wanted.published is not None:
        condition &= Q(is_published=wanted.published)
    if wanted.retired is not None:
        condition &= Q(retired_at__isnull=not wanted.retired)
    return condition


def _text(wanted: PlanFilter) -> Q:
    """Every word must be in the name or in one of the plan's codes."""
    condition = Q()
    for word in wanted.text.split()[:8]:
        condition &= Q(name__icontains=word) | Q(plan_ref__icontains=word) | Q(alias__icontains=word)
    return condition


def order_plans(sort: Sort) -> list[OrderBy]:
    """Prices are ordered within their currency; what is not known comes last. For plans with their equal terms."""
    currency = F("currency").asc()
    keys: dict[Sort, list[OrderBy]] = {
        Sort.NAME: [F("name").asc()],
        Sort.PRICE: [currency, F("asked_price").asc(nulls_last=True)],
        Sort.PRICE_DOWN: [currency, F("asked_price").desc(nulls_last=True)],
        Sort.PER_DAY: [currency, F("per_day").asc(nulls_last=True)],
        Sort.PER_GB: [currency, F("per_gb").asc(nulls_last=True)],
        Sort.DATA: [F("data_unlimited").desc(), F("data_bytes").desc(nulls_last=True)],
        Sort.DAYS: [F("most_days").asc(nulls_last=True)],
        Sort.DAYS_DOWN: [F("most_days").desc(nulls_last=True)],
        Sort.NEWEST: [F("first_seen_at").desc()],
    }
    return [*keys[sort], F("pk").asc()]
