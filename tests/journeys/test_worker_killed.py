"""A worker dies while an order is on the wire: staff see it, nothing is ordered twice, and its eSIMs come after all."""

from pathlib import Path

from playwright.sync_api import expect

from orders.models import Purchase
from tests.browser import Console
from tests.journeys import desk
from tests.journeys.desk import ACCOUNT, SLOW_MS, look_at
from tests.journeys.office import Office
from tests.orders.making import make_overdue
from tests.simulator_client import Simulator


def test_the_order_of_a_dead_worker(console: Console, office: Office, simulator: Simulator, screenshots: Path) -> None:
    page = console.open("/")
    desk.begin_order(page, "Emi Ito")
    # Only production can be asked what it sold.
    desk.choose_plan(page, "Thailand 1GB/day 1 Day", account=ACCOUNT)
    desk.say_how_many(page, "2")
    simulator.order_fault("delay_after", "order", seconds=6)
    desk.buy(page)
    order_page = page.url
    office.wait_for(simulator.orders, office.worker)
    purchase = Purchase.objects.get()
    assert purchase.state == Purchase.State.SENDING
    office.worker.kill()
    [sold] = simulator.orders()

    office.start_worker()
    # The reply has gone to nobody. The deadline is minutes away: as if they had passed. ``dispatch`` finds it.
    make_overdue(purchase)
    notice = page.locator("#live .notice-danger")
    expect(notice).to_contain_text("It is never sent again by itself.", timeout=SLOW_MS)
    look_at(page, "killed-order", screenshots)
    page.get_by_role("link", name="Dashboard", exact=True).first.click()
    expect(page.get_by_role("link", name="Purchase with unknown outcome")).to_be_visible()
    look_at(page, "killed-dashboard", screenshots)
    page.get_by_role("link", name="Purchase with unknown outcome").click()
    item = page.locator(".queue-item")
    expect(item).to_have_count(1)
    expect(item).to_contain_text("Thailand 1GB/day 1 Day")
    expect(item).to_contain_text("outcome unknown")
    look_at(page, "killed-queue", screenshots)
    assert (len(simulator.orders()), simulator.count_requests("order")) == (1, 1)

    # A person finds the sale in the provider's portal.
    item.get_by_role("link", name="Evidence and decision").click()
    look_at(page, "killed-purchase", screenshots)
    page.get_by_role("link", name="Enter the transaction id").click()
    page.get_by_label("Transaction id").fill(f" {sold['reference']} ")
    page.get_by_label("Remark").fill("Seen in the portal")
    look_at(page)
    page.get_by_role("button", name="Enter the transaction id").click()
    expect(page.get_by_text("The transaction is entered; the provider is being asked.")).to_be_visible()
    page.goto(order_page)
    desk.wait_for_esims(page, 2)
    truth = [simulator.line(iccid)["qrCode"] for iccid in sold["refs"]]
    assert sorted(desk.scan_codes(page)) == sorted(truth)
    expect(page.locator(".timeline")).to_contain_text("Seen in the portal")
    look_at(page, "killed-mended", screenshots)
    assert (len(simulator.orders()), simulator.count_requests("order")) == (1, 1)
    assert simulator.count_requests("transaction") == 1
    page.goto("/purchases/")
    expect(page.get_by_text("Nothing waits here")).to_be_visible()
