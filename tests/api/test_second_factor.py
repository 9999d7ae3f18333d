"""The second factor of staff: the API is closed to them without it, where the settings say so."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.db import connection
from django.test import Client
from pytest_django import Settings

from customers.accounts import vouch_for_address
from customers.models import User
from tests.api.app import PASSWORD, App, last_code, pending
from tests.customers.making import make_staff
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _required(settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = True


@pytest.fixture
def clerk() -> User:
    user = make_staff()
    vouch_for_address(user=user)
    return user


def code_now(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def set_up(app: App) -> str:
    """Set up an authenticator app; returns its secret."""
    asked = app.auth("get", "account/authenticators/totp")
    assert asked.status_code == 404
    secret = str(asked.json()["meta"]["secret"])
    assert "issuer=Roamdesk" in asked.json()["meta"]["totp_url"]
    assert app.auth("post", "account/authenticators/totp", {"code": "000000"}).status_code == 400
    # Whoever finds an open phone has not got the password.
    assert app.auth("post", "account/authenticators/totp", {"code": code_now(secret)}).status_code == 401
    assert app.auth("post", "auth/reauthenticate", {"password": PASSWORD}).status_code == 200
    assert app.auth("post", "account/authenticators/totp", {"code": code_now(secret)}).status_code == 200
    return secret


def refusal(app: App) -> tuple[int, str]:
    response = app.call("get", "/me")
    return response.status_code, response.json().get("code", "")


def test_staff_without_a_second_factor_are_refused(clerk: User) -> None:
    app = App()
    assert app.sign_in(clerk.email).status_code == 200
    assert refusal(app) == (403, "second_factor_needed")


def test_staff_set_it_up_and_come_in_with_it(clerk: User) -> None:
    app = App()
    app.sign_in(clerk.email)
    secret = set_up(app)
    again = App()
    assert pending(again.sign_in(clerk.email)) == ["mfa_authenticate"]
    assert again.call("get", "/me").status_code == 401
    assert again.auth("post", "auth/2fa/authenticate", {"code": "000000"}).status_code == 400
    assert again.call("get", "/me").status_code == 401
    assert again.auth("post", "auth/2fa/authenticate", {"code": code_now(secret)}).status_code == 200
    assert refusal(again) == (200, "")


@pytest.mark.django_db(transaction=True)
def test_who_sets_it_up_has_shown_it(clerk: User) -> None:
    app, other = App(), App()
    app.sign_in(clerk.email)
    other.sign_in(clerk.email)
    set_up(app)
    assert refusal(app) == (200, "")
    # Another sign-in has not.
    assert refusal(other) == (403, "second_factor_needed")


@pytest.mark.django_db(transaction=True)
def test_the_console_and_the_admin_ask_for_it_too(clerk: User) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": clerk.email, "password": PASSWORD})
    for address in ("/me/", "/orders/", "/admin/", "/accounts/password/change/"):
        response = client.get(address)
        assert (response.status_code, response.headers["Location"]) == (302, "/accounts/second-factor/totp/activate/")
    partial = client.get("/me/", headers={"HX-Request": "true"})
    assert (partial.status_code, partial.headers["HX-Redirect"]) == (401, "/accounts/second-factor/totp/activate/")
    assert client.post("/me/", {"language": "ja"}).status_code == 302
    clerk.refresh_from_db()
    assert clerk.language == ""

    asked = client.get("/accounts/second-factor/totp/activate/", follow=True)
    assert_clean_page(asked)
    page = client.post(asked.redirect_chain[-1][0], {"password": PASSWORD}, follow=True)
    assert_clean_page(page)
    secret = page.context["form"].secret
    assert_clean_page(client.post("/accounts/second-factor/totp/activate/", {"code": "000000"}))
    assert client.get("/me/").status_code == 302
    page = client.post("/accounts/second-factor/totp/activate/", {"code": code_now(secret)}, follow=True)
    assert_clean_page(page)
    assert len(page.context["unused_codes"]) == 10
    assert client.get("/me/").status_code == 200
    for address in ("/accounts/second-factor/", "/accounts/second-factor/recovery-codes/generate/"):
        assert_clean_page(client.get(address))
    assert_clean_page(client.get("/accounts/second-factor/totp/deactivate/"))


def test_the_console_is_entered_with_it(clerk: User) -> None:
    app = App()
    app.sign_in(clerk.email)
    secret = set_up(app)
    client = Client()
    page = client.post("/accounts/login/", {"login": clerk.email, "password": PASSWORD, "next": "/me/"}, follow=True)
    assert_clean_page(page)
    assert page.redirect_chain[-1][0].startswith("/accounts/second-factor/authenticate/")
    assert client.get("/me/").status_code == 302
    wrong = client.post("/accounts/second-factor/authenticate/", {"code": "000000"})
    assert_clean_page(wrong)
    assert "Incorrect code." in wrong.content.decode()
    client.post("/accounts/second-factor/authenticate/", {"code": code_now(secret)})
    assert client.get("/me/").status_code == 200


def test_a_sign_in_from_before_shows_it_once(clerk: User) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": clerk.email, "password": PASSWORD})
    app = App()
    app.sign_in(clerk.email)
    secret = set_up(app)
    response = client.get("/me/?from=mail")
    address = "/accounts/second-factor/reauthenticate/?next=%2Fme%2F%3Ffrom%3Dmail"
    assert response.headers["Location"] == address
    assert_clean_page(client.get(address))
    client.post(address, {"code": code_now(secret)})
    assert client.get("/me/").status_code == 200


def test_a_recovery_code_opens_once(clerk: User) -> None:
    app = App()
    app.sign_in(clerk.email)
    set_up(app)
    codes = app.auth("get", "account/authenticators/recovery-codes").json()["data"]["unused_codes"]
    statuses = []
    for _time in range(2):
        again = App()
        again.sign_in(clerk.email)
        statuses.append(again.auth("post", "auth/2fa/authenticate", {"code": codes[0]}).status_code)
    assert statuses == [200, 400]


def test_without_the_app_there_is_no_second_factor(clerk: User) -> None:
    """Whoever removes it is refused again, in the session that has shown it, too."""
    app = App()
    app.sign_in(clerk.email)
    secret = set_up(app)
    again = App()
    again.sign_in(clerk.email)
    again.auth("post", "auth/2fa/authenticate", {"code": code_now(secret)})
    assert again.auth("delete", "account/authenticators/totp").status_code == 401
    assert again.auth("post", "auth/reauthenticate", {"password": PASSWORD}).status_code == 200
    assert again.auth("delete", "account/authenticators/totp").status_code == 200
    assert refusal(again) == (403, "second_factor_needed")


def test_a_code_by_e_mail_is_no_second_factor(clerk: User) -> None:
    app = App()
    app.sign_in(clerk.email)
    set_up(app)
    again = App()
    again.auth("post", "auth/code/request", {"email": clerk.email})
    response = again.auth("post", "auth/code/confirm", {"code": last_code(clerk.email)})
    assert pending(response) == ["mfa_authenticate"]
    assert again.call("get", "/me").status_code == 401


def test_travellers_need_none() -> None:
    user = make_staff(email="hana@example.com", is_staff=False)
    vouch_for_address(user=user)
    app = App()
    app.sign_in(user.email)
    assert refusal(app) == (200, "")


def test_the_setting_decides(clerk: User, settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = False
    app = App()
    app.sign_in(clerk.email)
    assert refusal(app) == (200, "")


def test_secrets_are_encrypted(clerk: User) -> None:
    app = App()
    app.sign_in(clerk.email)
    secret = set_up(app)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        stored = str(cursor.fetchall())
    assert secret not in stored
    assert Authenticator.objects.filter(user=clerk).count() == 2
