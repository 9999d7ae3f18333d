"""What people decide, what each decision refuses, and that nobody decides without the permission."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from pytest_django import Settings

from esims.models import Esim
from orders import reconciliation as verbs
from orders.books import read_balances
from orders.models import Order, OrderEvent, Purchase, Refund
from orders.purchasing import run_purchase
from orders.reconciliation import ReconciliationRefused
from orders.refunds import RefundRefused, record_refund_made
from providers.types import Capability, LineState
from tests.orders.fakes import FakeProvider, Wholesaler
from tests.orders.making import make_due, make_purchase, make_user
from tests.queue import Queue

pytestmark = pytest.mark.django_db


def parked(
    wholesaler: Wholesaler, behaviour: str = "lost_after", *, account: str = "fake", quantity: int = 2
) -> Purchase:
    wholesaler.plan_orders(behaviour)
    purchase = make_purchase(account, quantity)
    run_purchase(purchase_id=purchase.pk)
    return again(purchase)


def again(purchase: Purchase) -> Purchase:
    return Purchase.objects.get(pk=purchase.pk)


def assert_refused(message: str, verb: Callable[..., Any], **arguments: Any) -> ReconciliationRefused:
    """Refused with these words, and nothing is written."""
    before = (list(Purchase.objects.values()), OrderEvent.objects.count(), Esim.objects.count(), Refund.objects.count())
    with pytest.raises(ReconciliationRefused, match=message) as refused:
        verb(**arguments)
    after = (list(Purchase.objects.values()), OrderEvent.objects.count(), Esim.objects.count(), Refund.objects.count())
    assert after == before
    return refused.value


@pytest.fixture
def staff() -> Any:
    return make_user("orders.reconcile", "orders.refund")


# -- a transaction id from the portal ----------------------------------------------------------------------------------


def test_transaction_id_leads_to_the_lines(wholesaler: Wholesaler, staff: Any, queue: Queue) -> None:
    purchase = parked(wholesaler)
    queue.clear()
    verbs.enter_transaction_id(purchase=purchase, transaction_id=" tx-0001 ", by=staff, why="portal page 3")
    purchase = again(purchase)
    assert (purchase.state, purchase.transaction_id) == ("allocating", "tx-0001")
    assert [job.args for job in queue.waiting()] == [(purchase.pk,)]
    event = purchase.events.get(by=staff.email)
    assert (event.why, event.facts["old"], event.facts["new"]) == ("portal page 3", "unknown", "allocating")
    queue.run()
    assert again(purchase).state == "fulfilled"
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)


@pytest.mark.parametrize("text", ["", "abc", "tx 0001", "tx-0001; drop", "x" * 81, "ｔｘ－０００１"])
def test_transaction_id_of_another_form_is_refused(wholesaler: Wholesaler, staff: Any, text: str) -> None:
    refused = assert_refused(
        "4 to 80", verbs.enter_transaction_id, purchase=parked(wholesaler), transaction_id=text, by=staff
    )
    assert refused.field == "transaction_id"


def test_transaction_id_of_another_order_is_refused(wholesaler: Wholesaler, staff: Any) -> None:
    other = parked(wholesaler, "ok")
    purchase = parked(wholesaler)
    number = other.order_line.order.number
    assert_refused(number, verbs.enter_transaction_id, purchase=purchase, transaction_id=other.transaction_id, by=staff)


def test_transaction_id_where_nobody_can_be_asked_is_refused(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, account="fake-blind")
    assert_refused(
        "can no longer be asked", verbs.enter_transaction_id, purchase=purchase, transaction_id="tx-0001", by=staff
    )


def test_transaction_id_after_the_window_is_refused(
    wholesaler: Wholesaler, staff: Any, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    purchase = parked(wholesaler)
    settings.PURCHASE_INQUIRY_MARGIN_MINUTES = 48 * 60 + 1
    assert FakeProvider.inquiry_window is not None
    asked = {"purchase": purchase, "transaction_id": "tx-0001", "by": staff}
    assert_refused("Enter the lines that its portal shows", verbs.enter_transaction_id, **asked)


# -- lines from the portal ---------------------------------------------------------------------------------------------


def test_lines_from_the_portal_fulfil(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler)
    verbs.attach_lines(purchase=purchase, iccids=[f" {wholesaler.sold_refs[0]}", "", wholesaler.sold_refs[1]], by=staff)
    assert (again(purchase).state, Order.objects.get().state) == ("fulfilled", "completed")
    lines = Esim.objects.all()
    assert sorted(line.provider_ref for line in lines) == sorted(wholesaler.sold_refs)
    assert all(line.state == "provisioning" and line.next_refresh_at is not None for line in lines)


def test_some_lines_then_the_rest_was_not_bought(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, quantity=3)
    verbs.attach_lines(purchase=purchase, iccids=wholesaler.sold_refs[:1], by=staff)
    assert again(purchase).state == "unknown"
    verbs.mark_not_bought(purchase=purchase, why="the portal shows one", by=staff)
    assert (again(purchase).state, Order.objects.get().state) == ("short", "partial")
    assert Refund.objects.get().amount == Decimal(12)
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


@pytest.mark.parametrize(
    ("iccids", "message"),
    [
        ([], "at least one"),
        (["  "], "at least one"),
        (["89811x0000000000001"], "18 to 22 digits"),
        (["89811000000000001"], "18 to 22 digits"),
        (["89811000000000000000001"], "18 to 22 digits"),
        (["８９８１１０００００００００００００１"], "18 to 22 digits"),
        (["8981100000000000001", "8981100000000000001"], "Entered twice"),
        (["8981100000000000001", "8981100000000000002", "8981100000000000003"], "Only 2"),
    ],
)
def test_lines_that_cannot_be_are_refused(wholesaler: Wholesaler, staff: Any, iccids: list[str], message: str) -> None:
    refused = assert_refused(message, verbs.attach_lines, purchase=parked(wholesaler), iccids=iccids, by=staff)
    assert refused.field == "iccids"


def test_lines_of_somebody_else_are_refused(wholesaler: Wholesaler, staff: Any) -> None:
    parked(wholesaler, "ok")
    taken = wholesaler.sold_refs[0]
    purchase = parked(wholesaler)
    assert_refused(f"already: {taken}", verbs.attach_lines, purchase=purchase, iccids=[taken], by=staff)


def test_each_line_is_read_before_any_is_entered(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler)
    first, second = wholesaler.sold_refs
    wholesaler.not_known = {second}
    asked = {"purchase": purchase, "iccids": [first, second], "by": staff}
    assert_refused(f"does not know this line: {second}", verbs.attach_lines, **asked)
    wholesaler.not_known, wholesaler.over = set(), {first: LineState.TERMINATED}
    assert_refused(f"Line {first} is over", verbs.attach_lines, **asked)
    assert wholesaler.reads == [first, second, first]


def test_more_lines_than_can_be_read_for_one_click_are_refused(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, quantity=31)
    assert_refused("at most 30", verbs.attach_lines, purchase=purchase, iccids=wholesaler.sold_refs, by=staff)
    verbs.attach_lines(purchase=purchase, iccids=wholesaler.sold_refs[:30], by=staff)
    verbs.attach_lines(purchase=purchase, iccids=wholesaler.sold_refs[30:], by=staff)
    assert (again(purchase).state, len(wholesaler.reads)) == ("fulfilled", 31)


def test_lines_are_taken_by_a_persons_word_where_nobody_tells_of_them(
    wholesaler: Wholesaler, staff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProvider, "capabilities", frozenset({Capability.ORDER}))
    purchase = parked(wholesaler)
    verbs.attach_lines(purchase=purchase, iccids=wholesaler.sold_refs, by=staff)
    assert (again(purchase).state, wholesaler.reads) == ("fulfilled", [])


def test_late_reply_after_lines_were_entered_by_hand_adds_none(wholesaler: Wholesaler, staff: Any) -> None:
    wholesaler.plan_orders("crash_parse")
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    verbs.attach_lines(purchase=purchase, iccids=wholesaler.sold_refs, by=staff)
    assert_refused("still cannot be read", verbs.read_reply_again, purchase=purchase, by=staff)
    assert (again(purchase).state, Esim.objects.count()) == ("fulfilled", 2)


# -- not bought, held, given up ----------------------------------------------------------------------------------------


def test_not_bought_owes_a_refund(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = verbs.mark_not_bought(purchase=parked(wholesaler, "lost_before"), why="portal: none", by=staff)
    assert (again(purchase).state, Order.objects.get().state) == ("rejected", "failed")
    refund = Refund.objects.get()
    assert (refund.amount, refund.reason, refund.state) == (Decimal(12), "portal: none", "due")
    event = purchase.events.get(kind="purchase.state", by=staff.email)
    assert (event.why, event.facts["new"]) == ("portal: none", "rejected")


def test_not_bought_needs_a_reason(wholesaler: Wholesaler, staff: Any) -> None:
    refused = assert_refused("how you know", verbs.mark_not_bought, purchase=parked(wholesaler), why="  ", by=staff)
    assert refused.field == "why"


def test_found_after_all(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler)
    verbs.mark_not_bought(purchase=purchase, why="portal", by=staff)
    verbs.attach_lines(purchase=purchase, iccids=wholesaler.sold_refs, by=staff)
    assert (again(purchase).state, Refund.objects.get().state) == ("fulfilled", "dropped")


def test_held_purchase_is_resumed_with_its_key(wholesaler: Wholesaler, staff: Any, queue: Queue) -> None:
    purchase = parked(wholesaler, "no_balance")
    assert purchase.state == "held"
    queue.clear()
    verbs.resume_purchase(purchase=purchase, by=staff, why="topped up")
    assert (again(purchase).state, again(purchase).mend) == ("planned", "")
    queue.run()
    assert (again(purchase).state, set(wholesaler.arrived)) == ("fulfilled", {purchase.idempotency_key})


def test_held_purchase_is_given_up(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, "no_balance")
    assert_refused("Say why", verbs.give_up_purchase, purchase=purchase, why="", by=staff)
    verbs.give_up_purchase(purchase=purchase, why="customer left", by=staff)
    assert (again(purchase).state, Refund.objects.get().state) == ("rejected", "due")


def test_planned_purchase_is_given_up_before_it_is_sent(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = make_purchase()
    verbs.give_up_purchase(purchase=purchase, why="customer left", by=staff)
    assert (again(purchase).state, Refund.objects.get().amount, Order.objects.get().state) == (
        "cancelled",
        Decimal(12),
        "failed",
    )
    assert run_purchase(purchase_id=purchase.pk) == ""
    assert wholesaler.arrived == []


def test_planned_purchase_that_may_have_been_bought_is_not_given_up(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, "lost_after", account="fake-repeat")
    assert purchase.state == "planned"
    assert_refused("may have gone through", verbs.give_up_purchase, purchase=purchase, why="no", by=staff)


# -- every decision ----------------------------------------------------------------------------------------------------

ARGUMENTS: dict[str, dict[str, Any]] = {
    "enter_transaction_id": {"transaction_id": "tx-0001"},
    "attach_lines": {"iccids": ["8981100000000009999"]},
    "mark_not_bought": {"why": "portal"},
    "resume_purchase": {},
    "give_up_purchase": {"why": "portal"},
    "look_again": {},
    "confirm_top_up": {"why": "portal"},
    "await_completion": {"why": "portal"},
}
#: Decisions about other kinds of purchases, or only where the provider can be asked: see test_topping and test_looking.
OTHERS = {"look_again", "confirm_top_up", "await_completion"}


@pytest.mark.parametrize("name", sorted(set(verbs.POSSIBLE) - OTHERS))
def test_decision_only_in_its_states(wholesaler: Wholesaler, staff: Any, name: str) -> None:
    purchase = make_purchase()
    verb = getattr(verbs, name)
    for state in Purchase.State:
        claim = {"claim": purchase.idempotency_key, "claim_until": purchase.created_at} if state == "sending" else {}
        with transaction.atomic():
            Purchase.objects.update(state=state, **claim)
            if state in verbs.POSSIBLE[name]:
                verb(purchase=purchase, by=staff, **ARGUMENTS[name])
                assert OrderEvent.objects.filter(by=staff.email).exists()
            else:
                assert_refused("no longer be decided", verb, purchase=purchase, by=staff, **ARGUMENTS[name])
            transaction.set_rollback(True)


@pytest.mark.parametrize("name", [*sorted(verbs.POSSIBLE), "read_reply_again", "settle_attention"])
def test_nobody_decides_without_the_permission(wholesaler: Wholesaler, name: str) -> None:
    purchase = parked(wholesaler)
    before = list(Purchase.objects.values())
    with pytest.raises(PermissionDenied):
        getattr(verbs, name)(purchase=purchase, by=make_user("orders.sell"), **ARGUMENTS.get(name, {}))
    assert list(Purchase.objects.values()) == before


# -- reading again, looking, refunds -----------------------------------------------------------------------------------


def test_reply_is_read_again_after_our_program_was_mended(
    wholesaler: Wholesaler, staff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(FakeProvider, "_read_order_reply", lambda *_: int("nonsense"))
        purchase = parked(wholesaler, "ok")
        assert purchase.state == "unknown"
        assert_refused("still cannot be read", verbs.read_reply_again, purchase=purchase, by=staff)
    verbs.read_reply_again(purchase=purchase, by=staff, why="release 12")
    assert (again(purchase).state, len(wholesaler.arrived)) == ("fulfilled", 1)
    assert sorted(Esim.objects.values_list("provider_ref", flat=True)) == sorted(wholesaler.sold_refs)
    verbs.read_reply_again(purchase=purchase, by=staff)
    assert Esim.objects.count() == 2


def test_no_reply_cannot_be_read_again(wholesaler: Wholesaler, staff: Any) -> None:
    assert_refused("No reply", verbs.read_reply_again, purchase=parked(wholesaler), by=staff)


def test_looked_at(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, "one_more")
    assert purchase.attention
    verbs.settle_attention(purchase=purchase, by=staff, why="kept for stock")
    assert again(purchase).attention == ""
    event = purchase.events.get(kind="purchase.looked_at")
    assert (event.by, event.why, "1 more" in event.facts["what"]) == (staff.email, "kept for stock", True)
    verbs.settle_attention(purchase=purchase, by=staff)
    assert purchase.events.filter(kind="purchase.looked_at").count() == 1


def test_refund_is_made_once(wholesaler: Wholesaler, staff: Any) -> None:
    parked(wholesaler, "refused")
    refund = Refund.objects.get()
    for reference in ("slip 7", "slip 8"):
        record_refund_made(refund=refund, method="transfer", reference=reference, by=staff)
    refund.refresh_from_db()
    assert (refund.state, refund.method, refund.reference, refund.made_by) == ("made", "transfer", "slip 7", staff)
    assert OrderEvent.objects.filter(kind="refund.made").count() == 1
    (balance,) = read_balances()
    assert (balance.refunds_due, balance.refunds_made, balance.difference) == (Decimal(0), Decimal(12), Decimal(0))


def test_refund_is_refused(wholesaler: Wholesaler, staff: Any) -> None:
    parked(wholesaler, "refused")
    refund = Refund.objects.get()
    with pytest.raises(RefundRefused, match="how the money"):
        record_refund_made(refund=refund, method="barter", by=staff)
    with pytest.raises(PermissionDenied):
        record_refund_made(refund=refund, method="cash", by=make_user("orders.reconcile"))
    refund.amount = Decimal(1)
    with pytest.raises(RefundRefused, match="changed meanwhile"):
        record_refund_made(refund=refund, method="cash", by=staff)
    refund.refresh_from_db()
    assert refund.state == "due"


def test_short_by_inquiry_then_entered_by_hand(wholesaler: Wholesaler, staff: Any) -> None:
    purchase = parked(wholesaler, "short_sale", quantity=2)
    for _ in range(2):
        run_purchase(purchase_id=make_due(purchase).pk)
    assert again(purchase).state == "short"
    verbs.attach_lines(purchase=purchase, iccids=["8981100000000009999"], by=staff)
    assert (again(purchase).state, Refund.objects.get().state) == ("fulfilled", "dropped")
