"""Workers that die, and answers that come late: always applied, never twice."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from esims.models import Esim
from orders import attention, purchasing, sweeping
from orders.applying import digest_reply
from orders.books import read_balances
from orders.checkpoints import Checkpoint, install_hook
from orders.models import Order, Purchase, PurchaseAttempt, Refund
from orders.purchasing import claim_purchase, run_purchase
from orders.reconciliation import attach_lines, mark_not_bought, resume_purchase
from orders.refunds import RefundRefused, record_refund_made
from orders.sweeping import sweep_purchases
from providers.base import Provider
from providers.registry import get_provider
from providers.types import OrderRequest
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_due, make_overdue, make_purchase, make_user

pytestmark = pytest.mark.django_db


class Died(BaseException):
    """The worker is gone: not an Exception, so that no boundary of ours catches it."""


def die_at(wanted: Checkpoint) -> None:
    def hook(checkpoint: Checkpoint, _purchase_id: int) -> None:
        if checkpoint == wanted:
            raise Died

    install_hook(hook)


def run_and_die(purchase: Purchase, at: Checkpoint) -> Purchase:
    die_at(at)
    with pytest.raises(Died):
        run_purchase(purchase_id=purchase.pk)
    install_hook(None)
    return Purchase.objects.get(pk=purchase.pk)


def again(purchase: Purchase) -> Purchase:
    return Purchase.objects.get(pk=purchase.pk)


def refs() -> list[str]:
    return sorted(Esim.objects.values_list("provider_ref", flat=True))


def sweeping_during_the_call(wholesaler: Wholesaler, then: Callable[[Purchase], object] | None = None) -> None:
    """The call takes so long that a sweep comes in between."""

    def sweep(_request: OrderRequest) -> None:
        wholesaler.during_call = None
        make_overdue(Purchase.objects.get())
        assert sweep_purchases().lost == 1
        if then is not None:
            then(Purchase.objects.get())

    wholesaler.during_call = sweep


@pytest.mark.parametrize("checkpoint", [Checkpoint.CLAIMED, Checkpoint.ANSWERED])
@pytest.mark.parametrize("account", ["fake", "fake-blind"])
def test_worker_that_leaves_no_reply(wholesaler: Wholesaler, checkpoint: Checkpoint, account: str) -> None:
    purchase = run_and_die(make_purchase(account), checkpoint)
    assert purchase.state == "sending"
    assert sweep_purchases().total == 0
    make_overdue(purchase)
    assert sweep_purchases().lost == 1
    purchase = again(purchase)
    assert (purchase.state, purchase.error_code, purchase.next_attempt_at) == ("unknown", "no_answer", None)
    assert sweep_purchases().total == 0
    assert len(wholesaler.arrived) == (1 if checkpoint == Checkpoint.ANSWERED else 0)


@pytest.mark.parametrize("checkpoint", [Checkpoint.CLAIMED, Checkpoint.ANSWERED])
def test_worker_that_leaves_no_reply_where_orders_repeat(wholesaler: Wholesaler, checkpoint: Checkpoint) -> None:
    purchase = make_overdue(run_and_die(make_purchase("fake-repeat"), checkpoint))
    sweep_purchases()
    purchase = again(purchase)
    assert (purchase.state, purchase.next_attempt_at is not None) == ("planned", True)
    run_purchase(purchase_id=make_due(purchase).pk)
    assert (again(purchase).state, len(wholesaler.sales), refs()) == ("fulfilled", 1, sorted(wholesaler.sold_refs))


@pytest.mark.parametrize("checkpoint", [Checkpoint.STORED, Checkpoint.PARSED, Checkpoint.APPLYING])
@pytest.mark.parametrize("account", ["fake", "fake-repeat"])
def test_stored_reply_is_applied_never_sent_again(wholesaler: Wholesaler, checkpoint: Checkpoint, account: str) -> None:
    purchase = make_overdue(run_and_die(make_purchase(account), checkpoint))
    assert (purchase.state, Esim.objects.count()) == ("sending", 0)
    assert (sweep_purchases().applied, sweep_purchases().total) == (1, 0)
    assert (again(purchase).state, len(wholesaler.arrived), refs()) == ("fulfilled", 1, sorted(wholesaler.sold_refs))


def test_stored_reply_is_applied_before_the_deadline_too(wholesaler: Wholesaler) -> None:
    purchase = run_and_die(make_purchase(), Checkpoint.STORED)
    assert sweep_purchases().total == 0
    PurchaseAttempt.objects.update(received_at=timezone.now() - timedelta(seconds=61))
    assert sweep_purchases().applied == 1
    assert again(purchase).state == "fulfilled"


def test_worker_that_dies_after_all_is_done(wholesaler: Wholesaler) -> None:
    purchase = run_and_die(make_purchase(), Checkpoint.APPLIED)
    assert (purchase.state, sweep_purchases().total) == ("fulfilled", 0)


def test_worker_that_dies_over_an_inquiry(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("cut")
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    purchase = run_and_die(make_due(purchase), Checkpoint.ASKED)
    assert purchase.state == "allocating"
    assert purchase.next_attempt_at is not None
    assert purchase.next_attempt_at > timezone.now()
    run_purchase(purchase_id=make_due(purchase).pk)
    assert (again(purchase).state, again(purchase).inquiries_made) == ("fulfilled", 2)


# -- a slow worker meets the sweeper -----------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ["fake", "fake-blind", "fake-repeat"])
def test_late_lines_are_applied(wholesaler: Wholesaler, account: str) -> None:
    sweeping_during_the_call(wholesaler)
    purchase = make_purchase(account)
    run_purchase(purchase_id=purchase.pk)
    assert (again(purchase).state, refs()) == ("fulfilled", sorted(wholesaler.sold_refs))
    assert Order.objects.get().state == "completed"
    run_purchase(purchase_id=make_due(purchase).pk)
    assert len(wholesaler.sales) == 1


def test_late_lines_meet_the_repeated_order(wholesaler: Wholesaler) -> None:
    """The sweeper plans the order again, another worker sends it, and both answers come."""

    def resend(purchase: Purchase) -> None:
        run_purchase(purchase_id=make_due(purchase).pk)

    sweeping_during_the_call(wholesaler, then=resend)
    purchase = make_purchase("fake-repeat")
    run_purchase(purchase_id=purchase.pk)
    assert (again(purchase).state, again(purchase).attempts_made) == ("fulfilled", 2)
    assert (len(wholesaler.sales), refs()) == (1, sorted(wholesaler.sold_refs))


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [
        ("refused", "rejected"),
        ("no_balance", "held"),
        ("limited", "held"),
        ("500_before", "unknown"),
        ("cut", "allocating"),
    ],
)
def test_late_word_on_an_unknown_purchase(wholesaler: Wholesaler, behaviour: str, state: str) -> None:
    wholesaler.plan_orders(behaviour)
    sweeping_during_the_call(wholesaler)
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    assert again(purchase).state == state
    assert Refund.objects.count() == (1 if state == "rejected" else 0)


def test_late_silence_does_not_touch_what_is_planned_again(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_after")
    sweeping_during_the_call(wholesaler)
    purchase = make_purchase("fake-repeat")
    run_purchase(purchase_id=purchase.pk)
    assert (again(purchase).state, PurchaseAttempt.objects.get().outcome) == ("planned", "unknown")


def test_late_word_does_not_undo_a_decision(wholesaler: Wholesaler) -> None:
    staff = make_user("orders.reconcile")
    wholesaler.plan_orders("no_balance")
    sweeping_during_the_call(wholesaler, lambda row: mark_not_bought(purchase=row, why="portal", by=staff))
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    assert (again(purchase).state, Refund.objects.get().state) == ("rejected", "due")


def test_lines_that_come_after_the_decision_drop_the_refund(wholesaler: Wholesaler) -> None:
    staff = make_user("orders.reconcile", "orders.refund")
    sweeping_during_the_call(wholesaler, lambda row: mark_not_bought(purchase=row, why="portal", by=staff))
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    refund = Refund.objects.get()
    assert (again(purchase).state, refund.state, Order.objects.get().state) == ("fulfilled", "dropped", "completed")
    with pytest.raises(RefundRefused, match="no longer due"):
        record_refund_made(refund=refund, method="cash", by=staff)
    kinds = set(Order.objects.get().events.values_list("kind", flat=True))
    assert {"refund.due", "refund.dropped", "purchase.late_reply"} <= kinds
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


def test_lines_that_come_after_the_money_went_back(wholesaler: Wholesaler) -> None:
    staff = make_user("orders.reconcile", "orders.refund")

    def refund(row: Purchase) -> None:
        mark_not_bought(purchase=row, why="portal", by=staff)
        record_refund_made(refund=Refund.objects.get(), method="cash", reference="till", by=staff)

    sweeping_during_the_call(wholesaler, refund)
    purchase = make_purchase(quantity=2)
    run_purchase(purchase_id=purchase.pk)
    purchase = again(purchase)
    assert (purchase.state, Refund.objects.get().state, refs()) == ("fulfilled", "made", sorted(wholesaler.sold_refs))
    assert "12.00 USD went back already" in purchase.attention
    (balance,) = read_balances()
    assert (balance.captured, balance.delivered, balance.refunds_made, balance.given_away, balance.difference) == (
        Decimal(12),
        Decimal(12),
        Decimal(12),
        Decimal(12),
        Decimal(0),
    )


def test_handle_that_comes_after_the_decision_is_followed(wholesaler: Wholesaler) -> None:
    staff = make_user("orders.reconcile")
    wholesaler.plan_orders("cut")
    sweeping_during_the_call(wholesaler, lambda row: mark_not_bought(purchase=row, why="portal", by=staff))
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    assert (again(purchase).state, Refund.objects.get().state) == ("allocating", "dropped")
    run_purchase(purchase_id=make_due(purchase).pk)
    assert (again(purchase).state, refs()) == ("fulfilled", sorted(wholesaler.sold_refs))


def test_handle_that_comes_for_a_short_purchase_asks_for_a_look(wholesaler: Wholesaler) -> None:
    staff = make_user("orders.reconcile")

    def decide(row: Purchase) -> None:
        attach_lines(purchase=row, iccids=["8981100000000009999"], by=staff)
        mark_not_bought(purchase=row, why="portal", by=staff)

    wholesaler.plan_orders("cut")
    sweeping_during_the_call(wholesaler, decide)
    purchase = make_purchase(quantity=2)
    run_purchase(purchase_id=purchase.pk)
    assert (again(purchase).state, "tx-0001" in again(purchase).attention) == ("short", True)


def test_attempt_is_judged_once(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("no_balance")
    purchase = make_purchase()
    run_purchase(purchase_id=purchase.pk)
    resume_purchase(purchase=purchase, by=make_user("orders.reconcile"))
    events = Order.objects.get().events.count()
    digest_reply(attempt_id=PurchaseAttempt.objects.get().pk, by="a worker that was slow")
    assert (again(purchase).state, Order.objects.get().events.count()) == ("planned", events)


def test_reply_stored_after_the_sweep_by_a_worker_that_then_died(wholesaler: Wholesaler) -> None:
    sweeping_during_the_call(wholesaler)
    purchase = run_and_die(make_purchase(), Checkpoint.STORED)
    assert purchase.state == "unknown"
    PurchaseAttempt.objects.update(received_at=timezone.now() - timedelta(seconds=61))
    assert sweep_purchases().applied == 1
    assert (again(purchase).state, refs()) == ("fulfilled", sorted(wholesaler.sold_refs))


def test_sweeper_leaves_a_new_claim_alone(wholesaler: Wholesaler) -> None:
    purchase = make_purchase("fake-repeat")
    claim = claim_purchase(purchase_id=purchase.pk, provider=get_provider("fake-repeat"))
    assert claim is not None
    assert sweep_purchases().total == 0
    assert again(purchase).state == "sending"


def test_one_bad_row_does_not_keep_the_others_waiting(wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = make_purchase(), make_purchase()
    for purchase in (bad, good):
        run_and_die(purchase, Checkpoint.STORED)
        make_overdue(purchase)

    def digest(*, attempt_id: int, by: str) -> Purchase:
        if PurchaseAttempt.objects.get(pk=attempt_id).purchase_id == bad.pk:
            raise RuntimeError("not today")
        return digest_reply(attempt_id=attempt_id, by=by)

    monkeypatch.setattr(sweeping, "digest_reply", digest)
    assert sweep_purchases().applied == 1
    assert (again(bad).state, again(good).state) == ("sending", "fulfilled")


def test_step_that_crashes_does_not_keep_the_others_waiting(
    wholesaler: Wholesaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_purchase(), make_purchase()
    real = purchasing.claim_purchase

    def claim(*, purchase_id: int, provider: Provider) -> purchasing.Claim | None:
        if purchase_id == bad.pk:
            raise RuntimeError("not today")
        return real(purchase_id=purchase_id, provider=provider)

    monkeypatch.setattr(purchasing, "claim_purchase", claim)
    assert purchasing.run_due_purchases(seconds=5) == 1
    assert (again(bad).state, again(good).state) == ("planned", "fulfilled")


def test_unknown_outcome_raises_the_alarm(
    wholesaler: Wholesaler,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    alarms: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(attention.log, "error", lambda event, **facts: alarms.append((event, facts)))
    wholesaler.plan_orders("500_after", "no_balance", "one_more")
    purchases = [make_purchase() for _ in range(3)]
    with django_capture_on_commit_callbacks(execute=True):
        for purchase in purchases:
            run_purchase(purchase_id=purchase.pk)
    assert [(event, facts["purchase"], facts["code"]) for event, facts in alarms] == [
        ("purchase_outcome_unknown", purchases[0].pk, "500"),
        ("purchase_held", purchases[1].pk, "BALANCE"),
        ("purchase_needs_look", purchases[2].pk, ""),
    ]
