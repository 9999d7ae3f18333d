"""From the document's samples, and from what was seen in use, to our values."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from providers.esimfx import mapping, plans
from providers.esimfx.authentication import read_issued_token
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
    PackageStatus,
    PlanOffer,
    StartsWith,
)
from tests.providers.esimfx_samples import CREATED, ICCID, LPA, ORDER, PRODUCT, PRODUCT_ID, SENT, make_order

GIB = 1024**3


def map_plan(**changes: Any) -> tuple[PlanOffer, list[Fault]]:
    faults: list[Fault] = []
    return plans.map_plan({**PRODUCT, **changes}, faults=faults, account="esimfx"), faults


def map_line(*orders: Any, status: Any = "ACTIVE", now: datetime = SENT, **esim: Any) -> LineSnapshot:
    faults: list[Fault] = []
    read = mapping.map_orders({"orders": list(orders)}, iccid=ICCID, faults=faults, account="esimfx")
    given = {"iccid": ICCID, "esim_qr": LPA, "status": status, **esim}
    return mapping.map_line(given, read, iccid=ICCID, faults=faults, account="esimfx", as_of=now)


# -- plans ------------------------------------------------------------------------------------------------------------


def test_the_documents_product() -> None:
    offer, faults = map_plan()
    assert faults == []
    assert (offer.plan_ref, offer.alias, offer.name) == (PRODUCT_ID, "", "japan_10GB_7Day")
    assert offer.allowance == Allowance(
        data_bytes=10_737_418_240, period=DataPeriod.TOTAL, unlimited=False, raw_amount="10", raw_unit="GB"
    )
    assert offer.net_price == Money(amount=Decimal(12), currency="USD")
    assert (offer.validity_days, offer.top_up_profile, offer.top_up_supported) == (7, "Green", None)
    assert (offer.starts_with, offer.after_cap) == (StartsWith.CONNECTION, AfterCap.CUT_OFF)
    networks = (Network(name="SOFTBANK", types=("5G",)), Network(name="KDDI au", types=("5G",)))
    assert offer.coverage == (Coverage(country="JP", kind=CoverageKind.UNSPECIFIED, networks=networks),)


def test_a_product_of_the_new_list() -> None:
    offer, faults = map_plan(id="esimfx_10G_7D_JP", meta_product_id=PRODUCT_ID, is_unlimited=False)
    assert (offer.plan_ref, offer.alias, faults) == ("esimfx_10G_7D_JP", PRODUCT_ID, [])


def test_an_unlimited_product_has_days_and_no_bytes() -> None:
    offer, faults = map_plan(amount=7, amount_unit="Days", is_unlimited=True)
    assert offer.allowance == Allowance(
        data_bytes=None, period=DataPeriod.UNKNOWN, unlimited=True, raw_amount="7", raw_unit="Days"
    )
    assert (offer.after_cap, faults) == (AfterCap.NO_CAP, [])


@pytest.mark.parametrize(
    ("fields", "data_bytes", "unlimited"),
    [
        ({"amount": 500, "amount_unit": "MB"}, 500 * 1024**2, False),
        ({"amount": "1.5", "amount_unit": "gb"}, 3 * GIB // 2, False),
        ({"amount": 1024, "amount_unit": "Byte"}, 1024, False),
        ({"amount": 3, "amount_unit": "Days"}, None, True),
        ({"amount": "Unlimited", "amount_unit": ""}, None, True),
        ({"amount": None, "amount_unit": "GB", "is_unlimited": True}, None, True),
        # It has a number of bytes: those are its allowance, whatever it calls itself.
        ({"amount": 1, "amount_unit": "GB", "is_unlimited": True}, GIB, False),
        ({"amount": 1, "amount_unit": "Furlong"}, None, False),
        ({"amount": None, "amount_unit": None}, None, False),
    ],
)
def test_the_unit_decides(fields: Mapping[str, Any], data_bytes: int | None, unlimited: bool) -> None:
    allowance = map_plan(**fields)[0].allowance
    assert (allowance.data_bytes, allowance.unlimited) == (data_bytes, unlimited)


def test_networks_are_a_countrys_only_where_there_is_one_country() -> None:
    offer, _faults = map_plan(coverage=["JP", "KR"])
    assert [(place.country, place.networks) for place in offer.coverage] == [("JP", ()), ("KR", ())]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"price": "free"}, "price"),
        ({"price_unit": None}, "price_unit"),
        ({"price_unit": "dollars"}, "price_unit"),
        ({"coverage": ["Japan"]}, "coverage[0]"),
        ({"duration": -7}, "duration"),
    ],
)
def test_a_bad_field_costs_only_itself(fields: Mapping[str, Any], where: str) -> None:
    offer, faults = map_plan(**fields)
    assert offer.plan_ref == PRODUCT_ID
    assert [fault.where for fault in faults] == [where]


@pytest.mark.parametrize("item", [None, 5, [], {}, {"id": None}, {"id": ""}, {"id": "x" * 121}])
def test_a_product_without_an_id_is_none(item: object) -> None:
    with pytest.raises(UnreadableError):
        plans.map_plan(item, faults=[], account="esimfx")


# -- lines ------------------------------------------------------------------------------------------------------------


def test_the_documents_order_and_esim() -> None:
    line = map_line(ORDER, status="PROVISIONED", apn="data.esim")
    assert (line.provider_ref, line.iccid, line.lpa) == (ICCID, ICCID, LPA)
    assert (line.smdp_address, line.matching_id) == ("rsp.truphone.com", "JQ-2D51JC-XXXXXX")
    assert (line.state, line.raw_states, line.apn) == (LineState.READY, {"status": "PROVISIONED"}, "data.esim")
    assert (line.order_ref, line.state_as_of, line.usage_as_of) == (ORDER["id"], SENT, SENT)
    assert (line.total_used_bytes, line.total_data_bytes, line.faults) == (0, 10 * GIB, ())
    (package,) = line.packages
    assert (package.package_ref, package.order_ref, package.plan_ref) == (ORDER["id"], ORDER["id"], PRODUCT_ID)
    assert (package.name, package.status, package.raw_status) == ("japan_10GB_7Day", PackageStatus.WAITING, "PENDING")
    assert (package.is_projected, package.used_bytes) == (True, 0)
    assert package.starts_at == package.activate_by == datetime(2025, 9, 30, 5, 20, 12, tzinfo=UTC)
    # Until it begins, its own times are nobody's.
    assert (line.activation_deadline, line.activated_at, line.expires_at) == (package.activate_by, None, None)
    assert LPA not in str(line.raw)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *(("PROVISIONED", LineState.READY), ("Provisioned", LineState.READY), ("Installed", LineState.INSTALLED)),
        *(("ACTIVE", LineState.ACTIVE), ("active", LineState.ACTIVE), ("EXPIRED", LineState.EXPIRED)),
        *(("BLOCKED", LineState.TERMINATED), ("DEACTIVATED", LineState.ERROR)),
        *(("SOMETHING_NEW", LineState.UNKNOWN), ("", LineState.UNKNOWN), (None, LineState.UNKNOWN)),
    ],
)
def test_the_words_of_an_esim(word: str | None, state: LineState) -> None:
    assert map_line(make_order(1, status="PENDING"), status=word).state is state


@pytest.mark.parametrize(
    ("word", "status", "is_projected"),
    [
        *(("PENDING", PackageStatus.WAITING, True), ("Active", PackageStatus.ACTIVE, False)),
        *(("expired", PackageStatus.ENDED, False), ("TERMINATED", PackageStatus.TERMINATED, True)),
        *(("SOMETHING_NEW", PackageStatus.UNKNOWN, True), (None, None, True)),
    ],
)
def test_the_words_of_a_package(word: str | None, status: PackageStatus | None, is_projected: bool) -> None:
    (package,) = map_line(make_order(1, status=word)).packages
    assert (package.status, package.is_projected) == (status, is_projected)


def test_an_end_is_a_depletion_only_where_the_numbers_tell() -> None:
    used_up = {"status": "EXPIRED", "used_amount": 10 * GIB, "activation_time": "2025-09-28T00:00:00Z"}
    assert map_line(make_order(1, **used_up), status="EXPIRED").state is LineState.DEPLETED
    # Its seven days are over by now.
    assert map_line(make_order(1, **used_up), status="EXPIRED", now=SENT + timedelta(days=9)).state is LineState.EXPIRED
    for unknown in ({"used_amount": None}, {"used_amount": GIB}, {"amount_unit": "Days"}, {"activation_time": None}):
        assert map_line(make_order(1, **{**used_up, **unknown}), status="EXPIRED").state is LineState.EXPIRED


def test_the_package_that_ended_last_says_why_the_line_ended() -> None:
    """One that was used up before it does not make the line depleted when the next one's days are over, nor the other
    way round."""
    used_up = {"status": "EXPIRED", "used_amount": 10 * GIB}
    out_of_time = {"status": "EXPIRED", "used_amount": GIB}
    for first, second, state in ((used_up, out_of_time, "expired"), (out_of_time, used_up, "depleted")):
        line = map_line(
            make_order(1, **first, activation_time="2025-09-28T00:00:00Z"),
            make_order(2, **second, activation_time="2025-09-29T00:00:00Z"),
            status="EXPIRED",
        )
        assert line.state == state


def test_a_line_whose_packages_were_all_terminated_is_terminated() -> None:
    ended = [make_order(1, status="TERMINATED"), make_order(2, status="terminated")]
    for word in ("PROVISIONED", "Installed", "ACTIVE", "EXPIRED"):
        assert map_line(*ended, status=word).state is LineState.TERMINATED
    assert map_line(*ended, status="DEACTIVATED").state is LineState.ERROR
    assert map_line(*ended, make_order(3, status="PENDING"), status="PROVISIONED").state is LineState.READY


def test_totals_are_told_only_by_all_packages_together() -> None:
    active = make_order(1, status="ACTIVE", used_amount=3 * GIB, expiry="2025-10-05T00:00:00Z")
    waiting = make_order(2, status="PENDING")
    line = map_line(active, waiting)
    assert (line.total_used_bytes, line.total_data_bytes) == (3 * GIB, 20 * GIB)
    # What was taken away counts with what was used of it.
    line = map_line(active, make_order(2, status="TERMINATED", used_amount=GIB))
    assert (line.total_used_bytes, line.total_data_bytes) == (4 * GIB, 4 * GIB + 7 * GIB)
    for part in ({"used_amount": None}, {"amount_unit": "Days", "used_amount": 2, "upper_limit_amount": 7}):
        line = map_line(active, make_order(2, status="PENDING", **part))
        assert line.total_used_bytes is None
    assert map_line().total_data_bytes is None


def test_when_a_line_begins_and_ends() -> None:
    ended = make_order(1, status="EXPIRED", activation_time="2025-09-10T00:00:00Z", expiry="2025-09-17T00:00:00Z")
    active = make_order(2, status="ACTIVE", activation_time="2025-09-17T00:00:00Z", expiry="2025-10-05T00:00:00Z")
    line = map_line(active, ended)
    assert line.activated_at == datetime(2025, 9, 10, tzinfo=UTC)
    assert line.expires_at == datetime(2025, 10, 5, tzinfo=UTC)
    assert (line.order_ref, line.activation_deadline) == ("order-1", None)
    # One that waits has no end yet, so the line has none either.
    assert map_line(active, ended, make_order(3, status="PENDING")).expires_at is None


def test_the_misspelt_limit_counts_too() -> None:
    order = make_order(1)
    order["subscription"]["uper_limit_amount"] = order["subscription"].pop("upper_limit_amount")
    assert map_line(order).total_data_bytes == 10 * GIB


@pytest.mark.parametrize("data", [None, {}, {"orders": None}, {"orders": 5}, 5, "text"])
def test_no_list_of_orders_is_not_a_line_without_packages(data: object) -> None:
    with pytest.raises(UnreadableError):
        mapping.map_orders(data, iccid=ICCID, faults=[], account="esimfx")


def test_a_bad_order_costs_only_itself() -> None:
    strange = {**ORDER, "id": "other", "iccid": "89440000000000000018"}
    line = map_line(None, {"iccid": ICCID}, strange, make_order(4), make_order(4))
    assert [package.package_ref for package in line.packages] == ["order-4"]
    assert [(fault.where, fault.message) for fault in line.faults] == [
        ("orders[0]", "is not an object"),
        ("orders[1]", "has no usable id"),
        ("orders[2]", "is about another eSIM"),
        ("orders[4]", "comes twice in the reply"),
    ]


def test_an_activation_string_that_is_none_is_a_fault() -> None:
    line = map_line(ORDER, esim_qr="https://example.com/qr.png")
    assert (line.lpa, line.matching_id) == ("", "")
    assert [fault.where for fault in line.faults] == ["esim.esim_qr"]


@pytest.mark.parametrize(
    "data", [None, [], {}, {"iccid": "89440000000000000018", "status": "ACTIVE"}, {"esim": {}}, {"apn": "x"}]
)
def test_another_esim_or_none_is_not_believed(data: object) -> None:
    with pytest.raises(UnreadableError):
        mapping.read_esim(data, iccid=ICCID)


def test_an_order_says_its_esim_in_either_place() -> None:
    assert mapping.find_iccid(CREATED) == mapping.find_iccid(ORDER) == ICCID
    assert mapping.find_iccid({"esim": None, "iccid": int(ICCID)}) == ICCID
    assert mapping.find_iccid(None) == ""


# -- money and tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "money"),
    [
        ({"balance": Decimal("4998.70")}, Money(amount=Decimal("4998.70"), currency="USD")),
        ({"balance": "12", "balance_unit": "eur"}, Money(amount=Decimal(12), currency="EUR")),
        ({"balance": -3}, Money(amount=Decimal(-3), currency="USD")),
    ],
)
def test_the_balance(data: object, money: Money) -> None:
    assert mapping.map_balance(data, currency="USD", as_of=SENT).money == money


@pytest.mark.parametrize(
    ("data", "refund"),
    [
        *(({"refund": {"need_refund": True}}, True), ({"refund": {"need_refund": "false"}}, False)),
        *(({"refund": {}}, None), ({"refund": None}, None), ({}, None), (None, None)),
    ],
)
def test_whether_money_comes_back_is_said_or_unknown(data: object, refund: bool | None) -> None:
    assert mapping.read_refund(data) is refund


#: {"iat": 1700000000, "exp": 1700001800}
_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMTgwMH0.c2ln"


@pytest.mark.parametrize(
    ("body", "value", "minutes"),
    [
        ('{"code": 0, "data": {"access_token": "abcdefgh"}}', "abcdefgh", 60),
        ('{"code": 0, "data": {"accessToken": "abcdefgh", "expires_in": "600"}}', "abcdefgh", 10),
        ('{"code": 0, "data": {"token": "Bearer abcdefgh", "expires_in": 86400}}', "abcdefgh", 60),
        ('{"code": 0, "data": "abcdefgh"}', "abcdefgh", 60),
        ('{"code": 0, "access_token": "abcdefgh", "expires_in": 0.001}', "abcdefgh", 1),
        (f'{{"code": 0, "data": {{"access_token": "{_JWT}"}}}}', _JWT, 30),
        ('{"code": 0, "data": {"access_token": "not.a.jwt", "expires_in": "soon"}}', "not.a.jwt", 60),
    ],
)
def test_a_token_in_its_shapes(body: str, value: str, minutes: int) -> None:
    issued = read_issued_token(body.encode(), sent_at=SENT)
    assert (issued.value, issued.expires_at) == (value, SENT + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    "body", ["{}", "[]", '{"data": null}', '{"data": {"access_token": ""}}', '{"data": {"access_token": "two words"}}']
)
def test_no_token_is_an_error(body: str) -> None:
    with pytest.raises(UnreadableError):
        read_issued_token(body.encode(), sent_at=SENT)
