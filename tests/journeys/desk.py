"""What a person at the desk does, step by step, with what they see: labels and buttons, no addresses.

A step ends when the page that it leads to is there.
"""

import io
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser import DESKTOP, PHONE, Theme, Viewport, check_width, take_picture
from tests.journeys.office import LOGIN, PASSWORD, TRACEBACK

#: The provider's two accounts, as the console names them.
ACCOUNT = "eSIM Commerce"
SANDBOX_ACCOUNT = "eSIM Commerce (sandbox)"
#: What a worker and the dispatcher need on a busy machine.
SLOW_MS = 30_000
SLOW_SECONDS = SLOW_MS / 1000
#: On the desk in the light, on a phone in the dark.
_LOOKS: tuple[tuple[Viewport, Theme], ...] = ((DESKTOP, "light"), (PHONE, "dark"))
MOST_TABS = 60
#: An outline, a ring of shadow, or (for fields) at least a border that stands out.
SHOWS_FOCUS = """() => {
  const style = getComputedStyle(document.activeElement);
  const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return document.activeElement !== document.body && (outline || style.boxShadow !== "none");
}"""


def look_at(page: Page, name: str = "", screenshots: Path | None = None) -> None:
    """The page fits into the window and shows no innards; with a name, a picture of it is kept."""
    # Its words may be there before its style sheets are.
    page.wait_for_load_state()
    assert check_width(page) == 0, f"{page.url} is too wide"
    assert TRACEBACK not in page.content()
    take_picture(page, f"journey-{name}" if screenshots is not None else "")


def look_around(page: Page, name: str = "", screenshots: Path | None = None) -> None:
    """``look_at`` on the desk and on a phone; afterwards the page is as wide and bright as it was opened."""
    before = page.viewport_size
    for viewport, theme in _LOOKS:
        page.set_viewport_size({"width": viewport.width, "height": viewport.height})
        page.emulate_media(color_scheme=theme)
        look_at(page, f"{name}-{viewport.width}-{theme}", screenshots if name else None)
    page.emulate_media(color_scheme=None)
    if before is not None:
        page.set_viewport_size(before)


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    """What workers bring about, seen in the database or at the provider."""
    deadline = time.monotonic() + SLOW_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def sign_in(page: Page) -> None:
    page.get_by_label("Email").fill(LOGIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard", exact=True)).to_be_visible()


def read_catalogue(page: Page, account: str) -> None:
    """From anywhere in the console: have a provider's catalogue read, and wait for it."""
    page.goto("/syncs/")
    page.get_by_role("button", name=account, exact=True).click()
    expect(page.locator("#run").get_by_text("succeeded")).to_be_visible(timeout=SLOW_MS)


def begin_order(page: Page, customer: str) -> None:
    """The wizard's first step, with a customer who is made in place."""
    page.goto("/orders/new/")
    new = page.locator("details").filter(has=page.get_by_role("heading", name="New customer"))
    if new.get_attribute("open") is None:
        new.locator("summary").first.click()
    new.get_by_label("Name").fill(customer)
    new.get_by_label("E-mail").fill(f"{customer.lower().replace(' ', '.')}@example.jp")
    page.get_by_role("button", name="Add and go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New order")
    expect(page.get_by_label("Destination")).to_be_visible()


def choose_plan(page: Page, name: str, *, account: str, country: str = "") -> None:
    """Narrow the plans to a destination and an account, and take one."""
    if country:
        page.get_by_label("Destination").select_option(label=country)
    page.get_by_label("Provider account").select_option(label=account)
    page.get_by_label("Name or code").fill(name)
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name=f"Choose {name}", exact=True).first.click()
    expect(page.get_by_label("How many eSIMs")).to_be_visible()


def say_how_many(page: Page, quantity: str, *, days: str = "") -> None:
    if days:
        page.get_by_label("For how many days").fill(days)
    page.get_by_label("How many eSIMs").fill(quantity)
    page.get_by_role("button", name="Go on").click()


def buy(page: Page, *, clicks: int = 1, method: str = "Cash") -> None:
    """Pay and buy; the order's page is there afterwards."""
    page.get_by_label(method).check()
    page.get_by_role("button", name="Buy", exact=True).click(click_count=clicks)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Order R-"))


def wait_for_esims(page: Page, quantity: int) -> None:
    """The order's page fills in by itself until all eSIMs and their codes are there."""
    words = "The eSIM is here." if quantity == 1 else f"All {quantity} eSIMs are here."
    expect(page.locator("#order-status")).to_contain_text(words, timeout=SLOW_MS)
    expect(page.locator(".esim-card img")).to_have_count(quantity)


def scan_codes(page: Page, selector: str = ".esim-card img") -> list[str]:
    """The QR codes as a camera in front of the screen reads them."""
    codes: list[str] = []
    for image in page.locator(selector).all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        found = zxingcpp.read_barcodes(Image.open(io.BytesIO(image.screenshot())))
        codes += [code.text for code in found]
    return codes


def ask_for(
    page: Page,
    action: str,
    *,
    reason: str,
    sms: str = "",
    number: str = "",
    short: str = "",
    gives_back: str = "Nothing",
) -> None:
    """Whatever can be asked for a line: the button (``short`` where a package has it), the page that says what will
    happen, the reason, the text of an SMS, and, where it is for good, what the customer gets back and the end of the
    line's number.
    """
    page.get_by_role("link", name=short or action, exact=True).first.click()
    expect(page.get_by_text("What will happen")).to_be_visible()
    if sms:
        page.get_by_label("Text of the SMS").fill(sms)
    page.get_by_label("Reason").fill(reason)
    if number:
        page.get_by_role("radio", name=gives_back, exact=True).check()
        page.get_by_label("Last four digits").fill(number[-4:])
    page.get_by_role("button", name=action, exact=True).click()
    expect(page.locator("#line-live")).to_be_visible()


def expect_done(page: Page, words: str) -> None:
    """The line's page tells by itself that what was asked for is done."""
    expect(page.locator("#line-action")).to_contain_text(words, timeout=SLOW_MS)


def top_up(page: Page, package: str, *, method: str = "Cash") -> None:
    """On a line's page: what fits, one of it, the money; the order's page is there afterwards."""
    page.get_by_role("link", name="Top up", exact=True).click()
    page.get_by_role("radio", name=re.compile(re.escape(package))).first.check()
    page.get_by_label(method).check()
    page.get_by_role("button", name="Top up", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Order R-"))


def ask_provider(page: Page, slug: str, question: str, answer: str) -> None:
    """A question of the provider's page: a worker asks it, the page tells the answer when it is loaded again."""
    page.goto(f"/providers/{slug}/")
    page.get_by_role("button", name=question, exact=True).click()
    expect(page.get_by_text("It is asked for; what came of it shows on this page.")).to_be_visible()
    tasks = page.locator("section", has=page.get_by_role("heading", name="Ask the provider"))
    row = tasks.get_by_role("listitem").filter(has_text=question).first

    def is_answered() -> bool:
        page.reload()
        return "waiting" not in row.inner_text() and "running" not in row.inner_text()

    wait_for(question, is_answered)
    expect(row).to_contain_text(answer)


def expect_state(page: Page, state: str) -> None:
    """The line's page shows this state, sooner or later."""
    expect(page.locator("#state-title")).to_contain_text(state, timeout=SLOW_MS)


def click_until(link: Locator, is_there: Callable[[], bool]) -> None:
    """Without scripts a person loads the page again and again."""
    deadline = time.monotonic() + SLOW_MS / 1000
    while not is_there():
        assert time.monotonic() < deadline, link.page.content()
        time.sleep(0.3)
        # What is looked for may have come with the last load, and then the link is gone.
        if link.count():
            link.click()


def tab_to(target: Locator) -> None:
    """Press Tab until the target has the focus; every stop on the way shows where the focus is."""
    page = target.page
    expect(target).to_be_visible()
    # Before its style sheets are there a page shows no focus.
    page.wait_for_load_state()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        assert page.evaluate(SHOWS_FOCUS), page.evaluate("document.activeElement.outerHTML")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{target} is not reached with Tab")


def read_text(element: Locator) -> str:
    """Its text, seen or folded away, with plain spaces."""
    return (element.text_content() or "").replace("\xa0", " ").strip()


def read_iccid(page: Page) -> str:
    """The ICCID in the heading of a line's page."""
    return re.sub(r"\D", "", page.get_by_role("heading", level=1).inner_text())


def read_rows(page: Page, selector: str) -> list[Sequence[str]]:
    """The cells of a table's body, with plain spaces."""
    return [
        [read_text(cell) for cell in row.locator("th, td").all()] for row in page.locator(f"{selector} tbody tr").all()
    ]
