"""The console's way in with a second factor, and by codes, in a browser."""

from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from playwright.sync_api import Page, expect
from pytest_django import Settings

from customers.accounts import vouch_for_address
from tests.api.app import PASSWORD, last_code
from tests.browser import TWO_LOOKS, Console, check_accessibility, check_width
from tests.customers.making import make_staff


def look(page: Page, screenshots: Path, name: str) -> None:
    """Wide and narrow, light and dark: nothing sideways, nothing that axe finds."""
    for viewport, theme in TWO_LOOKS:
        page.set_viewport_size({"width": viewport.width, "height": viewport.height})
        page.emulate_media(color_scheme=theme)
        assert check_width(page) == 0, name
        page.screenshot(path=screenshots / f"entrance-{name}-{viewport.width}-{theme}.png", full_page=True)
    assert check_accessibility(page) == [], name


@pytest.mark.django_db(transaction=True)
def test_a_second_factor_is_set_up_and_used(console: Console, settings: Settings, screenshots: Path) -> None:
    settings.STAFF_MFA_REQUIRED = True
    screenshots.mkdir(parents=True, exist_ok=True)
    clerk = make_staff()
    vouch_for_address(user=clerk)
    page = console.open("/me/", signed_in=False, enforce_csp=False)
    page.get_by_label("Email").fill(clerk.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    # It is asked for again, because a second factor is about to be set up.
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Set up an authenticator app")).to_be_visible()
    look(page, screenshots, "set-up")
    secret = page.locator("code").inner_text()
    counter = next(iter(yield_hotp_counters_from_time()))
    page.get_by_label("Authenticator code").fill(str(format_hotp_value(hotp_value(secret, counter))))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = page.locator("li code").all_inner_texts()
    assert len(codes) == 10
    look(page, screenshots, "recovery")
    page.goto("/accounts/second-factor/")
    look(page, screenshots, "factor")

    again = console.open("/me/", signed_in=False, enforce_csp=False)
    again.get_by_label("Email").fill(clerk.email)
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in").click()
    expect(again.get_by_role("heading", name="Your second factor")).to_be_visible()
    look(again, screenshots, "asked")
    again.get_by_label("Code").fill(codes[0])
    again.get_by_role("button", name="Sign in").click()
    expect(again.get_by_role("heading", name="Language and time zone")).to_be_visible()


@pytest.mark.django_db(transaction=True)
def test_a_forgotten_password_by_a_code(console: Console, screenshots: Path) -> None:
    screenshots.mkdir(parents=True, exist_ok=True)
    cache.clear()
    clerk = make_staff()
    vouch_for_address(user=clerk)
    page = console.open("/accounts/password/reset/", signed_in=False, enforce_csp=False)
    page.get_by_label("Email").fill(clerk.email)
    page.get_by_role("button", name="Send the code").click()
    expect(page.get_by_role("heading", name="Enter the code")).to_be_visible()
    look(page, screenshots, "code")
    page.get_by_label("Code").fill(last_code(clerk.email))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="New password")).to_be_visible()
    look(page, screenshots, "password")
