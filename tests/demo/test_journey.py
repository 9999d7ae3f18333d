"""A newcomer's journey in a real browser, through a real demo office: sign in, read a catalogue, buy two eSIMs,
install them by their QR codes, look at their usage, suspend, release.
"""

import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from config.demo.home import LOGIN
from tests.browser import Console
from tests.demo.running import Demo, query, read_books, read_simulator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the demo's tests look into /proc")
SLOW_MS = 30_000


@pytest.fixture
def desk(browser: Browser, start_demo: Callable[..., Demo]) -> Iterator[Page]:
    """A member of staff in front of an empty demo office, not yet signed in."""
    demo = start_demo("--no-fill")
    demo.wait_for(r"Ctrl-C closes the office")
    console = Console(browser, demo.wait_for(r"open:\s+(\S+)/")[1])
    page = console.open("/")
    page.locator("input[name=login]").fill(LOGIN)
    page.locator("input[type=password]").fill(demo.wait_for(r"Password:\s+(\S+)")[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard", exact=True)).to_be_visible()
    yield page
    troubles = console.close()
    assert troubles == []
    assert demo.end() == 0


def read_catalogue(page: Page) -> None:
    page.get_by_role("link", name="Sync runs").click()
    page.get_by_role("button", name="eSIM Commerce (sandbox)").click()
    expect(page.get_by_text("succeeded").first).to_be_visible(timeout=SLOW_MS)


def buy_two(page: Page) -> None:
    page.get_by_role("link", name="Dashboard").first.click()
    page.get_by_role("link", name="New order").first.click()
    page.get_by_label("Name").last.fill("Aoi Mori")
    page.get_by_label("E-mail").last.fill("aoi.mori@example.jp")
    page.get_by_role("button", name="Add and go on").click()
    page.get_by_role("link", name=re.compile("^Choose")).first.click()
    page.get_by_label("How many eSIMs").fill("2")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Cash").check()
    page.get_by_role("button", name="Buy", exact=True).click()
    # The order's page fills in by itself while the worker buys.
    expect(page.locator(".esim-card img")).to_have_count(2, timeout=SLOW_MS)


def decode_codes(page: Page) -> list[str]:
    """The QR codes as a camera in front of the screen reads them."""
    codes = []
    for image in page.locator(".esim-card img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        picture = Image.open(io.BytesIO(image.screenshot()))
        codes += [found.text for found in zxingcpp.read_barcodes(picture)]
    return codes


def ask_for(page: Page, action: str, *, reason: str) -> None:
    page.get_by_role("link", name=action, exact=True).click()
    expect(page.get_by_text("What will happen")).to_be_visible()
    page.get_by_label("Reason").fill(reason)
    page.locator("form[method=post]").last.get_by_role("button").first.click()


def test_from_sign_in_to_release(desk: Page, tmp_path: Path) -> None:
    home = tmp_path / "demo"
    read_catalogue(desk)
    buy_two(desk)

    [order] = read_books(home)
    truth = {line["iccid"]: line["line"]["qrCode"] for line in read_simulator(home, "commerce-sandbox/lines")["lines"]}
    assert sorted(order["refs"]) == sorted(truth)
    assert len(truth) == 2
    assert sorted(decode_codes(desk)) == sorted(truth.values())

    desk.locator(".esim-card a").first.click()
    iccid = re.sub(r"\D", "", desk.get_by_role("heading", level=1).inner_text())
    desk.get_by_role("link", name="Simulate usage").click()
    desk.get_by_label("MB on each day").fill("128")
    desk.get_by_label("Number of days").fill("3")
    desk.get_by_role("button", name="Set the usage").click()
    expect(desk.get_by_text("384 MB").first).to_be_visible(timeout=SLOW_MS)
    chart = desk.locator("svg").filter(has=desk.locator("rect")).first
    expect(chart).to_be_visible()
    used = query(home, "SELECT used_bytes FROM esims_usageday")
    assert used == [(128 * 1024 * 1024,)] * 3

    ask_for(desk, "Suspend", reason="Phone lost at the airport")
    expect(desk.locator("#line-live h2")).to_contain_text("suspended", timeout=SLOW_MS)
    assert read_simulator(home, f"commerce-sandbox/lines/{iccid}")["line"]["contractStatus"] == "SUSPENDED"

    ask_for(desk, "Release", reason="Phone found again")
    expect(desk.locator("#line-live h2")).not_to_contain_text("suspended", timeout=SLOW_MS)
    assert read_simulator(home, f"commerce-sandbox/lines/{iccid}")["line"]["contractStatus"] == "ACTIVE"
    expect(desk.get_by_text("Phone lost at the airport").first).to_be_visible()
