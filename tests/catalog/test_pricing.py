"""The price a customer pays: where it comes from, how it is rounded, and that it never falls below the floor."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, Settings

from catalog.currencies import is_payable, minor_units, round_up
from catalog.models import Plan, PlanChange, PriceRule
from catalog.pricing import (
    active_rules,
    delete_rule,
    describe_source,
    explain_price,
    publish_plans,
    reprice_plans,
    save_rule,
    set_own_price,
    set_published,
)
from catalog.quotes import PriceBasis, quote_price, round_price
from tests.catalog.making import make_account, make_plan, make_rule

D = Decimal
CENT, NINETY_NINE, HALF, WHOLE, TEN = PriceRule.Rounding


# -- rounding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "rounding", "expected"),
    [
        ("4.004", "USD", CENT, "4.00"),
        ("4.005", "USD", CENT, "4.01"),
        ("4.00", "USD", NINETY_NINE, "4.99"),
        ("4.99", "USD", NINETY_NINE, "4.99"),
        ("4.991", "USD", NINETY_NINE, "5.99"),
        ("0", "USD", NINETY_NINE, "0.99"),
        ("4.01", "USD", HALF, "4.50"),
        ("4.50", "USD", HALF, "4.50"),
        ("4.51", "USD", HALF, "5.00"),
        ("4.01", "USD", WHOLE, "5.00"),
        ("4.00", "USD", TEN, "10.00"),
        ("10.01", "USD", TEN, "20.00"),
        ("1234.4", "JPY", CENT, "1234"),
        ("1234.5", "JPY", CENT, "1235"),
        ("1234", "JPY", NINETY_NINE, "1299"),
        ("1299", "JPY", NINETY_NINE, "1299"),
        ("1299.5", "JPY", NINETY_NINE, "1399"),
        ("1234", "JPY", HALF, "1250"),
        ("1234.2", "JPY", WHOLE, "1235"),
        ("1231", "KRW", TEN, "1240"),
        ("1.2345", "KWD", CENT, "1.235"),
        ("1.2", "KWD", NINETY_NINE, "1.990"),
    ],
)
def test_rounding_gives_amounts_that_can_be_paid(amount: str, currency: str, rounding: str, expected: str) -> None:
    rounded = round_price(D(amount), currency, rounding)

    assert str(rounded) == expected


def test_minor_units_follow_iso_4217() -> None:
    assert [minor_units(code) for code in ("USD", "JPY", "KRW", "KWD", "CLF", "ISK")] == [2, 0, 0, 3, 4, 0]


# -- quotes -----------------------------------------------------------------------------------------------------------

amounts = st.decimals(min_value=0, max_value=100_000, places=4)
currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD"])
rules = st.builds(
    make_rule,
    currency=currencies,
    margin_percent=st.decimals(min_value=0, max_value=1000, places=2),
    fixed_amount=st.decimals(min_value=0, max_value=1000, places=4),
    rounding=st.sampled_from(PriceRule.Rounding.values),
    is_active=st.booleans(),
    country=st.sampled_from(["", "JP", "FR"]),
    account_id=st.sampled_from([None, 1, 2]),
)


@given(
    net=amounts,
    suggested=st.none() | amounts,
    own=st.none() | amounts,
    currency=currencies,
    percent=st.decimals(min_value=0, max_value=300, places=1),
    given_rules=st.lists(rules, max_size=4),
)
def test_no_price_falls_below_the_floor(  # noqa: PLR0917  (hypothesis names them)
    net: Decimal,
    suggested: Decimal | None,
    own: Decimal | None,
    currency: str,
    percent: Decimal,
    given_rules: list[PriceRule],
) -> None:
    basis = PriceBasis(
        account_id=1, currency=currency, net_price=net, suggested_price=suggested, own_price=own, countries={"JP"}
    )

    quote = quote_price(basis, given_rules, floor_percent=percent)

    if quote.amount is None:
        assert own is None
        assert suggested is None
        assert quote.rule is None
        return
    floor = net * (1 + percent / 100)
    assert quote.amount >= floor
    assert quote.floor == round_up(floor, currency)
    assert is_payable(quote.amount, currency)
    assert quote.wanted is not None
    assert quote.raised_to_floor == (quote.wanted < floor)
    # The explanation leads to the same price again.
    rounding = quote.rule.rounding if quote.rule else PriceRule.Rounding.CENT
    assert quote.amount == max(round_price(max(quote.wanted, floor), currency, rounding), quote.floor)
    if own is not None:
        assert quote.source.removesuffix("+floor") == "own"
    if quote.rule is not None:
        assert quote.wanted == net * (1 + quote.rule.margin_percent / 100) + quote.rule.fixed_amount


def test_the_floor_binds_all_three_sources() -> None:
    def quote(**given: object) -> tuple[str, str]:
        basis = PriceBasis(
            **{  # type: ignore[arg-type]
                "account_id": 1,
                "currency": "USD",
                "net_price": D("10"),
                "suggested_price": D("9"),
                "own_price": None,
                "countries": (),
                **given,
            }
        )
        rule = make_rule(pk=7, margin_percent=D(1), rounding=NINETY_NINE)
        found = quote_price(basis, [] if given.pop("ruleless", False) else [rule], floor_percent=D(10))
        return str(found.amount), found.source

    basis = PriceBasis(
        account_id=1, currency="USD", net_price=D(10), suggested_price=D(9), own_price=None, countries=()
    )
    assert quote(own_price=D("10.99")) == ("11.00", "own+floor")
    assert quote(own_price=D("11.00")) == ("11.00", "own")
    # Raised, and then rounded the rule's way.
    assert quote() == ("11.99", "rule:7+floor")
    suggested = quote_price(basis, [], floor_percent=D(10))
    assert (suggested.amount, suggested.source, suggested.margin) == (D("11.00"), "suggested+floor", D("1.00"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"currency": ""}, "The currency of the net price is not known."),
        ({"net_price": None}, "The provider gives no net price that can be read."),
        ({"suggested_price": None}, "There is no own price, no rule that fits and no suggested price."),
    ],
)
@pytest.mark.django_db
def test_a_plan_without_its_facts_has_no_price(fields: dict[str, Any], why: str) -> None:
    quote = explain_price(make_plan(**fields), [])

    assert (quote.amount, quote.source, str(quote.missing)) == (None, "", why)


@pytest.mark.django_db
def test_the_first_rule_that_fits_wins() -> None:
    account, other = make_account(), make_account("other")
    japan = make_plan(account, covers=["JP", "KR"])
    france = make_plan(account, covers=["FR"])
    elsewhere = make_plan(other, covers=["JP"])
    yen = make_plan(account, covers=["JP"], currency="JPY", net_price=D(400), suggested_price=D(600))
    save_rule(rule=make_rule(name="all", position=9, margin_percent=D(100)), by="a")
    save_rule(rule=make_rule(name="off", position=1, is_active=False, margin_percent=D(900)), by="a")
    save_rule(rule=make_rule(name="japan", position=2, country="JP", account=account, margin_percent=D(25)), by="a")

    names = [quote.rule and quote.rule.name for quote in (explain_price(p, active_rules()) for p in (japan, france))]
    assert names == ["japan", "all"]
    prices = dict(Plan.objects.values_list("plan_ref", "retail_price"))
    assert [prices[p.plan_ref] for p in (japan, france, elsewhere, yen)] == [D(5), D(8), D(8), D(6)]


# -- verbs ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_own_price_is_kept_with_who_and_taken_away_again() -> None:
    plan = make_plan()

    set_own_price(plan=plan, amount=D("5.50"), by="mia@example.com")
    plan.refresh_from_db()
    assert (plan.own_price, plan.retail_price, plan.price_source) == (D("5.5"), D("5.5"), "own")
    change = PlanChange.objects.get()
    assert (change.kind, change.by) == ("priced", "mia@example.com")
    assert change.changes == {
        "own_price": [None, "5.5"],
        "retail_price": ["6", "5.5"],
        "price_source": ["suggested", "own"],
    }

    set_own_price(plan=plan, amount=None, by="mia@example.com")
    plan.refresh_from_db()
    assert (plan.own_price, plan.retail_price, plan.price_source) == (None, D(6), "suggested")


@pytest.mark.django_db
def test_an_own_price_below_the_floor_is_raised_and_says_so() -> None:
    plan = set_own_price(plan=make_plan(), amount=D("3.99"), by="a")

    assert (plan.own_price, plan.retail_price, plan.price_source) == (D("3.99"), D("4.00"), "own+floor")
    assert describe_source(plan.price_source) == "own price, raised to the floor"


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("USD", "-1"), ("USD", "NaN"), ("USD", "1.001"), ("JPY", "100.5"), ("", "1"), ("USD", "1e10")],
)
@pytest.mark.django_db
def test_an_impossible_own_price_is_refused(currency: str, amount: str) -> None:
    plan = make_plan(currency=currency)

    with pytest.raises(ValidationError) as refused:
        set_own_price(plan=plan, amount=D(amount), by="a")

    assert list(refused.value.message_dict) == ["amount"]
    plan.refresh_from_db()
    assert (plan.own_price, plan.retail_price) == (None, D(6))
    assert not PlanChange.objects.exists()


@pytest.mark.django_db
def test_the_same_own_price_again_changes_nothing() -> None:
    plan = set_own_price(plan=make_plan(), amount=D("5.50"), by="a")

    set_own_price(plan=plan, amount=D("5.5000"), by="b")

    assert PlanChange.objects.count() == 1


@pytest.mark.django_db
def test_rules_reprice_when_saved_changed_and_deleted() -> None:
    plans = [make_plan(net_price=D(net)) for net in (1, 2, 4)]
    own = make_plan(own_price=D(9), retail_price=D(9), price_source="own")
    rule = make_rule()

    assert save_rule(rule=rule, by="a") == 3
    assert [str(p.retail_price) for p in Plan.objects.filter(pk__in=[p.pk for p in plans])] == [
        "1.5000",
        "3.0000",
        "6.0000",
    ]
    assert set(Plan.objects.exclude(pk=own.pk).values_list("price_source", flat=True)) == {f"rule:{rule.pk}"}

    rule.margin_percent = D(100)
    assert save_rule(rule=rule, by="a") == 3
    rule.currency = "EUR"
    assert save_rule(rule=rule, by="a") == 3
    assert set(Plan.objects.exclude(pk=own.pk).values_list("price_source", flat=True)) == {"suggested"}

    rule.currency = "USD"
    save_rule(rule=rule, by="a")
    assert delete_rule(rule=rule, by="a") == 3
    assert delete_rule(rule=rule, by="a") == 0
    own.refresh_from_db()
    assert own.retail_price == D(9)


@pytest.mark.parametrize("fields", [{"currency": "usd"}, {"country": "jpn"}, {"margin_percent": D(-1)}, {"name": ""}])
@pytest.mark.django_db
def test_a_rule_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    make_plan()

    with pytest.raises(ValidationError) as refused:
        save_rule(rule=make_rule(**fields), by="a")

    assert list(refused.value.message_dict) == list(fields)
    assert not PriceRule.objects.exists()
    assert not PlanChange.objects.exists()


@pytest.mark.django_db
def test_repricing_many_is_a_constant_number_of_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    PriceRule.objects.create(name="r", currency="USD", margin_percent=D(100), country="JP")
    for _ in range(30):
        make_plan()

    # savepoint and release, rules, ids, plans, their coverage, one update, the version, one insert
    # (and the lock, on PostgreSQL)
    with django_assert_num_queries(10 if connection.vendor == "postgresql" else 9):
        assert reprice_plans(plans=Plan.objects.all(), by="a") == 30

    assert set(Plan.objects.values_list("retail_price", flat=True)) == {D(8)}
    assert reprice_plans(plans=None, by="a") == 0


@pytest.mark.django_db
def test_every_stored_price_is_the_one_that_is_explained(settings: Settings) -> None:
    settings.PRICE_FLOOR_PERCENT = 7.1
    save_rule(rule=make_rule(country="FR", rounding=NINETY_NINE), by="a")
    for net in ("0.01", "3.3333", "99.9", "0"):
        make_plan(covers=["FR"], net_price=D(net))
        make_plan(covers=["JP"], net_price=D(net), suggested_price=D("3.50"))
        set_own_price(plan=make_plan(net_price=D(net)), amount=D("2.22"), by="a")
    reprice_plans(plans=None, by="a")

    for plan in Plan.objects.all():
        quote = explain_price(plan, active_rules())
        assert (plan.retail_price, plan.price_source) == (quote.amount, quote.source)
        assert quote.amount is not None
        assert plan.net_price is not None
        assert quote.amount >= plan.net_price * D("1.071")


@pytest.mark.django_db
def test_publishing_is_recorded_once() -> None:
    plan, other = make_plan(), make_plan(is_published=False)

    set_published(plan=plan, is_published=False, by="a")
    set_published(plan=plan, is_published=False, by="a")
    assert [change.changes for change in PlanChange.objects.all()] == [{"is_published": [True, False]}]

    assert publish_plans(plans=Plan.objects.all(), is_published=True, by="b") == 2
    assert publish_plans(plans=Plan.objects.all(), is_published=True, by="b") == 0
    assert Plan.objects.filter(is_published=True).count() == 2
    assert PlanChange.objects.filter(plan=other).get().by == "b"
