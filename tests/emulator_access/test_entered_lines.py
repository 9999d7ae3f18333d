"""Lines that a person enters, or takes from a comparison: the house is asked about each before anything is written."""

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from pytest_django import Settings

from esims.models import Esim
from orders.comparing import open_comparison, run_comparison
from orders.differing import DifferenceRefused, attach_line, find_fitting_purchases, take_over_line
from orders.models import Difference, Order, Purchase
from orders.reconciliation import ReconciliationRefused, attach_lines
from providers.base import Provider
from providers.types import LineSnapshot
from tests.emulator.wire import Fault
from tests.emulator_access.books import Line
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS
from tests.orders.making import make_customer, make_user


def lose(office: Office, quantity: int = 1) -> Purchase:
    """An order that the house has taken and allocated, and of which we know no more."""
    office.plan("CKH002")
    (purchase,) = office.buy(quantity)
    for sale in office.emulator.books.sales:
        sale.looks_left = 0
    Purchase.objects.filter(pk=purchase.pk).update(state="unknown", next_attempt_at=None)
    return Purchase.objects.get(pk=purchase.pk)


def sell_in_console(office: Office, *, code: str = "CKH002") -> Line:
    books = office.emulator.books
    sale = books.sell(f"console-{len(books.sales)}", [(books.packages[code], 1, 0)])
    sale.looks_left = 0
    return books.lines[sale.tran_nos[0]]


def assert_refused(message: str, purchase: Purchase, *refs: str, office: Office) -> None:
    with pytest.raises(ReconciliationRefused, match=message) as refused:
        attach_lines(purchase=purchase, iccids=refs, by=office.user, why="portal")
    assert refused.value.field == "iccids"
    assert_untouched(purchase)


def assert_untouched(purchase: Purchase) -> None:
    assert (Purchase.objects.get(pk=purchase.pk).state, Order.objects.get().state) == ("unknown", "buying")
    assert not Esim.objects.exists()
    assert not purchase.events.filter(kind="purchase.lines").exists()


def test_the_lines_of_the_order_are_entered(office: Office) -> None:
    purchase = lose(office, 2)
    attach_lines(purchase=purchase, iccids=office.emulator.books.sold, by=office.user, why="portal")
    assert (Purchase.objects.get().state, Order.objects.get().state) == ("fulfilled", "completed")
    assert [esim.provider_ref for esim in office.lines()] == office.emulator.books.sold


def test_an_orders_number_is_no_lines_and_the_house_is_not_asked(office: Office) -> None:
    purchase = lose(office)
    number, before = office.emulator.books.sales[0].order_no, office.emulator.count("query")
    assert_refused(f"an order's number, not a line's: {number}. Enter the esimTranNo", purchase, number, office=office)
    assert_refused("an order's number", purchase, number.lower(), office=office)
    assert office.emulator.count("query") == before


def test_a_number_that_the_house_does_not_know_is_refused(office: Office) -> None:
    purchase = lose(office, 2)
    good = office.emulator.books.sold[0]
    assert_refused("does not know this line: 25080999999999", purchase, good, "25080999999999", office=office)


def test_a_line_that_is_over_is_refused(office: Office) -> None:
    purchase = lose(office)
    (ref,) = office.emulator.books.sold
    office.emulator.books.cancel(office.emulator.books.lines[ref])
    assert_refused(f"Line {ref} is over: the provider calls it “cancelled”", purchase, ref, office=office)


def test_a_line_of_another_order_is_refused(office: Office) -> None:
    """By the key that the house tells, or by the order's number that came with the first reply."""
    purchase = lose(office)
    foreign = sell_in_console(office)
    assert_refused(
        f"came by another order at the provider .{foreign.order_no}", purchase, foreign.tran_no, office=office
    )


def test_a_key_that_is_ours_is_certain_and_a_foreign_one_is_foreign(open_office: OpenOffice) -> None:
    """Where no number of an order is known: an answer that was lost."""
    office = open_office(VARIANTS["live"])
    purchase = lose(office)
    foreign = sell_in_console(office)
    Purchase.objects.update(transaction_id="", provider_order_ref="")
    assert_refused("came by another order at the provider", purchase, foreign.tran_no, office=office)
    # A wrong number of an order that somebody typed says less than our key.
    Purchase.objects.update(transaction_id="B1")
    attach_lines(purchase=purchase, iccids=office.emulator.books.sold[:1], by=office.user)
    assert Purchase.objects.get().state == "fulfilled"


def test_a_line_of_another_order_of_ours_is_refused_with_its_number(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    first = lose(office)
    second = lose(office)
    Purchase.objects.filter(pk=second.pk).update(transaction_id="", provider_order_ref="")
    (ref,) = office.emulator.books.sales[0].tran_nos
    with pytest.raises(ReconciliationRefused, match=f"came by order {first.order_line.order.number} of ours"):
        attach_lines(purchase=second, iccids=[ref], by=office.user)
    assert not Esim.objects.exists()


@pytest.mark.parametrize("kind", ["reset_before", "answer"])
def test_without_a_usable_answer_nothing_is_entered(kind: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    purchase = lose(office)
    fault = Fault(kind=kind, body=office.emulator.wording.failure("000001")) if kind == "answer" else Fault(kind=kind)
    office.emulator.meet("query", *[fault] * 4)
    assert_refused("gave no usable answer about line", purchase, office.emulator.books.sold[0], office=office)


def test_the_house_is_asked_outside_of_transactions(open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    office = open_office(VARIANTS["document"])
    purchase = lose(office)
    depths: list[int] = []
    read: Callable[..., LineSnapshot] = Provider.read_line

    def watch(self: Provider, ref: str, **more: object) -> LineSnapshot:
        depths.append(len(connection.savepoint_ids))
        return read(self, ref, **more)

    monkeypatch.setattr(Provider, "read_line", watch)
    attach_lines(purchase=purchase, iccids=office.emulator.books.sold, by=office.user)
    assert depths == [0]


# -- from a comparison ------------------------------------------------------------------------------------------------


def compare(office: Office, settings: Settings) -> None:
    settings.COMPARE_SETTLING_MINUTES, settings.COMPARE_DAYS = 0.0, 60
    run, _made = open_comparison(account=office.account, asked_by="test", enqueue=False)
    run_comparison(run_id=run.pk)


def test_a_cancelled_stranger_is_given_to_nobody(open_office: OpenOffice, settings: Settings) -> None:
    office = open_office(VARIANTS["document"])
    foreign = sell_in_console(office)
    office.emulator.books.cancel(foreign)
    plan = office.plan("CKH002")
    office.order(1, code="CKH002")
    Purchase.objects.update(state="unknown", next_attempt_at=None)
    compare(office, settings)
    difference = Difference.objects.get(kind="unknown_line")
    assert (difference.key, difference.details, difference.amount) == (foreign.tran_no, {"state": "cancelled"}, None)
    assert find_fitting_purchases(difference) == ()
    with pytest.raises(DifferenceRefused, match="this line is over"):
        attach_line(difference=difference, purchase=Purchase.objects.get(), why="x", by=office.user)
    with pytest.raises(DifferenceRefused, match="this line is over"):
        take_over_line(difference=difference, customer=make_customer(), plan=plan, why="x", by=office.user)
    difference.refresh_from_db()
    assert difference.state == "open"
    assert_untouched(Purchase.objects.get())


def test_a_stranger_that_was_cancelled_since_is_given_to_nobody(open_office: OpenOffice, settings: Settings) -> None:
    office = open_office(VARIANTS["document"])
    foreign = sell_in_console(office)
    plan = office.plan("CKH002")
    office.order(1, code="CKH002")
    Purchase.objects.update(state="unknown", next_attempt_at=None)
    compare(office, settings)
    difference = Difference.objects.get(kind="unknown_line")
    assert difference.amount is not None
    office.emulator.books.cancel(foreign)
    with pytest.raises(DifferenceRefused, match="is over: the provider calls it"):
        attach_line(difference=difference, purchase=Purchase.objects.get(), why="x", by=office.user)
    with pytest.raises(DifferenceRefused, match="is over: the provider calls it"):
        take_over_line(difference=difference, customer=make_customer(), plan=plan, why="x", by=office.user)
    assert_untouched(Purchase.objects.get())


def test_nobody_is_asked_for_whoever_may_not_decide(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    purchase = lose(office)
    before = office.emulator.count("query")
    with pytest.raises(PermissionDenied):
        attach_lines(purchase=purchase, iccids=office.emulator.books.sold, by=make_user("orders.sell"))
    assert office.emulator.count("query") == before
