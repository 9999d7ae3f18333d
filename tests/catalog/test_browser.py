"""The catalogue in a real browser: every page in both widths and themes, with axe, and the live run."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Plan, SyncRun
from catalog.pricing import save_rule
from catalog.sync import request_sync, run_sync
from providers.models import ProviderAccount
from tests.browser import DESKTOP, LOOKS, PHONE, Console, Theme, Viewport, check_accessibility, check_width
from tests.catalog.making import make_rule
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


@pytest.mark.parametrize(("viewport", "theme"), LOOKS)
def test_every_page_looks_right(
    console: Console, filled: SyncRun, viewport: Viewport, theme: Theme, screenshots: Path
) -> None:
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
    page = console.open(viewport=viewport, theme=theme, enforce_csp=False)
    for name, path in pages.items():
        page.goto(path)
        page.screenshot(path=screenshots / f"catalog-{name}-{viewport.width}-{theme}.png", full_page=True)
        assert (name, check_width(page), check_accessibility(page)) == (name, 0, [])


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
