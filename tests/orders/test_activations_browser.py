"""The activation pages in a real browser: every look, the keyboard, fields by choice, and without JavaScript."""

from contextlib import suppress
from time import monotonic

import pytest
from playwright.sync_api import Error, Page, Route, expect
from pytest_django import Settings

from catalog.models import Plan
from customers.models import User
from orders.completions import import_completions
from orders.models import Activation, Order
from tests.browser import Console, find_faults, find_faults_of
from tests.orders.activating import (
    TRANSFER,
    activation_of,
    fail,
    hold,
    make_activation_plan,
    make_eid,
    make_file,
    make_freebit,
    make_row,
    place,
    send,
)
from tests.orders.making import make_customer
from tests.simulator_freebit import Freebit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def form_address() -> str:
    customer = make_customer(name="Mia Sato", email="mia@example.com")
    return f"/activations/new/?customer={customer.pk}&plan={make_activation_plan(name='20 GB a month').pk}"


@pytest.fixture
def desk(freebit: Freebit) -> dict[str, str]:
    """Something of everything. Page → its address."""
    plan = make_activation_plan(name="20 GB a month, voice", retail_price="12.50")
    make_activation_plan(Plan.Kind.BARE_ACTIVATION, name="Line without a plan")
    reissue = make_activation_plan(Plan.Kind.REISSUE, name="Reissue")
    make_activation_plan(plan_ref="OLD_PLAN", name="Sold no more", retail_price=None)
    customer = make_customer(name="Mia Sato", email="mia@example.com")
    waiting, done, failed = place(TRANSFER, customer=customer), place(customer=customer), place()
    for order in (waiting, done, failed):
        send(order)
    held = hold(freebit, "255", {"account": "08077775555"})
    place(paid=False)
    row = make_row(activation_of(done))
    rows = [row, make_row(activation_of(failed), **fail("372")), {**row, "eid": make_eid()}, {**row, "eid": "12"}, row]
    report = import_completions(
        account=make_freebit(),
        data=make_file(*rows),
        file_name="eSIM依頼完了通知ファイル_20260203.csv",
        by="mia@desk.example",
    )
    start = f"/activations/new/?customer={customer.pk}"
    return {
        "list": "/activations/",
        "list-nothing": "/activations/?q=NOTHING",
        "customer": "/activations/new/?find=Mia",
        "plan": start,
        "form": f"{start}&plan={plan.pk}",
        "form-reissue": f"{start}&plan={reissue.pk}",
        "correct": f"/activations/{held.pk}/correct/",
        "held": f"/activations/{held.pk}/",
        "done": f"/activations/{activation_of(done).pk}/",
        "order": f"/orders/{waiting.pk}/",
        "purchase-held": f"/purchases/{held.order_line.purchases.get().pk}/",
        "completions": "/completions/",
        "completion": f"/completions/{report.pk}/",
    }


@pytest.mark.looks
def test_every_page_fits_and_is_accessible(console: Console, desk: dict[str, str]) -> None:
    page = console.open("/me/", enforce_csp=False)
    found = find_faults_of(page, desk, "activations")
    assert found == []


@pytest.mark.looks
def test_a_faulty_form_fits_and_is_accessible(console: Console, freebit: Freebit) -> None:
    page = console.open(form_address(), enforce_csp=False)
    page.get_by_label("MNP transfer MNP転入").check()
    page.get_by_label("Last name (kanji)").fill("Takahashi")
    page.get_by_label("EID of the device").fill("1111 2222 3333 4444 5555 6666 7777 8888")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("Please put this right")
    assert find_faults(page, "activations-faulty") == []
    assert [trouble for trouble in console.forget_troubles() if "422" not in trouble] == []


def test_fields_follow_the_choice_and_what_was_typed_stays(console: Console, freebit: Freebit) -> None:
    page = console.open(form_address())
    eid = make_eid()
    page.get_by_label("EID of the device").fill(eid)
    expect(page.get_by_label("MNP reservation number")).to_have_count(0)
    page.get_by_label("MNP transfer MNP転入").check()
    expect(page.get_by_label("MNP reservation number")).to_be_visible()
    expect(page.get_by_label("EID of the device")).to_have_value(eid)
    expect(page.get_by_label("First name (kanji)")).to_be_visible()
    page.get_by_label("Company 法人").check()
    expect(page.get_by_label("First name (kanji)")).to_have_count(0)
    # The keyboard stands where it stood.
    expect(page.get_by_label("Company 法人")).to_be_focused()
    page.get_by_label("Operated 操作済", exact=True).check()
    expect(page.get_by_role("alert")).to_contain_text("only as new")
    page.get_by_label("New 新規", exact=True).check()
    expect(page.get_by_label("Ship date")).to_be_visible()
    expect(page.get_by_label("EID of the device")).to_have_value(eid)
    assert not Order.objects.exists()


def hold_answers(page: Page) -> list[Route]:
    """What asks for fields stays on its way until the test lets it go."""
    held: list[Route] = []
    page.route(
        "**/activations/new/**",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    return held


def let_go(page: Page, held: list[Route]) -> None:
    """Let the one request that waits go, as soon as it was made."""
    deadline = monotonic() + 10
    while not held and monotonic() < deadline:
        page.wait_for_timeout(20)
    held.pop().continue_()


def test_what_is_typed_while_fields_are_on_their_way_stays(console: Console, freebit: Freebit) -> None:
    page = console.open(form_address())
    held, eid = hold_answers(page), make_eid()
    page.get_by_label("MNP transfer MNP転入").check()
    page.get_by_label("EID of the device").fill(eid)
    let_go(page, held)
    expect(page.get_by_label("MNP reservation number")).to_be_visible()
    expect(page.get_by_label("EID of the device")).to_have_value(eid)
    page.get_by_label("Last name (kanji)").fill("森")
    page.get_by_label("New 新規", exact=True).check()
    page.get_by_label("Phone number of the line").fill("08011112222")
    let_go(page, held)
    expect(page.get_by_label("MNP reservation number")).to_have_count(0)
    expect(page.get_by_label("Phone number of the line")).to_have_value("08011112222")
    # What was typed is there again when its field is.
    page.get_by_label("MNP transfer MNP転入").check()
    let_go(page, held)
    expect(page.get_by_label("Last name (kanji)")).to_have_value("森")
    assert not Order.objects.exists()


def test_the_last_choice_counts(console: Console, freebit: Freebit) -> None:
    """The first choice's answer would come last: it is not waited for any more."""
    page = console.open(form_address())
    held = hold_answers(page)
    page.get_by_label("MNP transfer MNP転入").check()
    page.wait_for_timeout(100)
    page.get_by_label("New 新規", exact=True).check()
    page.wait_for_timeout(100)
    first, last = held
    last.continue_()
    page.wait_for_load_state("networkidle")
    with suppress(Error):
        first.continue_()
    page.wait_for_timeout(500)
    expect(page.get_by_label("New 新規", exact=True)).to_be_checked()
    expect(page.get_by_label("MNP reservation number")).to_have_count(0)
    # htmx reports what it gave up.
    assert [trouble for trouble in console.forget_troubles() if "htmx:" not in trouble] == []


def test_a_password_stays_in_the_browser_while_fields_change(
    console: Console, freebit: Freebit, settings: Settings
) -> None:
    settings.PROVIDERS = {"freebit": {**settings.PROVIDERS["freebit"], "uses_ums": True}}
    page = console.open(form_address())
    page.get_by_label("Master password").fill("S3cret")
    page.get_by_label("MNP transfer MNP転入").check()
    expect(page.get_by_label("MNP reservation number")).to_be_visible()
    expect(page.get_by_label("Master password")).to_have_value("S3cret")


def test_by_keyboard_alone_and_once_more_for_what_was_put_right(console: Console, freebit: Freebit) -> None:
    page = console.open(form_address())
    eid = make_eid()
    page.get_by_label("New 新規", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("EID of the device")).to_be_focused()
    page.keyboard.type(" ".join(eid[at : at + 4] for at in range(0, 32, 4)))
    page.get_by_label("Data, no SMS SMSなし").focus()
    page.keyboard.press("Space")
    page.get_by_label("Cash").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was sent yet.")
    expect(page.get_by_label("EID of the device")).to_have_value(eid)
    assert not Order.objects.exists()
    page.get_by_role("button", name="It is right: order it").press("Enter")
    expect(page.locator("#order-status")).to_be_visible()
    assert Activation.objects.get().eid == eid


def test_without_javascript(console: Console, freebit: Freebit) -> None:
    page = console.open(form_address(), scripts=False)
    eid = make_eid()
    page.get_by_label("EID of the device").fill(eid)
    page.get_by_label("MNP transfer MNP転入").check()
    page.get_by_role("button", name="Show the fields for this choice").click()
    expect(page.get_by_label("MNP reservation number")).to_be_visible()
    expect(page.get_by_label("EID of the device")).to_have_value(eid)
    page.get_by_label("New 新規", exact=True).check()
    page.get_by_role("button", name="Show the fields for this choice").click()
    page.get_by_label("Data, no SMS SMSなし").check()
    page.get_by_label("Leave unpaid").check()
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.locator("#order-status")).to_be_visible()
    assert (Order.objects.get().state, Activation.objects.get().eid) == ("unpaid", eid)


def test_a_file_is_uploaded(console: Console, freebit: Freebit, staff: User) -> None:
    order = place()
    send(order)
    page = console.open("/completions/")
    data = make_file(make_row(activation_of(order)))
    page.get_by_label("Completion file").set_input_files({"name": "done.csv", "mimeType": "text/csv", "buffer": data})
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("The file is imported.")).to_be_visible()
    expect(page.get_by_role("link", name=order.number)).to_be_visible()
    order.refresh_from_db()
    assert order.state == "completed"
    assert staff.email in page.locator("main").inner_text()
