"""Every fault that can be ordered: what the client sees, and what the books say really happened."""

import json
import socket
import threading
import time
from typing import Any

import pytest
import requests

from tests.simulator_client import KEYS, PRODUCTION, ControlRefused, Simulator

BODY = {"planCode": "KD0001", "quantity": 2}


def buy(simulator: Simulator, **options: Any) -> requests.Response:
    return simulator.call("POST", "/esim/orders", json=BODY, **options)


def send_raw(simulator: Simulator) -> socket.socket:
    """Send an order on a bare socket and leave the reading to the test."""
    host, port = simulator.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    body = json.dumps(BODY).encode()
    keys = "".join(f"{name}: {value}\r\n" for name, value in KEYS[PRODUCTION].headers.items())
    head = f"POST /commerce/esim/orders HTTP/1.1\r\nHost: x\r\n{keys}Content-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.parametrize(("kind", "sold"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_is_a_reset(simulator: Simulator, kind: str, sold: int) -> None:
    simulator.order_fault(kind, "order")
    with send_raw(simulator) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert len(simulator.orders()) == sold
    [entry] = simulator.requests("order")
    assert (entry["status"], entry["outcome"], entry["faults"]) == (None, "reset", [kind])


@pytest.mark.parametrize(("kind", "sold"), [("close_before", 0), ("close_after", 1)])
def test_a_close_ends_without_a_byte(simulator: Simulator, kind: str, sold: int) -> None:
    simulator.order_fault(kind, "order")
    with send_raw(simulator) as connection:
        assert connection.recv(1) == b""
    assert len(simulator.orders()) == sold


@pytest.mark.parametrize(("kind", "sold"), [("delay_before", 0), ("delay_after", 1)])
def test_a_delay_outlasts_a_timeout_before_or_after_the_sale(simulator: Simulator, kind: str, sold: int) -> None:
    simulator.order_fault(kind, "order", seconds=0.4)
    with pytest.raises(requests.ReadTimeout):
        buy(simulator, timeout=0.15)
    assert len(simulator.orders()) == sold
    deadline = time.monotonic() + 5
    while simulator.requests("order")[0]["outcome"] == "pending" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(simulator.orders()) == 1


@pytest.mark.parametrize(("kind", "sold"), [("hang", 0), ("hang_after", 1)])
def test_a_hanging_call_ends_without_an_answer(simulator: Simulator, kind: str, sold: int) -> None:
    simulator.order_fault(kind, "order", seconds=0.2)
    started = time.monotonic()
    with send_raw(simulator) as connection:
        assert connection.recv(1) == b""
    assert 0.2 <= time.monotonic() - started < 2
    assert len(simulator.orders()) == sold
    assert simulator.requests("order")[0]["outcome"] == "hung"


def test_a_reset_of_the_simulator_sends_waiting_calls_away_without_effect(simulator: Simulator) -> None:
    simulator.order_fault("delay_before", "order", seconds=30)
    with send_raw(simulator) as connection:
        while not simulator.requests("order"):
            time.sleep(0.01)
        simulator.reset()
        assert connection.recv(1) == b""
    assert simulator.orders() == []
    assert simulator.lines() == []


@pytest.mark.parametrize(("kind", "sold"), [("status_before", 0), ("status_after", 1)])
def test_a_status_before_or_after_the_sale(simulator: Simulator, kind: str, sold: int) -> None:
    simulator.order_fault(kind, "order", status=503, headers={"Retry-After": "9"}, message="Busy")
    answer = buy(simulator)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "9")
    assert answer.json() == {"code": "SIMULATED", "message": "Busy"}
    assert len(simulator.orders()) == sold


@pytest.mark.parametrize(("reason", "status"), [("out_of_stock", 409), ("insufficient_balance", 402)])
def test_a_refusal_sells_nothing(simulator: Simulator, reason: str, status: int) -> None:
    simulator.order_fault("refuse", "order", reason=reason)
    answer = buy(simulator)
    assert (answer.status_code, answer.json()["code"]) == (status, reason.upper())
    assert simulator.orders() == []


@pytest.mark.parametrize("where", [{"at_byte": 60}, {"fraction": 0.5}, {"at_byte": 0}])
def test_a_cut_body_promises_more_than_it_sends(simulator: Simulator, where: dict[str, Any]) -> None:
    simulator.order_fault("cut_body", "order", **where)
    with send_raw(simulator) as connection, connection.makefile("rb") as reader:
        head, _, body = reader.read().partition(b"\r\n\r\n")
    promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    wanted = where["at_byte"] if "at_byte" in where else promised // 2
    assert (len(body), promised > 1000) == (wanted, True)
    [order] = simulator.orders()
    if wanted == 60:
        assert order["reference"].encode() in body
    simulator.order_fault("cut_body", "order", **where)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        buy(simulator)


def test_a_dripping_body_comes_whole_but_late(simulator: Simulator) -> None:
    simulator.order_fault("drip", "order", seconds=0.5)
    started = time.monotonic()
    answer = buy(simulator, timeout=0.3)
    assert time.monotonic() - started > 0.45
    assert len(answer.json()["esims"]) == 2


def test_bodies_that_are_no_json(simulator: Simulator) -> None:
    for kind in ("wrong_json", "empty_body", "html_body"):
        simulator.order_fault(kind, "order")
        answer = buy(simulator)
        assert answer.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            answer.json()
        assert ("text/html" in answer.headers["Content-Type"]) is (kind == "html_body")
    assert len(simulator.orders()) == 3


def test_a_replaced_body(simulator: Simulator) -> None:
    simulator.order_fault("replace_body", "order", body=[1], status=201)
    answer = buy(simulator)
    assert (answer.status_code, answer.json()) == (201, [1])
    assert len(simulator.orders()) == 1


def test_unknown_words(simulator: Simulator) -> None:
    simulator.order_fault("unknown_words")
    esim = buy(simulator).json()["esims"][0]
    words = [esim[name] for name in ("contractStatus", "profileProvisionStatus", "profileInstallStatus")]
    assert words == ["SOMETHING_NEW"] * 3
    simulator.order_fault("unknown_words", "plans", fields=["dataUnit"], word="PB")
    plan = simulator.call("GET", "/esim/plans?limit=1").json()["items"][0]
    assert (plan["dataUnit"], plan["planType"]) == ("PB", "UNLIMITED")


def test_fields_added_removed_emptied_and_replaced(simulator: Simulator) -> None:
    simulator.order_fault("extra_fields", values={"new": 1})
    simulator.order_fault("drop_fields", fields=["smdpAddress"])
    simulator.order_fault("null_fields", fields=["transactionId", "qrCode"])
    simulator.order_fault("set_fields", values={"totalDataUsage": "12"})
    answer = buy(simulator).json()
    assert (answer["transactionId"], answer["new"]) == (None, 1)
    for esim in answer["esims"]:
        assert (esim["qrCode"], esim["new"], esim["totalDataUsage"]) == (None, 1, "12")
        assert "smdpAddress" not in esim
    truth = simulator.line(simulator.sold_iccids()[0])
    assert truth["qrCode"].startswith("LPA:1$")


def test_fewer_esims_for_good(simulator: Simulator) -> None:
    simulator.order_fault("short_order", "order", by=1)
    answer = buy(simulator).json()
    inquiry = simulator.call("GET", f"/esim/transactions/{answer['transactionId']}").json()
    assert len(answer["esims"]) == 1
    [order] = simulator.orders()
    assert inquiry["iccids"] == order["refs"] == [answer["esims"][0]["iccid"]]
    assert (order["quantity"], order["shown"], order["total_price"]) == (2, 1, order["unit_price"])


def test_fewer_esims_in_the_reply_but_all_in_the_inquiry(simulator: Simulator) -> None:
    simulator.order_fault("short_reply", "order", by=2)
    answer = buy(simulator).json()
    inquiry = simulator.call("GET", f"/esim/transactions/{answer['transactionId']}").json()
    assert answer["esims"] == []
    [order] = simulator.orders()
    assert (inquiry["iccids"], len(order["refs"]), order["shown"]) == (order["refs"], 2, 0)


def test_a_page_with_a_plan_twice_a_wrong_total_and_a_page_that_fails(simulator: Simulator) -> None:
    simulator.order_fault("duplicate_item", "plans", match={"page": 1}, index=1)
    simulator.order_fault("wrong_total", "plans", match={"page": 2}, delta=-3)
    simulator.order_fault("status_before", "plans", match={"page": 3}, times=None)
    first, second, third, again, fourth = (
        simulator.call("GET", f"/esim/plans?page={page}&limit=100") for page in (1, 2, 3, 3, 4)
    )
    assert len(first.json()["items"]) == 101
    assert first.json()["items"][-1] == first.json()["items"][1]
    assert second.json()["meta"]["total"] == 397
    assert (third.status_code, again.status_code, fourth.status_code) == (500, 500, 200)


def test_a_fault_meets_only_the_calls_it_was_ordered_for(simulator: Simulator) -> None:
    simulator.order_fault("status_before", "order", system="commerce-sandbox")
    simulator.order_fault("status_before", "status")
    simulator.order_fault("status_before", "order", match={"planCode": "KD0002"})
    simulator.order_fault("status_before", "order", skip=1, times=2)
    assert [buy(simulator).status_code for _ in range(4)] == [200, 500, 500, 200]
    assert [fault["used"] for fault in simulator.faults()] == [0, 0, 0, 2]
    simulator.forget_faults()
    assert simulator.faults() == []


def test_a_call_without_a_key_uses_up_no_fault(simulator: Simulator) -> None:
    simulator.order_fault("reset_before", "order")
    assert buy(simulator, headers={}).status_code == 401
    assert simulator.faults()[0]["used"] == 0


def test_a_fault_after_the_effect_also_meets_a_refused_order(simulator: Simulator) -> None:
    simulator.order_fault("status_after", "order", status=502)
    answer = simulator.call("POST", "/esim/orders", json={"planCode": "NOPE", "quantity": 1})
    assert answer.status_code == 502
    assert simulator.orders() == []


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "explode"},
        {"kind": "hang", "minutes": 1},
        {"kind": "hang", "endpoint": "x"},
        {"kind": "hang", "times": 0},
        {"kind": "hang", "system": "nobody"},
    ],
)
def test_a_fault_that_does_not_exist_is_refused(simulator: Simulator, spec: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused):
        simulator.order_fault(**spec)
    assert simulator.faults() == []


def test_twenty_buyers_at_once_get_different_lines(simulator: Simulator) -> None:
    simulator.set_limits(multiplier=0)
    found: list[str] = []

    def run() -> None:
        url = f"{simulator.production_url}/esim/orders"
        answer = requests.post(url, json=BODY, headers=KEYS[PRODUCTION].headers, timeout=10)
        found.extend(esim["iccid"] for esim in answer.json()["esims"])

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 40
    assert sorted(simulator.sold_iccids()) == sorted(found)
