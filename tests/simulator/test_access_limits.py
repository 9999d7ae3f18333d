"""eSIM Access: eight calls a second for the whole account, and what faults look like in its envelope."""

import time
from typing import Any

import pytest
import requests

from tests.simulator_access import Access
from tests.simulator_client import Simulator

ORDER = {"transactionId": "txn", "packageInfoList": [{"packageCode": "CKH001", "count": 1}]}


@pytest.fixture
def limited(simulator: Simulator) -> Access:
    """As the program starts: eight calls a second."""
    return Access(simulator)


def test_the_ninth_call_of_a_second_is_refused_whatever_it_asks(limited: Access) -> None:
    paths = ["/balance/query", "/package/list", "/location/list", "/webhook/query"] * 2
    assert [limited.call(path, {"locationCode": "ES"}).json()["success"] for path in paths] == [True] * 8
    assert limited.refusal("/esim/order", ORDER) == "101013"
    assert (limited.simulator.violations(), limited.orders()) == (1, [])
    [refused] = limited.requests("order")
    assert (refused["status"], refused["violation"]) == (200, True)


def test_it_may_be_told_by_http_429(limited: Access) -> None:
    limited.set_switches(limited_as_429=True)
    answers = [limited.call("/balance/query") for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200] * 8 + [429]
    assert answers[8].headers["Retry-After"] == "1"
    assert answers[8].json()["errorCode"] == "101013"


def test_no_stretch_of_a_second_holds_more_than_eight(limited: Access) -> None:
    limited.simulator.set_switches(rate_clock="simulated")
    limited.simulator.move_clock(frozen=True)
    limited.balance()
    limited.simulator.move_clock(seconds=0.9)
    assert [limited.call("/balance/query").json()["errorCode"] for _ in range(8)] == ["0"] * 7 + ["101013"]
    limited.simulator.move_clock(seconds=0.1)
    assert [limited.call("/balance/query").json()["errorCode"] for _ in range(2)] == ["0", "101013"]
    limited.simulator.move_clock(seconds=0.9)
    assert [limited.call("/balance/query").json()["errorCode"] for _ in range(8)] == ["0"] * 7 + ["101013"]


def test_a_second_later_calls_are_let_in_again(limited: Access) -> None:
    for _ in range(9):
        limited.call("/balance/query")
    time.sleep(1.05)
    assert limited.balance() == 10_000_000
    assert limited.simulator.violations() == 1


def test_the_limit_can_be_changed_and_lifted(limited: Access) -> None:
    limited.simulator.set_limits(system="access", **{"*": 2})
    assert [limited.call("/balance/query").json()["success"] for _ in range(3)] == [True, True, False]
    limited.simulator.set_limits(system="access", **{"*": None})
    assert all(limited.call("/balance/query").json()["success"] for _ in range(20))


def test_a_stranger_does_not_use_up_the_accounts_calls(limited: Access) -> None:
    for _ in range(20):
        limited.call("/balance/query", headers={"RT-AccessCode": "stranger"})
    assert limited.balance() == 10_000_000


# Faults


@pytest.mark.parametrize("kind", ["refuse_code", "refuse_code_after"])
def test_any_code_can_be_refused_with_before_or_after_the_effect(access: Access, kind: str) -> None:
    access.simulator.order_fault(kind, "order", system="access", code="900001", message="busy")
    response = access.call("/esim/order", ORDER)
    assert (response.status_code, response.json()) == (
        200,
        {"success": False, "errorCode": "900001", "errorMsg": "busy", "obj": None},
    )
    assert len(access.orders()) == (0 if kind == "refuse_code" else 1)
    access.ask("/esim/order", ORDER)
    assert len(access.orders()) == 1


def test_a_refusal_can_have_a_status_of_its_own(access: Access) -> None:
    access.simulator.order_fault("refuse_code", "balance", code="400001", message="no", http_status=403)
    response = access.call("/balance/query")
    assert (response.status_code, response.json()["errorCode"]) == (403, "400001")


@pytest.mark.parametrize(("reason", "code"), [("out_of_stock", "200011"), ("insufficient_balance", "200007")])
def test_stock_and_balance_can_be_refused(access: Access, reason: str, code: str) -> None:
    access.simulator.order_fault("refuse", "order", system="access", reason=reason)
    assert access.refusal("/esim/order", ORDER) == code
    assert access.orders() == []


def test_a_status_fault_keeps_its_status_around_the_envelope(access: Access) -> None:
    access.simulator.order_fault("status_after", "order", system="access", status=502)
    response = access.call("/esim/order", ORDER)
    assert (response.status_code, response.json()["errorCode"]) == (502, "000001")
    assert len(access.orders()) == 1


def test_an_order_whose_answer_is_lost_is_found_by_its_transaction(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    access.simulator.order_fault("reset_after", "order", system="access")
    with pytest.raises(requests.ConnectionError):
        access.call("/esim/order", ORDER)
    number = access.ask("/esim/order", ORDER)["orderNo"]
    assert (len(access.orders()), len(access.query(orderNo=number))) == (1, 1)


def test_short_orders_and_short_replies(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    access.simulator.order_fault("short_order", "order", system="access", by=1)
    price = access.package("CKH001")["price"]
    number = access.order("CKH001", 3)
    assert (len(access.query(orderNo=number)), access.balance()) == (2, 10_000_000 - 2 * price)
    access.simulator.order_fault("short_reply", "query", by=1)
    assert [len(access.query(orderNo=number)) for _ in range(2)] == [1, 2]
    access.simulator.order_fault("short_order", "order", system="access", by=9)
    number = access.order("CKH001", 2)
    assert access.refusal("/esim/query", {"orderNo": number, "pager": {"pageNum": 1, "pageSize": 5}}) == "310272"
    assert access.orders()[-1]["refs"] == []


@pytest.mark.parametrize(
    ("endpoint", "match", "path", "body"),
    [
        ("order", {"transactionId": "txn"}, "/esim/order", ORDER),
        ("order", {"packageCode": "CKH001"}, "/esim/order", ORDER),
        ("query", {"pageNum": 2}, "/esim/query", {"orderNo": "B1", "pager": {"pageNum": 2, "pageSize": 5}}),
        ("cancel", {"esimTranNo": "26"}, "/esim/cancel", {"esimTranNo": "26"}),
    ],
)
def test_a_fault_finds_its_call(
    access: Access, endpoint: str, match: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    access.simulator.order_fault("refuse_code", endpoint, system="access", match=match, code="900001")
    other = {**match, next(iter(match)): "other"}
    access.simulator.order_fault("refuse_code", endpoint, system="access", match=other, code="000001")
    assert access.refusal(path, body) == "900001"
    assert [fault["used"] for fault in access.simulator.faults()] == [1, 0]


def test_bodies_can_be_mangled(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    [esim] = access.buy("CKH001")
    tran_no = esim["esimTranNo"]
    access.simulator.order_fault("unknown_words", "query", system="access")
    assert access.query(esimTranNo=tran_no)[0]["esimStatus"] == "SOMETHING_NEW"
    access.simulator.order_fault("duplicate_item", "query", system="access")
    assert [row["esimTranNo"] for row in access.query(esimTranNo=tran_no)] == [tran_no] * 2
    access.simulator.order_fault("wrong_total", "query", system="access", delta=5)
    page = access.ask("/esim/query", {"esimTranNo": tran_no, "pager": {"pageNum": 1, "pageSize": 5}})
    assert page["pager"]["total"] == 6
    access.simulator.order_fault("html_body", "query", system="access")
    answer = access.call("/esim/query", {"esimTranNo": tran_no, "pager": {"pageNum": 1, "pageSize": 5}})
    assert answer.text.startswith("<!DOCTYPE html>")
