"""Reading catalogues of every shape through a sync run, and what stands in the plan rows afterwards."""

from decimal import Decimal
from time import monotonic

import pytest

from catalog.models import Plan, PlanCoverage, SyncRun
from catalog.search import sellable_plans
from tests.emulator.conftest import OpenOffice
from tests.emulator.house import Arrival
from tests.emulator.office import Office
from tests.emulator.quirks import Quirks
from tests.emulator.wire import Fault
from tests.emulator.wording import SAMPLE_PLAN

GB = 1024**3


def codes(office: Office) -> list[str]:
    return sorted(Plan.objects.filter(retired_at=None).values_list("plan_ref", flat=True))


def test_sample_plan_is_read_field_by_field(open_office: OpenOffice) -> None:
    """The sandbox document's own sample, verbatim: "unlimited" means 1 GB a day, then slow."""
    office = open_office(Quirks())
    office.emulator.books.plans = {"KD0001": SAMPLE_PLAN}
    plan = office.plan()
    assert (plan.name, plan.plan_type, plan.carrier) == ("1GB 7 Days Plan", "UNLIMITED", "KDDI")
    assert (plan.data_bytes, plan.data_period, plan.data_unlimited) == (GB, "day", False)
    assert (plan.net_price, plan.suggested_price, plan.currency) == (Decimal("9.99"), Decimal("12.99"), "USD")
    assert plan.retail_price == Decimal("12.99")
    assert (plan.validity_days, plan.validity_info) == (7, "Valid for 30 days from first use")
    assert (plan.max_speed, plan.reduced_speed, plan.speed_unit) == (Decimal(10000), Decimal(128), "")
    assert (plan.tethering, plan.top_up_supported, plan.kyc_required) == (True, False, False)
    assert (plan.voice_inbound, plan.voice_outbound, plan.sms_inbound, plan.sms_outbound) == (True, False, True, False)
    assert (plan.dialing_code, plan.ip_countries, plan.unused_termination_days) == ("+81", ["JP"], 180)
    (coverage,) = PlanCoverage.objects.filter(plan=plan)
    assert (coverage.country, coverage.kind) == ("JP", "unspecified")
    assert coverage.networks == [{"name": "NTT Docomo", "types": ["4G", "5G"]}]


def test_every_house_gives_its_prices_exactly(house: Office) -> None:
    house.emulator.stock_plans(120)
    run = house.sync()
    assert (run.state, run.added, run.faults) == ("succeeded", 120, []), run.error
    books = house.emulator.books.plans
    assert codes(house) == sorted(books)
    for plan in Plan.objects.all():
        truth = books[plan.plan_ref]
        assert plan.net_price == Decimal(str(truth["netPrice"]))
        assert plan.suggested_price == plan.retail_price == Decimal(str(truth["suggestedRetailPrice"]))
    assert sellable_plans().count() == 120
    again = house.sync()
    assert (again.state, again.unchanged, again.changed, again.added, again.retired) == ("succeeded", 120, 0, 0, 0)
    house.check_secrets()


@pytest.mark.parametrize("cap", [200, 100])
def test_three_thousand_plans(cap: int, open_office: OpenOffice) -> None:
    office = open_office(Quirks(page_cap=cap, framing="chunked", gzip=True, total_pages=cap == 200))
    office.emulator.stock_plans(3000)
    started = monotonic()
    run = office.sync()
    assert (run.state, run.added, run.error) == ("succeeded", 3000, "")
    # Without totalPages the end is an empty page.
    assert office.emulator.count("plans") == (15 if cap == 200 else 31)
    assert monotonic() - started < 30


def test_pages_that_fail_on_the_way(open_office: OpenOffice) -> None:
    """A page that is limited or cut is read again; none is read twice into the books, none is left out."""
    office = open_office(Quirks(page_cap=10))
    office.emulator.stock_plans(35)
    office.emulator.meet(
        "plans",
        None,
        Fault(kind="answer", status=429, headers={"Retry-After": "1"}),
        None,
        Fault(kind="answer", status=503, headers={"Retry-After": "1"}),
    )
    run = office.sync()
    assert (run.state, run.added, office.emulator.count("plans")) == ("succeeded", 35, 6)


def test_last_page_is_empty(open_office: OpenOffice) -> None:
    office = open_office(Quirks(page_cap=10, total_pages=False))
    office.emulator.stock_plans(20)
    run = office.sync()
    assert (run.state, run.added, office.emulator.count("plans")) == ("succeeded", 20, 3)


def test_meta_that_is_absent(open_office: OpenOffice) -> None:
    """Without a count nothing can be said to have vanished: what is there is taken, nothing is retired."""
    office = open_office(Quirks())
    office.emulator.stock_plans(3)
    assert office.sync().state == "succeeded"
    for meta in ("absent", None, {}, {"total": None, "totalPages": None}):
        items = [dict(plan) for plan in list(office.emulator.books.plans.values())[:2]]

        def answer(arrival: object, meta: object = meta, items: object = items) -> object:
            assert isinstance(arrival, Arrival)
            shown = items if arrival.query["page"] == "1" else []
            return {"items": shown, **({} if meta == "absent" else {"meta": meta})}

        office.emulator.canned["plans"] = answer
        run = office.sync()
        assert (run.state, run.retired, len(codes(office))) == ("incomplete", 0, 3)


def test_house_that_counts_pages_by_what_was_asked(open_office: OpenOffice) -> None:
    """It caps the page and forgets to say so in totalPages: half the plans must not silently stay unread."""
    office = open_office(Quirks(page_cap=10))
    office.emulator.stock_plans(35)
    wording = office.emulator.wording

    def meta(*, total: int, page: int, limit: int) -> dict[str, object]:
        return {"total": total, "page": page, "limit": 200, "totalPages": -(-total // 200)}

    wording.meta = meta  # type: ignore[method-assign]
    run = office.sync()
    assert (run.state, run.added, run.offers_read) == ("succeeded", 35, 35)
    # Four pages hold plans; the fourth brings the total, so no empty one is asked for.
    assert office.emulator.count("plans") == 4


@pytest.mark.parametrize("items", [None, "missing", {}, "text"])
def test_page_without_a_list(items: object, open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.sync_read.PAUSE", 0.0)
    office = open_office(Quirks())
    assert office.sync().state == "succeeded"
    office.emulator.canned["plans"] = lambda arrival: (
        {"meta": {"total": 0}} | ({} if items == "missing" else {"items": items})
    )
    run = office.sync()
    assert (run.state, codes(office)) == ("failed", ["KD0001"])


def test_empty_catalogue_asks_before_it_retires(open_office: OpenOffice) -> None:
    office = open_office(Quirks())
    office.emulator.stock_plans(3)
    office.sync()
    office.emulator.books.plans.clear()
    run = office.sync()
    assert (run.state, run.retired, len(codes(office))) == ("needs_approval", 0, 3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"netPrice": 9.99}, {"net_price": Decimal("9.99")}),
        ({"netPrice": 10}, {"net_price": Decimal(10)}),
        ({"netPrice": "1000.0000"}, {"net_price": Decimal(1000)}),
        ({"netPrice": "9,99"}, {"net_price": None}),
        ({"netPrice": None}, {"net_price": None}),
        ({"netPrice": -1}, {"net_price": None}),
        ({"netPrice": ""}, {"net_price": None}),
        ({"dataCap": "1.5"}, {"data_bytes": GB * 3 // 2}),
        ({"dataCap": 500, "dataUnit": "MB", "dataCapPer": "TOTAL"}, {"data_bytes": 500 * 1024**2}),
        ({"dataCap": None, "dataUnit": None, "dataCapPer": None}, {"data_bytes": None, "data_unlimited": True}),
        ({"dataCap": None, "planType": "LIMITED"}, {"data_bytes": None, "data_unlimited": False}),
        ({"dataUnit": "FURLONG"}, {"data_bytes": None, "data_unlimited": False}),
        ({"dataCapPer": "WEEK"}, {"data_period": "unknown"}),
        ({"planType": "MYSTERY"}, {"plan_type": "MYSTERY", "data_unlimited": False}),
        ({"validityDays": "7"}, {"validity_days": 7}),
        ({"validityDays": 7.0}, {"validity_days": 7}),
        ({"validityDays": "a week"}, {"validity_days": None}),
        ({"tethering": "true"}, {"tethering": True}),
        ({"tethering": None}, {"tethering": None}),
        ({"telephony": None}, {"voice_inbound": None, "dialing_code": ""}),
        ({"ipCountry": "JP"}, {"ip_countries": []}),
        ({"planName": None}, {"name": "KD0001"}),
        ({"planName": "\u0000ｱ\u2028 plan \U0001f5fe"}, {}),
        ({"eKYC": "yes"}, {"kyc_required": None}),
        ({"newField": {"deep": [1, 2]}}, {}),
    ],
)
def test_one_odd_field(change: dict[str, object], expected: dict[str, object], open_office: OpenOffice) -> None:
    office = open_office(Quirks())
    office.emulator.books.plans = {"KD0001": {**SAMPLE_PLAN, **change}}
    run = office.sync()
    assert run.state == "succeeded", run.error
    plan = Plan.objects.get()
    assert {name: getattr(plan, name) for name in expected} == expected


def test_without_a_currency_nothing_is_for_sale(open_office: OpenOffice) -> None:
    office = open_office(Quirks(), CURRENCY="")
    assert office.sync().state == "succeeded"
    plan = Plan.objects.get()
    assert (plan.net_price, plan.retail_price, plan.currency) == (None, None, "")
    assert sellable_plans().count() == 0


def test_sync_waits_for_the_houses_limit(open_office: OpenOffice) -> None:
    office = open_office(Quirks(page_cap=10))
    office.emulator.stock_plans(20)
    office.emulator.meet("plans", Fault(kind="answer", status=429, headers={"Retry-After": "1"}))
    started = monotonic()
    run = office.sync()
    assert (run.state, run.added, run.faults, office.emulator.count("plans")) == ("succeeded", 20, [], 3)
    assert monotonic() - started >= 1
    assert SyncRun.objects.count() == 1
