"""The catalogue in a real browser: every page in both widths and themes, with axe, and the live run."""

from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Plan, SyncRun
from catalog.pricing import save_rule
from catalog.sync import request_sync, run_sync
from providers.models import ProviderAccount
from tests.browser import DESKTOP, PHONE, Console, Viewport, find_faults_of
from tests.catalog.making import GB, make_account, make_plan, make_rule
from tests.catalog.syncing import read
from tests.simulator_client import Simulator

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def filled(commerce: ProviderAccount, simulator: Simulator) -> SyncRun:
    """400 plans, a rule, and a run that asks about 100 of them."""
    save_rule(rule=make_rule(country="JP", rounding="99", margin_percent=Decimal(60)), by="mia@example.com")
    read(commerce)
    simulator.change_plan(simulator.plan_codes()[0], netPrice="3.21", planName=["odd"])
    simulator.remove_plans(*simulator.plan_codes()[-100:])
    run = read(commerce)
    assert run.state == SyncRun.State.NEEDS_APPROVAL
    return run


@pytest.mark.looks
def test_every_page_looks_right(console: Console, filled: SyncRun) -> None:
    japan = Plan.objects.filter(coverage__country="JP").latest("pk")
    pages = {
        "plans": reverse("plan-list"),
        "plans-filtered": f"{reverse('plan-list')}?country=JP&sort=price&tethering=yes",
        "plan": reverse("plan-detail", args=[japan.pk]),
        "compare": f"{reverse('plan-compare')}?country=JP",
        "runs": reverse("sync-run-list"),
        "run": reverse("sync-run-detail", args=[filled.pk]),
        "approve": reverse("sync-approve", args=[filled.pk]),
    }
    page = console.open(enforce_csp=False)
    assert find_faults_of(page, pages, "catalog") == []


@pytest.fixture
def mixed(carrier: ProviderAccount) -> dict[str, Plan]:
    """Plans of several providers that are hard to compare, and one that staff entered."""
    access, fx, box = (
        make_account("esim-access", name="eSIM Access"),
        make_account("esimfx", name="Nomad eSIMfx"),
        make_account("esim-commerce-sandbox", name="eSIM Commerce sandbox", is_sandbox=True),
    )
    told: dict[str, Any] = {"after_cap": "reduced", "reduced_speed": Decimal(128), "speed_unit": "kbps"}
    ours = make_plan(name="Japan 3 GB 7 Days", data_bytes=3 * GB, retail_price=Decimal("9.50"), **told)
    make_plan(access, name="Japan 3GB 7Days", alias="JP_3_7", data_bytes=3 * GB, retail_price=Decimal("7.90"))
    make_plan(box, name="Japan 3 GB (test)", data_bytes=3 * GB, retail_price=Decimal("1.00"))
    daily = make_plan(
        access,
        name="Japan 1GB/Day",
        alias="JP_1_Daily",
        data_period="day",
        validity_days=1,
        days_choice_max=365,
        retail_price=Decimal("1.60"),
        starts_with="connection",
        api_sms=True,
        top_up_supported=True,
        top_up_profile="G-1",
        **told,
    )
    make_plan(fx, name="North America unlimited", covers=["US", "CA", "MX", "JP"], region="NA-3", data_bytes=None)
    Plan.objects.filter(region="NA-3").update(data_unlimited=True, after_cap="no_cap", retail_price=Decimal(30))
    entered = make_plan(carrier, kind="activation", plan_ref="V5", name="Voice 5 GB", digest="", own_price=Decimal(6))
    return {"ours": ours, "daily": daily, "entered": entered}


@pytest.mark.looks
def test_comparing_and_entering_look_right(console: Console, mixed: dict[str, Plan]) -> None:
    compare = reverse("plan-compare")
    pages = {
        "mixed": reverse("plan-list"),
        "mixed-days": f"{reverse('plan-list')}?country=JP&min_days=7&sort=price",
        "daily": reverse("plan-detail", args=[mixed["daily"].pk]),
        "entered": reverse("plan-detail", args=[mixed["entered"].pk]),
        "compare-days": f"{compare}?country=JP&days=7&sort=per_gb",
        "compare-region": f"{compare}?country=NA-3",
        "compare-like": f"{compare}?like={mixed['ours'].pk}&days=7&gb=3",
        "compare-marked": f"{compare}?plan={mixed['ours'].pk}&plan={mixed['daily'].pk}",
        "enter": reverse("plan-enter"),
        "edit": reverse("plan-edit", args=[mixed["entered"].pk]),
        "retire": reverse("plan-retire", args=[mixed["entered"].pk]),
        "never-read": reverse("sync-run-list"),
    }
    page = console.open(enforce_csp=False)
    assert find_faults_of(page, pages, "catalog") == []


def test_a_plan_is_entered_and_found(console: Console, carrier: ProviderAccount) -> None:
    page = console.open(reverse("plan-list"))
    page.get_by_role("link", name="Enter a plan").click()
    page.get_by_label("Plan code").fill("V5")
    page.get_by_label("Name").fill("Voice 5 GB")
    page.get_by_label("Net price").fill("900")
    page.get_by_label("Currency").fill("jpy")
    page.get_by_label("Own price").fill("1500")
    page.get_by_role("button", name="Enter the plan").click()
    expect(page.get_by_text("The plan is in the catalogue.")).to_be_visible()
    expect(page.locator(".price-now")).to_have_text("1,500\u00a0JPY")
    page.get_by_role("link", name="Retire it").click()
    page.get_by_role("button", name="Retire it").click()
    expect(page.get_by_text("The plan is retired.")).to_be_visible()


def test_finding_pricing_and_comparing(console: Console, filled: SyncRun) -> None:
    page = console.open(reverse("plan-list"))
    page.get_by_label("Destination").select_option(label="Japan")
    page.get_by_label("Sorted by").select_option(label="Price, lowest first")
    page.get_by_role("button", name="Search").click()
    # Empty fields stay out of the address.
    assert page.url.split("?")[1] == "country=JP&sort=price"
    boxes = page.get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare the marked plans").click()
    expect(page.get_by_role("table", name="Plans side by side").get_by_role("columnheader")).to_have_count(2)
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_label("Own price").fill("77.70")
    page.get_by_role("button", name="Set the price").click()
    expect(page.get_by_text("The price is set.")).to_be_visible()
    expect(page.locator(".price-now")).to_have_text("77.70\u00a0USD")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_run_is_followed_live_and_without_scripts(console: Console, commerce: ProviderAccount, scripts: bool) -> None:
    run = request_sync(account=commerce, asked_by="mia@example.com")
    page = console.open(reverse("sync-run-detail", args=[run.pk]), scripts=scripts)
    expect(page.get_by_text("Waiting for a worker.")).to_be_visible()

    run_sync(run_id=run.pk)

    if not scripts:
        page.get_by_role("link", name="Look again").click()
    expect(page.locator("#run .badge")).to_have_text("succeeded", timeout=10_000)
    expect(page.get_by_text("The first 100 are shown")).to_be_visible()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_approving_in_the_browser(console: Console, filled: SyncRun, viewport: Viewport) -> None:
    page = console.open(reverse("sync-run-detail", args=[filled.pk]), viewport=viewport)
    page.get_by_role("link", name="Retire them").click()
    page.get_by_role("button", name="Retire them").click()
    expect(page.get_by_text("The plans are retired.")).to_be_visible()
    assert Plan.objects.filter(retired_at=None).count() == 300
