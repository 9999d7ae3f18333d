"""The catalogue in the admin: prices, publication and rules change by their verbs, nothing else changes."""

from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from catalog.models import Plan, PlanChange, PriceRule, SyncRun
from tests.catalog.making import make_plan
from tests.customers.making import make_staff, signed_in

pytestmark = pytest.mark.django_db
D = Decimal
PLANS = "/admin/catalog/plan/"
RULES = "/admin/catalog/pricerule/"
RULE = {"name": "Half", "position": "10", "is_active": "on", "currency": "USD", "margin_percent": "50"}
RULE |= {"fixed_amount": "0", "rounding": "cent", "country": "", "account": ""}


@pytest.fixture
def boss() -> Client:
    return signed_in(make_staff("catalog.view_plan", "catalog.set_price", email="mia@example.com"))


@pytest.fixture
def rule_keeper() -> Client:
    rights = [f"catalog.{verb}_pricerule" for verb in ("view", "add", "change", "delete")]
    return signed_in(make_staff(*rights, email="mia@example.com"))


def rows(*plans: tuple[Plan, str, bool]) -> dict[str, str]:
    """The editable list as a browser sends it."""
    count = str(len(plans))
    sent = {"form-TOTAL_FORMS": count, "form-INITIAL_FORMS": count, "_save": "Save"}
    for number, (plan, own_price, is_published) in enumerate(plans):
        sent |= {f"form-{number}-id": str(plan.pk), f"form-{number}-own_price": own_price}
        if is_published:
            sent[f"form-{number}-is_published"] = "on"
    return sent


def test_prices_are_edited_in_the_list(boss: Client) -> None:
    first, second, third = (make_plan() for _ in range(3))

    response = boss.post(PLANS, rows((first, "7.50", True), (second, "", False), (third, "3.00", True)))

    assert response.status_code == 302
    states = {plan.pk: (plan.own_price, plan.retail_price, plan.is_published) for plan in Plan.objects.all()}
    assert states == {
        first.pk: (D("7.50"), D("7.50"), True),
        second.pk: (None, D(6), False),
        third.pk: (D(3), D(4), True),
    }
    assert set(PlanChange.objects.values_list("plan_id", "by")) == {
        (plan.pk, "mia@example.com") for plan in (first, second, third)
    }


def test_an_impossible_price_in_the_list_is_refused_whole(boss: Client) -> None:
    first, second = make_plan(), make_plan(currency="JPY")

    response = boss.post(PLANS, rows((first, "7.50", True), (second, "100.5", True)))

    assert response.status_code == 200
    assert "The price has more decimals than its currency." in response.content.decode()
    assert not Plan.objects.filter(own_price__isnull=False).exists()
    assert not PlanChange.objects.exists()


def test_a_plans_page_changes_ours_and_shows_the_rest(boss: Client) -> None:
    plan = make_plan(name="Japan")
    empty = {"coverage-TOTAL_FORMS": "0", "coverage-INITIAL_FORMS": "0"}
    empty |= {"history-TOTAL_FORMS": "0", "history-INITIAL_FORMS": "0"}

    assert "Japan" in boss.get(f"{PLANS}{plan.pk}/change/").content.decode()
    saved = boss.post(f"{PLANS}{plan.pk}/change/", {"own_price": "8", "name": "Mars", "net_price": "0", **empty})

    assert saved.status_code == 302
    plan.refresh_from_db()
    assert (plan.own_price, plan.retail_price, plan.is_published) == (D(8), D(8), False)
    assert (plan.name, plan.net_price) == ("Japan", D(4))
    assert boss.post(f"{PLANS}add/").status_code == 403
    assert boss.post(f"{PLANS}{plan.pk}/delete/").status_code == 403


@pytest.mark.parametrize(("action", "changed"), [("publish", 1), ("unpublish", 2), ("reprice", 3)])
def test_actions_call_the_verbs(boss: Client, action: str, changed: int) -> None:
    plans = [make_plan(retail_price=D(1)), make_plan(retail_price=D(1)), make_plan(retail_price=D(1))]
    Plan.objects.filter(pk=plans[0].pk).update(is_published=False)

    response = boss.post(PLANS, {"action": action, "_selected_action": [plan.pk for plan in plans]}, follow=True)

    assert f"{changed} plan{'' if changed == 1 else 's'} changed." in response.content.decode()
    assert PlanChange.objects.filter(kind="priced", by="mia@example.com").count() == changed


def test_who_may_only_look_changes_nothing() -> None:
    plan = make_plan()
    clerk = signed_in(make_staff("catalog.view_plan"))

    assert clerk.get(PLANS).status_code == 200
    assert clerk.post(PLANS, rows((plan, "9", False))).status_code in (200, 302, 403)
    assert clerk.post(PLANS, {"action": "unpublish", "_selected_action": [plan.pk]}).status_code in (200, 302, 403)

    plan.refresh_from_db()
    assert (plan.own_price, plan.is_published) == (None, True)
    assert not PlanChange.objects.exists()


def test_the_list_costs_the_same_for_many(boss: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_plan()
    boss.get(PLANS)
    with django_assert_num_queries(9):
        boss.get(PLANS)
    for _ in range(20):
        make_plan()

    with django_assert_num_queries(9):
        assert boss.get(PLANS, {"q": "jp"}).status_code == 200


def test_rules_reprice_from_the_admin(rule_keeper: Client) -> None:
    make_plan()

    added = rule_keeper.post(f"{RULES}add/", {**RULE, "margin_percent": "100"}, follow=True)
    assert "1 price changed." in added.content.decode()
    assert Plan.objects.get().retail_price == D(8)
    rule = PriceRule.objects.get()

    rule_keeper.post(f"{RULES}{rule.pk}/change/", RULE)
    assert Plan.objects.get().retail_price == D(6)
    refused = rule_keeper.post(f"{RULES}{rule.pk}/change/", {**RULE, "currency": "dollars"})
    assert refused.status_code == 200
    rule_keeper.post(RULES, {"action": "delete_selected", "_selected_action": [rule.pk], "post": "yes"})
    assert not PriceRule.objects.exists()
    assert Plan.objects.get().price_source == "suggested"

    rule_keeper.post(f"{RULES}add/", {**RULE, "margin_percent": "200"})
    rule_keeper.post(f"{RULES}{PriceRule.objects.get().pk}/delete/", {"post": "yes"})
    assert Plan.objects.get().retail_price == D(6)
    assert set(PlanChange.objects.values_list("by", flat=True)) == {"mia@example.com"}


def test_a_run_that_asks_links_to_its_question() -> None:
    run = SyncRun.objects.create(
        account=make_plan().account, asked_by="schedule", state=SyncRun.State.NEEDS_APPROVAL, would_retire=[1]
    )
    rights = [f"catalog.view_{model}" for model in ("syncrun", "planchange", "plancoverage")]
    client = signed_in(make_staff(*rights))

    html = client.get("/admin/catalog/syncrun/").content.decode()

    assert f'<a href="/syncs/{run.pk}/">Approve or decline</a>' in html
    for model in ("syncrun", "planchange", "plancoverage"):
        assert client.get(f"/admin/catalog/{model}/").status_code == 200
        assert client.get(f"/admin/catalog/{model}/add/").status_code == 403
