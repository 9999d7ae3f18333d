"""Answers about the catalogue that hold: entity tags, 304, what a process keeps."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from catalog.kept import KeptAnswers
from catalog.models import Plan
from catalog.offers import list_offers
from catalog.pricing import set_own_price
from providers.accounts import pause_account
from tests.catalog.making import make_plan

pytestmark = pytest.mark.django_db
D = Decimal
PLANS = "/api/v1/plans"


@pytest.fixture
def plan() -> Plan:
    """A plan in a catalogue that has a version."""
    return set_own_price(plan=make_plan(), amount=D("7.00"), by="a")


def ask(path: str = PLANS, *, tag: str = "", language: str = "en") -> Any:
    return Client().get(path, headers={"Accept-Language": language, **({"If-None-Match": tag} if tag else {})})


def price(response: Any) -> str:
    return str(response.json()["results"][0]["price"]["amount"])


def test_an_answer_holds_until_the_catalogue_changes(plan: Plan) -> None:
    first = ask()
    tag = first["ETag"]
    assert first.status_code == 200
    assert tag.startswith('W/"')
    assert first["Cache-Control"] == "public, no-cache"
    assert "Accept-Language" in first["Vary"]
    assert first["Content-Type"] == "application/json"

    unchanged = ask(tag=f'"other", {tag}')
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", tag)
    assert unchanged["Cache-Control"] == "public, no-cache"
    assert "Accept-Language" in unchanged["Vary"]

    set_own_price(plan=plan, amount=D("8.50"), by="a")
    changed = ask(tag=tag)
    assert (changed.status_code, price(changed)) == (200, "8.50")
    assert changed["ETag"] != tag


def test_a_pause_ends_it_at_once(plan: Plan) -> None:
    tag = ask()["ETag"]
    pause_account(account=plan.account, by="a", why="b")
    response = ask(tag=tag)
    assert (response.status_code, response.json()["results"]) == (200, [])


def test_each_language_address_and_setting_has_its_own(plan: Plan, settings: Settings) -> None:
    tags = [
        ask()["ETag"],
        ask(language="ja")["ETag"],
        ask(f"{PLANS}?limit=1")["ETag"],
        ask(f"{PLANS}/{plan.pk}")["ETag"],
    ]
    settings.CURRENCY = "JPY"
    tags.append(ask()["ETag"])
    assert len(set(tags)) == 5
    assert ask(tag=tags[1]).status_code == 200


@pytest.mark.parametrize("path", [PLANS, "/api/v1/destinations", "/api/v1/regions", f"{PLANS}?country=JP&sort=name"])
def test_what_is_kept_is_not_read_again(plan: Plan, path: str) -> None:
    first = ask(path)
    for tag in ("", first["ETag"]):
        with CaptureQueriesContext(connection) as queries:
            again = ask(path, tag=tag)
        assert again.content == (b"" if tag else first.content)
        about_plans = [query["sql"] for query in queries if '"catalog_plan' in query["sql"]]
        assert about_plans == []


def test_a_change_during_the_answer_is_not_lost(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def change_first(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr("catalog.api.list_offers", list_offers)
        set_own_price(plan=plan, amount=D("8.50"), by="a")
        return list_offers(*given, **more)

    monkeypatch.setattr("catalog.api.list_offers", change_first)
    during = ask()
    assert price(during) == "8.50"
    set_own_price(plan=plan, amount=D("9.50"), by="a")
    after = ask(tag=during["ETag"])
    assert (after.status_code, price(after)) == (200, "9.50")


def test_without_a_version_nothing_is_kept() -> None:
    make_plan(name="one", retail_price=D(1))
    first = ask()
    assert "ETag" not in first
    make_plan(name="two", retail_price=D(2))
    assert [row["name"] for row in ask().json()["results"]] == ["one", "two"]


def test_what_is_refused_has_no_tag_and_is_refused_again(plan: Plan) -> None:
    for path, status in ((f"{PLANS}?x=1", 422), (f"{PLANS}/0", 404)):
        for _ in range(2):
            response = ask(path)
            assert response.status_code == status
            assert "ETag" not in response
            assert response["Content-Type"] == "application/problem+json"


def test_a_fault_of_ours_has_the_shape_of_every_error(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.api.list_offers", lambda *_given, **_more: 1 / 0)
    client = Client(raise_request_exception=False)
    response = client.get(PLANS)
    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")
    assert response.json()["code"] == "server_error"
    monkeypatch.undo()
    assert client.get(PLANS).status_code == 200


def test_head_is_get_without_the_body(plan: Plan) -> None:
    response = Client().head(PLANS)
    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"] == Client().get(PLANS)["ETag"]


def test_a_process_keeps_so_much_and_forgets_the_oldest() -> None:
    kept = KeptAnswers(most_bytes=10)
    kept.keep("a", b"1234")
    kept.keep("b", b"1234")
    assert kept.find("a") == b"1234"
    kept.keep("c", b"1234")
    assert (kept.find("a"), kept.find("b"), kept.find("c")) == (b"1234", None, b"1234")
    kept.keep("c", b"123456")
    assert (kept.find("a"), kept.find("c")) == (b"1234", b"123456")
    kept.keep("d", b"more than it may hold")
    assert [kept.find(tag) for tag in "acd"] == [None, None, None]
