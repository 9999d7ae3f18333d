"""Orders that a person or a webhook names by number: what is taken for ours, and what is somebody else's."""

import json
from typing import Any

import pytest

from esims.models import Esim
from orders.hints import follow_hints
from orders.models import Order, OrderEvent, Purchase, Refund
from orders.reconciliation import attach_lines, enter_transaction_id, mark_not_bought
from providers.esim_access import webhooks
from tests.emulator.wire import Fault
from tests.emulator_access.books import Sale
from tests.emulator_access.conftest import OpenOffice
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS


def lose_one(office: Office, *, happened: bool) -> Purchase:
    """An order whose answer never came, for which nobody looks any more."""
    office.plan("CKH002")
    office.emulator.meet("order", Fault(kind="reset_after" if happened else "reset_before"))
    (purchase,) = office.buy(1)
    Purchase.objects.update(state="unknown", next_attempt_at=None)
    return again(purchase)


def sell_in_console(office: Office, code: str, *, key: str = "console-1") -> Sale:
    books = office.emulator.books
    sale = books.sell(key, [(books.packages[code], 1, 0)])
    sale.looks_left = 0
    return sale


def again(purchase: Purchase) -> Purchase:
    return Purchase.objects.select_related("order_line__order", "account").get(pk=purchase.pk)


def call(office: Office, **content: Any) -> tuple[str, str]:
    """A webhook about an order: the delivery's state and note."""
    content = {"orderStatus": "GOT_RESOURCE", **content}
    body = json.dumps({"notifyType": "ORDER_STATUS", "notifyId": "n1", "content": content}).encode()
    hints = webhooks.read_hints(body)
    (answer,) = follow_hints(account_id=office.account.pk, slug=office.account.slug, deliveries=[hints])
    return answer


# -- numbers that a person types --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["CKH002", "SM001"])
def test_number_of_an_order_under_another_key_delivers_nothing(code: str, open_office: OpenOffice) -> None:
    """The live service tells the key with every line: the same plan, bought in the console, is not this order's."""
    office = open_office(VARIANTS["live"])
    purchase = lose_one(office, happened=False)
    sale = sell_in_console(office, code)
    enter_transaction_id(purchase=purchase, transaction_id=sale.order_no, by=office.user)
    purchase = office.settle(purchase)
    why = f"the transaction {sale.order_no} came by another key than ours: console-1"
    assert (purchase.state, purchase.error, purchase.next_attempt_at) == ("unknown", why, None)
    assert (Esim.objects.count(), Refund.objects.count()) == (0, 0)
    assert Order.objects.get().state == "buying"
    assert purchase.attempts.latest("number").outcome == "foreign"


def test_number_of_an_order_of_another_plan_delivers_nothing(open_office: OpenOffice) -> None:
    """No key is told: the plan speaks. Somebody who knows better enters the lines themselves."""
    office = open_office(VARIANTS["document"])
    purchase = lose_one(office, happened=False)
    sale = sell_in_console(office, "SM001")
    enter_transaction_id(purchase=purchase, transaction_id=sale.order_no, by=office.user)
    purchase = office.settle(purchase)
    why = f"the transaction {sale.order_no} holds another plan than was ordered: SM001"
    assert (purchase.state, purchase.error, Esim.objects.count()) == ("unknown", why, 0)
    attach_lines(purchase=purchase, iccids=list(sale.tran_nos), by=office.user, why="agreed with the customer")
    assert (again(purchase).state, Esim.objects.count()) == ("fulfilled", 1)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_number_of_the_order_itself_delivers_it(name: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS[name])
    purchase = lose_one(office, happened=True)
    (sale,) = office.emulator.books.sales
    enter_transaction_id(purchase=purchase, transaction_id=sale.order_no, by=office.user)
    purchase = office.settle(purchase)
    assert (purchase.state, purchase.attention) == ("fulfilled", "")
    office.check_books()


def test_other_plan_under_a_number_that_the_provider_gave_is_kept_and_shown(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    office.plan("CKH002")
    (purchase,) = office.buy(1)
    (sale,) = office.emulator.books.sales
    office.emulator.books.lines[sale.tran_nos[0]].held[0].package = office.emulator.books.packages["SM001"]
    purchase = office.settle(purchase)
    assert purchase.state == "fulfilled"
    assert purchase.attention == "The provider's lines hold another plan than was ordered: SM001"


# -- numbers that a webhook names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["document", "live"])
def test_webhook_with_our_key_finds_a_lost_order(name: str, open_office: OpenOffice) -> None:
    """Its number comes with it, which a house that tells no keys can be asked by."""
    office = open_office(VARIANTS[name])
    purchase = lose_one(office, happened=True)
    (sale,) = office.emulator.books.sales
    answer = call(office, orderNo=sale.order_no, transactionId=purchase.idempotency_key)
    assert answer == ("applied", "1 to be read again")
    purchase = again(purchase)
    assert (purchase.state, purchase.transaction_id) == ("allocating", sale.order_no)
    event = OrderEvent.objects.filter(purchase=purchase, kind="purchase.state").latest("pk")
    assert (event.by, event.why) == ("webhooks", "the provider's call names it: it is asked what it holds")
    purchase = office.settle(purchase)
    assert (purchase.state, purchase.attention, len(office.emulator.books.sales)) == ("fulfilled", "", 1)
    office.check_books()


def test_webhook_that_names_our_key_with_another_order_delivers_nothing(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    purchase = lose_one(office, happened=False)
    sale = sell_in_console(office, "CKH002")
    call(office, orderNo=sale.order_no, transactionId=purchase.idempotency_key)
    purchase = office.settle(again(purchase))
    assert (purchase.state, Esim.objects.count(), Refund.objects.count()) == ("unknown", 0, 0)
    assert purchase.error == f"the transaction {sale.order_no} came by another key than ours: console-1"


def test_webhook_that_names_our_key_with_an_order_of_another_plan_delivers_nothing(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["document"])
    purchase = lose_one(office, happened=False)
    sale = sell_in_console(office, "SM001")
    call(office, orderNo=sale.order_no, transactionId=purchase.idempotency_key)
    purchase = office.settle(again(purchase))
    assert (purchase.state, Esim.objects.count()) == ("unknown", 0)
    assert purchase.error == f"the transaction {sale.order_no} holds another plan than was ordered: SM001"


def test_webhook_about_an_order_that_was_taken_for_not_bought_asks_a_person(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    purchase = lose_one(office, happened=True)
    mark_not_bought(purchase=purchase, why="the portal shows none", by=office.user)
    (sale,) = office.emulator.books.sales
    answer = call(office, orderNo=sale.order_no, transactionId=purchase.idempotency_key)
    assert answer == ("applied", "names an order that was given up: a person is asked")
    purchase = again(purchase)
    word = f"The provider's call names this order ({sale.order_no}): it may have been bought."
    assert (purchase.state, purchase.attention, Refund.objects.get().state) == ("rejected", word, "due")


def test_webhook_about_strangers_says_so(open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["live"])
    purchase = lose_one(office, happened=False)
    sale = sell_in_console(office, "CKH002")
    answer = call(office, orderNo=sale.order_no, transactionId="console-1")
    assert answer == ("ignored", "names nothing of ours")
    assert (again(purchase).state, again(purchase).transaction_id) == ("unknown", "")
