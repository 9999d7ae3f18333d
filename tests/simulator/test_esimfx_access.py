"""Nomad eSIMfx at the door: tokens, the envelope, refusals, limits, faults."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_esimfx import (
    ACTIVATE_PATH,
    AUTH_PATH,
    BLOCK_PATH,
    CLIENT_ID,
    CLIENT_KEY,
    ESIM_ORDERS_PATH,
    ESIM_STATUS_PATH,
    ORDER_DETAIL_PATH,
    ORDER_PATH,
    PRODUCT_PATH,
    PRODUCTS_PATH,
    PROFILE_PATH,
    SYSTEM,
    TERMINATE_PATH,
    TOPUPS_PATH,
    Esimfx,
)

CALLS = [
    ("GET", PROFILE_PATH),
    ("POST", PRODUCTS_PATH),
    ("GET", PRODUCT_PATH),
    ("GET", TOPUPS_PATH),
    ("POST", ORDER_PATH),
    ("GET", ORDER_DETAIL_PATH),
    ("GET", ESIM_STATUS_PATH),
    ("GET", ESIM_ORDERS_PATH),
    ("POST", TERMINATE_PATH),
    ("POST", ACTIVATE_PATH),
    ("POST", BLOCK_PATH),
]


@pytest.fixture
def esimfx(simulator: Simulator) -> Esimfx:
    return Esimfx(simulator)


def send_with(esimfx: Esimfx, authorization: str) -> requests.Response:
    return esimfx.send("GET", PROFILE_PATH, headers={"Authorization": authorization})


def read_claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_a_token_is_a_web_token_of_an_hour(simulator: Simulator, esimfx: Esimfx) -> None:
    simulator.move_clock(at="2027-03-01T12:00:00Z", frozen=True)
    response = requests.post(
        esimfx.url + AUTH_PATH, json={"client_id": CLIENT_ID, "client_key": CLIENT_KEY}, timeout=10
    )
    answer = response.json()
    assert (list(answer), answer["code"], answer["message"]) == (["code", "message", "data"], 0, "Success")
    assert list(answer["data"]) == ["access_token"]
    claims = read_claims(answer["data"]["access_token"])
    assert (claims["sub"], claims["iat"], claims["exp"]) == (CLIENT_ID, 1803902400, 1803906000)


def test_trap_17_a_token_ends_after_an_hour_of_the_clock(simulator: Simulator, esimfx: Esimfx) -> None:
    simulator.move_clock(at="2027-03-01T12:00:00Z", frozen=True)
    token = esimfx.make_token()
    simulator.move_clock(seconds=3599)
    assert send_with(esimfx, f"Bearer {token}").status_code == 200
    simulator.move_clock(seconds=1)
    response = send_with(esimfx, f"Bearer {token}")
    assert (response.status_code, response.json()["code"], response.json()["data"]) == (401, 40102, None)


def test_several_tokens_are_valid_until_they_are_revoked(esimfx: Esimfx) -> None:
    first, second = esimfx.make_token(), esimfx.make_token()
    assert first != second
    assert [send_with(esimfx, f"Bearer {token}").status_code for token in (first, second)] == [200, 200]
    esimfx.revoke_tokens()
    assert [send_with(esimfx, f"Bearer {token}").status_code for token in (first, second)] == [401, 401]
    assert send_with(esimfx, f"Bearer {esimfx.make_token()}").status_code == 200


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_nothing_is_answered_without_a_token(esimfx: Esimfx, method: str, path: str) -> None:
    response = requests.request(method, esimfx.url + path, json={}, timeout=10)
    assert (response.status_code, response.json()["code"]) == (401, 40101)


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic a", "Bearer a.b.c d"])
def test_a_wrong_token_is_refused(esimfx: Esimfx, text: str) -> None:
    assert send_with(esimfx, text).status_code == 401


def test_a_forged_token_is_refused(esimfx: Esimfx) -> None:
    head, payload, signature = esimfx.make_token().split(".")
    longer = {**read_claims(f".{payload}."), "exp": 9_999_999_999}
    forged = base64.urlsafe_b64encode(json.dumps(longer).encode()).decode().rstrip("=")
    assert send_with(esimfx, f"Bearer {head}.{forged}.{signature}").status_code == 401
    assert send_with(esimfx, f"Bearer {head}.{payload}.").status_code == 401


def test_the_bare_token_is_taken_by_switch_only(esimfx: Esimfx) -> None:
    token = esimfx.make_token()
    assert send_with(esimfx, token).status_code == 401
    esimfx.set_switches(bare_token=True)
    assert (send_with(esimfx, token).status_code, send_with(esimfx, f"Bearer {token}").status_code) == (200, 200)
    assert send_with(esimfx, f"{token}x").status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"client_id": CLIENT_ID, "client_key": "wrong"}, 401, 40103),
        ({"client_id": "wrong", "client_key": CLIENT_KEY}, 401, 40103),
        ({"client_id": CLIENT_ID}, 200, 40001),
        ({"client_id": 1, "client_key": CLIENT_KEY}, 200, 40001),
        ([], 200, 40001),
    ],
)
def test_wrong_credentials_get_no_token(esimfx: Esimfx, body: object, status: int, code: int) -> None:
    response = requests.post(esimfx.url + AUTH_PATH, json=body, timeout=10)
    assert (response.status_code, response.json()["code"], response.json()["data"]) == (status, code, None)


def test_the_status_of_business_errors_is_a_switch(esimfx: Esimfx) -> None:
    def ask() -> tuple[int, int]:
        response = esimfx.send("GET", ORDER_DETAIL_PATH, params={"order_id": "nope"})
        return response.status_code, response.json()["code"]

    assert ask() == (200, 40402)
    esimfx.set_switches(error_status="matching")
    assert ask() == (404, 40402)


def test_an_unknown_address_is_answered_in_the_envelope(esimfx: Esimfx) -> None:
    response = esimfx.send("GET", "/order/api/v1/nothing")
    assert (response.status_code, response.json()["code"]) == (404, 40400)
    assert esimfx.send("GET", ORDER_PATH).status_code == 405


def test_no_limit_is_documented_and_one_can_be_set(simulator: Simulator, esimfx: Esimfx) -> None:
    assert {esimfx.send("GET", PROFILE_PATH).status_code for _ in range(30)} == {200}
    simulator.set_limits(system=SYSTEM, profile=1)
    first, second = esimfx.send("GET", PROFILE_PATH), esimfx.send("GET", PROFILE_PATH)
    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 429, 42900)
    assert (int(second.headers["Retry-After"]) > 0, simulator.violations()) == (True, 1)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "refuse", "reason": "out_of_stock"}, 200, 40902),
        ({"kind": "refuse", "reason": "insufficient_balance"}, 200, 40201),
        ({"kind": "refuse_code", "code": "77001"}, 200, 77001),
        ({"kind": "refuse_code", "code": "77001", "http_status": 409}, 409, 77001),
        ({"kind": "status_before", "status": 503}, 503, 50300),
        ({"kind": "rate_limited"}, 429, 42900),
        ({"kind": "short_order"}, 200, 40902),
    ],
)
def test_a_refused_order_sells_nothing(esimfx: Esimfx, fault: dict[str, Any], status: int, code: int) -> None:
    esimfx.simulator.order_fault(endpoint="order", system=SYSTEM, **fault)
    body = {"operation_type": "NEW", "product": {"id": esimfx.product_ids()[0]}}
    response = esimfx.send_order(body)
    assert (response.status_code, response.json()["code"], response.json()["data"]) == (status, code, None)
    assert (esimfx.orders(), esimfx.lines(), esimfx.effects()) == ([], [], [])
    assert esimfx.read_balance() == 5000


@pytest.mark.parametrize("match", ["product_id", "idempotency_key"])
def test_a_fault_can_meet_one_product_or_one_key(esimfx: Esimfx, match: str) -> None:
    one, other = esimfx.product_ids()[:2]
    wanted = {"product_id": other, "idempotency_key": "second"}[match]
    esimfx.simulator.order_fault("refuse", "order", system=SYSTEM, times=None, match={match: wanted})
    esimfx.order_new(one, "first")
    body = {"operation_type": "NEW", "product": {"id": other}}
    assert esimfx.send_order(body, "second").json()["code"] == 40902
    assert [order["plan"] for order in esimfx.orders()] == [one]


def test_an_order_whose_answer_is_lost_is_found_by_its_key(simulator: Simulator, esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    for fault in ("reset_after", "close_after"):
        simulator.order_fault(fault, "order", system=SYSTEM)
        with pytest.raises(requests.ConnectionError):
            esimfx.order_new(product_id, fault)
    simulator.order_fault("status_after", "order", system=SYSTEM, status=502)
    assert esimfx.send_order({"operation_type": "NEW", "product": {"id": product_id}}, "status").status_code == 502
    answers = [esimfx.order_new(product_id, key)["id"] for key in ("reset_after", "close_after", "status")]
    assert [order["reference"] for order in esimfx.orders()] == answers


def test_a_short_reply_hides_the_esim_that_was_sold(simulator: Simulator, esimfx: Esimfx) -> None:
    simulator.order_fault("short_reply", "order", system=SYSTEM)
    product_id = esimfx.product_ids()[0]
    answer = esimfx.order_new(product_id, "k")
    [order] = esimfx.orders()
    assert (answer["esim"], order["reference"], order["shown"]) == (None, answer["id"], 0)
    assert esimfx.read_order(answer["id"])["iccid"] == order["refs"][0]
    assert esimfx.order_new(product_id, "k")["esim"]["iccid"] == order["refs"][0]


def test_faults_reach_into_the_envelope(simulator: Simulator, esimfx: Esimfx) -> None:
    simulator.order_fault("duplicate_item", "products", system=SYSTEM)
    page = esimfx.post(PRODUCTS_PATH, {"page_start": {}, "page_size": 3})["products"]
    assert [page[0]["id"], len(page)] == [page[3]["id"], 4]
    order_id = esimfx.order_new(esimfx.product_ids()[0])["id"]
    simulator.order_fault("unknown_words", "order_detail", system=SYSTEM, match={"order_id": order_id})
    order = esimfx.read_order(order_id)
    assert (order["status"], order["subscription"]["status"]) == ("SOMETHING_NEW", "SOMETHING_NEW")


def test_fields_that_are_new_do_not_make_a_list_endless(simulator: Simulator, esimfx: Esimfx) -> None:
    simulator.order_fault("extra_fields", "products", system=SYSTEM, times=None)
    assert len(esimfx.list_products(page_size=100)) == 250


def test_a_crash_after_the_sale_loses_nothing(start_simulator: Callable[..., Simulator]) -> None:
    simulator = start_simulator("--esimfx-products", "20")
    esimfx = Esimfx(simulator)
    product_id = esimfx.product_ids()[0]
    esimfx.configure_webhooks("http://127.0.0.1:9/hook")
    simulator.order_fault("crash_after", "order", system=SYSTEM)
    with pytest.raises(requests.ConnectionError):
        esimfx.order_new(product_id, "k")
    simulator.wait_for_death()
    simulator.start()
    answer = esimfx.order_new(product_id, "k")
    assert [order["reference"] for order in esimfx.orders()] == [answer["id"]]
    assert (len(esimfx.lines()), esimfx.portal()["url"]) == (1, "http://127.0.0.1:9/hook")


def test_everything_survives_a_restart(start_simulator: Callable[..., Simulator]) -> None:
    simulator = start_simulator("--esimfx-products", "20", "--esimfx-balance", "50")
    esimfx = Esimfx(simulator)
    token = esimfx.make_token()
    first = esimfx.order_new(esimfx.product_ids()[0], "k")
    balance = esimfx.read_balance()
    simulator.kill()
    simulator.start()
    assert send_with(esimfx, f"Bearer {token}").status_code == 200
    assert (esimfx.order_new(esimfx.product_ids()[0], "k"), esimfx.read_balance()) == (first, balance)
    assert esimfx.order_new(esimfx.product_ids()[0])["esim"]["iccid"] != first["esim"]["iccid"]


def test_options_set_everything_up(start_simulator: Callable[..., Simulator]) -> None:
    simulator = start_simulator(
        *(
            "--esimfx-products",
            "20",
            "--esimfx-balance",
            "50.25",
            "--esimfx-esim-fee",
            "0",
            "--esimfx-limit",
            "block=1",
        ),
        *("--esimfx-block-path", "/esim/api/v1/block", "--esimfx-webhook-url", "http://127.0.0.1:9/hook"),
    )
    esimfx = Esimfx(simulator)
    assert (len(esimfx.product_ids()), str(esimfx.read_balance())) == (20, "50.25")
    assert esimfx.portal() == {
        "url": "http://127.0.0.1:9/hook",
        "token": "demo-webhook-token",
        "thresholds": [50, 80, 90],
    }
    iccid = esimfx.order_new(esimfx.product_ids()[0])["esim"]["iccid"]
    assert esimfx.send("POST", BLOCK_PATH, json={"iccid": iccid}).status_code == 404
    assert esimfx.post("/esim/api/v1/block", {"iccid": iccid})["status"] == "BLOCKED"
    assert esimfx.send("POST", "/esim/api/v1/block", json={"iccid": iccid}).status_code == 429


def test_control_calls_refuse_nonsense(simulator: Simulator, esimfx: Esimfx) -> None:
    iccid = esimfx.order_new(esimfx.product_ids()[0])["esim"]["iccid"]
    for path, body in (
        (f"/lines/{iccid}", {"event": "fly"}),
        (f"/lines/{iccid}", {"event": "use"}),
        (f"/lines/{iccid}", {"event": "use", "bytes": -1}),
        (f"/lines/{iccid}", {"event": "expire"}),
        ("/lines/8944", {"event": "connect"}),
        ("/account", {"balance": "-1"}),
        ("/account", {"balance": "much"}),
        ("/portal", {"adress": "x"}),
        ("/tokens", {}),
        ("/products", {"action": "burn"}),
    ):
        with pytest.raises(ControlRefused):
            simulator.control("POST", f"/{SYSTEM}{path}", body)
    assert esimfx.line(iccid)["installed_at"] is None


@pytest.mark.parametrize(
    "options",
    [
        ("--esimfx-balance", "much"),
        ("--esimfx-esim-fee", "-1"),
        ("--esimfx-limit", "fly=1"),
        ("--esimfx-limit", "order=none"),
        ("--esimfx-block-path", "block"),
    ],
)
def test_wrong_options_are_told(options: tuple[str, str]) -> None:
    with pytest.raises(RuntimeError, match="did not start"), Simulator(options=options):
        pass
