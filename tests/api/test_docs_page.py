"""The page at ``/api/docs/``: nothing of the description is missing, with and without JavaScript."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from playwright.sync_api import expect
from pytest_django import DjangoAssertNumQueries

from config.api.problems import TITLES
from config.api.reference import read_reference
from tests.browser import LOOKS, PHONE, TWO_LOOKS, Console, check_accessibility, check_width
from tests.catalog.making import make_account, make_plan
from tests.pages import assert_clean_page

DOCS = "/api/docs/"
NOTHING = {"NullEnum", "BlankEnum"}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def read_page(query: str = "", **headers: str) -> str:
    response = Client().get(f"{DOCS}{query}", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
def test_nothing_of_the_description_is_missing(description: dict[str, Any]) -> None:
    page = read_page()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            start = page.index(f'<article id="{operation["operationId"]}"')
            part = page[start : page.index("</article>", start)]
            assert f'data-method="{method.upper()}" data-path="{path}"' in part
            told = set(re.findall(r"<code[^>]*>([^<]+)</code>", part)) | set(re.findall(r"\b[2-5]\d\d\b", part))
            assert set(operation["responses"]) <= told, path
            assert {parameter["name"] for parameter in operation.get("parameters", ())} <= told, path
            for status, answer in operation["responses"].items():
                for content in answer["content"].values() if status < "300" and "content" in answer else ():
                    name = content["schema"].get("$ref", "/").rpartition("/")[2]
                    assert f'href="#schema-{name}"' in part or not name
    for name, schema in description["components"]["schemas"].items():
        if name in NOTHING:
            continue
        start = page.index(f'<article id="schema-{name}"')
        part = page[start : page.index("</article>", start)]
        for member in schema.get("properties", {}):
            assert f"<dt><code>{member}</code>" in part, name
        for word in schema.get("enum", ()):
            assert word in part, name
    for code in TITLES:
        assert f"<code>{code}</code>" in page


@pytest.mark.django_db
def test_every_link_leads_somewhere() -> None:
    page = read_page()
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


@pytest.mark.django_db
def test_it_asks_nothing_of_the_database_and_is_small(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    read_reference()
    with django_assert_num_queries(0):
        response = Client().get(DOCS)
    assert_clean_page(response)
    files = re.findall(r'(?:href|src)="/static/([^"]+\.(?:css|js))"', response.content.decode())
    assert len(files) == 8
    # What a phone fetches: the page packed, style sheets and scripts as they are, before they are packed too.
    packed = Client().get(DOCS, headers={"accept-encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    static = Path(__file__).resolve().parents[2] / "static"
    assert len(packed.content) + sum((static / file).stat().st_size for file in files) < 80_000
    assert len(response.content) < 160_000


@pytest.mark.django_db
def test_it_can_be_searched_without_javascript() -> None:
    page = read_page("?q=unit_price")
    assert 'id="schema-NewOrderRequest"' in page
    assert 'id="listPlans"' not in page
    assert 'id="listPlans"' in read_page("?q=/api/v1/plans")
    nothing = read_page("?q=%3Cb%3Equagga")
    assert "Nothing here has this word." in nothing
    assert "<b>quagga" not in nothing


@pytest.mark.django_db
def test_it_takes_no_other_method() -> None:
    assert Client().post(DOCS).status_code == 405


@pytest.mark.django_db
def test_its_own_words_are_japanese() -> None:
    page = read_page(**{"accept-language": "ja"})
    assert '<html lang="ja"' in page
    assert '<p lang="en">Order eSIMs at the price that the app has shown.' in page


@pytest.mark.looks
@pytest.mark.django_db(transaction=True)
def test_the_page_in_a_browser(console: Console, screenshots: Path) -> None:
    """Our content policy is in force; any breach of it fails the test."""
    make_plan(make_account(), name="Japan 1 GB")
    page = console.open(DOCS, signed_in=False)
    search = page.get_by_role("searchbox", name="Search the API")
    search.fill("must_show")
    expect(page.locator("#schema-OrderItem")).to_be_visible()
    expect(page.locator("#listPlans")).to_be_hidden()
    search.fill("")
    # A schema unfolds where it is named.
    link = page.locator("#listPlans").get_by_role("link", name="PlanPage")
    link.click()
    expect(page.locator("#listPlans .api-peek")).to_contain_text("cursor")
    link.click()
    expect(page.locator("#listPlans .api-peek")).to_have_count(0)
    # An operation is tried with the keyboard alone.
    page.get_by_role("button", name="Try: listPlans").press("Enter")
    form = page.locator("#listPlans form")
    form.get_by_label("country").fill("JP")
    form.get_by_label("country").press("Enter")
    expect(form.locator("output")).to_contain_text("HTTP 200")
    expect(form.locator("output")).to_contain_text("Japan 1 GB")
    page.goto(f"{DOCS}#schema-Problem")
    expect(page.locator("#schema-Problem")).to_be_in_viewport()


@pytest.mark.looks
@pytest.mark.django_db(transaction=True)
def test_how_it_looks(console: Console, screenshots: Path) -> None:
    page = console.open(DOCS, signed_in=False, enforce_csp=False)
    page.get_by_role("button", name="Try: placeOrder").click()
    page.locator("#placeOrder").get_by_role("link", name="OrderDetail").click()
    for viewport, theme in LOOKS:
        page.set_viewport_size({"width": viewport.width, "height": viewport.height})
        page.emulate_media(color_scheme=theme)
        assert check_width(page) == 0
        page.screenshot(path=screenshots / f"api-docs-{viewport.width}-{theme}.png")
    # One of each kind is enough for axe, which needs a minute for hundreds.
    page.evaluate("""for (const one of document.querySelectorAll("article"))
        if (!["placeOrder", "listPlans", "schema-OrderState", "schema-Plan"].includes(one.id)) one.remove()""")
    for viewport, theme in TWO_LOOKS:
        page.set_viewport_size({"width": viewport.width, "height": viewport.height})
        page.emulate_media(color_scheme=theme)
        assert check_accessibility(page) == []
    plain = console.open(DOCS, signed_in=False, viewport=PHONE, scripts=False)
    expect(plain.locator("#placeOrder")).to_contain_text("Idempotency-Key")
