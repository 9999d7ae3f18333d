"""The life of a line, by control calls and by the clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.test_endpoints import order
from tests.simulator_client import ControlRefused, Simulator

NOON_JST = "2027-03-01T03:00:00Z"


@pytest.fixture
def line(simulator: Simulator) -> str:
    """An ICCID of a seven-day plan, bought at noon (JST) of 2027-03-01 while the clock stands still."""
    simulator.move_clock(at=NOON_JST, frozen=True)
    code = next(code for code in simulator.plan_codes() if simulator.plan(code)["validityDays"] == 7)
    iccid: str = order(simulator, code=code)["esims"][0]["iccid"]
    return iccid


def query(simulator: Simulator, iccid: str) -> dict[str, Any]:
    esim: dict[str, Any] = simulator.call("GET", f"/esim/{iccid}").json()
    return esim


def test_a_clock_stands_exactly_where_it_was_told_to(simulator: Simulator) -> None:
    for second in range(20):
        simulator.move_clock(frozen=False)
        told = simulator.move_clock(at=f"2027-03-01T03:00:{second:02d}Z", frozen=True)
        assert told == f"2027-03-01T03:00:{second:02d}.000Z"


def test_download_install_connect(simulator: Simulator, line: str) -> None:
    esim = simulator.download_line(line)
    assert (esim["profileProvisionStatus"], esim["profileInstallStatus"]) == ("DOWNLOADED", "DOWNLOADED")
    assert esim["downloadedAt"] == "2027-03-01T03:00:00.000Z"
    simulator.move_clock(hours=1)
    esim = simulator.install_line(line, imei="356938035643809")
    assert (esim["profileInstallStatus"], esim["initialInsertionAt"]) == ("INSTALLED", "2027-03-01T04:00:00.000Z")
    assert (esim["initialInsertionDevice"], esim["initialConnectionDevice"]) == ("356938035643809", None)
    assert (esim["activatedOn"], esim["downloadedAt"]) == (None, "2027-03-01T03:00:00.000Z")
    simulator.move_clock(at="2027-03-01T15:30:00Z")
    esim = simulator.connect_line(line, imei="490154203237518")
    assert (esim["activatedOn"], esim["expiresOn"]) == ("2027-03-02", "2027-03-08")
    assert esim["initialConnectionDevice"] == "490154203237518"
    assert query(simulator, line) == esim


def test_a_step_implies_the_earlier_ones(simulator: Simulator, line: str) -> None:
    esim = simulator.use_data(line, 2048)
    assert (esim["profileInstallStatus"], esim["activatedOn"], esim["totalDataUsage"]) == (
        "INSTALLED",
        "2027-03-01",
        2048,
    )
    assert len(esim["initialInsertionDevice"]) == 15
    assert esim["initialConnectionDevice"] == esim["initialInsertionDevice"]


def test_usage_adds_up_by_japanese_day(simulator: Simulator, line: str) -> None:
    simulator.use_data(line, 100)
    simulator.use_data(line, 20)
    simulator.move_clock(at="2027-03-01T15:00:00Z")
    simulator.use_data(line, 3)
    esim = simulator.use_data(line, 4, day="2027-02-28")
    assert esim["dataUsageDailyList"] == [
        {"day": "2027-02-28", "usage": "4"},
        {"day": "2027-03-01", "usage": "120"},
        {"day": "2027-03-02", "usage": "3"},
    ]
    assert esim["totalDataUsage"] == 127
    assert simulator.use_data(line, 5, only="total")["totalDataUsage"] == 132
    assert simulator.use_data(line, 6, only="days")["totalDataUsage"] == 132


def test_a_line_ends_on_the_day_after_its_last_day(simulator: Simulator, line: str) -> None:
    simulator.connect_line(line)
    simulator.move_clock(at="2027-03-07T14:59:59Z")
    assert query(simulator, line)["contractStatus"] == "ACTIVE"
    simulator.move_clock(at="2027-03-07T15:00:00Z")
    esim = query(simulator, line)
    assert (esim["contractStatus"], esim["terminatedOn"], esim["expiresOn"]) == (
        "TERMINATED",
        "2027-03-08",
        "2027-03-07",
    )


def test_the_hour_of_the_end_is_a_switch(simulator: Simulator, line: str) -> None:
    simulator.set_switches(expiry_hour_jst=5)
    simulator.connect_line(line)
    simulator.move_clock(at="2027-03-07T19:59:00Z")
    assert query(simulator, line)["contractStatus"] == "ACTIVE"
    simulator.move_clock(at="2027-03-07T20:00:00Z")
    assert query(simulator, line)["contractStatus"] == "TERMINATED"


def test_an_unused_line_ends_at_its_deadline(simulator: Simulator, line: str) -> None:
    esim = query(simulator, line)
    deadline = datetime.fromisoformat(esim["activationDeadline"])
    days = simulator.plan(simulator.lines()[0]["plan"])["unusedTerminationDays"]
    assert deadline == datetime(2027, 3, 1, tzinfo=UTC) + timedelta(days=days)
    simulator.move_clock(at=esim["activationDeadline"])
    esim = query(simulator, line)
    assert (esim["contractStatus"], esim["profileProvisionStatus"]) == ("TERMINATED", "CANCELED")


@pytest.mark.parametrize(
    ("event", "field", "value"),
    [
        ("confirmation_failed", "profileInstallStatus", "CONFIRMATION_FAILED"),
        ("error", "profileProvisionStatus", "ERROR"),
        ("cancel", "profileProvisionStatus", "CANCELED"),
        ("terminate", "terminatedOn", "2027-03-01"),
        ("suspend", "isServiceRestricted", True),
    ],
)
def test_other_events(simulator: Simulator, line: str, event: str, field: str, value: object) -> None:
    simulator.change_line(line, event)
    assert query(simulator, line)[field] == value


def test_any_field_can_be_set(simulator: Simulator, line: str) -> None:
    simulator.set_line(line, profileProvisionStatus="RESERVED", activationDeadline=None)
    esim = query(simulator, line)
    assert (esim["profileProvisionStatus"], esim["activationDeadline"]) == ("RESERVED", None)
    with pytest.raises(ControlRefused):
        simulator.set_line(line, notAField=1)
    with pytest.raises(ControlRefused):
        simulator.change_line(line, "explode")


def test_frozen_data_is_old_and_says_so(simulator: Simulator, line: str) -> None:
    simulator.serve_cached("now")
    simulator.set_switches(cached_retry_after_s=30)
    simulator.move_clock(hours=1)
    simulator.install_line(line)
    answer = simulator.call("GET", f"/esim/{line}")
    assert answer.json()["profileInstallStatus"] == "READY"
    assert answer.json()["lastUpdatedAt"] == "2027-03-01T03:00:00.000Z"
    assert answer.headers["Retry-After"] == "30"
    assert simulator.line(line)["profileInstallStatus"] == "INSTALLED"
    simulator.serve_cached(None)
    answer = simulator.call("GET", f"/esim/{line}")
    assert answer.json()["profileInstallStatus"] == "INSTALLED"
    assert answer.json()["lastUpdatedAt"] == "2027-03-01T04:00:00.000Z"
    assert "Retry-After" not in answer.headers


def test_older_data_of_one_line(simulator: Simulator, line: str) -> None:
    for hour in (1, 2, 3):
        simulator.move_clock(hours=1)
        simulator.use_data(line, hour)
    simulator.serve_cached("2027-03-01T05:30:00Z", iccid=line)
    esim = query(simulator, line)
    assert (esim["totalDataUsage"], esim["lastUpdatedAt"]) == (3, "2027-03-01T05:30:00.000Z")


def test_the_clock_jumps_runs_and_freezes(simulator: Simulator) -> None:
    assert simulator.move_clock(at=NOON_JST, frozen=True) == "2027-03-01T03:00:00.000Z"
    assert simulator.now() == "2027-03-01T03:00:00.000Z"
    assert simulator.move_clock(days=1, seconds=5) == "2027-03-02T03:00:05.000Z"
    simulator.move_clock(frozen=False)
    first = datetime.fromisoformat(simulator.now())
    assert timedelta() <= first - datetime(2027, 3, 2, 3, 0, 5, tzinfo=UTC) < timedelta(seconds=5)
    simulator.reset()
    assert abs(datetime.fromisoformat(simulator.now()) - datetime.now(UTC)) < timedelta(seconds=5)
    with pytest.raises(ControlRefused):
        simulator.move_clock(at="2027-03-01T03:00:00")
