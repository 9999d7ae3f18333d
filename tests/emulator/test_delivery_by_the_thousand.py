"""A thousand eSIMs in one reply: slowly, in pieces, compressed, cut near its end, too slow."""

from time import monotonic

import pytest
from pytest_django import Settings

from esims.models import Esim
from orders.models import Refund
from tests.emulator.conftest import OpenOffice
from tests.emulator.quirks import VARIANTS, Quirks
from tests.emulator.wire import Fault


def check_all(office_refs: list[str], sold: list[str]) -> None:
    assert len(office_refs) == 1000
    assert office_refs == sold


@pytest.mark.parametrize("name", ["nest", "gateway"])
def test_slow_drip(name: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS[name])
    office.plan()
    office.emulator.meet("order", Fault(kind="drip", pieces=300, seconds=0.9))
    purchase = office.buy(1000)
    assert (purchase.state, office.emulator.count("order")) == ("fulfilled", 1)
    check_all([esim.provider_ref for esim in office.lines()], office.emulator.books.sold)
    assert all(esim.lpa == office.emulator.books.lines[esim.provider_ref].lpa for esim in office.lines())


def test_cut_inside_the_last_esim(open_office: OpenOffice) -> None:
    """999 could be read: all thousand are asked for, and come."""
    office = open_office(Quirks())
    office.plan()
    office.emulator.meet("order", Fault(kind="cut", cut=lambda body: len(body) - 200))
    purchase = office.settle(office.buy(1000), steps=2)
    assert purchase.state == "fulfilled"
    check_all([esim.provider_ref for esim in office.lines()], office.emulator.books.sold)
    assert set(Esim.objects.values_list("state", "lpa")) == {("provisioning", "")}
    office.check_books()


def test_drip_beyond_our_patience(settings: Settings, open_office: OpenOffice) -> None:
    """The drip never stops long enough for a socket's time-out; the whole reply has a deadline nevertheless."""
    office = open_office(Quirks(framing="chunked"))
    office.plan()
    settings.HTTP_ORDER_READ_TIMEOUT = 0.5
    office.emulator.meet("order", Fault(kind="drip", pieces=40, seconds=4.0))
    started = monotonic()
    purchase = office.settle(office.buy(40), steps=2)
    assert monotonic() - started < 3
    assert (purchase.state, office.emulator.count("order"), Refund.objects.count()) == ("fulfilled", 1, 0)
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold


def test_connection_that_stays_open_without_a_length(settings: Settings, open_office: OpenOffice) -> None:
    """Neither length nor chunks, and the house never hangs up: we do."""
    office = open_office(Quirks(framing="close", keeps_open=True))
    settings.HTTP_READ_TIMEOUT = 0.5
    settings.HTTP_ORDER_READ_TIMEOUT = 0.5
    office.emulator.quirks = Quirks(framing="length")
    office.plan()
    office.emulator.quirks = Quirks(framing="close", keeps_open=True)
    purchase = office.buy(2)
    office.emulator.quirks = Quirks(framing="length")
    purchase = office.settle(purchase, steps=2)
    assert (purchase.state, office.emulator.count("order")) == ("fulfilled", 1)
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
