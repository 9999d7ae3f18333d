"""What people see and change about themselves."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.accounts import vouch_for_address
from customers.models import Customer, Device, User
from tests.api.app import App
from tests.customers.making import make_staff

pytestmark = pytest.mark.django_db
HANA = "hana@example.com"
TOKEN = "fcm:abcdef-0123456789"


@pytest.fixture
def user() -> User:
    user = make_staff(email=HANA, is_staff=False)
    vouch_for_address(user=user)
    Customer.objects.create(user=user, name="Hana", email=HANA, phone="+8190", country="JP", note="only for staff")
    return user


@pytest.fixture
def app(user: User) -> App:
    return App.signed_in(user)


def test_who_is_signed_in(app: App) -> None:
    response = app.call("get", "/me")
    assert response.status_code == 200
    assert response.json() == {
        "email": HANA,
        "name": "Hana",
        "phone": "+8190",
        "country": "JP",
        "language": "",
        "time_zone": "",
        "has_password": True,
        "is_customer": True,
        "is_staff": False,
        "permissions": [],
        "second_factor": {"is_required": False, "is_set_up": False},
    }
    assert response["Cache-Control"] == "no-store"
    assert {"X-Session-Token", "Accept-Language"} <= set(response["Vary"].split(", "))


def test_staff_see_what_they_may() -> None:
    found = App.signed_in(make_staff("orders.sell", "esims.view_esim")).call("get", "/me").json()
    assert (found["is_staff"], found["is_customer"], found["name"]) == (True, False, "")
    assert found["permissions"] == ["esims.view_esim", "orders.sell"]


def test_what_is_named_changes(app: App, user: User) -> None:
    body = {
        "name": " Hana  Sato ",
        "phone": "+81 90-1234",
        "country": "FR",
        "language": "ja",
        "time_zone": "Asia/Tokyo",
    }
    response = app.call("patch", "/me", body)
    assert response.status_code == 200
    assert response.json()["name"] == "Hana Sato"
    user.refresh_from_db()
    customer = Customer.objects.get()
    assert (user.language, user.time_zone) == ("ja", "Asia/Tokyo")
    assert (customer.name, customer.phone, customer.country, customer.language) == (
        "Hana Sato",
        "+81901234",
        "FR",
        "ja",
    )
    assert (customer.email, customer.note) == (HANA, "only for staff")
    app.call("patch", "/me", {"country": ""})
    customer.refresh_from_db()
    assert (customer.name, customer.country) == ("Hana Sato", "")


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"name": ""}, "name", "blank"),
        ({"name": 7}, "name", "invalid"),
        ({"name": "x" * 151}, "name", "max_length"),
        ({"country": "XX"}, "country", "invalid"),
        ({"country": "jp"}, "country", "invalid"),
        ({"language": "de"}, "language", "invalid_choice"),
        ({"time_zone": "Mars/Base"}, "time_zone", "invalid"),
        ({"phone": "call me"}, "phone", "invalid"),
        ({"email": "new@example.com"}, "email", "unknown_field"),
        ({"is_staff": True}, "is_staff", "unknown_field"),
        ({"note": "VIP"}, "note", "unknown_field"),
        ({"name": "New", "permissions": []}, "permissions", "unknown_field"),
    ],
)
def test_what_is_not_valid_changes_nothing(app: App, user: User, body: dict[str, Any], path: str, code: str) -> None:
    response = app.call("patch", "/me", body)
    assert response.status_code == 422
    assert [(error["path"], error["code"]) for error in response.json()["errors"]] == [(path, code)]
    assert response["Content-Type"] == "application/problem+json"
    user.refresh_from_db()
    customer = Customer.objects.get()
    assert (user.is_staff, user.language, user.time_zone, user.email) == (False, "", "", HANA)
    assert (customer.name, customer.phone, customer.country, customer.note) == ("Hana", "+8190", "JP", "only for staff")


def test_staff_without_a_customer_have_a_language_only() -> None:
    clerk = make_staff()
    app = App.signed_in(clerk)
    response = app.call("patch", "/me", {"language": "ja", "name": "Clerk"})
    assert response.status_code == 422
    clerk.refresh_from_db()
    assert clerk.language == ""
    assert app.call("patch", "/me", {"language": "ja"}).json()["language"] == "ja"
    assert Customer.objects.count() == 0


def test_answers_speak_the_language_of_the_person(app: App, user: User) -> None:
    User.objects.filter(pk=user.pk).update(language="ja")
    assert app.call("patch", "/me", {"country": "XX"})["Content-Language"] == "ja"
    assert app.call("patch", "/me", {"country": "XX"}, **{"Accept-Language": "en"})["Content-Language"] == "en"


def test_the_number_of_queries_is_constant(app: App, user: User) -> None:
    counted = []
    for number in range(3):
        with CaptureQueriesContext(connection) as queries:
            app.call("get", "/me/devices")
        counted.append(len(queries))
        Device.objects.create(user=user, token=f"token-{number}", platform="ios", seen_at=timezone.now())
    # The first call of a person opens the page of the throttle.
    assert counted[1] == counted[2]


def test_sign_out_everywhere(user: User) -> None:
    apps = [App() for _phone in range(2)]
    for app in apps:
        assert app.sign_in(HANA).status_code == 200
    other = App.signed_in(make_staff(email="other@example.com", is_staff=False))
    apps[1].call("post", "/me/devices", {"token": TOKEN, "platform": "ios"})
    response = apps[0].call("delete", "/me/sessions")
    assert (response.status_code, response.content) == (204, b"")
    assert [app.call("get", "/me").status_code for app in [*apps, other]] == [401, 401, 200]
    assert (Session.objects.count(), Device.objects.count()) == (1, 0)


def test_a_device_is_stored_once(app: App, user: User) -> None:
    first = app.call("post", "/me/devices", {"token": TOKEN, "platform": "ios", "name": "Hana's phone"})
    assert first.status_code == 201
    again = app.call("post", "/me/devices", {"token": TOKEN, "platform": "ios"})
    assert (again.status_code, again.json()["id"], again.json()["name"]) == (200, first.json()["id"], "")
    device = Device.objects.get()
    assert (device.user, device.token, device.session_key) == (user, TOKEN, app.token)
    listed = app.call("get", "/me/devices").json()["results"]
    assert [(row["id"], row["platform"]) for row in listed] == [(device.pk, "ios")]
    assert "token" not in listed[0]


def test_a_phone_that_changes_hands_has_a_new_owner(app: App) -> None:
    app.call("post", "/me/devices", {"token": TOKEN, "platform": "ios"})
    other = App.signed_in(make_staff(email="other@example.com", is_staff=False))
    assert other.call("post", "/me/devices", {"token": TOKEN, "platform": "ios"}).status_code == 201
    assert Device.objects.get().user.email == "other@example.com"
    assert app.call("get", "/me/devices").json() == {"results": []}


def test_old_devices_make_room(app: App, user: User) -> None:
    old = timezone.now() - timedelta(days=1)
    for number in range(20):
        Device.objects.create(user=user, token=f"token-{number}", platform="ios", seen_at=old + timedelta(hours=number))
    app.call("post", "/me/devices", {"token": TOKEN, "platform": "ios"})
    assert Device.objects.count() == 20
    assert not Device.objects.filter(token="token-0").exists()


@pytest.mark.parametrize(
    "body",
    [{}, {"token": TOKEN}, {"token": "short", "platform": "ios"}, {"token": TOKEN, "platform": "telex"}, {"token": 7}],
)
def test_what_is_no_device_is_refused(app: App, body: dict[str, Any]) -> None:
    assert app.call("post", "/me/devices", body).status_code == 422
    assert Device.objects.count() == 0


def test_a_device_is_forgotten_by_its_owner_only(app: App) -> None:
    pk = app.call("post", "/me/devices", {"token": TOKEN, "platform": "ios"}).json()["id"]
    other = App.signed_in(make_staff(email="other@example.com", is_staff=False))
    assert other.call("delete", f"/me/devices/{pk}").status_code == 404
    assert Device.objects.count() == 1
    assert app.call("delete", f"/me/devices/{pk}").status_code == 204
    assert app.call("delete", f"/me/devices/{pk}").status_code == 404
    assert Device.objects.count() == 0


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", "/me"),
        ("patch", "/me"),
        ("delete", "/me/sessions"),
        ("get", "/me/devices"),
        ("post", "/me/devices"),
        ("delete", "/me/devices/1"),
    ],
)
def test_nobody_is_told_to_sign_in(method: str, address: str) -> None:
    response = App().call(method, address, {} if method in ("patch", "post") else None)
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
    assert response["WWW-Authenticate"].startswith("X-Session-Token")


def test_the_description_of_the_api_has_no_warnings() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
