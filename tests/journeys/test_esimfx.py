"""Nomad eSIMfx, from its catalogue to the end of its lines: orders of one eSIM each, packages that wait in a queue, a
start by hand, a termination that pays back, a block.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from django.db.models import Count
from playwright.sync_api import Page, expect

from catalog.models import Plan, PriceRule
from catalog.pricing import save_rule
from esims.models import Esim, Package
from orders.models import Order, Purchase
from providers.account_tasks import find_webhook_address
from providers.models import ProviderAccount, WebhookDelivery
from providers.registry import get_provider
from providers.types import DataPeriod
from tests.browser import PHONE, Console
from tests.journeys import desk
from tests.journeys.desk import look_around, wait_for
from tests.journeys.office import Office
from tests.simulator_client import Simulator
from tests.simulator_esimfx import Esimfx

ACCOUNT, SLUG = "Nomad eSIMfx", "esimfx"
CATALOGUES = (ACCOUNT,)
MB = 1024**2


@pytest.fixture
def esimfx(simulator: Simulator, office: Office, transactional_db: None) -> Iterator[Esimfx]:
    """The account with a price rule, for the provider suggests no prices, and with our address in its portal."""
    account = ProviderAccount.objects.get(slug=SLUG)
    if not PriceRule.objects.exists():
        rule = PriceRule(name="eSIMfx", account=account, currency="USD", margin_percent=Decimal(50))
        save_rule(rule=rule, by=office.staff.email)
    provider = Esimfx(simulator)
    with office.know_providers():
        provider.configure_webhooks(find_webhook_address(get_provider(SLUG)), thresholds=[50, 80])
    yield provider
    assert not WebhookDelivery.objects.exclude(state__in=("new", "applied", "ignored")).exists()


def test_two_esims_two_orders_and_one_is_given_back(console: Console, esimfx: Esimfx, screenshots: Path) -> None:
    page = console.open("/providers/")
    before, balance = len(esimfx.orders()), esimfx.read_balance()
    desk.ask_provider(page, SLUG, "Read the balance", say_amount(balance))
    plan = find_plan()
    assert plan.net_price is not None
    assert plan.price_source.startswith("rule:")
    order = buy(page, plan, 2)
    look_around(page, "esimfx-order", screenshots)
    kept, given_back = list_lines(order)
    assert [(sold["plan"], sold["refs"]) for sold in esimfx.orders()[before:]] == [
        (plan.plan_ref, [line.iccid]) for line in sorted([kept, given_back], key=lambda line: line.created_at)
    ]
    assert Purchase.objects.filter(order_line__order=order, quantity=1, state="fulfilled").count() == 2

    page.goto(f"/esims/{given_back.pk}/")
    desk.ask_for(page, "Terminate the package", short="Terminate", reason="Stays at home", number=given_back.iccid)
    desk.expect_done(page, "The provider gives our money back.")
    desk.expect_state(page, "ended")
    expect(page.locator("#line-packages")).to_contain_text("terminated")
    look_around(page, "esimfx-terminated", screenshots)
    [package] = given_back.packages.all()
    assert package.package_ref in [effect["ref"] for effect in esimfx.effects("terminate")]
    assert esimfx.line(kept.iccid)["status"] == "PROVISIONED"
    # Two were bought, one package was given back: the fee of its eSIM was not.
    fee = Decimal("0.30")
    desk.ask_provider(page, SLUG, "Read the balance", say_amount(balance - plan.net_price - 2 * fee))


def test_packages_wait_start_and_end_on_one_line(console: Console, esimfx: Esimfx, screenshots: Path) -> None:
    page = console.open("/", viewport=PHONE, theme="dark")
    [esim] = list_lines(buy(page, find_plan(), 1))
    first = Package.objects.get(esim=esim)
    assert first.data_bytes is not None

    used = first.data_bytes * 6 // 10
    esimfx.use(esim.iccid, used)
    wait_for_state(esim, "active")
    wait_for("its use", lambda: Esim.objects.get(pk=esim.pk).total_used_bytes == used)
    assert set(WebhookDelivery.objects.values_list("word", flat=True)) == {"ACTIVATION", "DATA_USAGE"}
    for number in (2, 3):
        page.goto(f"/esims/{esim.pk}/")
        desk.top_up(page, first.name)
        expect(page.locator("#order-status")).to_contain_text("The line is topped up.", timeout=desk.SLOW_MS)
        wait_for("the package", partial(has_packages, esim, number))
    page.goto(f"/esims/{esim.pk}/")
    look_around(page, "esimfx-packages", screenshots)

    # What is used up is followed by the next that waits; the one after that is started by hand.
    esimfx.use(esim.iccid, first.data_bytes // 2)
    wait_for("the next package", lambda: list_statuses(esim) == ["ended", "active", "waiting"])
    page.goto(f"/esims/{esim.pk}/")
    desk.ask_for(page, "Start the package", short="Start", reason="Two phones share it")
    desk.expect_done(page, "The provider shows it on the line.")
    assert list_statuses(esim) == ["ended", "active", "active"]
    look_around(page, "esimfx-line", screenshots)

    desk.ask_for(page, "Block for good", reason="Phone stolen", number=esim.iccid)
    desk.expect_state(page, "ended")
    look_around(page, "esimfx-blocked", screenshots)
    assert esimfx.line(esim.iccid)["status"] == "BLOCKED"
    started = list(Package.objects.filter(esim=esim).order_by("pk").values_list("package_ref", flat=True))[2]
    asked = [(effect["kind"], effect["ref"]) for effect in esimfx.effects() if effect["kind"] in ("activate", "block")]
    assert asked == [("activate", started), ("block", esim.iccid)]


def find_plan() -> Plan:
    """A new one each time: 1 GB or more, for one country, in dollars."""
    plans = Plan.objects.filter(
        account__slug=SLUG, currency="USD", data_period=DataPeriod.TOTAL, data_bytes__gte=1024 * MB, order_lines=None
    )
    alone = plans.annotate(countries=Count("coverage")).filter(countries=1)
    return alone.order_by("data_bytes", "validity_days", "pk")[0]


def buy(page: Page, plan: Plan, quantity: int) -> Order:
    desk.begin_order(page, f"Mei Kato {quantity}")
    desk.choose_plan(page, plan.name, account=ACCOUNT)
    desk.say_how_many(page, str(quantity))
    desk.buy(page)
    desk.wait_for_esims(page, quantity)
    return Order.objects.latest("pk")


def list_lines(order: Order) -> list[Esim]:
    return list(Esim.objects.filter(purchased__purchase__order_line__order=order).order_by("pk"))


def say_amount(amount: Decimal) -> str:
    """As a task's result has it."""
    return f"{amount.normalize():f} USD"


def has_packages(esim: Esim, number: int) -> bool:
    return Package.objects.filter(esim=esim).count() == number


def list_statuses(esim: Esim) -> list[str]:
    return list(Package.objects.filter(esim=esim).order_by("pk").values_list("status", flat=True))


def wait_for_state(esim: Esim, state: str) -> None:
    wait_for(state, lambda: Esim.objects.filter(pk=esim.pk, state=state).exists())
