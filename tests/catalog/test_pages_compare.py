"""The page that compares plans: marked ones, a destination's on equal terms, and the equals of one plan."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from catalog.models import Plan
from providers.types import DataPeriod
from tests.catalog.making import GB, make_account, make_plan
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def clerk() -> Client:
    """May look at plans, nothing else."""
    return signed_in(make_staff("catalog.view_plan"))


def page(client: Client, **query: Any) -> str:
    response = client.get(reverse("plan-compare"), query)
    assert_clean_page(response)
    return response.content.decode()


def text_of(html: str) -> str:
    """What people read, without the tags."""
    return re.sub(r"[ \n]+", " ", re.sub(r"<[^>]*>", " ", html))


def test_comparing_a_destination_marks_the_lowest(clerk: Client) -> None:
    make_plan(name="Dear", retail_price=D(9), data_bytes=10 * GB, covers=["JP:home"])
    make_plan(name="Cheap", retail_price=D(3), covers=["JP"])
    make_plan(name="Elsewhere", covers=["FR"])

    html = page(clerk, country="JP")
    assert html.index("Cheap") < html.index("Dear")
    assert "Elsewhere" not in html
    assert "Net JP" in html
    # price and per day: Cheap; per GB: Dear
    assert html.count(">lowest<") == 3
    assert "Choose a destination" in page(clerk)
    assert "Nothing to compare" in page(clerk, plan="99")
    assert "Choose a destination" in page(clerk, plan="x", country="")


def test_comparing_marked_plans_has_an_upper_bound(clerk: Client) -> None:
    plans = [make_plan() for _ in range(9)]

    html = page(clerk, plan=[plan.pk for plan in plans])

    assert "Only the first 8 of the marked plans are compared." in html
    assert plans[8].plan_ref not in html


def test_the_comparison_says_everything_on_equal_terms(clerk: Client) -> None:
    facts: dict[str, Any] = {"max_speed": D(10000), "reduced_speed": D(128), "speed_unit": "kbps"}
    facts |= {"after_cap": "reduced", "starts_with": "installation", "data_period": DataPeriod.DAY}
    make_plan(name="Daily", **facts, top_up_supported=True, kyc_required=False, tethering=None)
    make_plan(make_account("box", is_sandbox=True), name="Toy", retail_price=D(1), data_bytes=3 * GB)
    make_plan(name="Free", data_bytes=None, data_unlimited=True, after_cap="no_cap", retail_price=D(70))

    html = text_of(page(clerk, country="JP"))

    for text in (
        "3 plans in USD",
        "7\u00a0GB in all",
        "used up: slower, 128 kbps",
        "used up: there is no cap",
        "up to 10,000 kbps",
        "starts: with the installation",
        "Net JP 4G/5G",
        "sandbox",
        "Top-up yes",
        "eKYC no",
        "Tethering not said",
        # 6.00 ÷ 7 days, and ÷ 7 GB
        "0.86\u00a0USD",
        "10.00\u00a0USD",
    ):
        assert text in html, text
    free = html[html.index("Free") :]
    assert free.index("10.00\u00a0USD") < free.index(" — ") < free.index("no cap")


def test_the_comparison_groups_equal_plans_and_tells_the_difference(clerk: Client) -> None:
    make_plan(name="Dear", retail_price=D(9))
    make_plan(make_account("b"), name="Cheap")
    make_plan(make_account("c"), name="Same")

    html = text_of(page(clerk, country="JP"))

    assert html.index("Cheap") < html.index("Same") < html.index("Dear")
    assert "3 equal plans" in html
    assert "3.00\u00a0USD more (50.0 %)" in html
    assert html.count("the same price") == 1


def test_the_comparison_takes_days_and_data_from_its_address(clerk: Client) -> None:
    make_plan(name="By the day", days_choice_max=30, validity_days=1, data_period=DataPeriod.DAY)
    make_plan(name="Short", validity_days=3)

    html = text_of(page(clerk, country="JP", days="10", gb="9.5", sort="per_gb"))

    assert ("By the day" in html, "Short" in html) == (True, False)
    assert "60.00\u00a0USD for 10 days, 6.00\u00a0USD a day" in html
    assert "10\u00a0GB in all" in html
    assert 'value="10"' in page(clerk, country="JP", days="10")
    # Nonsense narrows nothing and is said at its field.
    assert "Short" in page(clerk, country="JP", days="soon", gb="-1", sort="?")


def test_who_sells_a_plan_cheaper(clerk: Client) -> None:
    plan = make_plan(name="Ours", retail_price=D(9), covers=["JP", "KR"], data_bytes=500 * 1024**2)
    shown = clerk.get(reverse("plan-detail", args=[plan.pk])).content.decode()
    address = f"{reverse('plan-compare')}?like={plan.pk}&amp;days=7&amp;gb=0.48"
    assert address in shown
    asked = {"like": plan.pk, "days": "7", "gb": "0.48"}
    assert "No other plan is equal to “Ours”" in page(clerk, **asked)

    make_plan(make_account("b", name="Bargain"), name="Theirs", covers=["KR", "JP"], data_bytes=500 * 1024**2)
    make_plan(name="More", retail_price=D(8), covers=["KR", "JP"], data_bytes=GB)
    make_plan(name="Elsewhere", retail_price=D(1))
    html = text_of(page(clerk, **asked))
    assert "Bargain sells an equal plan for 6.00\u00a0USD: 3.00\u00a0USD less." in html
    assert ("this plan" in html, "More" in html, "Elsewhere" in html) == (True, True, False)
    cheapest = Plan.objects.get(name="Theirs")
    html = page(clerk, like=cheapest.pk)
    assert "Nobody sells a plan that is equal to “Theirs” cheaper." in html
    # A plan that is not there, or no new eSIM, is no question.
    for other in (999_999, "x", make_plan(kind=Plan.Kind.TOP_UP).pk):
        assert "Choose a destination" in page(clerk, like=other)


def test_the_comparison_says_that_more_plans_exist(
    clerk: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_plan()
    page(clerk, country="JP")
    # session, user, two for permissions; countries, two for regions; plans, their countries, networks
    with django_assert_num_queries(10):
        page(clerk, country="JP")
    for _ in range(64):
        make_plan(covers=["JP", "KR"])

    with django_assert_num_queries(10):
        html = page(clerk, country="JP")

    assert "The first 60 are shown; 5 more exist." in html
    assert html.count('class="plan-name"') == 60
