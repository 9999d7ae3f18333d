"""What goes wrong at the desk: a clear message where the person is, nothing lost, nothing bought, no traceback."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import PHONE, Console
from tests.journeys import desk
from tests.journeys.desk import ACCOUNT, SANDBOX_ACCOUNT, SLOW_MS, look_at
from tests.simulator_client import PRODUCTION, SANDBOX, Simulator

Books = dict[str, tuple[int, int]]


def read_books(simulator: Simulator) -> Books:
    """By system: how many orders the provider took, and how many order calls came."""
    return {
        system: (len(simulator.orders(system)), simulator.count_requests("order", system))
        for system in (PRODUCTION, SANDBOX)
    }


def expect_refusals(console: Console, status: int) -> None:
    """The browser notes answers that say no; nothing else may have gone wrong."""
    troubles = console.forget_troubles()
    assert troubles
    assert [trouble for trouble in troubles if f"with a status of {status}" not in trouble] == []


def draft(page: Page, plan: str, quantity: str = "2", *, account: str = SANDBOX_ACCOUNT) -> None:
    """A new order up to its payment; the customer is named after the destination."""
    desk.begin_order(page, f"Mr {plan.split(maxsplit=1)[0]}")
    desk.choose_plan(page, plan, account=account)
    desk.say_how_many(page, quantity)


def buy_line(page: Page, plan: str) -> str:
    """One eSIM, and its page; returns the ICCID."""
    draft(page, plan, "1")
    desk.buy(page)
    desk.wait_for_esims(page, 1)
    page.locator(".esim-card a").first.click()
    return desk.read_iccid(page)


def test_a_plan_vanishes_before_buying(console: Console, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/", viewport=PHONE)
    draft(page, "Nepal 2GB/day 30 Days")
    page.get_by_label("Cash").check()
    page.get_by_label("Note for colleagues").fill("Flies on Friday")
    before = read_books(simulator)
    simulator.remove_plans("ST0004", system=SANDBOX)
    desk.read_catalogue(console.open("/syncs/"), SANDBOX_ACCOUNT)

    page.get_by_role("button", name="Buy", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(
        "“Nepal 2GB/day 30 Days (ST0004)”: The provider no longer offers this plan. Choose another one."
    )
    look_at(page, "vanished-390", screenshots)
    # Another plan, and everything that was chosen and typed is still there.
    page.get_by_label("Name or code").fill("Mongolia")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Choose Mongolia").last.click()
    expect(page.locator(".chosen")).to_contain_text("Mr Nepal")
    expect(page.locator(".chosen")).to_contain_text("Quantity 2")
    expect(page.get_by_label("Cash")).to_be_checked()
    expect(page.get_by_label("Note for colleagues")).to_have_value("Flies on Friday")
    assert read_books(simulator) == before


def test_a_plan_vanishes_between_two_steps(console: Console, simulator: Simulator) -> None:
    page = console.open("/")
    desk.begin_order(page, "Sato Between")
    desk.choose_plan(page, "Laos 1GB/day 3 Days", account=ACCOUNT)
    simulator.remove_plans("KD0002")
    desk.read_catalogue(console.open("/syncs/"), ACCOUNT)
    desk.say_how_many(page, "3")
    expect(page.get_by_role("alert")).to_contain_text("The provider no longer offers this plan.")
    expect(page.get_by_text("No plan fits")).to_be_visible()
    look_at(page)
    page.get_by_role("link", name="Show all plans").click()
    page.get_by_role("link", name="Choose Thailand").first.click()
    expect(page.locator(".chosen")).to_contain_text("Quantity 3")
    expect(page.get_by_role("button", name="Buy", exact=True)).to_be_visible()


def test_a_plan_vanished_at_the_provider_alone(console: Console, simulator: Simulator) -> None:
    """Nobody has read the catalogue since: the provider says no to the paid order, and the money is owed back."""
    page = console.open("/")
    draft(page, "Cambodia 3GB 15 Days")
    sold = len(simulator.orders(SANDBOX))
    simulator.remove_plans("ST0003", system=SANDBOX)
    desk.buy(page)
    expect(page.locator("#order-status")).to_contain_text("No eSIM came.", timeout=SLOW_MS)
    live = page.locator("#live")
    expect(live).to_contain_text("Refused for good: nothing was bought.")
    expect(live).to_contain_text("There is no plan ST0003")
    expect(live).to_contain_text("11.98 EUR is owed back to the customer.")
    look_at(page)
    assert len(simulator.orders(SANDBOX)) == sold
    page.get_by_role("link", name="Refunds", exact=True).last.click()
    expect(page.get_by_role("row", name="Mr Cambodia")).to_contain_text("11.98 EUR")


def test_the_price_changes_before_buying(console: Console, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/")
    draft(page, "Australia 20GB 30 Days")
    page.get_by_label("Card terminal").check()
    page.get_by_label("Note for colleagues").fill("Regular")
    before = read_books(simulator)
    simulator.change_plan("OP0001", system=SANDBOX, suggestedRetailPrice="23.50")
    desk.read_catalogue(console.open("/syncs/"), SANDBOX_ACCOUNT)

    page.get_by_role("button", name="Buy", exact=True).click()
    expect(page.get_by_text("The price changed while you were here. Nothing was bought.")).to_be_visible()
    expect(page.locator(".notice-warn").first).to_contain_text("Each: 21.99 EUR before, 23.50 EUR now.")
    expect(page.locator(".notice-warn").first).to_contain_text("In all: 43.98 EUR before, 47.00 EUR now.")
    expect(page.get_by_label("Card terminal")).to_be_checked()
    expect(page.get_by_label("Note for colleagues")).to_have_value("Regular")
    look_at(page, "new-price-1280", screenshots)
    assert read_books(simulator) == before
    expect_refusals(console, 409)

    page.get_by_role("button", name="Buy", exact=True).click()
    desk.wait_for_esims(page, 2)
    expect(page.locator("#live")).to_contain_text("47.00 EUR")
    assert read_books(simulator)[SANDBOX] == (before[SANDBOX][0] + 1, before[SANDBOX][1] + 1)


def test_quantities_that_are_none(console: Console, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/", viewport=PHONE)
    before = read_books(simulator)
    draft(page, "Fiji 500MB/day 15 Days", "0")
    field = page.get_by_label("How many eSIMs")
    for typed, message in (
        ("0", "At least one eSIM."),
        ("1001", "At most 1000 eSIMs in one order."),
        ("abc", "Type a whole number, such as 2."),
        ("", "Say how many eSIMs."),
        ("-2", "At least one eSIM."),
        ("2.5", "Type a whole number, such as 2."),
    ):
        desk.say_how_many(page, typed)
        expect(page.locator(".field-error")).to_have_text(message)
        expect(field).to_have_value(typed)
        look_at(page)
    look_at(page, "quantity-390", screenshots)
    expect_refusals(console, 422)
    desk.say_how_many(page, "1000")
    expect(page.locator(".sum-total")).to_have_text("9,990.00\u00a0EUR")
    assert read_books(simulator) == before


def test_a_refresh_after_buying(console: Console, simulator: Simulator) -> None:
    page = console.open("/")
    draft(page, "Guam 1GB 30 Days", "1")
    before = read_books(simulator)
    desk.buy(page)
    placed = page.url
    page.reload()
    assert page.url == placed
    desk.wait_for_esims(page, 1)
    page.reload()
    # Back to the form, whether the browser kept it or asks for it again, and once more.
    page.go_back()
    if page.get_by_role("button", name="Buy", exact=True).is_visible():
        page.reload()
    expect(page.get_by_text("This order was placed already: here it is.")).to_be_visible()
    assert page.url == placed
    assert read_books(simulator)[SANDBOX] == (before[SANDBOX][0] + 1, before[SANDBOX][1] + 1)


def test_an_unpaid_order_is_not_bought(console: Console, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/")
    draft(page, "Mexico 500MB/day 7 Days")
    before = read_books(simulator)
    desk.buy(page, method="Leave unpaid")
    expect(page.locator("#order-status")).to_contain_text("Nothing is bought before it is paid.")
    look_at(page, "unpaid-1280", screenshots)
    page.get_by_label("Cash").check()
    page.get_by_label("Amount").fill("9.99")
    page.get_by_role("button", name="Paid: 19.98").click()
    expect(page.locator(".field-error")).to_contain_text("The amount to be paid is exactly 19.98")
    expect(page.get_by_label("Cash")).to_be_checked()
    expect_refusals(console, 422)
    # Two looks of the dispatcher later there is still nothing.
    page.wait_for_timeout(2000)
    assert read_books(simulator) == before

    page.get_by_label("Amount").fill("19.98")
    page.get_by_role("button", name="Paid: 19.98").dblclick()
    desk.wait_for_esims(page, 2)
    assert read_books(simulator)[SANDBOX] == (before[SANDBOX][0] + 1, before[SANDBOX][1] + 1)


def test_an_iccid_that_is_not_digits(console: Console, simulator: Simulator) -> None:
    page = console.open("/esims/")
    for typed in ("89O0 1017 952E", "☃", "9" * 200):
        page.get_by_label("ICCID or its last digits").fill(typed)
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.get_by_text("No line matches this")).to_be_visible()
        expect(page.get_by_text("Try the last four or more digits of the ICCID")).to_be_visible()
        look_at(page)
    for address, message in (
        ("89O01017952365230B3", "An ICCID has 18 to 22 digits."),
        ("8900101795236523999", "No line with this ICCID is in our books."),
    ):
        page.goto(f"/esims/iccid/{address}/")
        expect(page.locator("main")).to_contain_text(message)
        look_at(page)
    expect_refusals(console, 404)


def test_a_suspend_on_a_line_that_has_just_ended(console: Console, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/", viewport=PHONE, theme="dark")
    iccid = buy_line(page, "Peru 500MB/day 3 Days")
    page.get_by_role("link", name="Suspend", exact=True).click()
    page.get_by_label("Reason").fill("Stolen")
    simulator.change_line(iccid, "terminate", SANDBOX)
    page.get_by_role("button", name="Suspend", exact=True).click()
    expect(page.locator("#line-live")).to_contain_text("Nothing was sent. The line has ended", timeout=SLOW_MS)
    desk.expect_state(page, "ended")
    expect(page.locator("#line-timeline")).to_contain_text("Stolen")
    look_at(page, "ended-390-dark", screenshots)
    assert [effect for effect in simulator.effects(SANDBOX) if effect["ref"] == iccid] == []
    assert [call for call in simulator.requests("control", SANDBOX) if iccid in call["path"]] == []
    # Now the button says it beforehand.
    page.reload()
    expect(page.get_by_role("button", name="Suspend", exact=True)).to_be_disabled()


def test_half_an_answer_to_an_order(console: Console, simulator: Simulator) -> None:
    """What can be read of it names the transaction: the provider is asked, and nothing is ordered again."""
    page = console.open("/")
    draft(page, "Brazil 20GB 180 Days")
    before = read_books(simulator)
    simulator.order_fault("wrong_json", "order", system=SANDBOX)
    desk.buy(page)
    desk.wait_for_esims(page, 2)
    expect(page.locator("#live")).to_contain_text("The reply to the order is not JSON")
    assert read_books(simulator)[SANDBOX] == (before[SANDBOX][0] + 1, before[SANDBOX][1] + 1)
    truth = [simulator.line(iccid, SANDBOX)["qrCode"] for iccid in simulator.orders(SANDBOX)[-1]["refs"]]
    assert sorted(desk.scan_codes(page)) == sorted(truth)


def test_nonsense_for_an_order(console: Console, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/")
    draft(page, "Colombia 10GB 30 Days")
    before = read_books(simulator)
    simulator.order_fault("html_body", "order", system=SANDBOX)
    desk.buy(page)
    notice = page.locator("#live .notice-danger")
    expect(notice).to_contain_text("it may have been bought, or not. It is never sent again", timeout=SLOW_MS)
    look_at(page, "unknown-1280", screenshots)
    page.get_by_role("link", name="Reconciliation", exact=True).first.click()
    item = page.locator(".queue-item").filter(has_text="Colombia 10GB 30 Days")
    expect(item).to_contain_text("Mr Colombia")
    item.get_by_role("link", name="Evidence and decision").click()
    # What is no ICCID is not entered.
    page.get_by_role("link", name="Enter the lines").click()
    page.get_by_label("ICCIDs").fill("8900 1017 9523 6523 O03\nhello")
    page.get_by_role("button", name="Enter the lines").click()
    expect(page.locator(".field-error")).to_have_text(
        "An ICCID is 18 to 22 digits. This is none: 8900101795236523O03, hello"
    )
    look_at(page, "no-iccid-1280", screenshots)
    expect_refusals(console, 422)
    # The provider sold them, and was asked once.
    assert read_books(simulator)[SANDBOX] == (before[SANDBOX][0] + 1, before[SANDBOX][1] + 1)
    page.get_by_label("ICCIDs").fill("\n".join(simulator.orders(SANDBOX)[-1]["refs"]))
    page.get_by_role("button", name="Enter the lines").click()
    expect(page.get_by_text("The lines are entered and are being read.")).to_be_visible()
    expect(page.get_by_text("All eSIMs have come.")).to_be_visible()


@pytest.mark.parametrize("kind", ["wrong_json", "html_body"])
def test_nonsense_about_a_line(console: Console, simulator: Simulator, kind: str) -> None:
    page = console.open("/")
    iccid = buy_line(page, {"wrong_json": "Iceland 500MB/day 5 Days", "html_body": "Denmark 500MB/day 10 Days"}[kind])
    simulator.use_data(iccid, 300 * 1024, system=SANDBOX)
    page.get_by_role("button", name="Refresh now").click()
    expect(page.locator("#line-usage")).to_contain_text("300\u00a0MB", timeout=SLOW_MS)
    simulator.order_fault(kind, "status", system=SANDBOX, times=None)
    simulator.use_data(iccid, 100 * 1024, system=SANDBOX)
    page.get_by_role("button", name="Refresh now").click()
    live = page.locator("#line-live")
    expect(live).to_contain_text("The last attempt to read the line failed; what you see is older.", timeout=SLOW_MS)
    expect(page.locator("#line-usage")).to_contain_text("300\u00a0MB")
    desk.expect_state(page, "active")
    look_at(page)
    simulator.forget_faults()
    page.get_by_role("button", name="Refresh now").click()
    expect(page.locator("#line-usage")).to_contain_text("400\u00a0MB", timeout=SLOW_MS)
    expect(live).not_to_contain_text("The last attempt to read the line failed")
