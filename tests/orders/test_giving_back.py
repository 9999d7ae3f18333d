"""Money given back for what was delivered: by a person, for one line, up to its price, exact in the books."""

import uuid
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from customers.models import User
from esims.events import describe_event
from esims.models import Esim, LineEvent
from orders.books import find_uneven_orders, read_balances
from orders.giving_back import count_given, drop_return, list_sold, owe_return
from orders.models import Order, OrderEvent, Purchase, Refund
from orders.reconciliation import attach_lines
from orders.refunds import RefundRefused, record_refund_made
from orders.wording import describe_event as describe_order_event
from tests.orders.desk import buy, purchase_of, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_user, money
from tests.orders.test_races import race
from tests.orders.test_topping import make_sold_line, sell, step
from tests.pages import assert_clean_page

ZERO = Decimal(0)
pytestmark = pytest.mark.django_db
PRICE = Decimal("6.0000")


@pytest.fixture
def mina() -> User:
    return make_user("orders.give_back", "orders.refund", "orders.view_refund", "esims.view_esim")


def bought(quantity: int = 1) -> tuple[Order, Purchase, Esim]:
    order = buy(quantity)
    esims = Esim.objects.filter(purchased__purchase__order_line__order=order).order_by("pk")
    return order, purchase_of(order), esims[0]


def give(purchase: Purchase, esim: Esim, amount: str, by: User, key: uuid.UUID | None = None) -> Refund:
    return owe_return(
        purchase=purchase, esim=esim, amount=money(amount), reason="no signal", form_key=key or uuid.uuid4(), by=by
    )


def assert_books(*, delivered: str, due: str = "0", made: str = "0") -> None:
    (balance,) = read_balances()
    columns = (balance.delivered, balance.refunds_due, balance.refunds_made, balance.difference)
    assert columns == (money(delivered), money(due), money(made), ZERO)
    assert find_uneven_orders() == []


def test_a_part_goes_back_for_one_line_and_the_books_come_out(wholesaler: Wholesaler, mina: User) -> None:
    order, purchase, esim = bought(2)
    assert_books(delivered="12")
    refund = give(purchase, esim, "2.50", mina)
    assert (refund.kind, refund.state, refund.amount, refund.currency) == ("returned", "due", money("2.50"), "USD")
    assert (refund.order_id, refund.purchase_id, refund.esim_id, refund.quantity) == (
        *(order.pk, purchase.pk, esim.pk),
        1,
    )
    assert_books(delivered="9.50", due="2.50")
    record_refund_made(refund=refund, method="cash", by=mina)
    assert_books(delivered="9.50", made="2.50")
    # The rest of this line's price, and no more; the other line's is untouched.
    given = count_given(purchase, esim)
    assert (given.paid, given.returned, given.left) == (PRICE, money("2.50"), money("3.50"))
    give(purchase, esim, "3.50", mina)
    assert_books(delivered="6", due="3.50", made="2.50")
    assert Order.objects.get(pk=order.pk).state == "completed"
    (event,) = OrderEvent.objects.filter(order=order, kind="refund.returned", facts__new="2.50")
    assert (event.by, event.why) == (mina.email, "no signal")
    assert describe_order_event(event) == "Money is owed back for what was delivered"
    told = [describe_event(row) for row in LineEvent.objects.filter(esim=esim, kind="money_back_owed").order_by("pk")]
    assert told == [
        f"{amount} USD are owed back to the customer (order {order.number})." for amount in ("2.50", "3.50")
    ]


@pytest.mark.parametrize(
    ("amount", "word"),
    [("6.01", "Between nothing and 6.00 USD"), ("0", "Between nothing"), ("-1", "Between nothing"), ("1.005", "fewer")],
)
def test_more_than_was_paid_or_nothing_is_refused(wholesaler: Wholesaler, mina: User, amount: str, word: str) -> None:
    _order, purchase, esim = bought()
    with pytest.raises(RefundRefused, match=word) as refused:
        give(purchase, esim, amount, mina)
    assert refused.value.field == "amount"
    assert not Refund.objects.exists()
    assert_books(delivered="6")


def test_without_the_permission_nothing_is_owed(wholesaler: Wholesaler, mina: User) -> None:
    _order, purchase, esim = bought()
    with pytest.raises(PermissionDenied):
        give(purchase, esim, "1", make_user("orders.refund", "orders.sell"))
    refund = give(purchase, esim, "1", mina)
    with pytest.raises(PermissionDenied):
        drop_return(refund=refund, why="x", by=make_user("orders.refund"))
    assert Refund.objects.get().state == "due"


def test_for_a_line_of_another_order_nothing_is_owed(wholesaler: Wholesaler, mina: User) -> None:
    _order, purchase, _esim = bought()
    _other, _purchase, others = bought()
    with pytest.raises(RefundRefused, match="did not bring this line"):
        give(purchase, others, "1", mina)
    assert not Refund.objects.exists()


def test_one_return_of_a_line_is_due_at_a_time(wholesaler: Wholesaler, mina: User) -> None:
    _order, purchase, esim = bought()
    refund = give(purchase, esim, "1", mina)
    with pytest.raises(RefundRefused, match="owed back for it already"):
        give(purchase, esim, "1", mina)
    drop_return(refund=refund, why="they took another", by=mina)
    assert (Refund.objects.get().state, count_given(purchase, esim).left) == ("dropped", PRICE)
    assert_books(delivered="6")
    give(purchase, esim, "6", mina)
    assert_books(delivered="0", due="6")


def test_dropping_twice_changes_nothing_and_what_went_back_stays(wholesaler: Wholesaler, mina: User) -> None:
    order, purchase, esim = bought()
    refund = give(purchase, esim, "1", mina)
    for _twice in range(2):
        drop_return(refund=refund, why="they took another", by=mina)
    assert OrderEvent.objects.filter(order=order, kind="refund.dropped").count() == 1
    with pytest.raises(RefundRefused, match="it was dropped"):
        record_refund_made(refund=refund, method="cash", by=mina)
    made = record_refund_made(refund=give(purchase, esim, "2", mina), method="cash", by=mina)
    with pytest.raises(RefundRefused, match="went back"):
        drop_return(refund=made, why="too late", by=mina)
    assert_books(delivered="4", made="2")


def test_what_follows_from_a_purchase_is_not_dropped_by_hand(wholesaler: Wholesaler, mina: User) -> None:
    wholesaler.plan_orders("refused")
    missing = Refund.objects.get(order=buy(1))
    with pytest.raises(RefundRefused, match="follows from what was paid"):
        drop_return(refund=missing, why="x", by=mina)
    missing.refresh_from_db()
    assert missing.state == "due"


def test_a_price_that_went_back_before_the_line_came_is_not_given_back_again(
    wholesaler: Wholesaler, mina: User
) -> None:
    wholesaler.plan_orders("refused")
    order = buy(1)
    record_refund_made(refund=Refund.objects.get(order=order), method="cash", by=mina)
    purchase = purchase_of(order)
    decider = make_user("orders.reconcile")
    attach_lines(purchase=purchase, iccids=["8981100000000000002"], why="the portal shows it", by=decider)
    esim = Esim.objects.get(purchased__purchase=purchase)
    assert count_given(purchase, esim).left == 0
    with pytest.raises(RefundRefused, match="went back already"):
        give(purchase, esim, "1", mina)
    (balance,) = read_balances()
    assert (balance.given_away, balance.refunds_made, balance.difference) == (PRICE, PRICE, ZERO)


def test_a_top_up_is_given_back_by_itself(allocator: Allocator, mina: User) -> None:
    esim = make_sold_line(allocator)
    top_up = step(sell(esim))
    base, topped = list_sold(esim)
    assert topped == top_up
    give(top_up, esim, "6", mina)
    assert (count_given(top_up, esim).left, count_given(base, esim).left) == (ZERO, PRICE)
    assert_books(delivered="6", due="6")
    client = sign_in_as(make_user("orders.give_back", "orders.view_order", "esims.view_esim"))
    order = top_up.order_line.order
    link = f"/esims/{esim.pk}/give-back/?purchase={top_up.pk}"
    assert link in client.get(f"/orders/{order.pk}/").content.decode()
    page = client.get(link)
    assert_clean_page(page)
    assert "All that the customer paid for it is owed back" in page.content.decode()
    # The line itself is another matter, on the same page.
    assert "Owe it back" in client.get(f"/esims/{esim.pk}/give-back/").content.decode()


# -- the same form twice, and two forms at once ------------------------------------------------------------------------


def test_the_same_form_owes_once(wholesaler: Wholesaler, mina: User) -> None:
    _order, purchase, esim = bought()
    key = uuid.uuid4()
    first = give(purchase, esim, "1", mina, key)
    record_refund_made(refund=first, method="cash", by=mina)
    assert give(purchase, esim, "1", mina, key) == first
    with pytest.raises(RefundRefused, match="with other contents"):
        give(purchase, esim, "2", mina, key)
    assert_books(delivered="5", made="1")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_give_more_than_was_paid(wholesaler: Wholesaler) -> None:
    mina = make_user("orders.give_back", "orders.refund")
    _order, purchase, esim = bought()
    # Without the purchase's lock each looks, sees all of it left, and would give it.
    assert race(*[lambda: count_given(purchase, esim).left] * 3) == [PRICE] * 3
    results = race(*[lambda: give(purchase, esim, "4", mina)] * 4)
    assert sorted(type(result).__name__ for result in results) == ["Refund", *["RefundRefused"] * 3]
    key = uuid.uuid4()
    record_refund_made(refund=Refund.objects.get(), method="cash", by=mina)
    again = race(*[lambda: give(purchase, esim, "2", mina, key)] * 4)
    assert len({result.pk for result in again if isinstance(result, Refund)}) == 1
    assert_books(delivered="0", due="2", made="4")


# -- the pages ---------------------------------------------------------------------------------------------------------


def test_the_page_owes_a_part_and_the_pages_show_it_until_it_is_dropped(wholesaler: Wholesaler, mina: User) -> None:
    order, _purchase, esim = bought(2)
    client = sign_in_as(mina)
    assert_clean_page(client.get(f"/esims/{esim.pk}/give-back/"))
    response = client.post(
        f"/esims/{esim.pk}/give-back/",
        {"form_key": str(uuid.uuid4()), "left": "6", "share": "part", "amount": "2.50", "why": "no signal"},
    )
    assert (response.status_code, response["Location"]) == (302, f"/esims/{esim.pk}/")
    refund = Refund.objects.get()
    assert (refund.amount, refund.reason) == (money("2.50"), "no signal")
    boss = sign_in_as(make_user(is_superuser=True))
    for page in (f"/orders/{order.pk}/", f"/esims/{esim.pk}/", "/refunds/", f"/refunds/{refund.pk}/made/"):
        response = boss.get(page)
        assert_clean_page(response)
        told = response.content.decode()
        assert "2.50" in told, page
        assert "iven back" in told, page
        assert "no signal" in told, page
    # Once more: one is due already, and the page says so.
    assert "Money is owed back for it already" in client.get(f"/esims/{esim.pk}/give-back/").content.decode()
    assert_clean_page(client.get(f"/refunds/{refund.pk}/drop/"))
    response = client.post(f"/refunds/{refund.pk}/drop/", {"why": "they took another"})
    assert (response.status_code, response["Location"]) == (302, f"/orders/{order.pk}/")
    assert Refund.objects.get().state == "dropped"
    assert client.get(f"/refunds/{refund.pk}/drop/").status_code == 302


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({}, "Say how much goes back"),
        ({"left": "6", "share": "part"}, "Say how much goes back"),
        ({"left": "6", "share": "part", "amount": "x"}, "Type an amount"),
        ({"left": "6", "share": "part", "amount": "6.01"}, "At most 6.00 USD can go back"),
        ({"left": "6", "share": "part", "amount": "1.005"}, "fewer decimals"),
        ({"share": "nothing"}, "Select a valid choice"),
        ({"left": "6", "share": "all", "why": ""}, "Say why"),
    ],
)
def test_the_page_says_what_to_mend(wholesaler: Wholesaler, mina: User, said: dict[str, str], word: str) -> None:
    _order, _purchase, esim = bought()
    key = {"form_key": str(uuid.uuid4()), "why": "no signal"}
    response = sign_in_as(mina).post(f"/esims/{esim.pk}/give-back/", {**key, **said})
    assert response.status_code == 422
    assert word in response.content.decode()
    assert not Refund.objects.exists()


def test_a_double_click_owes_once(wholesaler: Wholesaler, mina: User) -> None:
    _order, _purchase, esim = bought()
    client = sign_in_as(mina)
    form = {"form_key": str(uuid.uuid4()), "left": "6", "share": "all", "why": "no signal"}
    client.post(f"/esims/{esim.pk}/give-back/", form)
    client.post(f"/esims/{esim.pk}/give-back/", form)
    assert Refund.objects.get().amount == PRICE


@pytest.mark.parametrize("said", [{"share": "all"}, {"share": "part", "amount": "1"}])
def test_the_page_owes_by_what_it_showed_or_not_at_all(
    wholesaler: Wholesaler, mina: User, said: dict[str, str]
) -> None:
    _order, purchase, esim = bought()
    client, page = sign_in_as(mina), f"/esims/{esim.pk}/give-back/"
    assert 'name="left" value="6.0000"' in client.get(page).content.decode()
    record_refund_made(refund=give(purchase, esim, "2", mina), method="cash", by=mina)
    form = {"form_key": str(uuid.uuid4()), "why": "no signal", **said}
    for left in ("6.0000", ""):
        refused = client.post(page, {**form, "left": left})
        assert refused.status_code == 422
        text = refused.content.decode()
        assert "What can go back to the customer has changed meanwhile. Look at it again." in text
        assert 'name="left" value="4.0000"' in text
    assert Refund.objects.count() == 1
    # Sent again, what that page shows is meant; and the same form once more finds it.
    for _twice in range(2):
        client.post(page, {**form, "left": "4.0000"})
    amount = money("4" if said["share"] == "all" else "1")
    assert Refund.objects.exclude(amount=2).get().amount == amount


def test_others_are_sent_away(wholesaler: Wholesaler, mina: User) -> None:
    _order, purchase, esim = bought()
    refund = give(purchase, esim, "1", mina)
    others = sign_in("orders.sell", "orders.refund", "orders.view_order", "esims.view_esim")
    for page in (f"/esims/{esim.pk}/give-back/", f"/refunds/{refund.pk}/drop/"):
        assert others.get(page).status_code == 403
        assert others.post(page, {"why": "x", "left": "6", "share": "all"}).status_code == 403
        assert Client().get(page).status_code == 302
        assert sign_in_as(mina).put(page).status_code == 405
    assert "give-back" not in others.get(f"/esims/{esim.pk}/").content.decode()
    assert sign_in_as(mina).get("/esims/999999/give-back/").status_code == 404
    assert sign_in_as(mina).get("/refunds/999999/drop/").status_code == 404
    assert Refund.objects.get().state == "due"


def test_what_no_order_brought_has_nothing_to_give_back(wholesaler: Wholesaler, mina: User) -> None:
    _order, _purchase, esim = bought()
    _other, foreign, _others = bought()
    response = sign_in_as(mina).get(f"/esims/{esim.pk}/give-back/?purchase={foreign.pk}")
    assert (response.status_code, response["Location"]) == (302, f"/esims/{esim.pk}/")
