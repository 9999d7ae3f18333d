"""Addresses of version 1 have no slash at their end; who writes one arrives all the same."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
def test_a_slash_at_the_end_leads_on_with_method_and_body(client: Client, method: str) -> None:
    answer = getattr(client, method)("/api/v1/orders/?limit=5&cursor=a%26b" if method == "get" else "/api/v1/orders/")
    assert answer.status_code == 308
    assert answer["Location"] == ("/api/v1/orders?limit=5&cursor=a%26b" if method == "get" else "/api/v1/orders")


def test_who_follows_gets_the_answer(client: Client) -> None:
    assert client.get("/api/v1/plans/", follow=True).json() == client.get("/api/v1/plans").json()


@pytest.mark.parametrize("address", ["/api/v1/", "/api/v1/nothing/", "/api/v1//evil.example/", "/api/v1/orders/x/y/z/"])
def test_what_is_not_there_with_a_slash_is_not_there(client: Client, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert "Location" not in answer
