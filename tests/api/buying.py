"""Travellers with the app, and what they order."""

import uuid
from decimal import Decimal
from typing import Any

from catalog.models import Plan
from customers.accounts import vouch_for_address
from customers.models import Customer, User
from orders.credit_accounts import open_account
from orders.models import CreditAccount, Order, Purchase
from orders.purchasing import run_purchase
from tests.api.app import App
from tests.catalog.making import make_account, make_plan
from tests.customers.making import make_staff
from tests.orders.making import make_due, make_user
from tests.simulator_client import Simulator

HANA = "hana@example.com"


def make_traveller(email: str = HANA, **fields: Any) -> User:
    """Somebody who can buy in the app."""
    user = make_staff(email=email, is_staff=False)
    vouch_for_address(user=user)
    Customer.objects.create(**{"user": user, "name": email.split("@", maxsplit=1)[0].title(), "email": email, **fields})
    return user


def make_wire_plan(shop: Simulator, **fields: Any) -> Plan:
    """A plan of the simulator's, at 6.00 USD."""
    return make_plan(make_account(), plan_ref=shop.plan_codes()[0], **{"name": "Japan 1 GB", **fields})


def order_body(plan: Plan, **changes: Any) -> dict[str, Any]:
    return {"plan_id": plan.pk, "quantity": 2, "unit_price": {"amount": "6.00", "currency": "USD"}, **changes}


def send(app: App, address: str, body: Any = None, *, key: str = "") -> Any:
    """POST with an Idempotency-Key, a new one unless it is given."""
    return app.call("post", address, body, **{"Idempotency-Key": key or str(uuid.uuid4())})


def place(app: App, plan: Plan, **changes: Any) -> Order:
    response = send(app, "/orders", order_body(plan, **changes))
    assert response.status_code == 201, response.content
    return Order.objects.get(number=response.json()["number"])


def pay_body(amount: str = "12.00", method: str = "card", currency: str = "USD") -> dict[str, Any]:
    return {"method": method, "amount": {"amount": amount, "currency": currency}}


def give_credit(user: User, limit: str = "100", currency: str = "USD") -> CreditAccount:
    clerk = make_user("orders.manage_credit")
    return open_account(customer=user.customer, currency=currency, credit_limit=Decimal(limit), by=clerk)


def buy_all() -> None:
    """Every purchase takes its next step, as the worker's would."""
    for purchase in Purchase.objects.order_by("pk"):
        run_purchase(purchase_id=make_due(purchase).pk)
