"""The frame in a real browser: widths, themes, accessibility, and what the few scripts do."""

import re

import pytest
from playwright.sync_api import expect

from customers.models import Customer
from tests.browser import DESKTOP, LOOKS, PHONE, Console, find_faults, find_faults_of

pytestmark = pytest.mark.browser
PAGES = ["/customers/", "/customers/new/", "/me/", "/no/such/page/", "/accounts/password/change/"]


@pytest.fixture
def travellers(transactional_db: None) -> None:
    Customer.objects.bulk_create(
        Customer(
            name="Dr. Wilhelmina Featherstonehaugh-Cholmondeley",
            email=f"a.very.long.address.of.number.{number}@mail.subsidiary.example.com",
            phone="+819012345678",
            company="Kitakyushu Trading and Shipping Company",
            country="GB",
        )
        for number in range(60)
    )


@pytest.mark.usefixtures("travellers")
@pytest.mark.looks
def test_pages_fit_and_are_accessible(console: Console) -> None:
    page = console.open("/accounts/login/", signed_in=False, enforce_csp=False)
    assert find_faults(page, "sign-in", looks=LOOKS) == []
    page = console.open(PAGES[0], enforce_csp=False)
    pages = {address.strip("/").replace("/", "-"): address for address in PAGES}
    assert find_faults_of(page, pages, "frame", looks=LOOKS) == []
    page.goto("/customers/new/")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("This field is required.")
    assert find_faults(page, "frame-faulty", looks=LOOKS) == []
    assert {trouble.split(" of 404")[0] for trouble in console.forget_troubles()} == {
        "console: Failed to load resource: the server responded with a status"
    }


@pytest.mark.parametrize("language", ["en", "ja"])
def test_frame_keeps_the_content_policy(console: Console, language: str) -> None:
    page = console.open("/customers/", language=language)
    assert page.locator("html").get_attribute("lang") == language


def test_menu_on_a_phone_works_without_scripts(console: Console) -> None:
    page = console.open("/me/", viewport=PHONE, scripts=False)
    expect(page.locator(".side")).to_be_hidden()
    page.locator(".menu-nav summary").click()
    page.locator(".menu-nav").get_by_role("link", name="Customers").click()
    expect(page.locator("h1")).to_have_text("Customers")


def test_colours_without_scripts(console: Console) -> None:
    page = console.open("/customers/", viewport=DESKTOP, scripts=False)
    page.locator(".menu-user summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url.endswith("/customers/")


def test_colours_with_scripts_stay(console: Console) -> None:
    page = console.open("/customers/", theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator(".menu-user summary").click()
    page.get_by_role("button", name="Light").click()
    light = page.evaluate(ground)
    assert light != dark
    page.goto("/me/")
    assert page.evaluate(ground) == light
    page.goto("/admin/")
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_escape_closes_the_menu_and_the_keyboard_stays(console: Console) -> None:
    page = console.open("/customers/")
    summary = page.locator(".menu-user summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()


def test_skip_link_comes_first(console: Console) -> None:
    page = console.open("/customers/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_empty_filters_stay_out_of_the_address(console: Console) -> None:
    page = console.open("/customers/")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile(r"/customers/\?$"))
    page.get_by_role("searchbox", name="Name, e-mail, phone or company").fill("hana")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile(r"/customers/\?q=hana$"))
