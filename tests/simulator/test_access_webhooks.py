"""eSIM Access: its six webhooks, sent on the real effects, in the shapes of the document and of today."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator_access import Access
from tests.simulator_client import ControlRefused
from tests.simulator_webhooks import Received, Receiver

NOON = "2027-03-01T12:00:00Z"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def told(access: Access, receiver: Receiver) -> Access:
    """An account whose webhooks go to `receiver`; the clock stands still at noon, orders are filled at once."""
    access.simulator.move_clock(at=NOON, frozen=True)
    access.set_switches(allocation_delay_s=0)
    access.set_account(webhook=receiver.url)
    return access


def buy_one(access: Access, **fields: Any) -> dict[str, Any]:
    code = access.find_package(**{"dataType": 1, "activeType": 2, "supportTopUpType": 2, **fields})
    [esim] = access.buy(code, transaction_id="txn")
    return esim


def hear(access: Access, receiver: Receiver) -> list[dict[str, Any]]:
    """Everything that came, as JSON."""
    access.webhooks.wait_until_sent()
    return [received.json for received in receiver.received]


def kinds(bodies: list[dict[str, Any]]) -> list[str]:
    return [body["notifyType"] for body in bodies]


# Saving an address


def test_an_address_is_saved_when_it_answers_the_health_check(access: Access, receiver: Receiver) -> None:
    assert access.ask("/webhook/query") == {"webhook": None}
    assert access.ask("/webhook/save", {"webhook": receiver.url}) == {}
    [received] = receiver.received
    assert received.json == {"notifyType": "CHECK_HEALTH", "content": {"orderNo": "1234567890", "orderStatus": "Test"}}
    assert access.ask("/webhook/query", {}) == {"webhook": receiver.url}
    assert [(hook["kind"], hook["status"]) for hook in access.webhooks.list_all()] == [("CHECK_HEALTH", 200)]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_trap_19_an_address_that_fails_the_health_check_is_not_saved(
    access: Access, receiver: Receiver, status: int
) -> None:
    access.set_account(webhook="http://127.0.0.1:1/old")
    receiver.status = status
    assert access.refusal("/webhook/save", {"webhook": receiver.url}) == "200008"
    for address in ("http://127.0.0.1:9/closed", "http://192.0.2.1/", "nowhere"):
        assert access.refusal("/webhook/save", {"webhook": address}) == "200008"
    assert access.refusal("/webhook/save", {}) == "000105"
    assert access.refusal("/webhook/save", {"webhook": ""}) == "000106"
    assert access.ask("/webhook/query") == {"webhook": "http://127.0.0.1:1/old"}
    assert access.effects("webhook") == []


def test_the_address_may_call_the_provider_while_it_is_checked(access: Access) -> None:
    def call_back(received: Received) -> None:
        assert access.balance() == 10_000_000

    with Receiver(before_answer=call_back) as receiver:
        access.ask("/webhook/save", {"webhook": receiver.url})
        assert len(receiver.received) == 1


# The effects


def test_order_status_once_all_profiles_are_there(access: Access, receiver: Receiver) -> None:
    access.set_account(webhook=receiver.url)
    access.simulator.move_clock(at=NOON, frozen=True)
    number = access.order("CKH001", 3, transaction_id="txn")
    assert access.webhooks.list_all() == []
    access.simulator.move_clock(seconds=1)
    [body] = hear(access, receiver)
    assert len(body.pop("notifyId")) == 32
    assert body == {
        "notifyType": "ORDER_STATUS",
        "eventGenerateTime": "2027-03-01T12:00:01Z",
        "content": {"orderNo": number, "orderStatus": "GOT_RESOURCE", "transactionId": "txn"},
    }
    assert len(access.query(orderNo=number)) == 3


def test_it_comes_without_anybody_asking(access: Access, receiver: Receiver) -> None:
    access.set_account(webhook=receiver.url)
    access.set_switches(allocation_delay_s=0.3)
    access.order("CKH001")
    [received] = receiver.wait_for(1)
    assert received.json["notifyType"] == "ORDER_STATUS"


def test_the_phone_is_told_of_step_by_step(told: Access, receiver: Receiver) -> None:
    esim = buy_one(told)
    for event in ("download", "install", "enable", "disable", "delete"):
        told.change_line(esim["esimTranNo"], event)
    bodies = hear(told, receiver)[1:]
    assert [(body["notifyType"], body["content"]["smdpStatus"]) for body in bodies] == [
        ("SMDP_EVENT", word) for word in ("DOWNLOAD", "INSTALLATION", "ENABLED", "DISABLED", "DELETED")
    ]
    first = bodies[0]
    assert first["eventGenerateTime"] == "2027-03-01T12:00:00+0000"
    assert first["content"] == {
        "eid": told.line(esim["esimTranNo"])["line"]["eid"],
        "iccid": esim["iccid"],
        "esimStatus": "GOT_RESOURCE",
        "smdpStatus": "DOWNLOAD",
        "orderNo": esim["orderNo"],
        "esimTranNo": esim["esimTranNo"],
        "transactionId": "txn",
    }


def test_every_change_of_the_state_is_told(told: Access, receiver: Receiver) -> None:
    used, cancelled = buy_one(told)["esimTranNo"], told.buy("CKH001")[0]["esimTranNo"]
    told.change_line(used, "connect")
    told.ask("/esim/suspend", {"esimTranNo": used})
    told.ask("/esim/unsuspend", {"esimTranNo": used})
    told.change_line(used, "use_up")
    told.ask("/esim/revoke", {"esimTranNo": used})
    told.ask("/esim/cancel", {"esimTranNo": cancelled})
    changes = [body for body in hear(told, receiver) if body["notifyType"] == "ESIM_STATUS"]
    words = [(body["content"]["esimStatus"], body["content"]["smdpStatus"]) for body in changes]
    assert words == [
        ("IN_USE", "ENABLED"),
        ("SUSPENDED", "ENABLED"),
        ("IN_USE", "ENABLED"),
        ("USED_UP", "ENABLED"),
        ("REVOKED", "ENABLED"),
        ("CANCEL", "RELEASED"),
    ]
    assert set(changes[0]["content"]) == {
        *("orderNo", "esimTranNo", "transactionId", "iccid", "esimStatus", "smdpStatus"),
    }
    # Trap 10: the query has another word for it.
    assert told.query(esimTranNo=used)[0]["esimStatus"] == "REVOKE"


@pytest.mark.parametrize(("reading", "shown"), [("remaining", [0.5, 0.2, 0.1]), ("used", [0.5, 0.8, 0.9])])
def test_trap_09_thresholds_of_use(told: Access, receiver: Receiver, reading: str, shown: list[float]) -> None:
    told.set_switches(threshold_reading=reading)
    esim = buy_one(told)
    line, volume = esim["esimTranNo"], esim["totalVolume"]
    for share in (40, 50, 79, 95, 99):
        used = told.line(line)["line"]["orderUsage"]
        told.use_data(line, volume * share // 100 - used)
    usages = [body["content"] for body in hear(told, receiver) if body["notifyType"] == "DATA_USAGE"]
    assert [usage["remainThreshold"] for usage in usages] == shown
    assert usages[0] == {
        "orderNo": esim["orderNo"],
        "esimTranNo": line,
        "transactionId": "txn",
        "iccid": esim["iccid"],
        "totalVolume": volume,
        "orderUsage": volume * 50 // 100,
        "remain": volume - volume * 50 // 100,
        "lastUpdateTime": "2027-03-01T12:00:00Z",
        "remainThreshold": 0.5,
    }
    # One leap passes two of them.
    assert usages[1]["orderUsage"] == usages[2]["orderUsage"] == volume * 95 // 100


def test_a_top_up_tells_no_order_status_and_lets_thresholds_come_again(told: Access, receiver: Receiver) -> None:
    esim = buy_one(told)
    line, code = esim["esimTranNo"], told.line(esim["esimTranNo"])["package"]
    told.use_data(line, esim["totalVolume"] * 6 // 10)
    body = {"esimTranNo": line, "packageCode": f"TOPUP_{code}", "transactionId": "more"}
    volume = told.ask("/esim/topup", body)["totalVolume"]
    told.use_data(line, volume * 3 // 10)
    bodies = hear(told, receiver)
    assert kinds(bodies).count("ORDER_STATUS") == 1
    assert [body["content"]["totalVolume"] for body in bodies if body["notifyType"] == "DATA_USAGE"] == [
        esim["totalVolume"],
        volume,
    ]


def test_late_data_is_told_late(told: Access, receiver: Receiver) -> None:
    told.set_switches(usage_lag_s=7200)
    esim = buy_one(told)
    told.use_data(esim["esimTranNo"], esim["totalVolume"])
    assert kinds(hear(told, receiver)).count("DATA_USAGE") == 0
    told.simulator.move_clock(hours=2)
    bodies = hear(told, receiver)
    assert kinds(bodies)[-4:] == ["DATA_USAGE", "DATA_USAGE", "DATA_USAGE", "ESIM_STATUS"]
    assert bodies[-1]["content"]["esimStatus"] == "USED_UP"
    assert (bodies[-1]["eventGenerateTime"], bodies[-2]["content"]["lastUpdateTime"]) == (
        "2027-03-01T14:00:00Z",
        "2027-03-01T12:00:00Z",
    )


def test_the_last_day_is_announced_and_then_the_end(told: Access, receiver: Receiver) -> None:
    esim = buy_one(told, duration=30)
    told.change_line(esim["esimTranNo"], "connect")
    told.simulator.move_clock(days=29, seconds=-1)
    assert "VALIDITY_USAGE" not in kinds(hear(told, receiver))
    told.simulator.move_clock(days=365)
    warning, end = hear(told, receiver)[-2:]
    assert (warning["notifyType"], warning["eventGenerateTime"]) == ("VALIDITY_USAGE", "2027-03-30T12:00:00Z")
    assert warning["content"] == {
        "orderNo": esim["orderNo"],
        "esimTranNo": esim["esimTranNo"],
        "transactionId": "txn",
        "iccid": esim["iccid"],
        "durationUnit": "DAY",
        "totalDuration": 30,
        "expiredTime": "2027-03-31T12:00:00Z",
        "remain": 1,
    }
    assert (end["content"]["esimStatus"], end["eventGenerateTime"]) == ("USED_EXPIRED", "2027-03-31T12:00:00Z")


def test_an_unused_line_ends_without_a_warning(told: Access, receiver: Receiver) -> None:
    buy_one(told)
    told.simulator.move_clock(days=400)
    bodies = hear(told, receiver)
    assert kinds(bodies) == ["ORDER_STATUS", "ESIM_STATUS"]
    assert bodies[-1]["content"]["esimStatus"] == "UNUSED_EXPIRED"


# Other shapes, and nothing where nothing happened


def test_trap_18_the_documents_samples_have_fewer_fields(told: Access, receiver: Receiver) -> None:
    told.set_switches(live_fields=False)
    [esim] = told.buy(told.find_package(dataType=1, activeType=2, duration=30), transaction_id="txn")
    told.change_line(esim["esimTranNo"], "connect")
    told.simulator.move_clock(days=29)
    bodies = {body["notifyType"]: body for body in hear(told, receiver)}
    assert bodies["ORDER_STATUS"] == {
        "notifyType": "ORDER_STATUS",
        "content": {"orderNo": esim["orderNo"], "orderStatus": "GOT_RESOURCE"},
    }
    assert set(bodies["VALIDITY_USAGE"]) == {"notifyType", "content"}
    assert "esimTranNo" not in bodies["VALIDITY_USAGE"]["content"]
    assert {"notifyId", "eventGenerateTime"} < set(bodies["ESIM_STATUS"])
    told.set_switches(notify_ids=False)
    told.change_line(esim["esimTranNo"], "disable")
    last = hear(told, receiver)[-1]
    assert set(last) == {"notifyType", "eventGenerateTime", "content"}


def test_what_is_refused_is_not_told(told: Access, receiver: Receiver) -> None:
    esim = buy_one(told)
    told.set_account(balance=0)
    entry = {"packageCode": "CKH001", "count": 1}
    assert told.refusal("/esim/order", {"transactionId": "poor", "packageInfoList": [entry]}) == "200007"
    assert told.refusal("/esim/unsuspend", {"esimTranNo": esim["esimTranNo"]}) == "200002"
    with pytest.raises(ControlRefused):
        told.change_line(esim["esimTranNo"], "delete")
    assert kinds(hear(told, receiver)) == ["ORDER_STATUS"]


def test_each_has_an_id_of_its_own_and_a_repeat_has_the_same(told: Access, receiver: Receiver) -> None:
    esim = buy_one(told)
    told.change_line(esim["esimTranNo"], "connect")
    told.webhooks.repeat(told.webhooks.list_all("ESIM_STATUS")[0]["id"])
    bodies = hear(told, receiver)
    identities = [body["notifyId"] for body in bodies]
    assert (len(identities), len(set(identities))) == (6, 5)
    assert bodies[-1] == bodies[-2]
    assert json.loads(told.webhooks.list_all("ESIM_STATUS")[0]["body"]) == bodies[-1]
