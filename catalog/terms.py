"""Plans on equal terms: what one costs for the days asked for, per day and per gigabyte.

A plan that is sold by the day has data and prices of one day; every other plan has those of its whole time.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Case, DecimalField, F, FloatField, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Least, Round

from catalog.models import Plan
from providers.types import DataPeriod

GIGABYTE = 1024**3
_MONEY: "DecimalField[Any, Any]" = DecimalField(max_digits=20, decimal_places=4)
#: More days than a plan has nobody uses; without a bound a long plan's data would not fit into its column.
_MOST_DAYS = 100_000
_MOST_DAILY_BYTES = 2**63 // _MOST_DAYS - 1


def with_equal_terms(plans: QuerySet[Plan], *, days: int | None = None) -> QuerySet[Plan]:
    """Adds what plans are compared by; each is None where it is not known.

    - ``term_days``: the days that the price is for; of a plan sold by the day ``days``, one where none are asked for.
    - ``most_days``: the longest that it can be bought for.
    - ``asked_price``: what those days cost the customer.
    - ``term_bytes``: the data of those days together. None as well where there is no cap, or nobody says whether it
      is one in total or of a day.
    - ``per_day`` and ``per_gb``: the price by the one and by the other. A plan without a cap has no price per
      gigabyte.
    """
    is_by_day = Q(days_choice_max__isnull=False)
    chosen = min(max(days or 1, 1), _MOST_DAYS)
    plans = plans.annotate(
        term_days=Case(
            When(is_by_day, then=Value(chosen)),
            When(validity_days__gt=0, then=F("validity_days")),
            default=None,
            output_field=IntegerField(),
        ),
        most_days=Case(
            When(is_by_day, then=F("days_choice_max")), default=F("validity_days"), output_field=IntegerField()
        ),
        asked_price=Case(
            When(is_by_day, then=Cast(F("retail_price") * chosen, _MONEY)),
            default=F("retail_price"),
            output_field=_MONEY,
        ),
    )
    is_capped = Q(data_bytes__gt=0, data_unlimited=False)
    is_daily = Q(data_period=DataPeriod.DAY) | Q(is_by_day, data_period=DataPeriod.TOTAL)
    is_told = Q(is_capped, term_days__isnull=False, data_bytes__lte=_MOST_DAILY_BYTES)
    plans = plans.annotate(
        term_bytes=Case(
            When(is_told & is_daily, then=F("data_bytes") * Least(F("term_days"), Value(_MOST_DAYS))),
            When(Q(is_capped, data_period=DataPeriod.TOTAL, days_choice_max=None), then=F("data_bytes")),
            default=None,
            output_field=BigIntegerField(),
        )
    )
    # As floats on the way: SQLite divides whole numbers without a remainder.
    price, length, size = (Cast(name, FloatField()) for name in ("asked_price", "term_days", "term_bytes"))
    return plans.annotate(
        per_day=Round(Cast(price / length, _MONEY), 4),
        per_gb=Round(Cast(price * float(GIGABYTE) / size, _MONEY), 4),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What ``with_equal_terms`` found out about a plan."""

    days: int | None
    size: int | None
    price: Decimal | None
    per_day: Decimal | None
    per_gb: Decimal | None


def read_terms(plan: Plan) -> Terms:
    """The terms of a plan that came with them."""
    found = vars(plan)
    return Terms(
        days=found["term_days"],
        size=found["term_bytes"],
        price=found["asked_price"],
        per_day=found["per_day"],
        per_gb=found["per_gb"],
    )
