"""Locked sign-ins: after too many failures the right password does not pass either; later it does."""

import runpy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from customers.accounts import vouch_for_address
from customers.checks import check_staff
from customers.models import StaffEvent, User
from customers.second_factor import SecondFactorAdapter
from tests.api.app import App
from tests.customers.making import make_staff, signed_in
from tests.pages import assert_clean_page
from tests.project.sources import PROJECT_DIR

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def clerk() -> User:
    user = make_staff()
    vouch_for_address(user=user)
    return user


def sign_in(email: str, password: str, *, address: str = "10.1.1.1") -> tuple[int, str, str]:
    """The status, ``Retry-After``, and where it leads."""
    client = Client(REMOTE_ADDR=address)
    response = client.post("/accounts/login/", {"login": email, "password": password})
    if response.status_code != 302:
        assert_clean_page(response, status=response.status_code)
    return response.status_code, response.headers.get("Retry-After", ""), response.headers.get("Location", "")


def test_the_account_is_locked_and_opens_again(clerk: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for number in range(5):
            # From everywhere: it is the account that counts.
            assert sign_in(clerk.email.upper(), "wrong", address=f"10.1.1.{number}") == (200, "", "")
        assert sign_in(clerk.email, PASSWORD, address="10.2.2.2") == (429, "300", "")
        clock.shift(timedelta(minutes=4))
        assert sign_in(clerk.email, PASSWORD) == (429, "60", "")
        assert StaffEvent.objects.filter(kind="locked").count() == 1
        # Others come in meanwhile.
        other = make_staff(email="other@example.com")
        vouch_for_address(user=other)
        assert sign_in(other.email, PASSWORD)[0] == 302
        clock.shift(timedelta(minutes=1, seconds=1))
        assert sign_in(clerk.email, PASSWORD) == (302, "", "/")


def test_what_the_person_and_administrators_are_told(clerk: User) -> None:
    boss = make_staff(email="boss@example.com")
    boss.groups.add(Group.objects.get(name="Administrator"))
    for _attempt in range(5):
        sign_in(clerk.email, "wrong")
    page = Client().post("/accounts/login/", {"login": clerk.email, "password": PASSWORD})
    assert "with the right password either. Try again in 5 minutes." in page.content.decode()
    desk = signed_in(boss)
    assert "locked" in desk.get("/staff/").content.decode()
    page = desk.get(f"/staff/{clerk.pk}/")
    assert_clean_page(page)
    assert "nobody can sign in to this account for 5 minutes" in page.content.decode()
    assert "Sign-in locked after failed attempts" in page.content.decode()
    assert_clean_page(desk.get(f"/staff/{clerk.pk}/unlock/"))
    desk.post(f"/staff/{clerk.pk}/unlock/")
    told = StaffEvent.objects.order_by("pk").values_list("kind", "email", "by")
    assert list(told) == [("locked", clerk.email, "sign-in"), ("unlocked", clerk.email, boss.email)]
    assert sign_in(clerk.email, PASSWORD)[0] == 302


def test_an_address_that_tries_many_accounts_is_refused() -> None:
    with time_machine.travel(NOON, tick=False):
        for number in range(10):
            assert sign_in(f"nobody{number}@example.com", "wrong")[0] == 200
        assert sign_in("nobody@example.com", "wrong") == (429, "60", "")
        assert sign_in("nobody@example.com", "wrong", address="10.9.9.9")[0] == 200
    assert StaffEvent.objects.count() == 0


def test_right_passwords_lock_nothing(clerk: User) -> None:
    for _attempt in range(7):
        assert sign_in(clerk.email, PASSWORD)[0] == 302


def test_the_app_is_told_too(clerk: User) -> None:
    for _attempt in range(5):
        assert App().sign_in(clerk.email, "wrong").status_code == 400
    refused = App().sign_in(clerk.email)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "too_many_login_attempts"
    assert 290 <= int(refused.headers["Retry-After"]) <= 300
    # The console counts with it.
    assert sign_in(clerk.email, PASSWORD)[0] == 429


def test_wrong_codes_lock_as_wrong_passwords_do(clerk: User) -> None:
    secret = SecondFactorAdapter().encrypt("JBSWY3DPEHPK3PXP")
    Authenticator.objects.create(user=clerk, type=Authenticator.Type.TOTP, data={"secret": secret})
    client = Client()
    client.post("/accounts/login/", {"login": clerk.email, "password": PASSWORD})
    address = "/accounts/second-factor/authenticate/"
    assert [client.post(address, {"code": "000000"}).status_code for _try in range(6)] == [200] * 5 + [429]
    refused = client.post(address, {"code": "000000"})
    assert_clean_page(refused, status=429)
    assert int(refused.headers["Retry-After"]) > 290
    assert StaffEvent.objects.filter(kind="locked").count() == 1


def test_production_wants_a_second_factor_unless_it_is_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings()["STAFF_MFA_REQUIRED"] is False
    monkeypatch.setenv("ROAMDESK_DEMO", "0")
    assert read_settings()["STAFF_MFA_REQUIRED"] is True
    monkeypatch.setenv("STAFF_MFA_REQUIRED", "0")
    assert read_settings()["STAFF_MFA_REQUIRED"] is False


def test_before_a_deployment_a_password_alone_is_warned_of(settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = False
    assert [found.id for found in check_staff(None)] == ["customers.W001"]
    settings.STAFF_MFA_REQUIRED = True
    assert check_staff(None) == []


@pytest.mark.parametrize("wrong", ["5", "0/5m", "5/5", "five/5m", "5/5m/ip", ""])
def test_limits_that_are_none_stop_the_start(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("SIGN_IN_FAILURES_ACCOUNT", "20/1h")
    assert read_settings()["ACCOUNT_RATE_LIMITS"] == {"login_failed": "10/1m/ip,20/1h/key"}
    monkeypatch.setenv("SIGN_IN_FAILURES_ACCOUNT", wrong)
    with pytest.raises(ImproperlyConfigured, match="SIGN_IN_FAILURES_ACCOUNT"):
        read_settings()


def read_settings() -> dict[str, Any]:
    """The module of settings, read again in today's environment."""
    return runpy.run_path(str(PROJECT_DIR / "config" / "settings_api.py"))
