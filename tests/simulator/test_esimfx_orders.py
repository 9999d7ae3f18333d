"""Orders at Nomad eSIMfx: keys, money, top-ups, refunds, blocking."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator_client import Simulator
from tests.simulator_esimfx import (
    ACTIVATE_PATH,
    BLOCK_PATH,
    ESIM_ORDERS_PATH,
    ESIM_STATUS_PATH,
    ORDER_DETAIL_PATH,
    ORDER_PATH,
    TERMINATE_PATH,
    TOPUPS_PATH,
    Esimfx,
)

NOON = "2027-03-01T12:00:00Z"


@pytest.fixture
def esimfx(simulator: Simulator) -> Esimfx:
    """At noon of 2027-03-01 while the clock stands still."""
    simulator.move_clock(at=NOON, frozen=True)
    return Esimfx(simulator)


def code_of(esimfx: Esimfx, path: str, body: Any) -> int:
    response = esimfx.send("POST", path, json=body)
    assert response.json()["data"] is None
    return int(response.json()["code"])


def luhn_total(digits: str) -> int:
    doubled = (int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled)


def test_trap_11_an_order_nests_the_iccid_and_is_booked(esimfx: Esimfx) -> None:
    product = esimfx.find_product(amount_unit="GB", price_unit="USD", duration=7)
    answer = esimfx.order_new(product["id"])
    assert list(answer) == ["id", "status", "subscription", "creation_time", "esim"]
    assert (answer["status"], answer["creation_time"]) == ("COMPLETED", "2027-03-01T12:00:00Z")
    esim = answer["esim"]
    assert list(esim) == ["iccid", "esim_qr", "status", "apn"]
    assert re.fullmatch(r"8944\d{16}", esim["iccid"]) and luhn_total(esim["iccid"]) % 10 == 0
    assert re.fullmatch(r"LPA:1\$smdp\.esimfx\.simulator\.example\$JQ(-[0-9A-Z]{6}){3}", esim["esim_qr"])
    assert esim["status"] == "PROVISIONED"
    [order] = esimfx.orders()
    assert (order["plan"], order["quantity"], order["reference"]) == (product["id"], 1, answer["id"])
    assert (order["refs"], order["shown"], Decimal(order["unit_price"])) == (
        [esim["iccid"]],
        1,
        Decimal(str(product["price"])),
    )
    read = esimfx.read_order(answer["id"])
    assert list(read) == ["id", "iccid", "product", "subscription", "status", "creation_time"]
    assert (read["id"], read["iccid"]) == (answer["id"], esim["iccid"])
    assert read["product"] == {
        "id": product["id"],
        "name": product["name"],
        "duration": 7,
        "duration_unit": "DAY",
        "imsi_profile": product["imsi_profile"],
    }
    assert esimfx.read_esim(esim["iccid"]) == {name: esim[name] for name in ("iccid", "esim_qr", "status")}
    assert esimfx.get(ESIM_ORDERS_PATH, iccid=esim["iccid"]) == {"orders": [read]}


def test_trap_04_a_pending_subscription_shows_projections(esimfx: Esimfx) -> None:
    product = esimfx.find_product(amount=1, amount_unit="GB", duration=7)
    answer = esimfx.order_new(product["id"])
    assert {**answer["subscription"], "external_id": ""} == {
        "upper_limit_amount": 1_073_741_824,
        "amount_unit": "Byte",
        "status": "PENDING",
        "activation_time": "2027-04-30T12:00:00Z",
        "expiry": "2027-05-07T12:00:00Z",
        "activate_by": "2027-04-30T12:00:00Z",
        "external_id": "",
    }
    shown = {name: value for name, value in answer["subscription"].items() if name != "external_id"}
    assert esimfx.read_subscription(answer["id"]) == {**shown, "used_amount": 0}


def test_trap_08_both_kinds_of_ids_can_be_ordered(esimfx: Esimfx) -> None:
    product = esimfx.list_products(region="Japan")[0]
    old = esimfx.order_new(product["meta_product_id"])
    assert esimfx.read_order(old["id"])["product"]["id"] == product["meta_product_id"]
    esimfx.order_topup(old["esim"]["iccid"], product["id"])
    assert [order["plan"] for order in esimfx.orders()] == [product["meta_product_id"], product["id"]]


@pytest.mark.parametrize("headers", [{}, {"X-Idempotency-Key": ""}])
def test_trap_02_an_order_without_a_key_is_refused(esimfx: Esimfx, headers: dict[str, str]) -> None:
    body = {"operation_type": "NEW", "product": {"id": esimfx.product_ids()[0]}}
    response = esimfx.send("POST", ORDER_PATH, json=body, headers=headers)
    assert (response.status_code, response.json()["code"], esimfx.orders()) == (200, 40003, [])


def test_trap_02_the_same_key_answers_the_same_and_sells_once(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    first = esimfx.order_new(product_id, "key-1")
    balance = esimfx.read_balance()
    esimfx.connect(first["esim"]["iccid"])
    esimfx.simulator.move_clock(days=100)
    esimfx.change_product(product_id, price=999)
    assert [esimfx.order_new(product_id, "key-1") for _ in range(3)] == [first] * 3
    assert (len(esimfx.orders()), len(esimfx.lines()), esimfx.read_balance()) == (1, 1, balance)
    assert esimfx.order_new(product_id, "KEY-1")["id"] != first["id"]


def test_trap_02_the_same_key_from_many_sides_at_once_sells_once(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    sides = [Esimfx(esimfx.simulator) for _ in range(8)]
    with ThreadPoolExecutor(len(sides)) as pool:
        answers = list(pool.map(lambda side: side.order_new(product_id, "k"), sides))
    assert answers == [answers[0]] * 8
    assert [order["reference"] for order in esimfx.orders()] == [answers[0]["id"]]


def test_trap_02_a_key_is_valid_for_six_months_of_the_calendar(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    esimfx.simulator.move_clock(at="2027-08-31T12:00:00Z")
    first = esimfx.order_new(product_id, "k")
    esimfx.simulator.move_clock(at="2028-02-29T11:59:59Z")
    assert esimfx.order_new(product_id, "k") == first
    esimfx.simulator.move_clock(at="2028-02-29T12:00:00Z")
    second = esimfx.order_new(product_id, "k")
    assert [order["reference"] for order in esimfx.orders()] == [first["id"], second["id"]]
    assert esimfx.order_new(product_id, "k") == second


def test_trap_02_the_same_key_with_another_body_is_a_switch(esimfx: Esimfx) -> None:
    one, other = esimfx.product_ids()[:2]
    first = esimfx.order_new(one, "k")
    response = esimfx.send_order({"operation_type": "NEW", "product": {"id": other}}, "k")
    assert (response.json()["code"], len(esimfx.orders())) == (40901, 1)
    turned = esimfx.send_order({"product": {"id": one}, "operation_type": "NEW"}, "k")
    assert turned.json()["data"] == first
    esimfx.set_switches(other_body="first_answer")
    assert (esimfx.order_new(other, "k"), len(esimfx.orders())) == (first, 1)


def test_a_refused_order_binds_no_key(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    esimfx.set_balance("0")
    body = {"operation_type": "NEW", "product": {"id": product_id}}
    assert esimfx.send_order(body, "k").json()["code"] == 40201
    esimfx.set_balance("1000")
    assert esimfx.order_new(product_id, "k")["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 40001),
        ([], 40001),
        ({"operation_type": "NEW"}, 40001),
        ({"operation_type": "NEW", "product": "esimfx_1G_7D_JP"}, 40001),
        ({"operation_type": "NEW", "product": {"id": 1}}, 40001),
        ({"operation_type": "new", "product": {"id": "esimfx_1G_7D_JP"}}, 40001),
        ({"product": {"id": "esimfx_1G_7D_JP"}}, 40001),
        ({"operation_type": "TOPUP", "product": {"id": "esimfx_1G_7D_JP"}}, 40001),
        ({"operation_type": "TOPUP", "iccid": "8944", "product": {"id": "esimfx_1G_7D_JP"}}, 40403),
        ({"operation_type": "NEW", "product": {"id": "esimfx_9G_9D_JP"}}, 40401),
    ],
)
def test_a_wrong_order_sells_nothing(esimfx: Esimfx, body: Any, code: int) -> None:
    response = esimfx.send_order(body)
    assert (response.status_code, response.json()["code"]) == (200, code)
    assert (esimfx.orders(), esimfx.lines(), esimfx.effects()) == ([], [], [])
    assert esimfx.read_balance() == 5000


def test_the_balance_pays_package_and_esim_fee(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    esimfx.change_product(product_id, price=12.35)
    esimfx.set_balance("25.05")
    iccid = esimfx.order_new(product_id, "first")["esim"]["iccid"]
    assert esimfx.read_balance() == Decimal("12.40")
    esimfx.order_topup(iccid, product_id, "second")
    assert esimfx.read_balance() == Decimal("0.05")
    assert [effect["detail"] for effect in esimfx.effects("charge")] == [
        {"package": "12.35", "esim_fee": "0.30", "operation": "NEW", "key": "first"},
        {"package": "12.35", "esim_fee": "0", "operation": "TOPUP", "key": "second"},
    ]


def test_a_balance_that_just_does_not_suffice_sells_nothing(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    esimfx.change_product(product_id, price=12)
    esimfx.set_balance("12.29")
    response = esimfx.send_order({"operation_type": "NEW", "product": {"id": product_id}})
    assert (response.json()["code"], esimfx.orders(), esimfx.lines()) == (40201, [], [])
    assert esimfx.read_balance() == Decimal("12.29")
    esimfx.set_esim_fee("0.29")
    esimfx.order_new(product_id)
    assert esimfx.read_balance() == 0


def test_goods_in_euros_are_charged_in_dollars(esimfx: Esimfx) -> None:
    product = esimfx.find_product(price_unit="EUR")
    esimfx.change_product(product["id"], price=10.05)
    order = esimfx.order_new(product["id"])
    # 10.05 EUR are 11.055 USD, rounded half up.
    assert esimfx.read_balance() == Decimal("5000") - Decimal("11.06") - Decimal("0.30")
    esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    assert esimfx.read_balance() == Decimal("4999.70")


def test_goods_in_another_currency_can_be_listed_but_not_bought(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    esimfx.change_product(product_id, price=300, price_unit="JPY")
    assert esimfx.list_products()[0]["price_unit"] == "JPY"
    response = esimfx.send_order({"operation_type": "NEW", "product": {"id": product_id}})
    assert (response.json()["code"], esimfx.orders(), esimfx.lines()) == (40401, [], [])


def test_trap_13_an_order_is_one_esim(esimfx: Esimfx) -> None:
    body = {"operation_type": "NEW", "product": {"id": esimfx.product_ids()[0]}, "quantity": 3}
    answer = esimfx.send_order(body).json()["data"]
    assert [line["iccid"] for line in esimfx.lines()] == [answer["esim"]["iccid"]]
    iccids = [esimfx.order_new(esimfx.product_ids()[0])["esim"]["iccid"] for _ in range(5)]
    assert len(set(iccids)) == 5


def test_trap_07_a_topup_must_fit_profile_and_region(esimfx: Esimfx) -> None:
    japan = esimfx.list_products(region="Japan")
    iccid = esimfx.order_new(japan[0]["id"])["esim"]["iccid"]
    other_profile = next(product for product in japan if product["imsi_profile"] != japan[0]["imsi_profile"])
    elsewhere = next(
        product
        for product in esimfx.list_products()
        if product["imsi_profile"] == japan[0]["imsi_profile"] and product["coverage"] != ["JP"]
    )
    for product in (other_profile, elsewhere):
        body = {"operation_type": "TOPUP", "iccid": iccid, "product": {"id": product["id"]}}
        assert esimfx.send_order(body).json()["code"] == 40903
    assert len(esimfx.orders()) == 1
    for product in esimfx.get(TOPUPS_PATH, iccid=iccid)["products"]:
        assert esimfx.order_topup(iccid, product["id"])["esim"]["iccid"] == iccid
    assert len(esimfx.line(iccid)["subscriptions"]) == len(esimfx.orders()) > 2


def test_trap_15_an_esim_lists_all_its_orders(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    first = esimfx.order_new(product_id)
    iccid = first["esim"]["iccid"]
    second = esimfx.order_topup(iccid, product_id)
    assert second["esim"] == first["esim"]
    orders = esimfx.get(ESIM_ORDERS_PATH, iccid=iccid)["orders"]
    assert orders == [esimfx.read_order(first["id"]), esimfx.read_order(second["id"])]
    esimfx.set_switches(bare_orders=True)
    assert esimfx.get(ESIM_ORDERS_PATH, iccid=iccid) == orders


def test_trap_11_order_ids_are_looked_up_as_they_are(esimfx: Esimfx) -> None:
    for query in ({"order_id": "13bd78f-4a74-4873-87e2-d234y475xxxx"}, {"order_id": str(uuid.uuid4())}):
        assert esimfx.send("GET", ORDER_DETAIL_PATH, params=query).json()["code"] == 40402
    assert esimfx.send("GET", ORDER_DETAIL_PATH).json()["code"] == 40001
    for path in (ESIM_STATUS_PATH, ESIM_ORDERS_PATH):
        assert esimfx.send("GET", path, params={"iccid": "8944"}).json()["code"] == 40403
        assert esimfx.send("GET", path).json()["code"] == 40001


@pytest.mark.parametrize("days", [1, 59.9])
def test_trap_06_a_pending_package_is_refunded_without_the_esim_fee(esimfx: Esimfx, days: float) -> None:
    product_id = esimfx.product_ids()[0]
    esimfx.change_product(product_id, price=12.35)
    order = esimfx.order_new(product_id)
    esimfx.simulator.move_clock(days=days)
    answer = esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    assert (answer["refund"], answer["subscription"]["status"]) == ({"need_refund": True}, "TERMINATED")
    assert esimfx.read_balance() == Decimal("4999.70")
    [effect] = esimfx.effects("terminate")
    assert (effect["ref"], effect["detail"]) == (order["id"], {"refunded": "12.35"})
    assert esimfx.read_esim(order["esim"]["iccid"])["status"] == "EXPIRED"


def test_trap_06_an_active_package_is_not_refunded(esimfx: Esimfx) -> None:
    order = esimfx.order_new(esimfx.product_ids()[0])
    balance = esimfx.read_balance()
    esimfx.connect(order["esim"]["iccid"])
    answer = esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    assert (answer["refund"], esimfx.read_balance()) == ({"need_refund": False}, balance)
    assert esimfx.effects("terminate")[0]["detail"] == {"refunded": "0"}


def test_trap_06_after_60_days_nothing_is_refunded(esimfx: Esimfx) -> None:
    order = esimfx.order_new(esimfx.find_product(duration=7)["id"])
    balance = esimfx.read_balance()
    esimfx.simulator.move_clock(days=60)
    answer = esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    assert (answer["refund"], esimfx.read_balance()) == ({"need_refund": False}, balance)


def test_trap_06_termination_is_for_good(esimfx: Esimfx) -> None:
    order = esimfx.order_new(esimfx.product_ids()[0])
    esimfx.post(TERMINATE_PATH, {"order_id": order["id"]})
    balance = esimfx.read_balance()
    assert code_of(esimfx, TERMINATE_PATH, {"order_id": order["id"]}) == 40906
    assert code_of(esimfx, ACTIVATE_PATH, {"order_id": order["id"]}) == 40905
    assert esimfx.connect(order["esim"]["iccid"])["subscriptions"][0]["status"] == "TERMINATED"
    assert (esimfx.read_balance(), len(esimfx.effects("terminate"))) == (balance, 1)


@pytest.mark.parametrize("path", [TERMINATE_PATH, ACTIVATE_PATH, BLOCK_PATH])
def test_wrong_bodies_change_nothing(esimfx: Esimfx, path: str) -> None:
    order = esimfx.order_new(esimfx.product_ids()[0])
    before = esimfx.lines()
    name, code = ("iccid", 40403) if path == BLOCK_PATH else ("order_id", 40402)
    wrong: list[Any] = [{}, [], {name: 1}, {name: ""}]
    assert [code_of(esimfx, path, body) for body in wrong] == [40001] * 4
    assert code_of(esimfx, path, {name: "nope"}) == code
    assert (esimfx.lines(), esimfx.effects()[1:]) == (before, [])
    assert esimfx.read_subscription(order["id"])["status"] == "PENDING"


def test_a_blocked_esim_takes_nothing_any_more(esimfx: Esimfx) -> None:
    product_id = esimfx.product_ids()[0]
    order = esimfx.order_new(product_id)
    iccid = order["esim"]["iccid"]
    assert esimfx.post(BLOCK_PATH, {"iccid": iccid}) == {**esimfx.read_esim(iccid), "status": "BLOCKED"}
    assert [effect["ref"] for effect in esimfx.effects("block")] == [iccid]
    body = {"operation_type": "TOPUP", "iccid": iccid, "product": {"id": product_id}}
    assert esimfx.send_order(body).json()["code"] == 40904
    assert code_of(esimfx, BLOCK_PATH, {"iccid": iccid}) == 40904
    assert code_of(esimfx, ACTIVATE_PATH, {"order_id": order["id"]}) == 40904
    esimfx.simulator.move_clock(days=200)
    assert (esimfx.read_esim(iccid)["status"], len(esimfx.orders())) == ("BLOCKED", 1)
    assert esimfx.read_subscription(order["id"])["status"] == "PENDING"
