"""Plans of all providers on equal terms: what is worked out, what is left unsaid, and which ones are equal."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from catalog.compare import Group, Need, compare_plans, find_cheaper, find_equal
from catalog.models import Plan
from catalog.places import Place
from catalog.search import Sort
from catalog.terms import Terms, read_terms, with_equal_terms
from providers.models import ProviderRegion
from providers.types import DataPeriod
from tests.catalog.making import GB, make_account, make_plan

pytestmark = pytest.mark.django_db
D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)
JAPAN = Place(country="JP")
DAILY: dict[str, Any] = {"data_period": DataPeriod.DAY}
BY_DAY: dict[str, Any] = {**DAILY, "days_choice_max": 30, "validity_days": 1}
NO_CAP: dict[str, Any] = {"data_bytes": None, "data_unlimited": True, "data_period": DataPeriod.UNKNOWN}
MUTE: dict[str, Any] = {"data_bytes": None, "data_period": DataPeriod.UNKNOWN}


def terms_of(*, days: int | None = None, **fields: Any) -> Terms:
    plan = make_plan(retail_price=D(42), **fields)
    return read_terms(with_equal_terms(Plan.objects.filter(pk=plan.pk), days=days).get())


def told(groups: list[Group] | Any) -> list[list[str]]:
    return [[entry.plan.plan_ref for entry in group.entries] for group in groups]


def compare(need: Need, **options: Any) -> list[list[str]]:
    """The groups of the only currency."""
    shelves = compare_plans(need, **options)
    assert len(shelves) <= 1
    return told(shelves[0].groups) if shelves else []


# -- equal terms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "days", "expected"),
    [
        # A cap in total.
        ({"data_bytes": 3 * GB}, None, (7, 3 * GB, "42", "6", "14")),
        # A daily cap counts for all its days.
        (DAILY, None, (7, 7 * GB, "42", "6", "6")),
        # Sold by the day: for the days asked for, one where none are.
        (BY_DAY, None, (1, GB, "42", "42", "42")),
        (BY_DAY, 10, (10, 10 * GB, "420", "42", "42")),
        ({**BY_DAY, "data_period": DataPeriod.TOTAL}, 10, (10, 10 * GB, "420", "42", "42")),
        # The days asked for do not change a plan whose days are fixed.
        (DAILY, 3, (7, 7 * GB, "42", "6", "6")),
        # No cap: by the day only.
        (NO_CAP, None, (7, None, "42", "6", None)),
        ({**BY_DAY, **NO_CAP}, 2, (2, None, "84", "42", None)),
        ({"data_bytes": GB, "data_unlimited": True}, None, (7, None, "42", "6", None)),
        # Not told: nothing is worked out.
        (MUTE, None, (7, None, "42", "6", None)),
        ({"data_period": DataPeriod.UNKNOWN}, None, (7, None, "42", "6", None)),
        ({"validity_days": None}, None, (None, GB, "42", None, "42")),
        ({"validity_days": 0}, None, (None, GB, "42", None, "42")),
        ({**DAILY, "validity_days": None}, None, (None, None, "42", None, None)),
        ({"data_bytes": 0}, None, (7, None, "42", "6", None)),
        # Numbers that no column could hold together.
        ({**DAILY, "data_bytes": 2**62}, None, (7, None, "42", "6", None)),
    ],
)
def test_terms(fields: dict[str, Any], days: int | None, expected: tuple[Any, ...]) -> None:
    found = terms_of(days=days, **fields)

    length, size, *amounts = expected
    assert (found.days, found.size) == (length, size)
    assert [found.price, found.per_day, found.per_gb] == [None if one is None else D(one) for one in amounts]


def test_a_plan_without_a_price_has_no_unit_prices() -> None:
    plan = make_plan(retail_price=None)
    found = read_terms(with_equal_terms(Plan.objects.filter(pk=plan.pk)).get())
    assert (found.days, found.size, found.price, found.per_day, found.per_gb) == (7, GB, None, None, None)


def test_quotients_are_rounded_to_four_places() -> None:
    found = terms_of(validity_days=9, data_bytes=5 * GB // 3)
    assert (found.per_day, found.per_gb) == (D("4.6667"), D("25.2000"))


# -- which plans ------------------------------------------------------------------------------------------------------


def test_only_what_can_be_sold_for_the_destination_is_compared() -> None:
    make_plan(plan_ref="OK")
    make_plan(covers=["FR"])
    make_plan(is_published=False)
    make_plan(retired_at=NOW)
    make_plan(retail_price=None)
    make_plan(kind=Plan.Kind.TOP_UP)
    make_plan(make_account("paused", is_paused=True))

    assert compare(Need(place=JAPAN)) == [["OK"]]


def test_days_and_data_narrow() -> None:
    make_plan(plan_ref="WEEK", data_bytes=3 * GB, retail_price=D(1))
    make_plan(plan_ref="DAILY", **DAILY, retail_price=D(2))
    make_plan(plan_ref="BYDAY", **BY_DAY, retail_price=D(3))
    make_plan(plan_ref="NOCAP", **NO_CAP, validity_days=30, retail_price=D(40))
    make_plan(plan_ref="MUTE", **MUTE, validity_days=None, retail_price=D(50))

    def found(**need: Any) -> str:
        return " ".join(ref for group in compare(Need(place=JAPAN, **need)) for ref in group)

    assert found() == "WEEK DAILY BYDAY NOCAP MUTE"
    assert found(days=7) == "WEEK DAILY BYDAY NOCAP"
    assert found(days=8) == "BYDAY NOCAP"
    assert found(days=31) == ""
    assert found(min_bytes=4 * GB) == "DAILY NOCAP"
    # By the day: seven days have seven times the data of one.
    assert found(days=7, min_bytes=7 * GB) == "DAILY BYDAY NOCAP"
    assert found(days=7, min_bytes=7 * GB + 1) == "NOCAP"


def test_sorted_by_choice_the_unknown_last() -> None:
    make_plan(plan_ref="A", data_bytes=GB, validity_days=3, retail_price=D(3))
    make_plan(plan_ref="B", **DAILY, validity_days=10, retail_price=D(8))
    make_plan(plan_ref="C", **NO_CAP, validity_days=5, retail_price=D(20))
    make_plan(plan_ref="D", **MUTE, validity_days=None, retail_price=D(1))

    orders = {
        sort: "".join(ref for group in compare(Need(place=JAPAN, sort=sort)) for ref in group)
        for sort in (Sort.PRICE, Sort.PER_DAY, Sort.PER_GB, Sort.DATA, Sort.DAYS_DOWN)
    }

    assert orders == {
        Sort.PRICE: "DABC",
        # 0.8, 1, 4 a day
        Sort.PER_DAY: "BACD",
        # 0.8, 3 per GB
        Sort.PER_GB: "BADC",
        Sort.DATA: "CBAD",
        Sort.DAYS_DOWN: "BCAD",
    }


def test_currencies_are_never_compared_with_each_other() -> None:
    make_plan(plan_ref="A", currency="JPY", retail_price=D(300))
    make_plan(plan_ref="B", retail_price=D(2))
    make_plan(plan_ref="C", currency="JPY", retail_price=D(200))

    yen, dollars = compare_plans(Need(place=JAPAN))

    assert (yen.currency, told(yen.groups), dollars.currency, told(dollars.groups)) == (
        "JPY",
        [["C", "A"]],
        "USD",
        [["B"]],
    )


def test_what_is_beyond_the_bound_is_counted_in_each_currency() -> None:
    for number in range(5):
        make_plan(plan_ref=f"U{number}", retail_price=D(number + 1), validity_days=number + 1)
    make_plan(plan_ref="Y", currency="JPY", retail_price=D(300))

    yen, dollars = compare_plans(Need(place=JAPAN), most=3)

    assert (told(yen.groups), yen.shown, yen.total, yen.left_out) == ([["Y"]], 1, 1, 0)
    assert (told(dollars.groups), dollars.shown, dollars.total, dollars.left_out) == ([["U0"], ["U1"], ["U2"]], 3, 5, 2)


def test_the_lowest_of_each_measure_is_known_and_a_sandbox_wins_nothing() -> None:
    sandbox = make_account("sandbox", is_sandbox=True)
    toy = make_plan(sandbox, retail_price=D(1))
    cheap = make_plan(retail_price=D(3))
    large = make_plan(retail_price=D(9), data_bytes=10 * GB)
    make_plan(currency="JPY", retail_price=D(300))

    yen, dollars = compare_plans(Need(place=JAPAN))

    # One plan alone is not the lowest of anything.
    assert (yen.best.price, yen.best.per_day, yen.best.per_gb) == (frozenset(), frozenset(), frozenset())
    assert (dollars.best.price, dollars.best.per_day) == (frozenset([cheap.pk]), frozenset([cheap.pk]))
    assert dollars.best.per_gb == {large.pk}
    assert dollars.groups[0].entries[-1].plan == toy


def test_the_price_of_one_day_is_the_lowest_only_where_one_day_is_asked_for() -> None:
    by_day = make_plan(**BY_DAY, retail_price=D(1))
    week = make_plan(retail_price=D(9))
    month = make_plan(retail_price=D(20), validity_days=30)

    def lowest(days: int | None) -> tuple[frozenset[int], frozenset[int]]:
        [shelf] = compare_plans(Need(place=JAPAN, days=days))
        return shelf.best.price, shelf.best.per_day

    # 20.00 ÷ 30 days is less than 1.00.
    assert lowest(None) == (frozenset([week.pk]), frozenset([month.pk]))
    assert lowest(1) == (frozenset([by_day.pk]), frozenset([month.pk]))
    assert lowest(10) == (frozenset([by_day.pk]), frozenset([month.pk]))


def test_the_comparison_costs_the_same_for_two_and_for_fifty(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_plan(covers=["JP", "KR"])
    make_plan()
    # plans with their accounts, their countries, the networks there
    with django_assert_num_queries(3):
        assert len(compare(Need(place=JAPAN))) == 2
    for number in range(48):
        make_plan(covers=["JP", "KR", "FR"], validity_days=number + 1)

    with django_assert_num_queries(3):
        shelves = compare_plans(Need(place=JAPAN, days=1, min_bytes=1, sort=Sort.PER_GB))
        assert shelves[0].total == 50


# -- equal plans ------------------------------------------------------------------------------------------------------


def test_equal_plans_stand_together_the_cheapest_first_with_what_the_others_cost_more() -> None:
    make_plan(plan_ref="DEAR", retail_price=D(9))
    make_plan(plan_ref="OTHER", retail_price=D(8), validity_days=8)
    make_plan(make_account("b"), plan_ref="CHEAP", retail_price=D(6))
    make_plan(make_account("c"), plan_ref="SAME", retail_price=D(6))

    [shelf] = compare_plans(Need(place=JAPAN))

    assert told(shelf.groups) == [["CHEAP", "SAME", "DEAR"], ["OTHER"]]
    assert [(entry.difference, entry.difference_percent) for entry in shelf.groups[0].entries] == [
        (None, None),
        (D(0), D("0.0")),
        (D(3), D("50.0")),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"covers": ["JP", "KR"]},
        {"data_bytes": 2 * GB},
        {"validity_days": 8},
        DAILY,
        NO_CAP,
        BY_DAY,
        {"currency": "EUR"},
    ],
)
def test_what_differs_in_destinations_data_period_or_days_is_not_equal(fields: dict[str, Any]) -> None:
    plan = make_plan(plan_ref="A")
    make_plan(make_account("b"), plan_ref="B", **fields)

    assert all(len(group.entries) == 1 for shelf in compare_plans(Need(place=JAPAN)) for group in shelf.groups)
    assert told([find_equal(plan)]) == [["A"]]


@pytest.mark.parametrize("fields", [MUTE, {"data_period": DataPeriod.UNKNOWN}, {"validity_days": None}])
def test_nothing_is_equal_where_a_term_is_not_known(fields: dict[str, Any]) -> None:
    plan = make_plan(plan_ref="A", **fields)
    make_plan(make_account("b"), plan_ref="B", **fields)

    assert compare(Need(place=JAPAN)) == [["A"], ["B"]]
    assert told([find_equal(plan)]) == [["A"]]


def test_plans_without_a_cap_and_plans_by_the_day_are_equal_to_their_like() -> None:
    free = make_plan(plan_ref="A", **NO_CAP)
    make_plan(make_account("b"), plan_ref="B", data_bytes=None, data_unlimited=True, data_period=DataPeriod.DAY)
    daily = make_plan(plan_ref="C", **BY_DAY)
    make_plan(make_account("b"), plan_ref="D", **{**BY_DAY, "days_choice_max": 365, "data_period": DataPeriod.TOTAL})
    make_plan(make_account("b"), plan_ref="E", **{**BY_DAY, "days_choice_max": None})

    assert compare(Need(place=JAPAN)) == [["A", "B"], ["C", "D"], ["E"]]
    assert told([find_equal(free), find_equal(daily)]) == [["A", "B"], ["C", "D"]]


def test_for_the_days_asked_for_a_plan_by_the_day_is_equal_to_one_with_these_days() -> None:
    make_plan(plan_ref="WEEK", **DAILY, retail_price=D(50))
    make_plan(make_account("b"), plan_ref="BYDAY", **BY_DAY, retail_price=D(6))

    [shelf] = compare_plans(Need(place=JAPAN, days=7))

    assert told(shelf.groups) == [["BYDAY", "WEEK"]]
    assert [entry.terms.price for entry in shelf.groups[0].entries] == [D(42), D(50)]
    assert shelf.groups[0].entries[1].difference == D(8)
    assert compare(Need(place=JAPAN)) == [["BYDAY"], ["WEEK"]]


def test_a_sandbox_stands_last_in_its_group_and_is_not_measured_against_the_others() -> None:
    sandbox = make_account("sandbox", is_sandbox=True)
    make_plan(sandbox, plan_ref="TOY", retail_price=D(1))
    make_plan(plan_ref="DEAR", retail_price=D(9))
    cheap = make_plan(plan_ref="CHEAP", retail_price=D(6))

    [shelf] = compare_plans(Need(place=JAPAN))

    assert told(shelf.groups) == [["CHEAP", "DEAR", "TOY"]]
    assert [entry.difference for entry in shelf.groups[0].entries] == [None, D(3), None]
    assert find_cheaper(find_equal(cheap), cheap) is None


# -- who sells it cheaper ---------------------------------------------------------------------------------------------


def test_who_sells_an_equal_plan_cheaper() -> None:
    plan = make_plan(plan_ref="OURS", covers=["JP", "KR"], retail_price=D(8))
    make_plan(make_account("b"), plan_ref="CHEAP", covers=["KR", "JP"], retail_price=D(6))
    make_plan(make_account("b"), plan_ref="LESS", covers=["JP"], retail_price=D(1))
    make_plan(make_account("b"), plan_ref="MORE", covers=["JP", "KR", "FR"], retail_price=D(2))
    make_plan(make_account("b"), plan_ref="HIDDEN", covers=["JP", "KR"], retail_price=D(1), is_published=False)

    group = find_equal(plan)
    cheaper = find_cheaper(group, plan)

    assert told([group]) == [["CHEAP", "OURS"]]
    assert cheaper is not None
    assert (cheaper.plan.plan_ref, cheaper.saving) == ("CHEAP", D(2))
    first = group.entries[0].plan
    assert find_cheaper(find_equal(first), first) is None
    # What covers at least the same, beside the equal ones.
    need = Need(like=plan, days=7, min_bytes=GB)
    assert compare(need, without=[entry.plan.pk for entry in group.entries]) == [["MORE"]]


def test_the_plan_that_is_asked_about_is_there_whatever_its_state() -> None:
    gone = make_plan(plan_ref="GONE", retired_at=NOW, retail_price=D(9))
    package = make_plan(plan_ref="PACK", kind=Plan.Kind.TOP_UP)
    make_plan(make_account("b"), plan_ref="NOW", retail_price=D(6))

    assert told([find_equal(gone)]) == [["NOW", "GONE"]]
    assert told([find_equal(package)]) == [["PACK"]]


def test_like_a_plan_without_a_cap_there_are_only_such() -> None:
    plan = make_plan(plan_ref="A", **NO_CAP)
    make_plan(plan_ref="B", **NO_CAP, validity_days=30)
    make_plan(plan_ref="C", data_bytes=1000 * GB, validity_days=30)

    assert compare(Need(like=plan, days=7), without=[plan.pk]) == [["B"]]


def test_asking_for_equal_plans_costs_the_same_however_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    plan = make_plan(covers=["JP", "KR"])
    # its countries; the plans; theirs
    with django_assert_num_queries(3):
        assert len(find_equal(plan).entries) == 1
    for _ in range(30):
        make_plan(covers=["JP", "KR"])

    with django_assert_num_queries(3):
        assert len(find_equal(plan).entries) == 20


# -- regions ----------------------------------------------------------------------------------------------------------


def make_region(code: str, *members: str, slug: str = "esim-access", **fields: Any) -> ProviderRegion:
    return ProviderRegion.objects.create(
        **{
            "account": make_account(slug),
            "code": code,
            "name": f"Region {code}",
            "is_multi": True,
            "members": list(members),
            "seen_at": NOW,
            **fields,
        }
    )


def test_a_region_is_its_providers_plans_and_those_that_cover_all_its_countries() -> None:
    make_region("NA-3", "US", "CA", "MX")
    make_plan(plan_ref="SOLD", region="NA-3", covers=["US"], retail_price=D(1))
    make_plan(plan_ref="ALL", covers=["US", "CA", "MX", "JP"], retail_price=D(2))
    make_plan(plan_ref="SOME", covers=["US", "CA"], retail_price=D(3))
    make_plan(plan_ref="OTHER", region="EU-42", covers=["DE"], retail_price=D(4))

    def found(code: str) -> list[str]:
        return [ref for group in compare(Need(place=Place(region=code))) for ref in group]

    assert found("NA-3") == ["SOLD", "ALL"]
    # Told by no provider: only what is sold under that word.
    assert found("EU-42") == ["OTHER"]
    assert found("XX-1") == []
    # Another provider's region of the same code: either will do.
    make_region("NA-3", "US", "CA", slug="esimfx")
    assert found("NA-3") == ["SOLD", "ALL", "SOME"]


def test_a_region_without_known_members_covers_nothing_by_them() -> None:
    make_region("GL", name="Global")
    make_plan()

    assert compare(Need(place=Place(region="GL"))) == []
