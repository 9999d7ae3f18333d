"""What is read from houses that word the same facts in four ways: the values that leave ``providers`` are the same."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from providers.base import Provider
from providers.errors import ProviderError, Rejected, Unavailable
from providers.registry import get_provider
from providers.types import AfterCap, DataPeriod, LineState, Money, PlanOffer, StartsWith
from tests.emulator.wire import Fault
from tests.emulator_access.books import GIB
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.making import buy, control, see
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS, Quirks
from tests.emulator_access.server import AccessHouse


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def read_offers(provider: Provider, **filters: str) -> dict[str, PlanOffer]:
    pages = list(provider.list_plans(**filters))  # type: ignore[arg-type]
    assert [fault for page in pages for fault in page.faults] == []
    assert pages[-1].is_last or pages[-1].total is not None
    return {offer.plan_ref: offer for page in pages for offer in page.offers}


def test_packages(provider: Provider, house: AccessHouse) -> None:
    offers = read_offers(provider)
    assert set(offers) == {package.code for package in house.books.packages.values() if not package.base}
    spain, asia, vietnam = offers["CKH002"], offers["JC016"], offers["SM001"]
    assert (spain.net_price, spain.suggested_price) == (
        usd("1.80"),
        None if house.quirks.packages == "sparse" else usd("3.60"),
    )
    assert (spain.allowance.data_bytes, spain.allowance.period, spain.allowance.unlimited) == (
        3 * GIB,
        DataPeriod.TOTAL,
        False,
    )
    assert (spain.validity_days, spain.days_choice_max) == (30, None)
    assert [place.country for place in asia.coverage] == "CN HK ID JP MO MY PH SG KR TW TH".split()  # noqa: SIM905
    assert vietnam.net_price == usd("0.285")
    if house.quirks.packages != "sparse":
        assert (spain.alias, spain.starts_with, vietnam.starts_with) == (
            "ES_3_30",
            StartsWith.CONNECTION,
            StartsWith.INSTALLATION,
        )
        assert (spain.unused_termination_days, vietnam.unused_termination_days) == (180, 30)
        assert [(network.name, network.types) for network in spain.coverage[0].networks] == [("T-Mobile", ("4G", "5G"))]
        assert (spain.api_sms, asia.api_sms, vietnam.api_sms) == (True, False, True)
    assert (spain.top_up_supported, vietnam.top_up_supported) == (True, False)
    assert house.complaints == []


def test_packages_by_the_day(provider: Provider) -> None:
    """Volume, price and duration are one day's; how many days is chosen with the order, 1 to 365."""
    offers = read_offers(provider)
    georgia, turkiye = offers["P1X57VWMR"], offers["PUNLIM04"]
    assert (georgia.days_choice_max, georgia.validity_days, georgia.net_price) == (365, 1, usd("0.90"))
    assert (georgia.allowance.data_bytes, georgia.allowance.period) == (GIB, DataPeriod.DAY)
    assert georgia.after_cap is AfterCap.REDUCED
    # Called unlimited, with a number all the same: nothing is claimed of what comes after it.
    assert (turkiye.days_choice_max, turkiye.after_cap) == (365, AfterCap.UNKNOWN)
    assert georgia.top_up_supported is True


def test_filters_are_sent_as_documented(provider: Provider, house: AccessHouse) -> None:
    assert set(read_offers(provider, country="JP")) == {"JC016"}
    assert {arrival.body.get("locationCode") for arrival in house.find("packages")} == {"JP"}
    assert house.complaints == []


def test_one_bad_package_costs_only_itself(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    rows = [office.emulator.wording.package(package) for package in office.emulator.books.packages.values()][:5]
    rows[0] = {**rows[0], "price": "a lot", "volume": -1}
    broken: list[object] = [rows[0], None, "x", {**rows[1], "packageCode": None}, rows[2], rows[2], *rows[3:]]
    office.emulator.canned["packages"] = lambda _: {"success": True, "errorCode": "0", "obj": {"packageList": broken}}
    (page,) = get_provider(office.account.slug).list_plans()
    assert {"SM001", "P1X57VWMR", "PUNLIM04"} <= {offer.plan_ref for offer in page.offers}
    assert all(offer.net_price is None for offer in page.offers if offer.plan_ref == "JC016")
    assert page.faults


def test_balance_is_what_is_left_after_the_true_price(provider: Provider, house: AccessHouse) -> None:
    """A house may charge less than it lists: the balance tells the cost."""
    assert provider.read_balance().money == usd("1000")
    buy(provider, "P1X57VWMR", days=3)
    cost = 3 * (9_000 - house.quirks.discount)
    assert provider.read_balance().money == Money(amount=Decimal(10_000_000 - cost) / 10_000, currency="USD")


def test_regions(provider: Provider) -> None:
    regions = {region.code: region for region in provider.read_regions()}
    assert (regions["ES"].name, regions["ES"].is_multi, regions["ES"].members) == ("Spain", False, ("ES",))
    assert (regions["AS-11"].is_multi, regions["AS-11"].members[:3]) == (True, ("CN", "HK", "ID"))


def test_line_from_new_to_its_end(provider: Provider, house: AccessHouse) -> None:
    """The document's matrix: new, onboard, in use, depleted, deleted; and expiry."""
    (number,) = buy(provider, "CKH002")
    line = house.books.lines[number]
    snapshot = provider.read_line(number)
    assert (snapshot.provider_ref, snapshot.iccid, snapshot.lpa) == (number, line.iccid, line.lpa)
    assert (snapshot.smdp_address, snapshot.matching_id) == ("rsp-eu.access.example", line.matching_id)
    assert (snapshot.state, snapshot.total_used_bytes, snapshot.eid) == (LineState.READY, 0, "")
    assert (snapshot.total_data_bytes, snapshot.order_ref, snapshot.apn) == (3 * GIB, line.order_no, "drei.at")
    # Until the line is used, it is the time to use it by.
    assert (snapshot.activation_deadline, snapshot.expires_at) == (see(house, line.expires_at), None)
    assert snapshot.faults == ()
    house.books.install(line)
    snapshot = provider.read_line(number)
    assert (snapshot.state, snapshot.eid) == (LineState.INSTALLED, line.eid)
    house.books.install(line, in_use=True)
    house.books.use(line, 123)
    snapshot = provider.read_line(number)
    assert (snapshot.state, snapshot.total_used_bytes) == (LineState.ACTIVE, 123)
    assert (snapshot.activation_deadline, snapshot.expires_at) == (None, see(house, line.expires_at))
    line.smdp = "DISABLED"
    assert provider.read_line(number).state is LineState.ACTIVE
    house.books.use(line, 3 * GIB)
    assert provider.read_line(number).state is LineState.DEPLETED
    house.books.expire(line)
    assert provider.read_line(number).state is LineState.EXPIRED


STATES = (
    ("GETTING_RESOURCE", "", LineState.PROVISIONING),
    ("PAID", "", LineState.PROVISIONING),
    ("GOT_RESOURCE", "RELEASED", LineState.READY),
    ("GOT_RESOURCE", "DOWNLOAD", LineState.DOWNLOADED),
    ("GOT_RESOURCE", "INSTALLATION", LineState.INSTALLED),
    ("GOT_RESOURCE", "ENABLED", LineState.INSTALLED),
    ("SUSPENDED", "ENABLED", LineState.SUSPENDED),
    ("UNUSED_EXPIRED", "RELEASED", LineState.EXPIRED),
    ("CANCEL", "RELEASED", LineState.CANCELLED),
    ("CANCELLED", "RELEASED", LineState.CANCELLED),
    ("REVOKE", "DELETED", LineState.TERMINATED),
    ("REVOKED", "DELETED", LineState.TERMINATED),
    ("in_use", "enabled", LineState.ACTIVE),
    ("FROZEN_BY_MOON", "ENABLED", LineState.UNKNOWN),
)


def test_words_of_states(open_office: OpenOffice) -> None:
    office = open_office()
    provider = get_provider(office.account.slug)
    (number,) = buy(provider, "CKH002")
    line = office.emulator.books.lines[number]
    for status, smdp, state in STATES:
        line.status, line.smdp = status, smdp
        snapshot = provider.read_line(number)
        assert (status, smdp, snapshot.state) == (status, smdp, state)
        assert status in snapshot.raw_states.values()


def test_usage_of_ten_lines_in_one_call(provider: Provider, house: AccessHouse) -> None:
    numbers = buy(provider, "CKH002", 10)
    for place, number in enumerate(numbers):
        house.books.use(house.books.lines[number], place * 1000)
    del house.books.lines[numbers[9]]
    usages = {usage.provider_ref: usage for usage in provider.read_usage(numbers)}
    assert house.count("usage") == 1
    assert {ref: usage.used_bytes for ref, usage in usages.items()} == {
        number: place * 1000 for place, number in enumerate(numbers[:9])
    }
    truth = house.books.lines[numbers[3]]
    assert truth.used_at is not None
    # "totalData" may be one day's: the reply does not say of which kind the package is.
    assert (usages[numbers[3]].as_of, usages[numbers[3]].total_data_bytes) == (see(house, truth.used_at), None)
    with pytest.raises(ValueError, match="1 to 10"):
        provider.read_usage([str(number) for number in range(11)])


def test_daily_package_on_a_line_has_no_total(provider: Provider, house: AccessHouse) -> None:
    (number,) = buy(provider, "P1X57VWMR", days=5)
    snapshot = provider.read_line(number)
    assert snapshot.total_data_bytes is None
    (package,) = snapshot.packages
    assert package.allowance is not None
    assert (package.plan_ref, package.allowance.period, package.allowance.data_bytes) == (
        "P1X57VWMR",
        DataPeriod.DAY,
        GIB,
    )


def test_reused_iccid_is_two_lines(provider: Provider, house: AccessHouse) -> None:
    (first,) = buy(provider, "CKH002")
    control(provider, house.books.lines[first], "cancel")
    (second,) = buy(provider, "CKH002")
    lines = house.books.lines
    assert lines[first].iccid == lines[second].iccid
    assert provider.read_line(first).state is LineState.CANCELLED
    snapshot = provider.read_line(second)
    assert (snapshot.state, snapshot.lpa, snapshot.iccid) == (LineState.READY, lines[second].lpa, lines[first].iccid)


def test_listing_that_moves_while_it_is_paged(provider: Provider, house: AccessHouse) -> None:
    numbers = buy(provider, "CKH002", 23)
    since, until = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    listed = [snapshot.provider_ref for snapshot in provider.list_lines(since=since, until=until)]
    assert len(listed) == len(set(listed))
    assert set(numbers) <= set(listed)
    pagers = [arrival.body["pager"] for arrival in house.find("query")]
    assert all(5 <= pager["pageSize"] <= 500 for pager in pagers)
    assert house.complaints == []


def test_unknown_line_is_not_a_line(provider: Provider) -> None:
    with pytest.raises((Rejected, Unavailable)):
        provider.read_line("25080999999999")


@pytest.mark.parametrize("environment", [{"CODE": "ac-somebody-else"}, {"SECRET_KEY": "sk-wrong-9912"}])
def test_wrong_keys(environment: dict[str, str], variant: Quirks, open_office: OpenOffice) -> None:
    office = open_office(variant, **environment)
    with pytest.raises(ProviderError) as refusal:
        get_provider(office.account.slug).check()
    if variant.wrong_key == "101003" or "SECRET_KEY" in environment:
        assert getattr(refusal.value, "mend", None) == "credentials"
    assert not any(value in refusal.value.message for value in environment.values())


def test_code_alone_is_enough_where_the_house_says_so(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"], SECRET_KEY="")
    get_provider(office.account.slug).check()
    assert "rt-signature" not in office.emulator.arrivals[-1].headers
    office = open_office(VARIANTS["gateway"], SECRET_KEY="")
    with pytest.raises(ProviderError):
        get_provider(office.account.slug).check()


NOTHING = (
    *(b"", b"null", b"[]", b"{}", b'{"success":true}', b"<html></html>"),
    b'{"success":true,"errorCode":"0","obj":null}',
)


@pytest.mark.parametrize("status", [200, 400, 502])
def test_reads_that_say_nothing(status: int, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    provider = get_provider(office.account.slug)
    (number,) = buy(provider, "CKH002")
    for body in NOTHING:
        office.emulator.meet("query", Fault(kind="answer", status=status, body=body))
        with pytest.raises((Unavailable, Rejected)):
            provider.read_line(number)


def test_whole_office_sync(office: Office) -> None:
    """The catalogue of each house becomes the same plans."""
    run = office.sync()
    assert (run.state, run.error) == ("succeeded", "")
    plan = office.plan("CKH002")
    assert (plan.net_price, plan.currency, plan.retired_at) == (Decimal("1.80"), "USD", None)
    assert office.emulator.complaints == []
