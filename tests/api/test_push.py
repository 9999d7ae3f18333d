"""Messages on phones: who gets one, what it says, and what becomes of what the service does not take."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings

from customers.checks import check_push
from customers.models import Customer, Device, User
from esims.models import Esim
from orders.models import Notification
from orders.notice_planning import plan_notifications
from orders.notice_sending import send_due_notifications
from providers.types import LineState
from tests.api.app import App
from tests.customers.making import make_staff
from tests.orders.telling import GB, make_told_line, report

pytestmark = pytest.mark.django_db
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
UNREGISTERED = {"error": {"code": 404, "status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}
INVALID = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"errorCode": "INVALID_ARGUMENT"}]}}


class Firebase:
    """What Firebase says: ``answers`` by phone, else that it took the message."""

    def __init__(self) -> None:
        self.statements: list[dict[str, list[str]]] = []
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.knows_us = True

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if path == "/token":
            self.statements.append(parse_qs(body.decode()))
            if not self.knows_us:
                return 400, {"error": "invalid_grant"}
            return 200, {"access_token": "ya29.short-lived", "expires_in": 3599, "token_type": "Bearer"}
        if headers["Authorization"] != "Bearer ya29.short-lived" or path != "/v1/projects/travel-app/messages:send":
            return 401, {"error": {"status": "UNAUTHENTICATED"}}
        message = json.loads(body)["message"]
        status, words = self.answers.get(message["token"], (200, {"name": "projects/travel-app/messages/1"}))
        if status == 200:
            self.taken.append((message["token"], message))
        return status, words


@pytest.fixture
def firebase(settings: Settings) -> Iterator[Firebase]:
    service = Firebase()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, words = service.answer(self.path, self.headers, body)
            content = json.dumps(words).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    settings.PUSH_BACKEND = "customers.push_fcm.FcmPush"
    settings.FCM_URL = address
    settings.FCM_CREDENTIALS = json.dumps(
        {
            "project_id": "travel-app",
            "client_email": "push@travel-app.example",
            "private_key": PEM,
            "token_uri": f"{address}/token",
        }
    )
    cache.clear()
    yield service
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def user() -> User:
    return make_staff(email="aiko@example.jp", is_staff=False)


def with_phones(user: User, *tokens: str) -> list[App]:
    apps = []
    for token in tokens:
        app = App.signed_in(user)
        assert app.call("post", "/me/devices", {"token": token, "platform": "android"}).status_code == 201
        apps.append(app)
    return apps


def end_a_line(user: User) -> Esim:
    """Something to tell ``user`` of: a line is over."""
    esim = make_told_line(customer={"user": user})
    report(esim, state=LineState.EXPIRED, total_used_bytes=GB)
    plan_notifications()
    return esim


def pushed() -> Notification:
    return Notification.objects.get(channel="push")


def test_every_phone_of_the_customer_gets_it_once(firebase: Firebase, user: User) -> None:
    with_phones(user, "phone-one", "phone-two")
    with_phones(make_staff(email="other@example.com", is_staff=False), "stranger")
    esim = end_a_line(user)
    send_due_notifications(seconds=30)
    send_due_notifications(seconds=30)
    row = pushed()
    assert (row.state, row.facts["phones"]) == ("sent", 2)
    assert sorted(token for token, _message in firebase.taken) == ["phone-one", "phone-two"]
    message = firebase.taken[0][1]
    assert message["notification"] == {"title": "Roamdesk", "body": row.subject}
    assert message["data"] == {"kind": "ended", "esim_id": str(esim.pk)}
    # The e-mail goes besides.
    assert len(mail.outbox) == 1


def test_the_service_is_asked_for_a_token_by_a_signed_statement_once(firebase: Firebase, user: User) -> None:
    with_phones(user, "phone-one", "phone-two")
    end_a_line(user)
    send_due_notifications(seconds=30)
    [statement] = firebase.statements
    assert statement["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = statement["assertion"][0].split(".")
    padded = [part + "=" * (-len(part) % 4) for part in (head, claims, signature)]
    KEY.public_key().verify(
        base64.urlsafe_b64decode(padded[2]), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    told = json.loads(base64.urlsafe_b64decode(padded[1]))
    assert told["iss"] == "push@travel-app.example"
    assert told["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert told["exp"] - told["iat"] == 3600
    assert "ya29" not in str(cache.get("push-fcm-token"))


def test_a_phone_without_the_app_is_forgotten(firebase: Firebase, user: User) -> None:
    with_phones(user, "phone-one", "phone-gone")
    firebase.answers["phone-gone"] = (404, UNREGISTERED)
    end_a_line(user)
    send_due_notifications(seconds=30)
    assert (pushed().state, pushed().facts["phones"]) == ("sent", 1)
    assert [device.token for device in Device.objects.all()] == ["phone-one"]


def test_who_has_signed_out_gets_nothing(firebase: Firebase, user: User) -> None:
    [app] = with_phones(user, "phone-one")
    end_a_line(user)
    app.auth("delete", "auth/session")
    send_due_notifications(seconds=30)
    assert firebase.taken == []
    assert (pushed().state, pushed().error) == ("skipped", "No phone of the customer is signed in.")


def test_a_sign_in_that_has_ended_by_time_gets_nothing(firebase: Firebase, user: User) -> None:
    with_phones(user, "phone-one")
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    end_a_line(user)
    send_due_notifications(seconds=30)
    assert firebase.taken == []


def test_without_phones_or_a_service_there_is_no_row(firebase: Firebase, user: User, settings: Settings) -> None:
    end_a_line(user)
    assert not Notification.objects.filter(channel="push").exists()
    settings.PUSH_BACKEND = ""
    other = make_staff(email="other@example.com", is_staff=False)
    with_phones(other, "phone-one")
    report(make_told_line(customer={"user": other, "email": "other@example.com"}), state=LineState.EXPIRED)
    plan_notifications()
    assert not Notification.objects.filter(channel="push").exists()


@pytest.mark.parametrize(
    ("answer", "state", "error"),
    [
        ((429, {}), "planned", "The push service refuses the message (429)."),
        ((401, {}), "planned", "The push service refuses the message (401)."),
        ((400, INVALID), "failed", "The push service refuses the message (400)."),
        ((503, {}), "uncertain", "The push service refuses the message (503)."),
    ],
)
def test_what_the_service_answers(
    firebase: Firebase, user: User, answer: tuple[int, Any], state: str, error: str
) -> None:
    with_phones(user, "phone-one")
    firebase.answers["phone-one"] = answer
    end_a_line(user)
    send_due_notifications(seconds=30)
    row = pushed()
    assert (row.state, row.error, firebase.taken) == (state, error, [])
    assert (row.next_attempt_at is not None) == (state == "planned")


def test_a_service_that_is_away_is_asked_again(firebase: Firebase, user: User, settings: Settings) -> None:
    with_phones(user, "phone-one")
    end_a_line(user)
    settings.FCM_URL = "http://127.0.0.1:9"
    send_due_notifications(seconds=30)
    assert (pushed().state, pushed().error) == ("planned", "The push service cannot be reached (ConnectionError).")


def test_an_account_that_the_service_does_not_know(firebase: Firebase, user: User) -> None:
    with_phones(user, "phone-one")
    firebase.knows_us = False
    end_a_line(user)
    send_due_notifications(seconds=30)
    assert (pushed().state, pushed().error) == ("planned", "The push service does not know our account (400).")


def test_choices_of_what_to_be_told_of(firebase: Firebase, user: User) -> None:
    [app] = with_phones(user, "phone-one")
    esim = make_told_line(customer={"user": user})
    found = app.call("get", "/me/notification-choices").json()["kinds"]
    assert {row["kind"]: (row["email"], row["push"], row["can_be_off"]) for row in found} == {
        **dict.fromkeys(("order_ready", "replacement", "refund_due", "refund_made"), (True, True, False)),
        **dict.fromkeys(("topped_up", "deadline", "usage", "used_up", "last_day", "ended"), (True, True, True)),
    }
    response = app.call("patch", "/me/notification-choices", {"email_off": ["ended"], "push_off": ["ended", "usage"]})
    assert [(row["kind"], row["email"], row["push"]) for row in response.json()["kinds"] if not row["push"]] == [
        ("usage", True, False),
        ("ended", False, False),
    ]
    report(esim, state=LineState.EXPIRED, total_used_bytes=GB)
    plan_notifications()
    send_due_notifications(seconds=30)
    assert (firebase.taken, mail.outbox) == ([], [])
    # It stays in the feed.
    assert [(row.channel, row.state) for row in Notification.objects.all()] == [("feed", "sent")]
    app.call("patch", "/me/notification-choices", {"email_off": []})
    customer = Customer.objects.get()
    assert (customer.email_off, customer.push_off) == ([], ["usage", "ended"])


@pytest.mark.parametrize(
    "body",
    [
        {"email_off": ["order_ready"]},
        {"push_off": ["refund_made"]},
        {"email_off": ["low_balance"]},
        {"email_off": "ended"},
        {"sms_off": ["ended"]},
    ],
)
def test_what_brings_goods_or_money_cannot_be_switched_off(user: User, body: dict[str, Any]) -> None:
    customer = Customer.objects.create(user=user, name="Aiko")
    assert App.signed_in(user).call("patch", "/me/notification-choices", body).status_code == 422
    customer.refresh_from_db()
    assert (customer.email_off, customer.push_off) == ([], [])


def test_staff_without_a_customer_have_no_such_choices() -> None:
    app = App.signed_in(make_staff())
    for method, body in (("get", None), ("patch", {"email_off": []})):
        assert app.call(method, "/me/notification-choices", body).status_code == 403


@pytest.mark.parametrize(
    ("backend", "credentials", "found"),
    [
        ("", "", []),
        ("customers.push_fcm.FcmPush", "", ["customers.E001"]),
        ("customers.push_fcm.FcmPush", '{"project_id": "x"}', ["customers.E001"]),
        ("customers.no_such.Push", "", ["customers.E001"]),
        ("customers.push.PushService", "", ["customers.E001"]),
        ("builtins.dict", "", ["customers.E002"]),
    ],
)
def test_half_a_configuration_is_found(settings: Settings, backend: str, credentials: str, found: list[str]) -> None:
    settings.PUSH_BACKEND, settings.FCM_CREDENTIALS = backend, credentials
    assert [message.id for message in check_push(None)] == found
