"""Top-ups: an order like any other, and what a lost answer of one that may not be repeated is worth."""

import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Plan
from esims.models import Esim, Package
from orders import reconciliation
from orders.books import read_balances
from orders.checkout import CheckoutRefused
from orders.models import Order, OrderLine, Payment, Purchase, PurchasedPackage, Refund, TopUpOffer
from orders.purchasing import run_purchase
from orders.selling import PaymentTaken
from orders.topups import TopUpsUnknown, find_top_ups, sell_top_up
from providers.models import ProviderAccount
from providers.types import Money
from tests.catalog.making import make_offer
from tests.orders.fakes_lines import GB, Allocator
from tests.orders.making import make_due, make_purchase, make_user

pytestmark = pytest.mark.django_db

TOP_UP = make_offer("TOPUP_JP1", name="Japan 1 GB more", net_price=Money(amount=Decimal("2.00"), currency="USD"))


def make_sold_line(allocator: Allocator, slug: str = "fake-slow") -> Esim:
    """A line that was bought here."""
    purchase = make_purchase(slug, 1)
    run_purchase(purchase_id=purchase.pk)
    run_purchase(purchase_id=make_due(purchase).pk)
    allocator.arrived.clear()
    allocator.looks.clear()
    allocator.offers = (TOP_UP,)
    return Esim.objects.get(purchased__purchase=purchase)


def sell(esim: Esim, **changes: Any) -> Purchase:
    """The planned purchase of a paid top-up with what fits."""
    choice = find_top_ups(esim=esim)[0]
    words: dict[str, Any] = {
        "esim": esim,
        "plan": choice.plan,
        "checkout_key": uuid.uuid4(),
        "expected_price": choice.plan.retail_price,
        "by": make_user(),
        "payment": PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
        **changes,
    }
    order = sell_top_up(**words)
    return Purchase.objects.get(order_line__order=order)


def step(purchase: Purchase) -> Purchase:
    run_purchase(purchase_id=make_due(purchase).pk)
    return Purchase.objects.get(pk=purchase.pk)


def assert_books(allocator: Allocator, *, top_ups: int) -> None:
    assert len(allocator.top_ups) == top_ups
    assert [balance.difference for balance in read_balances()] == [0]


# -- what fits ---------------------------------------------------------------------------------------------------------


def test_what_fits_is_asked_at_that_moment_and_priced_like_everything(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    choices = find_top_ups(esim=esim)
    assert allocator.looks == [f"top-ups {esim.provider_ref} {esim.plan.plan_ref}"]
    assert [
        (choice.plan.plan_ref, choice.plan.kind, choice.plan.retail_price, choice.refusal) for choice in choices
    ] == [("TOPUP_JP1", "top_up", Decimal("6.0000"), "")]
    allocator.offers = (TOP_UP, replace(TOP_UP, plan_ref="TOPUP_FREE", net_price=None, suggested_price=None))
    priced, unpriced = find_top_ups(esim=esim)
    assert (priced.refusal, unpriced.refusal) == ("", "This plan has no price yet.")
    assert Plan.objects.filter(kind="top_up").count() == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [({"state": "expired"}, "has ended"), ({}, "paused")],
)
def test_line_that_cannot_be_topped_up_costs_no_call(allocator: Allocator, change: dict[str, Any], word: str) -> None:
    esim = make_sold_line(allocator)
    Esim.objects.update(**({**change} or {"state": esim.state}))
    ProviderAccount.objects.filter(slug="fake-slow").update(is_paused=not change)
    fresh = Esim.objects.select_related("account", "plan").get()
    with pytest.raises(TopUpsUnknown) as refused:
        find_top_ups(esim=fresh)
    assert word in refused.value.message
    with pytest.raises(CheckoutRefused):
        sell_top_up(esim=fresh, plan=esim.plan, checkout_key=uuid.uuid4(), expected_price=Decimal(6), by=make_user())
    assert (allocator.looks, Order.objects.count()) == ([], 1)


def test_package_of_another_provider_is_refused(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    stranger = make_sold_line(allocator, "fake-keyed").plan
    with pytest.raises(CheckoutRefused, match="another provider's"):
        sell_top_up(esim=esim, plan=stranger, checkout_key=uuid.uuid4(), expected_price=Decimal(6), by=make_user())
    assert not OrderLine.objects.filter(kind="top_up").exists()


def test_price_that_changed_is_asked_about_again(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    with pytest.raises(CheckoutRefused, match="price has changed"):
        sell(esim, expected_price=Decimal("5.00"))
    assert not OrderLine.objects.filter(kind="top_up").exists()


def test_same_form_twice_is_one_top_up(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    keys = {
        "checkout_key": uuid.uuid4(),
        "payment": PaymentTaken(method=Payment.Method.CASH, reference="", form_key=uuid.uuid4()),
        "by": make_user(),
    }
    assert sell(esim, **keys) == sell(esim, **keys)
    assert OrderLine.objects.filter(kind="top_up").count() == 1


def test_what_was_not_named_just_now_is_not_sold(allocator: Allocator, settings: Settings) -> None:
    """The offer of the moment: the verb itself holds to it, whichever face calls it."""
    esim = make_sold_line(allocator)
    (choice,) = find_top_ups(esim=esim)
    other = replace(TOP_UP, plan_ref="TOPUP_JP2")
    allocator.offers = (other,)
    # Asked again, the first one is no longer named; and what was never asked is not there at all.
    (now,) = find_top_ups(esim=esim)
    words: dict[str, Any] = {"esim": esim, "expected_price": choice.plan.retail_price, "by": make_user()}
    with pytest.raises(CheckoutRefused, match="ask again") as refused:
        sell_top_up(plan=choice.plan, checkout_key=uuid.uuid4(), **words)
    assert refused.value.field == "plan"
    with pytest.raises(CheckoutRefused, match="ask again"):
        sell_top_up(plan=now.plan, checkout_key=uuid.uuid4(), **{**words, "esim": make_sold_line(allocator)})
    allocator.offers = (other,)
    key = uuid.uuid4()
    order = sell_top_up(plan=now.plan, checkout_key=key, **words)
    # A quarter of an hour later that form still gives its order, and nothing new is sold by the old answer.
    TopUpOffer.objects.update(asked_at=F("asked_at") - timedelta(minutes=settings.TOP_UP_OFFER_MINUTES, seconds=1))
    assert sell_top_up(plan=now.plan, checkout_key=key, **words) == order
    with pytest.raises(CheckoutRefused, match="ask again"):
        sell_top_up(plan=now.plan, checkout_key=uuid.uuid4(), **words)
    assert OrderLine.objects.filter(kind="top_up").count() == 1


# -- buying ------------------------------------------------------------------------------------------------------------


def test_top_up_arrives_on_the_line(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    purchase = step(sell(esim))
    assert (purchase.state, purchase.provider_order_ref) == ("fulfilled", f"T-{purchase.idempotency_key[:8]}")
    topped = PurchasedPackage.objects.get(purchase=purchase)
    assert topped.package is not None
    assert (topped.esim_id, topped.package.kind, topped.package.order_key) == (
        esim.pk,
        "top_up",
        purchase.idempotency_key,
    )
    assert purchase.totals_before["total_data_bytes"] == GB
    assert allocator.arrived == [purchase.idempotency_key]
    line = Esim.objects.get(pk=esim.pk)
    assert line.next_refresh_at is not None
    assert line.next_refresh_at <= timezone.now()
    assert Order.objects.get(pk=purchase.order_line.order_id).state == "completed"
    assert_books(allocator, top_ups=1)


def test_top_up_is_bought_once_however_often_its_job_runs(allocator: Allocator) -> None:
    purchase = step(sell(make_sold_line(allocator)))
    for _ in range(3):
        assert run_purchase(purchase_id=purchase.pk) == ""
    assert_books(allocator, top_ups=1)


def test_refused_top_up_owes_its_money_back(allocator: Allocator) -> None:
    allocator.top_ups_todo.append("refused")
    purchase = step(sell(make_sold_line(allocator)))
    assert (purchase.state, purchase.error_code) == ("rejected", "200002")
    refund = Refund.objects.get()
    assert (refund.amount, refund.state) == (Decimal("6.0000"), "due")
    assert_books(allocator, top_ups=0)


@pytest.mark.parametrize("shows_keys", [True, False])
def test_lost_answer_of_a_top_up_that_arrived_is_found_on_the_line(allocator: Allocator, shows_keys: bool) -> None:
    esim = make_sold_line(allocator)
    allocator.shows_keys = shows_keys
    allocator.top_ups_todo.append("lost_after")
    purchase = step(sell(esim))
    assert purchase.state == "allocating"
    purchase = step(purchase)
    assert purchase.state == "fulfilled"
    assert purchase.attempts.last().kind == "compare"  # type: ignore[union-attr]
    assert Package.objects.filter(esim=esim).count() == 2
    assert_books(allocator, top_ups=1)


def test_lost_answer_of_a_top_up_that_did_not_arrive_is_never_sent_again(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    allocator.top_ups_todo.append("lost_before")
    purchase = step(sell(esim))
    for _ in range(3):
        assert purchase.state == "allocating"
        purchase = step(purchase)
    assert (purchase.state, purchase.next_attempt_at) == ("unknown", None)
    assert allocator.arrived == [purchase.idempotency_key]
    staff = make_user("orders.reconcile")
    # Nothing shows it: a person decides, one way or the other.
    reconciliation.mark_not_bought(purchase=purchase, why="the portal shows no such top-up", by=staff)
    assert Purchase.objects.get(pk=purchase.pk).state == "rejected"
    assert_books(allocator, top_ups=0)


def test_person_decides_that_it_arrived(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    allocator.top_ups_todo.append("lost_before")
    purchase = step(sell(esim))
    staff = make_user("orders.reconcile")
    with pytest.raises(reconciliation.ReconciliationRefused):
        reconciliation.confirm_top_up(purchase=purchase, why=" ", by=staff)
    assert not PurchasedPackage.objects.exists()
    reconciliation.confirm_top_up(purchase=purchase, why="the portal shows it", by=staff)
    assert Purchase.objects.get(pk=purchase.pk).state == "fulfilled"
    assert PurchasedPackage.objects.get().package.plan == purchase.order_line.plan  # type: ignore[union-attr]
    assert not reconciliation.is_possible(
        Purchase.objects.select_related("order_line").get(pk=purchase.pk), "attach_lines"
    )


def test_provider_that_repeats_top_ups_is_asked_again_with_the_key(allocator: Allocator) -> None:
    esim = make_sold_line(allocator, "fake-keyed")
    allocator.top_ups_todo.append("lost_after")
    purchase = step(sell(esim))
    assert (purchase.state, purchase.totals_before) == ("planned", {})
    purchase = step(purchase)
    assert purchase.state == "fulfilled"
    assert allocator.arrived == [purchase.idempotency_key] * 2
    assert_books(allocator, top_ups=1)


def test_line_that_cannot_be_read_postpones_its_top_up(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    purchase = sell(esim)
    allocator.reads_todo.extend(["unavailable", "limited"])
    purchase = step(purchase)
    assert (purchase.state, purchase.failures_in_row, allocator.arrived) == ("planned", 1, [])
    purchase = step(purchase)
    assert (purchase.state, purchase.failures_in_row, allocator.arrived) == ("planned", 1, [])
    assert purchase.next_attempt_at is not None
    assert timedelta(seconds=5) < purchase.next_attempt_at - timezone.now() <= timedelta(seconds=7)
    assert step(purchase).state == "fulfilled"


def test_two_top_ups_of_one_line_go_one_after_the_other(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    first, second = sell(esim), sell(esim)
    allocator.top_ups_todo.append("lost_before")
    first = step(first)
    assert first.state == "allocating"
    second = step(second)
    assert (second.state, allocator.arrived) == ("planned", [first.idempotency_key])
    assert second.next_attempt_at is not None
    assert second.next_attempt_at > timezone.now() + timedelta(seconds=15)
    first = step(step(step(first)))
    assert first.state == "unknown"
    # What the line shows from now on could be either's: a person settles the first one first.
    second = step(second)
    assert (second.state, allocator.arrived) == ("held", [first.idempotency_key])
    staff = make_user("orders.reconcile")
    reconciliation.mark_not_bought(purchase=first, why="portal", by=staff)
    reconciliation.resume_purchase(purchase=second, by=staff)
    assert step(second).state == "fulfilled"
    assert_books(allocator, top_ups=1)
