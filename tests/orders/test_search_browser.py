"""The search dialog with a keyboard alone, and the search page, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from customers.customers import create_customer
from tests.browser import DESKTOP, PHONE, Console, check_accessibility, check_width
from tests.esims.making import make_line, make_snapshot
from tests.orders.making import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"))


def test_a_line_is_opened_from_any_page_without_a_mouse(console: Console) -> None:
    first, second = (make_line(make_snapshot(f"8981100000{number}1234")) for number in (11111, 22222))
    create_customer(name="Mia Sato", email="mia@example.com", by=make_user())
    page = console.open("/customers/", enforce_csp=False)
    link = page.get_by_role("link", name="Mia Sato")
    link.focus()
    page.keyboard.press("/")
    dialog, field = page.get_by_role("dialog"), page.get_by_role("combobox")
    expect(field).to_be_focused()
    page.keyboard.type("1234")
    options = page.get_by_role("option")
    expect(options).to_have_count(2)
    expect(dialog.get_by_role("status")).to_have_text("2 found")
    for theme, viewport in (("light", DESKTOP), ("dark", PHONE)):
        page.set_viewport_size({"width": viewport.width, "height": viewport.height})
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.keyboard.press("ArrowDown")
        assert check_accessibility(page) == []
        assert check_width(page) == 0
    # The last that was chosen is told to screen readers; after it comes the first again.
    assert field.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    page.keyboard.press("ArrowDown")
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert focused(page) == "Mia Sato"
    page.keyboard.press("Control+k")
    page.keyboard.type(first.iccid)
    # Exactly one thing is called so: Enter goes there.
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/esims/{first.pk}/")
    page.keyboard.press("Control+k")
    page.keyboard.type("22222 1234")
    expect(options).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=22222+1234")
    expect(page.get_by_role("main").get_by_role("link")).to_have_attribute("href", f"/esims/{second.pk}/")
    assert check_accessibility(page) == []


def test_without_scripts_the_field_is_a_form(console: Console) -> None:
    customer = create_customer(name="Mia Sato", email="mia@example.com", by=make_user())
    page = console.open("/orders/", scripts=False, viewport=PHONE)
    page.get_by_role("searchbox", name="Search everything").fill("mia@example.com")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/customers/{customer.pk}/")
