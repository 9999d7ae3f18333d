"""What no honest app sends: it is refused with a word, and never breaks anything."""

import json
from typing import Any

import pytest
from django.test import Client

from customers.models import IdempotencyKey
from orders.models import Order
from tests.api.app import PASSWORD, App
from tests.api.buying import HANA, make_traveller

pytestmark = pytest.mark.django_db

#: What is no JSON, or none that any program could work with.
UNREADABLE = {
    "cut": b'{"plan_id":',
    "words": b"plan_id=1",
    "not a number": b'{"plan_id": NaN}',
    "more digits than numbers have": b'{"plan_id": ' + b"9" * 5000 + b"}",
    "no text": b'{"plan_id": "\xff\xfe"}',
    "half a character": b'{"plan_id": "\\ud800"}',
    "half a character in a name": b'{"\\ud800": 1}',
    "deep": b'{"plan_id": ' + b"[" * 60 + b"]" * 60 + b"}",
    "deep without end": b"[" * 100_000 + b"]" * 100_000,
}
#: JSON that is something else than what was asked for.
WRONG: dict[str, Any] = {
    "a list": [],
    "a text": "x",
    "nothing": None,
    "all of other kinds": {
        "email": 1,
        "password": [],
        "plan_id": {},
        "quantity": "1",
        "unit_price": [],
        "period_days": 1.5,
    },
    "parts of other kinds": {
        "email": {"a": 1},
        "password": {},
        "plan_id": [1],
        "unit_price": {"amount": {}, "currency": []},
    },
    "numbers out of bounds": {"plan_id": 2**63, "quantity": -1, "unit_price": {"amount": "-1", "currency": "USD"}},
    "NUL": {"email": "hana\0@example.com", "password": "\0", "plan_id": "\0", "unit_price": {"amount": "\0"}},
    "levels enough": {"plan_id": json.loads("[" * 45 + "]" * 45)},
}


@pytest.fixture
def app() -> App:
    return App.signed_in(make_traveller())


def _post(app: App, body: bytes, address: str = "/api/v1/orders", kind: str = "application/json") -> Any:
    headers = {"X-Session-Token": app.token, "Idempotency-Key": "a-wish"}
    return Client().generic("POST", address, body, content_type=kind, headers=headers)


def nothing_came_of_it() -> None:
    assert (Order.objects.count(), IdempotencyKey.objects.count()) == (0, 0)


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_malformed(app: App, body: bytes) -> None:
    response = _post(app, body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert response["Content-Type"] == "application/problem+json"
    nothing_came_of_it()


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_what_is_something_else_is_invalid(app: App, body: Any) -> None:
    response = _post(app, json.dumps(body).encode())
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    nothing_came_of_it()


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/xml", "application", ""])
def test_another_media_type_is_not_understood(app: App, kind: str) -> None:
    response = _post(app, b'{"plan_id": 1}', kind=kind)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    nothing_came_of_it()


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("step", ["auth/login", "auth/signup", "auth/reauthenticate"])
def test_the_sign_in_refuses_it_as_well(app: App, body: bytes, step: str) -> None:
    response = _post(app, body, f"/_allauth/app/v1/{step}")
    assert (response.status_code, response.json()["status"]) == (400, 400)
    assert response.json()["errors"] == [{"code": "malformed", "message": "The request could not be read."}]


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("step", ["auth/login", "auth/signup", "auth/code/request", "auth/password/request"])
def test_nobody_is_signed_in_by_something_else(body: Any, step: str) -> None:
    assert _post(App(), json.dumps(body).encode(), f"/_allauth/app/v1/{step}").status_code == 400


def test_a_body_that_is_in_order_signs_in() -> None:
    user = make_traveller()
    assert App().sign_in(HANA, PASSWORD).status_code == 200
    assert user.email == HANA


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/plans/{10**30}", 404),
        (f"/plans/{2**63}", 404),
        (f"/esims/{10**30}/top-ups", 404),
        ("/orders/R-2611-%00", 404),
        ("/orders/%FF", 404),
        ("/plans?cursor=%00", 422),
        ("/plans?cursor=%FF%FE", 404),
        (f"/plans?cursor={'A' * 2000}", 404),
        ("/notifications?cursor=WyJuZXdlc3QiLGZhbHNlXQ", 404),
        (f"/plans?days={10**30}", 422),
        (f"/plans?min_bytes={2**63}", 422),
        ("/plans?max_price=99999999999", 422),
        ("/plans?%00=1", 422),
        ("/plans?country=%F0%9F%87%AF", 422),
        ("/orders?state=paid&state=%00", 422),
    ],
)
def test_addresses_that_name_nothing(app: App, address: str, status: int) -> None:
    assert app.call("get", address).status_code == status


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Accept-Language", "xx-not-a-language;q=banana, *", 200),
        ("Accept-Language", "en" + "-x" * 2000, 200),
        ("If-None-Match", '"half', 200),
        ("If-None-Match", 'W/"' + "x" * 5000, 200),
        ("Accept", "text/html", 406),
        ("Accept", "nonsense", 406),
        ("X-Session-Token", "\xe9\xff", 401),
        ("X-Session-Token", "x" * 5000, 401),
        ("X-Session-Token", "", 401),
    ],
)
def test_headers_that_mean_nothing(header: str, value: str, status: int) -> None:
    assert App().call("get", "/me" if header.startswith("X") else "/plans", **{header: value}).status_code == status


@pytest.mark.parametrize("key", ["", " ", "a key", "k" * 256, "schlüssel", "\x7f"])
def test_keys_that_are_none(app: App, key: str) -> None:
    body = b'{"plan_id": 1, "unit_price": {"amount": "6.00", "currency": "USD"}}'
    headers = {"X-Session-Token": app.token, "Idempotency-Key": key}
    response = Client().generic("POST", "/api/v1/orders", body, content_type="application/json", headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "key_missing")
    nothing_came_of_it()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "QUERY", "NONSENSE"])
def test_methods_that_are_not_there(app: App, method: str) -> None:
    response = Client().generic(method, "/api/v1/orders", headers={"X-Session-Token": app.token})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_head_is_get_without_its_body(app: App) -> None:
    response = app.call("head", "/me")
    assert (response.status_code, response.content) == (200, b"")
