"""Looks that are called for by webhooks, that crash or that last: they count some time apart, and end with a person."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim
from orders import reconciliation
from orders.models import Purchase, PurchaseAttempt, Refund
from orders.purchasing import run_purchase
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_due, make_purchase, make_user
from tests.orders.test_looking import look, outcomes, sent

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def call(purchase: Purchase) -> Purchase:
    """As the inbox does when the provider names the order: it is looked for at once."""
    Purchase.objects.filter(pk=purchase.pk, state="allocating").update(next_attempt_at=timezone.now())
    run_purchase(purchase_id=purchase.pk)
    return Purchase.objects.get(pk=purchase.pk)


def test_looks_in_a_hurry_do_not_agree_on_fewer_lines(allocator: Allocator) -> None:
    """Several calls of the provider about one order come within a second: that is no two looks some time apart."""
    purchase = sent(allocator, quantity=2)
    (missing,) = allocator.sales[0].refs[1:]
    allocator.sales[0].refs.remove(missing)
    for _ in range(4):
        purchase = call(purchase)
        assert (purchase.state, purchase.inquiries_agreeing, Refund.objects.count()) == ("allocating", 1, 0)
    allocator.sales[0].refs.append(missing)
    assert call(purchase).state == "fulfilled"
    assert Esim.objects.count() == 2


def test_looks_in_a_hurry_do_not_find_out_that_nothing_is_there(allocator: Allocator) -> None:
    purchase = sent(allocator, "key_taken")
    allocator.looks_todo.extend(["unknown_id"] * 6)
    for _ in range(5):
        purchase = call(purchase)
        assert purchase.state == "allocating"
    assert outcomes(purchase)[1:] == [("lookup", "not_found")] * 5
    purchase = look(purchase)
    assert purchase.state == "allocating"
    assert look(purchase).state == "fulfilled"


def test_transaction_that_is_refused_in_a_hurry_is_asked_for_again(allocator: Allocator) -> None:
    purchase = sent(allocator)
    allocator.looks_todo.extend(["unknown_id"] * 4)
    for _ in range(4):
        purchase = call(purchase)
        assert purchase.state == "allocating"
    assert "does not know the transaction" in purchase.error
    assert look(purchase).state == "fulfilled"


def test_call_that_comes_while_a_look_is_under_way_is_not_forgotten(allocator: Allocator) -> None:
    """The look saw "not yet"; the lines come, and the provider says so before the look is applied."""
    allocator.pending = 1
    purchase = sent(allocator)

    def ready() -> None:
        Purchase.objects.filter(pk=purchase.pk).update(next_attempt_at=timezone.now())

    allocator.during_look = ready
    purchase = look(purchase)
    assert purchase.state == "allocating"
    assert purchase.next_attempt_at is not None
    assert purchase.next_attempt_at <= timezone.now()
    run_purchase(purchase_id=purchase.pk)
    assert Purchase.objects.get().state == "fulfilled"


def test_second_look_that_is_called_for_during_the_first_decides(allocator: Allocator) -> None:
    allocator.pending = 1
    purchase = sent(allocator)

    def second() -> None:
        assert call(purchase).state == "allocating"

    allocator.during_look = second
    purchase = look(purchase)
    # The slow one saw the lines: they are kept, whoever is the newest.
    assert (purchase.state, purchase.inquiries_made) == ("fulfilled", 2)
    assert outcomes(purchase)[1:] == [("inquiry", "2 lines"), ("inquiry", "allocating")]
    assert Esim.objects.count() == 2


def test_crash_over_what_was_found_is_written_down_and_it_is_asked_again(
    allocator: Allocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase = sent(allocator)

    def crash(*_args: object, **_kwargs: object) -> None:
        raise TypeError("LPA:1$smdp.example$SECRET")

    with monkeypatch.context() as broken:
        broken.setattr("orders.delivering.register_lines", crash)
        purchase = look(purchase)
    attempt = PurchaseAttempt.objects.get(kind="inquiry")
    assert (purchase.state, purchase.failures_in_row, attempt.outcome) == ("allocating", 1, "failed")
    assert ("TypeError" in attempt.error, "SECRET" in attempt.error) == (True, False)
    assert look(purchase).state == "fulfilled"


def test_looks_that_fail_for_long_call_a_person(allocator: Allocator) -> None:
    purchase = sent(allocator)
    allocator.looks_todo.extend(["unavailable", "crash"])
    purchase = look(purchase)
    assert purchase.attention == ""
    with time_machine.travel(timezone.now() + 61 * MINUTE, tick=True):
        purchase = look(purchase)
        assert (purchase.state, "every look fails" in purchase.attention) == ("allocating", True)
        assert look(purchase).state == "fulfilled"


def test_look_again_begins_to_count_anew(allocator: Allocator) -> None:
    purchase = sent(allocator)
    allocator.looks_todo.extend(["unknown_id"] * 5)
    for _ in range(3):
        purchase = look(purchase)
    assert purchase.state == "unknown"
    reconciliation.look_again(purchase=purchase, by=make_user("orders.reconcile"))
    assert [look(purchase).state, look(purchase).state] == ["allocating", "allocating"]
    assert look(purchase).state == "fulfilled"
    # What was found at the time stands as it was.
    assert outcomes(purchase)[1:4] == [("inquiry", "rejected")] * 3


# -- no state without a way out ----------------------------------------------------------------------------------------


def test_allocation_that_never_ends_can_be_ended_by_a_person(allocator: Allocator) -> None:
    staff = make_user("orders.reconcile")
    allocator.pending = 100
    purchase = sent(allocator)
    with pytest.raises(reconciliation.ReconciliationRefused):
        reconciliation.mark_not_bought(purchase=purchase, why="portal: cancelled", by=staff)
    with time_machine.travel(timezone.now() + 61 * MINUTE, tick=True):
        purchase = look(purchase)
        reconciliation.mark_not_bought(purchase=purchase, why="portal: cancelled", by=staff)
    assert (Purchase.objects.get().state, Refund.objects.get().quantity) == ("rejected", 2)


def test_order_that_was_paused_until_its_key_grew_old_is_looked_for_not_sent(allocator: Allocator) -> None:
    purchase = sent(allocator, "lost_after")
    assert purchase.state == "planned"
    with time_machine.travel(timezone.now() + timedelta(days=200), tick=True):
        run_purchase(purchase_id=purchase.pk)
        purchase = Purchase.objects.get()
        assert (purchase.state, len(allocator.arrived)) == ("allocating", 1)
        assert "too old" in purchase.events.latest("pk").why
        purchase = look(purchase)
    assert (purchase.state, len(allocator.sales)) == ("fulfilled", 1)


def test_order_that_may_have_been_bought_at_an_account_that_is_gone_can_be_ended(
    allocator: Allocator, settings: Settings
) -> None:
    staff = make_user("orders.reconcile")
    purchase = sent(allocator, "lost_after")
    settings.PROVIDERS = {}
    run_purchase(purchase_id=make_due(purchase).pk)
    purchase = Purchase.objects.get()
    assert purchase.state == "held"
    with pytest.raises(reconciliation.ReconciliationRefused, match="may have gone through"):
        reconciliation.give_up_purchase(purchase=purchase, why="gone", by=staff)
    reconciliation.mark_not_bought(purchase=purchase, why="their last invoice", by=staff)
    assert (Purchase.objects.get().state, Refund.objects.get().state) == ("rejected", "due")


def test_held_order_of_which_all_is_known_is_given_up_not_guessed_about(allocator: Allocator) -> None:
    purchase = make_purchase("fake-slow")
    allocator.orders_todo.append("no_balance")
    run_purchase(purchase_id=purchase.pk)
    purchase = Purchase.objects.select_related("order_line", "account").get()
    assert purchase.state == "held"
    assert not reconciliation.is_possible(purchase, "mark_not_bought")
    assert not reconciliation.is_possible(purchase, "attach_lines")
    assert reconciliation.is_possible(purchase, "give_up_purchase")
