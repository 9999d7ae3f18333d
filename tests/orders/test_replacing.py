"""A faulty line is replaced by an order of its own: free of charge, bought like every other, once."""

import threading
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from catalog.models import Plan, PlanCoverage
from customers.models import User
from esims.events import describe_event
from esims.models import Esim, LineAction, LineEvent
from orders.books import find_uneven_orders, read_balances
from orders.models import Order, OrderEvent, OrderLine, Payment, Purchase, Refund
from orders.purchasing import run_purchase
from orders.replacing import ReplacementRefused, find_choices, replace_line
from orders.topups import TopUpsUnknown, find_top_ups, why_no_top_up
from orders.wording import describe_event as describe_order_event
from tests.orders.desk import buy, purchase_of, read_hidden, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_fake_account, make_fake_plan, make_user
from tests.orders.test_races import race
from tests.orders.test_topping import make_sold_line
from tests.pages import assert_clean_page

ZERO = Decimal(0)
pytestmark = pytest.mark.django_db
MAY = ("orders.replace", "orders.view_order", "esims.view_esim")


@pytest.fixture
def mina() -> User:
    return make_user(*MAY)


def bought(slug: str = "fake", **plan: Any) -> Esim:
    order = buy(1, slug, **plan)
    return Esim.objects.select_related("plan", "account").get(purchased__purchase__order_line__order=order)


def replace(esim: Esim, by: User, **changes: Any) -> Order:
    said: dict[str, Any] = {
        "esim": esim,
        "plan": esim.plan,
        "reason": "no network at all",
        "checkout_key": uuid.uuid4(),
        "by": by,
        **changes,
    }
    return replace_line(**said)


def deliver(order: Order) -> Esim:
    run_purchase(purchase_id=purchase_of(order).pk)
    return Esim.objects.get(purchased__purchase__order_line__order=order)


def assert_books(*, captured: str = "6", delivered: str = "6") -> None:
    (balance,) = read_balances()
    assert (balance.captured, balance.delivered, balance.difference) == (Decimal(captured), Decimal(delivered), ZERO)
    assert find_uneven_orders() == []


def test_the_same_plan_is_bought_at_once_for_nothing(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    old = Order.objects.get()
    order = replace(esim, mina)
    line = OrderLine.objects.get(order=order)
    assert (order.state, order.total, order.customer_id) == ("buying", ZERO, esim.customer_id)
    assert (line.replaces_id, line.plan_id, line.quantity) == (esim.pk, esim.plan_id, 1)
    assert (line.unit_price, line.price_source, line.unit_cost) == (ZERO, "replacement", Decimal("4.0000"))
    payment = Payment.objects.get(order=order)
    assert (payment.method, payment.state, payment.captured_amount) == ("free", "captured", ZERO)
    new = deliver(order)
    assert (new.customer_id, Order.objects.get(pk=order.pk).state) == (esim.customer_id, "completed")
    assert len(wholesaler.sales) == 2
    assert_books()
    # Both orders and both lines name each other.
    told = [describe_order_event(row) for row in OrderEvent.objects.filter(kind__startswith="order.repl")]
    assert sorted(told) == [
        f"In place of {esim.label} of order {old.number}, free of charge",
        f"Replacement of {esim.label} ordered: {order.number}",
    ]
    lines = LineEvent.objects.filter(kind__startswith="repl").order_by("pk")
    assert [(row.esim_id, describe_event(row)) for row in lines] == [
        (esim.pk, f"Another eSIM was ordered in its place (order {order.number})."),
        (new.pk, f"It replaces {esim.label} (order {order.number})."),
        (esim.pk, f"Replaced by {new.label} (order {order.number})."),
    ]


def test_one_replacement_of_a_line_at_a_time(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    order = replace(esim, mina)
    with pytest.raises(ReplacementRefused, match=f"replaced already, by order {order.number}"):
        replace(esim, mina)
    deliver(order)
    with pytest.raises(ReplacementRefused, match="replaced already"):
        replace(esim, mina)
    # What came in its place may be replaced in its turn.
    replace(deliver(order), mina)
    assert Order.objects.count() == 3


def test_a_replacement_that_brought_nothing_makes_room_for_another(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    wholesaler.plan_orders("refused")
    first = replace(esim, mina)
    run_purchase(purchase_id=purchase_of(first).pk)
    assert Order.objects.get(pk=first.pk).state == "failed"
    assert not Refund.objects.exists()
    deliver(replace(esim, mina))
    assert_books()


def test_the_same_form_replaces_once(wholesaler: Wholesaler, mina: User) -> None:
    esim, other = bought(), bought()
    key = uuid.uuid4()
    assert replace(esim, mina, checkout_key=key) == replace(esim, mina, checkout_key=key)
    with pytest.raises(ReplacementRefused, match="with other contents"):
        replace(other, mina, checkout_key=key)
    assert Order.objects.count() == 3


def test_without_the_permission_nothing_is_ordered(wholesaler: Wholesaler) -> None:
    esim = bought()
    with pytest.raises(PermissionDenied):
        replace(esim, make_user("orders.sell", "orders.give_back"))
    assert Order.objects.count() == 1


def test_a_plan_that_cannot_be_had_any_more_gives_way_to_another_of_the_same_places(
    wholesaler: Wholesaler, mina: User
) -> None:
    esim = bought(plan_ref="JP1")
    account = make_fake_account()
    fits = make_fake_plan(plan_ref="JP-OTHER", name="Japan 2 GB")
    elsewhere = make_fake_plan(plan_ref="KR1", name="Korea 2 GB")
    for plan, country in ((esim.plan, "JP"), (fits, "JP"), (elsewhere, "KR")):
        PlanCoverage.objects.filter(plan=plan).delete()
        PlanCoverage.objects.create(plan=plan, country=country, kind="unspecified")
    assert [choice.plan for choice in find_choices(esim).plans] == [esim.plan]
    with pytest.raises(ReplacementRefused, match="cannot be given in its place"):
        replace(esim, mina, plan=fits)
    Plan.objects.filter(pk=esim.plan_id).update(retired_at=timezone.now())
    choices = find_choices(esim)
    assert [(choice.plan.plan_ref, choice.is_same) for choice in choices.plans] == [("JP-OTHER", False)]
    assert choices.refusal == "The provider no longer offers this plan."
    for plan, word in ((esim.plan, "no longer offers"), (elsewhere, "cannot be given in its place")):
        with pytest.raises(ReplacementRefused, match=word) as refused:
            replace(esim, mina, plan=plan)
        assert refused.value.field == "plan"
    page = sign_in_as(mina).get(f"/esims/{esim.pk}/replace/")
    assert_clean_page(page)
    assert "Another plan that works in the same places" in page.content.decode()
    order = replace(esim, mina, plan=fits)
    assert OrderLine.objects.get(order=order).plan == fits
    assert account.pk == fits.account_id


def test_what_went_back_whole_is_not_replaced_as_well(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    boss = make_user("orders.give_back")
    form = {"form_key": str(uuid.uuid4()), "left": "6", "share": "all", "why": "sorry"}
    sign_in_as(boss).post(f"/esims/{esim.pk}/give-back/", form)
    with pytest.raises(ReplacementRefused, match="sell a new one instead"):
        replace(esim, mina)
    assert Order.objects.count() == 1


def test_a_replaced_line_is_not_topped_up(allocator: Allocator, mina: User) -> None:
    esim = make_sold_line(allocator)
    order = replace(esim, mina)
    word = f"The line is replaced by order {order.number}: top up the eSIM that came in its place."
    assert why_no_top_up(esim) == word
    with pytest.raises(TopUpsUnknown) as refused:
        find_top_ups(esim=esim)
    assert refused.value.message == word
    assert allocator.looks == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_at_once_replace_a_line_once(wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch) -> None:
    mina = make_user(*MAY)
    esim = bought()
    works = [lambda: replace(esim, mina)] * 3
    # Without the locks all three look, see no replacement, and order one.
    with monkeypatch.context() as patch:
        all_looked = threading.Barrier(3)

        def look(line: Esim) -> Esim:
            return Esim.objects.select_related("account", "plan", "customer").get(pk=line.pk)

        def find(_line: Esim) -> str:
            all_looked.wait(timeout=10)
            return ""

        patch.setattr("orders.replacing.lock_replaced", look)
        patch.setattr("orders.replacing.why_not_replaceable", find)
        assert [type(result).__name__ for result in race(*works)] == ["Order"] * 3
    other = bought()
    results = race(*[lambda: replace(other, mina)] * 4)
    assert sorted(type(result).__name__ for result in results) == ["Order", *["ReplacementRefused"] * 3]
    third, key = bought(), uuid.uuid4()
    results = race(*[lambda: replace(third, mina, checkout_key=key)] * 4)
    assert len({result.pk for result in results if isinstance(result, Order)}) == 1
    assert OrderLine.objects.filter(replaces=third).count() == 1
    assert Purchase.objects.filter(order_line__replaces=third).count() == 1


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_replaces_once_however_often_it_is_sent(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    client = sign_in_as(mina)
    page = client.get(f"/esims/{esim.pk}/replace/")
    assert_clean_page(page)
    form = {**read_hidden(page, "checkout_key"), "plan": str(esim.plan_id), "old_line": "leave", "why": "no network"}
    first = client.post(f"/esims/{esim.pk}/replace/", form)
    order = OrderLine.objects.get(replaces=esim).order
    assert (first.status_code, first["Location"]) == (302, f"/orders/{order.pk}/")
    assert client.post(f"/esims/{esim.pk}/replace/", form)["Location"] == f"/orders/{order.pk}/"
    assert Order.objects.count() == 2
    assert not LineAction.objects.exists()
    new = deliver(order)
    boss = sign_in_as(make_user(is_superuser=True))
    old = Order.objects.exclude(pk=order.pk).get()
    for address, words in (
        (f"/orders/{order.pk}/", (f"/esims/{esim.pk}/", old.number, "free of charge", "our loss", "-4.00")),
        (f"/orders/{old.pk}/", (f"/esims/{esim.pk}/", order.number)),
        (f"/esims/{esim.pk}/", (order.number, f"/esims/{new.pk}/")),
        (f"/esims/{new.pk}/", (f"/esims/{esim.pk}/", "a replacement, free of charge")),
    ):
        response = boss.get(address)
        assert_clean_page(response)
        assert [word for word in words if word not in response.content.decode().replace("−", "-")] == [], address
    # It is replaced: the page says so and asks nothing more.
    assert client.get(f"/esims/{esim.pk}/replace/")["Location"] == f"/esims/{esim.pk}/"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"why": ""}, "Say what is wrong with the line"),
        ({"old_line": ""}, "Say what becomes of the old line"),
        ({"plan": ""}, "Choose a plan"),
        ({"plan": "999999"}, "Select a valid choice"),
        ({"old_line": "revoke"}, "Select a valid choice"),
    ],
)
def test_the_page_says_what_to_mend(wholesaler: Wholesaler, mina: User, said: dict[str, str], word: str) -> None:
    esim = bought()
    form = {"checkout_key": str(uuid.uuid4()), "plan": str(esim.plan_id), "old_line": "leave", "why": "no network"}
    response = sign_in_as(mina).post(f"/esims/{esim.pk}/replace/", {**form, **said})
    assert response.status_code == 422
    assert word in response.content.decode()
    assert Order.objects.count() == 1


def test_others_are_sent_away(wholesaler: Wholesaler, mina: User) -> None:
    esim = bought()
    page = f"/esims/{esim.pk}/replace/"
    others = sign_in("orders.sell", "orders.give_back", "esims.view_esim")
    assert (others.get(page).status_code, others.post(page, {}).status_code) == (403, 403)
    assert Client().get(page).status_code == 302
    assert sign_in_as(mina).put(page).status_code == 405
    assert sign_in_as(mina).get("/esims/999999/replace/").status_code == 404
    assert page not in others.get(f"/esims/{esim.pk}/").content.decode()
    assert Order.objects.count() == 1
