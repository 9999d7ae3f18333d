"""One top-up of a line at a time where it may not be repeated, and what a look at the line proves about whose it is."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from esims.claims import claim_line
from esims.models import Esim, Package
from orders import reconciliation
from orders.checkpoints import Checkpoint, install_hook
from orders.models import Purchase, PurchaseAttempt, PurchasedPackage, Refund
from orders.purchasing import claim_purchase, run_due_purchases, run_purchase
from orders.sweeping import sweep_purchases
from orders.topping import look_before_top_up
from providers.registry import get_provider
from tests.orders import fakes_lines
from tests.orders.fakes_lines import GB, Allocator
from tests.orders.making import make_overdue, make_user
from tests.orders.test_topping import assert_books, make_sold_line, sell, step

pytestmark = pytest.mark.django_db


def again(purchase: Purchase) -> Purchase:
    return Purchase.objects.get(pk=purchase.pk)


def lose_unseen(allocator: Allocator, purchase: Purchase) -> Purchase:
    """Sent, its answer is lost and the line never shows it: nobody knows."""
    allocator.top_ups_todo.append("lost_before")
    for _ in range(4):
        purchase = step(purchase)
    assert purchase.state == "unknown"
    return purchase


def test_top_up_is_claimed_only_while_it_is_planned(allocator: Allocator) -> None:
    """A worker that comes late must not undo what another did: held, an unknown one could be sent a second time."""
    esim = make_sold_line(allocator)
    first, second = sell(esim), sell(esim)
    Purchase.objects.filter(pk=first.pk).update(state="unknown", next_attempt_at=None)
    for state in ("unknown", "fulfilled", "allocating"):
        Purchase.objects.filter(pk=second.pk).update(state=state, next_attempt_at=None)
        assert claim_purchase(purchase_id=second.pk, provider=get_provider("fake-slow")) is None
        row = again(second)
        assert (row.state, row.next_attempt_at, row.error) == (state, None, "")
    assert allocator.arrived == []


def test_look_from_before_another_top_up_is_no_look(allocator: Allocator) -> None:
    """Between the look and the claim another top-up came and went: the line's growth would be taken for this one's."""
    esim = make_sold_line(allocator)
    allocator.shows_keys = allocator.shows_packages = False
    first, second = sell(esim), sell(esim)
    assert look_before_top_up(purchase_id=second.pk, provider=get_provider("fake-slow"))
    assert step(first).state == "fulfilled"
    assert claim_purchase(purchase_id=second.pk, provider=get_provider("fake-slow")) is None
    row = again(second)
    assert (row.state, row.next_attempt_at is not None and row.next_attempt_at > timezone.now()) == ("planned", True)
    # It looks again, and growth that was there before proves nothing.
    second = lose_unseen(allocator, second)
    assert PurchasedPackage.objects.count() == 1
    assert_books(allocator, top_ups=1)


def test_no_claim_without_a_look(allocator: Allocator) -> None:
    purchase = sell(make_sold_line(allocator))
    assert claim_purchase(purchase_id=purchase.pk, provider=get_provider("fake-slow")) is None
    assert (again(purchase).state, allocator.arrived) == ("planned", [])
    assert step(purchase).state == "fulfilled"


def test_top_up_that_came_a_moment_ago_may_not_show_yet(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    allocator.shows_keys = allocator.shows_packages = False
    first, second = sell(esim), sell(esim)
    assert step(first).state == "fulfilled"
    run_purchase(purchase_id=second.pk)
    assert (again(second).state, len(allocator.arrived)) == ("planned", 1)
    assert step(second).state == "fulfilled"
    assert_books(allocator, top_ups=2)


@pytest.mark.parametrize(
    ("shows_keys", "plan", "state"),
    [
        (True, "TOPUP_JP1", "allocating"),
        (False, "TOPUP_OTHER", "allocating"),
        # A package of which no plan is told is nobody's in particular.
        (False, "", "allocating"),
        # Nothing tells it from ours: nobody tops the same line up with the same plan in the same minute.
        (False, "TOPUP_JP1", "fulfilled"),
    ],
)
def test_what_somebody_else_put_on_the_line_is_not_ours(
    allocator: Allocator, shows_keys: bool, plan: str, state: str
) -> None:
    """Growth proves nothing where the line tells whose a package is, or of which plan."""
    esim = make_sold_line(allocator)
    allocator.shows_keys = shows_keys
    allocator.top_ups_todo.append("lost_before")
    purchase = step(sell(esim))
    allocator.top_up("made in the portal", esim.provider_ref, plan=plan)
    assert step(purchase).state == state
    assert PurchasedPackage.objects.count() == (state == "fulfilled")


@pytest.mark.parametrize(("more", "state"), [(GB // 2, "allocating"), (GB, "fulfilled"), (3 * GB, "allocating")])
def test_line_without_packages_must_have_grown_by_what_was_ordered(
    allocator: Allocator, monkeypatch: pytest.MonkeyPatch, more: int, state: str
) -> None:
    esim = make_sold_line(allocator)
    allocator.shows_keys = allocator.shows_packages = False
    allocator.top_ups_todo.append("lost_before")
    purchase = step(sell(esim))
    monkeypatch.setattr(fakes_lines, "PACKAGE_BYTES", more)
    allocator.top_up("made in the portal", esim.provider_ref)
    assert step(purchase).state == state
    assert PurchasedPackage.objects.count() == (state == "fulfilled")


def test_slow_look_proves_only_what_has_our_key(allocator: Allocator) -> None:
    """While a worker's look hangs, the purchase is decided and another top-up of the line arrives."""
    esim = make_sold_line(allocator)
    allocator.shows_keys = allocator.shows_packages = False
    staff = make_user("orders.reconcile")
    allocator.top_ups_todo.append("lost_before")
    first, second = step(sell(esim)), sell(esim)

    def meanwhile(checkpoint: Checkpoint, purchase_id: int) -> None:
        if checkpoint is not Checkpoint.ASKED or purchase_id != first.pk:
            return
        install_hook(None)
        Purchase.objects.filter(pk=first.pk).update(state="unknown", next_attempt_at=None)
        reconciliation.mark_not_bought(purchase=first, why="portal", by=staff, not_ours=True)

    install_hook(meanwhile)
    allocator.top_up("second", esim.provider_ref)
    assert step(first).state == "rejected"
    assert not PurchasedPackage.objects.exists()
    assert again(second).state == "planned"


def test_line_whose_reading_crashes_holds_its_top_up(allocator: Allocator, settings: Settings) -> None:
    """It must not be tried every second for ever."""
    settings.PURCHASE_NOT_SENT_LIMIT = 2
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = -15.0  # the claim on the line ends at once
    purchase = sell(make_sold_line(allocator))
    allocator.reads_todo.extend(["crash", "crash"])
    purchase = step(purchase)
    assert (purchase.state, purchase.failures_in_row) == ("planned", 1)
    assert purchase.next_attempt_at is not None
    assert purchase.next_attempt_at > timezone.now()
    purchase = step(purchase)
    assert (purchase.state, "2 times in a row" in purchase.error, "SECRET" in purchase.error) == ("held", True, False)
    assert run_due_purchases(seconds=1) == 0
    assert allocator.arrived == []


def test_late_answer_of_a_top_up_that_was_given_up_is_applied(allocator: Allocator) -> None:
    """The sweeper has the line looked at; then the slow worker comes back with the answer."""
    esim = make_sold_line(allocator)

    def sweep() -> None:
        make_overdue(purchase)
        assert sweep_purchases().lost == 1
        assert again(purchase).state == "allocating"

    purchase = sell(esim)
    allocator.during_call = sweep
    purchase = step(purchase)
    assert (purchase.state, PurchaseAttempt.objects.filter(purchase=purchase).get().outcome) == (
        "fulfilled",
        "fulfilled",
    )
    assert_books(allocator, top_ups=1)


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [("refused", "rejected"), ("no_balance", "held"), ("limited", "held"), ("cut", "allocating")],
)
def test_late_no_to_a_top_up_that_is_only_looked_for(allocator: Allocator, behaviour: str, state: str) -> None:
    esim = make_sold_line(allocator)

    def sweep() -> None:
        make_overdue(purchase)
        sweep_purchases()

    purchase = sell(esim)
    allocator.top_ups_todo.append(behaviour)
    allocator.during_call = sweep
    purchase = step(purchase)
    assert (purchase.state, Refund.objects.exists()) == (state, state == "rejected")
    if state == "held":
        reconciliation.resume_purchase(purchase=purchase, by=make_user("orders.reconcile"))
        assert step(purchase).state == "fulfilled"
        assert_books(allocator, top_ups=1)


def test_worker_that_dies_after_the_look(allocator: Allocator) -> None:
    class Died(BaseException):
        pass

    def die(checkpoint: Checkpoint, _purchase_id: int) -> None:
        if checkpoint is Checkpoint.LOOKED:
            raise Died

    purchase = sell(make_sold_line(allocator))
    install_hook(die)
    with pytest.raises(Died):
        run_purchase(purchase_id=purchase.pk)
    install_hook(None)
    assert (again(purchase).state, allocator.arrived) == ("planned", [])
    assert step(purchase).state == "fulfilled"


def test_provider_that_tells_of_no_line_leaves_a_lost_top_up_to_a_person(allocator: Allocator) -> None:
    esim = make_sold_line(allocator, "fake-mute")
    allocator.top_ups_todo.append("lost_after")
    purchase = step(sell(esim))
    assert (purchase.state, allocator.looks[1:]) == ("unknown", [])
    reconciliation.confirm_top_up(purchase=purchase, why="portal", by=make_user("orders.reconcile"))
    assert again(purchase).state == "fulfilled"
    assert Package.objects.filter(esim=esim, kind="top_up").count() == 1
    assert_books(allocator, top_ups=1)


def test_second_top_up_is_held_with_a_word_and_waits_no_longer(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    first, second = sell(esim), sell(esim)
    lose_unseen(allocator, first)
    second = step(second)
    assert (second.state, second.error_code, second.next_attempt_at) == ("held", "line_busy", None)


def test_line_that_another_worker_is_reading_leaves_the_purchase_as_it_is(allocator: Allocator) -> None:
    """It may be read for this very purchase: a wait written now would take it from under that worker."""
    esim = make_sold_line(allocator)
    purchase = sell(esim)
    before = Purchase.objects.values().get(pk=purchase.pk)
    claim_line(Esim.objects.select_related("account").get(pk=esim.pk), only_if_due=False)
    assert not look_before_top_up(purchase_id=purchase.pk, provider=get_provider("fake-slow"))
    assert Purchase.objects.values().get(pk=purchase.pk) == before
    assert allocator.looks[1:] == []
