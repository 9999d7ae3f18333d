"""What travellers are offered: plans as the app shows them. Readers only.

Nothing here names a provider, an account or a net price.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import F, IntegerField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from catalog.models import LEAST_DATA_FIRST, SHORTEST_FIRST, PlanCoverage
from catalog.search import PlanFilter, narrow_plans, offered_plans
from catalog.terms import with_equal_terms
from providers.api import CursorPage, RowOrder, cursor_page


class OfferSort(StrEnum):
    """Orders of the app's list. Prices are ordered within their currency; what is not known comes last."""

    PRICE = "price"
    PRICE_DOWN = "-price"
    PER_DAY = "price_per_day"
    PER_GB = "price_per_gb"
    DATA_DOWN = "-data"
    DAYS = "days"
    DAYS_DOWN = "-days"
    NAME = "name"


#: More than any price.
_DEAREST = Value(Decimal(10) ** 15)
_KEYS: Mapping[OfferSort, tuple[Sequence[str | Combinable], bool]] = {
    OfferSort.PRICE: (("currency", "retail_price"), False),
    OfferSort.PRICE_DOWN: (("currency", "retail_price"), True),
    OfferSort.PER_DAY: (("currency", Coalesce("per_day", _DEAREST)), False),
    OfferSort.PER_GB: (("currency", Coalesce("per_gb", _DEAREST)), False),
    OfferSort.DATA_DOWN: ((LEAST_DATA_FIRST,), True),
    OfferSort.DAYS: ((SHORTEST_FIRST,), False),
    OfferSort.DAYS_DOWN: (
        (Coalesce("days_choice_max", "validity_days", Value(-1), output_field=IntegerField()),),
        True,
    ),
    OfferSort.NAME: (("name",), False),
}
#: Columns of a list's row; a plan's own page has more.
LISTED = (
    *("pk", "name", "currency", "retail_price", "data_bytes", "data_period", "data_unlimited", "validity_days"),
    *("days_choice_max", "after_cap", "starts_with", "top_up_supported", "tethering", "kyc_required"),
    *("max_speed", "reduced_speed", "speed_unit"),
)
DETAILED = (
    *LISTED,
    *("validity_info", "activation_info", "unused_termination_days", "restrictions", "ip_countries", "dialing_code"),
    *("voice_inbound", "voice_outbound", "sms_inbound", "sms_outbound"),
)
_TERMS = ("term_days", "term_bytes", "asked_price", "per_day", "per_gb")


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan's columns and equal terms, with the countries that it covers."""

    values: Mapping[str, Any]
    countries: Sequence[str]


@dataclass(frozen=True, slots=True)
class CoveredPlace:
    """One country of a plan."""

    country: str
    kind: str
    networks: Sequence[Mapping[str, Any]]


def list_offers(wanted: PlanFilter, *, sort: OfferSort, cursor: str, limit: int) -> tuple[CursorPage, Sequence[Offer]]:
    """A page of what is offered: two queries, one more where a region is asked for."""
    plans = narrow_plans(offered_plans(), wanted)
    page = cursor_page(plans.values(*LISTED, *_TERMS), _order(sort, wanted.min_days), cursor=cursor, limit=limit)
    countries = defaultdict(list)
    rows = PlanCoverage.objects.filter(plan__in=[row["pk"] for row in page.rows]).order_by("plan_id", "country")
    for pk, country in rows.values_list("plan_id", "country"):
        countries[pk].append(country)
    return page, [Offer(row, countries[row["pk"]]) for row in page.rows]


def read_offer(pk: int, *, days: int | None) -> tuple[Offer, Sequence[CoveredPlace]] | None:
    """One plan that is offered now; None where it is not. Two queries."""
    values = with_equal_terms(offered_plans(), days=days).filter(pk=pk).values(*DETAILED, *_TERMS).first()
    if values is None:
        return None
    rows = PlanCoverage.objects.filter(plan=pk).order_by("country").values_list("country", "kind", "networks")
    places = [CoveredPlace(*row) for row in rows]
    return Offer(values, [place.country for place in places]), places


def _order(sort: OfferSort, days: int | None) -> RowOrder:
    keys, down = _KEYS[sort]
    if not days:
        return RowOrder(name=sort, keys=keys, down=down)
    # What is sold by the day costs more for more days: the cursor of other days would be none of this list.
    keys = tuple(F("asked_price") if key == "retail_price" else key for key in keys)
    return RowOrder(name=f"{sort}/{days}", keys=keys, down=down)
