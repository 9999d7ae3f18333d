"""The catalogue in the API: what travellers are shown, filters, orders, languages."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pytest_django import Settings

from catalog.areas import offered_areas
from catalog.models import Plan
from catalog.search import PlanFilter, narrow_plans, offered_plans
from providers.models import ProviderRegion
from providers.regions import record_regions
from providers.types import AfterCap, CoverageKind, DataPeriod, Region
from tests.catalog.making import GB, make_account, make_plan

pytestmark = pytest.mark.django_db
D = Decimal
API = "/api/v1"


@pytest.fixture
def client() -> Client:
    return Client()


def ask(client: Client, path: str, *, status: int = 200, language: str = "en") -> Any:
    response = client.get(f"{API}/{path}", headers={"Accept-Language": language})
    assert response.status_code == status, response.content
    return response.json()


def names(client: Client, query: str) -> list[str]:
    return [plan["name"] for plan in ask(client, f"plans?{query}")["results"]]


def test_destinations_have_names_flags_counts_and_lowest_prices(client: Client) -> None:
    make_plan(covers=["JP", "KR"], retail_price=D("6.50"))
    make_plan(covers=["JP"], retail_price=D("4.00"))
    make_plan(covers=["JP"], retail_price=D(900), currency="JPY")
    make_plan(covers=["FR"], is_published=False)
    make_plan(make_account("paused", is_paused=True), covers=["DE"])

    assert ask(client, "destinations") == {
        "results": [
            {
                "country": "JP",
                "name": "Japan",
                "flag": "🇯🇵",
                "plans": 3,
                "from_prices": [{"amount": "900", "currency": "JPY"}, {"amount": "4.00", "currency": "USD"}],
            },
            {
                "country": "KR",
                "name": "South Korea",
                "flag": "🇰🇷",
                "plans": 1,
                "from_prices": [{"amount": "6.50", "currency": "USD"}],
            },
        ]
    }
    assert [row["name"] for row in ask(client, "destinations", language="ja")["results"]] == ["日本", "韓国"]


def test_a_plan_is_told_with_its_networks_and_rules_and_nothing_of_ours(client: Client) -> None:
    plan = make_plan(
        make_account("secret-wholesaler"),
        plan_ref="WHOLESALE-CODE",
        alias="OTHER-CODE",
        name="Japan 1 GB",
        covers=["KR", "JP:home"],
        max_speed=D("10000.000"),
        reduced_speed=D(128),
        speed_unit="kbps",
        tethering=True,
        top_up_supported=False,
        after_cap=AfterCap.REDUCED,
        restrictions="No calls",
        net_price=D("4.1200"),
        retail_price=D("6.00"),
        ip_countries=["HK"],
        dialing_code="81",
        sms_inbound=True,
        unused_termination_days=180,
    )
    listed = {
        "id": plan.pk,
        "name": "Japan 1 GB",
        "countries": ["JP", "KR"],
        "data": {"bytes": GB, "unlimited": False, "period": "total"},
        "validity_days": 7,
        "days_to_choose": None,
        "price": {"amount": "6.00", "currency": "USD"},
        "terms": {
            "days": 7,
            "price": {"amount": "6.00", "currency": "USD"},
            "data": {"bytes": GB, "unlimited": False},
            "price_per_day": {"amount": "0.8571", "currency": "USD"},
            "price_per_gb": {"amount": "6.00", "currency": "USD"},
        },
        "after_cap": "reduced",
        "starts_with": "unknown",
        "top_up": False,
        "tethering": True,
        "kyc_required": None,
        "speed": {"top": "10000", "reduced": "128", "unit": "kbps"},
    }
    assert ask(client, "plans") == {"results": [listed], "next": None, "previous": None}
    networks = [{"name": "Net JP", "types": ["4G", "5G"]}]
    whole = ask(client, f"plans/{plan.pk}")
    assert whole == {
        **listed,
        "coverage": [
            {"country": "JP", "name": "Japan", "flag": "🇯🇵", "kind": "home", "networks": networks},
            {
                "country": "KR",
                "name": "South Korea",
                "flag": "🇰🇷",
                "kind": CoverageKind.UNSPECIFIED,
                "networks": [{"name": "Net KR", "types": ["4G", "5G"]}],
            },
        ],
        "validity_info": "",
        "activation_info": "",
        "restrictions": "No calls",
        "ends_unused_after_days": 180,
        "ip_countries": ["HK"],
        "telephony": {
            "dialing_code": "81",
            "voice_inbound": None,
            "voice_outbound": None,
            "sms_inbound": True,
            "sms_outbound": None,
        },
    }
    for hidden in ("4.12", "wholesaler", "WHOLESALE", "OTHER-CODE"):
        assert hidden not in str(whole)
    assert ask(client, f"plans/{plan.pk}", language="ja")["coverage"][0]["name"] == "日本"


def test_no_cap_and_not_reported_are_told_apart(client: Client) -> None:
    make_plan(name="all", data_bytes=None, data_unlimited=True, data_period=DataPeriod.UNKNOWN)
    make_plan(name="mute", data_bytes=None, data_period=DataPeriod.UNKNOWN, validity_days=None)
    told = {plan["name"]: plan for plan in ask(client, "plans")["results"]}
    assert told["all"]["data"] == {"bytes": None, "unlimited": True, "period": None}
    assert told["mute"]["data"] == {"bytes": None, "unlimited": False, "period": None}
    assert told["mute"]["validity_days"] is None
    assert told["mute"]["terms"]["price_per_day"] is None


def test_a_plan_sold_by_the_day_is_priced_for_the_days_asked_for(client: Client) -> None:
    plan = make_plan(retail_price=D("2.00"), days_choice_max=30, validity_days=None, data_period=DataPeriod.DAY)
    for path in (f"plans/{plan.pk}?days=5", "plans?days=5"):
        found = ask(client, path)
        found = found.get("results", [found])[0]
        assert found["price"] == {"amount": "2.00", "currency": "USD"}
        assert found["days_to_choose"] == 30
        assert found["terms"]["price"] == {"amount": "10.00", "currency": "USD"}
        assert found["terms"]["data"] == {"bytes": 5 * GB, "unlimited": False}
    assert ask(client, "plans?days=31")["results"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"is_published": False},
        {"kind": Plan.Kind.TOP_UP},
        {"retail_price": None},
        {"retail_price": D(0)},
        {"retired_at": "2026-01-01T00:00:00Z"},
        {"net_price": None},
        {"currency": ""},
    ],
)
def test_what_cannot_be_bought_is_not_there(client: Client, change: dict[str, Any]) -> None:
    plan = make_plan(**change)
    assert ask(client, "plans")["results"] == []
    assert ask(client, "destinations")["results"] == []
    assert ask(client, f"plans/{plan.pk}", status=404)["code"] == "not_found"


def test_a_sandbox_is_for_staff_unless_a_setting_opens_it(client: Client, settings: Settings) -> None:
    plan = make_plan(make_account("sandbox", is_sandbox=True), region="EU")
    assert ask(client, "plans")["results"] == ask(client, "destinations")["results"] == []
    assert ask(client, "regions")["results"] == []
    ask(client, f"plans/{plan.pk}", status=404)
    settings.APP_SELLS_SANDBOX = True
    assert [row["id"] for row in ask(client, "plans")["results"]] == [plan.pk]
    assert ask(client, "destinations")["results"][0]["plans"] == ask(client, "regions")["results"][0]["plans"] == 1


def test_a_paused_account_sells_nothing(client: Client) -> None:
    plan = make_plan(make_account(is_paused=True))
    assert ask(client, "plans")["results"] == []
    ask(client, f"plans/{plan.pk}", status=404)


@pytest.mark.parametrize("number", ["0", "9" * 30])
def test_a_number_that_no_plan_has_finds_none(client: Client, number: str) -> None:
    assert ask(client, f"plans/{number}", status=404)["code"] == "not_found"


def test_each_filter_leaves_what_fits(client: Client) -> None:
    make_plan(name="week", covers=["JP"], top_up_supported=True)
    make_plan(name="month", covers=["JP", "KR"], validity_days=30, data_bytes=5 * GB, retail_price=D(20))
    make_plan(name="daily", covers=["FR"], data_period=DataPeriod.DAY, retail_price=D("7.50"))
    make_plan(name="all", covers=["KR"], data_bytes=None, data_unlimited=True, currency="EUR")

    assert names(client, "country=KR&sort=name") == ["all", "month"]
    assert names(client, f"min_bytes={2 * GB}&sort=name") == ["all", "month"]
    assert names(client, "data_period=day&sort=name") == ["all", "daily"]
    assert names(client, "unlimited=true") == ["all"]
    assert names(client, "unlimited=false&sort=name") == ["daily", "month", "week"]
    assert names(client, "days=8") == ["month"]
    assert names(client, "max_days=7&sort=name") == ["all", "daily", "week"]
    assert names(client, "top_up=true") == ["week"]
    assert names(client, "top_up=false") == []
    assert names(client, "max_price=7.50&sort=name") == ["daily", "week"]
    assert names(client, "max_price=6&currency=EUR") == ["all"]
    assert names(client, "currency=EUR") == ["all"]
    assert names(client, "country=JP&max_price=5") == []


@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ("contry=JP", "contry", "unknown_parameter"),
        ("country=Japan", "country", "invalid"),
        ("sort=cheapest", "sort", "invalid_choice"),
        ("unlimited=yes", "unlimited", "invalid"),
        ("days=0", "days", "min_value"),
        ("max_price=cheap", "max_price", "invalid"),
        ("limit=1000", "limit", "max_value"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(client: Client, query: str, path: str, code: str) -> None:
    problem = ask(client, f"plans?{query}", status=422)
    assert (problem["code"], problem["status"]) == ("invalid", 422)
    assert [(fault["in"], fault["path"], fault["code"]) for fault in problem["errors"]] == [("query", path, code)]


@pytest.mark.parametrize("path", ["destinations?page=2", "regions?x=1", "plans/1?country=JP", "plans?format=html"])
def test_no_endpoint_ignores_a_parameter(client: Client, path: str) -> None:
    assert ask(client, path, status=422)["errors"][0]["code"] == "unknown_parameter"


def test_orders_end_with_what_is_not_known(client: Client) -> None:
    make_plan(name="b", retail_price=D(3), data_bytes=GB, validity_days=3)
    make_plan(name="c", retail_price=D(2), data_bytes=None, data_unlimited=True, validity_days=None)
    make_plan(name="a", retail_price=D(4), data_bytes=4 * GB, validity_days=8)
    make_plan(name="d", retail_price=D(1), data_bytes=None, validity_days=30, currency="EUR")

    found = {sort: "".join(names(client, f"sort={sort}")) for sort in ("price", "-price", "-data", "days", "-days")}
    assert found == {"price": "dcba", "-price": "abcd", "-data": "cabd", "days": "badc", "-days": "dabc"}
    assert "".join(names(client, "sort=name")) == "abcd"
    assert "".join(names(client, "sort=price_per_day")) == "dabc"
    assert "".join(names(client, "sort=price_per_gb")) == "dabc"


@pytest.mark.parametrize("days", ["", "&days=2"])
@pytest.mark.parametrize("sort", ["price", "-price", "price_per_day", "price_per_gb", "-data", "days", "-days", "name"])
def test_pages_join_to_the_whole_list_though_everything_ties(client: Client, sort: str, days: str) -> None:
    shapes: list[dict[str, Any]] = [
        {},
        {},
        {"retail_price": D("4.35"), "validity_days": 3},
        {"data_bytes": None},
        {"data_bytes": None, "data_unlimited": True},
        {"currency": "EUR"},
        {"days_choice_max": 9, "validity_days": None, "retail_price": D("4.35")},
    ]
    for shape in shapes * 2:
        make_plan(name="same", **shape)
    whole = [plan["id"] for plan in ask(client, f"plans?sort={sort}{days}&limit=100")["results"]]
    assert len(whole) == len(set(whole)) == 14
    for limit in (1, 3):
        found: list[int] = []
        query = f"plans?sort={sort}{days}&limit={limit}"
        page = ask(client, query)
        while True:
            found += [plan["id"] for plan in page["results"]]
            if page["next"] is None:
                break
            page = ask(client, f"{query}&cursor={page['next']}")
        assert found == whole
        before = ask(client, f"{query}&cursor={page['previous']}")["results"]
        assert before[-1]["id"] == whole[whole.index(page["results"][0]["id"]) - 1]


def test_a_cursor_belongs_to_its_order_and_its_days(client: Client) -> None:
    for _ in range(2):
        make_plan()
    cursor = ask(client, "plans?limit=1")["next"]
    for query in ("sort=-price", "sort=price&days=3"):
        assert ask(client, f"plans?{query}&cursor={cursor}", status=404)["code"] == "not_found"
    problem = ask(client, "plans?cursor=x", status=404)
    assert problem["detail"] == "This cursor was not made for this list."
    assert len(ask(client, f"plans?sort=price&cursor={cursor}")["results"]) == 1


def test_regions_count_what_their_filter_finds(client: Client) -> None:
    one, two = make_account("one"), make_account("two")
    record_regions(
        account=one,
        regions=[
            Region(code="EU-2", name="Europe (2)", is_multi=True, members=("DE", "FR")),
            Region(code="NONE", name="Nowhere", is_multi=True, members=("AQ",)),
            Region(code="JP", name="Japan", is_multi=False, members=("JP",)),
        ],
    )
    record_regions(account=two, regions=[Region(code="EU-2", name="EU", is_multi=True, members=("DE", "IT"))])
    make_plan(one, name="by its own word", region="EU-2", covers=["DE"], retail_price=D(9))
    make_plan(two, name="covers the first", covers=["DE", "FR", "ES"], retail_price=D(5))
    make_plan(two, name="covers the second", covers=["DE", "IT"], retail_price=D(700), currency="JPY")
    make_plan(two, name="covers half", covers=["DE"])
    make_plan(two, name="one country", covers=["JP"], region="JP")
    make_plan(two, name="unheard of", covers=["US"], region="NA-1")

    assert ask(client, "regions") == {
        "results": [
            {
                "code": "EU-2",
                "name": "Europe (2)",
                "countries": ["DE", "FR", "IT"],
                "plans": 3,
                "from_prices": [{"amount": "700", "currency": "JPY"}, {"amount": "5.00", "currency": "USD"}],
            },
            {
                "code": "NA-1",
                "name": "NA-1",
                "countries": [],
                "plans": 1,
                "from_prices": [{"amount": "6.00", "currency": "USD"}],
            },
        ]
    }
    for area in offered_areas():
        assert narrow_plans(offered_plans(), PlanFilter(region=area.code)).count() == area.plans
        assert len(ask(client, f"plans?region={area.code}")["results"]) == area.plans
    assert ProviderRegion.objects.count() == 4


@pytest.mark.parametrize("path", ["destinations", "regions", "plans", "plans?region=EU-2", "plans?sort=name&days=3"])
def test_queries_do_not_grow_with_the_rows(client: Client, path: str) -> None:
    account = make_account()

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            ask(client, path)
        return len(queries)

    areas = [Region(code=f"EU-{number}", name=f"EU {number}", is_multi=True, members=("JP", "KR")) for number in (2, 3)]
    record_regions(account=account, regions=areas[:1])
    make_plan(account, covers=["JP", "KR"])
    ask(client, path)
    few = count()
    record_regions(account=account, regions=areas)
    for number in range(9):
        make_plan(account, covers=["JP", "KR", "FR"], region=f"R{number}", currency=["USD", "EUR"][number % 2])
    assert count() == few


def test_answers_are_what_the_schema_says(client: Client) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    plan = make_plan(restrictions="none", max_speed=D(5), top_up_supported=True)
    make_plan(data_bytes=None, data_period=DataPeriod.UNKNOWN, validity_days=None, region="EU", days_choice_max=3)
    make_plan(data_bytes=None, data_unlimited=True, after_cap=AfterCap.NO_CAP)
    record_regions(account=plan.account, regions=[Region(code="EU", name="Europe", is_multi=True, members=("DE",))])
    for path, address in {
        "/destinations": "destinations",
        "/regions": "regions",
        "/plans": "plans?limit=2",
        "/plans/{plan_id}": f"plans/{plan.pk}",
    }.items():
        content = schema["paths"][f"{API}{path}"]["get"]["responses"]["200"]["content"]
        shape = {**content["application/json"]["schema"], "components": schema["components"]}
        Draft202012Validator(shape).validate(ask(client, address))


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["destinations", "regions", "plans", "plans/1"])
def test_the_catalogue_is_only_read(client: Client, path: str, method: str) -> None:
    response = getattr(client, method)(f"{API}/{path}")
    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"
