"""eSIM Access, from its catalogue to the end of its lines: a batch that comes by webhook, use, a top-up, every action;
and a plan of which the customer chooses the days.
"""

from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Count
from playwright.sync_api import Page, expect

from catalog.models import Plan
from esims.models import Esim, LineAction
from orders.models import Order, Refund
from providers.account_tasks import find_webhook_address, request_task
from providers.models import AccountTask, ProviderAccount, ProviderRegion, WebhookDelivery
from providers.registry import get_provider
from tests.browser import PHONE, Console
from tests.journeys import desk
from tests.journeys.desk import look_around, wait_for
from tests.journeys.office import Office
from tests.simulator_access import Access
from tests.simulator_client import Simulator

ACCOUNT, SLUG = "eSIM Access", "esim-access"
CATALOGUES = (ACCOUNT,)
MB = 1024**2


@pytest.fixture
def access(simulator: Simulator, office: Office, transactional_db: None) -> Access:
    """The account, which calls the office: a job told it where."""
    if not WebhookDelivery.objects.filter(account__slug=SLUG, word="CHECK_HEALTH").exists():
        with office.know_providers():
            account = ProviderAccount.objects.get(slug=SLUG)
            task = request_task(account=account, kind=AccountTask.Kind.WEBHOOK_SAVE, asked_by=office.staff.email)
        wait_for("the address", lambda: AccountTask.objects.get(pk=task.pk).state == AccountTask.State.DONE)
    return Access(simulator)


def test_a_batch_comes_by_webhook_and_two_lines_are_given_back(
    console: Console, office: Office, access: Access, screenshots: Path
) -> None:
    before = len(access.orders())
    page = console.open("/providers/")
    ask_questions(page, office, access, screenshots)
    plan = find_plan(by_day=False)
    order = buy(page, plan, 3, screenshots)
    waits, cancelled, revoked = list_lines(order)

    page.goto(f"/esims/{cancelled.pk}/")
    desk.ask_for(
        page, "Cancel the line", reason="One guest stays at home", number=cancelled.iccid, gives_back="All of it"
    )
    desk.expect_done(page, "The provider gives our money back.")
    desk.expect_state(page, "cancelled")
    wait_for(
        "what the guest gets back",
        lambda: Refund.objects.filter(esim=cancelled, kind="returned", state="due").exists(),
    )
    access.change_line(revoked.provider_ref, "install")
    wait_for_state(revoked, "installed")
    page.goto(f"/esims/{revoked.pk}/")
    desk.ask_for(page, "Send an SMS", reason="Nobody answers the phone", sms="Is this phone yours?")
    desk.expect_done(page, "The provider took it")
    desk.ask_for(page, "Revoke for good", reason="Sent to the wrong address", number=revoked.iccid)
    desk.expect_done(page, "The provider gives no money back.")
    desk.expect_state(page, "ended")
    look_around(page, "access-revoked", screenshots)

    [sold] = access.orders()[before:]
    refs = [waits.provider_ref, cancelled.provider_ref, revoked.provider_ref]
    assert (sold["plan"], sold["quantity"], sorted(sold["refs"])) == (plan.plan_ref, 3, sorted(refs))
    done = [(effect["kind"], effect["ref"]) for effect in access.effects() if effect["ref"] in refs]
    assert done == [("cancel", refs[1]), ("sms", refs[2]), ("revoke", refs[2])]
    assert order.lines.get().unit_price == plan.retail_price
    assert [esim.state for esim in list_lines(order)] == ["ready", "cancelled", "terminated"]


def test_a_line_from_its_installation_to_its_end(console: Console, access: Access, screenshots: Path) -> None:
    page = console.open("/", viewport=PHONE, theme="dark")
    [esim] = list_lines(buy(page, find_plan(by_day=False), 1))
    use_line(page, access, esim, screenshots)
    act_on_line(page, esim)
    top_up(page, access, esim, screenshots)
    access.change_line(esim.provider_ref, "expire")
    wait_for_state(esim, "expired")
    page.goto(f"/esims/{esim.pk}/")
    desk.expect_state(page, "expired")
    look_around(page, "access-ended", screenshots)
    done = [effect["kind"] for effect in access.effects() if effect["ref"] == esim.provider_ref]
    assert done == ["suspend", "unsuspend", "topup"]
    assert set(esim.actions.values_list("state", flat=True)) == {LineAction.State.CONFIRMED}


def ask_questions(page: Page, office: Office, access: Access, screenshots: Path) -> None:
    """The provider calls our address while it is told it; balance and regions come by jobs as well."""
    desk.ask_provider(page, SLUG, "Set the webhook address", "our address is set")
    with office.know_providers():
        address = find_webhook_address(get_provider(SLUG))
    told = access.effects("webhook")
    assert len(told) == 2
    assert [effect["detail"] for effect in told] == [{"webhook": address}] * 2
    desk.ask_provider(page, SLUG, "Read the balance", f"{Decimal(access.balance()) / 10_000:f} USD")
    desk.ask_provider(page, SLUG, "Read the regions", "regions")
    assert ProviderRegion.objects.filter(account__slug=SLUG, is_multi=True).exists()
    assert address.rpartition("/hooks/")[2].split("/")[1] not in page.content()
    look_around(page, "access-provider", screenshots)


def find_plan(*, by_day: bool) -> Plan:
    """One for Japan alone; one with an allowance can be topped up, and its lines take SMS."""
    plans = Plan.objects.filter(account__slug=SLUG, kind=Plan.Kind.ESIM, days_choice_max__isnull=not by_day)
    if not by_day:
        plans = plans.filter(top_up_supported=True, api_sms=True, data_bytes__gte=1024 * MB)
    alone = plans.annotate(countries=Count("coverage")).filter(countries=1)
    return alone.order_by("validity_days", "pk")[0]


def buy(page: Page, plan: Plan, quantity: int, screenshots: Path | None = None) -> Order:
    """The order's own reply holds no lines: the provider tells when they are there."""
    before = WebhookDelivery.objects.filter(word="ORDER_STATUS").count()
    desk.begin_order(page, f"Aoi Mori {quantity}")
    desk.choose_plan(page, plan.name, account=ACCOUNT)
    desk.say_how_many(page, str(quantity))
    desk.buy(page)
    desk.wait_for_esims(page, quantity)
    look_around(page, "access-order" if screenshots else "", screenshots)
    told = WebhookDelivery.objects.filter(account__slug=SLUG, word="ORDER_STATUS", state="applied")
    wait_for("the delivery", lambda: told.count() == before + 1)
    return Order.objects.latest("pk")


def list_lines(order: Order) -> list[Esim]:
    return list(Esim.objects.filter(purchased__purchase__order_line__order=order).order_by("pk"))


def use_line(page: Page, access: Access, esim: Esim, screenshots: Path) -> None:
    """Webhooks bring what happens on the phone to the page."""
    access.change_line(esim.provider_ref, "install")
    wait_for_state(esim, "installed")
    access.use_data(esim.provider_ref, 600 * MB)
    wait_for_state(esim, "active")
    wait_for("its use", lambda: Esim.objects.get(pk=esim.pk).total_used_bytes == 600 * MB)
    page.goto(f"/esims/{esim.pk}/")
    expect(page.locator("#line-usage")).to_contain_text("600 MB")
    look_around(page, "access-line", screenshots)


def act_on_line(page: Page, esim: Esim) -> None:
    for action, shown in (("Suspend", "suspended"), ("Release", "active")):
        desk.ask_for(page, action, reason="Phone left in a taxi")
        desk.expect_state(page, shown)
        desk.expect_done(page, "The provider shows it on the line.")


def top_up(page: Page, access: Access, esim: Esim, screenshots: Path) -> None:
    """Its data is used up; one more package makes it work again."""
    access.change_line(esim.provider_ref, "use_up")
    wait_for_state(esim, "depleted")
    page.goto(f"/esims/{esim.pk}/")
    desk.top_up(page, esim.plan.name)
    expect(page.locator("#order-status")).to_contain_text("The line is topped up.", timeout=desk.SLOW_MS)
    look_around(page, "access-top-up-order", screenshots)
    wait_for_state(esim, "active")
    page.goto(f"/esims/{esim.pk}/")
    expect(page.locator("#line-packages tbody tr")).to_have_count(2)


def wait_for_state(esim: Esim, state: str) -> None:
    wait_for(state, lambda: Esim.objects.filter(pk=esim.pk, state=state).exists())


def test_a_plan_by_the_day_on_a_phone(console: Console, access: Access, screenshots: Path) -> None:
    before = len(access.orders())
    plan = find_plan(by_day=True)
    page = console.open("/", viewport=PHONE, theme="dark")
    desk.begin_order(page, "Ken Abe")
    desk.choose_plan(page, plan.name, account=ACCOUNT)
    look_around(page, "access-days", screenshots)
    desk.say_how_many(page, "2", days="4")
    look_around(page, "access-days-payment", screenshots)
    desk.buy(page)
    desk.wait_for_esims(page, 2)
    [sold] = access.orders()[before:]
    assert (sold["plan"], sold["quantity"]) == (plan.plan_ref, 2)
    line = Order.objects.latest("pk").lines.get()
    assert plan.retail_price is not None
    assert plan.net_price is not None
    assert (line.period_days, line.unit_price, line.unit_cost) == (4, plan.retail_price * 4, plan.net_price * 4)
    assert sold["unit_price"] == f"{plan.net_price * 4:.2f}"
    esim = Esim.objects.filter(purchased__purchase__order_line=line)[0]
    assert access.line(esim.provider_ref)["line"]["totalDuration"] == 4
    access.use_data(esim.provider_ref, 100 * MB)
    wait_for_state(esim, "active")
    page.goto(f"/esims/{esim.pk}/")
    # The allowance is one day's: no share of the total is told.
    expect(page.locator("#line-usage")).to_contain_text("per day")
    expect(page.locator("#line-usage")).not_to_contain_text("% of")
    assert not WebhookDelivery.objects.exclude(state__in=("applied", "ignored")).exists()
