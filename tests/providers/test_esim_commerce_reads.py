"""Reading catalogue, lines and transactions over HTTP, against a provider that misbehaves."""

from collections.abc import Callable
from typing import Any

import pytest

from providers.base import Provider
from providers.errors import Rejected, Unavailable
from providers.registry import get_provider
from providers.types import CoverageKind, LineState, PlanPage
from tests.providers.scripted import answer, scripted
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db
ICCID = "8981100000000000002"


@pytest.fixture
def provider(accounts: Simulator) -> Provider:
    return get_provider("esim-commerce")


def refs(pages: list[PlanPage]) -> list[str]:
    return [offer.plan_ref for page in pages for offer in page.offers]


# -- the catalogue ----------------------------------------------------------------------------------------------------


def test_all_pages_in_order(provider: Provider, accounts: Simulator) -> None:
    pages = list(provider.list_plans())
    assert refs(pages) == accounts.plan_codes()
    assert [(page.page, page.total, page.total_pages, page.faults) for page in pages] == [
        (1, 400, 2, ()),
        (2, 400, 2, ()),
    ]


def test_pages_are_read_when_they_are_asked_for(provider: Provider, accounts: Simulator) -> None:
    pages = provider.list_plans()
    assert accounts.count_requests("plans") == 0
    next(pages)
    assert accounts.count_requests("plans") == 1


def test_a_listing_goes_on_where_it_failed(provider: Provider, accounts: Simulator) -> None:
    accounts.order_fault("status_before", "plans", status=500, match={"page": 2})
    pages = provider.list_plans()
    first = next(pages)
    with pytest.raises(Unavailable):
        next(pages)
    rest = list(provider.list_plans(first_page=2))
    assert refs([first, *rest]) == accounts.plan_codes()


def test_filters_are_sent_and_tell_the_home_country(provider: Provider, accounts: Simulator) -> None:
    home = list(provider.list_plans(country="JP"))
    assert {
        coverage.kind
        for page in home
        for offer in page.offers
        for coverage in offer.coverage
        if coverage.country == "JP"
    } == {CoverageKind.HOME}
    others = [
        coverage.kind
        for page in home
        for offer in page.offers
        for coverage in offer.coverage
        if coverage.country != "JP"
    ]
    assert set(others) <= {CoverageKind.UNSPECIFIED}
    roaming = list(provider.list_plans(country="JP", include_roaming=True))
    assert {coverage.kind for page in roaming for offer in page.offers for coverage in offer.coverage} == {
        CoverageKind.UNSPECIFIED
    }
    assert len(refs(roaming)) > len(refs(home))
    queries = {request["query"] for request in accounts.requests("plans")}
    assert "countryCode=JP&includeRoaming=false&page=1&limit=200" in queries
    assert "countryCode=JP&includeRoaming=true&page=1&limit=200" in queries


def test_a_carrier_filter(provider: Provider, accounts: Simulator) -> None:
    list(provider.list_plans(carrier="KDDI"))
    assert accounts.requests("plans")[0]["query"] == "providerCode=KDDI&includeRoaming=false&page=1&limit=200"


def list_from(configure: Callable[..., None], *bodies: str) -> tuple[list[PlanPage], int]:
    """What is made of these pages, and how many were asked for."""
    with scripted(*(answer(body.encode()) for body in bodies)) as server:
        configure("esim-commerce", url=server.url, key_id="id", key_secret="secret")
        pages = list(get_provider("esim-commerce").list_plans())
        return pages, len(server.requests)


def page_body(*codes: Any, meta: str = '"total": 4, "page": %d, "limit": 200, "totalPages": 2', number: int = 1) -> str:
    items = ", ".join(f'{{"planCode": "{code}"}}' if isinstance(code, str) else str(code[0]) for code in codes)
    return f'{{"items": [{items}], "meta": {{{meta % number if "%d" in meta else meta}}}}}'


def test_an_empty_page_ends_a_listing_that_promised_more(configure: Callable[..., None]) -> None:
    meta = '"total": 9, "page": %d, "totalPages": 9'
    pages, asked = list_from(configure, page_body("A", meta=meta), page_body(meta=meta, number=2))
    assert (refs(pages), asked) == (["A"], 2)


def test_without_page_numbers_an_empty_page_is_the_end(configure: Callable[..., None]) -> None:
    bodies = ['{"items": [{"planCode": "A"}]}', '{"items": [{"planCode": "B"}], "meta": null}', '{"items": []}']
    pages, asked = list_from(configure, *bodies)
    assert (refs(pages), asked) == (["A", "B"], 3)
    assert [page.total for page in pages] == [None, None, None]


def test_numbers_of_pages_may_be_text(configure: Callable[..., None]) -> None:
    meta = '"total": "1", "page": "1", "limit": 200.0, "totalPages": "1"'
    pages, asked = list_from(configure, page_body("A", meta=meta))
    assert (pages[0].total, pages[0].total_pages, asked) == (1, 1, 1)


def test_a_provider_that_does_not_turn_the_page_has_an_end(configure: Callable[..., None]) -> None:
    body = '{"items": [{"planCode": "A"}, {"planCode": "B"}]}'
    pages, asked = list_from(configure, body)
    assert (refs(pages), asked) == (["A", "B"], 2)
    assert pages[1].faults[-1].message == "repeats the pages before it; the reading ends here"


def test_another_page_than_asked_for_is_not_taken(configure: Callable[..., None]) -> None:
    with pytest.raises(Unavailable, match="page 2 was asked for and page 1 came"):
        list_from(configure, page_body("A", "B"), page_body("A", "B"))


def test_a_total_that_moves_is_shown_page_by_page(configure: Callable[..., None]) -> None:
    meta = '"total": 3, "page": %d, "totalPages": 2'
    pages, _asked = list_from(configure, page_body("A", "B"), page_body("C", meta=meta, number=2))
    assert [page.total for page in pages] == [4, 3]


def test_a_plan_that_comes_twice_counts_once_and_a_bad_one_costs_only_itself(configure: Callable[..., None]) -> None:
    pages, _asked = list_from(
        configure,
        page_body("A", "B", ["null"], ['{"planCode": ""}'], ['{"planCode": "C", "tethering": 5}']),
        page_body("B", "D", number=2),
    )
    assert refs(pages) == ["A", "B", "C", "D"]
    assert [(fault.where, fault.ref) for page in pages for fault in page.faults] == [
        ("page 1 items[2]", ""),
        ("page 1 items[3]", ""),
        ("page 1 items[4].tethering", "C"),
        ("page 2 items[0]", "B"),
    ]


# -- lines and transactions -------------------------------------------------------------------------------------------


def ask(configure: Callable[..., None], body: str, act: Callable[[Provider], Any]) -> Any:
    with scripted(answer(body.encode())) as server:
        configure("esim-commerce", url=f"{server.url}/prefix/", key_id="id", key_secret="secret")
        value = act(get_provider("esim-commerce"))
        head = server.requests[0].split(b"\r\n")
    return value, head[0].decode()


def test_a_line_is_asked_for_below_the_prefix(configure: Callable[..., None]) -> None:
    line, request = ask(configure, f'{{"iccid": "{ICCID}"}}', lambda provider: provider.read_line(ICCID))
    assert request == f"GET /prefix/esim/{ICCID} HTTP/1.1"
    assert (line.iccid, line.state) == (ICCID, LineState.UNKNOWN)
    assert line.state_as_of.tzinfo is not None


def test_another_line_than_asked_for_is_not_taken(configure: Callable[..., None]) -> None:
    with pytest.raises(Unavailable, match="another eSIM"):
        ask(configure, '{"iccid": "8981100000000000003"}', lambda provider: provider.read_line(ICCID))


@pytest.mark.parametrize(
    "iccid",
    ["", "898110000000000000", "89811000000000000022", "898110000000000000x", "８981100000000000002", "../orders"],
)
def test_what_is_no_iccid_is_not_sent(provider: Provider, accounts: Simulator, iccid: str) -> None:
    with pytest.raises(Rejected) as caught:
        provider.read_line(iccid)
    assert (caught.value.code, caught.value.field) == ("iccid", "iccid")
    assert accounts.books("requests")["requests"] == []


def test_a_line_that_is_not_there(provider: Provider) -> None:
    with pytest.raises(Rejected) as caught:
        provider.read_line(ICCID)
    assert (caught.value.code, caught.value.mend) == ("ESIM_NOT_FOUND", None)


TRANSACTION = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"


def test_a_transaction_names_lines_only(configure: Callable[..., None]) -> None:
    body = f'{{"transactionId": "{TRANSACTION.upper()}", "iccids": ["{ICCID}", 8981100000000000001, "{ICCID}"]}}'
    record, request = ask(configure, body, lambda provider: provider.read_transaction(TRANSACTION))
    assert request == f"GET /prefix/esim/transactions/{TRANSACTION} HTTP/1.1"
    assert record.line_refs == (ICCID, "8981100000000000001")


@pytest.mark.parametrize(
    "body",
    [
        f'{{"transactionId": "{TRANSACTION}"}}',
        f'{{"transactionId": "{TRANSACTION}", "iccids": null}}',
        f'{{"transactionId": "{TRANSACTION}", "iccids": ["{ICCID}", "?"]}}',
        f'{{"transactionId": "other", "iccids": ["{ICCID}"]}}',
    ],
)
def test_a_part_of_a_transaction_is_not_taken_for_all_of_it(configure: Callable[..., None], body: str) -> None:
    with pytest.raises(Unavailable):
        ask(configure, body, lambda provider: provider.read_transaction(TRANSACTION))


def test_no_line_under_a_transaction_is_an_answer(configure: Callable[..., None]) -> None:
    body = f'{{"transactionId": "{TRANSACTION}", "iccids": []}}'
    record, _request = ask(configure, body, lambda provider: provider.read_transaction(TRANSACTION))
    assert record.line_refs == ()


@pytest.mark.parametrize("text", ["", " ", "..", "two words", "x" * 65, "a\nb"])
def test_what_is_no_transaction_id_is_not_sent(provider: Provider, accounts: Simulator, text: str) -> None:
    with pytest.raises(Rejected) as caught:
        provider.read_transaction(text)
    assert caught.value.code == "transaction_id"
    assert accounts.books("requests")["requests"] == []


def test_paths_and_methods_are_settings(configure: Callable[..., None]) -> None:
    configure("esim-commerce", paths={"status": "POST /v2/lines/{iccid}/query?full=1"})
    _line, request = ask(configure, f'{{"iccid": "{ICCID}"}}', lambda provider: provider.read_line(ICCID))
    assert request == f"POST /prefix/v2/lines/{ICCID}/query?full=1 HTTP/1.1"
