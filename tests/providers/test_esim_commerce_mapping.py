"""From eSIM Commerce's JSON to our values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from providers.esim_commerce import mapping, plans
from providers.esim_commerce.states import derive_state
from providers.reading import MAX_BIGINT, UnreadableError, parse_document
from providers.types import (
    Allowance,
    Coverage,
    CoverageKind,
    DailyUsage,
    DataPeriod,
    Fault,
    LineSnapshot,
    LineState,
    Money,
    Network,
    PlanOffer,
    Telephony,
)
from tests.providers.samples import LINE, NEW_LINE, PLAN

SENT = datetime(2026, 1, 22, 11, tzinfo=UTC)
TODAY = date(2026, 1, 22)


def map_line(**changes: Any) -> LineSnapshot:
    return mapping.map_line({**NEW_LINE, **changes}, account="a", sent_at=SENT, today=TODAY)


def map_plan(faults: list[Fault] | None = None, **changes: Any) -> PlanOffer:
    found: list[Fault] = [] if faults is None else faults
    return plans.map_plan({**PLAN, **changes}, faults=found, account="a", currency="EUR", home_country="")


# -- plans ------------------------------------------------------------------------------------------------------------


def test_every_field_of_the_plan_sample_is_kept() -> None:
    faults: list[Fault] = []
    assert map_plan(faults) == PlanOffer(
        plan_ref="KD0001",
        name="1GB 7 Days Plan",
        plan_type="UNLIMITED",
        carrier="KDDI",
        allowance=Allowance(
            data_bytes=1_073_741_824,
            period=DataPeriod.DAY,
            unlimited=False,
            raw_amount="1",
            raw_unit="GB",
            raw_period="DAY",
        ),
        coverage=(
            Coverage(
                country="JP",
                kind=CoverageKind.UNSPECIFIED,
                networks=(Network(name="NTT Docomo", types=("4G", "5G")),),
            ),
        ),
        net_price=Money(amount=Decimal("9.99"), currency="EUR"),
        suggested_price=Money(amount=Decimal("12.99"), currency="EUR"),
        validity_days=7,
        max_speed=Decimal(10000),
        reduced_speed=Decimal(128),
        speed_unit="",
        tethering=True,
        ip_countries=("JP",),
        validity_info="Valid for 30 days from first use",
        activation_info="Validity starts when the eSIM first connects to a network",
        unused_termination_days=180,
        telephony=Telephony(
            dialing_code="+81", voice_inbound=True, voice_outbound=False, sms_inbound=True, sms_outbound=False
        ),
        top_up_supported=False,
        kyc_required=False,
        restrictions="Unlimited on-device data. Tethering up to 3 GB total.",
        raw=PLAN,
    )
    assert faults == []


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(PLAN)], ids=["absent", "null"])
def test_a_plan_needs_its_code_only(empty: dict[str, Any]) -> None:
    faults: list[Fault] = []
    plan = plans.map_plan({**empty, "planCode": "X"}, faults=faults, account="a", currency="EUR", home_country="")
    assert (plan.plan_ref, plan.name, plan.net_price, plan.coverage) == ("X", "X", None, ())
    assert plan.allowance == Allowance(data_bytes=None, period=DataPeriod.UNKNOWN, unlimited=False)
    assert plan.telephony == Telephony()
    assert faults == []


@pytest.mark.parametrize("code", [None, "", "  ", {}, [], True, "x" * 121])
def test_a_plan_without_a_usable_code_is_unreadable(code: Any) -> None:
    with pytest.raises(UnreadableError):
        map_plan(planCode=code)


@pytest.mark.parametrize(
    ("cap", "unit", "expected"),
    [
        (1, "GB", 1024**3),
        (Decimal("0.5"), "GB", 512 * 1024**2),
        ("1.5", "gb", 1536 * 1024**2),
        (100, "MB", 102_400 * 1024),
        (300, "KB", 300 * 1024),
        (2, "TB", 2 * 1024**4),
        (0, "GB", None),
        (-1, "GB", None),
        (1, "PIECES", None),
        (1, None, None),
        ("much", "GB", None),
        (None, "GB", None),
        (True, "GB", None),
        (10**9, "TB", None),
    ],
)
def test_caps_are_binary_bytes_or_not_reported(cap: Any, unit: Any, expected: int | None) -> None:
    allowance = map_plan(dataCap=cap, dataUnit=unit).allowance
    assert (allowance.data_bytes, allowance.unlimited) == (expected, cap is None)


def test_only_a_plan_without_a_cap_number_is_without_cap() -> None:
    assert map_plan(dataCap=None).allowance.unlimited is True
    assert map_plan(dataCap=None, planType="LIMITED").allowance.unlimited is False
    assert map_plan(dataCap="?").allowance.unlimited is False


@pytest.mark.parametrize(
    ("word", "period"),
    [
        ("DAY", DataPeriod.DAY),
        ("day", DataPeriod.DAY),
        ("TOTAL", DataPeriod.TOTAL),
        ("FORTNIGHT", DataPeriod.UNKNOWN),
        (None, DataPeriod.UNKNOWN),
    ],
)
def test_what_a_cap_is_counted_over(word: str | None, period: DataPeriod) -> None:
    allowance = map_plan(dataCapPer=word).allowance
    assert (allowance.period, allowance.raw_period) == (period, word or "")


def test_what_cannot_be_read_in_a_plan_is_named_and_left_out() -> None:
    faults: list[Fault] = []
    plan = map_plan(
        faults,
        coverages=[{"code": "JP"}, {"code": "jp", "networks": [{"name": "KDDI"}]}, {"code": "Japan"}, 5],
        tethering="maybe",
        validityDays="seven",
        netPrice="about 10",
        maxSpeed=[],
        telephony="none",
    )
    assert plan.coverage == (Coverage(country="JP", kind=CoverageKind.UNSPECIFIED, networks=(Network(name="KDDI"),)),)
    assert (plan.tethering, plan.validity_days, plan.net_price, plan.max_speed) == (None, None, None, None)
    assert {fault.where for fault in faults} == {
        "coverages[2].code",
        "coverages[3]",
        "tethering",
        "validityDays",
        "netPrice",
        "maxSpeed",
        "telephony",
    }


def test_text_that_no_database_holds_is_replaced() -> None:
    from_wire = parse_document(b'{"planCode": "A\\u0000B", "planName": "\\ud800x"}')
    plan = plans.map_plan(from_wire, faults=[], account="a", currency="EUR", home_country="")
    assert (plan.plan_ref, plan.name) == ("A\ufffdB", "\ufffdx")


# -- lines ------------------------------------------------------------------------------------------------------------


def test_every_field_of_the_line_sample_is_kept() -> None:
    line = mapping.map_line(LINE, account="a", sent_at=SENT, today=TODAY)
    as_of = datetime(2026, 1, 22, 10, 30, tzinfo=UTC)
    assert line == LineSnapshot(
        provider_ref="8981100000000000001",
        iccid="8981100000000000001",
        state=LineState.ACTIVE,
        raw_states={
            "contractStatus": "ACTIVE",
            "profileProvisionStatus": "AVAILABLE",
            "profileInstallStatus": "READY",
        },
        state_as_of=as_of,
        usage_as_of=as_of,
        restricted=False,
        lpa="LPA:1$smdp.example.com$CODE123",
        smdp_address="smdp.example.com",
        matching_id="CODE123",
        home_country="JP",
        roaming_countries=("KR", "CN", "TW"),
        activation_deadline=datetime(2026, 6, 5, tzinfo=UTC),
        downloaded_at=datetime(2025, 7, 15, 0, 46, 9, 816_000, tzinfo=UTC),
        installed_at=datetime(2025, 12, 1, 10, tzinfo=UTC),
        activated_on=date(2025, 12, 1),
        expires_on=date(2025, 12, 7),
        terminated_on=date(2025, 12, 31),
        install_device_imei="123456789012345",
        connection_device_imei="123456789012345",
        total_used_bytes=307_200 * 1024,
        daily_usage=(DailyUsage(day=date(2025, 12, 10), used_bytes=102_400 * 1024),),
        raw=line.raw,
    )
    assert line.raw["qrCode"] == line.raw["activationCode"] == line.raw["initialInsertionDevice"] == "[redacted]"
    assert line.raw["totalDataUsage"] == 307_200


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(LINE)], ids=["absent", "null"])
def test_a_line_needs_its_iccid_only(empty: dict[str, Any]) -> None:
    line = mapping.map_line({**empty, "iccid": "8981100000000000002"}, account="a", sent_at=SENT, today=TODAY)
    assert (line.state, line.state_as_of, line.usage_as_of) == (LineState.UNKNOWN, SENT, SENT)
    assert (line.total_used_bytes, line.daily_usage, line.roaming_countries) == (None, None, None)
    assert (line.lpa, line.restricted, line.faults) == ("", None, ())


@pytest.mark.parametrize(
    "iccid", [None, "", "898110000000000000", "8981100000000000002 ", 8981100000000000002, "8" * 22]
)
def test_iccids_that_are_taken(iccid: Any) -> None:
    if iccid in (None, ""):
        with pytest.raises(UnreadableError):
            map_line(iccid=iccid)
    else:
        assert map_line(iccid=iccid).iccid == str(iccid).strip()


@pytest.mark.parametrize(
    "iccid", ["8" * 17, "8" * 23, "89811000000000000０1", "89811O0000000000002", True, 1.5, [], {}]
)
def test_iccids_that_are_not(iccid: Any) -> None:
    with pytest.raises(UnreadableError):
        map_line(iccid=iccid)


@pytest.mark.parametrize(
    ("qr_code", "code", "lpa", "matching_id", "faulty"),
    [
        ("LPA:1$smdp.example.com$CODE123", "CODE123", "LPA:1$smdp.example.com$CODE123", "CODE123", set()),
        ("lpa:1$smdp.example.com$CODE123", "CODE123", "lpa:1$smdp.example.com$CODE123", "CODE123", set()),
        (
            "LPA:1$smdp.example.com$CODE123$1.3.6.1$1",
            "CODE123",
            "LPA:1$smdp.example.com$CODE123$1.3.6.1$1",
            "CODE123",
            set(),
        ),
        ("LPA:1$smdp.example.com$CODE123$$1", "CODE123", "LPA:1$smdp.example.com$CODE123$$1", "CODE123", set()),
        # Never put together from its parts, never taken from the other field.
        (None, "CODE123", "", "CODE123", set()),
        ("CODE123", "CODE123", "", "CODE123", {"qrCode"}),
        ("https://example.com/qr.png", "CODE123", "", "CODE123", {"qrCode"}),
        ("1$smdp.example.com$CODE123", "CODE123", "", "CODE123", {"qrCode"}),
        ("LPA:1$smdp.example.com$CODE123", None, "LPA:1$smdp.example.com$CODE123", "", set()),
        (
            "LPA:1$smdp.example.com$CODE123",
            "LPA:1$smdp.example.com$CODE123",
            "LPA:1$smdp.example.com$CODE123",
            "CODE123",
            {"activationCode"},
        ),
        (
            "LPA:1$smdp.example.com$OTHER",
            "CODE123",
            "LPA:1$smdp.example.com$OTHER",
            "CODE123",
            {"activationCode"},
        ),
        ("LPA:1$elsewhere.example$CODE123", "CODE123", "LPA:1$elsewhere.example$CODE123", "CODE123", {"smdpAddress"}),
    ],
)
def test_the_activation_string_and_the_matching_id(
    qr_code: str | None, code: str | None, lpa: str, matching_id: str, faulty: set[str]
) -> None:
    line = map_line(qrCode=qr_code, activationCode=code)
    assert (line.lpa, line.matching_id) == (lpa, matching_id)
    assert {fault.where for fault in line.faults} == faulty
    assert not any("CODE" in fault.message or "LPA:1" in fault.message for fault in line.faults)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (307_200, 307_200 * 1024),
        ("307200", 307_200 * 1024),
        (Decimal("307200.0"), 307_200 * 1024),
        (Decimal("0.5"), 512),
        (0, 0),
        (None, None),
    ],
)
def test_the_total_is_kilobytes(value: Any, expected: int | None) -> None:
    line = map_line(totalDataUsage=value)
    assert (line.total_used_bytes, line.faults) == (expected, ())


@pytest.mark.parametrize("value", [-1, "-5", "1 GB", "１２", True, [], {}, MAX_BIGINT, "9" * 40, "1e5"])
def test_a_total_that_is_no_number_is_not_zero(value: Any) -> None:
    line = map_line(totalDataUsage=value)
    assert line.total_used_bytes is None
    assert [fault.where for fault in line.faults] == ["totalDataUsage"]


def test_days_that_cannot_be_read_cost_only_themselves() -> None:
    line = map_line(
        dataUsageDailyList=[
            {"day": "2025-12-11", "usage": "2"},
            {"day": "2025-12-10", "usage": "1"},
            {"day": "2025-12-10", "usage": 3},
            {"day": "10.12.2025", "usage": "1"},
            {"day": "2025-12-12", "usage": "lots"},
            {"day": "2025-12-13"},
            {"usage": "5"},
            "2025-12-14",
        ]
    )
    assert line.daily_usage == (
        DailyUsage(day=date(2025, 12, 10), used_bytes=3 * 1024),
        DailyUsage(day=date(2025, 12, 11), used_bytes=2 * 1024),
    )
    assert len(line.faults) == 6


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-06-05T00:00:00.000Z", datetime(2026, 6, 5, tzinfo=UTC)),
        ("2026-06-05T09:00:00+09:00", datetime(2026, 6, 5, tzinfo=UTC)),
        ("2026-06-05T00:00:00+0000", datetime(2026, 6, 5, tzinfo=UTC)),
        ("2026-06-05T00:00:00", datetime(2026, 6, 5, tzinfo=UTC)),
        ("2026-06-05 00:00Z", datetime(2026, 6, 5, tzinfo=UTC)),
    ],
)
def test_instants_are_utc(value: str, expected: datetime) -> None:
    assert map_line(activationDeadline=value).activation_deadline == expected


@pytest.mark.parametrize(
    "value",
    [
        *("2026-06-05", "soon", 1780617600, True, {}),
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+09:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_is_no_instant_is_a_fault(value: Any) -> None:
    line = map_line(activationDeadline=value)
    assert line.activation_deadline is None
    assert [fault.where for fault in line.faults] == ["activationDeadline"]


@pytest.mark.parametrize(
    "value", ["20251207", "2025-W49-7", "2025-12-07T15:00:00Z", "2025-02-30", 20251207, "2025-12-7"]
)
def test_what_is_no_plain_date_is_a_fault(value: Any) -> None:
    line = map_line(expiresOn=value)
    assert line.expires_on is None
    assert [fault.where for fault in line.faults] == ["expiresOn"]


def test_a_device_number_that_is_none_is_not_kept() -> None:
    line = map_line(initialInsertionDevice="a phone", initialConnectionDevice=356938035643809)
    assert (line.install_device_imei, line.connection_device_imei) == ("", "356938035643809")


# -- states -----------------------------------------------------------------------------------------------------------


def derive(contract: str = "ACTIVE", provision: str = "AVAILABLE", install: str = "READY", **facts: Any) -> LineState:
    values: dict[str, Any] = {"restricted": False, "activated_on": None, "terminated_on": None, "expires_on": None}
    return derive_state(
        account="a", contract=contract, provision=provision, install=install, **{**values, "today": TODAY, **facts}
    )


DAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("expected", "words", "facts"),
    [
        (LineState.PROVISIONING, ("ACTIVE", "RESERVATION_PENDING", "READY"), {}),
        (LineState.PROVISIONING, ("ACTIVE", "RESERVED", "READY"), {}),
        (LineState.PROVISIONING, ("ACTIVE", "FINALIZED", "READY"), {}),
        (LineState.READY, ("ACTIVE", "AVAILABLE", "READY"), {}),
        (LineState.READY, ("active", " available ", "ready"), {}),
        (LineState.READY, ("ACTIVE", "AVAILABLE", ""), {}),
        (LineState.DOWNLOADED, ("ACTIVE", "DOWNLOADED", "READY"), {}),
        (LineState.DOWNLOADED, ("ACTIVE", "AVAILABLE", "DOWNLOADED"), {}),
        (LineState.INSTALLED, ("ACTIVE", "DOWNLOADED", "INSTALLED"), {}),
        (LineState.ACTIVE, ("ACTIVE", "DOWNLOADED", "INSTALLED"), {"activated_on": DAY}),
        (LineState.ACTIVE, ("ACTIVE", "AVAILABLE", "READY"), {"activated_on": DAY}),
        (LineState.SUSPENDED, ("SUSPENDED", "DOWNLOADED", "INSTALLED"), {"activated_on": DAY}),
        (LineState.SUSPENDED, ("ACTIVE", "DOWNLOADED", "INSTALLED"), {"restricted": True}),
        (LineState.SUSPENDED, ("SUSPENDED", "NEW_WORD", "READY"), {}),
        # A failure stands before a suspension: it needs a person either way.
        (LineState.ERROR, ("ACTIVE", "AVAILABLE", "CONFIRMATION_FAILED"), {}),
        (LineState.ERROR, ("SUSPENDED", "AVAILABLE", "CONFIRMATION_FAILED"), {"restricted": True}),
        (LineState.ERROR, ("ACTIVE", "ERROR", "READY"), {}),
        (LineState.CANCELLED, ("ACTIVE", "CANCELED", "READY"), {}),
        (LineState.UNKNOWN, ("NEW_WORD", "AVAILABLE", "READY"), {}),
        (LineState.UNKNOWN, ("ACTIVE", "NEW_WORD", "READY"), {"activated_on": DAY}),
        (LineState.UNKNOWN, ("ACTIVE", "AVAILABLE", "NEW_WORD"), {}),
        (LineState.UNKNOWN, ("", "AVAILABLE", "READY"), {}),
        (LineState.UNKNOWN, ("ACTIVE", "", ""), {}),
    ],
)
def test_the_state_table(expected: LineState, words: tuple[str, str, str], facts: dict[str, Any]) -> None:
    assert derive(*words, **facts) is expected


YESTERDAY, TOMORROW = date(2026, 1, 21), date(2026, 1, 23)


@pytest.mark.parametrize(
    ("expected", "expires_on", "terminated_on", "provision"),
    [
        (LineState.EXPIRED, YESTERDAY, None, "DOWNLOADED"),
        (LineState.EXPIRED, YESTERDAY, TODAY, "DOWNLOADED"),
        (LineState.EXPIRED, YESTERDAY, YESTERDAY, "DOWNLOADED"),
        # The last day is a usable day: it has not passed.
        (LineState.TERMINATED, TODAY, None, "DOWNLOADED"),
        (LineState.TERMINATED, TOMORROW, TODAY, "DOWNLOADED"),
        (LineState.TERMINATED, None, TODAY, "DOWNLOADED"),
        (LineState.CANCELLED, None, TODAY, "CANCELED"),
        (LineState.CANCELLED, TOMORROW, TODAY, "CANCELED"),
        # It ended before its last day, however long ago that is.
        (LineState.TERMINATED, YESTERDAY, date(2026, 1, 15), "DOWNLOADED"),
        (LineState.EXPIRED, YESTERDAY, None, "NEW_WORD"),
    ],
)
def test_the_end_is_told_by_the_dates(
    expected: LineState, expires_on: date | None, terminated_on: date | None, provision: str
) -> None:
    assert derive("TERMINATED", provision, "INSTALLED", expires_on=expires_on, terminated_on=terminated_on) is expected
