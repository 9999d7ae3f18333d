"""The table of transitions is the law: pairs that it lacks are refused, every change is written with who and why."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from orders.books import read_balances
from orders.models import Order, OrderEvent, Purchase, Refund
from orders.states import (
    ORDER_TRANSITIONS,
    PURCHASE_TRANSITIONS,
    TransitionRefused,
    change_order,
    change_purchase,
    lock_order,
    lock_purchase,
)
from tests.orders.making import make_purchase

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]
CLAIM: dict[str, Any] = {"claim": "7d8bd3f3-2b1f-4c6c-9d52-4f2f2d6f2b11", "claim_until": "2026-11-21T00:00:00Z"}


def test_every_state_has_its_row() -> None:
    assert set(PURCHASE_TRANSITIONS) == set(Purchase.State.values)
    assert set(ORDER_TRANSITIONS) == set(Order.State.values)


def test_the_protocol_as_it_is_drawn() -> None:
    """DESIGN's diagram, arrow by arrow."""
    drawn = {
        ("planned", "sending"),
        ("planned", "cancelled"),
        ("sending", "fulfilled"),
        ("sending", "allocating"),
        ("sending", "planned"),
        ("sending", "held"),
        ("sending", "rejected"),
        ("sending", "unknown"),
        ("allocating", "fulfilled"),
        ("allocating", "short"),
        ("allocating", "rejected"),
        ("allocating", "unknown"),
        ("held", "planned"),
        ("held", "rejected"),
        ("unknown", "allocating"),
        ("unknown", "fulfilled"),
        ("unknown", "short"),
        ("unknown", "rejected"),
    }
    assert not [(old, new) for old, new in drawn if new not in PURCHASE_TRANSITIONS[old]]
    assert not PURCHASE_TRANSITIONS["fulfilled"]


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back, so that one purchase serves for all pairs."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("old", Purchase.State.values)
def test_purchase_goes_only_where_the_table_says(old: str) -> None:
    purchase = make_purchase()
    Purchase.objects.update(state=old, **(CLAIM if old == "sending" else {}))
    for new in Purchase.State.values:
        with undone():
            (assert_goes if new in PURCHASE_TRANSITIONS[old] else assert_stays)(purchase, old, new)


def assert_goes(purchase: Purchase, old: str, new: str) -> None:
    fields: dict[str, Any] = CLAIM if new == "sending" else {}
    change_purchase(lock_purchase(purchase.pk), to=new, by="somebody", why="a test", **fields)
    purchase.refresh_from_db()
    assert (purchase.state, purchase.finished_at is not None) == (new, new in Purchase.ENDED)
    event = OrderEvent.objects.get(kind="purchase.state", purchase=purchase)
    assert (event.by, event.why, event.facts) == ("somebody", "a test", {"old": old, "new": new})
    owed = Decimal(12) if new in Purchase.ENDED else Decimal(0)
    assert sum(Refund.objects.filter(state="due").values_list("amount", flat=True)) == owed
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


def assert_stays(purchase: Purchase, old: str, new: str) -> None:
    before = OrderEvent.objects.count()
    with pytest.raises(TransitionRefused):
        change_purchase(lock_purchase(purchase.pk), to=new, by="somebody", why="a test")
    purchase.refresh_from_db()
    assert (purchase.state, OrderEvent.objects.count()) == (old, before)


@pytest.mark.parametrize("old", Order.State.values)
def test_order_goes_only_where_the_table_says(old: str) -> None:
    make_purchase()
    Order.objects.update(state=old)
    for new in Order.State.values:
        with undone():
            order = lock_order(Order.objects.get().pk)
            allowed = new in ORDER_TRANSITIONS[old]
            with nullcontext() if allowed else pytest.raises(TransitionRefused):
                change_order(order, to=new, by="somebody", why="a test")
            assert Order.objects.get().state == (new if allowed else old)


@pytest.mark.django_db(transaction=True)
def test_change_outside_a_transaction_is_refused() -> None:
    purchase = make_purchase()
    with pytest.raises(transaction.TransactionManagementError):
        lock_purchase(purchase.pk)
    with pytest.raises(transaction.TransactionManagementError):
        change_purchase(purchase, to="held", by="x")
    purchase.refresh_from_db()
    assert purchase.state == "planned"


def test_database_refuses_a_purchase_that_is_sent_by_nobody() -> None:
    make_purchase()
    with pytest.raises(IntegrityError), transaction.atomic():
        Purchase.objects.update(state="sending")
