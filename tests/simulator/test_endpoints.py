"""The documented endpoints of both systems, called as a client would."""

import re
import uuid
from typing import Any

import pytest
import requests

from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator

ESIM_FIELDS = [
    *("iccid", "homeCountry", "roamingCountries", "contractStatus", "profileProvisionStatus", "profileInstallStatus"),
    *("isServiceRestricted", "qrCode", "smdpAddress", "activationCode", "activationDeadline", "downloadedAt"),
    *("activatedOn", "terminatedOn", "expiresOn", "initialInsertionDevice", "initialInsertionAt"),
    *("initialConnectionDevice", "dataUsageDailyList", "totalDataUsage", "lastUpdatedAt"),
]


def order(simulator: Simulator, quantity: int = 1, *, code: str = "KD0001", system: str = PRODUCTION) -> dict[str, Any]:
    body = {"planCode": code, "quantity": quantity}
    answer: dict[str, Any] = simulator.call("POST", "/esim/orders", json=body, system=system).json()
    return answer


def luhn_total(digits: str) -> int:
    doubled = (int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled)


@pytest.mark.parametrize(("system", "prefix"), [(PRODUCTION, "898110"), (SANDBOX, "890010")])
def test_an_order_answers_whole_esims_and_is_booked(simulator: Simulator, system: str, prefix: str) -> None:
    answer = order(simulator, 3, system=system)
    assert list(answer) == ["transactionId", "esims"]
    assert str(uuid.UUID(answer["transactionId"])) == answer["transactionId"]
    price = simulator.plan("KD0001", system)["netPrice"]
    iccids = [esim["iccid"] for esim in answer["esims"]]
    [entry] = simulator.orders(system)
    assert (entry["plan"], entry["quantity"], entry["reference"]) == ("KD0001", 3, answer["transactionId"])
    assert (entry["refs"], entry["shown"], entry["unit_price"]) == (iccids, 3, price)
    assert round(float(entry["total_price"]) * 100) == round(float(price) * 300)
    assert len(set(iccids)) == 3
    for esim in answer["esims"]:
        assert list(esim) == ESIM_FIELDS
        assert re.fullmatch(rf"{prefix}\d{{13}}", esim["iccid"]) and luhn_total(esim["iccid"]) % 10 == 0
        assert esim["qrCode"] == f"LPA:1${esim['smdpAddress']}${esim['activationCode']}"
        assert (esim["homeCountry"], esim["roamingCountries"]) == ("JP", [])
        assert (esim["contractStatus"], esim["profileProvisionStatus"]) == ("ACTIVE", "AVAILABLE")
        assert (esim["profileInstallStatus"], esim["isServiceRestricted"]) == ("READY", False)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00\.000Z", esim["activationDeadline"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", esim["lastUpdatedAt"])
        assert (esim["dataUsageDailyList"], esim["totalDataUsage"]) == ([], 0)
        assert [esim[name] for name in ("downloadedAt", "activatedOn", "terminatedOn", "expiresOn")] == [None] * 4


def test_a_regional_line_names_its_roaming_countries(simulator: Simulator) -> None:
    page = simulator.call("GET", "/esim/plans?limit=200").json()["items"]
    plan = next(plan for plan in page if plan["planName"].startswith("Japan & Korea"))
    [esim] = order(simulator, code=plan["planCode"])["esims"]
    countries = {coverage["code"] for coverage in plan["coverages"]}
    assert countries == {"JP", "KR"}
    assert set(esim["roamingCountries"]) == countries - {esim["homeCountry"]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"planCode": "KD0001", "quantity": 0}, 400),
        ({"planCode": "KD0001", "quantity": 1001}, 400),
        ({"planCode": "KD0001", "quantity": "1"}, 400),
        ({"planCode": "KD0001", "quantity": True}, 400),
        ({"planCode": "KD0001"}, 400),
        ({"quantity": 1}, 400),
        ([], 400),
        ({"planCode": "NOPE", "quantity": 1}, 404),
    ],
)
def test_a_wrong_order_sells_nothing(simulator: Simulator, body: Any, status: int) -> None:
    assert simulator.call("POST", "/esim/orders", json=body).status_code == status
    assert simulator.orders() == []
    assert simulator.lines() == []


def test_a_thousand_esims_come_in_one_answer(simulator: Simulator) -> None:
    answer = order(simulator, 1000)
    assert len({esim["iccid"] for esim in answer["esims"]}) == 1000
    inquiry = simulator.call("GET", f"/esim/transactions/{answer['transactionId']}").json()
    assert inquiry["iccids"] == [esim["iccid"] for esim in answer["esims"]]


def test_status_answers_what_the_line_is_now(simulator: Simulator) -> None:
    iccid = order(simulator)["esims"][0]["iccid"]
    simulator.install_line(iccid, imei="356938035643809")
    esim = simulator.call("GET", f"/esim/{iccid}").json()
    assert list(esim) == ESIM_FIELDS
    assert esim["initialInsertionDevice"] == "356938035643809"
    assert esim["profileInstallStatus"] == "INSTALLED"


@pytest.mark.parametrize(
    ("system", "iccid", "status"),
    [
        (PRODUCTION, "8981100000000000002", 404),
        (PRODUCTION, "898110000000000000", 400),
        (PRODUCTION, "89811000000000000x2", 400),
        (SANDBOX, "8981100000000000002", 400),
        (SANDBOX, "8900100000000000002", 404),
    ],
)
def test_an_iccid_that_is_not_ours_is_refused(simulator: Simulator, system: str, iccid: str, status: int) -> None:
    assert simulator.call("GET", f"/esim/{iccid}", system=system).status_code == status


def test_production_and_sandbox_do_not_share_lines(simulator: Simulator) -> None:
    answer = order(simulator)
    assert simulator.lines(SANDBOX) == []
    assert simulator.call("GET", f"/esim/transactions/{answer['transactionId']}", system=SANDBOX).status_code == 400


def test_the_inquiry_ends_after_48_hours_in_production_only(simulator: Simulator) -> None:
    paths = {name: f"/esim/transactions/{order(simulator, system=name)['transactionId']}" for name in KEYS}
    simulator.move_clock(hours=47.9)
    assert {simulator.call("GET", path, system=name).status_code for name, path in paths.items()} == {200}
    simulator.move_clock(hours=0.2)
    refused = simulator.call("GET", paths[PRODUCTION])
    assert (refused.status_code, refused.json()["code"]) == (400, "400")
    assert simulator.call("GET", paths[SANDBOX], system=SANDBOX).status_code == 200


def test_emergency_control_answers_the_state_before_as_the_sample_does(simulator: Simulator) -> None:
    iccid = order(simulator)["esims"][0]["iccid"]
    states = []
    for action in ("suspend", "release"):
        reply = simulator.call("POST", f"/esim/{iccid}/emergency-control", json={"action": action}).json()
        after = simulator.call("GET", f"/esim/{iccid}").json()
        states.append([(esim["contractStatus"], esim["isServiceRestricted"]) for esim in (reply, after)])
    active, suspended = ("ACTIVE", False), ("SUSPENDED", True)
    assert states == [[active, suspended], [suspended, active]]
    assert [(effect["kind"], effect["ref"]) for effect in simulator.effects()] == [
        ("suspend", iccid),
        ("release", iccid),
    ]


def test_emergency_control_can_answer_the_new_state(simulator: Simulator) -> None:
    simulator.set_switches(control_reply_shows_old_state=False)
    iccid = order(simulator)["esims"][0]["iccid"]
    reply = simulator.call("POST", f"/esim/{iccid}/emergency-control", json={"action": "suspend"}).json()
    assert (reply["contractStatus"], reply["isServiceRestricted"]) == ("SUSPENDED", True)


def test_emergency_control_can_lag(simulator: Simulator) -> None:
    simulator.set_switches(control_lag_s=120)
    iccid = order(simulator)["esims"][0]["iccid"]
    simulator.call("POST", f"/esim/{iccid}/emergency-control", json={"action": "suspend"})
    assert simulator.call("GET", f"/esim/{iccid}").json()["contractStatus"] == "ACTIVE"
    simulator.move_clock(seconds=121)
    assert simulator.call("GET", f"/esim/{iccid}").json()["contractStatus"] == "SUSPENDED"


def test_emergency_control_is_refused_for_nonsense_and_for_ended_lines(simulator: Simulator) -> None:
    iccid = order(simulator)["esims"][0]["iccid"]
    path = f"/esim/{iccid}/emergency-control"
    assert simulator.call("POST", path, json={"action": "stop"}).status_code == 400
    simulator.change_line(iccid, "terminate")
    assert simulator.call("POST", path, json={"action": "suspend"}).status_code == 400
    assert simulator.line(iccid)["contractStatus"] == "TERMINATED"
    assert simulator.effects() == []


def test_the_sandbox_sets_usage_and_production_does_not(simulator: Simulator) -> None:
    days = [{"day": "2025-12-11", "usage": "1024"}, {"day": "2025-12-10", "usage": "102400"}]
    iccid = order(simulator, system=SANDBOX)["esims"][0]["iccid"]
    answer = simulator.call("PUT", f"/esim/{iccid}/data-usage", json=days, system=SANDBOX)
    assert answer.json() == {
        "message": "Data usage updated successfully",
        "iccid": iccid,
        "dataUsageDailyList": [days[1], days[0]],
    }
    esim = simulator.call("GET", f"/esim/{iccid}", system=SANDBOX).json()
    assert (esim["dataUsageDailyList"], esim["totalDataUsage"]) == ([days[1], days[0]], 103424)
    own = order(simulator)["esims"][0]["iccid"]
    assert simulator.call("PUT", f"/esim/{own}/data-usage", json=days).status_code == 404
    assert simulator.line(own)["totalDataUsage"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"day": "2025-12-10", "usage": "1"},
        [{"day": "2025-12-10", "usage": 1}],
        [{"day": "20251210", "usage": "1"}],
        [{"day": "2025-02-30", "usage": "1"}],
        [{"day": "2025-12-10", "usage": "-1"}],
        [{"day": "2025-12-10", "usage": "1"}, {"day": "2025-12-10", "usage": "2"}],
    ],
)
def test_wrong_usage_changes_nothing(simulator: Simulator, body: Any) -> None:
    iccid = order(simulator, system=SANDBOX)["esims"][0]["iccid"]
    assert simulator.call("PUT", f"/esim/{iccid}/data-usage", json=body, system=SANDBOX).status_code == 400
    assert simulator.line(iccid, SANDBOX)["dataUsageDailyList"] == []
    assert simulator.effects(SANDBOX) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key-ID": "demo-key"},
        {"X-API-Key-ID": "demo-key", "X-API-Key-Secret": "wrong"},
        {"X-API-Key-ID": "wrong", "X-API-Key-Secret": "demo-secret"},
        KEYS[SANDBOX].headers,
    ],
)
def test_a_wrong_key_gets_401_and_sells_nothing(simulator: Simulator, headers: dict[str, str]) -> None:
    body = {"planCode": "KD0001", "quantity": 1}
    assert simulator.call("POST", "/esim/orders", json=body, headers=headers).status_code == 401
    assert simulator.call("GET", "/esim/plans", headers=headers).status_code == 401
    assert simulator.orders() == []


def test_wrong_addresses_and_methods(simulator: Simulator) -> None:
    assert simulator.call("GET", "/nothing").status_code == 404
    refused = simulator.call("PUT", "/esim/orders", json={})
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")
    assert requests.get(f"{simulator.url}/unknown/x", timeout=5).status_code == 404
    assert [(entry["endpoint"], entry["status"]) for entry in simulator.requests()] == [("", 404), ("", 405)]


def test_the_books_hold_each_call_as_it_arrived(simulator: Simulator) -> None:
    simulator.call("GET", "/esim/plans?page=2&limit=5")
    simulator.call("POST", "/esim/orders", data="{not json")
    first, second = simulator.requests()
    assert (first["method"], first["path"], first["query"]) == ("GET", "/esim/plans", "page=2&limit=5")
    assert (first["endpoint"], first["status"], first["outcome"]) == ("plans", 200, "answered")
    assert (second["endpoint"], second["status"], second["body"]) == ("order", 400, "{not json")
    assert simulator.count_requests("plans") == 1
    assert simulator.count_requests("order") == 1
    assert simulator.violations() == 0
