"""eSIM Access: orders that are filled later, paid at once, and never twice; batches, prices, stock, queries."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.simulator_access import Access

PAGER = {"pageNum": 1, "pageSize": 50}


@pytest.fixture
def at_once(access: Access) -> Access:
    """Profiles are there as soon as they are ordered."""
    access.set_switches(allocation_delay_s=0)
    return access


def order_body(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"transactionId": uuid.uuid4().hex, "packageInfoList": list(entries), **more}


def entry(package: str = "CKH001", count: Any = 1, **more: Any) -> dict[str, Any]:
    return {"packageCode": package, "count": count, **more}


def assert_nothing_sold(access: Access) -> None:
    assert (access.orders(), access.lines(), access.balance()) == ([], [], 10_000_000)


# Selling


def test_an_order_is_charged_and_booked_at_once_and_filled_later(access: Access) -> None:
    access.simulator.move_clock(at="2027-03-01T12:00:00Z", frozen=True)
    price = access.package("CKH001")["price"]
    answer = access.ask("/esim/order", {**order_body(entry(count=2)), "transactionId": "txn-1"})
    assert set(answer) == {"orderNo", "transactionId"}
    assert (answer["transactionId"], answer["orderNo"][:11]) == ("txn-1", "B2703011200")
    [booked] = access.orders()
    assert (booked["reference"], booked["plan"], booked["quantity"]) == ("txn-1", "CKH001", 2)
    assert float(booked["total_price"]) == 2 * price / 10_000
    assert access.balance() == 10_000_000 - 2 * price
    query = {"orderNo": answer["orderNo"], "pager": PAGER}
    assert access.refusal("/esim/query", query) == "200010"
    access.simulator.move_clock(seconds=1)
    obj = access.ask("/esim/query", query)
    assert obj["pager"] == {"pageSize": 50, "pageNum": 1, "total": 2}
    assert sorted(esim["esimTranNo"] for esim in obj["esimList"]) == sorted(booked["refs"])


def test_a_profile_has_every_field_of_the_document_and_of_today(at_once: Access) -> None:
    [esim] = at_once.buy("CKH001", transaction_id="txn-2")
    assert set(esim) == {
        *("esimTranNo", "orderNo", "transactionId", "imsi", "iccid", "smsStatus", "msisdn", "ac", "qrCodeUrl"),
        *("shortUrl", "smdpStatus", "eid", "activeType", "dataType", "activateTime", "expiredTime"),
        *("installationTime", "totalVolume", "totalDuration", "durationUnit", "orderUsage", "esimStatus", "pin"),
        *("puk", "apn", "ipExport", "supportTopUpType", "fupPolicy", "packageList"),
    }
    assert (esim["esimStatus"], esim["smdpStatus"], esim["eid"], esim["orderUsage"]) == (
        "GOT_RESOURCE",
        "RELEASED",
        "",
        0,
    )
    scheme, host, matching_id = esim["ac"].split("$")
    assert (scheme, host, len(matching_id)) == ("LPA:1", "rsp-eu.simulator.example", 32)
    assert (len(esim["iccid"]) in (19, 20), esim["iccid"][:2]) == (True, "89")
    assert (esim["totalVolume"], esim["totalDuration"], esim["durationUnit"]) == (1_073_741_824, 7, "DAY")
    [loaded] = esim["packageList"]
    assert (loaded["packageCode"], loaded["slug"], loaded["esimTranNo"]) == ("CKH001", "ES_1_7", esim["esimTranNo"])
    assert loaded["createTime"].endswith("+0000")
    at_once.set_switches(live_fields=False)
    [documented] = at_once.query(orderNo=esim["orderNo"])
    assert set(esim) - set(documented) == {
        *("transactionId", "shortUrl", "activateTime", "installationTime", "ipExport"),
        *("supportTopUpType", "fupPolicy"),
    }
    assert set(documented["packageList"][0]) == {"packageCode", "duration", "volume", "locationCode"}


def test_trap_02_an_order_number_is_no_line_number(at_once: Access) -> None:
    for count in (1, 3):
        for esim in at_once.buy("CKH001", count):
            assert esim["orderNo"] != f"B{esim['esimTranNo']}"


def test_a_slug_is_as_good_as_a_code_and_several_packages_make_one_order(at_once: Access) -> None:
    body = order_body(entry("ES_1_7", 2), entry("CKH003"), {"slug": "TH_5_30", "packageCode": "", "count": 1})
    number = at_once.ask("/esim/order", body)["orderNo"]
    codes = [esim["packageList"][0]["packageCode"] for esim in at_once.query(orderNo=number)]
    assert sorted(codes) == ["CKH001", "CKH001", "CKH003", "CKH004"]
    assert [(order["plan"], order["quantity"], len(order["refs"])) for order in at_once.orders()] == [
        ("CKH001", 2, 2),
        ("CKH003", 1, 1),
        ("CKH004", 1, 1),
    ]


def test_trap_07_thirty_in_an_order_and_not_one_more(at_once: Access) -> None:
    assert at_once.refusal("/esim/order", order_body(entry(count=31))) == "200008"
    assert at_once.refusal("/esim/order", order_body(entry(count=16), entry("CKH003", 15))) == "200008"
    assert_nothing_sold(at_once)
    esims = at_once.buy("CKH001", 30)
    assert len({esim["esimTranNo"] for esim in esims}) == len({esim["iccid"] for esim in esims}) == 30


def test_trap_08_days_are_said_for_daily_packages_only(at_once: Access) -> None:
    daily = at_once.find_package(dataType=2)
    price, volume = (at_once.package(daily)[name] for name in ("price", "volume"))
    [esim] = at_once.buy(daily, periodNum=7)
    assert (esim["totalDuration"], esim["totalVolume"], esim["supportTopUpType"]) == (7, volume, 3)
    assert at_once.balance() == 10_000_000 - 7 * price
    assert at_once.buy(daily)[0]["totalDuration"] == 1
    assert at_once.refusal("/esim/order", order_body(entry(periodNum=7))) == "200008"
    assert [at_once.refusal("/esim/order", order_body(entry(daily, periodNum=days))) for days in (0, 366)] == [
        "200008"
    ] * 2
    assert len(at_once.orders()) == 2


# Money


def test_trap_06_prices_and_amounts_are_checked_when_they_are_said(at_once: Access) -> None:
    price = at_once.package("CKH001")["price"]
    assert at_once.refusal("/esim/order", order_body(entry(price=price - 1))) == "200005"
    assert at_once.refusal("/esim/order", order_body(entry(count=2), amount=price)) == "200006"
    assert_nothing_sold(at_once)
    at_once.ask("/esim/order", order_body(entry(count=2, price=price), amount=2 * price))
    daily = at_once.find_package(dataType=3)
    day = at_once.package(daily)["price"]
    at_once.ask("/esim/order", order_body(entry(daily, 2, price=day, periodNum=5), amount=10 * day))
    assert at_once.balance() == 10_000_000 - 2 * price - 10 * day


def test_what_is_charged_may_differ_from_the_list(at_once: Access) -> None:
    at_once.set_switches(charge_factor=0.9556)
    at_once.change_package("CKH001", price=9_000)
    at_once.buy("CKH001")
    assert at_once.balance() == 10_000_000 - 8_600
    assert at_once.orders()[0]["unit_price"] == "0.86"


def test_balance_and_stock(at_once: Access) -> None:
    price = at_once.package("CKH001")["price"]
    at_once.set_account(balance=2 * price - 1)
    assert at_once.refusal("/esim/order", order_body(entry(count=2))) == "200007"
    assert (at_once.orders(), at_once.balance()) == ([], 2 * price - 1)
    at_once.set_account(balance=10_000_000)
    at_once.set_stock("CKH001", 3)
    at_once.buy("CKH001", 2)
    assert at_once.refusal("/esim/order", order_body(entry(count=2))) == "200011"
    at_once.buy("CKH001")
    assert at_once.refusal("/esim/order", order_body(entry())) == "200011"
    assert (len(at_once.lines()), at_once.balance()) == (3, 10_000_000 - 3 * price)


# The same order again


def test_the_same_transaction_is_the_same_order(at_once: Access) -> None:
    body = order_body(entry(count=2))
    first = at_once.ask("/esim/order", body)
    assert at_once.ask("/esim/order", {**body, "packageInfoList": [entry("CKH003", 5)]}) == first
    assert (len(at_once.orders()), len(at_once.lines())) == (1, 2)
    at_once.set_switches(duplicate_order="error")
    assert at_once.refusal("/esim/order", body) == "310402"
    assert len(at_once.lines()) == 2


def test_twenty_at_once_with_one_transaction_buy_once(at_once: Access) -> None:
    body = order_body(entry())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: at_once.call("/esim/order", body).json()["obj"]["orderNo"], range(20)))
    assert len(set(answers)) == len(at_once.orders()) == len(at_once.lines()) == 1


def test_a_refused_transaction_is_free_again(at_once: Access) -> None:
    body = order_body(entry())
    at_once.set_account(balance=0)
    assert at_once.refusal("/esim/order", body) == "200007"
    at_once.set_account(balance=10_000_000)
    assert at_once.ask("/esim/order", body)["transactionId"] == body["transactionId"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"transactionId": None}, "000106"),
        ({"transactionId": ""}, "000106"),
        ({"transactionId": 5}, "200008"),
        ({"transactionId": "x" * 51}, "000107"),
        ({"packageInfoList": []}, "000106"),
        ({"packageInfoList": {}}, "200008"),
        ({"packageInfoList": ["CKH001"]}, "200008"),
        ({"packageInfoList": [{"count": 1}]}, "000105"),
        ({"packageInfoList": [{"packageCode": "CKH001"}]}, "000105"),
        ({"packageInfoList": [entry(count=0)]}, "200008"),
        ({"packageInfoList": [entry(count="1")]}, "200008"),
        ({"packageInfoList": [entry("NOPE")]}, "310241"),
        ({"packageInfoList": [entry("TOPUP_CKH001")]}, "310241"),
        ({"amount": "11100"}, "200008"),
    ],
)
def test_a_wrong_order_sells_nothing(at_once: Access, change: dict[str, Any], code: str) -> None:
    assert at_once.refusal("/esim/order", {**order_body(entry()), **change}) == code
    assert_nothing_sold(at_once)


def test_a_missing_parameter_and_a_package_no_longer_sold(at_once: Access) -> None:
    assert at_once.refusal("/esim/order", {"packageInfoList": [entry()]}) == "000105"
    assert at_once.refusal("/esim/order", {"transactionId": "x"}) == "000105"
    assert at_once.ask("/esim/order", {**order_body(entry()), "transactionId": "é" * 50})["orderNo"]
    at_once.remove_packages("CKH003")
    assert at_once.refusal("/esim/order", order_body(entry("CKH003"))) == "310243"
    assert len(at_once.orders()) == 1


# Waiting for profiles


def test_an_order_under_way_can_look_otherwise(access: Access) -> None:
    access.simulator.move_clock(frozen=True)
    number = access.order("CKH001", 2)
    query = {"orderNo": number, "pager": PAGER}
    access.set_switches(allocating_reply="empty")
    assert access.ask("/esim/query", query) == {"esimList": [], "pager": {"pageSize": 50, "pageNum": 1, "total": 0}}
    access.set_switches(allocating_reply="bare")
    bare = access.ask("/esim/query", query)["esimList"]
    assert [(esim["iccid"], esim["ac"], esim["esimStatus"]) for esim in bare] == [(None, "", "GETTING_RESOURCE")] * 2
    [line] = access.query(esimTranNo=bare[0]["esimTranNo"])
    assert line["iccid"] is None
    assert access.refusal("/esim/cancel", {"esimTranNo": bare[0]["esimTranNo"]}) == "200002"
    access.simulator.move_clock(seconds=1)
    assert all(esim["iccid"] and esim["ac"] for esim in access.query(orderNo=number))


def test_the_delay_is_a_switch_and_is_kept_by_the_order(access: Access) -> None:
    access.simulator.move_clock(frozen=True)
    access.set_switches(allocation_delay_s=30)
    slow = access.order("CKH001")
    access.set_switches(allocation_delay_s=0)
    fast = access.order("CKH001")
    assert len(access.query(orderNo=fast)) == 1
    access.simulator.move_clock(seconds=29)
    assert access.refusal("/esim/query", {"orderNo": slow, "pager": PAGER}) == "200010"
    access.simulator.move_clock(seconds=1)
    assert len(access.query(orderNo=slow)) == 1


# Queries


def test_trap_14_the_pager_is_mandatory_and_bounded(at_once: Access) -> None:
    number = at_once.order("CKH001", 7)
    refused: list[tuple[Any, str]] = [
        ({"pageNum": 1}, "000105"),
        ({"pageNum": 1, "pageSize": None}, "000106"),
        ({"pageNum": 1, "pageSize": 4}, "000107"),
        ({"pageNum": 1, "pageSize": 501}, "000107"),
        ({"pageNum": 0, "pageSize": 5}, "000107"),
        ({"pageNum": 10_001, "pageSize": 5}, "000107"),
        (None, "000106"),
    ]
    for pager, code in refused:
        assert at_once.refusal("/esim/query", {"orderNo": number, "pager": pager}) == code
    assert at_once.refusal("/esim/query", {"orderNo": number}) == "000105"
    pages = [
        at_once.ask("/esim/query", {"orderNo": number, "pager": {"pageNum": page, "pageSize": 5}}) for page in (1, 2, 3)
    ]
    assert [len(page["esimList"]) for page in pages] == [5, 2, 0]
    assert {page["pager"]["total"] for page in pages} == {7}
    assert len({esim["esimTranNo"] for page in pages for esim in page["esimList"]}) == 7


def test_what_is_not_there_has_its_code(at_once: Access) -> None:
    assert at_once.refusal("/esim/query", {"pager": PAGER}) == "000105"
    assert at_once.refusal("/esim/query", {"orderNo": "B1", "pager": PAGER}) == "310272"
    assert at_once.refusal("/esim/query", {"iccid": "8900", "pager": PAGER}) == "310403"
    assert at_once.refusal("/esim/query", {"esimTranNo": "26", "pager": PAGER}) == "310403"


def test_trap_13_a_range_of_time_finds_orders_by_their_transaction(at_once: Access) -> None:
    at_once.simulator.move_clock(at="2027-03-01T12:00:30Z", frozen=True)
    at_once.order("CKH001", transaction_id="early")
    at_once.simulator.move_clock(hours=1)
    at_once.order("CKH001", 2, transaction_id="late")
    both = at_once.query(startTime="2027-03-01T12:00+00:00", endTime="2027-03-01T14:00+00:00")
    assert [esim["transactionId"] for esim in both] == ["late", "late", "early"]
    early = at_once.query(startTime="2027-03-01T12:00:00Z", endTime="2027-03-01T12:30:00+0000")
    assert [esim["transactionId"] for esim in early] == ["early"]
    assert at_once.query(startTime="2027-03-02T00:00+00:00", endTime="2027-03-03T00:00+00:00") == []
    for times in ({"startTime": "2027-03-01T12:00+00:00"}, {"startTime": "noon", "endTime": "2027-03-01T14:00Z"}):
        code = "000105" if len(times) == 1 else "200008"
        assert at_once.refusal("/esim/query", {**times, "pager": PAGER}) == code


def test_trap_01_an_iccid_can_come_back_with_another_line(at_once: Access) -> None:
    at_once.set_switches(reuse_iccids=True)
    [old] = at_once.buy("CKH001")
    [kept] = at_once.buy("CKH001")
    assert kept["iccid"] != old["iccid"]
    at_once.ask("/esim/cancel", {"esimTranNo": old["esimTranNo"]})
    [new] = at_once.buy("CKH001")
    assert (new["iccid"], new["esimTranNo"] == old["esimTranNo"]) == (old["iccid"], False)
    assert new["ac"] != old["ac"]
    assert [esim["esimTranNo"] for esim in at_once.query(iccid=new["iccid"])] == [new["esimTranNo"]]
    assert [esim["esimTranNo"] for esim in at_once.query(esimTranNo=old["esimTranNo"])] == [old["esimTranNo"]]
    assert at_once.query(esimTranNo=old["esimTranNo"])[0]["esimStatus"] == "CANCEL"
    at_once.ask("/esim/suspend", {"iccid": new["iccid"]})
    assert at_once.line(new["esimTranNo"])["line"]["esimStatus"] == "SUSPENDED"
    [third] = at_once.buy("CKH001")
    assert third["iccid"] not in (new["iccid"], kept["iccid"])
