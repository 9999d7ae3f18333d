"""The areas that travellers are offered plans for. Readers only."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from catalog.models import PlanCoverage
from catalog.search import offered_plans
from providers.models import ProviderRegion
from providers.types import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedArea:
    """An area that plans are offered for, with the lowest price in each currency."""

    code: str
    name: str
    #: Those of every provider that means something by the code; none where nobody said.
    countries: Sequence[str]
    plans: int
    from_prices: Sequence[Money]


@dataclass(frozen=True, slots=True)
class _Told:
    name: str
    #: What each provider means by the code.
    meanings: Collection[frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Priced:
    region: str
    currency: str
    price: Decimal


def offered_areas() -> list[OfferedArea]:
    """Areas by name, with the plans that ``catalog.places.covers_region`` finds for their code. Three queries.

    What is a covered country's own code is no area.
    """
    rows = offered_plans().values_list("pk", "region", "currency", "retail_price")
    plans = {pk: _Priced(region, currency, price) for pk, region, currency, price in rows if price is not None}
    by_countries = _by_countries(plans)
    sold_for: dict[str, set[int]] = defaultdict(set)
    for pk, plan in plans.items():
        sold_for[plan.region].add(pk)
    told = _told_areas()
    found = []
    for code in ({*sold_for, *told} - {""}).difference(*by_countries):
        area = told.get(code, _Told(code, ()))
        fitting = set(sold_for.get(code, ()))
        for countries, pks in by_countries.items():
            if any(meaning <= countries for meaning in area.meanings):
                fitting.update(pks)
        if fitting:
            found.append(
                OfferedArea(
                    code=code,
                    name=area.name,
                    countries=sorted({country for meaning in area.meanings for country in meaning}),
                    plans=len(fitting),
                    from_prices=_lowest(plans[pk] for pk in fitting),
                )
            )
    return sorted(found, key=lambda area: (area.name.casefold(), area.code))


def _by_countries(plans: Mapping[int, _Priced]) -> dict[frozenset[str], list[int]]:
    """The plans by the countries that they cover: many cover the same ones."""
    covered: dict[int, list[str]] = defaultdict(list)
    rows = PlanCoverage.objects.filter(plan__in=offered_plans().order_by().values("pk")).order_by()
    for pk, country in rows.values_list("plan_id", "country"):
        covered[pk].append(country)
    found: dict[frozenset[str], list[int]] = defaultdict(list)
    for pk, countries in covered.items():
        if pk in plans:
            found[frozenset(countries)].append(pk)
    return found


def _told_areas() -> dict[str, _Told]:
    names: dict[str, str] = {}
    meanings: dict[str, list[frozenset[str]]] = defaultdict(list)
    rows = ProviderRegion.objects.filter(is_multi=True).order_by("account_id")
    for code, name, countries in rows.values_list("code", "name", "members"):
        names.setdefault(code, name)
        if countries:
            meanings[code].append(frozenset(countries))
    return {code: _Told(name, meanings[code]) for code, name in names.items()}


def _lowest(plans: Iterable[_Priced]) -> list[Money]:
    lowest: dict[str, Decimal] = {}
    for plan in plans:
        lowest[plan.currency] = min(plan.price, lowest.get(plan.currency, plan.price))
    return [Money(amount=amount, currency=currency) for currency, amount in sorted(lowest.items())]
