"""The order side in a real browser: every page in both themes and widths, and an order that fills in live."""

import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import connection
from playwright.sync_api import expect

from esims.models import Esim
from orders.giving_back import owe_return
from orders.models import Order, Purchase, Refund
from orders.purchasing import run_purchase
from orders.reconciliation import give_up_purchase
from orders.refunds import record_refund_made
from orders.replacing import replace_line
from tests.browser import Console, find_faults_of
from tests.orders.desk import DECIDER, buy
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan, pay

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def office(wholesaler: Wholesaler) -> Iterator[dict[str, str]]:
    """A day at the desk: something of everything. Page → its address."""
    mia = make_customer(
        name="Mia Sato", email="mia@example.com", phone="+819012345678", country="JP", note="Twice a year"
    )
    firm = make_customer(name="Jonas Weber", company="Weber Reisen GmbH", email="jonas@weber-reisen.example")
    japan = make_fake_plan(
        name="Japan unlimited, 2 GB a day at full speed",
        data_period="day",
        data_bytes=2 * 1024**3,
        validity_info="From the first connection in the country",
        activation_info="By itself, with the first connection",
        restrictions="No calls. Fair use applies.",
        kyc_required=True,
        tethering=True,
    )
    asia = make_fake_plan("fake-single", name="Asia 5 GB", covers=["JP:home", "KR:roaming", "TW:roaming", "TH:roaming"])
    bought = order_plan(japan, 2, customer=mia)
    pay(bought)
    run_purchase(purchase_id=Purchase.objects.get(order_line__order=bought).pk)
    boss = make_user(*DECIDER, "orders.give_back", "orders.replace")
    wholesaler.plan_orders("lost_before")
    lost = buy(3, "fake-blind", name="Korea 3 GB")
    wholesaler.plan_orders("no_balance")
    held = buy(2, name="Taiwan 1 GB")
    wholesaler.plan_orders("refused")
    buy(1, name="Thailand 1 GB")
    wholesaler.plan_orders("no_balance")
    given_up = buy(1, name="Vietnam 1 GB")
    give_up_purchase(purchase=Purchase.objects.get(order_line__order=given_up), why="Sold out for weeks", by=boss)
    record_refund_made(
        refund=Refund.objects.get(purchase__order_line__order=given_up), method="transfer", reference="T-4711", by=boss
    )
    unpaid = order_plan(asia, 25, customer=firm)
    many = buy(30, name="Singapore 1 GB")
    first, second = Esim.objects.filter(purchased__purchase__order_line__order=bought).order_by("pk")[:2]
    returned = owe_return(
        purchase=Purchase.objects.get(delivered__esim=first),
        esim=first,
        amount=Decimal("2.50"),
        reason="It had no network on the first day",
        form_key=uuid.uuid4(),
        by=boss,
    )
    replacing = replace_line(
        esim=second, plan=second.plan, reason="It never found a network", checkout_key=uuid.uuid4(), by=boss
    )
    run_purchase(purchase_id=Purchase.objects.get(order_line__order=replacing).pk)
    other = Esim.objects.filter(purchased__purchase__order_line__order=many).order_by("pk")[0]
    start = f"/orders/new/?customer={mia.pk}"
    yield {
        "dashboard": "/",
        "orders": "/orders/",
        "no-orders": "/orders/?q=nobody",
        "order": f"/orders/{bought.pk}/",
        "order-unpaid": f"/orders/{unpaid.pk}/",
        "order-unknown": f"/orders/{lost.pk}/",
        "order-many": f"/orders/{many.pk}/",
        "order-esims": f"/orders/{many.pk}/esims/",
        "order-codes": f"/orders/{many.pk}/codes/",
        "order-cancel": f"/orders/{unpaid.pk}/cancel/",
        "wizard-customer": "/orders/new/?find=a",
        "wizard-plan": start,
        "wizard-quantity": f"{start}&plan={japan.pk}&quantity=0&step=quantity",
        "wizard-confirm": f"{start}&plan={japan.pk}&quantity=2",
        "queue": "/purchases/",
        "purchase": f"/purchases/{Purchase.objects.get(order_line__order=lost).pk}/",
        "purchase-held": f"/purchases/{Purchase.objects.get(order_line__order=held).pk}/",
        "decide": f"/purchases/{Purchase.objects.get(order_line__order=lost).pk}/not-bought/",
        "refunds": "/refunds/",
        "refunds-made": "/refunds/?state=made",
        "refund-made": f"/refunds/{returned.pk}/made/",
        "refund-drop": f"/refunds/{returned.pk}/drop/",
        "line-given-back": f"/esims/{returned.esim_id}/",
        "give-back": f"/esims/{other.pk}/give-back/",
        "replace": f"/esims/{other.pk}/replace/",
        "give-back-replaced": f"/esims/{second.pk}/give-back/",
        "replace-given-back": f"/esims/{first.pk}/replace/",
        "order-replacing": f"/orders/{replacing.pk}/",
        "order-replaced": f"/orders/{bought.pk}/",
        "customer": f"/customers/{mia.pk}/",
        "providers": "/providers/",
        "provider": "/providers/fake/",
    }


@pytest.mark.looks
def test_every_page_fits_and_is_accessible(console: Console, office: dict[str, str]) -> None:
    page = console.open("/me/", enforce_csp=False)
    found = find_faults_of(page, office, "orders")
    # A quantity of 0 is answered with 422, which the browser's console notes.
    troubles = [trouble for trouble in console.forget_troubles() if "422" not in trouble]
    assert found + troubles == []


def test_an_order_fills_in_live_and_then_is_left_alone(console: Console, wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan(), 2)
    pay(order)
    page = console.open(f"/orders/{order.pk}/")
    expect(page.locator("#order-status")).to_contain_text("0 of 2 eSIMs are here.")
    expect(page.get_by_text("Fills in by itself")).to_be_visible()
    purchase = Purchase.objects.get()

    def work() -> None:
        try:
            run_purchase(purchase_id=purchase.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(timeout=30)
    expect(page.locator("#order-status")).to_contain_text("All 2 eSIMs are here.")
    expect(page.locator(".esim-card img")).to_have_count(2)
    assert page.locator("#live").get_attribute("hx-get") is None
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []
    for image in page.locator(".esim-card img").all():
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")


def test_the_whole_way_with_the_keyboard_and_without_scripts(console: Console, wholesaler: Wholesaler) -> None:
    make_fake_plan(name="Japan 1 GB")
    page = console.open("/orders/new/", scripts=False)
    page.get_by_label("Name").fill("Mia Sato")
    page.get_by_role("button", name="Add and go on").press("Enter")
    page.get_by_role("link", name="Choose Japan 1 GB").press("Enter")
    page.get_by_label("How many eSIMs").fill("two")
    page.get_by_label("How many eSIMs").press("Enter")
    expect(page.locator(".field-error")).to_have_text("Type a whole number, such as 2.")
    expect(page.get_by_label("How many eSIMs")).to_have_value("two")
    page.get_by_label("How many eSIMs").fill("2")
    page.get_by_label("How many eSIMs").press("Enter")
    page.get_by_label("Cash").press("Space")
    page.get_by_role("button", name="Buy").press("Enter")
    expect(page.locator("#order-status")).to_contain_text("being bought")
    order = Order.objects.get()
    assert order.total == Decimal(12)
    run_purchase(purchase_id=Purchase.objects.get().pk)
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#order-status")).to_contain_text("All 2 eSIMs are here.")
    assert Esim.objects.count() == 2
    console.forget_troubles()


def test_a_double_click_on_buy_makes_one_order(console: Console, wholesaler: Wholesaler) -> None:
    customer, plan = make_customer(), make_fake_plan()
    page = console.open(f"/orders/new/?customer={customer.pk}&plan={plan.pk}&quantity=2")
    page.get_by_label("Cash").check()
    page.get_by_role("button", name="Buy").dblclick()
    expect(page.locator("#order-status")).to_be_visible()
    page.go_back()
    expect(page.locator("#order-status")).to_be_visible()
    assert Order.objects.count() == 1
    assert Purchase.objects.count() == 1
