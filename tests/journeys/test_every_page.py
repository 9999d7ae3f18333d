"""Every page of the console with data on it: it fits, in both themes and at both widths, and axe finds nothing."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from catalog.models import Plan, SyncRun
from customers.customers import create_customer
from esims.models import Esim
from esims.refresh import request_refresh
from esims.states import japan_today
from esims.usage import set_simulated_usage
from orders.comparing import request_comparison
from orders.models import Comparison, Order, Purchase
from tests.browser import LOOKS, Console, find_faults
from tests.esims.making import MB
from tests.journeys.office import TRACEBACK, Office
from tests.orders.making import order_plan, pay
from tests.simulator_client import SANDBOX

Addresses = Mapping[str, str]
PAGES = [
    *("dashboard", "orders", "order", "order-unpaid", "order-unknown"),
    *("wizard-customer", "wizard-plan", "wizard-quantity", "wizard-payment"),
    *("plans", "plan", "compare", "esims", "esim", "customers", "customer", "search", "purchases"),
    *("queue", "purchase", "refunds", "syncs", "sync", "differences", "comparison", "providers", "provider", "me"),
    *("devices", "device-enter", "device-import"),
    *("staff", "staff-person", "staff-invite", "sign-ins"),
]


@pytest.fixture(scope="module")
def addresses(office: Office) -> Addresses:
    """A morning at the desk: something of everything, through the real flows. Page → its address."""
    with office.know_providers():
        order = sell(office, "SK0001", 2, "Aoi Mori")
        unpaid = sell(office, "CH0001", 1, "Ben Weber", paid=False)
        unknown = trouble(office, "CM0001", "Chiyo Abe", kind="html_body")
        trouble(office, "UK0001", "Dora Stein", kind="refuse", reason="insufficient_balance")
        trouble(office, "CM0002", "Emi Ito", kind="status_before", status=400, code="BLOCKED", message="Plan blocked")
        wait_for(lambda: Purchase.objects.filter(state__in=("planned", "sending", "allocating")).count() == 0)
        esim = Esim.objects.latest("pk")
        office.simulator.connect_line(esim.iccid, SANDBOX)
        days = {japan_today() - timedelta(days=back): (3 + back) * 40 * MB for back in range(9) if back != 4}
        set_simulated_usage(esim=esim, days=days, by="rika@desk.example")
        request_refresh(esim=esim, by="rika@desk.example")
        wait_for(lambda: Esim.objects.get(pk=esim.pk).state == "active")
        run = request_comparison(account=esim.account, asked_by="rika@desk.example")
        wait_for(lambda: Comparison.objects.get(pk=run.pk).state == "succeeded")
    assert sorted(Purchase.objects.values_list("state", flat=True)) == ["fulfilled", "held", "rejected", "unknown"]
    plans = [plan.pk for plan in Plan.objects.filter(account__slug="esim-commerce")[:4]]
    start = f"/orders/new/?customer={order.customer_id}&plan={plans[0]}"
    return {
        "dashboard": "/",
        "orders": "/orders/",
        "order": f"/orders/{order.pk}/",
        "order-unpaid": f"/orders/{unpaid.pk}/",
        "order-unknown": f"/orders/{unknown.pk}/",
        "wizard-customer": "/orders/new/?find=a",
        "wizard-plan": f"/orders/new/?customer={order.customer_id}",
        "wizard-quantity": f"{start}&step=quantity",
        "wizard-payment": f"{start}&quantity=2",
        "plans": "/plans/",
        "plan": f"/plans/{plans[0]}/",
        "compare": "/plans/compare/?" + "&".join(f"plan={plan}" for plan in plans),
        "esims": "/esims/",
        "esim": f"/esims/{esim.pk}/",
        "customers": "/customers/",
        "customer": f"/customers/{order.customer_id}/",
        "search": "/search/?q=mori",
        "purchases": "/purchases/all/",
        "queue": "/purchases/",
        "purchase": f"/purchases/{Purchase.objects.get(state='unknown').pk}/",
        "refunds": "/refunds/",
        "syncs": "/syncs/",
        "sync": f"/syncs/{SyncRun.objects.latest('pk').pk}/",
        "differences": "/differences/",
        "comparison": f"/comparisons/{run.pk}/",
        "providers": "/providers/",
        "provider": "/providers/esim-commerce-sandbox/",
        "me": "/me/",
        "devices": "/devices/",
        "device-enter": "/devices/enter/",
        "device-import": "/devices/import/",
        "staff": "/staff/",
        "staff-person": f"/staff/{office.staff.pk}/",
        "staff-invite": "/staff/invite/",
        "sign-ins": "/me/sign-ins/",
    }


def sell(office: Office, plan_ref: str, quantity: int, name: str, *, paid: bool = True) -> Order:
    customer = create_customer(name=name, email=f"{name.lower().replace(' ', '.')}@example.jp", by=office.staff)
    plan = Plan.objects.get(account__slug="esim-commerce-sandbox", plan_ref=plan_ref)
    order = order_plan(plan, quantity, by=office.staff, customer=customer)
    if paid:
        pay(order, by=office.staff)
    return order


def trouble(office: Office, plan_ref: str, name: str, **fault: Any) -> Order:
    """An order of three that the provider answers badly."""
    office.simulator.order_fault(endpoint="order", system=SANDBOX, match={"planCode": plan_ref}, **fault)
    return sell(office, plan_ref, 3, name)


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.looks
def test_a_page(console: Console, addresses: Addresses, name: str) -> None:
    page = console.open(addresses[name], enforce_csp=False)
    if name == "esim":
        expect(page.get_by_text("Being read from the provider.")).to_have_count(0)
    assert TRACEBACK not in page.content()
    assert find_faults(page, name, looks=LOOKS) == []


def test_the_sign_in_page(console: Console) -> None:
    page = console.open("/accounts/login/", signed_in=False, enforce_csp=False)
    assert find_faults(page, "sign-in", looks=LOOKS) == []
    page.get_by_label("Email").fill("nobody@desk.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert find_faults(page, "sign-in", looks=LOOKS) == []
