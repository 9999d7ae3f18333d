"""freebit, from a plan that staff enter to a line: the form, the wait, the completion file, a move to another device;
and a form that is refused, put right, and comes to nothing all the same.
"""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog.entering import EnteredTerms, enter_plan
from catalog.models import Plan
from customers.customers import create_customer
from customers.models import User
from esims.models import Esim
from orders.models import Activation, Order, Purchase, Refund
from providers.models import ProviderAccount
from providers.registry import ensure_accounts
from tests.browser import PHONE, Console
from tests.journeys import desk
from tests.journeys.desk import look_around, wait_for
from tests.journeys.office import Office
from tests.simulator_client import Simulator
from tests.simulator_freebit import Freebit

ACCOUNT, SLUG = "freebit", "freebit"
#: It lists no plans.
CATALOGUES = ()
#: EIDs whose check digits fit.
DEVICE, NEW_DEVICE, OTHER_DEVICE = (
    f"{body}{98 - int(body + '00') % 97:02d}" for body in (f"89049032{number:022d}" for number in (71, 72, 73))
)
PHONE_NUMBER = "08066665555"


@pytest.fixture
def freebit(simulator: Simulator, office: Office, transactional_db: None) -> Freebit:
    with office.know_providers():
        # As every scheduled job does; here no catalogue was read.
        ensure_accounts()
    return Freebit(simulator)


def test_from_a_plan_on_paper_to_a_line_and_its_next_device(
    console: Console, freebit: Freebit, staff: User, screenshots: Path
) -> None:
    create_customer(name="Saki Mori", email="saki.mori@example.jp", by=staff)
    page = console.open("/plans/")
    type_plan(page, kind="line activation", code="20GB_PLAN", name="Japan line 20GB", price="2980")
    look_around(page, "freebit-plan", screenshots)
    begin_activation(page, "Saki Mori", "Japan line 20GB")
    fill_transfer(page, DEVICE)
    look_around(page, "freebit-form", screenshots)
    order = order_activation(page)
    wait_for("the acceptance", lambda: purchase_of(order).state == Purchase.State.ALLOCATING)
    expect(page.get_by_text("its completion file will say what came of it").first).to_be_visible(timeout=desk.SLOW_MS)
    look_around(page, "freebit-waiting", screenshots)
    [accepted] = [one for one in freebit.accepted() if one["eid"] == DEVICE]
    activation = Activation.objects.get(order_line__order=order)
    assert (accepted["eid"], accepted["delivery_code"], accepted["account"]) == (
        DEVICE,
        activation.delivery_code,
        PHONE_NUMBER,
    )
    # What is personal is gone as soon as the provider has it.
    assert activation.payload is None

    freebit.complete(DEVICE)
    import_file(page, freebit, strangers=1)
    expect(page.get_by_role("row").filter(has_text=activation.delivery_code)).to_contain_text("applied")
    look_around(page, "freebit-report", screenshots)
    page.goto(f"/orders/{order.pk}/")
    expect(page.locator("#order-status")).to_contain_text("The line is activated.")
    line = Esim.objects.get(eid=DEVICE)
    assert (line.eid, line.phone_number, line.state, line.next_refresh_at) == (DEVICE, PHONE_NUMBER, "ready", None)
    page.goto(f"/esims/{line.pk}/")
    expect(page.get_by_text("This provider does not tell of single lines")).to_be_visible()
    look_around(page, "freebit-line", screenshots)
    move_to_another_device(page, freebit, line)


def move_to_another_device(page: Page, freebit: Freebit, line: Esim) -> None:
    """The end of a line on a device: the same number goes on, on another one."""
    type_plan(page, kind="reissue of a line", code="REISSUE", name="Move to another device", price="550")
    plan = Plan.objects.get(plan_ref="REISSUE")
    page.goto(f"/activations/new/?esim={line.pk}&plan={plan.pk}")
    expect(page.get_by_label("EID of the old eSIM")).to_have_value(DEVICE)
    expect(page.get_by_label("Phone number of the line")).to_have_value(PHONE_NUMBER)
    page.get_by_label("EID of the device").fill(NEW_DEVICE)
    order = order_activation(page)
    wait_for("the acceptance", lambda: purchase_of(order).state == Purchase.State.ALLOCATING)
    freebit.complete(NEW_DEVICE)
    import_file(page, freebit)
    moved = Esim.objects.get(purchased__purchase__order_line__order=order)
    assert (moved.eid, moved.phone_number, moved.customer_id) == (NEW_DEVICE, PHONE_NUMBER, line.customer_id)
    page.goto(f"/esims/{line.pk}/")
    expect(page.locator("#line-timeline")).to_contain_text(order.number)
    assert [held["eid"] for held in freebit.lines() if held["account"] == PHONE_NUMBER] == [NEW_DEVICE]


def test_a_refused_form_is_put_right_and_fails_in_the_file(
    console: Console, freebit: Freebit, office: Office, screenshots: Path
) -> None:
    customer = create_customer(name="Jun Hara", email="jun.hara@example.jp", by=office.staff)
    terms = EnteredTerms(name="Japan line 3GB", net_price=Decimal(980), currency="JPY", own_price=Decimal(1480))
    with office.know_providers():
        account = ProviderAccount.objects.get(slug=SLUG)
        plan = enter_plan(
            account=account, kind=Plan.Kind.ACTIVATION, plan_ref="3GB_PLAN", terms=terms, by=office.staff.email
        )
    page = console.open(f"/activations/new/?customer={customer.pk}&plan={plan.pk}", viewport=PHONE, theme="dark")
    page.get_by_label("EID of the device").fill(OTHER_DEVICE)
    page.get_by_label("Data with SMS").check()
    page.get_by_label("Representative number").fill("08000009999")
    order = order_activation(page)
    wait_for("the refusal", lambda: purchase_of(order).state == Purchase.State.HELD)
    activation = Activation.objects.get(order_line__order=order)
    page.goto(f"/activations/{activation.pk}/")
    expect(page.get_by_text("287").first).to_be_visible()
    look_around(page, "freebit-refused", screenshots)

    page.get_by_role("link", name="Correct the form").click()
    expect(page.get_by_label("Representative number")).to_have_value("08000009999")
    page.get_by_label("Representative number").fill("08000001111")
    page.get_by_label("Remark").fill("The shop told another number")
    look_around(page, "freebit-correct", screenshots)
    page.get_by_role("button", name="Send it again").click()
    wait_for("the acceptance", lambda: purchase_of(order).state == Purchase.State.ALLOCATING)
    assert freebit.count_activations() >= 2
    assert [sold["reference"] for sold in freebit.orders() if sold["refs"] == [OTHER_DEVICE]] == [
        activation.delivery_code
    ]

    freebit.complete(OTHER_DEVICE, code="372")
    import_file(page, freebit)
    expect(page.get_by_role("row").filter(has_text=activation.delivery_code)).to_contain_text("372")
    page.goto(f"/orders/{order.pk}/")
    expect(page.locator("#order-status")).to_contain_text("The line was not activated.")
    expect(page.get_by_text(re.compile("is owed back to the customer"))).to_be_visible()
    look_around(page, "freebit-failed", screenshots)
    refund = Refund.objects.get(purchase__order_line__order=order)
    assert (refund.state, refund.amount, refund.currency) == (Refund.State.DUE, Decimal(1480), "JPY")
    assert not Esim.objects.filter(eid=OTHER_DEVICE).exists()


def type_plan(page: Page, *, kind: str, code: str, name: str, price: str) -> None:
    page.goto("/plans/enter/")
    page.get_by_label("Kind").select_option(label=kind)
    page.get_by_label("Plan code").fill(code)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Net price").fill("400")
    page.get_by_label("Own price").fill(price)
    page.get_by_label("Currency").fill("JPY")
    page.get_by_role("button", name="Enter the plan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def begin_activation(page: Page, customer: str, plan: str) -> None:
    page.goto("/activations/")
    page.get_by_role("link", name="New activation").first.click()
    page.get_by_role("link", name=customer).click()
    page.get_by_role("link", name=plan).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New activation")


def fill_transfer(page: Page, eid: str) -> None:
    """Somebody takes a number along: the fields for that come with the choice."""
    choose(page, "MNP transfer")
    choose(page, "Female")
    page.get_by_label("EID of the device").fill(eid)
    page.get_by_label("Phone number of the line").fill(PHONE_NUMBER)
    page.get_by_label("With voice").check()
    for label, value in {
        "MNP reservation number": "1166665555",
        "Last name (kanji)": "森",
        "First name (kanji)": "咲希",
        "Last name (full-width kana)": "モリ",
        "First name (full-width kana)": "サキ",
        "Date of birth": "19950417",
    }.items():
        page.get_by_label(label).fill(value)


def choose(page: Page, answer: str) -> None:
    """An answer that decides about other fields: they are there afterwards."""
    with page.expect_response(lambda response: response.request.method == "POST") as response:
        page.get_by_label(answer).check()
    assert response.value.ok
    page.wait_for_load_state("networkidle")
    expect(page.get_by_label(answer)).to_be_checked()


def order_activation(page: Page) -> Order:
    page.get_by_label("Cash").check()
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Order R-"))
    return Order.objects.latest("pk")


def purchase_of(order: Order) -> Purchase:
    return Purchase.objects.get(order_line__order=order)


def import_file(page: Page, freebit: Freebit, *, strangers: int = 0) -> None:
    """The whole file of all that freebit has finished; the report's page is there afterwards."""
    data = freebit.completion_file(strangers=strangers).content
    page.goto("/completions/")
    file = page.get_by_label("Completion file")
    file.set_input_files({"name": "completions.csv", "mimeType": "text/csv", "buffer": data})
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("completions.csv")
