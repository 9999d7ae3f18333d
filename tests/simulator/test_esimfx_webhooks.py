"""Webhooks of Nomad eSIMfx: sent on what really happened, to where the portal says, in three shapes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator_client import Simulator
from tests.simulator_esimfx import ACTIVATE_PATH, SYSTEM, TERMINATE_PATH, WEBHOOK_TOKEN, Esimfx
from tests.simulator_webhooks import Receiver, Webhooks

GIB = 2**30


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def webhooks(simulator: Simulator) -> Webhooks:
    return Webhooks(simulator, SYSTEM)


@pytest.fixture
def esimfx(simulator: Simulator, receiver: Receiver) -> Esimfx:
    """At noon of 2027-03-01 while the clock stands still; the portal knows the receiver."""
    simulator.move_clock(at="2027-03-01T12:00:00Z", frozen=True)
    esimfx = Esimfx(simulator)
    esimfx.configure_webhooks(receiver.url)
    return esimfx


@pytest.fixture
def order(esimfx: Esimfx) -> dict[str, Any]:
    """One gigabyte for seven days, just bought."""
    return esimfx.order_new(esimfx.find_product(amount=1, amount_unit="GB", duration=7)["id"])


def kinds(webhooks: Webhooks) -> list[str]:
    return [webhook["kind"] for webhook in webhooks.list_all()]


def test_buying_and_installing_send_nothing(esimfx: Esimfx, webhooks: Webhooks, order: dict[str, Any]) -> None:
    esimfx.install(order["esim"]["iccid"])
    assert webhooks.list_all() == []


def test_the_first_connection_is_notified_once(
    esimfx: Esimfx, webhooks: Webhooks, receiver: Receiver, order: dict[str, Any]
) -> None:
    iccid = order["esim"]["iccid"]
    esimfx.connect(iccid)
    esimfx.connect(iccid)
    [received] = receiver.wait_for(1)
    assert received.headers["token"] == WEBHOOK_TOKEN
    assert received.headers["content-type"] == "application/json"
    assert received.json == {
        "event_type": "ACTIVATION",
        "iccid": iccid,
        "order_id": order["id"],
        "event_time": "2027-03-01T12:00:00Z",
    }
    assert [(entry["kind"], entry["state"], entry["status"]) for entry in webhooks.wait_until_sent()] == [
        ("ACTIVATION", "sent", 200)
    ]


def test_activation_by_api_or_calendar_is_no_connection(
    esimfx: Esimfx, webhooks: Webhooks, order: dict[str, Any]
) -> None:
    esimfx.post(ACTIVATE_PATH, {"order_id": order["id"]})
    other = esimfx.order_new(esimfx.read_order(order["id"])["product"]["id"])
    esimfx.simulator.move_clock(days=60)
    assert esimfx.read_subscription(other["id"])["status"] == "ACTIVE"
    assert kinds(webhooks) == ["EXPIRATION"]
    esimfx.connect(other["esim"]["iccid"])
    assert kinds(webhooks) == ["EXPIRATION", "ACTIVATION"]


def test_each_threshold_is_notified_once(esimfx: Esimfx, receiver: Receiver, order: dict[str, Any]) -> None:
    iccid = order["esim"]["iccid"]
    for amount in (GIB // 2 - 1, 1, 1, GIB // 2 - 1):
        esimfx.use(iccid, amount)
    received = [webhook.json for webhook in receiver.wait_for(5)]
    assert [(one["event_type"], one.get("threshold")) for one in received] == [
        ("ACTIVATION", None),
        ("DATA_USAGE", 50),
        ("DATA_USAGE", 80),
        ("DATA_USAGE", 90),
        ("EXPIRATION", None),
    ]
    assert received[1] == {
        "event_type": "DATA_USAGE",
        "iccid": iccid,
        "order_id": order["id"],
        "threshold": 50,
        "upper_limit_amount": GIB,
        "used_amount": GIB // 2,
        "amount_unit": "Byte",
        "event_time": "2027-03-01T12:00:00Z",
    }


def test_thresholds_are_set_at_the_portal(
    esimfx: Esimfx, webhooks: Webhooks, receiver: Receiver, order: dict[str, Any]
) -> None:
    esimfx.configure_webhooks(receiver.url, thresholds=[75, 10])
    esimfx.use(order["esim"]["iccid"], GIB * 9 // 10)
    bodies = [webhook.json for webhook in receiver.wait_for(3)]
    assert [body.get("threshold") for body in bodies] == [None, 10, 75]
    assert len(webhooks.wait_until_sent()) == 3


def test_unlimited_plans_have_no_thresholds(esimfx: Esimfx, webhooks: Webhooks) -> None:
    order = esimfx.order_new(esimfx.find_product(is_unlimited=True)["id"])
    esimfx.use(order["esim"]["iccid"], 500 * GIB)
    assert kinds(webhooks) == ["ACTIVATION"]


def test_the_clock_alone_ends_a_package_and_says_which(
    esimfx: Esimfx, receiver: Receiver, order: dict[str, Any]
) -> None:
    iccid = order["esim"]["iccid"]
    topup = esimfx.order_topup(iccid, esimfx.read_order(order["id"])["product"]["id"])
    esimfx.connect(iccid)
    esimfx.simulator.move_clock(days=30)
    received = [webhook.json for webhook in receiver.wait_for(3)]
    assert [(one["event_type"], one["order_id"], one["event_time"]) for one in received] == [
        ("ACTIVATION", order["id"], "2027-03-01T12:00:00Z"),
        ("EXPIRATION", order["id"], "2027-03-08T12:00:00Z"),
        ("EXPIRATION", topup["id"], "2027-03-15T12:00:00Z"),
    ]


def test_a_running_clock_needs_no_call(simulator: Simulator, receiver: Receiver) -> None:
    esimfx = Esimfx(simulator)
    esimfx.configure_webhooks(receiver.url)
    esimfx.connect(esimfx.order_new(esimfx.find_product(duration=1)["id"])["esim"]["iccid"])
    simulator.move_clock(seconds=86_400 - 0.3)
    assert [webhook.json["event_type"] for webhook in receiver.wait_for(2)] == ["ACTIVATION", "EXPIRATION"]


def test_a_termination_is_not_notified(esimfx: Esimfx, webhooks: Webhooks, order: dict[str, Any]) -> None:
    esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    esimfx.simulator.move_clock(days=100)
    assert webhooks.list_all() == []


def test_shapes_are_a_switch(esimfx: Esimfx, receiver: Receiver, order: dict[str, Any]) -> None:
    iccid = order["esim"]["iccid"]
    esimfx.set_switches(webhook_shape="nested")
    esimfx.use(iccid, GIB // 2)
    nested = [webhook.json for webhook in receiver.wait_for(2)]
    facts = {"iccid": iccid, "order_id": order["id"], "time": "2027-03-01T12:00:00Z"}
    assert nested[0] == {"event": "ACTIVATION", "data": facts}
    amounts = {"upper_limit_amount": GIB, "used_amount": GIB // 2, "amount_unit": "Byte"}
    assert nested[1] == {"event": "DATA_USAGE", "data": {**facts, "threshold": 50, **amounts}}
    esimfx.set_switches(webhook_shape="unknown")
    esimfx.expire(iccid)
    assert receiver.wait_for(3)[2].json == {
        "topic": "LINE_MOVED",
        "card": f"…{iccid[-4:]}",
        "moved": "2027-03-01T12:00:00Z",
    }


def test_the_portal_says_where_and_with_which_token(
    esimfx: Esimfx, webhooks: Webhooks, receiver: Receiver, order: dict[str, Any]
) -> None:
    esimfx.configure_webhooks(receiver.url, token="another")
    esimfx.connect(order["esim"]["iccid"])
    assert receiver.wait_for(1)[0].headers["token"] == "another"
    esimfx.configure_webhooks("")
    esimfx.expire(order["esim"]["iccid"])
    assert kinds(webhooks) == ["ACTIVATION"]
    esimfx.simulator.reset()
    assert esimfx.portal() == {"url": "", "token": WEBHOOK_TOKEN, "thresholds": [50, 80, 90]}


def test_they_can_be_held_turned_round_and_repeated(
    esimfx: Esimfx, webhooks: Webhooks, receiver: Receiver, order: dict[str, Any]
) -> None:
    webhooks.pause()
    esimfx.use(order["esim"]["iccid"], GIB)
    assert (kinds(webhooks), receiver.received) == (["ACTIVATION", *["DATA_USAGE"] * 3, "EXPIRATION"], [])
    webhooks.resume("reverse")
    received = receiver.wait_for(5)
    assert [webhook.json["event_type"] for webhook in received] == ["EXPIRATION", *["DATA_USAGE"] * 3, "ACTIVATION"]
    webhooks.repeat(webhooks.list_all("EXPIRATION")[0]["id"])
    assert receiver.wait_for(6)[5].body == received[0].body
