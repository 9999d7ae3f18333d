"""Somebody else's client for eSIM Access, from PyPI and written from the provider's document, works here.

It has the provider's address built in; its HTTP client is told to go to the simulator instead.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from esimaccess_python import Package, PageParam, authenticate

from tests.simulator_access import ACCESS_CODE, Access
from tests.simulator_webhooks import Receiver

PROVIDER = "https://api.esimaccess.com/"


@pytest.fixture
def client(access: Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Their client, unchanged but for the address."""
    monkeypatch.setenv("NO_PROXY", "*")

    def turn_to_simulator(request: httpx.Request) -> None:
        address = str(request.url)
        assert address.startswith(PROVIDER)
        request.url = httpx.URL(f"{access.url}/{address.removeprefix(PROVIDER)}")

    access.set_switches(allocation_delay_s=0)
    with authenticate(ACCESS_CODE) as http:
        http.event_hooks = {"request": [turn_to_simulator]}
        yield Package(http)


def buy(client: Any, access: Access, package: str, count: int = 1, **entry: Any) -> list[dict[str, Any]]:
    order = client.order(
        transactionId=uuid.uuid4().hex, packageInfoList=[{"packageCode": package, "count": count, **entry}]
    )
    assert order["success"] is True, order
    found = client.query(orderNo=order["obj"]["orderNo"], pager=PageParam(pageNum=1, pageSize=20))
    esims: list[dict[str, Any]] = found["obj"]["esimList"]
    return esims


def test_it_lists_packages(client: Any, access: Access) -> None:
    packages = client.list()["obj"]["packageList"]
    assert [package["packageCode"] for package in packages] == access.base_codes()
    assert {package["locationCode"][:3] for package in client.list(locationCode="!GL")["obj"]["packageList"]} == {"GL-"}
    topups = client.list(type="TOPUP", packageCode="CKH001")["obj"]["packageList"]
    assert "TOPUP_CKH001" in [package["packageCode"] for package in topups]


def test_it_orders_with_price_and_amount_and_reads_the_profiles(client: Any, access: Access) -> None:
    price = access.package("CKH001")["price"]
    order = client.order(
        transactionId="your_txn_id",
        amount=2 * price,
        packageInfoList=[{"packageCode": "CKH001", "count": 2, "price": price}],
    )
    found = client.query(orderNo=order["obj"]["orderNo"], iccid="", pager=PageParam(pageNum=1, pageSize=20))
    assert found["obj"]["pager"] == {"pageSize": 20, "pageNum": 1, "total": 2}
    assert all(esim["ac"].startswith("LPA:1$") for esim in found["obj"]["esimList"])
    assert client.balance()["obj"]["balance"] == 10_000_000 - 2 * price
    [booked] = access.orders()
    assert (booked["reference"], booked["quantity"]) == ("your_txn_id", 2)


def test_it_waits_for_profiles_by_their_code(client: Any, access: Access) -> None:
    access.set_switches(allocation_delay_s=60)
    number = access.order("CKH001")
    answer = client.query(orderNo=number, pager=PageParam(pageNum=1, pageSize=20))
    assert (answer["success"], answer["errorCode"]) == (False, "200010")


def test_it_finds_orders_by_time(client: Any, access: Access) -> None:
    access.simulator.move_clock(at="2027-03-01T12:00:00Z", frozen=True)
    [esim] = buy(client, access, "CKH001")
    found = client.query(
        startTime="2027-03-01T11:00+00:00", endTime="2027-03-01T13:00+00:00", pager=PageParam(pageNum=1, pageSize=5)
    )
    assert [row["esimTranNo"] for row in found["obj"]["esimList"]] == [esim["esimTranNo"]]


def test_it_tops_up(client: Any, access: Access) -> None:
    [esim] = buy(client, access, access.find_package(dataType=1, supportTopUpType=2))
    [code] = [
        package["packageCode"]
        for package in client.list(type="TOPUP", iccid=esim["iccid"])["obj"]["packageList"]
        if package["packageCode"] == f"TOPUP_{esim['packageList'][0]['packageCode']}"
    ]
    volume, price = (access.package(code)[name] for name in ("volume", "price"))
    answer = client.topup(iccid=esim["iccid"], packageCode=code, transactionId="top_up_1", amount=price)
    assert (answer["success"], answer["obj"]["totalVolume"]) == (True, esim["totalVolume"] + volume)
    assert [effect["detail"]["charged"] for effect in access.effects("topup")] == [price]


def test_it_suspends_unsuspends_revokes_and_cancels(client: Any, access: Access) -> None:
    first, second = buy(client, access, "CKH001", 2)
    assert client.suspend(iccid=first["iccid"])["success"] is True
    assert access.line(first["esimTranNo"])["line"]["esimStatus"] == "SUSPENDED"
    assert client.unsuspend(iccid=first["iccid"])["success"] is True
    assert client.revoke(iccid=first["iccid"])["success"] is True
    assert client.cancel(iccid=first["iccid"])["errorCode"] == "200002"
    before = client.balance()["obj"]["balance"]
    assert client.cancel(iccid=second["iccid"])["success"] is True
    assert client.balance()["obj"]["balance"] == before + access.line(second["esimTranNo"])["charged"]


def test_it_sets_and_reads_the_webhook(client: Any, access: Access) -> None:
    with Receiver() as receiver:
        assert client.set_webhook(webhook=receiver.url)["success"] is True
        assert client.query_webhook()["obj"] == {"webhook": receiver.url}
        buy(client, access, "CKH001")
        assert [received.json["notifyType"] for received in receiver.wait_for(2)] == ["CHECK_HEALTH", "ORDER_STATUS"]


def test_its_message_is_sent_without_a_body_and_refused(client: Any, access: Access) -> None:
    [esim] = buy(client, access, "CKH001")
    # A fault of theirs: version 0.1.1 forgets the body. The provider would not take it either.
    assert client.sendSms(iccid=esim["iccid"], message="Hello")["errorCode"] == "000104"
    assert access.effects("sms") == []


def test_a_wrong_key_is_told(access: Access, client: Any) -> None:
    client.client.headers["RT-AccessCode"] = "somebody-else"
    assert client.balance()["errorCode"] == "101003"
