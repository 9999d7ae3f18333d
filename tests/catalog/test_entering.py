"""Plans that staff enter: what they must be, how they are priced, what history says, and that no sync touches them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from catalog.entering import (
    EnteredTerms,
    accounts_for_entering,
    change_entered_plan,
    enter_plan,
    retire_entered_plan,
    return_entered_plan,
)
from catalog.history import describe_change
from catalog.models import Plan, PlanChange
from catalog.pricing import save_rule, set_own_price
from catalog.search import sellable_plans
from providers.models import ProviderAccount
from providers.types import DataPeriod
from tests.catalog.making import GB, make_account, make_plan, make_rule
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, history, read

D = Decimal
pytestmark = pytest.mark.django_db
Kind = Plan.Kind
MIA = "mia@example.com"
TERMS = EnteredTerms(
    name="Voice 5 GB",
    net_price=D("900"),
    currency="JPY",
    own_price=D("1500"),
    validity_days=30,
    data_bytes=5 * GB,
    data_period=DataPeriod.TOTAL,
    countries=("JP",),
    notes="The customer keeps the number.",
)


def enter(account: ProviderAccount, **changes: Any) -> Plan:
    return enter_plan(account=account, kind=Kind.ACTIVATION, plan_ref="V5", terms=replace(TERMS, **changes), by=MIA)


def faults_of(error: ValidationError) -> dict[str, list[str]]:
    return {name: [str(message) for message in messages] for name, messages in error.message_dict.items()}


def test_only_accounts_that_activate_lines_and_list_no_plans_take_them(
    account: ProviderAccount, carrier: ProviderAccount
) -> None:
    assert list(accounts_for_entering()) == [carrier]

    with pytest.raises(ValidationError) as refused:
        enter(account)

    assert faults_of(refused.value) == {"account": ["The plans of this account are not entered by staff."]}
    assert not Plan.objects.exists()


@pytest.mark.parametrize("kind", Plan.ENTERED_KINDS)
def test_a_plan_is_entered_with_its_price_coverage_and_history(carrier: ProviderAccount, kind: str) -> None:
    plan = enter_plan(account=carrier, kind=kind, plan_ref=" V5 ", terms=TERMS, by=MIA)

    plan.refresh_from_db()
    assert (plan.account, plan.kind, plan.plan_ref, plan.name) == (carrier, kind, "V5", "Voice 5 GB")
    assert (plan.net_price, plan.own_price, plan.currency) == (D(900), D(1500), "JPY")
    assert (plan.retail_price, plan.price_source, plan.is_published) == (D(1500), "own", True)
    assert (plan.validity_days, plan.data_bytes, plan.data_period) == (30, 5 * GB, "total")
    assert (plan.restrictions, plan.digest, plan.raw) == ("The customer keeps the number.", "", {})
    assert list(plan.coverage.values_list("country", "kind", "networks")) == [("JP", "unspecified", [])]
    [added] = PlanChange.objects.all()
    assert (added.kind, added.by, added.run, added.changes) == ("added", MIA, None, {})
    # It needs a form and a device: nobody sells it as a new eSIM.
    assert not sellable_plans().exists()


def test_without_an_own_price_the_rules_and_the_floor_say_it(carrier: ProviderAccount, settings: Settings) -> None:
    settings.PRICE_FLOOR_PERCENT = 10
    save_rule(rule=make_rule(currency="JPY", country="JP", margin_percent=D(50), rounding="99"), by=MIA)

    ruled = enter(carrier, own_price=None)
    assert (ruled.retail_price, ruled.price_source[:5]) == (D(1399), "rule:")
    ruled = change_entered_plan(plan=ruled, terms=replace(TERMS, own_price=D(901)), by=MIA)
    assert (ruled.retail_price, ruled.price_source) == (D(990), "own+floor")
    # In no country the rule is for, it says nothing: the plan is kept and not sold.
    nowhere = change_entered_plan(plan=ruled, terms=replace(TERMS, own_price=None, countries=()), by=MIA)
    assert (nowhere.retail_price, nowhere.price_source) == (None, "")


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"currency": "yen"}, {"currency": ["Give the currency as its three capital letters, for example USD."]}),
        ({"countries": ("JP", "jp")}, {"countries": ["Give the country as its two capital letters, for example JP."]}),
        ({"net_price": D(-1)}, {"net_price": ["A price is a number of zero or more."]}),
        ({"net_price": D("NaN")}, {"net_price": ["A price is a number of zero or more."]}),
        ({"own_price": D("1500.5")}, {"own_price": ["The price has more decimals than its currency."]}),
        ({"data_unlimited": True}, {"data_bytes": ["A plan without a cap has no amount of data."]}),
        (
            {"data_period": DataPeriod.UNKNOWN},
            {"data_period": ["Say whether this is the data in total or of each day."]},
        ),
        ({"name": " "}, {"name": ["This field cannot be blank."]}),
        (
            {"net_price": D("1e11")},
            {"net_price": ["Ensure that there are no more than 10 digits before the decimal point."]},
        ),
        ({"validity_days": -1}, {"validity_days": ["Ensure this value is greater than or equal to 0."]}),
    ],
)
def test_terms_that_cannot_be_are_refused_and_change_nothing(
    carrier: ProviderAccount, changes: dict[str, Any], faults: dict[str, list[str]]
) -> None:
    with pytest.raises(ValidationError) as refused:
        enter(carrier, **changes)
    assert faults_of(refused.value) == faults
    assert not Plan.objects.exists()

    plan = enter(carrier)
    before = Plan.objects.values().get()
    with pytest.raises(ValidationError) as again:
        change_entered_plan(plan=plan, terms=replace(TERMS, **changes), by=MIA)

    assert faults_of(again.value) == faults
    assert Plan.objects.values().get() == before
    assert PlanChange.objects.count() == 1


@pytest.mark.parametrize("code", ["", " ", "V 5", "Ｖ5", "V" * 121])
def test_a_code_that_a_form_could_not_hold_is_refused(carrier: ProviderAccount, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        enter_plan(account=carrier, kind=Kind.ACTIVATION, plan_ref=code, terms=TERMS, by=MIA)

    assert list(refused.value.message_dict) == ["plan_ref"]
    assert not Plan.objects.exists()


@pytest.mark.parametrize("kind", [Kind.ESIM, Kind.TOP_UP, "other"])
def test_kinds_that_providers_list_are_not_entered(carrier: ProviderAccount, kind: str) -> None:
    with pytest.raises(ValidationError) as refused:
        enter_plan(account=carrier, kind=kind, plan_ref="V5", terms=TERMS, by=MIA)

    assert faults_of(refused.value) == {"kind": ["Plans of this kind are not entered by staff."]}
    assert not Plan.objects.exists()


def test_a_code_is_entered_once_for_an_account(carrier: ProviderAccount) -> None:
    first = enter(carrier)
    retire_entered_plan(plan=first, by=MIA)
    make_plan(make_account("other"), plan_ref="V6")

    with pytest.raises(ValidationError) as refused:
        enter_plan(account=carrier, kind=Kind.REISSUE, plan_ref="V5", terms=TERMS, by=MIA)

    assert faults_of(refused.value) == {"plan_ref": ["This account has a plan with this code already."]}
    assert enter_plan(account=carrier, kind=Kind.ACTIVATION, plan_ref="V6", terms=TERMS, by=MIA).plan_ref == "V6"
    assert [(plan.plan_ref, plan.kind) for plan in Plan.objects.filter(account=carrier)] == [
        ("V5", "activation"),
        ("V6", "activation"),
    ]


def test_a_change_writes_what_became_different(carrier: ProviderAccount) -> None:
    plan = enter(carrier)
    first_seen, changed = plan.first_seen_at, plan.changed_at

    again = change_entered_plan(plan=plan, terms=TERMS, by="noa@example.com")
    assert (again.changed_at, PlanChange.objects.count()) == (changed, 1)

    terms = replace(TERMS, net_price=D(1000), own_price=None, data_bytes=None, data_unlimited=True, notes="")
    change_entered_plan(plan=plan, terms=replace(terms, countries=("KR", "JP")), by="noa@example.com")

    plan.refresh_from_db()
    assert (plan.net_price, plan.own_price, plan.retail_price, plan.price_source) == (D(1000), None, None, "")
    assert (plan.data_bytes, plan.data_period, plan.data_unlimited, plan.restrictions) == (None, "unknown", True, "")
    assert sorted(plan.coverage.values_list("country", flat=True)) == ["JP", "KR"]
    assert plan.first_seen_at == first_seen
    assert plan.changed_at > changed
    told = PlanChange.objects.get(kind="changed")
    assert told.by == "noa@example.com"
    assert told.changes == {
        "net_price": ["900", "1000"],
        "own_price": ["1500", None],
        "data_bytes": [5 * GB, None],
        "data_period": ["total", "unknown"],
        "data_unlimited": [False, True],
        "restrictions": ["The customer keeps the number.", ""],
        "retail_price": ["1500", None],
        "price_source": ["own", ""],
        "coverage": [{}, {"KR": ["unspecified", []]}],
    }
    assert "coverage: new: South Korea" in describe_change(told)
    assert "counted: in total → not said" in describe_change(told)


def test_prices_set_elsewhere_stay_where_nobody_changes_them(carrier: ProviderAccount) -> None:
    plan = enter(carrier)
    set_own_price(plan=plan, amount=D(1600), by=MIA)

    change_entered_plan(plan=plan, terms=replace(TERMS, own_price=D(1600), name="Voice 5"), by=MIA)

    assert history("V5")[-1] == ("changed", {"name": ["Voice 5 GB", "Voice 5"]})
    assert Plan.objects.get().retail_price == D(1600)


def test_retired_and_brought_back_each_once(carrier: ProviderAccount) -> None:
    plan = enter(carrier)

    for _ in range(2):
        retire_entered_plan(plan=plan, by=MIA)
    assert Plan.objects.get().retired_at is not None
    for _ in range(2):
        return_entered_plan(plan=plan, by="noa@example.com")

    assert Plan.objects.get().retired_at is None
    rows = PlanChange.objects.order_by("pk").values_list("kind", "by")
    assert list(rows) == [("added", MIA), ("retired", MIA), ("returned", "noa@example.com")]


def test_what_a_provider_lists_is_not_for_staff_to_change(account: ProviderAccount) -> None:
    listed = make_plan(account)
    before = Plan.objects.values().get()

    terms: dict[str, Any] = {"terms": TERMS}
    for verb, more in ((change_entered_plan, terms), (retire_entered_plan, {}), (return_entered_plan, {})):
        with pytest.raises(ValidationError, match="This plan comes from its provider: staff cannot change it"):
            verb(plan=listed, by=MIA, **more)

    assert Plan.objects.values().get() == before
    assert not PlanChange.objects.exists()


def test_a_sync_of_another_account_leaves_them_alone(
    account: ProviderAccount, carrier: ProviderAccount, shelf: Shelf, ten: list[str]
) -> None:
    enter(carrier)
    before = Plan.objects.filter(account=carrier).values().get()

    assert counts(read(account)) == {"unchanged": 10}

    assert Plan.objects.filter(account=carrier).values().get() == before
