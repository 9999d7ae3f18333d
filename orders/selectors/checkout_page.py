"""A plan as the counter shows it before it is sold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from catalog.countries import country_name
from catalog.models import Plan
from customers.models import Customer
from orders.checkout import price_for
from orders.models import Order
from providers.types import CoverageKind

#: A second order for the same customer and plan within this time is pointed out.
TWIN_WITHIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    code: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A plan with its places; money is in the plan's currency and for all days that are bought."""

    plan: Plan
    places: Sequence[Place]
    cost: Decimal | None
    margin: Decimal | None
    margin_percent: Decimal | None


def read_offer(plan: Plan, *, period_days: int | None = None) -> Offer:
    """What staff must know before they sell a plan (fetched with its account); one query.

    ``period_days`` of a plan that is sold by the day; without them money is that of one day.
    """
    places = [
        Place(
            code=row.country,
            name=country_name(row.country),
            kind="" if row.kind == CoverageKind.UNSPECIFIED else row.get_kind_display(),
        )
        for row in plan.coverage.order_by("country")
    ]
    price = price_for(plan, period_days)
    cost = None if plan.net_price is None else plan.net_price * (period_days or 1)
    margin = price - cost if price is not None and cost is not None else None
    return Offer(
        plan=plan,
        places=sorted(places, key=lambda place: place.name),
        cost=cost,
        margin=margin,
        margin_percent=round(100 * margin / price, 1) if margin is not None and price else None,
    )


def recent_twin(customer: Customer, plan: Plan) -> Order | None:
    """An order of the same plan for the same customer placed a moment ago: perhaps this one, sent twice."""
    since = timezone.now() - TWIN_WITHIN
    orders = Order.objects.filter(customer=customer, lines__plan=plan, created_at__gte=since)
    return orders.exclude(state=Order.State.CANCELLED).order_by("-created_at").first()
