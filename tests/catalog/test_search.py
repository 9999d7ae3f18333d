"""Finding plans: each filter, each order, and that a list costs the same number of queries however long it is."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from catalog.models import Plan
from catalog.search import (
    CoverageChoice,
    PlanFilter,
    Sort,
    destinations,
    marked_plans,
    search_plans,
    sellable_plans,
    tells_home_from_roaming,
)
from providers.types import DataPeriod, Money
from tests.catalog.making import GB, make_account, make_plan

pytestmark = pytest.mark.django_db
D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def found(wanted: PlanFilter) -> list[str]:
    return [plan.plan_ref for plan in search_plans(wanted)]


def test_a_destination_is_home_or_roaming_only_where_the_provider_says_so() -> None:
    make_plan(plan_ref="HOME", name="a", covers=["JP:home", "KR:roaming"])
    make_plan(plan_ref="ROAM", name="b", covers=["JP:roaming"])
    make_plan(plan_ref="MUTE", name="c", covers=["JP"])
    make_plan(plan_ref="ELSE", name="d", covers=["FR"])

    assert found(PlanFilter(country="jp")) == ["HOME", "ROAM", "MUTE"]
    assert found(PlanFilter(country="JP", coverage=CoverageChoice.HOME)) == ["HOME"]
    assert found(PlanFilter(country="JP", coverage=CoverageChoice.ROAMING)) == ["ROAM"]
    assert found(PlanFilter(country="DE")) == []
    assert tells_home_from_roaming()
    Plan.objects.exclude(plan_ref="MUTE").update(retired_at=NOW)
    assert not tells_home_from_roaming()


def test_a_daily_cap_is_compared_by_the_day() -> None:
    make_plan(plan_ref="DAY1", name="a", data_bytes=GB, data_period=DataPeriod.DAY, validity_days=30)
    make_plan(plan_ref="TOTAL5", name="b", data_bytes=5 * GB)
    make_plan(plan_ref="ALL", name="c", data_bytes=None, data_unlimited=True, data_period=DataPeriod.UNKNOWN)
    make_plan(plan_ref="MUTE", name="d", data_bytes=None, data_period=DataPeriod.UNKNOWN)

    assert found(PlanFilter(min_bytes=GB)) == ["DAY1", "TOTAL5", "ALL"]
    assert found(PlanFilter(min_bytes=GB + 1)) == ["TOTAL5", "ALL"]
    assert found(PlanFilter(min_bytes=GB, data_period=DataPeriod.DAY)) == ["DAY1", "ALL"]
    assert found(PlanFilter(min_bytes=GB, data_period=DataPeriod.TOTAL)) == ["TOTAL5", "ALL"]
    assert found(PlanFilter(unlimited=True)) == ["ALL"]
    assert found(PlanFilter(unlimited=False)) == ["DAY1", "TOTAL5", "MUTE"]


def test_every_other_filter() -> None:
    other = make_account("other")
    make_plan(
        other,
        plan_ref="RB52",
        name="Japan Sun 7 Days",
        carrier="KDDI",
        currency="EUR",
        retail_price=D(3),
        validity_days=7,
        tethering=True,
        top_up_supported=False,
        kyc_required=True,
    )
    make_plan(plan_ref="X1", name="Korea Moon", carrier="SKT", retail_price=D(5), validity_days=30, tethering=False)
    make_plan(plan_ref="OFF", name="Zebra", is_published=False, retail_price=None)
    make_plan(plan_ref="GONE", name="Yesterday", retired_at=NOW)

    for wanted, expected in [
        (PlanFilter(), ["RB52", "X1", "OFF"]),
        (PlanFilter(account="other"), ["RB52"]),
        (PlanFilter(carrier="SKT"), ["X1"]),
        (PlanFilter(text="rb5"), ["RB52"]),
        (PlanFilter(text="days JAPAN"), ["RB52"]),
        (PlanFilter(text="japan moon"), []),
        (PlanFilter(text="100%_"), []),
        (PlanFilter(min_days=8), ["X1"]),
        (PlanFilter(max_days=7), ["RB52", "OFF"]),
        (PlanFilter(max_price=D(5)), ["X1"]),
        (PlanFilter(max_price=D(5), currency="eur"), ["RB52"]),
        (PlanFilter(currency="EUR"), ["RB52"]),
        (PlanFilter(tethering=True), ["RB52"]),
        (PlanFilter(tethering=False), ["X1"]),
        (PlanFilter(top_up=False), ["RB52"]),
        (PlanFilter(kyc=True), ["RB52"]),
        (PlanFilter(published=False), ["OFF"]),
        (PlanFilter(retired=True), ["GONE"]),
        (PlanFilter(retired=None), ["RB52", "X1", "GONE", "OFF"]),
    ]:
        assert found(wanted) == expected, wanted


def test_a_plan_that_is_sold_by_the_day_fits_when_the_days_lie_in_its_range() -> None:
    make_plan(plan_ref="BYDAY", name="a", days_choice_max=30, validity_days=1, retail_price=D(2))
    make_plan(plan_ref="WEEK", name="b", validity_days=7, retail_price=D(10))

    for wanted, expected in [
        (PlanFilter(), ["BYDAY", "WEEK"]),
        (PlanFilter(min_days=7), ["BYDAY", "WEEK"]),
        (PlanFilter(min_days=30), ["BYDAY"]),
        (PlanFilter(min_days=31), []),
        (PlanFilter(max_days=1), ["BYDAY"]),
        (PlanFilter(max_days=0), []),
        (PlanFilter(min_days=8, max_days=30), ["BYDAY"]),
        # Its price is the one of the days asked for.
        (PlanFilter(min_days=4, max_price=D(9)), ["BYDAY"]),
        (PlanFilter(min_days=5, max_price=D(9)), []),
        (PlanFilter(min_days=4, sort=Sort.PRICE), ["BYDAY", "WEEK"]),
        (PlanFilter(min_days=6, sort=Sort.PRICE), ["WEEK", "BYDAY"]),
        (PlanFilter(sort=Sort.DAYS_DOWN), ["BYDAY", "WEEK"]),
    ]:
        assert found(wanted) == expected, wanted


def test_kinds_regions_and_the_other_code() -> None:
    make_plan(plan_ref="ESIM", name="a", alias="jp-1-7")
    make_plan(plan_ref="PACK", name="b", kind=Plan.Kind.TOP_UP)
    make_plan(plan_ref="FORM", name="c", kind=Plan.Kind.ACTIVATION)
    make_plan(plan_ref="AREA", name="d", region="AS-7", covers=["KR"])

    for wanted, expected in [
        (PlanFilter(), ["ESIM", "PACK", "FORM", "AREA"]),
        (PlanFilter(kind=Plan.Kind.ESIM), ["ESIM", "AREA"]),
        (PlanFilter(kind=Plan.Kind.TOP_UP), ["PACK"]),
        (PlanFilter(kind=Plan.Kind.ACTIVATION), ["FORM"]),
        (PlanFilter(text="jp-1"), ["ESIM"]),
        (PlanFilter(region="AS-7"), ["AREA"]),
        (PlanFilter(region="AS-7", country="JP"), []),
    ]:
        assert found(wanted) == expected, wanted
    assert [plan.plan_ref for plan in sellable_plans().order_by("name")] == ["ESIM", "AREA"]


def test_orders_are_stable_and_put_the_unknown_last() -> None:
    make_plan(plan_ref="A", name="n", retail_price=D(6), validity_days=30, data_bytes=GB)
    make_plan(plan_ref="B", name="n", retail_price=D(3), validity_days=3, data_bytes=3 * GB)
    make_plan(plan_ref="C", name="n", retail_price=None, validity_days=None, data_bytes=None)
    make_plan(plan_ref="D", name="n", retail_price=D(4), data_period=DataPeriod.DAY, data_bytes=2 * GB)
    make_plan(plan_ref="E", name="a", retail_price=D(1), currency="EUR", data_bytes=None, data_unlimited=True)

    wanted = PlanFilter()
    orders = {sort: "".join(found(replace(wanted, sort=sort))) for sort in Sort}
    assert orders == {
        Sort.NAME: "EABCD",
        Sort.PRICE: "EBDAC",
        Sort.PRICE_DOWN: "EADBC",
        Sort.PER_DAY: "EADBC",
        Sort.PER_GB: "EDBAC",
        Sort.DATA: "EBDAC",
        Sort.DAYS: "BDEAC",
        Sort.DAYS_DOWN: "ADEBC",
        Sort.NEWEST: "EDCBA",
    }


def test_only_plans_with_a_price_and_an_open_account_can_be_sold() -> None:
    make_plan(plan_ref="OK")
    make_plan(is_published=False)
    make_plan(retired_at=NOW)
    make_plan(retail_price=None)
    make_plan(retail_price=D(0))
    make_plan(net_price=None)
    make_plan(currency="")
    make_plan(make_account("paused", is_paused=True))
    make_plan(kind=Plan.Kind.TOP_UP)

    assert [plan.plan_ref for plan in sellable_plans()] == ["OK"]


def test_destinations_count_plans_and_name_the_lowest_price_of_each_currency(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_plan(covers=["JP", "KR"], retail_price=D(5))
    make_plan(covers=["JP"], retail_price=D(4))
    make_plan(covers=["JP"], retail_price=D(300), currency="JPY")
    make_plan(covers=["FR"], is_published=False)

    with django_assert_num_queries(1):
        japan, korea = destinations()

    assert (japan.country, japan.plans) == ("JP", 3)
    assert japan.from_prices == (Money(amount=D(300), currency="JPY"), Money(amount=D(4), currency="USD"))
    assert (korea.country, korea.plans, korea.from_prices) == ("KR", 1, (Money(amount=D(5), currency="USD"),))


def test_marked_plans_come_cheapest_first_whatever_their_state() -> None:
    dear, other = make_plan(retail_price=D(9)), make_plan(retail_price=D(5))
    hidden = make_plan(retail_price=D(1), is_published=False)

    assert marked_plans([dear.pk, hidden.pk]) == [hidden, dear]
    assert marked_plans([other.pk, 999_999]) == [other]
