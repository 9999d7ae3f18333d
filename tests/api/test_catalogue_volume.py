"""The app's list over a large catalogue whose rows tie for long stretches (PostgreSQL)."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.offers import OfferSort, list_offers
from catalog.search import PlanFilter, offered_plans
from tests.api.big import fill

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
#: The same was seen with 100,000.
PLANS = 10_000
BY_INDEX = {
    OfferSort.PRICE: "plan_offer_by_price",
    OfferSort.PRICE_DOWN: "plan_offer_by_price",
    OfferSort.NAME: "plan_offer_by_name",
    OfferSort.DAYS: "plan_offer_by_days",
    OfferSort.DATA_DOWN: "plan_offer_by_data",
}


def explain(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(row[0] for row in cursor.fetchall())


def test_every_row_comes_once_and_deep_pages_are_found_by_an_index() -> None:
    fill(PLANS)
    everything = set(offered_plans().values_list("pk", flat=True))
    assert len(everything) == PLANS + 1
    asked: Any = PlanFilter(), PlanFilter(min_days=7)
    for sort in OfferSort:
        for wanted in asked if sort == OfferSort.PRICE else asked[:1]:
            found: list[int] = []
            cursor: str | None = ""
            while cursor is not None:
                with CaptureQueriesContext(connection) as queries:
                    page, offers = list_offers(wanted, sort=sort, cursor=cursor, limit=2500)
                assert len(queries) == 2
                found += [offer.values["pk"] for offer in offers]
                cursor = page.next
            assert len(found) == len(set(found))
            assert wanted.min_days or set(found) == everything
        if sort in BY_INDEX:
            middle = list_offers(PlanFilter(), sort=sort, cursor="", limit=2000)[0].next
            with CaptureQueriesContext(connection) as queries:
                list_offers(PlanFilter(), sort=sort, cursor=middle or "", limit=50)
            plan = explain(queries[0]["sql"])
            assert f"using {BY_INDEX[sort]}" in plan, plan
            assert "Index Cond: (ROW(" in plan
            assert "Sort" not in plan
