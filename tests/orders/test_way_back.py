"""Going back to the release before the money: clean where its tables hold the books, else refused at once."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from esims.models import Esim, LineAction
from orders.models import (
    CreditAccount,
    CreditEntry,
    Dispute,
    Notification,
    Order,
    OrderLine,
    Payment,
    Refund,
    ReturnWish,
)
from orders.notice_content import Content
from orders.purchasing import run_purchase
from orders.refunds import record_refund_made
from tests.orders.desk import purchase_of
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan, pay

pytestmark = pytest.mark.django_db
SIX = {"amount": Decimal(6), "currency": "USD"}


def go_to(migration: str, app: str = "orders") -> None:
    call_command("migrate", app, migration, verbosity=0)


def sell(wholesaler: Wholesaler, *behaviours: str) -> Order:
    wholesaler.plan_orders(*behaviours)
    order = order_plan(make_fake_plan(), 2)
    pay(order)
    run_purchase(purchase_id=purchase_of(order).pk)
    return Order.objects.get(pk=order.pk)


def applied() -> int:
    return MigrationRecorder.Migration.objects.filter(app__in=("orders", "esims")).count()


def owe(order: Order, kind: str, **fields: Any) -> Refund:
    return Refund.objects.create(**{"kind": kind, "order": order, "quantity": 1, "reason": "x", **SIX, **fields})


def test_what_the_old_tables_cannot_hold_is_counted_before_anything_is_taken_back(wholesaler: Wholesaler) -> None:
    order = sell(wholesaler)
    purchase, payment = purchase_of(order), Payment.objects.get()
    esim, other = Esim.objects.all()
    OrderLine.objects.filter(order=sell(wholesaler)).update(replaces=other)
    owe(order, "surplus", payment=payment, amount=Decimal(1), state="sending")
    for key in (uuid.uuid4(), uuid.uuid4()):
        owe(order, "returned", purchase=purchase, esim=esim, form_key=key, amount=Decimal(1))
    Payment.objects.filter(pk=payment.pk).update(captured_amount=Decimal(13), attention="1.00 USD too much came")
    Payment.objects.create(order=order, method="card", state="pending", **SIX)
    Payment.objects.create(order=order, method="card", state="failed", **SIX)
    Order.objects.filter(pk=order_plan(make_fake_plan()).pk).update(state="expired")
    account = CreditAccount.objects.create(customer=order.customer, currency="USD", credit_limit=Decimal(100))
    CreditEntry.objects.create(account=account, kind="charge", amount=Decimal(6), owed_after=Decimal(6), by="x")
    Dispute.objects.create(payment=payment, dispute_id="dp_1", opened_at=timezone.now(), **SIX)
    action = LineAction.objects.create(esim=esim, kind="cancel", reason="x", requested_by=make_user())
    ReturnWish.objects.create(action=action, purchase=purchase, reason="x", **SIX)
    before = applied()
    with pytest.raises(IrreversibleError) as refused:
        go_to("0003")
    said = str(refused.value)
    assert said.removeprefix("The tables of the earlier release cannot hold these: ").split(". ")[0].split("; ") == [
        "1 refunds without a purchase",
        "1 purchases with several refunds",
        "3 refunds for other things than lines that were not delivered",
        "1 refunds on their way at the payment service",
        "2 payments that have not come",
        "1 payments of which something else came than was asked for",
        "2 payments by card, on credit or free of charge",
        "1 payments that need a look",
        "1 orders that expired",
        "1 order lines that replace another",
        "1 entries of credit accounts",
        "1 disputes",
        "1 lines for which money was given back several times",
        "1 promises of money for a line's end",
        "1 lines for which several refunds are due",
    ]
    assert "Nothing was taken back." in said
    assert (applied(), Refund.objects.count(), Payment.objects.count()) == (before, 3, 4)
    # Another app's way back that takes some of these tables along asks only about those.
    with pytest.raises(IrreversibleError, match="these: 1 lines for which several refunds are due"):
        go_to("0007", "esims")
    assert applied() == before


@pytest.fixture
def _as_before(transactional_db: None) -> Iterator[None]:
    """The tables of now after the test: SQLite's are copied, which takes no time; PostgreSQL's are migrated again."""
    if connection.vendor != "sqlite":
        yield
        call_command("migrate", verbosity=0)
        return
    connection.ensure_connection()
    with closing(sqlite3.connect(":memory:")) as kept:
        connection.connection.backup(kept)
        yield
        kept.backup(connection.connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_as_before")
def test_what_the_old_tables_hold_goes_back(wholesaler: Wholesaler) -> None:
    sell(wholesaler)
    refused = sell(wholesaler, "refused")
    record_refund_made(refund=Refund.objects.get(order=refused), method="cash", by=make_user("orders.refund"))
    due = sell(wholesaler, "refused")
    paid = list(Payment.objects.order_by("pk").values_list("order_id", "state", "captured_at"))
    purchases = [purchase_of(refused).pk, purchase_of(due).pk]
    go_to("0003")
    assert MigrationRecorder.Migration.objects.filter(app="orders").count() == 3
    old = MigrationLoader(connection).project_state(("orders", "0003_activation_indexes")).apps
    assert list(old.get_model("orders", "Refund").objects.order_by("pk").values_list("purchase_id", "state")) == [
        (purchases[0], "made"),
        (purchases[1], "due"),
    ]
    payments = old.get_model("orders", "Payment").objects.order_by("pk")
    assert list(payments.values_list("order_id", "state", "captured_at")) == paid


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_as_before")
def test_an_erased_content_reads_as_erased_in_the_release_before() -> None:
    customer = make_customer()
    kept = Notification.objects.create(audience="customer", key="a", customer=customer, content=b"kept")
    erased = Notification.objects.create(audience="customer", key="b", customer=customer, content=None)
    go_to("0014")
    old = MigrationLoader(connection).project_state(("orders", "0014_refunds_under_way")).apps
    contents = dict(old.get_model("orders", "Notification").objects.values_list("pk", "content"))
    assert contents[kept.pk] == b"kept"
    assert Content.unpack(contents[erased.pk]).text == "The content of this message was erased."
