"""The reply of an order that ends too early, at every interesting byte: paid once, sent once, and nothing lost."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from orders.models import PurchaseAttempt, Refund
from orders.reconciliation import ReconciliationRefused, enter_transaction_id, read_reply_again
from providers.models import RatePause
from tests.emulator.conftest import OpenOffice
from tests.emulator.quirks import VARIANTS, Quirks
from tests.emulator.wire import Fault

#: Where the body ends.
CUTS: dict[str, Callable[[bytes], int]] = {
    "nothing": lambda body: 0,
    "first byte": lambda body: 1,
    "before the id": lambda body: body.index(b'"transactionId"'),
    "inside the id": lambda body: body.index(b'"transactionId"') + 30,
    "before the id's end": lambda body: _find_id(body).end() - 1,
    "after the id": lambda body: _find_id(body).end(),
    "inside the first code": lambda body: body.index(b'"activationCode"') + 28,
    "inside the first LPA": lambda body: body.index(b"LPA:1") + 36,
    "half": lambda body: len(body) // 2,
    "inside the last eSIM": lambda body: max(body.rindex(b'"iccid"'), body.rindex(b'"activationCode"')) + 12,
    "before the last bracket": lambda body: body.rindex(b"]"),
    "before the last byte": lambda body: len(body) - 1,
}
_HOUSES = ["plain", "nest", "gateway", "mute"]


def _find_id(body: bytes) -> "re.Match[bytes]":
    found = re.search(rb'"transactionId": ?"[0-9a-f-]{36}"', body)
    assert found
    return found


@pytest.mark.parametrize("where", list(CUTS))
@pytest.mark.parametrize("name", _HOUSES)
def test_cut(name: str, where: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS[name])
    office.plan()
    given_away: list[bool] = []

    def cut(body: bytes) -> int:
        end = CUTS[where](body)
        given_away.append(end >= _find_id(body).end())
        return end

    office.emulator.meet("order", Fault(kind="cut", cut=cut))
    purchase = office.settle(office.buy(3))
    (sale,) = office.emulator.books.sales
    assert office.emulator.count("order") == 1
    if given_away == [True]:
        assert (purchase.state, purchase.transaction_id) == ("fulfilled", sale.transaction_id)
        assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
    else:
        assert (purchase.state, purchase.transaction_id, office.lines()) == ("unknown", "", [])
    assert Refund.objects.count() == 0
    office.check_books()


@pytest.mark.parametrize("name", ["nest", "mute"])
def test_only_the_chunked_end_is_missing(name: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS[name])
    office.plan()
    office.emulator.meet("order", Fault(kind="no_end"))
    purchase = office.settle(office.buy(3))
    assert purchase.state == "fulfilled"
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
    office.check_books()


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "close_before"])
@pytest.mark.parametrize("name", ["plain", "gateway"])
def test_connection_ends_without_an_answer(name: str, kind: str, open_office: OpenOffice) -> None:
    """Nobody can tell whether it was bought: once sent, never sent again, until a person says what the portal shows."""
    office = open_office(VARIANTS[name])
    office.plan()
    office.emulator.meet("order", Fault(kind=kind))
    purchase = office.settle(office.buy(2))
    assert (purchase.state, office.emulator.count("order"), office.lines()) == ("unknown", 1, [])
    assert Refund.objects.count() == 0
    office.check_books()
    if office.emulator.books.sales:
        told = office.emulator.books.sales[0].transaction_id
        enter_transaction_id(purchase=purchase, transaction_id=told, by=office.user)
        purchase = office.settle(purchase)
        assert purchase.state == "fulfilled"
        assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold
    office.check_books()


@pytest.mark.parametrize("status", [400, 404, 200])
def test_transaction_that_is_too_old(status: int, open_office: OpenOffice) -> None:
    """After 48 hours an existing id looks like one that never was: nothing follows from it."""
    office = open_office(Quirks(unknown_transaction=status))
    office.plan()

    def cut(body: bytes) -> int:
        office.emulator.books.forgotten = {sale.transaction_id for sale in office.emulator.books.sales}
        return len(body) // 2

    office.emulator.meet("order", Fault(kind="cut", cut=cut))
    purchase = office.settle(office.buy(2))
    assert purchase.state == ("allocating" if status == 200 else "unknown")
    assert (office.lines(), Refund.objects.count(), office.emulator.count("order")) == ([], 0, 1)
    office.check_books()


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_inquiry_that_fails_for_now(status: int, open_office: OpenOffice) -> None:
    """Wrong keys or a house in trouble say nothing about the transaction: it is asked for again."""
    office = open_office(Quirks(errors="nest"))
    office.plan()
    office.emulator.meet("order", Fault(kind="cut", cut=lambda body: len(body) // 2))
    office.emulator.meet("transaction", Fault(kind="answer", status=status, headers={"Retry-After": "0"}))
    purchase = office.buy(2)
    assert (purchase.state, office.lines()) == ("allocating", [])
    RatePause.objects.all().delete()
    purchase = office.settle(purchase)
    assert purchase.state == "fulfilled"
    office.check_books()


def test_reading_the_cut_reply_again_changes_nothing(open_office: OpenOffice) -> None:
    office = open_office(replace(VARIANTS["nest"], framing="length"))
    office.plan()
    office.emulator.meet("order", Fault(kind="cut", cut=lambda body: len(body) // 2))
    purchase = office.settle(office.buy(2))
    assert purchase.state == "unknown"
    try:
        purchase = read_reply_again(purchase=purchase, by=office.user)
    except ReconciliationRefused:
        purchase.refresh_from_db()
    assert (purchase.state, office.lines(), office.emulator.count("order")) == ("unknown", [], 1)
    assert PurchaseAttempt.objects.filter(purchase=purchase, kind="order").count() == 1
    office.check_books()
