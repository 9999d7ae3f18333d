"""Orders, actions on lines and top-ups at the four houses: what was asked for, once, and every documented no."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from providers.base import Provider
from providers.errors import (
    KeyTaken,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    StillAllocating,
    Unavailable,
)
from providers.registry import get_provider
from providers.types import LineState, Money, TopUpOutcome, TopUpRequest
from tests.emulator.wire import Fault
from tests.emulator_access.books import GIB, Line
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.making import buy, control, make_request, see, send, wait_for
from tests.emulator_access.quirks import VARIANTS, Quirks
from tests.emulator_access.server import AccessHouse
from tests.emulator_access.wording import TEXTS

#: code -> (raised for an order, what staff can mend)
ORDER_CODES: dict[str, tuple[type[ProviderError], str | None]] = {
    "000001": (OutcomeUnknown, None),
    **dict.fromkeys(("000101", "000102", "101001", "101002", "101003"), (Rejected, "credentials")),
    **dict.fromkeys(("000103", "000104", "000105", "000106", "000107"), (Rejected, None)),
    "200002": (Rejected, None),
    "200005": (Rejected, "price"),
    "200006": (Rejected, "price"),
    "200007": (Rejected, "balance"),
    "200008": (Rejected, None),
    "200009": (OutcomeUnknown, None),
    "200011": (Rejected, "stock"),
    **dict.fromkeys(("310201", "310211", "310221", "310231", "310241", "310243", "310251"), (Rejected, None)),
    "900001": (RateLimited, None),
}


def top_up(
    provider: Provider, line: Line, code: str, *, days: int | None = None, price: str = "", key: str = ""
) -> TopUpOutcome:
    request = TopUpRequest(
        provider_ref=line.tran_no,
        iccid=line.iccid,
        plan_ref=code,
        idempotency_key=key or str(uuid.uuid4()),
        expected_price=Money(amount=Decimal(price), currency="USD") if price else None,
        period_days=days,
    )
    return provider.read_top_up_reply(provider.send_top_up(request), request)


# -- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 30])
def test_order_and_allocation(count: int, provider: Provider, house: AccessHouse) -> None:
    request = make_request("CKH002", count, price="1.80")
    outcome = send(provider, request)
    (sale,) = house.books.sales
    assert (outcome.order_ref, sale.transaction_id) == (sale.order_no, request.idempotency_key)
    numbers = wait_for(provider, outcome, count)
    assert sorted(numbers) == house.books.sold
    lines = {line.provider_ref: line for line in provider.read_order_lines(sale.order_no)}
    assert {ref: line.lpa for ref, line in lines.items()} == {
        ref: house.books.lines[ref].lpa for ref in house.books.sold
    }
    (arrival,) = house.find("order")
    (item,) = arrival.body["packageInfoList"]
    assert (item["count"], item["price"], arrival.body["amount"]) == (count, 18_000, 18_000 * count)
    assert house.complaints == []


def test_order_by_the_day_names_no_price(provider: Provider, house: AccessHouse) -> None:
    numbers = wait_for(provider, send(provider, make_request("P1X57VWMR", 2, days=9, price="8.10")), 2)
    assert [house.books.lines[number].days for number in numbers] == [9, 9]
    (arrival,) = house.find("order")
    assert arrival.body["packageInfoList"][0]["periodNum"] == 9
    assert "amount" not in arrival.body
    assert house.complaints == []


def test_more_than_thirty_is_not_one_order(provider: Provider, house: AccessHouse) -> None:
    with pytest.raises(ValueError, match="1 to 30"):
        provider.send_order(make_request("CKH002", 31))
    assert (house.count("order"), provider.max_order_quantity) == (0, 30)


def test_waits_while_it_allocates(variant: Quirks, open_office: OpenOffice) -> None:
    """200010, an empty list, rows without ICCID and code, an order that is not there yet: all of it is "not yet"."""
    office = open_office(replace(variant, looks=3))
    provider = get_provider(office.account.slug)
    outcome = send(provider, make_request("CKH002", 4))
    for _ in range(3):
        record = provider.read_transaction(outcome.transaction_id)
        assert record.is_pending
        assert all(line.lpa and line.iccid for line in record.lines)
    record = provider.read_transaction(outcome.transaction_id)
    assert (record.is_pending, len(record.lines)) == (False, 4)


PENDING: tuple[object, ...] = (
    {"esimList": None, "pager": None},
    {"esimList": [], "pager": {"pageSize": 50, "pageNum": 1, "total": 0}},
    {"pager": {"total": "0"}},
    {"esimList": [{"orderNo": "B1"}, None], "pager": {"total": 2}},
    {},
    None,
)


@pytest.mark.parametrize("obj", PENDING)
def test_other_ways_to_say_not_yet(obj: object, open_office: OpenOffice) -> None:
    """None of them is an end: nothing is short, nothing is lost."""
    office = open_office(replace(VARIANTS["live"], looks=0))
    provider, house = get_provider(office.account.slug), office.emulator
    outcome = send(provider, make_request("CKH002", 2))
    house.meet("query", Fault(kind="answer", body=house.wording.success(obj)))
    try:
        record = provider.read_transaction(outcome.transaction_id)
    except (Unavailable, StillAllocating):
        pass
    else:
        assert (record.is_pending, record.lines) == (True, ())
    assert len(wait_for(provider, outcome, 2)) == 2


def test_same_key_is_the_same_order(provider: Provider, house: AccessHouse) -> None:
    request = make_request("CKH002", 2)
    first = send(provider, request)
    if house.quirks.duplicate == "original":
        assert send(provider, request).order_ref == first.order_ref
    else:
        with pytest.raises(KeyTaken):
            send(provider, request)
    assert len(house.books.sales) == 1
    ids = [arrival.headers["rt-requestid"] for arrival in house.find("order")]
    assert len(set(ids)) == 2


def test_lost_reply_is_found_by_our_key(provider: Provider, house: AccessHouse) -> None:
    """Where the house tells our transactionId with its eSIMs, a lost order is found in the listing of that time."""
    buy(provider, "SM001")
    request = make_request("CKH002", 12)
    house.meet("order", Fault(kind="reset_after"))
    with pytest.raises(OutcomeUnknown):
        send(provider, request)
    house.books.sales[-1].looks_left = 0
    record = provider.find_order(request.idempotency_key, sent_at=datetime.now(UTC) - timedelta(hours=1))
    if not house.quirks.tells_key:
        assert record is None
        return
    assert record is not None
    sale = house.books.sales[-1]
    assert (record.order_ref, sorted(record.line_refs)) == (sale.order_no, sorted(sale.tran_nos))


def test_cut_reply_of_an_order(provider: Provider, house: AccessHouse) -> None:
    """Asked again with its key, it is still one order."""
    for share in (0.0, 0.3, 0.8, 0.99):
        request, before = make_request("CKH002", 2), len(house.books.sales)

        def cut(body: bytes, share: float = share) -> int:
            return int(len(body) * share)

        house.meet("order", Fault(kind="cut", cut=cut))
        try:
            outcome = send(provider, request)
        except OutcomeUnknown:
            try:
                outcome = send(provider, request)
            except KeyTaken:
                assert house.quirks.duplicate == "310402"
                assert len(house.books.sales) == before + 1
                continue
        assert len(house.books.sales) == before + 1
        assert outcome.order_ref == house.books.sales[-1].order_no


def test_every_documented_no_to_an_order(provider: Provider, house: AccessHouse) -> None:
    assert set(ORDER_CODES) | {"200010", "310272", "310403"} == set(TEXTS)
    for code, (kind, mend) in ORDER_CODES.items():
        body = house.wording.failure(code)
        house.meet("order", Fault(kind="answer", status=house.quirks.failure_status, body=body))
        with pytest.raises(kind) as refusal:
            send(provider, make_request("CKH002"))
        assert refusal.type is kind
        assert (refusal.value.code, getattr(refusal.value, "mend", None)) == (code, mend)
        if isinstance(refusal.value, Rejected):
            assert TEXTS[code].rstrip(".") in refusal.value.message
    assert house.books.sales == []


@pytest.mark.parametrize("code", ["310999", "200099", "abc", "101", "10"])
def test_a_code_that_nobody_knows_proves_nothing(code: str, open_office: OpenOffice) -> None:
    """101 is not 000101, and 10 is not 200010."""
    office = open_office(VARIANTS["live"])
    provider = get_provider(office.account.slug)
    office.emulator.meet("order", Fault(kind="answer", body=office.emulator.wording.failure(code, "what now")))
    with pytest.raises(OutcomeUnknown) as refusal:
        send(provider, make_request("CKH002"))
    assert refusal.value.code == code


def test_house_that_really_refuses(provider: Provider, house: AccessHouse) -> None:
    books = house.books
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request("NO_SUCH_1"))
    assert (refusal.value.code, refusal.value.mend) == ("310241", None)
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request("CKH002", 2, price="1.70"))
    assert (refusal.value.mend, refusal.value.code in ("200005", "200006")) == ("price", True)
    books.stock["CKH002"] = 1
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request("CKH002", 2))
    assert (refusal.value.code, refusal.value.mend) == ("200011", "stock")
    books.changes.clear()
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request("JC016"))
    assert (refusal.value.code, refusal.value.mend) == ("200007", "balance")
    assert (books.sales, house.complaints) == ([], [])


@pytest.mark.parametrize(
    "body", [b"", b"null", b'{"success":true}', b'{"success":"true","errorCode":null,"obj":{}}', b"<html>ok</html>"]
)
def test_success_without_a_number_may_have_sold(body: bytes, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    office.emulator.meet("order", Fault(kind="answer", effect=True, body=body))
    with pytest.raises(OutcomeUnknown):
        send(get_provider(office.account.slug), make_request("CKH002"))


@pytest.mark.parametrize(
    ("envelope", "is_success"),
    [
        ({"success": True, "errorCode": "000000"}, True),
        ({"success": "TRUE", "errorCode": 0}, True),
        ({"success": "true"}, True),
        ({"success": True, "errorCode": "200007"}, False),
        ({"success": "false", "errorCode": None}, False),
        ({"errorCode": "0"}, False),
    ],
)
def test_success_is_both_words_together(envelope: dict[str, object], is_success: bool, open_office: OpenOffice) -> None:
    office = open_office()
    provider = get_provider(office.account.slug)
    body = json.dumps(envelope | {"obj": {"orderNo": "B1"}}).encode()
    office.emulator.meet("order", Fault(kind="answer", body=body))
    if is_success:
        assert send(provider, make_request("CKH002")).order_ref == "B1"
    else:
        with pytest.raises(ProviderError):
            send(provider, make_request("CKH002"))


def test_nothing_leaves_where_nobody_listens(open_office: OpenOffice) -> None:
    office = open_office(URL="http://127.0.0.1:9")
    with pytest.raises(NotSent):
        send(get_provider(office.account.slug), make_request("CKH002"))


# -- one line ---------------------------------------------------------------------------------------------------------


def test_cancel_gives_the_money_back_once(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "P1X57VWMR", days=4)
    line = house.books.lines[number]
    control(provider, line, "cancel")
    assert (line.status, house.books.balance) == ("CANCEL", 10_000_000)
    assert provider.read_line(number).state is LineState.CANCELLED
    with pytest.raises(Rejected) as refusal:
        control(provider, line, "cancel")
    assert (refusal.value.code, house.books.balance) == ("200002", 10_000_000)


def test_installed_line_cannot_be_cancelled(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "CKH002")
    house.books.install(house.books.lines[number])
    with pytest.raises(Rejected) as refusal:
        control(provider, house.books.lines[number], "cancel")
    assert (refusal.value.code, house.books.lines[number].status) == ("200002", "GOT_RESOURCE")


def test_suspend_release_revoke(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "CKH002")
    line = house.books.lines[number]
    house.books.install(line, in_use=True)
    control(provider, line, "suspend")
    assert provider.read_line(number).state is LineState.SUSPENDED
    control(provider, line, "release")
    assert provider.read_line(number).state is LineState.ACTIVE
    balance = house.books.balance
    control(provider, line, "revoke")
    assert provider.read_line(number).state is LineState.TERMINATED
    assert house.books.balance == balance
    with pytest.raises(Rejected):
        control(provider, line, "suspend")
    acted = [arrival for arrival in house.arrivals if arrival.operation in ("suspend", "unsuspend", "revoke")]
    assert all(arrival.body.get("esimTranNo") == number for arrival in acted)
    assert house.complaints == []


def test_sms(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "CKH002")
    line = house.books.lines[number]
    house.books.install(line)
    text = "お知らせ: 90% used. Größe “ok” \\ / $ 😀\nReply STOP"
    control(provider, line, "sms", message=text)
    assert line.messages == [text]
    control(provider, line, "sms", message="x" * 500)
    with pytest.raises((ProviderError, ValueError)):
        control(provider, line, "sms", message="x" * 501)
    assert [len(message) for message in line.messages] == [len(text), 500]


@pytest.mark.parametrize("word", ["cancel", "suspend", "release", "revoke", "sms"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("200002", Rejected),
        ("310403", Rejected),
        ("000001", OutcomeUnknown),
        ("101003", Rejected),
        ("999", OutcomeUnknown),
    ],
)
def test_no_to_an_action(word: str, code: str, kind: type[ProviderError], open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    provider, house = get_provider(office.account.slug), office.emulator
    (number,) = buy(provider, "CKH002")
    before = repr(house.books.lines[number])
    operation = "unsuspend" if word == "release" else word
    house.meet(operation, Fault(kind="answer", body=house.wording.failure(code)))
    with pytest.raises(kind) as refusal:
        control(provider, house.books.lines[number], word, message="hello" if word == "sms" else "")
    assert (refusal.value.code, repr(house.books.lines[number])) == (code, before)


# -- top-ups ----------------------------------------------------------------------------------------------------------


def test_top_up_brings_new_totals(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "CKH002")
    line = house.books.lines[number]
    house.books.install(line, in_use=True)
    house.books.use(line, 3 * GIB)
    (offer,) = provider.list_top_ups(provider_ref=number, iccid=line.iccid, plan_ref="CKH002")
    assert (offer.plan_ref, offer.net_price) == ("TOPUP_CKH002", Money(amount=Decimal("1.70"), currency="USD"))
    outcome = top_up(provider, line, offer.plan_ref, price="1.70")
    assert (outcome.total_data_bytes, outcome.used_bytes) == (6 * GIB, 3 * GIB)
    if house.quirks.top_up_expiry == "text":
        assert outcome.expires_at == see(house, line.expires_at)
    snapshot = provider.read_line(number)
    assert (snapshot.total_data_bytes, snapshot.total_used_bytes, snapshot.state) == (
        6 * GIB,
        3 * GIB,
        LineState.ACTIVE,
    )
    assert [package.plan_ref for package in snapshot.packages] == ["CKH002", "TOPUP_CKH002"]
    assert len({package.package_ref for package in snapshot.packages}) == 2
    (arrival,) = house.find("topup")
    assert arrival.body["esimTranNo"] == number
    assert (len(house.books.top_ups), house.complaints) == (1, [])


def test_top_up_by_the_day(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "P1X57VWMR", days=2)
    line = house.books.lines[number]
    top_up(provider, line, "TOPUP_P1X57VWMR", days=3, price="2.40")
    (arrival,) = house.find("topup")
    assert (arrival.body["periodNum"], "amount" in arrival.body) == (3, False)
    assert line.days == 5


def test_top_ups_of_a_line_whose_package_has_none(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "SM001")
    line = house.books.lines[number]
    assert provider.list_top_ups(provider_ref=number, iccid=line.iccid, plan_ref="SM001") == ()


def test_no_to_a_top_up(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "CKH002")
    line = house.books.lines[number]
    for code, price, expected in (
        ("TOPUP_JC016", "", ("310243", None)),
        ("TOPUP_GONE", "", ("310241", None)),
        ("TOPUP_CKH002", "1.60", ("200006", "price")),
    ):
        with pytest.raises(Rejected) as refusal:
            top_up(provider, line, code, price=price)
        assert (refusal.value.code, refusal.value.mend) == expected
    house.books.expire(line)
    with pytest.raises(Rejected) as refusal:
        top_up(provider, line, "TOPUP_CKH002")
    assert refusal.value.code == "200002"
    house.books.changes.clear()
    line.status = "IN_USE"
    line.expires_at = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(Rejected) as refusal:
        top_up(provider, line, "TOPUP_CKH002")
    assert (refusal.value.code, refusal.value.mend) == ("200007", "balance")
    assert house.books.top_ups == []


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "close_before"])
def test_lost_top_up_is_unknown(kind: str, provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "CKH002")
    house.meet("topup", Fault(kind=kind))
    with pytest.raises(OutcomeUnknown):
        top_up(provider, house.books.lines[number], "TOPUP_CKH002")
    assert len(house.books.top_ups) == (kind == "reset_after")


def test_top_up_that_may_have_happened(provider: Provider, house: AccessHouse) -> None:
    """It is never repeated by itself: "busy" may be said behind the door."""
    (number,) = buy(provider, "CKH002")
    for code in ("000001", "900001", "200009", "310402"):
        body = house.wording.failure(code)
        house.meet("topup", Fault(kind="answer", status=house.quirks.failure_status, effect=True, body=body))
        with pytest.raises(OutcomeUnknown):
            top_up(provider, house.books.lines[number], "TOPUP_CKH002")
