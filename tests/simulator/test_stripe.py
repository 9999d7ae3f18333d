"""The simulated payment service, by its wire: keys, forms, errors, what an app may do, events."""

import hashlib
import hmac
from typing import Any

import pytest
import requests

from tests.simulator_cards import NOWHERE, PUBLISHABLE_KEY, WEBHOOK_SECRET, CardService
from tests.simulator_client import Simulator

INTENTS = "/v1/payment_intents"


@pytest.fixture
def service(simulator: Simulator) -> CardService:
    return CardService(simulator)


def create(service: CardService, *, key: str = "", **fields: str) -> requests.Response:
    data = {"amount": "1200", "currency": "usd", "metadata[order]": "R-1", **fields}
    return service.call("POST", INTENTS, data=data, headers={"Idempotency-Key": key} if key else {})


def error(response: requests.Response) -> tuple[int, Any, Any]:
    found = response.json()["error"]
    return response.status_code, found["type"], found.get("code")


def test_a_payment_as_the_library_reads_it(service: CardService) -> None:
    made = create(service).json()
    assert made["id"].startswith("pi_")
    assert (made["amount"], made["currency"], made["metadata"]) == (1200, "usd", {"order": "R-1"})
    assert (made["status"], made["amount_received"]) == ("requires_payment_method", 0)
    service.pay(made["id"])
    read = service.call("GET", f"{INTENTS}/{made['id']}", params={"expand[0]": "latest_charge"}).json()
    assert (read["status"], read["amount_received"], read["latest_charge"]["amount"]) == ("succeeded", 1200, 1200)


def test_a_key_gives_its_first_answer(service: CardService) -> None:
    first = create(service, key="k")
    again = create(service, key="k")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert error(create(service, key="k", amount="1300")) == (400, "idempotency_error", None)
    assert len(service.objects()) == 1
    service.simulator.move_clock(days=1, seconds=1)
    assert create(service, key="k").json()["id"] != first.json()["id"]


def test_nothing_is_kept_of_a_refusal(service: CardService) -> None:
    assert error(create(service, key="k", amount="0")) == (400, "invalid_request_error", "parameter_invalid_integer")
    assert create(service, key="k").status_code == 200


def test_errors_are_told_as_there(service: CardService) -> None:
    assert error(service.call("GET", f"{INTENTS}/pi_x")) == (404, "invalid_request_error", "resource_missing")
    assert error(service.call("GET", INTENTS, key="sk_wrong")) == (401, "invalid_request_error", None)
    assert error(create(service, currency="USD")) == (400, "invalid_request_error", "parameter_invalid")
    assert error(create(service, amount="20")) == (400, "invalid_request_error", "amount_too_small")
    made = create(service).json()["id"]
    declined = service.call("POST", f"{INTENTS}/{made}/confirm", data={"payment_method": "pm_card_chargeDeclined"})
    assert error(declined) == (402, "card_error", "card_declined")
    service.order_fault("rate_limited", "intent")
    assert error(service.call("GET", f"{INTENTS}/{made}")) == (429, "invalid_request_error", "rate_limit")
    service.order_fault("status_before", "intent", status=503)
    assert service.call("GET", f"{INTENTS}/{made}").json()["error"]["type"] == "api_error"


def test_an_app_confirms_its_own_payment_only(service: CardService) -> None:
    made, other = create(service).json(), create(service).json()
    secret = {"client_secret": made["client_secret"]}
    confirm = f"{INTENTS}/{made['id']}/confirm"
    assert service.call("POST", confirm, key=PUBLISHABLE_KEY).status_code == 401
    wrong = service.call("POST", f"{INTENTS}/{other['id']}/confirm", key=PUBLISHABLE_KEY, data=secret)
    assert wrong.status_code == 401
    assert service.call("POST", f"{INTENTS}/{made['id']}/cancel", key=PUBLISHABLE_KEY, data=secret).status_code == 401
    assert service.call("GET", f"{INTENTS}/{made['id']}", key=PUBLISHABLE_KEY, params=secret).status_code == 200
    paid = service.call("POST", confirm, key=PUBLISHABLE_KEY, data={**secret, "payment_method": "pm_card_visa"})
    assert paid.json()["status"] == "succeeded"


def test_lists_come_in_pages(service: CardService) -> None:
    made = [create(service).json()["id"] for _number in range(3)]
    first = service.call("GET", INTENTS, params={"limit": "2"}).json()
    assert ([row["id"] for row in first["data"]], first["has_more"]) == ([made[2], made[1]], True)
    rest = service.call("GET", INTENTS, params={"limit": "2", "starting_after": made[1]}).json()
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([made[0]], False)
    assert service.call("GET", INTENTS, params={"created[gte]": "99999999999"}).json()["data"] == []


def test_never_more_goes_back_than_came(service: CardService) -> None:
    made = create(service).json()["id"]
    refund = {"payment_intent": made, "amount": "700"}
    assert service.call("POST", "/v1/refunds", data=refund).status_code == 400
    service.pay(made)
    assert service.call("POST", "/v1/refunds", data=refund).json()["status"] == "succeeded"
    assert error(service.call("POST", "/v1/refunds", data=refund))[2] == "amount_too_large"
    service.end_refund(service.objects("refund")[0]["id"], "failed")
    assert service.call("POST", "/v1/refunds", data={"payment_intent": made}).json()["amount"] == 1200
    assert error(service.call("POST", "/v1/refunds", data=refund))[2] == "charge_already_refunded"
    assert service.effects("captured", "refunded", "refund_failed") == [
        ("captured", 1200),
        ("refunded", 700),
        ("refund_failed", 700),
        ("refunded", 1200),
    ]


def test_events_are_signed(service: CardService) -> None:
    create(service)
    assert service.list_events() == []
    service.set_webhook(NOWHERE)
    create(service)
    (event,) = service.list_events()
    assert event["kind"] == "payment_intent.created"
    stamp, signature = (part.partition("=")[2] for part in event["headers"]["Stripe-Signature"].split(","))
    expected = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.{event['body']}".encode(), hashlib.sha256).hexdigest()
    assert signature == expected
