"""eSIM Access within the program: its options, a state that survives, thousands of packages."""

import signal
import time
from collections.abc import Callable

import pytest
import requests

from tests.simulator_access import Access
from tests.simulator_client import ControlRefused, Simulator
from tests.simulator_webhooks import Receiver

Start = Callable[..., Simulator]
ORDER = {"transactionId": "txn", "packageInfoList": [{"packageCode": "CKH001", "count": 2}]}


def test_keys_balance_and_size_are_options(start_simulator: Start) -> None:
    options = ("--plans", "20", "--access-code", "c", "--access-secret", "s", "--access-balance", "5")
    access = Access(start_simulator(*options, "--access-packages", "12", "--seed", "4"))
    assert access.call("/balance/query").json()["errorCode"] == "101003"
    assert access.call("/balance/query", headers={"RT-AccessCode": "c"}).json()["obj"] == {"balance": 5}
    assert len(access.base_codes()) == 12
    health = access.simulator.health()["systems"]["access"]
    assert health == {"prefix": "/access", "packages": 12, "lines": 0}


def test_thousands_of_packages_are_listed_in_seconds(start_simulator: Start) -> None:
    started = time.monotonic()
    access = Access(start_simulator("--plans", "20", "--access-packages", "3000"))
    response = access.call("/package/list")
    packages = response.json()["obj"]["packageList"]
    assert (len(packages), len({package["slug"] for package in packages})) == (3000, 3000)
    assert len(response.content) > 2_000_000
    assert time.monotonic() - started < 15


def test_one_seed_one_catalogue(access: Access) -> None:
    codes = access.base_codes()
    first = [access.package(code) for code in codes[:20]]
    access.generate_packages(300, seed=2)
    assert [access.package(code) for code in access.base_codes()[:20]] != first
    access.generate_packages(300, seed=1)
    assert [access.package(code) for code in access.base_codes()[:20]] == first


def test_a_kill_between_order_and_profiles_loses_neither(start_simulator: Start) -> None:
    simulator = start_simulator("--plans", "20", "--access-packages", "20")
    access = Access(simulator)
    with Receiver() as receiver:
        access.set_account(webhook=receiver.url)
        access.set_switches(charge_factor=0.5)
        simulator.move_clock(frozen=True)
        simulator.order_fault("crash_after", "order", system="access")
        with pytest.raises(requests.ConnectionError):
            access.call("/esim/order", ORDER)
        assert simulator.wait_for_death() == -signal.SIGKILL
        simulator.start()
        number = access.ask("/esim/order", ORDER)["orderNo"]
        assert (len(access.orders()), len(access.lines()), receiver.received) == (1, 2, [])
        simulator.move_clock(seconds=1)
        [received] = receiver.wait_for(1)
        assert received.json["content"]["orderNo"] == number
        assert len(access.query(orderNo=number)) == 2
        assert access.balance() == 10_000_000 - access.package("CKH001")["price"]
        assert simulator.control("GET", "/switches")["access_charge_factor"] == 0.5


def test_a_reset_empties_everything(access: Access) -> None:
    access.set_switches(allocation_delay_s=0, limited_as_429=True)
    access.set_account(balance=5_000_000, webhook="http://127.0.0.1:1/")
    [esim] = access.buy("CKH001", transaction_id="txn")
    access.simulator.reset()
    access.simulator.set_limits(multiplier=0)
    assert (access.lines(), access.orders(), access.balance()) == ([], [], 10_000_000)
    assert (access.ask("/webhook/query"), access.webhooks.list_all()) == ({"webhook": None}, [])
    assert access.refusal("/esim/query", {"orderNo": esim["orderNo"], "pager": {"pageNum": 1, "pageSize": 5}}) == (
        "310272"
    )
    access.set_switches(allocation_delay_s=0)
    [again] = access.buy("CKH001", transaction_id="txn")
    assert again["esimTranNo"] != esim["esimTranNo"]
    assert again["iccid"] != esim["iccid"]


@pytest.mark.parametrize(
    "switches",
    [{"allocation_delay_s": -1}, {"allocating_reply": "never"}, {"live_fields": "yes"}, {"no_such_switch": 1}],
)
def test_a_wrong_switch_is_refused(access: Access, switches: dict[str, object]) -> None:
    with pytest.raises(ControlRefused, match="SWITCH"):
        access.set_switches(**switches)
