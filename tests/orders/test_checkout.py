"""Taking an order: what is frozen, what is refused, one form one order."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Plan
from customers.models import Customer
from orders.checkout import CheckoutRefused, cancel_order, place_order
from orders.models import Order, OrderEvent, OrderLine, Purchase
from orders.numbers import ALPHABET
from tests.catalog.making import make_plan
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_account, make_fake_plan, make_user, order_plan, pay
from tests.queue import Queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]


def place(plan: Plan, **changes: Any) -> Order:
    arguments: dict[str, Any] = {
        "customer": changes.pop("customer", None) or make_customer(),
        "plan": plan,
        "quantity": 2,
        "checkout_key": uuid.uuid4(),
        "expected_unit_price": Decimal("6.00"),
        "by": changes.pop("by", None) or make_user(),
    }
    return place_order(**{**arguments, **changes})


def test_order_freezes_names_and_prices(queue: Queue) -> None:
    plan = make_fake_plan(name="Japan 1 GB", price_source="rule: summer")
    staff = make_user()
    order = place(plan, by=staff, note="for the hotel")
    plan.name, plan.retail_price, plan.net_price = "Renamed", Decimal(99), Decimal(98)
    plan.save()
    line = order.lines.get()
    assert (line.plan_name, line.quantity, line.unit_price, line.price_source) == (
        "Japan 1 GB",
        2,
        Decimal("6.0000"),
        "rule: summer",
    )
    assert (line.unit_cost, line.cost_currency) == (Decimal("4.0000"), "USD")
    assert (order.state, order.total, order.currency, order.note) == ("unpaid", Decimal(12), "USD", "for the hotel")
    event = order.events.get()
    assert (event.kind, event.by, event.facts["quantity"]) == ("order.placed", staff.email, 2)
    assert queue.waiting() == []
    assert Purchase.objects.count() == 0


def test_number_is_short_and_readable() -> None:
    number = place(make_fake_plan()).number
    prefix, month, secret = number.split("-")
    assert (prefix, month, len(secret)) == ("R", f"{timezone.now():%y%m}", 6)
    assert set(secret) <= set(ALPHABET)


def test_number_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["R-2611-AAAAAA", "R-2611-AAAAAA", "R-2611-CCCCCC"])
    monkeypatch.setattr("orders.checkout.draw_number", lambda _at: next(drawn))
    plan = make_fake_plan()
    assert [place(plan).number, place(plan).number] == ["R-2611-AAAAAA", "R-2611-CCCCCC"]


def test_same_form_gives_the_same_order() -> None:
    plan, customer, key = make_fake_plan(), make_customer(), uuid.uuid4()
    first = place(plan, customer=customer, checkout_key=key)
    second = place(plan, customer=customer, checkout_key=key)
    assert first.pk == second.pk
    assert (Order.objects.count(), OrderLine.objects.count(), OrderEvent.objects.count()) == (1, 1, 1)


def test_same_form_gives_the_same_order_after_the_plan_is_gone() -> None:
    plan, customer, key = make_fake_plan(), make_customer(), uuid.uuid4()
    first = place(plan, customer=customer, checkout_key=key)
    Plan.objects.update(retired_at=timezone.now())
    assert place(plan, customer=customer, checkout_key=key).pk == first.pk


@pytest.mark.parametrize("change", ["quantity", "customer", "plan"])
def test_same_form_with_other_contents_is_refused(change: str) -> None:
    plan, customer, key = make_fake_plan(), make_customer(), uuid.uuid4()
    first = place(plan, customer=customer, checkout_key=key)
    other: dict[str, Any] = {"quantity": 3, "customer": make_customer(), "plan": make_fake_plan()}
    arguments = {"customer": customer, "plan": plan, change: other[change]}
    with pytest.raises(CheckoutRefused, match=first.number):
        place(arguments.pop("plan"), checkout_key=key, **arguments)
    assert Order.objects.count() == 1


@pytest.mark.parametrize("quantity", [0, -1, 1001])
def test_quantity_out_of_bounds_is_refused(quantity: int) -> None:
    with pytest.raises(CheckoutRefused, match="between 1 and 1000") as refused:
        place(make_fake_plan(), quantity=quantity)
    assert refused.value.field == "quantity"
    assert Order.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"retired_at": timezone.now()}, "no longer offers"),
        ({"is_published": False}, "not for sale"),
        ({"retail_price": None}, "no price"),
        ({"currency": ""}, "currency"),
    ],
)
def test_plan_that_cannot_be_sold_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckoutRefused, match=message) as refused:
        place(make_fake_plan(**fields))
    assert refused.value.field == "plan"
    assert Order.objects.count() == 0


def test_plan_that_vanished_is_refused() -> None:
    plan = make_fake_plan()
    Plan.objects.filter(pk=plan.pk).delete()
    with pytest.raises(CheckoutRefused, match="no longer in the catalogue"):
        place(plan)


def test_price_that_changed_since_the_page_is_refused() -> None:
    plan = make_fake_plan()
    Plan.objects.filter(pk=plan.pk).update(retail_price=Decimal("7.50"))
    with pytest.raises(CheckoutRefused, match=r"from 6\.00 USD to 7\.50 USD") as refused:
        place(plan)
    assert refused.value.field == "price"
    assert Order.objects.count() == 0


def test_customer_that_vanished_is_refused() -> None:
    customer = make_customer()
    Customer.objects.filter(pk=customer.pk).delete()
    with pytest.raises(CheckoutRefused) as refused:
        place(make_fake_plan(), customer=customer)
    assert refused.value.field == "customer"


def test_paused_account_takes_no_orders() -> None:
    plan = make_fake_plan()
    plan.account.is_paused = True
    plan.account.save()
    with pytest.raises(CheckoutRefused, match="paused"):
        place(plan)


def test_account_that_is_not_configured_takes_no_orders() -> None:
    with pytest.raises(CheckoutRefused, match="not configured"):
        place(make_plan(make_fake_account("gone")))


def test_unpaid_order_is_cancelled_with_a_reason() -> None:
    order, staff = order_plan(make_fake_plan()), make_user()
    assert cancel_order(order=order, by=staff, why="changed their mind").state == "cancelled"
    event = order.events.first()
    assert event is not None
    assert (event.by, event.why, event.facts) == (
        staff.email,
        "changed their mind",
        {"old": "unpaid", "new": "cancelled"},
    )
    cancel_order(order=order, by=staff, why="again")
    assert order.events.count() == 2


def test_paid_order_cannot_be_cancelled(wholesaler: Wholesaler) -> None:
    order = order_plan(make_fake_plan())
    pay(order)
    with pytest.raises(CheckoutRefused, match="no longer"):
        cancel_order(order=order, by=make_user(), why="late")
    order.refresh_from_db()
    assert order.state == "buying"
