"""The catalogue: pages, fields, filters."""

import re

import pytest

from tests.simulator_client import Simulator

PLAN_FIELDS = [
    *("planCode", "planName", "planType", "providerCode", "coverages", "ipCountry", "dataCap", "dataUnit"),
    *("dataCapPer", "maxSpeed", "reducedSpeed", "tethering", "validityDays", "validityInfo", "activationInfo"),
    *("unusedTerminationDays", "netPrice", "suggestedRetailPrice", "telephony", "topUpSupported", "eKYC"),
    "serviceRestrictions",
]


def test_plans_come_in_pages_that_together_hold_every_plan_once(simulator: Simulator) -> None:
    pages = [simulator.call("GET", f"/esim/plans?page={page}&limit=150").json() for page in (1, 2, 3, 4)]
    assert [page["meta"] for page in pages] == [
        {"total": 400, "page": number, "limit": 150, "totalPages": 3} for number in (1, 2, 3, 4)
    ]
    assert [len(page["items"]) for page in pages] == [150, 150, 100, 0]
    assert [plan["planCode"] for page in pages for plan in page["items"]] == simulator.plan_codes()
    assert len(set(simulator.plan_codes())) == 400


def test_a_page_without_a_limit_holds_ten(simulator: Simulator) -> None:
    answer = simulator.call("GET", "/esim/plans").json()
    assert answer["meta"] == {"total": 400, "page": 1, "limit": 10, "totalPages": 40}
    assert len(answer["items"]) == 10


def test_plans_have_the_documented_fields_and_types(simulator: Simulator) -> None:
    plans = [p for page in (1, 2) for p in simulator.call("GET", f"/esim/plans?page={page}&limit=200").json()["items"]]
    for plan in plans:
        assert list(plan) == PLAN_FIELDS
        assert re.fullmatch(r"\d+\.\d\d", plan["netPrice"]) and re.fullmatch(r"\d+\.\d\d", plan["suggestedRetailPrice"])
        assert float(plan["suggestedRetailPrice"]) > float(plan["netPrice"]) > 0
        assert set(plan["telephony"]) == {"dialingCode", "voice", "sms"}
        assert all(network["types"] for coverage in plan["coverages"] for network in coverage["networks"])
        assert (plan["planType"], plan["dataCapPer"]) in {("UNLIMITED", "DAY"), ("LIMITED", "TOTAL")}
    countries = {coverage["code"] for plan in plans for coverage in plan["coverages"]}
    assert len(countries) == 66
    assert len({plan["providerCode"] for plan in plans}) == 14
    assert any(len(plan["coverages"]) > 20 for plan in plans)
    for flag in ("tethering", "topUpSupported", "eKYC"):
        assert {plan[flag] for plan in plans} == {True, False}


def test_country_filter_looks_at_home_and_with_roaming_everywhere(simulator: Simulator) -> None:
    def codes(query: str) -> set[str]:
        items = simulator.call("GET", f"/esim/plans?limit=200&{query}").json()["items"]
        return {plan["planCode"] for plan in items}

    home, anywhere = codes("countryCode=KR"), codes("countryCode=KR&includeRoaming=true")
    assert home and home < anywhere
    assert home == codes("countryCode=KR&includeRoaming=false") == codes("providerCode=SKT")
    covers_kr = {code for code in anywhere if "KR" in {c["code"] for c in simulator.plan(code)["coverages"]}}
    assert anywhere - home <= covers_kr
    assert codes("countryCode=VN") == set()
    assert codes("countryCode=VN&includeRoaming=true")


@pytest.mark.parametrize(
    "query",
    [
        "countryCode=jp",
        "countryCode=JPN",
        "page=0",
        "page=1.0",
        "limit=201",
        "limit=0",
        "limit=x",
        "includeRoaming=False",
    ],
)
def test_a_wrong_filter_is_refused(simulator: Simulator, query: str) -> None:
    answer = simulator.call("GET", f"/esim/plans?{query}")
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}
