"""Packages that a provider offers for a line are kept, priced by the same rules, and written only when they changed."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from catalog.models import Plan, PlanChange
from catalog.pricing import save_rule, set_own_price
from catalog.search import sellable_plans
from catalog.top_ups import keep_top_up_offers
from providers.models import ProviderAccount
from providers.types import Coverage, CoverageKind, Money
from tests.catalog.making import make_account, make_offer, make_plan, make_rule
from tests.catalog.syncing import history

D = Decimal
pytestmark = pytest.mark.django_db
Kind = Plan.Kind


def dollars(amount: str) -> Money:
    return Money(amount=D(amount), currency="USD")


def test_what_is_offered_for_a_line_is_kept_in_its_order(account: ProviderAccount) -> None:
    plans = keep_top_up_offers(
        account=account, offers=[make_offer("TOPUP_B"), make_offer("TOPUP_A"), make_offer("TOPUP_B")]
    )

    assert [(plan.plan_ref, plan.kind, plan.retail_price) for plan in plans] == [
        ("TOPUP_B", Kind.TOP_UP, D(6)),
        ("TOPUP_A", Kind.TOP_UP, D(6)),
    ]
    assert [row.country for row in plans[0].coverage.all()] == ["JP"]
    assert history("TOPUP_A") == [("added", {})]
    assert PlanChange.objects.filter(run=None).count() == 2
    # They fit to a line only: nobody sells them as a new eSIM.
    assert not sellable_plans().exists()


def test_the_same_offers_again_write_nothing(
    account: ProviderAccount, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    offers = [make_offer(f"TOPUP_{number}") for number in range(30)]
    first = keep_top_up_offers(account=account, offers=offers)
    before = list(Plan.objects.values())
    for _ in range(50):
        make_plan(account)

    with CaptureQueriesContext(connection) as captured:
        again = keep_top_up_offers(account=account, offers=offers)

    assert [plan.pk for plan in again] == [plan.pk for plan in first]
    assert list(Plan.objects.filter(kind=Kind.TOP_UP).values()) == before
    assert PlanChange.objects.count() == 30
    statements = [query["sql"].split()[0] for query in captured.captured_queries]
    assert "INSERT" not in statements
    assert "UPDATE" not in statements
    # Savepoint and its end, the lock on PostgreSQL, what is known, rules, the plans.
    assert len(statements) == (6 if connection.vendor == "postgresql" else 5)


def test_an_offer_that_changed_is_brought_up_to_date_with_its_price_and_history(account: ProviderAccount) -> None:
    keep_top_up_offers(account=account, offers=[make_offer("TOPUP_A"), make_offer("TOPUP_B")])
    set_own_price(plan=Plan.objects.get(plan_ref="TOPUP_B"), amount=D(7), by="mia@example.com")
    abroad = Coverage(country="KR", kind=CoverageKind.UNSPECIFIED)

    keep_top_up_offers(
        account=account,
        offers=[
            make_offer("TOPUP_A", net_price=dollars("5"), suggested_price=dollars("8")),
            make_offer("TOPUP_B", net_price=dollars("9"), coverage=(abroad,)),
        ],
    )

    first, second = Plan.objects.order_by("plan_ref")
    assert (first.net_price, first.retail_price) == (D(5), D(8))
    assert history("TOPUP_A")[-1] == (
        "changed",
        {"net_price": ["4", "5"], "suggested_price": ["6", "8"], "retail_price": ["6", "8"]},
    )
    # The own price stays, and the floor raises what the customer pays.
    assert (second.own_price, second.retail_price, second.price_source) == (D(7), D(9), "own+floor")
    assert [row.country for row in second.coverage.all()] == ["KR"]


def test_rules_and_floor_hold_for_packages(account: ProviderAccount, settings: Settings) -> None:
    settings.PRICE_FLOOR_PERCENT = 20
    save_rule(rule=make_rule(country="JP", margin_percent=D(50), rounding="99"), by="mia@example.com")
    elsewhere = (Coverage(country="KR", kind=CoverageKind.UNSPECIFIED),)

    ruled, floored, unpriced = keep_top_up_offers(
        account=account,
        offers=[
            make_offer("TOPUP_A"),
            make_offer("TOPUP_B", suggested_price=dollars("4.10"), coverage=elsewhere),
            make_offer("TOPUP_C", net_price=None, coverage=elsewhere),
        ],
    )

    assert (ruled.retail_price, ruled.price_source[:5]) == (D("6.99"), "rule:")
    assert (floored.retail_price, floored.price_source) == (D("4.80"), "suggested+floor")
    assert (unpriced.retail_price, unpriced.price_source) == (None, "")


def test_a_plan_of_the_catalogue_is_left_to_its_sync(account: ProviderAccount) -> None:
    listed = make_plan(account, plan_ref="BOTH", name="As listed")
    gone = make_plan(account, plan_ref="GONE", retired_at=timezone.now())

    found = keep_top_up_offers(account=account, offers=[make_offer("BOTH", name="As offered"), make_offer("GONE")])

    assert found == [listed, gone]
    listed.refresh_from_db()
    gone.refresh_from_db()
    assert (listed.kind, listed.name, gone.retired_at is None) == (Kind.ESIM, "As listed", False)
    assert not PlanChange.objects.exists()


def test_a_plan_that_staff_entered_is_left_to_them(account: ProviderAccount) -> None:
    entered = make_plan(account, plan_ref="V5", kind=Kind.ACTIVATION, digest="", name="Entered")

    assert keep_top_up_offers(account=account, offers=[make_offer("V5")]) == [entered]

    entered.refresh_from_db()
    assert (entered.kind, entered.name, entered.digest) == (Kind.ACTIVATION, "Entered", "")
    assert not PlanChange.objects.exists()


def test_a_retired_package_that_is_offered_again_returns(account: ProviderAccount) -> None:
    [package] = keep_top_up_offers(account=account, offers=[make_offer("TOPUP_A")])
    Plan.objects.update(retired_at=timezone.now())

    [again] = keep_top_up_offers(account=account, offers=[make_offer("TOPUP_A")])

    assert (again.pk, again.retired_at) == (package.pk, None)
    assert history("TOPUP_A")[-1] == ("returned", {})


def test_the_same_code_of_another_account_is_another_plan(account: ProviderAccount) -> None:
    other = make_plan(make_account("other"), plan_ref="TOPUP_A")

    [package] = keep_top_up_offers(account=account, offers=[make_offer("TOPUP_A")])

    assert package.pk != other.pk
    assert Plan.objects.count() == 2


def test_no_offers_ask_nothing(account: ProviderAccount, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert keep_top_up_offers(account=account, offers=[]) == []
