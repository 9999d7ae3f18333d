"""Reading eSIM Access: the catalogue in one piece, lines in pages, usage, regions, our webhook address."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.errors import Rejected, Unavailable
from providers.types import AccountBalance, Priority, Region, UsageSnapshot
from tests.providers.access_calls import (
    WEBHOOK_SECRET,
    envelope,
    lines,
    make_client,
    read_sent,
    refusal,
    replies,
)
from tests.providers.access_samples import DOCUMENT_LINE, DOCUMENT_PACKAGE, LINE, PACKAGE
from tests.providers.scripted import answer, drip, scripted
from tests.simulator_access import ACCESS_CODE, SECRET_KEY, Access
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db
EMPTY = {"locationCode": "", "type": "", "slug": "", "packageCode": "", "iccid": ""}
REF = "26033119290005"


def packages(*items: Any) -> bytes:
    return envelope({"packageList": list(items)})


def line(number: int, **changes: Any) -> dict[str, Any]:
    return {**LINE, "esimTranNo": f"2603311929000{number}", **changes}


# -- the catalogue ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "place"),
    [
        ({}, ""),
        ({"country": "JP"}, "JP"),
        ({"region": "RG"}, "!RG"),
        ({"region": "!GL"}, "!GL"),
        ({"region": "NA-3"}, "NA-3"),
        ({"country": "JP", "region": "RG"}, "JP"),
        ({"carrier": "Vodafone", "include_roaming": True}, ""),
    ],
)
def test_the_catalogue_is_one_call(filters: dict[str, Any], place: str) -> None:
    with scripted(*replies(packages(PACKAGE, DOCUMENT_PACKAGE))) as server:
        (page,) = make_client(url=server.url).list_plans(**filters)
    assert [offer.plan_ref for offer in page.offers] == ["CKH002", "JC016"]
    assert (page.total, page.is_last) == (2, True)
    assert read_sent(server) == [("package/list", {**EMPTY, "type": "BASE", "locationCode": place})]


def test_there_is_no_second_page() -> None:
    with scripted(*replies(packages(PACKAGE))) as server:
        assert list(make_client(url=server.url).list_plans(first_page=2)) == []
    assert server.requests == []


def test_a_long_list_has_a_time_out_of_its_own(settings: Any) -> None:
    settings.HTTP_READ_TIMEOUT = 0.1
    body = packages(PACKAGE)

    def dribble(connection: Any) -> None:
        connection.sendall(answer(body[:9], length=len(body)))
        drip(b"", body[9:], seconds=0.3, times=1)(connection)

    with scripted(dribble) as server:
        with pytest.raises(Unavailable):
            list(make_client(url=server.url, packages_timeout=0.1).list_plans())
        (page,) = make_client(url=server.url, packages_timeout=5.0).list_plans()
    assert page.total == 1


@pytest.mark.parametrize("body", [packages("x"), packages({"packageCode": None}), envelope({}), envelope(None)])
def test_a_list_of_which_nothing_can_be_read_is_a_failed_read(body: bytes) -> None:
    with scripted(*replies(body)) as server, pytest.raises(Unavailable):
        list(make_client(url=server.url).list_plans())


@pytest.mark.parametrize(
    ("asked", "bodies", "sent"),
    [
        # A code and a slug, each by its own name first.
        ("CKH002", [packages(PACKAGE)], [{"packageCode": "CKH002"}]),
        ("ES_3_30", [packages(PACKAGE)], [{"slug": "ES_3_30"}]),
        # A filter that is not heeded brings everything.
        ("CKH002", [packages(DOCUMENT_PACKAGE, {"packageCode": []}, PACKAGE)], [{"packageCode": "CKH002"}]),
        # A name that only the other filter knows.
        ("CKH002", [packages(), packages(PACKAGE)], [{"packageCode": "CKH002"}, {"slug": "CKH002"}]),
        ("ES_3_30", [refusal("310241"), packages(PACKAGE)], [{"slug": "ES_3_30"}, {"packageCode": "ES_3_30"}]),
    ],
)
def test_one_package_by_any_of_its_names(asked: str, bodies: list[bytes], sent: list[dict[str, str]]) -> None:
    with scripted(*replies(*bodies)) as server:
        assert make_client(url=server.url).read_plan(asked).plan_ref == "CKH002"
    assert read_sent(server) == [("package/list", {**EMPTY, "type": "BASE", **filters}) for filters in sent]


@pytest.mark.parametrize("body", [packages(), packages(DOCUMENT_PACKAGE), refusal("310241"), refusal("310243")])
def test_a_package_that_does_not_exist(body: bytes) -> None:
    with scripted(*replies(body)) as server, pytest.raises(Rejected) as caught:
        make_client(url=server.url).read_plan("GONE")
    assert (caught.value.code, caught.value.field) == ("no_such_plan", "plan_ref")


def test_top_ups_are_asked_for_by_the_package_and_not_by_a_number_that_is_used_again() -> None:
    top_up = {**PACKAGE, "packageCode": "TOPUP_CKH002"}
    with scripted(*replies(packages(top_up))) as server:
        client = make_client(url=server.url)
        found = client.list_top_ups(provider_ref=REF, iccid="8985224528000942210", plan_ref="CKH002")
    assert [offer.plan_ref for offer in found] == ["TOPUP_CKH002"]
    assert read_sent(server) == [("package/list", {**EMPTY, "type": "TOPUP", "packageCode": "CKH002"})]


@pytest.mark.parametrize(
    ("held", "filters"),
    [({}, {"packageCode": "P1X57VWMR"}), ({"packageList": []}, {"iccid": "8985224528000942210"})],
)
def test_where_the_package_is_not_known_the_line_is_asked_for_it(held: dict[str, Any], filters: dict[str, str]) -> None:
    with scripted(*replies(lines({**LINE, **held}), packages())) as server:
        client = make_client(url=server.url)
        assert client.list_top_ups(provider_ref=REF, iccid="8900000000000000000") == ()
    assert [path for path, _body in read_sent(server)] == ["esim/query", "package/list"]
    assert read_sent(server)[1][1] == {**EMPTY, "type": "TOPUP", **filters}


# -- lines ------------------------------------------------------------------------------------------------------------


def test_a_line_is_read_by_its_own_number() -> None:
    with scripted(*replies(lines(line(4), line(5)))) as server:
        found = make_client(url=server.url).read_line(REF, priority=Priority.PEOPLE)
    assert found.provider_ref == REF
    assert read_sent(server) == [("esim/query", {"esimTranNo": REF, "pager": {"pageNum": 1, "pageSize": 500}})]


def test_a_provider_that_does_not_heed_the_number_is_searched() -> None:
    with scripted(*replies(lines(line(1), line(2), total=5), lines(line(3), line(5), total=5))) as server:
        assert make_client(url=server.url).read_line(REF).provider_ref == REF
    assert [body["pager"]["pageNum"] for _path, body in read_sent(server)] == [1, 2]


@pytest.mark.parametrize("body", [lines(), lines(line(4)), refusal("200010"), lines({"iccid": "8985224528000942210"})])
def test_an_answer_without_the_line_says_nothing_about_it(body: bytes) -> None:
    with scripted(*replies(body)) as server, pytest.raises(Unavailable) as caught:
        make_client(url=server.url).read_line(REF)
    assert caught.value.operation == "query"
    assert len(server.requests) == 1


def test_a_line_that_the_provider_does_not_know_is_refused() -> None:
    with scripted(*replies(refusal("310403"))) as server, pytest.raises(Rejected) as caught:
        make_client(url=server.url).read_line(REF)
    assert (caught.value.code, caught.value.field) == ("310403", "iccid")


def test_all_lines_of_an_order_also_those_that_are_still_made() -> None:
    making = line(6, iccid="", ac="", esimStatus="GETTING_RESOURCE")
    with scripted(*replies(lines(line(5), making, line(7, orderNo="B-x")))) as server:
        found = make_client(url=server.url).read_order_lines("B26033119290003")
    assert [(held.provider_ref, held.state.value) for held in found] == [
        (REF, "ready"),
        ("26033119290006", "provisioning"),
    ]
    with scripted(*replies(refusal("200010"))) as server:
        assert make_client(url=server.url).read_order_lines("B26033119290003") == ()


def test_the_lines_of_a_time_come_once_each_whatever_moves_between_the_pages() -> None:
    since, until = datetime(2026, 4, 1, 9, 30, 15, tzinfo=UTC), datetime(2026, 4, 1, 10, 0, 1, tzinfo=UTC)
    pages = [lines(line(1), line(2), total=5), lines(line(2), line(3), total=5), lines("x", line(4), total=5)]
    with scripted(*replies(*pages)) as server:
        found = list(make_client(url=server.url).list_lines(since=since, until=until))
    assert [held.provider_ref[-1] for held in found] == ["1", "2", "3", "4"]
    span = {"startTime": "2026-04-01T09:30+00:00", "endTime": "2026-04-01T10:01+00:00"}
    assert read_sent(server) == [
        ("esim/query", {**span, "pager": {"pageNum": number, "pageSize": 500}}) for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "pages",
    [
        # No total: a page that is not full may be all that it gives at once.
        [envelope({"esimList": [line(1), line(2)], "pager": None}), envelope({"esimList": [], "pager": None})],
        [envelope({"esimList": [line(1), line(2)]}), envelope({"esimList": [line(2), line(1)]})],
        # A total that is too high, and a provider that does not turn the page.
        [lines(line(1), line(2), total=9), lines(line(1), line(2), total=9)],
        [lines(line(1), line(2), total=9), lines(total=9)],
    ],
)
def test_a_listing_always_ends(pages: list[bytes]) -> None:
    now = datetime.now(UTC)
    with scripted(*replies(*pages)) as server:
        found = list(make_client(url=server.url).list_lines(since=now - timedelta(hours=1), until=now))
    assert len(found) == 2
    assert len(server.requests) == len(pages)


@pytest.mark.parametrize("code", ["000001", "200010"])
def test_a_listing_that_fails_in_the_middle_says_so(code: str) -> None:
    now = datetime.now(UTC)
    with scripted(*replies(lines(line(1), total=9), refusal(code))) as server:
        listing = make_client(url=server.url).list_lines(since=now - timedelta(hours=1), until=now)
        assert next(listing).provider_ref == "26033119290001"
        with pytest.raises(Unavailable):
            next(listing)


# -- small replies ----------------------------------------------------------------------------------------------------

USAGE = {
    "esimTranNo": "25031120490003",
    "dataUsage": 1453344832,
    "totalData": 5368709120,
    "lastUpdateTime": "2025-03-19T18:00:00+0000",
}


@pytest.mark.parametrize("wrapper", ["esimUsageList", "usageList", ""])
def test_usage_of_several_lines(wrapper: str) -> None:
    items = [USAGE, {**USAGE, "esimTranNo": "B", "dataUsage": "7", "lastUpdateTime": None}, {"esimTranNo": "C"}, None]
    obj: Any = {wrapper: items} if wrapper else items
    with scripted(*replies(envelope(obj))) as server:
        first, second = make_client(url=server.url).read_usage(["25031120490003", "B", "C", "B"])
    assert first == UsageSnapshot(
        provider_ref="25031120490003",
        used_bytes=1453344832,
        # It may be one day's: the line itself tells which.
        total_data_bytes=None,
        as_of=datetime(2025, 3, 19, 18, tzinfo=UTC),
    )
    assert (second.provider_ref, second.used_bytes) == ("B", 7)
    assert timedelta(0) <= datetime.now(UTC) - second.as_of < timedelta(seconds=30)
    assert read_sent(server) == [("esim/usage/query", {"esimTranNoList": ["25031120490003", "B", "C"]})]


def test_a_stamp_from_the_future_does_not_freeze_a_line() -> None:
    with scripted(
        *replies(envelope({"esimUsageList": [{**USAGE, "lastUpdateTime": "2999-01-01T00:00:00Z"}]}))
    ) as server:
        (usage,) = make_client(url=server.url).read_usage(["25031120490003"])
    assert datetime.now(UTC) - usage.as_of < timedelta(seconds=30)


def test_usage_of_other_lines_is_no_answer() -> None:
    with scripted(*replies(envelope({"esimUsageList": [USAGE]}))) as server, pytest.raises(Unavailable):
        make_client(url=server.url).read_usage(["another"])


@pytest.mark.parametrize("extra", [{}, {"currencyCode": "usd"}])
def test_the_balance_may_be_below_zero(extra: dict[str, str]) -> None:
    with scripted(*replies(envelope({"balance": "-12345", **extra}))) as server:
        balance = make_client(url=server.url).read_balance()
    assert isinstance(balance, AccountBalance)
    assert (str(balance.money.amount), balance.money.currency) == ("-1.2345", "USD")


def test_regions_live_and_as_the_document_has_them() -> None:
    items = [
        {"code": "ES", "name": "Spain", "type": 1, "subLocationList": None},
        {"code": "NA-3", "name": "North America", "type": 2, "subLocationList": [{"code": "US", "name": "USA"}, {}]},
        {"code": "EU-2", "name": "", "type": "2", "subLocation": [{"code": "DE"}, {"code": "FR"}]},
        {"code": "AS-1", "name": "Asia", "type": None, "subLocations": [{"code": "JP"}]},
        {"name": "nameless"},
        {"code": "ES", "name": "twice", "type": 1},
    ]
    with scripted(*replies(envelope({"locationList": items}))) as server:
        assert make_client(url=server.url).read_regions() == (
            Region(code="ES", name="Spain", is_multi=False, members=("ES",)),
            Region(code="NA-3", name="North America", is_multi=True, members=("US",)),
            Region(code="EU-2", name="EU-2", is_multi=True, members=("DE", "FR")),
            Region(code="AS-1", name="Asia", is_multi=True, members=("JP",)),
        )


@pytest.mark.parametrize(
    ("obj", "found"),
    [
        ("https://shop.example/hook", "https://shop.example/hook"),
        ({"webhook": " https://shop.example/hook "}, "https://shop.example/hook"),
        ({"url": "http://shop.example/hook"}, "http://shop.example/hook"),
        ({"list": [{"name": "x", "address": "https://shop.example/hook"}]}, "https://shop.example/hook"),
        (None, ""),
        ("", ""),
        ({"webhook": None}, ""),
        ({"webhook": "none"}, ""),
    ],
)
def test_our_address_is_found_wherever_it_stands(obj: object, found: str) -> None:
    with scripted(*replies(envelope(obj))) as server:
        assert make_client(url=server.url).read_webhook_address() == found
    assert read_sent(server) == [("webhook/query", {})]


def test_our_address_is_set_as_printed() -> None:
    address = f"https://shop.example/webhooks/{WEBHOOK_SECRET}/"
    with scripted(*replies(envelope(None))) as server:
        make_client(url=server.url).save_webhook_address(address)
    assert read_sent(server) == [("webhook/save", {"webhook": address})]


# -- against the simulator --------------------------------------------------------------------------------------------


def test_the_whole_account_as_the_simulator_keeps_it(simulator: Simulator) -> None:
    access = Access(simulator)
    access.set_switches(allocation_delay_s=0)
    simulator.set_limits(multiplier=0)
    client = make_client(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    (page,) = client.list_plans()
    assert [offer.plan_ref for offer in page.offers] == access.base_codes()
    assert (page.total, page.faults) == (len(access.base_codes()), ())
    for region in ("RG", "GL"):
        (some,) = client.list_plans(region=region)
        assert 0 < len(some.offers) < len(page.offers)
        assert all(offer.region for offer in some.offers)
    code = access.find_package(dataType=1)
    bought = access.buy(code, 3)
    refs = sorted(item["esimTranNo"] for item in bought)
    now = datetime.now(UTC)
    listed = client.list_lines(since=now - timedelta(minutes=5), until=now + timedelta(minutes=5))
    assert sorted(found.provider_ref for found in listed) == refs
    access.use_data(refs[0], 5_000_000)
    usages = {usage.provider_ref: usage.used_bytes for usage in client.read_usage(refs)}
    assert usages == {refs[0]: 5_000_000, refs[1]: 0, refs[2]: 0}
    assert client.read_line(refs[0]).total_used_bytes == 5_000_000
    assert client.read_balance().money.amount * 10_000 == access.balance()
    assert {region.is_multi for region in client.read_regions()} == {True, False}


def test_lines_as_the_document_has_them_can_be_read_too(simulator: Simulator) -> None:
    access = Access(simulator)
    access.set_switches(
        allocation_delay_s=0,
        live_fields=False,
        error_text_field="errorMessage",
        success_as_text=True,
        success_code="null",
    )
    simulator.set_limits(multiplier=0)
    client = make_client(url=access.url, code=ACCESS_CODE, secret_key=SECRET_KEY)
    (page,) = client.list_plans()
    assert page.faults == ()
    code = access.find_package(dataType=1)
    body = {"transactionId": "t-1", "packageInfoList": [{"packageCode": code, "count": 2}]}
    number = access.call("/esim/order", body).json()["obj"]["orderNo"]
    record = client.read_transaction(number)
    assert (len(record.lines), record.is_pending) == (2, False)
    assert [found.order_key for found in record.lines] == ["", ""]
    # The document's lines do not tell our key: then nothing can be found by it.
    assert client.find_order("t-1", sent_at=datetime.now(UTC)) is None
    with pytest.raises(Rejected) as caught:
        client.read_line("no-such-number")
    assert caught.value.code == "310403"
    assert "does not exist" in caught.value.message


def test_the_documents_line_is_of_the_same_kind() -> None:
    with scripted(*replies(lines(DOCUMENT_LINE))) as server:
        assert make_client(url=server.url).read_line("22102706381912").iccid == "89852245280000942210"
