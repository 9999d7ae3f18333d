"""A bulk order in a real browser: pasted, mended, confirmed with two clicks, watched, and not bought again."""

import threading

import pytest
from django.db import connection
from playwright.sync_api import expect

from customers.models import Customer
from orders.bulk_order_running import run_due_bulks
from orders.models import Order, Payment
from tests.browser import DESKTOP, PHONE, Console, Viewport, find_faults
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def work() -> None:
    """A worker comes by."""

    def run() -> None:
        try:
            run_due_bulks(seconds=60)
        finally:
            connection.close()

    worker = threading.Thread(target=run)
    worker.start()
    worker.join(timeout=30)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=str)
def test_a_bulk_order(console: Console, wholesaler: Wholesaler, viewport: Viewport) -> None:
    plan = make_fake_plan(name="Japan 5 GB")
    faulty = (
        f"Name\tE-mail\tPlan\tQty\nAoi Mori\taoi@\t{plan.plan_ref}\t2\nBen Weber\tben@example.com\t{plan.plan_ref}\t1"
    )
    page = console.open("/orders/", viewport=viewport, enforce_csp=False)
    page.get_by_role("link", name="Order from a list").click()
    faults: list[str] = []

    def look(name: str) -> None:
        faults.extend(find_faults(page, f"bulk-{name}", looks=[(viewport, "light"), (viewport, "dark")]))

    def give(text: str) -> None:
        page.get_by_label("Or paste the rows here").fill(text)
        page.get_by_label("Cash").check()
        page.get_by_role("button", name="Check the list").click()

    look("new")
    give(faulty)
    expect(page.get_by_text("The e-mail address is not valid.")).to_be_visible()
    expect(page.get_by_role("button", name="now")).to_have_count(0)
    look("faulty")
    page.get_by_role("link", name="Upload it again").click()
    good = faulty.replace("aoi@", "aoi@example.jp")
    give(good)
    look("checked")
    page.get_by_role("button", name="Order all 2 rows now").dblclick()
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    assert not Order.objects.exists()
    page.evaluate("window.hasStayed = true")
    work()
    expect(page.get_by_text("Every row is ordered.")).to_be_visible()
    assert page.evaluate("window.hasStayed") is True
    look("done")
    page.goto("/bulk-orders/new/")
    give(good)
    expect(page.get_by_text("The same list has run already")).to_be_visible()
    look("again")
    assert faults == []
    assert (Customer.objects.count(), Order.objects.count(), Payment.objects.count()) == (2, 2, 2)
