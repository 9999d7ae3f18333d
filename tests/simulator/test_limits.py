"""Rate limits, their headers, and what is counted against a client."""

from email.utils import parsedate_to_datetime
from typing import Any

from tests.simulator.test_endpoints import order
from tests.simulator_client import SANDBOX, Simulator

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def test_the_eleventh_order_of_a_minute_is_not_sold(simulator: Simulator) -> None:
    body = {"planCode": "KD0001", "quantity": 1}
    answers = [simulator.call("POST", "/esim/orders", json=body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert 55 <= int(answers[10].headers["Retry-After"]) <= 60
    assert len(simulator.orders()) == 10
    assert simulator.violations() == 1
    assert [entry["violation"] for entry in simulator.requests("order")] == [False] * 10 + [True]


def test_documented_limits_apply(simulator: Simulator) -> None:
    iccid = order(simulator, system=SANDBOX)["esims"][0]["iccid"]
    path = f"/esim/{iccid}"
    calls: dict[str, tuple[str, str, Any, int]] = {
        "status": ("GET", path, None, 60),
        "transaction": ("GET", "/esim/transactions/x", None, 10),
        "control": ("POST", f"{path}/emergency-control", {"action": "release"}, 10),
        "usage": ("PUT", f"{path}/data-usage", [], 60),
    }
    for method, address, body, limit in calls.values():
        statuses = [simulator.call(method, address, json=body, system=SANDBOX).status_code for _ in range(limit + 1)]
        assert 429 not in statuses[:limit]
        assert statuses[limit] == 429
    assert simulator.violations() == 4


def test_headers_stand_on_status_inquiry_and_usage_only(simulator: Simulator) -> None:
    answer = order(simulator, system=SANDBOX)
    path = f"/esim/{answer['esims'][0]['iccid']}"
    status = simulator.call("GET", path, system=SANDBOX)
    assert [status.headers[name] for name in HEADERS[:2]] == ["60", "59"]
    assert 58 <= int(status.headers["X-RateLimit-Reset"]) <= 60
    inquiry = simulator.call("GET", f"/esim/transactions/{answer['transactionId']}", system=SANDBOX)
    assert [inquiry.headers[name] for name in HEADERS[:2]] == ["10", "9"]
    usage = simulator.call("PUT", f"{path}/data-usage", json=[], system=SANDBOX)
    assert [usage.headers[name] for name in HEADERS[:2]] == ["60", "59"]
    bare = [
        simulator.call("GET", "/esim/plans", system=SANDBOX),
        simulator.call("POST", "/esim/orders", json={"planCode": "KD0001", "quantity": 1}, system=SANDBOX),
        simulator.call("POST", f"{path}/emergency-control", json={"action": "suspend"}, system=SANDBOX),
    ]
    assert not any(name in answer.headers for answer in bare for name in HEADERS)


def test_plans_are_unlimited_until_a_limit_is_set(simulator: Simulator) -> None:
    simulator.set_limits(plans=1)
    assert [simulator.call("GET", "/esim/plans?limit=1").status_code for _ in range(2)] == [200, 429]
    simulator.set_limits(plans=None)
    assert simulator.call("GET", "/esim/plans?limit=1").status_code == 200


def test_a_multiplier_lifts_or_tightens_all_limits(simulator: Simulator) -> None:
    simulator.set_limits(multiplier=0)
    assert {simulator.call("GET", "/esim/transactions/x").status_code for _ in range(30)} == {400}
    simulator.set_limits(multiplier=0.1)
    assert [simulator.call("GET", "/esim/transactions/x").status_code for _ in range(2)] == [400, 429]


def test_retry_after_can_be_a_date(simulator: Simulator) -> None:
    simulator.set_switches(retry_after_style="date")
    simulator.set_limits(order=0)
    answer = simulator.call("POST", "/esim/orders", json={"planCode": "KD0001", "quantity": 1})
    wait = parsedate_to_datetime(answer.headers["Retry-After"]) - parsedate_to_datetime(answer.headers["Date"])
    assert 59 <= wait.total_seconds() <= 62
    assert simulator.orders() == []


def test_windows_can_follow_the_simulated_clock(simulator: Simulator) -> None:
    simulator.set_switches(rate_clock="simulated")
    simulator.set_limits(transaction=1)
    simulator.move_clock(frozen=True)
    statuses = []
    for advance in (0, 59, 1):
        simulator.move_clock(seconds=advance) if advance else None
        statuses.append(simulator.call("GET", "/esim/transactions/x").status_code)
    assert statuses == [400, 429, 400]


def test_a_fault_that_says_429_is_not_held_against_the_client(simulator: Simulator) -> None:
    simulator.order_fault("rate_limited", "order", retry_after=7)
    body = {"planCode": "KD0001", "quantity": 1}
    first, second = (simulator.call("POST", "/esim/orders", json=body) for _ in range(2))
    assert (first.status_code, first.headers["Retry-After"], second.status_code) == (429, "7", 200)
    assert simulator.violations() == 0
    assert len(simulator.orders()) == 1
