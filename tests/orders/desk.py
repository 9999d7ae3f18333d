"""The order pages as a person at the desk uses them."""

import re
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.test import Client

from catalog.models import Plan
from customers.models import Customer, User
from orders.models import Order, Purchase
from orders.purchasing import run_purchase
from tests.orders.making import make_fake_plan, make_user, order_plan, pay

#: What a seller may do, and what somebody may do who also decides about money that is in doubt.
SELLER = (
    *("orders.sell", "orders.view_order", "orders.view_purchase", "orders.view_refund"),
    *("customers.view_customer", "customers.add_customer", "customers.change_customer"),
    *("esims.view_esim", "esims.reveal_codes", "catalog.view_plan"),
)
DECIDER = (*SELLER, "orders.reconcile", "orders.refund")
EVERYTHING = (*DECIDER, "catalog.set_price", "catalog.view_syncrun", "catalog.sync_catalog")


def sign_in(*permissions: str) -> Client:
    """A member of staff with these permissions at the desk."""
    return sign_in_as(make_user(*permissions))


def sign_in_as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def new_order_url(step: str, **words: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"step": step, **words}.items())
    return f"/orders/new/?{query}"


def open_confirm(client: Client, customer: Customer, plan: Plan, quantity: int = 2) -> tuple[str, dict[str, str]]:
    """The last step of the wizard: its address, and the hidden fields of its form."""
    response = client.get(new_order_url("confirm", customer=customer.pk, plan=plan.pk, quantity=quantity), follow=True)
    assert response.status_code == 200
    address: str = response.redirect_chain[-1][0]
    return address, read_hidden(response, "checkout_key", "form_key", "unit_price")


def read_hidden(response: HttpResponse | Any, *names: str) -> dict[str, str]:
    """The values of hidden fields."""
    html = response.content.decode()
    found = {}
    for name in names:
        match = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', html)
        assert match, f"no hidden field {name}"
        found[name] = match[1]
    return found


def key_of(hidden: dict[str, str]) -> UUID:
    return UUID(hidden["checkout_key"])


def buy(quantity: int = 2, slug: str = "fake", **plan: Any) -> Order:
    """A paid order whose purchases took their first step."""
    order = order_plan(make_fake_plan(slug, **plan), quantity)
    pay(order)
    for purchase in Purchase.objects.filter(order_line__order=order):
        run_purchase(purchase_id=purchase.pk)
    return Order.objects.get(pk=order.pk)


def purchase_of(order: Order) -> Purchase:
    return Purchase.objects.get(order_line__order=order)
