"""The catalogue's pages: who may open them, what they show, and what they cost in queries."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog.models import Plan, PlanChange, SyncRun
from catalog.pricing import save_rule
from catalog.sync import run_sync
from providers.models import ProviderAccount, ProviderRegion
from providers.types import DataPeriod
from tests.catalog.making import make_account, make_offer, make_plan, make_rule
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import live, read
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def clerk() -> Client:
    """May look at plans and runs, nothing else."""
    return signed_in(make_staff("catalog.view_plan", "catalog.view_syncrun"))


@pytest.fixture
def buyer() -> Client:
    """May also set prices and sync."""
    permissions = ("catalog.view_plan", "catalog.view_syncrun", "catalog.set_price", "catalog.sync_catalog")
    return signed_in(make_staff(*permissions, email="mia@example.com"))


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(name, args=args), query)
    assert_clean_page(response)
    return response.content.decode()


# -- who may enter ----------------------------------------------------------------------------------------------------

PAGES = [
    ("get", "plan-list", False, "catalog.view_plan"),
    ("get", "plan-detail", True, "catalog.view_plan"),
    ("get", "plan-compare", False, "catalog.view_plan"),
    ("post", "plan-price", True, "catalog.set_price"),
    ("post", "plan-publish", True, "catalog.set_price"),
    ("get", "sync-run-list", False, "catalog.view_syncrun"),
    ("get", "sync-run-detail", True, "catalog.view_syncrun"),
    ("post", "sync-start", False, "catalog.sync_catalog"),
    ("post", "sync-approve", True, "catalog.sync_catalog"),
    ("post", "sync-decline", True, "catalog.sync_catalog"),
]


@pytest.mark.parametrize(("method", "name", "takes_pk", "permission"), PAGES)
def test_a_page_is_for_staff_with_its_permission(method: str, name: str, takes_pk: bool, permission: str) -> None:
    plan = make_plan(pk=1)
    run = SyncRun.objects.create(
        pk=1, account=plan.account, asked_by="a", state=SyncRun.State.NEEDS_APPROVAL, would_retire=[1]
    )
    url = reverse(name, args=[1] if takes_pk else [])
    everything_else = [entry[3] for entry in PAGES if entry[3] != permission]
    strangers = [
        signed_in(make_staff(permission, email="customer@example.com", is_staff=False)),
        signed_in(make_staff(*everything_else, email="other@example.com")),
    ]

    anonymous = getattr(Client(), method)(url)
    assert (anonymous.status_code, anonymous.url) == (302, f"/accounts/login/?next={url}")
    assert [getattr(client, method)(url).status_code for client in strangers] == [403, 403]

    plan.refresh_from_db()
    run.refresh_from_db()
    assert (plan.is_published, plan.own_price, plan.retired_at) == (True, None, None)
    assert run.state == SyncRun.State.NEEDS_APPROVAL
    assert not PlanChange.objects.exists()
    assert SyncRun.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "name", "takes_pk"),
    [(method, name, takes_pk) for method, name, takes_pk, _ in PAGES if name not in ("sync-approve", "sync-decline")],
)
def test_a_page_takes_one_method(buyer: Client, method: str, name: str, takes_pk: bool) -> None:
    make_plan(pk=1)
    other = buyer.post if method == "get" else buyer.get

    assert other(reverse(name, args=[1] if takes_pk else [])).status_code == 405


@pytest.mark.parametrize("name", [name for _, name, takes_pk, _ in PAGES if takes_pk])
def test_what_is_not_there_is_not_found(buyer: Client, name: str) -> None:
    method = buyer.post if name.startswith("plan-p") else buyer.get
    assert method(reverse(name, args=[404])).status_code == 404


# -- plans ------------------------------------------------------------------------------------------------------------


def test_the_list_filters_by_its_address(clerk: Client) -> None:
    make_plan(name="Japan 1 GB", retail_price=D("6.50"))
    make_plan(name="France daily", covers=["FR"], data_period=DataPeriod.DAY, validity_days=30)

    everything = page(clerk, "plan-list")
    assert "Japan 1 GB" in everything
    assert "6.50\u00a0USD" in everything
    # 6.50 ÷ 7 days
    assert "0.93\u00a0USD" in everything
    assert "2 plans" in everything
    french = page(clerk, "plan-list", country="FR", min_gb="1", min_days="10", sort="per_day")
    assert "France daily" in french
    assert "Japan 1 GB" not in french
    assert "1 plan" in french
    nothing = page(clerk, "plan-list", q="mars")
    assert "No plan matches this" in nothing
    # Nonsense in the address is said at its field and does not break the page.
    assert "France daily" in page(clerk, "plan-list", min_gb="lots", country="XX", sort="?", page="x")


def test_an_empty_catalogue_says_how_to_fill_it(clerk: Client) -> None:
    assert "No plans yet" in page(clerk, "plan-list")


def test_the_lists_cost_the_same_for_one_plan_and_for_fifty(
    clerk: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_plan(covers=["JP"])
    page(clerk, "plan-list")
    # session, user, two for permissions; countries, two for regions, accounts, currencies, carriers, home;
    # count, plans, coverage
    with django_assert_num_queries(14):
        page(clerk, "plan-list")
    for _ in range(49):
        make_plan(covers=["JP", "KR", "FR"], region="ASIA")

    with django_assert_num_queries(14):
        page(clerk, "plan-list")


def test_a_plans_page_shows_every_field(clerk: Client, account: ProviderAccount, shelf: Shelf) -> None:
    save_rule(rule=make_rule(margin_percent=D(25), fixed_amount=D("0.30"), rounding="99"), by="a")
    shelf.put([make_offer("RB52", restrictions="No VoIP.", kyc_required=True, top_up_supported=None)])
    read(account)
    plan = Plan.objects.get()

    html = page(clerk, "plan-detail", plan.pk)

    for text in (
        "Offer RB52",
        "RB52",
        "(as given: 1 GB TOTAL)",
        "10,000",
        "128",
        "(as given, unit not stated)",
        "Valid for 30 days",
        "Starts at first use",
        "180 days",
        "No VoIP.",
        "Japan",
        "au",
        "4G/5G",
        "KDDI",
        "81",
        "not said",
        "5.99\u00a0USD",
        "rule “Half as much again”",
        "net price + 25 %",
        "0.30\u00a0USD",
        "5.30\u00a0USD",
        "up to the next .99",
        "1.99\u00a0USD",
        "49.8 % of the net price",
        "Added",
        "&quot;planCode&quot;: &quot;RB52&quot;",
    ):
        assert text in html, text
    assert "Set the price" not in html


def test_a_plans_page_says_the_newer_fields_in_words(clerk: Client) -> None:
    plan = make_plan(
        plan_ref="PK1",
        alias="na-3-daily",
        region="NA-3",
        data_period=DataPeriod.DAY,
        days_choice_max=365,
        validity_days=1,
        after_cap="reduced",
        starts_with="connection",
        top_up_profile="G-7",
        api_sms=True,
    )

    html = page(clerk, "plan-detail", plan.pk)

    for text in (
        "na-3-daily",
        "NA-3",
        "1 to 365, chosen with the order: data and prices are those of one day",
        "Sold by the day: every amount here is of one day.",
        "When the data is used up</dt><dd>slower",
        "Time starts</dt><dd>with the first connection",
        "G-7",
        "SMS by the provider's API</dt><dd>yes",
    ):
        assert text in html, text
    untold = page(clerk, "plan-detail", make_plan().pk)
    assert "Time starts</dt><dd>not said" in untold
    assert "Top-up group" not in untold


def test_setting_a_price_on_the_page(buyer: Client) -> None:
    plan = make_plan()

    response = buyer.post(reverse("plan-price", args=[plan.pk]), {"amount": "5.50"})
    assert (response.status_code, response["Location"]) == (302, reverse("plan-detail", args=[plan.pk]))
    plan.refresh_from_db()
    assert (plan.own_price, plan.retail_price) == (D("5.50"), D("5.50"))
    assert PlanChange.objects.get().by == "mia@example.com"

    refused = buyer.post(reverse("plan-price", args=[plan.pk]), {"amount": "5.505"})
    assert_clean_page(refused, status=422)
    assert "The price has more decimals than its currency." in refused.content.decode()
    assert buyer.post(reverse("plan-price", args=[plan.pk]), {"amount": "free"}).status_code == 422
    plan.refresh_from_db()
    assert plan.own_price == D("5.50")

    buyer.post(reverse("plan-price", args=[plan.pk]), {"amount": ""})
    again = Plan.objects.get()
    assert (again.own_price, again.retail_price) == (None, D(6))


def test_taking_a_plan_off_sale(buyer: Client) -> None:
    plan = make_plan()

    buyer.post(reverse("plan-publish", args=[plan.pk]), {"is_published": "no"})
    plan.refresh_from_db()
    assert not plan.is_published
    assert "not for sale" in page(buyer, "plan-detail", plan.pk)

    buyer.post(reverse("plan-publish", args=[plan.pk]), {"is_published": "yes"})
    plan.refresh_from_db()
    assert plan.is_published


def test_prices_are_said_to_be_of_a_day_wherever_they_are(clerk: Client) -> None:
    make_plan(name="Daily", days_choice_max=30, validity_days=1, data_period=DataPeriod.DAY)

    html = page(clerk, "plan-list")
    assert "<strong>6.00\u00a0USD</strong> a day" in html
    assert "net 4.00\u00a0USD a day" in html
    assert ">1 to 30<" in html
    week = page(clerk, "plan-list", min_days="7")
    assert "<strong>42.00\u00a0USD</strong>" in week
    assert "for 7 days, 6.00\u00a0USD a day" in week


def test_a_country_and_a_providers_region_are_destinations(clerk: Client) -> None:
    make_plan(name="Ours", region="NA-3", covers=["US", "CA", "MX"])
    make_plan(name="Theirs", covers=["US", "CA", "MX", "JP"])
    make_plan(name="Elsewhere", covers=["US"])
    assert "NA-3" in page(clerk, "plan-list")
    told = {"name": "North America", "is_multi": True, "members": ["US", "CA", "MX"], "seen_at": timezone.now()}
    ProviderRegion.objects.create(account=make_account("esim-access"), code="NA-3", **told)

    html = page(clerk, "plan-list", country="NA-3")
    assert '<option value="NA-3" selected>North America (NA-3)</option>' in html
    assert ("Ours" in html, "Theirs" in html, "Elsewhere" in html) == (True, True, False)
    html = page(clerk, "plan-list", country="US")
    assert '<option value="US" selected>United States</option>' in html
    assert ("Ours" in html, "Theirs" in html, "Elsewhere" in html) == (True, True, True)
    html = page(clerk, "plan-compare", country="NA-3")
    assert ("Ours" in html, "Theirs" in html, "Elsewhere" in html) == (True, True, False)
    assert "4 countries" in html


# -- runs -------------------------------------------------------------------------------------------------------------


def test_a_sync_is_started_and_followed(buyer: Client, account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put([make_offer("A")])
    assert "No runs yet" in page(buyer, "sync-run-list")

    started = buyer.post(reverse("sync-start"), {"account": "shelf"})
    run = SyncRun.objects.get()
    assert started["Location"] == reverse("sync-run-detail", args=[run.pk])
    assert run.asked_by == "mia@example.com"
    # A second click joins the same run.
    assert buyer.post(reverse("sync-start"), {"account": "shelf"})["Location"] == started["Location"]

    html = page(buyer, "sync-run-detail", run.pk)
    assert "Waiting for a worker." in html
    assert f'hx-get="{started["Location"]}"' in html
    fragment = buyer.get(started["Location"], headers={"HX-Request": "true"})
    assert fragment.content.decode().strip().startswith('<section class="card" id="run"')

    run_sync(run_id=run.pk)
    finished = buyer.get(started["Location"], headers={"HX-Request": "true"})
    assert (finished.status_code, finished["HX-Refresh"]) == (204, "true")
    done = page(buyer, "sync-run-detail", run.pk)
    assert "hx-get" not in done.split("<main")[1].split("</main>")[0]
    assert "Offer A" in done
    assert "succeeded" in page(buyer, "sync-run-list")


@pytest.mark.parametrize("slug", ["", "nobody", "../x"])
def test_an_unknown_account_is_not_read(buyer: Client, shelf: Shelf, slug: str) -> None:
    response = buyer.post(reverse("sync-start"), {"account": slug}, follow=True)

    assert "This provider account is not set up." in response.content.decode()
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize(
    ("name", "title", "done", "left"),
    [
        ("sync-approve", "Retire 3 plans?", "The plans are retired.", "A"),
        ("sync-decline", "Keep 3 plans?", "The plans stay in the catalogue.", "ABCD"),
    ],
)
def test_the_question_of_a_run_is_answered_on_a_page(  # noqa: PLR0917
    buyer: Client, account: ProviderAccount, shelf: Shelf, name: str, title: str, done: str, left: str
) -> None:
    shelf.put(make_offer(ref) for ref in "ABCD")
    read(account)
    shelf.put([make_offer("A")])
    run = read(account)

    assert "3 plans vanished. Retire them?" in page(buyer, "sync-run-detail", run.pk)
    asked = page(buyer, name, run.pk)
    assert title in asked
    assert "Offer D" in asked
    assert live() == "ABCD"

    answered = buyer.post(reverse(name, args=[run.pk]), follow=True).content.decode()
    assert done in answered
    assert live() == left
    run.refresh_from_db()
    assert (run.state, run.decided_by) == (SyncRun.State.SUCCEEDED, "mia@example.com")
    again = buyer.post(reverse(name, args=[run.pk]), follow=True).content.decode()
    assert "This question is answered already." in again
    assert buyer.get(reverse(name, args=[run.pk])).status_code == 302
    assert live() == left


def test_a_run_with_many_changes_and_faults_shows_the_first(
    clerk: Client, account: ProviderAccount, shelf: Shelf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shelf.put(make_offer(f"R{number:03d}") for number in range(120))
    run = read(account)
    SyncRun.objects.filter(pk=run.pk).update(faults=[{"where": "items[1]", "message": "nonsense"}])

    # session, user, two for permissions, run, changes
    with django_assert_num_queries(6):
        html = page(clerk, "sync-run-detail", run.pk)

    assert html.count("Offer R") == 100
    assert "The first 100 are shown" in html
    assert "items[1]" in html


def test_runs_of_one_account(clerk: Client) -> None:
    runs = {slug: SyncRun.objects.create(account=make_account(slug), asked_by="mia") for slug in ("one", "two")}

    def shown(query: str) -> list[int]:
        response = clerk.get(f"/syncs/{query}")
        assert response.status_code == 200
        assert response.context is not None
        return [run.pk for run in response.context["page"].object_list]

    assert shown("?account=one") == [runs["one"].pk]
    assert sorted(shown("")) == sorted(shown("?account=three")) == sorted(run.pk for run in runs.values())
    text = clerk.get(f"/syncs/{runs['one'].pk}/").content.decode()
    assert "It is shown here when the run has ended." in text


def test_a_failed_run_says_why(clerk: Client) -> None:
    run = SyncRun.objects.create(
        account=make_account(), asked_by="schedule", state=SyncRun.State.FAILED, error="The key was refused."
    )

    assert "The key was refused." in page(clerk, "sync-run-detail", run.pk)
