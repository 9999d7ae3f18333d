"""The life of an eSIM at Nomad eSIMfx, by control calls and by the clock, and how its words and numbers look."""

from typing import Any

import pytest

from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_esimfx import ACTIVATE_PATH, ESIM_ORDERS_PATH, TERMINATE_PATH, Esimfx

NOON = "2027-03-01T12:00:00Z"
GIB = 2**30


@pytest.fixture
def esimfx(simulator: Simulator) -> Esimfx:
    """At noon of 2027-03-01 while the clock stands still."""
    simulator.move_clock(at=NOON, frozen=True)
    return Esimfx(simulator)


@pytest.fixture
def product_id(esimfx: Esimfx) -> str:
    """One gigabyte for seven days."""
    return str(esimfx.find_product(amount=1, amount_unit="GB", duration=7)["id"])


@pytest.fixture
def order(esimfx: Esimfx, product_id: str) -> dict[str, Any]:
    """An eSIM with one package, just bought."""
    return esimfx.order_new(product_id)


@pytest.fixture
def iccid(order: dict[str, Any]) -> str:
    return str(order["esim"]["iccid"])


def statuses(esimfx: Esimfx, iccid: str) -> tuple[str, list[str]]:
    orders = esimfx.get(ESIM_ORDERS_PATH, iccid=iccid)["orders"]
    return esimfx.read_esim(iccid)["status"], [order["subscription"]["status"] for order in orders]


def test_trap_14_words_from_purchase_to_block(esimfx: Esimfx, order: dict[str, Any], iccid: str) -> None:
    clock = esimfx.simulator.move_clock
    assert statuses(esimfx, iccid) == ("PROVISIONED", ["PENDING"])
    esimfx.install(iccid)
    assert statuses(esimfx, iccid) == ("Installed", ["PENDING"])
    clock(days=1)
    esimfx.connect(iccid)
    assert statuses(esimfx, iccid) == ("ACTIVE", ["ACTIVE"])
    subscription = esimfx.read_subscription(order["id"])
    assert (subscription["activation_time"], subscription["expiry"]) == ("2027-03-02T12:00:00Z", "2027-03-09T12:00:00Z")
    assert subscription["activate_by"] == "2027-04-30T12:00:00Z"
    clock(at="2027-03-09T11:59:59Z")
    assert statuses(esimfx, iccid) == ("ACTIVE", ["ACTIVE"])
    clock(at="2027-03-09T12:00:00Z")
    assert statuses(esimfx, iccid) == ("EXPIRED", ["EXPIRED"])
    clock(at="2027-05-08T11:59:59Z")
    assert statuses(esimfx, iccid) == ("EXPIRED", ["EXPIRED"])
    clock(at="2027-05-08T12:00:00Z")
    assert statuses(esimfx, iccid) == ("BLOCKED", ["EXPIRED"])


def test_trap_05_day_60_activates_what_nobody_used(esimfx: Esimfx, order: dict[str, Any], iccid: str) -> None:
    esimfx.simulator.move_clock(at="2027-04-30T11:59:59Z")
    assert statuses(esimfx, iccid) == ("PROVISIONED", ["PENDING"])
    esimfx.simulator.move_clock(seconds=1)
    assert statuses(esimfx, iccid) == ("ACTIVE", ["ACTIVE"])
    subscription = esimfx.read_subscription(order["id"])
    assert (subscription["activation_time"], subscription["expiry"]) == ("2027-04-30T12:00:00Z", "2027-05-07T12:00:00Z")


def test_a_long_leap_of_the_clock_passes_every_station(esimfx: Esimfx, order: dict[str, Any], iccid: str) -> None:
    esimfx.simulator.move_clock(days=365)
    assert statuses(esimfx, iccid) == ("BLOCKED", ["EXPIRED"])
    assert esimfx.read_subscription(order["id"])["expiry"] == "2027-05-07T12:00:00Z"
    assert esimfx.line(iccid)["blocked_at"] == "2027-07-06T12:00:00+00:00"


def test_the_api_activates_before_the_first_connection(esimfx: Esimfx, order: dict[str, Any], iccid: str) -> None:
    esimfx.simulator.move_clock(hours=5)
    answer = esimfx.post(ACTIVATE_PATH, {"order_id": order["id"]})
    assert answer == esimfx.read_order(order["id"])
    assert (answer["subscription"]["status"], answer["subscription"]["activation_time"]) == (
        "ACTIVE",
        "2027-03-01T17:00:00Z",
    )
    assert [effect["ref"] for effect in esimfx.effects("activate")] == [order["id"]]
    assert esimfx.send("POST", ACTIVATE_PATH, json={"order_id": order["id"]}).json()["code"] == 40905
    esimfx.simulator.move_clock(hours=1)
    esimfx.connect(iccid)
    assert esimfx.read_subscription(order["id"])["activation_time"] == "2027-03-01T17:00:00Z"


def test_trap_16_a_package_used_up_is_expired_like_one_out_of_time(
    esimfx: Esimfx, order: dict[str, Any], iccid: str
) -> None:
    esimfx.use(iccid, GIB - 1)
    assert esimfx.read_subscription(order["id"])["used_amount"] == GIB - 1
    esimfx.simulator.move_clock(days=1)
    esimfx.use(iccid, 500)
    subscription = esimfx.read_subscription(order["id"])
    assert (subscription["used_amount"], subscription["status"]) == (GIB, "EXPIRED")
    assert subscription["expiry"] == "2027-03-02T12:00:00Z"
    assert esimfx.use(iccid, 500)["subscriptions"][0]["used_bytes"] == GIB


def test_trap_15_addons_follow_one_another_as_they_are_used_up(
    esimfx: Esimfx, order: dict[str, Any], iccid: str, product_id: str
) -> None:
    ids = [order["id"], *(esimfx.order_topup(iccid, product_id)["id"] for _ in range(2))]
    assert statuses(esimfx, iccid) == ("PROVISIONED", ["PENDING"] * 3)
    esimfx.connect(iccid)
    assert statuses(esimfx, iccid) == ("ACTIVE", ["ACTIVE", "PENDING", "PENDING"])
    esimfx.simulator.move_clock(days=1)
    esimfx.use(iccid, GIB + 700)
    assert statuses(esimfx, iccid) == ("ACTIVE", ["EXPIRED", "ACTIVE", "PENDING"])
    assert [esimfx.read_subscription(order_id)["used_amount"] for order_id in ids] == [GIB, 700, 0]
    second = esimfx.read_subscription(ids[1])
    assert (second["activation_time"], second["expiry"]) == ("2027-03-02T12:00:00Z", "2027-03-09T12:00:00Z")
    esimfx.simulator.move_clock(at="2027-03-09T12:00:00Z")
    assert statuses(esimfx, iccid) == ("ACTIVE", ["EXPIRED", "EXPIRED", "ACTIVE"])
    esimfx.use(iccid, 10 * GIB)
    assert statuses(esimfx, iccid) == ("EXPIRED", ["EXPIRED"] * 3)
    assert esimfx.read_subscription(ids[2])["used_amount"] == GIB


def test_trap_15_two_can_be_active_when_the_api_says_so(
    esimfx: Esimfx, order: dict[str, Any], iccid: str, product_id: str
) -> None:
    topup = esimfx.order_topup(iccid, product_id)
    esimfx.connect(iccid)
    esimfx.simulator.move_clock(hours=1)
    esimfx.post(ACTIVATE_PATH, {"order_id": topup["id"]})
    assert statuses(esimfx, iccid) == ("ACTIVE", ["ACTIVE", "ACTIVE"])
    esimfx.use(iccid, 100)
    assert [esimfx.read_subscription(one["id"])["used_amount"] for one in (order, topup)] == [100, 0]
    esimfx.expire(iccid, topup["id"])
    assert statuses(esimfx, iccid) == ("ACTIVE", ["ACTIVE", "EXPIRED"])
    esimfx.expire(iccid)
    assert statuses(esimfx, iccid) == ("EXPIRED", ["EXPIRED", "EXPIRED"])
    with pytest.raises(ControlRefused):
        esimfx.expire(iccid)


def test_an_addon_bought_after_the_end_revives_the_esim(
    esimfx: Esimfx, order: dict[str, Any], iccid: str, product_id: str
) -> None:
    esimfx.use(iccid, GIB)
    esimfx.simulator.move_clock(days=59)
    esimfx.order_topup(iccid, product_id)
    assert statuses(esimfx, iccid) == ("Installed", ["EXPIRED", "PENDING"])
    esimfx.simulator.move_clock(days=2)
    esimfx.connect(iccid)
    assert statuses(esimfx, iccid) == ("ACTIVE", ["EXPIRED", "ACTIVE"])


def test_a_terminated_package_does_not_start_the_next(
    esimfx: Esimfx, order: dict[str, Any], iccid: str, product_id: str
) -> None:
    esimfx.order_topup(iccid, product_id)
    esimfx.connect(iccid)
    esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    assert statuses(esimfx, iccid) == ("Installed", ["TERMINATED", "PENDING"])
    esimfx.connect(iccid)
    assert statuses(esimfx, iccid) == ("ACTIVE", ["TERMINATED", "ACTIVE"])


def test_a_deactivated_esim_works_no_more(esimfx: Esimfx, order: dict[str, Any], iccid: str) -> None:
    esimfx.use(iccid, 100)
    esimfx.deactivate(iccid)
    assert statuses(esimfx, iccid) == ("DEACTIVATED", ["ACTIVE"])
    with pytest.raises(ControlRefused):
        esimfx.use(iccid, 100)
    assert esimfx.read_subscription(order["id"])["used_amount"] == 100
    esimfx.simulator.move_clock(days=400)
    assert statuses(esimfx, iccid) == ("DEACTIVATED", ["EXPIRED"])


@pytest.mark.parametrize(
    ("unit", "limit", "used"),
    [
        ("Byte", "1073741824", "268959744"),
        ("MB", "1024", "256.5"),
        ("GB", "1", "0.25048828125"),
        ("Days", "7", "2"),
    ],
)
def test_trap_03_the_unit_of_amounts_is_a_switch(
    esimfx: Esimfx, order: dict[str, Any], unit: str, limit: str, used: str
) -> None:
    esimfx.use(order["esim"]["iccid"], 256 * 2**20 + 2**19)
    esimfx.simulator.move_clock(days=1, seconds=1)
    esimfx.set_switches(unit=unit)
    subscription = esimfx.read_subscription(order["id"])
    assert (str(subscription["upper_limit_amount"]), str(subscription["used_amount"])) == (limit, used)
    assert subscription["amount_unit"] == unit


def test_trap_03_unlimited_plans_count_days(esimfx: Esimfx) -> None:
    order = esimfx.order_new(esimfx.find_product(is_unlimited=True, duration=3)["id"])
    shown = []
    for hours in (1, 1, 22, 2, 60):
        esimfx.simulator.move_clock(hours=hours)
        subscription = esimfx.read_subscription(order["id"])
        shown.append((subscription["used_amount"], subscription["status"]))
        esimfx.use(order["esim"]["iccid"], 50 * GIB)
    assert shown == [(0, "PENDING"), (1, "ACTIVE"), (1, "ACTIVE"), (2, "ACTIVE"), (3, "EXPIRED")]
    assert (subscription["upper_limit_amount"], subscription["amount_unit"]) == (3, "Days")


def test_names_and_words_as_the_live_service_writes_them(esimfx: Esimfx, order: dict[str, Any], iccid: str) -> None:
    esimfx.set_switches(misspelt=True, case="lower")
    read = esimfx.read_order(order["id"])
    assert (read["status"], read["subscription"]["status"]) == ("completed", "pending")
    assert (read["subscription"]["uper_limit_amount"], "upper_limit_amount" in read["subscription"]) == (GIB, False)
    esimfx.set_switches(case="title")
    assert statuses(esimfx, iccid) == ("Provisioned", ["Pending"])


def test_time_passes_without_any_call(simulator: Simulator) -> None:
    esimfx = Esimfx(simulator)
    product = esimfx.find_product(amount_unit="GB", duration=1)
    esimfx.connect(esimfx.order_new(product["id"])["esim"]["iccid"])
    simulator.move_clock(days=1)
    assert esimfx.lines()[0]["status"] == "EXPIRED"
