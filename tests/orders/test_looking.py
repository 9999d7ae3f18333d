"""Orders whose lines come after the answer: looked at by the provider's pace, found by our key where it was lost."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from esims.models import Esim
from orders import reconciliation
from orders.books import read_balances
from orders.models import Purchase, PurchaseAttempt, PurchasedEsim
from orders.purchasing import run_purchase
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_due, make_purchase, make_user

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def look(purchase: Purchase) -> Purchase:
    """The next look, as if its time had come."""
    run_purchase(purchase_id=make_due(purchase).pk)
    return Purchase.objects.get(pk=purchase.pk)


def sent(allocator: Allocator, *behaviours: str, quantity: int = 2) -> Purchase:
    purchase = make_purchase("fake-slow", quantity)
    allocator.orders_todo.extend(behaviours)
    run_purchase(purchase_id=purchase.pk)
    return Purchase.objects.get(pk=purchase.pk)


def outcomes(purchase: Purchase) -> list[tuple[str, str]]:
    return list(purchase.attempts.order_by("number").values_list("kind", "outcome"))


def test_lines_come_after_the_order_with_all_that_is_told_of_them(allocator: Allocator) -> None:
    allocator.pending = 2
    purchase = sent(allocator)
    assert (purchase.state, purchase.transaction_id, purchase.provider_order_ref) == ("allocating", "B0001", "B0001")
    assert purchase.next_attempt_at is not None
    assert 2 * SECOND < purchase.next_attempt_at - timezone.now() <= 3 * SECOND

    purchase = look(purchase)
    assert (purchase.state, purchase.failures_in_row) == ("allocating", 0)
    assert purchase.next_attempt_at is not None
    assert 4 * SECOND < purchase.next_attempt_at - timezone.now() <= 5 * SECOND
    purchase = look(purchase)
    purchase = look(purchase)
    assert purchase.state == "fulfilled"
    assert outcomes(purchase) == [
        ("order", "allocating"),
        ("inquiry", "allocating"),
        ("inquiry", "allocating"),
        ("inquiry", "2 lines"),
    ]
    lines = Esim.objects.order_by("provider_ref")
    # Two lines with one ICCID: they are told apart by the provider's own number.
    assert [line.provider_ref for line in lines] == allocator.sales[0].refs
    assert {line.iccid for line in lines} == {"8985200026321365534"}
    assert all(line.lpa for line in lines)
    assert PurchasedEsim.objects.count() == 2
    assert allocator.arrived == [purchase.idempotency_key]


def test_allocation_beyond_the_providers_patience_calls_a_person_and_goes_on(allocator: Allocator) -> None:
    allocator.pending = 2
    purchase = sent(allocator)
    with time_machine.travel(timezone.now() + timedelta(hours=2), tick=True):
        purchase = look(purchase)
        assert (purchase.state, "allocating for long" in purchase.attention) == ("allocating", True)
        assert purchase.next_attempt_at is not None
        assert purchase.next_attempt_at - timezone.now() > timedelta(minutes=29)
        purchase = look(look(purchase))
    assert purchase.state == "fulfilled"


def test_lost_answer_is_asked_again_with_the_same_key(allocator: Allocator) -> None:
    purchase = sent(allocator, "lost_after")
    assert purchase.state == "planned"
    purchase = look(purchase)
    assert allocator.arrived == [purchase.idempotency_key] * 2
    assert len(allocator.sales) == 1
    assert look(purchase).state == "fulfilled"


def test_key_that_is_taken_is_looked_up(allocator: Allocator) -> None:
    purchase = sent(allocator, "lost_after", "key_taken")
    purchase = look(purchase)
    assert (purchase.state, purchase.transaction_id) == ("allocating", "")
    purchase = look(purchase)
    assert allocator.looks == [f"lookup {purchase.idempotency_key}"]
    assert (purchase.state, purchase.transaction_id) == ("fulfilled", "B0001")
    assert outcomes(purchase)[-1] == ("lookup", "2 lines")
    assert len(allocator.sales) == 1


def test_order_found_by_its_key_while_it_allocates_is_then_asked_for_by_its_number(allocator: Allocator) -> None:
    allocator.pending = 1
    purchase = sent(allocator, "lost_after", "key_taken")
    purchase = look(look(purchase))
    assert (purchase.state, purchase.transaction_id) == ("allocating", "B0001")
    assert look(purchase).state == "fulfilled"
    assert allocator.looks == [f"lookup {purchase.idempotency_key}", "inquiry B0001"]


def test_order_that_is_not_found_by_its_key_is_for_a_person_who_may_have_it_looked_for_again(
    allocator: Allocator,
) -> None:
    purchase = sent(allocator, "key_taken")
    allocator.sales.clear()
    for _ in range(3):
        assert purchase.state == "allocating"
        purchase = look(purchase)
    assert (purchase.state, purchase.next_attempt_at) == ("unknown", None)
    assert outcomes(purchase)[1:] == [("lookup", "not_found")] * 3

    # The provider lists it after all.
    allocator.sell(purchase.idempotency_key, 2)
    reconciliation.look_again(purchase=purchase, by=make_user("orders.reconcile"))
    assert look(purchase).state == "fulfilled"
    assert len(allocator.arrived) == 1
    assert [balance.difference for balance in read_balances()] == [0]


def test_nothing_is_looked_for_where_nobody_can_be_asked(allocator: Allocator) -> None:
    purchase = make_purchase("fake-slow")
    Purchase.objects.filter(pk=purchase.pk).update(state="unknown", next_attempt_at=None)
    with pytest.raises(reconciliation.ReconciliationRefused):
        reconciliation.look_again(purchase=purchase, by=make_user("orders.reconcile"))
    assert (Purchase.objects.get().state, allocator.looks) == ("unknown", [])
    assert not PurchaseAttempt.objects.exists()


def test_lines_are_entered_as_the_portal_names_them(allocator: Allocator) -> None:
    purchase = sent(allocator, "key_taken")
    Purchase.objects.filter(pk=purchase.pk).update(state="unknown", next_attempt_at=None)
    staff = make_user("orders.reconcile")
    with pytest.raises(reconciliation.ReconciliationRefused, match="esimTranNo"):
        reconciliation.attach_lines(purchase=purchase, iccids=["8985200026321365534"], by=staff)
    assert not Esim.objects.exists()
    reconciliation.attach_lines(purchase=purchase, iccids=allocator.sales[0].refs, by=staff)
    assert Purchase.objects.get().state == "fulfilled"
