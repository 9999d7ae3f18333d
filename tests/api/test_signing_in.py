"""How travellers come in: they sign up, confirm their address, and are the customer of staff, or a new one."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings

from customers.accounts import vouch_for_address
from customers.models import Customer, Device, User
from orders.pruning import prune_old_rows
from tests.api.app import PASSWORD, App, last_code, pending
from tests.customers.making import make_staff

pytestmark = pytest.mark.django_db
HANA = "hana@example.com"


def confirmed(email: str = HANA) -> User:
    """Somebody who signed up some time ago."""
    user = User.objects.create_user(email, PASSWORD, last_login=timezone.now())
    vouch_for_address(user=user)
    return user


def test_sign_up_makes_a_customer_once_the_address_is_confirmed() -> None:
    app = App()
    response = app.sign_up(HANA, name=" Hana   Sato ", language="ja")
    assert response.status_code == 401
    assert pending(response) == ["verify_email"]
    assert Customer.objects.count() == 0
    assert app.call("get", "/me").status_code == 401

    response = app.verify(last_code(HANA))
    assert response.status_code == 200
    assert response.json()["data"]["user"]["email"] == HANA
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)
    customer = Customer.objects.get()
    assert (customer.user, customer.name, customer.email, customer.language) == (user, "Hana Sato", HANA, "ja")
    assert app.call("get", "/me").status_code == 200


@pytest.mark.parametrize(
    "extra", [{"is_staff": True}, {"is_superuser": True}, {"groups": [1], "user_permissions": [1]}]
)
def test_nobody_signs_up_as_staff(extra: dict[str, object]) -> None:
    app = App()
    app.auth("post", "auth/signup", {"email": HANA, "password": PASSWORD, **extra})
    assert app.verify(last_code(HANA)).status_code == 200
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.get_all_permissions()) == (False, False, set())


def test_a_wrong_code_confirms_nothing() -> None:
    app = App()
    app.sign_up(HANA)
    response = app.verify("000-000")
    assert response.status_code == 400
    assert [error["code"] for error in response.json()["errors"]] == ["incorrect_code"]
    assert not EmailAddress.objects.get().verified
    assert Customer.objects.count() == 0


def test_the_customer_that_staff_made_is_linked_after_the_address_is_confirmed() -> None:
    made = Customer.objects.create(name="Sato-sama", email=HANA, phone="+8190", note="regular", language="ja")
    app = App()
    app.sign_up("Hana@Example.com", name="H.")
    made.refresh_from_db()
    assert made.user is None
    app.verify(last_code(HANA))
    made.refresh_from_db()
    assert made.user == User.objects.get()
    assert (made.name, made.phone, made.note, made.language) == ("Sato-sama", "+8190", "regular", "ja")
    assert Customer.objects.count() == 1


def test_an_unconfirmed_sign_up_never_sees_the_customer_of_staff() -> None:
    Customer.objects.create(name="Sato-sama", email=HANA)
    app = App()
    app.sign_up(HANA)
    again = App()
    # A second code would not be sent so soon.
    assert again.sign_in(HANA).json()["errors"][0]["code"] == "too_many_login_attempts"
    for caller in (app, again):
        assert caller.call("get", "/me").status_code == 401
    assert Customer.objects.get().user is None


def test_an_address_that_is_taken_is_not_told(db: None) -> None:
    confirmed()
    response = App().sign_up(HANA, password="another good password")
    assert (response.status_code, pending(response)) == (401, ["verify_email"])
    assert User.objects.count() == 1
    assert User.objects.get().check_password(PASSWORD)
    assert len(mail.outbox) == 1
    assert "There is one already." in str(mail.outbox[0].body)


def test_sign_up_can_be_closed(settings: Settings) -> None:
    settings.API_SIGN_UP = False
    assert App().sign_up(HANA).status_code == 403
    assert User.objects.count() == 0
    assert mail.outbox == []


def test_the_console_has_no_sign_up() -> None:
    client = App().client
    response = client.post("/accounts/signup/", {"email": HANA, "password1": PASSWORD, "password2": PASSWORD})
    assert b"Accounts are made for you" in response.content
    assert User.objects.count() == 0


def test_sign_in_by_password_and_out_again() -> None:
    confirmed()
    app = App()
    response = app.sign_in(HANA)
    assert response.status_code == 200
    assert response.json()["meta"]["is_authenticated"] is True
    assert app.call("get", "/me").json()["email"] == HANA
    assert app.auth("delete", "auth/session").status_code == 401
    assert app.call("get", "/me").status_code == 401


def test_a_wrong_password_opens_nothing() -> None:
    confirmed()
    app = App()
    response = app.sign_in(HANA, "not my password")
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "email_password_mismatch"
    assert (app.token, Session.objects.count(), Customer.objects.count()) == ("", 0, 0)


def test_too_many_wrong_passwords_are_refused_for_a_time() -> None:
    confirmed()
    codes = [App().sign_in(HANA, "not my password").json()["errors"][0]["code"] for _attempt in range(7)]
    assert codes[:5] == ["email_password_mismatch"] * 5
    assert codes[-1] == "too_many_login_attempts"
    assert App().sign_in(HANA).status_code == 400


def test_sign_in_by_a_code() -> None:
    confirmed()
    app = App()
    assert pending(app.auth("post", "auth/code/request", {"email": HANA})) == ["login_by_code"]
    assert app.call("get", "/me").status_code == 401
    assert app.auth("post", "auth/code/confirm", {"code": "AAAA-AAAA"}).status_code == 400
    assert app.auth("post", "auth/code/confirm", {"code": last_code(HANA)}).status_code == 200
    assert app.call("get", "/me").json()["email"] == HANA
    assert User.objects.get().check_password(PASSWORD)


def test_a_code_for_an_unknown_address_tells_nothing() -> None:
    response = App().auth("post", "auth/code/request", {"email": HANA})
    assert (response.status_code, pending(response)) == (401, ["login_by_code"])
    assert User.objects.count() == 0


def test_who_signed_up_with_the_address_of_another_has_no_way_in() -> None:
    """Their password is forgotten when the owner comes by a code."""
    thief = App()
    thief.sign_up(HANA, password="the password of a thief")
    owner = App()
    owner.auth("post", "auth/code/request", {"email": HANA})
    assert owner.auth("post", "auth/code/confirm", {"code": last_code(HANA)}).status_code == 200
    assert owner.call("get", "/me").status_code == 200
    assert App().sign_in(HANA, "the password of a thief").status_code == 400
    assert thief.call("get", "/me").status_code == 401


def test_a_forgotten_password_is_set_anew_by_a_code() -> None:
    confirmed()
    elsewhere = App()
    elsewhere.sign_in(HANA)
    app = App()
    assert pending(app.auth("post", "auth/password/request", {"email": HANA})) == ["password_reset_by_code"]
    new = {"key": last_code(HANA), "password": "a brand new password"}
    assert app.auth("post", "auth/password/reset", {**new, "key": "WRONG-WRONG"}).status_code == 400
    app.auth("post", "auth/password/reset", new)
    user = User.objects.get()
    assert user.check_password("a brand new password")
    assert elsewhere.call("get", "/me").status_code == 401
    assert App().sign_in(HANA, "a brand new password").status_code == 200


def test_a_closed_account_is_refused_at_once() -> None:
    user = confirmed()
    app = App()
    app.sign_in(HANA)
    User.objects.filter(pk=user.pk).update(is_active=False)
    response = app.call("get", "/me")
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
    assert App().sign_in(HANA).status_code in (400, 401, 403)


@pytest.mark.parametrize("token", ["", "x", "a" * 32, "ü" * 32, "a" * 500, "A" * 32, "../../etc"])
def test_what_is_no_token_is_refused(token: str) -> None:
    response = App().call("get", "/me", **{"X-Session-Token": token})
    assert response.status_code == 401
    response = App().call("get", "/_allauth/app/v1/auth/session", **{"X-Session-Token": token})
    assert response.status_code in (401, 410)


def test_travellers_stay_signed_in_longer_than_staff() -> None:
    confirmed()
    clerk = make_staff(email="clerk@example.com")
    vouch_for_address(user=clerk)
    ends = []
    for email in (HANA, "clerk@example.com"):
        app = App()
        assert app.sign_in(email).status_code == 200
        ends.append(Session.objects.get(pk=app.token).expire_date - timezone.now())
    assert timedelta(days=89, hours=23) < ends[0] <= timedelta(days=90)
    assert timedelta(hours=11, minutes=59) < ends[1] <= timedelta(hours=12)


def test_staff_who_sign_in_become_no_customers() -> None:
    clerk = make_staff(email=HANA)
    vouch_for_address(user=clerk)
    Customer.objects.create(name="Sato-sama", email=HANA)
    assert App().sign_in(HANA).status_code == 200
    assert Customer.objects.get().user is None


def test_a_new_address_counts_once_it_is_confirmed() -> None:
    confirmed()
    app = App()
    app.sign_in(HANA)
    customer = Customer.objects.get()
    assert app.auth("post", "account/email", {"email": "new@example.com"}).status_code == 401
    assert mail.outbox == []
    app.auth("post", "auth/reauthenticate", {"password": PASSWORD})
    assert app.auth("post", "account/email", {"email": "new@example.com"}).status_code == 200
    assert app.call("get", "/me").json()["email"] == HANA
    assert app.verify("000-000").status_code == 400
    customer.refresh_from_db()
    assert (User.objects.get().email, customer.email) == (HANA, HANA)
    assert app.verify(last_code("new@example.com")).status_code == 200
    customer.refresh_from_db()
    assert (User.objects.get().email, customer.email) == ("new@example.com", "new@example.com")
    assert App().sign_in(HANA).status_code == 400
    assert App().sign_in("new@example.com").status_code == 200
    told = [letter for letter in mail.outbox if letter.to == [HANA]]
    assert "new@example.com" in str(told[-1].body)


def test_the_address_of_an_unlinked_customer_goes_to_who_confirmed_it() -> None:
    other = Customer.objects.create(name="Same person, twice", email="new@example.com", note="VIP")
    confirmed()
    app = App()
    app.sign_in(HANA)
    app.auth("post", "auth/reauthenticate", {"password": PASSWORD})
    app.auth("post", "account/email", {"email": "new@example.com"})
    app.verify(last_code("new@example.com"))
    other.refresh_from_db()
    assert (other.email, other.user) == ("", None)
    assert other.note.startswith("VIP\n")
    assert "new@example.com was confirmed by another account" in other.note
    assert Customer.objects.get(user__email="new@example.com").email == "new@example.com"


def test_the_address_of_another_account_cannot_be_taken() -> None:
    confirmed("taken@example.com")
    confirmed()
    app = App()
    app.sign_in(HANA)
    app.auth("post", "auth/reauthenticate", {"password": PASSWORD})
    app.auth("post", "account/email", {"email": "taken@example.com"})
    response = app.verify(last_code("taken@example.com"))
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "email_taken")
    assert sorted(User.objects.values_list("email", flat=True)) == [HANA, "taken@example.com"]


def test_a_sign_up_that_nobody_confirmed_does_not_hold_an_address() -> None:
    App().sign_up("new@example.com")
    cache.clear()  # some minutes later: an address gets one code at a time
    confirmed()
    app = App()
    app.sign_in(HANA)
    app.auth("post", "auth/reauthenticate", {"password": PASSWORD})
    app.auth("post", "account/email", {"email": "new@example.com"})
    assert app.verify(last_code("new@example.com")).status_code == 200
    assert [user.email for user in User.objects.all()] == ["new@example.com"]
    assert Customer.objects.get().email == "new@example.com"


@pytest.mark.parametrize("address", ["account/phone", "auth/phone/verify", "auth/phone/verify/resend"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_signs_in_by_phone(address: str, method: str) -> None:
    confirmed()
    app = App()
    app.sign_in(HANA)
    response = app.call(method, f"/_allauth/app/v1/{address}", {"phone": "+8190"} if method == "post" else None)
    assert response.status_code == 404


ODD: list[Any] = [
    None,
    7,
    True,
    [],
    {"a": 1},
    "",
    "\x00",
    "a\x00@example.com",
    "x" * 10_000,
    "a@b.com\r\nBcc: b@example.com",
]


@pytest.mark.parametrize(
    ("address", "member"),
    [
        ("auth/signup", "email"),
        ("auth/signup", "name"),
        ("auth/signup", "language"),
        ("auth/login", "email"),
        ("auth/code/request", "email"),
        ("auth/email/verify", "key"),
        ("auth/password/request", "email"),
        ("auth/provider/token", "token"),
    ],
)
def test_odd_values_are_refused_and_write_nothing(address: str, member: str) -> None:
    body = {"email": "", "password": PASSWORD}
    for odd in ODD:
        cache.clear()
        app = App()
        assert 400 <= app.auth("post", address, {**body, member: odd}).status_code < 500, odd
    assert (User.objects.count(), mail.outbox) == (0, [])


def test_an_address_that_moved_on_without_its_customer_is_freed(db: None) -> None:
    """An administrator gave the account another address; the customer kept the old one, which somebody confirms."""
    first = User.objects.create_user("first@example.com", PASSWORD, last_login=timezone.now())
    stale = Customer.objects.create(user=first, name="First", email=HANA)
    app = App()
    app.sign_up(HANA)
    assert app.verify(last_code(HANA)).status_code == 200
    stale.refresh_from_db()
    assert (stale.email, stale.user) == ("", first)
    assert Customer.objects.get(user__email=HANA).email == HANA


def test_sign_ups_that_nobody_confirms_are_not_kept() -> None:
    App().sign_up(HANA)
    made_by_staff = make_staff(email="new@desk.example")
    confirmed("known@example.com")
    old = timezone.now() - timedelta(days=30, minutes=1)
    User.objects.update(date_joined=old)
    App().sign_up("late@example.com")
    assert prune_old_rows()["sign-ups"] == 1
    left = ["known@example.com", "late@example.com", made_by_staff.email]
    assert sorted(User.objects.values_list("email", flat=True)) == left
    assert prune_old_rows()["sign-ups"] == 0


def test_where_people_were_signed_in_is_forgotten_when_it_has_ended() -> None:
    confirmed()
    apps = [App(), App()]
    for number, app in enumerate(apps):
        app.sign_in(HANA)
        app.call("post", "/me/devices", {"token": f"push-token-{number}", "platform": "ios"})
    Session.objects.filter(pk=apps[0].token).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert prune_old_rows()["sign-ins"] == 1
    assert [row.session_key for row in UserSession.objects.all()] == [apps[1].token]
    assert [device.token for device in Device.objects.all()] == ["push-token-1"]
