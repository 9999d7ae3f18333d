"""Where a plan works: in a country, in all countries of a region, wherever another plan works. Readers only."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q

from catalog.countries import country_name
from catalog.models import Plan, PlanCoverage
from providers.models import ProviderRegion


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a traveller asks for: a country, or an area by a provider's own code; the other one is ""."""

    country: str = ""
    region: str = ""

    def __bool__(self) -> bool:
        return bool(self.country or self.region)


def covers_country(country: str, kind: str = "") -> Exists:
    """The plan works in a country (ISO 3166-1 alpha-2), there at home or roaming where ``kind`` says which."""
    rows = PlanCoverage.objects.filter(plan=OuterRef("pk"), country=country.upper())
    return Exists(rows.filter(kind=kind) if kind else rows)


def covers_all(countries: Collection[str]) -> Q:
    """The plan works in every one of these countries (at least one)."""
    wanted = set(countries)
    if not wanted:
        return Q(pk__in=())
    if len(wanted) == 1:
        return Q(covers_country(wanted.pop()))
    places = PlanCoverage.objects.filter(country__in=wanted).order_by().values("plan")
    return Q(pk__in=places.annotate(number=Count("pk")).filter(number=len(wanted)).values("plan"))


def covers_region(code: str) -> Q:
    """The plan is sold for an area by its provider's own word, or works in all of the area's countries.

    Two providers may mean two areas by one code: the countries of either are enough. One query.
    """
    condition = Q(region=code)
    for members in ProviderRegion.objects.filter(code=code, is_multi=True).values_list("members", flat=True):
        if members:
            condition |= covers_all(members)
    return condition


def covered_countries() -> list[str]:
    """Codes of all countries that plans still offered cover."""
    rows = PlanCoverage.objects.filter(plan__retired_at=None).order_by("country")
    return list(rows.values_list("country", flat=True).distinct())


def known_regions() -> dict[str, str]:
    """The areas that plans still offered are sold for, and those that providers told: code → name. Two queries."""
    rows = Plan.objects.filter(retired_at=None).exclude(region="").order_by("region")
    regions = {code: code for code in rows.values_list("region", flat=True).distinct()}
    regions |= dict(ProviderRegion.objects.filter(is_multi=True).order_by("-account_id").values_list("code", "name"))
    return regions


def country_choices() -> list[tuple[str, str]]:
    """The covered countries by name."""
    return sorted(((code, country_name(code)) for code in covered_countries()), key=lambda choice: choice[1])


def region_choices(*, without: Collection[str]) -> list[tuple[str, str]]:
    """The providers' areas by name; a code that is one of ``without`` (a country's) is not among them."""
    found = [(code, name if name == code else f"{name} ({code})") for code, name in known_regions().items()]
    return sorted((choice for choice in found if choice[0] not in without), key=lambda choice: choice[1].casefold())
