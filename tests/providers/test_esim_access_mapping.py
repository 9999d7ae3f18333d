"""eSIM Access's samples, the document's and those seen live, as our values."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from providers.esim_access.lines import is_allocated, map_line
from providers.esim_access.money import read_amount, write_amount
from providers.esim_access.plans import map_page, map_plan
from providers.reading import UnreadableError
from providers.types import (
    AfterCap,
    Allowance,
    Coverage,
    CoverageKind,
    DataPeriod,
    Fault,
    LineSnapshot,
    LineState,
    Money,
    Network,
    PackageSnapshot,
    PlanOffer,
    StartsWith,
    Telephony,
)
from tests.providers.access_calls import AT
from tests.providers.access_samples import DOCUMENT_LINE, DOCUMENT_PACKAGE, LINE, PACKAGE

GB = 1024**3
EID = "89049032007108882600137544319616"


def plan(sample: dict[str, Any] = PACKAGE, **changes: Any) -> PlanOffer:
    faults: list[Fault] = []
    offer = map_plan({**sample, **changes}, faults=faults, account="esim-access")
    assert faults == []
    return offer


def faulty_plan(**changes: Any) -> tuple[PlanOffer, list[str]]:
    faults: list[Fault] = []
    offer = map_plan({**PACKAGE, **changes}, faults=faults, account="esim-access")
    return offer, [fault.where for fault in faults]


def line(sample: dict[str, Any] = LINE, **changes: Any) -> LineSnapshot:
    return map_line({**sample, **changes}, account="esim-access", sent_at=AT)


# -- plans ------------------------------------------------------------------------------------------------------------


def test_a_package_as_seen_live() -> None:
    assert plan() == PlanOffer(
        plan_ref="CKH002",
        alias="ES_3_30",
        name="Spain 3GB 30Days",
        plan_type="Data in Total",
        carrier="",
        allowance=Allowance(
            data_bytes=3 * GB,
            period=DataPeriod.TOTAL,
            unlimited=False,
            raw_amount="3221225472",
            raw_unit="B",
            raw_period="Data in Total",
        ),
        coverage=(
            Coverage(
                country="ES",
                kind=CoverageKind.UNSPECIFIED,
                networks=(Network(name="Vodafone", types=("4G",)),),
            ),
        ),
        region="",
        net_price=Money(amount=Decimal("1.8"), currency="USD"),
        suggested_price=Money(amount=Decimal("3.6"), currency="USD"),
        validity_days=30,
        days_choice_max=None,
        after_cap=AfterCap.UNKNOWN,
        max_speed=None,
        reduced_speed=None,
        speed_unit="",
        tethering=None,
        ip_countries=("NL", "FR"),
        validity_info="",
        activation_info="",
        starts_with=StartsWith.CONNECTION,
        unused_termination_days=180,
        telephony=Telephony(sms_inbound=False),
        api_sms=False,
        top_up_supported=True,
        kyc_required=None,
        restrictions="",
        raw=PACKAGE,
    )


def test_a_package_as_the_document_has_it() -> None:
    offer = plan(DOCUMENT_PACKAGE)
    assert [place.country for place in offer.coverage] == (
        ["CN", "HK", "ID", "JP", "MO", "MY", "PH", "SG", "KR", "TW", "TH", "IN", "VN", "SA", "KH", "PK", "LK"]
    )
    networks = {place.country: place.networks for place in offer.coverage}
    # Its flag says which country the operator is in; of the others only the package's own speed is known.
    assert networks["JP"] == (Network(name="T-Mobile", types=("4G", "5G")),)
    assert networks["LK"] == (Network(name="", types=("3G", "4G")),)
    assert offer.allowance.data_bytes == 10 * 1024**2
    assert (offer.net_price, offer.suggested_price) == (
        Money(amount=Decimal("1"), currency="USD"),
        Money(amount=Decimal("7.1"), currency="USD"),
    )
    assert (offer.starts_with, offer.ip_countries) == (StartsWith.INSTALLATION, ("HK",))


def test_a_country_is_never_guessed_from_a_name() -> None:
    places = [
        {"locationName": "Spain", "locationLogo": "/img/xx.png", "operatorList": [{"operatorName": "A"}]},
        {"locationName": "Italy", "locationLogo": "", "operatorList": [{"operatorName": "B"}]},
    ]
    offer = plan(location="ES,IT", locationCode="EU-2", locationNetworkList=places)
    assert offer.region == "EU-2"
    bare = (Network(name="", types=("3G", "4G", "5G")),)
    assert [(place.country, place.networks) for place in offer.coverage] == [("ES", bare), ("IT", bare)]
    # The only country of a package needs no name.
    offer = plan(locationNetworkList=places[1:])
    assert [(place.country, place.networks) for place in offer.coverage] == [
        ("ES", (Network(name="B", types=("3G", "4G", "5G")),))
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataType": 1}, (3 * GB, DataPeriod.TOTAL, False, AfterCap.UNKNOWN, None)),
        ({"dataType": 1, "fupPolicy": "512 Kbps"}, (3 * GB, DataPeriod.TOTAL, False, AfterCap.REDUCED, None)),
        ({"dataType": 2}, (3 * GB, DataPeriod.DAY, False, AfterCap.REDUCED, 365)),
        ({"dataType": "3"}, (3 * GB, DataPeriod.DAY, False, AfterCap.CUT_OFF, 365)),
        ({"dataType": 4, "volume": 0}, (None, DataPeriod.DAY, True, AfterCap.NO_CAP, 365)),
        ({"dataType": 4, "volume": None}, (None, DataPeriod.DAY, True, AfterCap.NO_CAP, 365)),
        # A number is a cap, whatever the type is called.
        ({"dataType": 4, "fupPolicy": "1 Mbps"}, (3 * GB, DataPeriod.DAY, False, AfterCap.REDUCED, 365)),
        ({"dataType": 4}, (3 * GB, DataPeriod.DAY, False, AfterCap.UNKNOWN, 365)),
        ({"dataType": 0}, (3 * GB, DataPeriod.UNKNOWN, False, AfterCap.UNKNOWN, None)),
        ({"dataType": "NEW"}, (3 * GB, DataPeriod.UNKNOWN, False, AfterCap.UNKNOWN, None)),
    ],
)
def test_what_a_volume_is_counted_over(changes: dict[str, Any], expected: tuple[object, ...]) -> None:
    offer = plan(**changes)
    cap = offer.allowance
    assert (cap.data_bytes, cap.period, cap.unlimited, offer.after_cap, offer.days_choice_max) == expected


@pytest.mark.parametrize(
    ("policy", "speed", "unit", "restrictions"),
    [
        ("1 Mbps", Decimal(1), "Mbps", ""),
        ("512kbps", Decimal(512), "Kbps", ""),
        ("1.25 Mb/s", Decimal("1.25"), "Mbps", ""),
        ("Slower after the cap", None, "", "Slower after the cap"),
    ],
)
def test_the_speed_after_the_cap(policy: str, speed: Decimal | None, unit: str, restrictions: str) -> None:
    offer = plan(dataType=2, fupPolicy=policy)
    assert (offer.reduced_speed, offer.speed_unit, offer.restrictions) == (speed, unit, restrictions)


@pytest.mark.parametrize(
    ("told", "supported"),
    [
        (1, False),
        ("1", False),
        (2, True),
        (3, True),
        ("2", True),
        (True, True),
        (False, False),
        (4, None),
        (None, None),
    ],
)
def test_top_up_support(told: object, supported: bool | None) -> None:
    assert plan(supportTopUpType=told).top_up_supported is supported


@pytest.mark.parametrize(("told", "by_api", "inbound"), [(0, False, False), (1, True, True), ("2", True, None)])
def test_messages(told: object, by_api: bool, inbound: bool | None) -> None:
    offer = plan(smsStatus=told)
    assert (offer.api_sms, offer.telephony.sms_inbound) == (by_api, inbound)


def test_a_package_lacks_what_cannot_be_read() -> None:
    offer, faults = faulty_plan(price=-1, retailPrice="1.5", volume="much", location="ES, Spain", duration=1.5)
    assert (offer.net_price, offer.suggested_price, offer.allowance.data_bytes) == (None, None, None)
    assert (offer.validity_days, [place.country for place in offer.coverage]) == (None, ["ES"])
    assert sorted(faults) == ["duration", "location", "price", "retailPrice", "volume"]


def test_a_price_without_its_currency_is_none() -> None:
    offer, faults = faulty_plan(currencyCode="")
    assert (offer.net_price, faults) == (None, ["price", "retailPrice"])


def test_another_unit_of_time_is_not_converted() -> None:
    offer = plan(durationUnit="MONTH")
    assert (offer.validity_days, offer.unused_termination_days) == (None, None)


def test_one_bad_package_costs_only_itself() -> None:
    items = [PACKAGE, {**PACKAGE, "packageCode": None}, "x", {**PACKAGE, "packageCode": "B", "price": "x"}, PACKAGE]
    page = map_page(items, account="esim-access")
    assert [offer.plan_ref for offer in page.offers] == ["CKH002", "B"]
    assert [(fault.where, fault.ref) for fault in page.faults] == [
        ("packageList[1]", ""),
        ("packageList[2]", ""),
        ("packageList[3].price", "B"),
        ("packageList[4]", "CKH002"),
    ]
    # Two have no name: the reading is not complete.
    assert (page.total, page.is_last, page.page, page.total_pages) == (4, True, 1, 1)


def test_an_empty_catalogue() -> None:
    page = map_page([], account="esim-access")
    assert (page.offers, page.total, page.is_last) == ((), 0, True)


# -- money ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "amount"),
    [
        (18000, "1.8"),
        ("18000", "1.8"),
        (100000, "10"),
        (1, "0.0001"),
        (0, "0"),
        (-25000, "-2.5"),
        (10**14 - 1, "9999999999.9999"),
    ],
)
def test_ten_thousandths(told: object, amount: str) -> None:
    assert read_amount(told) == Decimal(amount)
    if isinstance(told, int) and told >= 0:
        assert write_amount(Money(amount=Decimal(amount), currency="USD")) == told


@pytest.mark.parametrize("told", [None, True, "", "1.5", Decimal("0.5"), 10**15, [], "x"])
def test_what_is_no_amount(told: object) -> None:
    assert read_amount(told) is None


@pytest.mark.parametrize("amount", ["0.00001", "1.23456", "-1"])
def test_a_price_that_it_could_not_say_exactly_is_not_written(amount: str) -> None:
    assert write_amount(Money(amount=Decimal(amount), currency="USD")) is None


# -- lines ------------------------------------------------------------------------------------------------------------


def test_a_line_as_seen_live() -> None:
    found = line()
    assert found.raw["ac"] == found.raw["imsi"] == found.raw["puk"] == "[redacted]"
    daily = Allowance(
        data_bytes=GB,
        period=DataPeriod.DAY,
        unlimited=False,
        raw_amount=str(GB),
        raw_unit="B",
        raw_period="Daily Limit (Speed Reduced)",
    )
    assert found == LineSnapshot(
        provider_ref="26033119290005",
        iccid="8985224528000942210",
        state=LineState.READY,
        raw_states={"esimStatus": "GOT_RESOURCE", "smdpStatus": "RELEASED"},
        state_as_of=AT,
        usage_as_of=AT,
        lpa="LPA:1$rsp-eu.example.com$451F9802E6854E3E85FB985235EDB4E5",
        smdp_address="rsp-eu.example.com",
        matching_id="451F9802E6854E3E85FB985235EDB4E5",
        activation_deadline=datetime(2026, 9, 27, 19, 29, 36, tzinfo=UTC),
        order_ref="B26033119290003",
        order_key="our-key",
        apn="isp",
        api_sms=False,
        total_used_bytes=0,
        total_data_bytes=None,
        packages=(
            PackageSnapshot(
                package_ref="our-key",
                name="Georgia 1GB/Day FUP1Mbps",
                plan_ref="P1X57VWMR",
                order_ref="B26033119290003",
                order_key="our-key",
                allowance=daily,
            ),
        ),
        raw=found.raw,
    )


def test_a_line_as_the_document_has_it() -> None:
    found = line(DOCUMENT_LINE)
    assert (found.provider_ref, found.iccid, found.order_ref, found.order_key) == (
        "22102706381912",
        "89852245280000942210",
        "B221027063819924",
        "",
    )
    assert (found.state, found.eid) == (LineState.ACTIVE, EID)
    # In use: the time is its end, not a deadline.
    assert (found.expires_at, found.activation_deadline) == (datetime(2023, 3, 3, 6, 20, tzinfo=UTC), None)
    assert (found.total_data_bytes, found.total_used_bytes) == (GB, 0)
    assert [(package.package_ref, package.plan_ref, package.name) for package in found.packages] == [
        ("CKH179#1", "CKH179", "")
    ]
    assert found.packages[0].allowance is not None
    assert found.packages[0].allowance.period is DataPeriod.TOTAL
    assert found.faults == ()


@pytest.mark.parametrize(
    ("esim", "smdp", "changes", "state"),
    [
        # The printed matrix.
        ("GOT_RESOURCE", "RELEASED", {"eid": " "}, LineState.READY),
        ("GOT_RESOURCE", "ENABLED", {"eid": EID}, LineState.INSTALLED),
        ("IN_USE", "ENABLED", {"eid": EID}, LineState.ACTIVE),
        ("IN_USE", "DISABLED", {"eid": EID, "orderUsage": 123}, LineState.ACTIVE),
        ("USED_UP", "ENABLED", {"eid": EID}, LineState.DEPLETED),
        ("USED_UP", "DISABLED", {"eid": EID}, LineState.DEPLETED),
        ("USED_UP", "DELETED", {"eid": EID}, LineState.TERMINATED),
        ("IN_USE", "DELETED", {"eid": EID}, LineState.TERMINATED),
        # The rest of the words.
        ("CREATE", "", {}, LineState.PROVISIONING),
        ("PAYING", "", {}, LineState.PROVISIONING),
        ("PAID", "", {}, LineState.PROVISIONING),
        ("GETTING_RESOURCE", "RELEASED", {}, LineState.PROVISIONING),
        ("GOT_RESOURCE", "", {}, LineState.READY),
        ("GOT_RESOURCE", "DOWNLOAD", {"eid": EID}, LineState.DOWNLOADED),
        ("GOT_RESOURCE", "INSTALLATION", {"eid": EID}, LineState.INSTALLED),
        ("GOT_RESOURCE", "DISABLED", {"eid": EID}, LineState.INSTALLED),
        ("GOT_RESOURCE", "DELETED", {"eid": EID}, LineState.TERMINATED),
        ("UNUSED_EXPIRED", "RELEASED", {}, LineState.EXPIRED),
        ("USED_EXPIRED", "DELETED", {}, LineState.EXPIRED),
        ("CANCEL", "RELEASED", {}, LineState.CANCELLED),
        ("CANCELED", "RELEASED", {}, LineState.CANCELLED),
        ("cancelled", "DELETED", {}, LineState.CANCELLED),
        ("REVOKE", "DELETED", {}, LineState.TERMINATED),
        ("REVOKED", "ENABLED", {}, LineState.TERMINATED),
        ("SUSPENDED", "ENABLED", {}, LineState.SUSPENDED),
        ("SUSPENDED", "DELETED", {}, LineState.TERMINATED),
        # Traces of a device weigh more than a status that lags.
        ("GOT_RESOURCE", "RELEASED", {"eid": EID}, LineState.DOWNLOADED),
        ("GOT_RESOURCE", "RELEASED", {"installationTime": "2026-04-01T00:00:00+0000"}, LineState.INSTALLED),
        # Words that nobody knows.
        ("NEW_WORD", "ENABLED", {}, LineState.UNKNOWN),
        ("GOT_RESOURCE", "NEW_WORD", {}, LineState.UNKNOWN),
        ("IN_USE", "NEW_WORD", {}, LineState.ACTIVE),
        ("NEW_WORD", "DELETED", {}, LineState.TERMINATED),
        ("", "", {}, LineState.UNKNOWN),
    ],
)
def test_the_state_of_a_line(esim: str, smdp: str, changes: dict[str, Any], state: LineState) -> None:
    found = line(esimStatus=esim, smdpStatus=smdp, **changes)
    assert found.state is state
    assert found.raw_states == {"esimStatus": esim, "smdpStatus": smdp}


@pytest.mark.parametrize(
    ("changes", "begun"),
    [
        ({"esimStatus": "GOT_RESOURCE"}, False),
        ({"esimStatus": "GOT_RESOURCE", "smdpStatus": "ENABLED"}, False),
        ({"esimStatus": "UNUSED_EXPIRED"}, False),
        ({"esimStatus": "CANCEL"}, False),
        ({"esimStatus": "SUSPENDED"}, False),
        ({"esimStatus": "IN_USE"}, True),
        ({"esimStatus": "USED_UP"}, True),
        ({"esimStatus": "USED_EXPIRED"}, True),
        ({"esimStatus": "SUSPENDED", "orderUsage": 1}, True),
        ({"esimStatus": "REVOKED", "activateTime": "2026-04-01T00:00:00Z"}, True),
    ],
)
def test_the_time_of_an_unused_line_is_its_deadline_and_of_a_used_one_its_end(
    changes: dict[str, Any], begun: bool
) -> None:
    found = line(**changes)
    end = datetime(2026, 9, 27, 19, 29, 36, tzinfo=UTC)
    assert (found.activation_deadline, found.expires_at) == ((None, end) if begun else (end, None))


def test_device_times() -> None:
    found = line(installationTime="2026-04-01T09:00:00.5+0000", activateTime="2026-04-01T09:05Z")
    assert found.installed_at == datetime(2026, 4, 1, 9, 0, 0, 500_000, tzinfo=UTC)
    assert found.activated_at == datetime(2026, 4, 1, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data_type", "total"), [(1, GB), ("1", GB), (2, None), (3, None), (4, None), (0, None), (None, None)]
)
def test_the_volume_of_one_day_is_never_a_total(data_type: object, total: int | None) -> None:
    assert line(dataType=data_type).total_data_bytes == total


def test_a_line_lacks_what_cannot_be_read() -> None:
    found = line(iccid="12", eid="123", orderUsage=-1, expiredTime="soon", packageList=["x"], apn={"a": 1})
    assert (found.iccid, found.eid, found.total_used_bytes, found.packages) == ("", "", None, ())
    assert sorted(fault.where for fault in found.faults) == [
        "apn",
        "eid",
        "expiredTime",
        "iccid",
        "orderUsage",
        "packageList[0]",
    ]


@pytest.mark.parametrize(
    "item", [None, [], "x", {}, {"esimTranNo": None}, {"esimTranNo": ""}, {"esimTranNo": "1" * 81}]
)
def test_only_its_number_is_vital(item: object) -> None:
    with pytest.raises(UnreadableError):
        map_line(item, account="esim-access", sent_at=AT)
    bare = map_line({"esimTranNo": 26033119290005}, account="esim-access", sent_at=AT)
    assert (bare.provider_ref, bare.state, bare.faults) == ("26033119290005", LineState.UNKNOWN, ())


@pytest.mark.parametrize(
    ("changes", "allocated"),
    [
        ({}, True),
        ({"iccid": ""}, False),
        ({"ac": ""}, False),
        ({"ac": None, "esimStatus": ""}, False),
        ({"esimStatus": "GETTING_RESOURCE"}, False),
        # Seen once: a line in use without its code.
        ({"ac": "", "esimStatus": "IN_USE"}, True),
        # A wrong code does not become right by waiting.
        ({"ac": "$host$id"}, True),
    ],
)
def test_when_a_line_can_be_handed_over(changes: dict[str, Any], allocated: bool) -> None:
    assert is_allocated(line(**changes)) is allocated


# -- packages on a line -----------------------------------------------------------------------------------------------

BASE = LINE["packageList"][0]
LATER = "2026-04-02T00:00:00+0000"


def refs(*packages: dict[str, Any]) -> list[str]:
    return [package.package_ref for package in line(packageList=list(packages)).packages]


def test_a_top_up_is_named_by_its_own_number_or_by_its_transaction() -> None:
    with_number = {**BASE, "esimTranNo": "26040200000001", "transactionId": "t-2", "createTime": LATER}
    with_key = {**BASE, "transactionId": "t-3", "createTime": LATER}
    assert refs(BASE, with_number, with_key) == ["our-key", "26040200000001", "t-3"]
    # The first package comes first, however they are listed.
    assert refs(with_key, with_number, BASE) == ["our-key", "t-3", "26040200000001"]
    found = line(packageList=[BASE, with_key]).packages
    assert [package.order_key for package in found] == ["our-key", "t-3"]
    assert [package.order_ref for package in found] == ["B26033119290003", ""]


def test_equal_packages_have_different_names() -> None:
    short = {"packageCode": "CKH179", "duration": 7, "volume": GB}
    assert refs(short, short, short) == ["CKH179#1", "CKH179#2", "CKH179#3"]
    timed = {**short, "createTime": LATER}
    assert refs(timed, timed) == [f"CKH179@{LATER}", f"CKH179@{LATER}#2"]
    # Everything told is the same: even the transaction.
    assert refs(BASE, BASE) == ["our-key", f"P1X57VWMR@{BASE['createTime']}"]


def test_a_top_up_may_be_counted_otherwise_than_the_line() -> None:
    total = {**BASE, "transactionId": "t-2", "dataType": 1, "createTime": LATER}
    periods = [package.allowance.period for package in line(packageList=[BASE, total]).packages if package.allowance]
    assert periods == [DataPeriod.DAY, DataPeriod.TOTAL]
