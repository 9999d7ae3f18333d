"""The main journey: a customer walks in, and leaves with two eSIMs that work; later one is suspended and released."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from config.formatting import format_day
from esims.states import japan_today
from tests.browser import DESKTOP, PHONE, Console, Theme, Viewport
from tests.journeys import desk
from tests.journeys.desk import SANDBOX_ACCOUNT, SLOW_MS, look_at
from tests.journeys.office import LOGIN, PASSWORD
from tests.simulator_client import SANDBOX, Simulator

Look = Callable[[str], None]


@dataclass(frozen=True)
class Visit:
    """How the desk looks at the pages, and what is bought: with an allowance in total, or per day."""

    viewport: Viewport
    theme: Theme
    country: str
    plan: str
    is_daily: bool

    def __str__(self) -> str:
        return f"{self.viewport.width}-{self.theme}"


VISITS = [
    Visit(DESKTOP, "light", "South Korea", "South Korea 5GB 30 Days", is_daily=False),
    Visit(PHONE, "dark", "Taiwan", "Taiwan 2GB/day 3 Days", is_daily=True),
]


@pytest.mark.parametrize("visit", VISITS, ids=str)
def test_from_sign_in_to_release(console: Console, simulator: Simulator, screenshots: Path, visit: Visit) -> None:
    before = len(simulator.orders(SANDBOX))
    page = console.open("/", viewport=visit.viewport, theme=visit.theme, signed_in=False)
    look: Look = lambda name: look_at(page, f"{name}-{visit}", screenshots)  # noqa: E731
    look("sign-in")
    desk.sign_in(page)
    look("dashboard")
    buy_two(page, simulator, visit, look)
    truth = sold_since(simulator, before)
    assert sorted(desk.scan_codes(page)) == sorted(truth.values())

    page.locator(".esim-card a").first.click()
    iccid = desk.read_iccid(page)
    assert desk.scan_codes(page, ".line-qr img") == [truth[iccid]]
    use_line(page, simulator, iccid, visit)
    look("line")
    suspend_and_release(page, simulator, iccid, look)
    done = [effect["kind"] for effect in simulator.effects(SANDBOX) if effect["ref"] == iccid]
    assert done == ["usage", "suspend", "release"]
    # Nothing more was bought meanwhile.
    assert sold_since(simulator, before) == truth


def sold_since(simulator: Simulator, before: int) -> dict[str, str]:
    """The one order of two that the provider's books hold since: its lines and their activation codes."""
    [order] = simulator.orders(SANDBOX)[before:]
    assert order["quantity"] == len(order["refs"]) == 2
    return {iccid: simulator.line(iccid, SANDBOX)["qrCode"] for iccid in order["refs"]}


def buy_two(page: Page, simulator: Simulator, visit: Visit, look: Look) -> None:
    """From the wizard's first step to an order page that has filled in, without a reload."""
    desk.begin_order(page, f"Aoi Mori {visit.viewport.width}")
    look("plans")
    desk.choose_plan(page, visit.plan, account=SANDBOX_ACCOUNT, country=visit.country)
    look("quantity")
    desk.say_how_many(page, "2")
    look("payment")
    # The provider takes its time, so that the page is there before the eSIMs are.
    simulator.order_fault("delay_after", "order", system=SANDBOX, seconds=1.5)
    desk.buy(page, clicks=2)
    page.evaluate("window.hasStayed = true")
    expect(page.locator("#order-status")).to_contain_text("0 of 2 eSIMs are here.")
    look("buying")
    desk.wait_for_esims(page, 2)
    assert page.evaluate("window.hasStayed") is True
    look("order")


def use_line(page: Page, simulator: Simulator, iccid: str, visit: Visit) -> None:
    """The phone connects; usage is set through the page; the page shows it by itself."""
    simulator.connect_line(iccid, SANDBOX)
    page.get_by_role("link", name="Simulate usage").click()
    page.get_by_label("MB on each day").fill("96.5")
    page.get_by_label("Last day").fill(japan_today().isoformat())
    page.get_by_label("Number of days").fill("3")
    look_at(page)
    page.get_by_role("button", name="Set the usage").click()
    expect(page.locator("#line-usage")).to_contain_text("289.5 MB", timeout=SLOW_MS)
    desk.expect_state(page, "active")

    days = [format_day(japan_today() - timedelta(days=back), with_year=False) for back in (2, 1, 0)]
    so_far = ["96.5 MB", "193 MB", "289.5 MB"]
    expected = [[day, "96.5 MB", *([] if visit.is_daily else [total])] for day, total in zip(days, so_far, strict=True)]
    assert desk.read_rows(page, "#line-usage .chart-table") == expected
    bars = page.locator("#line-usage svg rect.chart-bar").all()
    assert [desk.read_text(bar) for bar in bars] == [f"{day}: 96.5 MB" for day in days]
    heights = {bar.get_attribute("height") for bar in bars}
    assert len(heights) == 1
    assert float(heights.pop() or 0) > 0


def suspend_and_release(page: Page, simulator: Simulator, iccid: str, look: Look) -> None:
    """Each is asked for with a reason, and shown when the provider's own report shows it."""
    for action, why, shown, word in (
        ("Suspend", "Phone lost at the airport", "suspended", "SUSPENDED"),
        ("Release", "Found in the other coat", "active", "ACTIVE"),
    ):
        desk.ask_for(page, action, reason=why)
        desk.expect_state(page, shown)
        expect(page.locator("#line-action")).to_contain_text("The provider shows it on the line.", timeout=SLOW_MS)
        assert simulator.line(iccid, SANDBOX)["contractStatus"] == word
        look(shown)
        timeline = page.locator("#line-timeline li")
        asked = timeline.filter(has_text=f"{action}: asked for.")
        expect(asked).to_contain_text(why)
        expect(asked).to_contain_text(LOGIN)
        confirmed = timeline.filter(has_text=f"{action}: confirmed by the line's state.")
        expect(confirmed).to_contain_text(why)


def test_without_scripts(console: Console, simulator: Simulator) -> None:
    before = len(simulator.orders(SANDBOX))
    page = console.open("/", scripts=False, signed_in=False)
    desk.sign_in(page)
    desk.begin_order(page, "Ken Without")
    desk.choose_plan(page, "Macao 2GB 15 Days", account=SANDBOX_ACCOUNT)
    desk.say_how_many(page, "2")
    # No script holds the second click back: the server does.
    desk.buy(page, clicks=2)
    refresh = page.get_by_role("link", name="Refresh", exact=True)
    desk.click_until(refresh, lambda: page.locator("#order-status").get_by_text("All 2 eSIMs are here.").count() > 0)
    truth = sold_since(simulator, before)
    assert sorted(desk.scan_codes(page)) == sorted(truth.values())

    page.locator(".esim-card a").first.click()
    iccid = desk.read_iccid(page)
    desk.ask_for(page, "Suspend", reason="Asked by phone")
    again = page.get_by_role("link", name="Look again")
    is_confirmed = partial(page.locator("#line-action").get_by_text("The provider shows it on the line.").count)
    desk.click_until(again, lambda: is_confirmed() > 0)
    desk.expect_state(page, "suspended")
    assert simulator.line(iccid, SANDBOX)["contractStatus"] == "SUSPENDED"
    assert sold_since(simulator, before) == truth


def test_with_the_keyboard_alone(console: Console, simulator: Simulator) -> None:
    before = len(simulator.orders(SANDBOX))
    page = console.open("/", signed_in=False)
    keyboard = page.keyboard
    desk.tab_to(page.get_by_label("Email"))
    keyboard.type(LOGIN)
    desk.tab_to(page.get_by_label("Password"))
    keyboard.type(PASSWORD)
    desk.tab_to(page.get_by_role("button", name="Sign in"))
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard", exact=True)).to_be_visible()

    desk.tab_to(page.get_by_role("link", name="New order"))
    keyboard.press("Enter")
    # The first field of each step has the focus already.
    expect(page.get_by_label("Find a customer")).to_be_focused()
    keyboard.type("Nobody Yet")
    keyboard.press("Enter")
    expect(page.get_by_text("Nobody matches “Nobody Yet”.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Nobody Yet")
    desk.tab_to(page.get_by_role("button", name="Add and go on"))
    keyboard.press("Enter")
    desk.tab_to(page.get_by_label("Provider account"))
    keyboard.type(SANDBOX_ACCOUNT)
    desk.tab_to(page.get_by_label("Name or code"))
    keyboard.type("Fiji")
    keyboard.press("Enter")
    expect(page.get_by_text("narrowed by your search")).to_be_visible()
    desk.tab_to(page.get_by_role("link", name="Choose Fiji"))
    keyboard.press("Enter")
    expect(page.get_by_label("How many eSIMs")).to_be_focused()
    keyboard.press("Enter")
    desk.tab_to(page.get_by_label("Cash"))
    keyboard.press("Space")
    desk.tab_to(page.get_by_role("button", name="Buy", exact=True))
    keyboard.press("Enter")
    desk.wait_for_esims(page, 1)
    [order] = simulator.orders(SANDBOX)[before:]
    assert (order["plan"], order["quantity"]) == ("OR0003", 1)
