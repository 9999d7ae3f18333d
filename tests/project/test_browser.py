"""The browser fixtures themselves, on the sign-in page, which needs no data."""

import pytest

from tests.browser import Console, check_accessibility


def test_sign_in_page_opens(console: Console) -> None:
    page = console.open("/accounts/login/", signed_in=False)
    assert page.locator("input[type=password]").count() == 1


def test_sign_in_page_passes_axe(console: Console) -> None:
    page = console.open("/accounts/login/", signed_in=False, enforce_csp=False)
    assert check_accessibility(page) == []


def test_another_host_is_a_trouble(console: Console) -> None:
    page = console.open("/accounts/login/", signed_in=False, enforce_csp=False)
    page.evaluate("fetch('http://other.example/').catch(() => null)")
    troubles = console.forget_troubles()
    assert "request to another host: http://other.example/" in troubles


def test_breach_of_the_content_policy_is_a_trouble(console: Console) -> None:
    page = console.open("/accounts/login/", signed_in=False)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    page.wait_for_timeout(50)
    troubles = console.forget_troubles()
    assert len(troubles) == 1
    assert "Content Security Policy" in troubles[0]


@pytest.mark.parametrize("signed_in", [True, False])
def test_session_of_the_test(console: Console, signed_in: bool) -> None:
    page = console.open("/admin/", signed_in=signed_in)
    assert (console.staff.get_short_name() in page.content()) == signed_in
