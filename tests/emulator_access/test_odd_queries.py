"""Queries at houses that keep to the tables of the document and leave out what only its text says."""

from dataclasses import replace

import pytest
from pytest_django import Settings

from esims.due_lines import refresh_due_lines
from esims.models import Esim
from orders.models import Difference
from providers.errors import NOT_TOLD, Unavailable
from providers.registry import get_provider
from providers.types import Capability
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS
from tests.emulator_access.test_whole_life import buy_one
from tests.orders.comparing import compare, rows


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    settings.COMPARE_SETTLING_MINUTES, settings.COMPARE_DAYS = 0.0, 20


# -- a pager that counts nothing --------------------------------------------------------------------------------------


def test_short_pages_without_a_total_are_read_to_the_end(open_office: OpenOffice) -> None:
    office = open_office(replace(VARIANTS["document"], tells_total=False, page_cap=50))
    office.sync()
    books = office.emulator.books
    for number in range(60):
        books.sell(f"console-{number}", [(books.packages["CKH002"], 1, 0)], is_ours=False).looks_left = 0
    run = compare(office.account)
    assert (run.parts["lines"]["state"], run.parts["lines"]["looked"]) == ("compared", 60)
    assert [key for _kind, key in rows()] == sorted(books.lines)


def test_lines_are_bought_and_read_without_a_total(open_office: OpenOffice) -> None:
    office = open_office(replace(VARIANTS["document"], tells_total=False, unknown_line="empty"))
    esim = buy_one(office)
    before = office.emulator.count("query")
    assert office.refresh(esim).state == "ready"
    # The line itself is the end of its reading.
    assert office.emulator.count("query") == before + 1
    with pytest.raises(Unavailable, match="does not tell of this eSIM") as told:
        get_provider(office.account.slug).read_line("25080999999999")
    assert told.value.code == NOT_TOLD
    office.check_books()


# -- no esimTranNo among the parameters -------------------------------------------------------------------------------


@pytest.fixture
def table_only(open_office: OpenOffice) -> Office:
    return open_office(replace(VARIANTS["document"], heeds_tran_no=False))


def test_a_line_is_looked_for_in_its_order(table_only: Office) -> None:
    office = table_only
    esim, other = buy_one(office), buy_one(office)
    books = office.emulator.books
    books.install(books.lines[esim.provider_ref], in_use=True)
    assert (office.refresh(esim).state, office.refresh(other).state) == ("active", "ready")
    action = office.act(other, Capability.CANCEL)
    assert (action.state, books.lines[other.provider_ref].status) == ("confirmed", "CANCEL")
    books.use(books.lines[esim.provider_ref], 123)
    Esim.objects.filter(pk=esim.pk).update(next_refresh_at=books.now, refresh_claimed_until=None)
    refresh_due_lines(limit=None, seconds=5.0)
    esim.refresh_from_db()
    assert (esim.total_used_bytes, esim.refresh_error) == (123, "")
    office.check_books()


def test_a_line_of_no_known_order_is_not_called_unknown(table_only: Office) -> None:
    """That a parameter is missing says nothing about the line: it is not missing at the provider for that."""
    esim = buy_one(table_only)
    provider = get_provider(table_only.account.slug)
    with pytest.raises(Unavailable) as told:
        provider.read_line(esim.provider_ref)
    assert told.value.code == "000105"
    with pytest.raises(Unavailable) as told:
        provider.read_line("25080999999999", order_ref=esim.order_ref)
    assert told.value.code == NOT_TOLD


def test_only_what_its_order_lacks_is_missing(table_only: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.findings.sleep", lambda _seconds: None)
    office = table_only
    esim = buy_one(office)
    Esim.objects.filter(pk=esim.pk).update(provider_ref="25080999999999")
    without = Esim.objects.create(
        account=esim.account, customer=esim.customer, plan=esim.plan, provider_ref="25080999999998"
    )
    run = compare(office.account)
    missing = Difference.objects.get(kind="missing_line")
    said = "The provider answered nonsense: it does not tell of this eSIM"
    assert (missing.key, missing.details["said"]) == ("25080999999999", said)
    assert run.parts["lines"]["state"] == "partly"
    assert without.provider_ref not in {key for _kind, key in rows()}
