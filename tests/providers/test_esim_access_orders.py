"""Buying at eSIM Access: what is sent, what a reply means, and finding again what was sold."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from providers.errors import OutcomeUnknown, Rejected, StillAllocating
from providers.types import Capability, ControlRequest, Fault, LineState, Money, TopUpOutcome
from tests.providers.access_calls import (
    KEY,
    ORDER,
    TOP_UP,
    envelope,
    lines,
    make_client,
    make_reply,
    read_sent,
    refusal,
    replies,
)
from tests.providers.access_samples import LINE
from tests.providers.scripted import scripted
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import Simulator

GB = 1024**3


def line(number: int, **changes: Any) -> dict[str, Any]:
    return {**LINE, "esimTranNo": f"2603311929000{number}", **changes}


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "settings", "package", "amount"),
    [
        ({}, {}, {"packageCode": "ES_3_30", "count": 2, "price": 18000}, 36000),
        ({"plan_alias": ""}, {}, {"packageCode": "CKH002", "count": 2, "price": 18000}, 36000),
        ({}, {"check_prices": False}, {"packageCode": "ES_3_30", "count": 2}, None),
        ({"expected_unit_price": None}, {}, {"packageCode": "ES_3_30", "count": 2}, None),
        # What it could not say exactly is not said at all.
        (
            {"expected_unit_price": Money(amount=Decimal("1.80001"), currency="USD")},
            {},
            {"packageCode": "ES_3_30", "count": 2},
            None,
        ),
        # By the day: the days, and never a price.
        ({"period_days": 7}, {}, {"packageCode": "ES_3_30", "count": 2, "periodNum": 7}, None),
        ({"quantity": 30}, {}, {"packageCode": "ES_3_30", "count": 30, "price": 18000}, 540000),
    ],
)
def test_the_body_of_an_order(
    changes: dict[str, Any], settings: dict[str, Any], package: dict[str, Any], amount: int | None
) -> None:
    with scripted(*replies(envelope({"orderNo": "B1"}))) as server:
        make_client(url=server.url, **settings).send_order(replace(ORDER, **changes))
    body = {"transactionId": KEY, **({"amount": amount} if amount else {}), "packageInfoList": [package]}
    assert read_sent(server) == [("esim/order", body)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "settings", "more"),
    [
        ({}, {}, {"amount": "18000"}),
        ({}, {"check_prices": False}, {}),
        ({"period_days": 3}, {}, {"periodNum": 3}),
        # No slug: the document knows package codes only here.
        ({"plan_alias": "ES_TOPUP"}, {}, {"amount": "18000"}),
    ],
)
def test_the_body_of_a_top_up(changes: dict[str, Any], settings: dict[str, Any], more: dict[str, Any]) -> None:
    with scripted(*replies(envelope({}))) as server:
        make_client(url=server.url, **settings).send_top_up(replace(TOP_UP, **changes))
    body = {"esimTranNo": "26033119290005", "packageCode": "TOPUP_CKH002", "transactionId": KEY}
    assert read_sent(server) == [("esim/topup", {**body, **more})]


@pytest.mark.django_db
def test_what_the_provider_would_not_take_is_not_sent() -> None:
    with scripted(*replies(envelope({}))) as server:
        client = make_client(url=server.url)
        for request, field in (
            (replace(ORDER, idempotency_key="x" * 51), "idempotency_key"),
            (replace(ORDER, idempotency_key=""), "idempotency_key"),
            (replace(ORDER, period_days=0), "period_days"),
            (replace(ORDER, period_days=366), "period_days"),
        ):
            with pytest.raises(Rejected) as caught:
                client.send_order(request)
            assert (caught.value.field, caught.value.operation) == (field, "order")
        with pytest.raises(Rejected):
            client.send_top_up(replace(TOP_UP, provider_ref=""))
        for message in ("", "   ", "x" * 501):
            with pytest.raises(Rejected) as unsent:
                client.send_control(ControlRequest(provider_ref="1", capability=Capability.SMS, message=message))
            assert unsent.value.field == "message"
        with pytest.raises(Rejected):
            client.read_transaction(" ")
        with pytest.raises(Rejected):
            client.read_line("")
    assert server.requests == []


# -- what a reply means -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "obj", [{"orderNo": "B26033119290003", "transactionId": KEY}, {"orderNo": "B26033119290003", "new": 1}]
)
def test_an_order_is_taken_and_its_lines_come_later(obj: dict[str, Any]) -> None:
    outcome = make_client().read_order_reply(make_reply(envelope(obj)), ORDER)
    assert (outcome.transaction_id, outcome.order_ref) == ("B26033119290003", "B26033119290003")
    assert (outcome.lines, outcome.final, outcome.faults) == ((), False, ())


def test_another_transaction_id_is_told_beside_the_order() -> None:
    outcome = make_client().read_order_reply(make_reply(envelope({"orderNo": "B1", "transactionId": "x"})), ORDER)
    assert outcome.transaction_id == "B1"
    assert outcome.faults == (Fault(where="obj.transactionId", message="is not the order's"),)


@pytest.mark.parametrize(
    ("body", "complete", "found"),
    [
        (envelope({"transactionId": KEY}), True, ""),
        (envelope(None), True, ""),
        (b'{"success":true,"errorCode":"0","obj":{"orderNo":"B26033119290003","trans', False, "B26033119290003"),
        (b'{"success":true,"errorCode":"0","obj":{"orderNo":"B2603311', False, ""),
        (b"", False, ""),
        # A duplicate may name the first order.
        (refusal("310402", "duplicate", obj={"orderNo": "B26033119290003"}), True, "B26033119290003"),
    ],
)
def test_an_order_of_which_nothing_is_known_keeps_its_number_if_it_came(
    body: bytes, complete: bool, found: str
) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        make_client().read_order_reply(make_reply(body, complete=complete), ORDER)
    assert caught.value.transaction_id == found


def test_a_top_up_tells_new_totals() -> None:
    obj = {
        "transactionId": "theirs-1",
        "iccid": TOP_UP.iccid,
        "expiredTime": "2023-08-17T17:01:37+0000",
        "totalVolume": 4294967296,
        "totalDuration": 28,
        "orderUsage": 207239584,
        "topUpEsimTranNo": "26040200000001",
    }
    outcome = make_client().read_top_up_reply(make_reply(envelope(obj), operation="topup"), TOP_UP)
    assert outcome == TopUpOutcome(
        transaction_id="theirs-1",
        order_ref="26040200000001",
        total_data_bytes=4 * GB,
        used_bytes=207239584,
        expires_at=datetime(2023, 8, 17, 17, 1, 37, tzinfo=UTC),
    )


@pytest.mark.parametrize("told", [1692291697000, "1692291697000", "2023-08-17T17:01:37Z", "2023-08-17T17:01:37+0000"])
def test_the_new_end_is_a_number_by_its_type_and_a_text_by_its_example(told: object) -> None:
    reply = make_reply(envelope({"expiredTime": told}), operation="topup")
    outcome = make_client().read_top_up_reply(reply, TOP_UP)
    assert (outcome.expires_at, outcome.faults) == (datetime(2023, 8, 17, 17, 1, 37, tzinfo=UTC), ())


@pytest.mark.parametrize("obj", [{}, None, [], {"totalVolume": "x", "iccid": None}])
def test_a_top_up_without_numbers_is_one_all_the_same(obj: object) -> None:
    outcome = make_client().read_top_up_reply(make_reply(envelope(obj), operation="topup"), TOP_UP)
    assert (outcome.transaction_id, outcome.total_data_bytes) == (KEY, None)


def test_a_top_up_by_the_day_has_no_total() -> None:
    reply = make_reply(envelope({"totalVolume": GB, "iccid": "8900000000000000000"}), operation="topup")
    outcome = make_client().read_top_up_reply(reply, replace(TOP_UP, period_days=3))
    assert outcome.total_data_bytes is None
    assert [fault.where for fault in outcome.faults] == ["obj.iccid"]


# -- what the provider holds ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "ready", "pending"),
    [
        (lines(line(5), line(6)), ["26033119290005", "26033119290006"], False),
        (refusal("200010", "getting resource"), [], True),
        (refusal("310272", "The orderNo does not exist."), [], True),
        (lines(), [], True),
        (envelope({"esimList": None, "pager": {"total": 0}}), [], True),
        (lines(line(5), line(6, iccid="", ac="", esimStatus="GETTING_RESOURCE")), ["26033119290005"], True),
        (lines(line(5), line(6, ac="")), ["26033119290005"], True),
        (lines(line(5), {"iccid": "8985224528000942210"}), ["26033119290005"], True),
        (lines(line(5), line(5), total=1), ["26033119290005"], False),
    ],
)
def test_an_order_is_pending_until_all_of_it_are_whole_lines(body: bytes, ready: list[str], pending: bool) -> None:
    with scripted(*replies(body)) as server:
        record = make_client(url=server.url).read_transaction("B26033119290003")
    assert [found.provider_ref for found in record.lines] == list(record.line_refs) == ready
    assert (record.is_pending, record.transaction_id, record.order_ref) == (
        pending,
        "B26033119290003",
        "B26033119290003",
    )
    assert read_sent(server) == [
        ("esim/query", {"orderNo": "B26033119290003", "pager": {"pageNum": 1, "pageSize": 500}})
    ]


@pytest.mark.django_db
def test_lines_of_other_orders_are_left_out() -> None:
    with scripted(*replies(lines(line(5), line(6, orderNo="B-another")))) as server:
        record = make_client(url=server.url).read_transaction("B26033119290003")
    assert record.line_refs == ("26033119290005",)
    assert [fault.where for fault in record.faults] == ["esimList"]


@pytest.mark.django_db
def test_more_lines_than_came_are_still_to_come() -> None:
    with scripted(*replies(lines(line(5), total=2), lines(total=2))) as server:
        record = make_client(url=server.url).read_transaction("B26033119290003")
    assert (record.line_refs, record.is_pending) == (("26033119290005",), True)
    assert [body["pager"]["pageNum"] for _path, body in read_sent(server)] == [1, 2]


@pytest.mark.django_db
def test_an_order_is_found_by_our_own_key() -> None:
    sent_at = datetime.now(UTC)
    others = [line(number, transactionId="x", packageList=[], orderNo="B-x") for number in (1, 2)]
    own = [line(number, transactionId=KEY) for number in (5, 6)]
    pages = replies(lines(others[0], own[0], total=4), lines(others[1], own[1], total=4))
    with scripted(*pages) as server:
        record = make_client(url=server.url).find_order(KEY, sent_at=sent_at)
    assert record is not None
    assert (record.transaction_id, record.order_ref) == ("B26033119290003", "B26033119290003")
    assert record.line_refs == ("26033119290005", "26033119290006")
    assert not record.is_pending
    first = read_sent(server)[0][1]
    for name, wanted in (
        ("startTime", sent_at - timedelta(minutes=5)),
        ("endTime", sent_at + timedelta(minutes=5)),
    ):
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}\+00:00", first[name])
        assert abs(datetime.fromisoformat(first[name]) - wanted) <= timedelta(minutes=1)
    assert datetime.fromisoformat(first["startTime"]) <= sent_at - timedelta(minutes=5)
    assert datetime.fromisoformat(first["endTime"]) >= sent_at + timedelta(minutes=5)


@pytest.mark.django_db
@pytest.mark.parametrize("body", [lines(), lines(line(5))])
def test_an_order_that_is_not_among_them(body: bytes) -> None:
    with scripted(*replies(body)) as server:
        assert make_client(url=server.url).find_order(KEY, sent_at=datetime.now(UTC)) is None


@pytest.mark.django_db
def test_while_it_allocates_nothing_is_said_of_an_order() -> None:
    with scripted(*replies(refusal("200010"))) as server, pytest.raises(StillAllocating):
        make_client(url=server.url).find_order(KEY, sent_at=datetime.now(UTC))


# -- against the simulator --------------------------------------------------------------------------------------------


@pytest.fixture
def access(simulator: Simulator) -> Access:
    access = Access(simulator)
    access.set_switches(require_signature=False)
    simulator.set_limits(multiplier=0)
    return access


def connect(access: Access, **settings: Any) -> Any:
    return make_client(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY, **settings)


@pytest.mark.django_db
@pytest.mark.parametrize("reading", ["error", "empty", "bare"])
def test_a_batch_from_the_order_to_its_lines(access: Access, reading: str) -> None:
    access.set_switches(allocation_delay_s=60, allocating_reply=reading)
    client = connect(access)
    code = access.find_package(dataType=1)
    package = access.package(code)
    price = Money(amount=Decimal(package["price"]) / 10_000, currency="USD")
    request = replace(ORDER, plan_ref=code, plan_alias=package["slug"], quantity=3, expected_unit_price=price)
    outcome = client.read_order_reply(client.send_order(request), request)
    record = client.read_transaction(outcome.transaction_id)
    assert (record.is_pending, record.line_refs) == (True, ())
    access.simulator.move_clock(seconds=61)
    record = client.read_transaction(outcome.transaction_id)
    assert (record.is_pending, len(record.lines)) == (False, 3)
    assert {found.order_key for found in record.lines} == {KEY}
    assert {found.state for found in record.lines} == {LineState.READY}
    assert sorted(record.line_refs) == sorted(access.orders()[0]["refs"])
    # The same again is the same order: nothing more is sold.
    again = client.read_order_reply(client.send_order(request), request)
    assert again.transaction_id == outcome.transaction_id
    assert len(access.orders()) == 1
    found = client.find_order(KEY, sent_at=datetime.now(UTC) - timedelta(minutes=5))
    assert found is not None
    assert sorted(found.line_refs) == sorted(record.line_refs)


@pytest.mark.django_db
def test_a_raised_price_is_refused_before_anything_is_bought(access: Access) -> None:
    code = access.find_package(dataType=1)
    request = replace(ORDER, plan_ref=code, plan_alias="", quantity=1)
    access.change_package(code, price=18001)
    client = connect(access)
    with pytest.raises(Rejected) as caught:
        client.read_order_reply(client.send_order(request), request)
    assert (caught.value.code, caught.value.mend) == ("200005", "price")
    assert access.orders() == []
    careless = connect(access, check_prices=False)
    careless.read_order_reply(careless.send_order(request), request)
    assert len(access.orders()) == 1


@pytest.mark.django_db
def test_a_refused_duplicate_is_found_by_its_key(access: Access) -> None:
    access.set_switches(duplicate_order="error", allocation_delay_s=0)
    client = connect(access, check_prices=False)
    request = replace(ORDER, plan_ref=access.find_package(dataType=1), plan_alias="", quantity=2)
    first = client.read_order_reply(client.send_order(request), request)
    with pytest.raises(OutcomeUnknown) as caught:
        client.read_order_reply(client.send_order(request), request)
    assert caught.value.code == "310402"
    found = client.find_order(KEY, sent_at=datetime.now(UTC))
    assert found is not None
    assert (found.transaction_id, len(found.lines)) == (first.transaction_id, 2)
    assert len(access.orders()) == 1


@pytest.mark.django_db
def test_a_plan_by_the_day(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    client = connect(access)
    code = access.find_package(dataType=2)
    assert client.read_plan(code).days_choice_max == 365
    request = replace(ORDER, plan_ref=code, plan_alias="", quantity=1, period_days=5)
    outcome = client.read_order_reply(client.send_order(request), request)
    (sold,) = client.read_transaction(outcome.transaction_id).lines
    assert sold.total_data_bytes is None
    sent = access.requests("order")[-1]["body"]
    assert '"periodNum":5' in sent.replace(" ", "")
    assert "price" not in sent


@pytest.mark.django_db
def test_a_top_up_shows_as_a_package_of_its_own(access: Access) -> None:
    access.set_switches(allocation_delay_s=0)
    client = connect(access)
    code = access.find_package(dataType=1, supportTopUpType=2)
    (bought,) = access.buy(code)
    before = client.read_line(bought["esimTranNo"])
    (top_up, *_others) = client.list_top_ups(provider_ref=bought["esimTranNo"], iccid=before.iccid, plan_ref=code)
    request = replace(
        TOP_UP,
        provider_ref=bought["esimTranNo"],
        iccid=before.iccid,
        plan_ref=top_up.plan_ref,
        expected_price=top_up.net_price,
    )
    outcome = client.read_top_up_reply(client.send_top_up(request), request)
    after = client.read_line(bought["esimTranNo"])
    assert before.total_data_bytes is not None
    assert outcome.total_data_bytes == after.total_data_bytes
    assert outcome.total_data_bytes == before.total_data_bytes + (top_up.allowance.data_bytes or 0)
    assert after.packages[0] == before.packages[0]
    assert [(package.plan_ref, package.order_key) for package in after.packages[1:]] == [(top_up.plan_ref, KEY)]


@pytest.mark.django_db
@pytest.mark.parametrize("delay", [0, 3600])
def test_a_cancelled_line_gives_its_price_back_and_an_installed_one_does_not(access: Access, delay: int) -> None:
    access.set_switches(allocation_delay_s=0)
    client = connect(access)
    (bought,) = access.buy(access.find_package(dataType=1))
    request = ControlRequest(provider_ref=bought["esimTranNo"], capability=Capability.CANCEL)
    if delay:
        access.change_line(bought["esimTranNo"], "install")
        with pytest.raises(Rejected) as caught:
            client.read_control_reply(client.send_control(request), Capability.CANCEL)
        assert caught.value.code == "200002"
        assert access.effects("cancel") == []
        return
    assert client.read_control_reply(client.send_control(request), Capability.CANCEL).refund is True
    assert client.read_line(bought["esimTranNo"]).state is LineState.CANCELLED
    assert [effect["ref"] for effect in access.effects("cancel")] == [bought["esimTranNo"]]
