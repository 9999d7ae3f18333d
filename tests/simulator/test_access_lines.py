"""eSIM Access: the life of a line by control events, by calls and by the clock."""

import uuid
from typing import Any

import pytest

from tests.simulator_access import Access, list_states
from tests.simulator_client import ControlRefused

NOON = "2027-03-01T12:00:00Z"


@pytest.fixture
def still(access: Access) -> Access:
    """The clock stands still at noon; profiles are there as soon as they are ordered."""
    access.simulator.move_clock(at=NOON, frozen=True)
    access.set_switches(allocation_delay_s=0)
    return access


def buy_one(access: Access, **fields: Any) -> str:
    """An esimTranNo of the first package like that; by default one of data in total that starts when it connects."""
    [esim] = access.buy(access.find_package(**{"dataType": 1, "activeType": 2, "supportTopUpType": 2, **fields}))
    return str(esim["esimTranNo"])


def show(access: Access, tran_no: str) -> dict[str, Any]:
    [esim] = access.query(esimTranNo=tran_no)
    return esim


def states(access: Access, tran_no: str) -> tuple[str, str]:
    return list_states([show(access, tran_no)])[0]


# The phone


def test_the_printed_matrix(still: Access) -> None:
    line = buy_one(still)
    assert states(still, line) == ("GOT_RESOURCE", "RELEASED")
    steps = {
        "download": ("GOT_RESOURCE", "DOWNLOAD"),
        "install": ("GOT_RESOURCE", "INSTALLATION"),
        "enable": ("GOT_RESOURCE", "ENABLED"),
        "connect": ("IN_USE", "ENABLED"),
        "disable": ("IN_USE", "DISABLED"),
        "use_up": ("USED_UP", "ENABLED"),
        "delete": ("USED_UP", "DELETED"),
    }
    for event, expected in steps.items():
        still.change_line(line, event)
        assert (event, states(still, line)) == (event, expected)
    esim = show(still, line)
    assert (len(esim["eid"]), int(esim["eid"]) % 97) == (32, 1)
    assert esim["orderUsage"] == esim["totalVolume"]


def test_a_step_implies_the_earlier_ones(still: Access) -> None:
    line = buy_one(still)
    esim = still.use_data(line, 1000)
    assert (esim["esimStatus"], esim["smdpStatus"], esim["orderUsage"]) == ("IN_USE", "ENABLED", 1000)
    assert esim["installationTime"] == esim["activateTime"] == "2027-03-01T12:00:00+0000"


@pytest.mark.parametrize(("active_type", "after_install"), [(1, "IN_USE"), (2, "GOT_RESOURCE")])
def test_the_days_begin_with_the_installation_or_with_the_first_connection(
    still: Access, active_type: int, after_install: str
) -> None:
    line = buy_one(still, activeType=active_type)
    package = still.package(still.line(line)["package"])
    still.simulator.move_clock(hours=1)
    esim = still.change_line(line, "install")
    assert (esim["esimStatus"], esim["installationTime"]) == (after_install, "2027-03-01T13:00:00+0000")
    still.simulator.move_clock(hours=1)
    esim = still.change_line(line, "connect")
    begin = "2027-03-01T13:00:00+0000" if active_type == 1 else "2027-03-01T14:00:00+0000"
    assert (esim["esimStatus"], esim["activateTime"]) == ("IN_USE", begin)
    days = package["duration"]
    end = f"2027-03-{1 + days:02d}" if days == 7 else "2027-03-31"
    assert esim["expiredTime"] == begin.replace("2027-03-01", end)


def test_an_event_that_cannot_be_is_refused(still: Access) -> None:
    line = buy_one(still)
    with pytest.raises(ControlRefused, match="No phone holds"):
        still.change_line(line, "delete")
    with pytest.raises(ControlRefused, match="No event 'explode'"):
        still.change_line(line, "explode")
    still.change_line(line, "expire")
    with pytest.raises(ControlRefused, match="has ended: UNUSED_EXPIRED"):
        still.use_data(line, 1)


def test_fields_can_be_set_to_anything_and_back(still: Access) -> None:
    line = buy_one(still)
    truth = show(still, line)
    assert still.set_line(line, dataType=0, ac="")["dataType"] == 0
    assert (show(still, line)["ac"], show(still, line)["esimStatus"]) == ("", "GOT_RESOURCE")
    still.set_line(line)
    assert show(still, line) == truth


# The clock


def test_trap_11_ends_by_the_clock(still: Access) -> None:
    unused, used = buy_one(still), buy_one(still)
    valid, days = (still.package(still.line(unused)["package"])[name] for name in ("unusedValidTime", "duration"))
    still.change_line(used, "connect")
    still.simulator.move_clock(days=days, seconds=-1)
    assert states(still, used) == ("IN_USE", "ENABLED")
    still.simulator.move_clock(seconds=1)
    assert states(still, used) == ("USED_EXPIRED", "ENABLED")
    still.simulator.move_clock(days=valid - days, seconds=-1)
    assert states(still, unused) == ("GOT_RESOURCE", "RELEASED")
    still.simulator.move_clock(seconds=1)
    assert states(still, unused) == ("UNUSED_EXPIRED", "RELEASED")


def test_a_suspended_line_ends_too(still: Access) -> None:
    line = buy_one(still)
    still.change_line(line, "connect")
    still.ask("/esim/suspend", {"esimTranNo": line})
    still.simulator.move_clock(days=400)
    assert states(still, line)[0] == "USED_EXPIRED"


def test_trap_12_used_data_is_seen_late(still: Access) -> None:
    still.set_switches(usage_lag_s=7200)
    line = buy_one(still)
    still.use_data(line, 500)
    still.simulator.move_clock(hours=1)
    still.use_data(line, 70)
    esim = show(still, line)
    assert (esim["esimStatus"], esim["smdpStatus"], esim["orderUsage"]) == ("IN_USE", "ENABLED", 0)
    still.simulator.move_clock(hours=1)
    [usage] = still.ask("/esim/usage/query", {"esimTranNoList": [line]})["esimUsageList"]
    assert (usage["dataUsage"], usage["lastUpdateTime"]) == (500, "2027-03-01T12:00:00+0000")
    still.simulator.move_clock(hours=1)
    [usage] = still.ask("/esim/usage/query", {"esimTranNoList": [line]})["esimUsageList"]
    assert usage == {
        "esimTranNo": line,
        "dataUsage": 570,
        "totalData": show(still, line)["totalVolume"],
        "lastUpdateTime": "2027-03-01T13:00:00+0000",
    }


def test_usage_of_ten_at_once_and_no_more(still: Access) -> None:
    lines = [esim["esimTranNo"] for esim in still.buy("CKH001", 11)]
    usages = still.ask("/esim/usage/query", {"esimTranNoList": [*lines[:9], "26000"]})["esimUsageList"]
    assert [usage["esimTranNo"] for usage in usages] == lines[:9]
    assert still.refusal("/esim/usage/query", {"esimTranNoList": lines}) == "000107"
    assert still.refusal("/esim/usage/query", {"esimTranNoList": []}) == "000106"
    assert still.refusal("/esim/usage/query", {}) == "000105"


def test_trap_08_a_daily_package_is_not_used_up_by_a_sum(still: Access) -> None:
    [esim] = still.buy(still.find_package(dataType=2), periodNum=3)
    used = still.use_data(esim["esimTranNo"], 2 * esim["totalVolume"])
    assert (used["esimStatus"], used["orderUsage"]) == ("IN_USE", 2 * esim["totalVolume"])
    assert still.change_line(esim["esimTranNo"], "use_up")["esimStatus"] == "USED_UP"


# Calls


def test_an_unused_line_is_cancelled_for_its_price(still: Access) -> None:
    line = buy_one(still)
    charged = still.line(line)["charged"]
    assert still.balance() == 10_000_000 - charged
    assert still.ask("/esim/cancel", {"esimTranNo": line}) == {}
    assert (states(still, line), still.balance()) == (("CANCEL", "RELEASED"), 10_000_000)
    assert still.refusal("/esim/cancel", {"esimTranNo": line}) == "200002"
    assert still.balance() == 10_000_000
    assert [effect["detail"] for effect in still.effects("cancel")] == [{"refunded": charged}]


@pytest.mark.parametrize("event", ["download", "install", "connect", "expire"])
def test_a_line_on_a_phone_is_not_cancelled(still: Access, event: str) -> None:
    line = buy_one(still)
    balance = still.balance()
    still.change_line(line, event)
    assert still.refusal("/esim/cancel", {"esimTranNo": line}) == "200002"
    assert (still.balance(), still.effects("cancel")) == (balance, [])


def test_trap_25_suspend_and_unsuspend(still: Access) -> None:
    line = buy_one(still)
    still.change_line(line, "connect")
    assert still.refusal("/esim/unsuspend", {"esimTranNo": line}) == "200002"
    assert still.ask("/esim/suspend", {"esimTranNo": line}) == {}
    assert states(still, line) == ("SUSPENDED", "ENABLED")
    assert still.refusal("/esim/suspend", {"esimTranNo": line}) == "200002"
    assert still.ask("/esim/unsuspend", {"esimTranNo": line}) == {}
    assert states(still, line) == ("IN_USE", "ENABLED")
    assert [effect["kind"] for effect in still.effects()] == ["suspend", "unsuspend"]


def test_trap_10_a_revoked_line_is_gone_without_a_refund(still: Access) -> None:
    line = buy_one(still)
    balance = still.balance()
    assert still.ask("/esim/revoke", {"esimTranNo": line}) == {}
    assert (states(still, line), still.balance()) == (("REVOKE", "RELEASED"), balance)
    for path in ("/esim/revoke", "/esim/suspend", "/esim/unsuspend", "/esim/cancel"):
        assert still.refusal(path, {"esimTranNo": line}) == "200002"


@pytest.mark.parametrize("path", ["/esim/cancel", "/esim/suspend", "/esim/unsuspend", "/esim/revoke", "/esim/topup"])
def test_a_line_must_be_named_and_be_there(still: Access, path: str) -> None:
    assert still.refusal(path, {"iccid": "", "esimTranNo": ""}) == "000105"
    assert still.refusal(path, {"esimTranNo": "260000"}) == "310403"
    assert still.refusal(path, {"iccid": "8985200026"}) == "310403"
    assert still.effects() == []


def test_messages_go_to_phones_that_take_them(still: Access) -> None:
    line = buy_one(still, smsStatus=2)
    body = {"esimTranNo": line, "message": "Your Message!"}
    assert still.refusal("/esim/sendSms", body) == "200002"
    still.change_line(line, "install")
    assert still.refusal("/esim/sendSms", {**body, "message": "x" * 501}) == "000107"
    assert still.refusal("/esim/sendSms", {"esimTranNo": line}) == "000105"
    assert still.ask("/esim/sendSms", {**body, "message": "é" * 500}) == {}
    deaf = buy_one(still, smsStatus=0)
    still.change_line(deaf, "install")
    assert still.refusal("/esim/sendSms", {"esimTranNo": deaf, "message": "x"}) == "200008"
    assert [effect["ref"] for effect in still.effects("sms")] == [line]


# Top-ups


def load(access: Access, line: str, **more: Any) -> dict[str, Any]:
    code = f"TOPUP_{access.line(line)['package']}"
    return {"esimTranNo": line, "packageCode": code, "transactionId": uuid.uuid4().hex, **more}


def test_trap_17_the_reply_holds_new_totals(still: Access) -> None:
    line = buy_one(still)
    still.use_data(line, 1000)
    before, balance = show(still, line), still.balance()
    body = load(still, line)
    package = still.package(body["packageCode"])
    answer = still.ask("/esim/topup", body)
    after = show(still, line)
    assert answer == {
        "transactionId": body["transactionId"],
        "iccid": before["iccid"],
        "expiredTime": after["expiredTime"],
        "totalVolume": before["totalVolume"] + package["volume"],
        "totalDuration": before["totalDuration"] + package["duration"],
        "orderUsage": 1000,
        "topUpEsimTranNo": after["packageList"][1]["esimTranNo"],
    }
    assert after["packageList"][1]["packageCode"] == body["packageCode"]
    assert after["expiredTime"] > before["expiredTime"]
    assert still.balance() == balance - package["price"]
    [effect] = still.effects("topup")
    assert (effect["ref"], effect["detail"]["charged"]) == (line, package["price"])


def test_the_same_top_up_again(still: Access) -> None:
    line = buy_one(still)
    body = load(still, line)
    first = still.ask("/esim/topup", body)
    assert still.ask("/esim/topup", body) == first
    assert len(still.effects("topup")) == 1
    still.set_switches(duplicate_topup="error")
    assert still.refusal("/esim/topup", body) == "310402"
    assert len(still.effects("topup")) == 1
    still.set_switches(duplicate_topup="again", topup_transaction="own")
    again = still.ask("/esim/topup", body)
    assert (again["totalVolume"] > first["totalVolume"], len(still.effects("topup"))) == (True, 2)
    assert again["transactionId"] == again["topUpEsimTranNo"] != body["transactionId"]


def test_an_unused_line_keeps_its_deadline_and_a_depleted_one_lives_again(still: Access) -> None:
    unused, depleted = buy_one(still), buy_one(still)
    deadline = show(still, unused)["expiredTime"]
    assert still.ask("/esim/topup", load(still, unused))["expiredTime"] == deadline
    still.change_line(depleted, "use_up")
    assert states(still, depleted) == ("USED_UP", "ENABLED")
    still.ask("/esim/topup", load(still, depleted))
    assert states(still, depleted) == ("IN_USE", "ENABLED")


def test_a_daily_line_gets_more_days(still: Access) -> None:
    daily = still.find_package(dataType=2)
    [esim] = still.buy(daily, periodNum=3)
    line, balance = esim["esimTranNo"], still.balance()
    day = still.package(f"TOPUP_{daily}")["price"]
    assert still.refusal("/esim/topup", load(still, line, periodNum=5, amount=str(day))) == "200006"
    answer = still.ask("/esim/topup", load(still, line, periodNum=5, amount=str(5 * day)))
    assert (answer["totalDuration"], answer["totalVolume"]) == (8, esim["totalVolume"])
    assert still.balance() == balance - 5 * day


def test_trap_15_a_top_ups_amount_may_be_text_or_number_and_is_checked(still: Access) -> None:
    line = buy_one(still)
    price = still.package(load(still, line)["packageCode"])["price"]
    assert still.refusal("/esim/topup", load(still, line, amount=str(price + 1))) == "200006"
    assert still.refusal("/esim/topup", load(still, line, amount="much")) == "200008"
    assert still.effects("topup") == []
    still.ask("/esim/topup", load(still, line, amount=str(price)))
    still.ask("/esim/topup", load(still, line, amount=price))
    assert len(still.effects("topup")) == 2


def test_what_does_not_fit_or_has_ended_is_not_topped_up(still: Access) -> None:
    line, closed = buy_one(still), buy_one(still, supportTopUpType=1)
    home = still.package(still.line(line)["package"])["locationCode"]
    foreign = next(code for code in still.topup_codes() if still.package(code)["locationCode"] != home)
    balance = still.balance()
    assert still.refusal("/esim/topup", {**load(still, line), "packageCode": foreign}) == "200008"
    assert still.refusal("/esim/topup", {**load(still, closed), "packageCode": foreign}) == "200008"
    assert still.refusal("/esim/topup", {**load(still, line), "packageCode": "TOPUP_NOPE"}) == "310241"
    assert still.refusal("/esim/topup", {**load(still, line), "packageCode": "CKH001"}) == "310241"
    assert still.refusal("/esim/topup", {**load(still, line), "transactionId": ""}) == "000106"
    still.set_account(balance=0)
    assert still.refusal("/esim/topup", load(still, line)) == "200007"
    still.set_account(balance=balance)
    still.ask("/esim/suspend", {"esimTranNo": line})
    assert still.refusal("/esim/topup", load(still, line)) == "200002"
    still.ask("/esim/unsuspend", {"esimTranNo": line})
    still.change_line(line, "expire")
    assert still.refusal("/esim/topup", load(still, line)) == "200002"
    assert (still.balance(), still.effects("topup")) == (balance, [])
