"""One id for a request: in, out, and in every error."""

import re

import pytest

from tests.api.app import App

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["/me", "/no/such/thing", "/plans?colour=red"])
def test_the_app_may_name_its_request(address: str) -> None:
    response = App().call("get", address, **{"X-Request-ID": "phone-1234.5678"})
    assert response["X-Request-ID"] == "phone-1234.5678"
    assert response.json()["request_id"] == "phone-1234.5678"
    assert response.json()["type"].endswith(f"/api/problems#{response.json()['code']}")


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space in it", 'quote"and\\slash', "ключ-ключ"])
def test_what_is_no_id_is_replaced(given: str) -> None:
    response = App().call("get", "/me", **{"X-Request-ID": given})
    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])
    assert response.json()["request_id"] == response["X-Request-ID"]


def test_sign_in_has_one_too() -> None:
    response = App().call("get", "/_allauth/app/v1/auth/session", **{"X-Request-ID": "phone-1234.5678"})
    assert (response.status_code, response["X-Request-ID"]) == (401, "phone-1234.5678")
