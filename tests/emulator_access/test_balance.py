"""The balance at a house that charges less than it lists, and that gives back what top-ups cost as well."""

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from orders.models import Difference, LedgerMark
from providers.esim_access.config import read_percent
from providers.types import Capability
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.quirks import VARIANTS
from tests.emulator_access.test_whole_life import buy_one, sell
from tests.orders.comparing import compare


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    settings.COMPARE_SETTLING_MINUTES, settings.COMPARE_DAYS = 0.0, 20


def test_what_is_charged_less_than_listed_grows_until_the_settings_say_so(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    office.sync()
    compare(office.account)
    for night in range(1, 3):
        buy_one(office)
        compare(office.account)
        assert Difference.objects.get().amount == Decimal("0.04") * night
    assert LedgerMark.objects.count() == 1


def test_within_the_percentage_of_the_settings_it_is_no_difference(open_office: OpenOffice) -> None:
    """0.04 of 1.80 are 2.2 percent. Each night's mark is the balance itself, so nothing adds up."""
    office = open_office(VARIANTS["live"], CHARGED_LESS_PERCENT="2.5")
    office.sync()
    compare(office.account)
    for night in range(3):
        esim = buy_one(office)
        if night == 2:
            # What comes back is less than listed, too.
            compare(office.account)
            assert office.act(esim, Capability.CANCEL).state == "confirmed"
        run = compare(office.account)
        assert (run.parts["balance"]["state"], Difference.objects.count()) == ("compared", 0)
    assert LedgerMark.objects.order_by("at")[4].amount == Decimal(office.emulator.books.balance) / 10_000


@pytest.mark.parametrize("percent", ["2.2", "2.5"])
def test_a_lost_line_still_shows(percent: str, open_office: OpenOffice) -> None:
    """And so does what the percentage does not explain: 2.2 percent of 1.80 are less than 0.04."""
    office = open_office(VARIANTS["live"], CHARGED_LESS_PERCENT=percent)
    office.sync()
    compare(office.account)
    buy_one(office)
    books = office.emulator.books
    books.sell("console-1", [(books.packages["CKH002"], 1, 0)]).looks_left = 0
    compare(office.account)
    assert Difference.objects.get(kind="balance").amount == Decimal("-1.72")


def test_a_discount_above_the_percentage_shows(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"], CHARGED_LESS_PERCENT="2.2")
    office.sync()
    compare(office.account)
    buy_one(office)
    compare(office.account)
    assert Difference.objects.get().amount == Decimal("0.04")


def test_what_top_ups_of_a_cancelled_line_bring_back_is_left_open(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    office.sync()
    compare(office.account)
    esim = buy_one(office)
    office.settle(sell(office, esim))
    assert compare(office.account).parts["balance"]["state"] == "compared"
    assert office.act(office.refresh(esim), Capability.CANCEL).state == "confirmed"
    run = compare(office.account)
    assert run.parts["balance"]["note"] == "For some ended lines money may have come back: how much is left open."
    assert Difference.objects.count() == 0
    # Both prices came back: the mark holds what there is.
    assert office.emulator.books.balance == 10_000_000
    assert LedgerMark.objects.order_by("at")[2].amount == Decimal(1000)


@pytest.mark.parametrize(("text", "share"), [("0", "0"), ("4.5", "0.045"), (" 50 ", "0.5"), ("0.00", "0")])
def test_the_percentage_is_read_exactly(text: str, share: str) -> None:
    assert read_percent(text, variable="X") == Decimal(share)


@pytest.mark.parametrize("text", ["", "x", "-1", "51", "nan", "Infinity", "4,5"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="X is not a number of percent"):
        read_percent(text, variable="X")
