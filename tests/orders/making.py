"""Users, orders and purchases as tests need them, made through the verbs."""

import itertools
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import F
from django.utils import timezone

from catalog.models import Plan
from customers.models import Customer, User
from orders.checkout import place_order
from orders.models import Order, Payment, Purchase, PurchaseAttempt
from orders.payments import record_payment
from providers.models import ProviderAccount
from tests.catalog.making import make_account, make_plan

_numbers = itertools.count(1)


def make_user(*permissions: str, **fields: Any) -> User:
    """A member of staff with "app.codename" permissions."""
    user: User = User.objects.create_user(f"staff{next(_numbers)}@example.com", "x", is_staff=True, **fields)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def make_customer(**fields: Any) -> Customer:
    return Customer.objects.create(**{"name": f"Customer {next(_numbers)}", **fields})


def make_fake_account(slug: str = "fake") -> ProviderAccount:
    return make_account(slug, adapter=slug)


def make_fake_plan(slug: str = "fake", **fields: Any) -> Plan:
    """A plan at 6.00 USD, net 4.00, of one of the accounts of ``fakes``."""
    return make_plan(make_fake_account(slug), **fields)


def order_plan(plan: Plan, quantity: int = 1, *, by: User | None = None, customer: Customer | None = None) -> Order:
    """An unpaid order, taken as the wizard does."""
    assert plan.retail_price is not None
    return place_order(
        customer=customer or make_customer(),
        plan=plan,
        quantity=quantity,
        checkout_key=uuid.uuid4(),
        expected_unit_price=plan.retail_price,
        by=by or make_user(),
    )


def pay(order: Order, *, by: User | None = None) -> Payment:
    """The whole amount in cash."""
    return record_payment(
        order=order,
        method=Payment.Method.CASH,
        amount=order.total,
        currency=order.currency,
        reference="",
        form_key=uuid.uuid4(),
        by=by or make_user(),
    )


def make_purchase(slug: str = "fake", quantity: int = 2) -> Purchase:
    """The one planned purchase of a paid order."""
    order = order_plan(make_fake_plan(slug), quantity)
    pay(order)
    return Purchase.objects.get(order_line__order=order)


def make_due(purchase: Purchase) -> Purchase:
    """As if the wait for its next step were over: what happened before was so much earlier."""
    now = timezone.now()
    due = Purchase.objects.values_list("next_attempt_at", flat=True).get(pk=purchase.pk)
    if due is not None and due > now:
        wait = due - now
        looks = PurchaseAttempt.objects.filter(purchase=purchase).exclude(kind=PurchaseAttempt.Kind.ORDER)
        looks.update(started_at=F("started_at") - wait, received_at=F("received_at") - wait)
        Purchase.objects.filter(pk=purchase.pk).update(
            next_attempt_at=now, allocating_since=F("allocating_since") - wait
        )
        Purchase.objects.filter(finished_at__isnull=False).update(finished_at=F("finished_at") - wait)
    return Purchase.objects.get(pk=purchase.pk)


def make_overdue(purchase: Purchase) -> Purchase:
    """As if the worker that sends it were silent beyond its deadline."""
    past = timezone.now() - timedelta(seconds=1)
    Purchase.objects.filter(pk=purchase.pk, claim_until__isnull=False).update(claim_until=past)
    return Purchase.objects.get(pk=purchase.pk)


def money(text: str) -> Decimal:
    return Decimal(text)
