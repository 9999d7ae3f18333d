"""Top-ups, looks and webhooks under a race, each shown first without what prevents it."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from esims.models import Esim, Package
from orders.inbox import drain_inbox
from orders.inquiring import run_inquiry
from orders.models import Purchase, PurchaseAttempt, PurchasedEsim, PurchasedPackage
from orders.purchasing import claim_purchase, run_due_purchases, run_purchase
from orders.states import lock_purchase
from orders.topping import look_before_top_up
from providers import registry
from providers.models import WebhookDelivery
from providers.registry import get_provider
from tests.orders import fakes_webhooks
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_due, make_fake_account, make_purchase
from tests.orders.test_races import race
from tests.orders.test_topping import make_sold_line, sell, step

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
PS = Purchase.State


def looked_at(purchase: Purchase) -> Purchase:
    assert look_before_top_up(purchase_id=purchase.pk, provider=get_provider("fake-slow"))
    return purchase


def claiming(purchase: Purchase) -> Callable[[], object]:
    return lambda: claim_purchase(purchase_id=purchase.pk, provider=get_provider("fake-slow"))


# -- one top-up, two workers -------------------------------------------------------------------------------------------


def test_one_of_many_workers_claims_a_top_up(allocator: Allocator) -> None:
    purchase = looked_at(sell(make_sold_line(allocator)))
    claims = race(*[claiming(purchase)] * 6)
    assert not [claim for claim in claims if isinstance(claim, BaseException)]
    assert sum(claim is not None for claim in claims) == 1
    assert PurchaseAttempt.objects.filter(purchase=purchase).count() == 1


def test_many_workers_top_a_line_up_once(allocator: Allocator) -> None:
    purchase = sell(make_sold_line(allocator))
    results = race(*[lambda: run_purchase(purchase_id=purchase.pk)] * 5)
    assert not [result for result in results if isinstance(result, BaseException)]
    # Those that found the line being read by another wait a moment.
    assert step(purchase).state == "fulfilled"
    assert (len(allocator.top_ups), allocator.arrived) == (1, [purchase.idempotency_key])
    assert (PurchasedPackage.objects.count(), Package.objects.filter(kind="top_up").count()) == (1, 1)


# -- two top-ups of one line -------------------------------------------------------------------------------------------


def test_without_the_lines_lock_both_top_ups_go_out(allocator: Allocator) -> None:
    """The race itself: each looks whether another is under way, then goes."""
    esim = make_sold_line(allocator)
    purchases = [sell(esim), sell(esim)]
    both_looked = threading.Barrier(2)

    def claim_naively(purchase: Purchase) -> bool:
        others = Purchase.objects.filter(order_line__esim=esim).exclude(pk=purchase.pk)
        is_free = not others.filter(state__in=(PS.SENDING, PS.ALLOCATING)).exists()
        both_looked.wait(timeout=10)
        if is_free:
            key = purchase.idempotency_key
            Purchase.objects.filter(pk=purchase.pk).update(state=PS.SENDING, claim=key, claim_until=timezone.now())
        return is_free

    assert race(*[lambda one=one: claim_naively(one) for one in purchases]) == [True, True]


def test_one_of_two_top_ups_of_a_line_goes_first(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    for _round in range(5):
        purchases = [looked_at(sell(esim)) for _ in range(3)]
        claims = race(*[claiming(purchase) for purchase in purchases])
        assert not [claim for claim in claims if isinstance(claim, BaseException)]
        assert sum(claim is not None for claim in claims) == 1
        states = Purchase.objects.filter(pk__in=[purchase.pk for purchase in purchases])
        assert sorted(states.values_list("state", flat=True)) == ["planned", "planned", "sending"]
        states.update(state=PS.REJECTED, claim_until=None, next_attempt_at=None)


def test_top_ups_of_one_line_never_meet_at_the_provider(allocator: Allocator) -> None:
    esim = make_sold_line(allocator)
    purchases = [sell(esim) for _ in range(4)]
    under_way: list[int] = []

    def watch(_key: str) -> None:
        busy = (PS.SENDING, PS.ALLOCATING)
        under_way.append(Purchase.objects.filter(order_line__esim=esim, state__in=busy).count())

    allocator.on_arrival = watch
    for _ in range(8):
        for purchase in purchases:
            make_due(purchase)
        Purchase.objects.update(finished_at=F("finished_at") - timedelta(minutes=1))
        results = race(*[lambda: run_due_purchases(seconds=10)] * 3)
        assert not [result for result in results if isinstance(result, BaseException)]
    assert set(Purchase.objects.values_list("state", flat=True)) == {"fulfilled"}
    assert under_way == [1, 1, 1, 1]
    assert (len(allocator.top_ups), PurchasedPackage.objects.count()) == (4, 4)


# -- two looks for one order -------------------------------------------------------------------------------------------


def test_without_the_claim_both_workers_ask(allocator: Allocator) -> None:
    """The race itself: look whether it is due, then ask."""
    purchase = make_purchase("fake-slow")
    run_purchase(purchase_id=purchase.pk)
    make_due(purchase)
    both_looked = threading.Barrier(2)

    def ask_naively() -> bool:
        row = Purchase.objects.get(pk=purchase.pk)
        both_looked.wait(timeout=10)
        return row.state == PS.ALLOCATING and row.next_attempt_at is not None and row.next_attempt_at <= timezone.now()

    assert race(ask_naively, ask_naively) == [True, True]


def test_one_of_many_workers_asks(allocator: Allocator) -> None:
    purchase = make_purchase("fake-slow")
    run_purchase(purchase_id=purchase.pk)
    make_due(purchase)
    results = race(*[lambda: run_inquiry(purchase_id=purchase.pk)] * 5)
    assert sorted(str(result) for result in results) == ["", "", "", "", "2 lines"]
    assert allocator.looks == ["inquiry B0001"]
    assert (PurchasedEsim.objects.count(), Purchase.objects.get().state) == (2, "fulfilled")


def test_two_looks_that_come_back_at_once_enter_each_line_once(allocator: Allocator) -> None:
    """While one worker asks, the provider calls, and another asks too."""
    purchase = make_purchase("fake-slow", 5)
    run_purchase(purchase_id=purchase.pk)
    make_due(purchase)
    called, both_have_it = threading.Event(), threading.Barrier(2)

    def second() -> None:
        both_have_it.wait(timeout=10)

    def first() -> None:
        allocator.during_look = second
        Purchase.objects.filter(pk=purchase.pk).update(next_attempt_at=timezone.now())
        called.set()
        both_have_it.wait(timeout=10)

    def ask_second() -> str:
        called.wait(timeout=10)
        return run_inquiry(purchase_id=purchase.pk)

    allocator.during_look = first
    results = race(lambda: run_inquiry(purchase_id=purchase.pk), ask_second)
    assert results == ["5 lines", "5 lines"]
    assert (PurchasedEsim.objects.count(), Esim.objects.count()) == (5, 5)
    row = Purchase.objects.get()
    assert (row.state, row.inquiries_made, row.attention) == ("fulfilled", 2, "")
    assert row.events.filter(kind="purchase.state", facts__new="fulfilled").count() == 1


# -- webhooks beside the work ------------------------------------------------------------------------------------------


def test_deliveries_in_one_transaction_and_an_answer_lock_each_other_out(allocator: Allocator) -> None:
    """The race itself: a line and then an order here, the order and then its line there."""
    esim = make_sold_line(allocator)
    purchase = sell(esim)
    both_hold_one = threading.Barrier(2)

    def follow_two_deliveries() -> None:
        with transaction.atomic():
            Esim.objects.filter(pk=esim.pk).update(next_refresh_at=timezone.now())
            both_hold_one.wait(timeout=10)
            Purchase.objects.filter(pk=purchase.pk).update(next_attempt_at=timezone.now())

    def apply_answer() -> None:
        with transaction.atomic():
            lock_purchase(purchase.pk)
            both_hold_one.wait(timeout=10)
            Esim.objects.filter(pk=esim.pk).update(next_refresh_at=timezone.now())

    results = race(follow_two_deliveries, apply_answer)
    assert [type(result) for result in results if result is not None] == [OperationalError]


def test_deliveries_and_the_work_never_wait_in_a_circle(
    allocator: Allocator, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes_webhooks.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_webhooks.ACCOUNTS}
    account = make_fake_account("fake-calls")
    lines = [make_sold_line(allocator, "fake-calls") for _ in range(3)]
    top_ups = [sell(line) for line in lines]
    orders = [make_purchase("fake-calls", 2) for _ in range(3)]
    now = timezone.now()
    bodies = [b'{"kind": "line_changed", "ref": "%s"}' % line.provider_ref.encode() for line in lines]
    bodies += [b'{"kind": "order_ready", "order": "B%04d"}' % number for number in range(1, 8)]
    for number in range(60):
        body = bodies[number * 7 % len(bodies)]
        WebhookDelivery.objects.create(
            account=account, key=f"n{number}", body=body, received_at=now, next_attempt_at=now
        )
    results = race(*[lambda: drain_inbox(seconds=20)] * 3, *[lambda: run_due_purchases(seconds=20)] * 3)
    assert not [result for result in results if isinstance(result, BaseException)]
    assert sum(result for result in results[:3] if isinstance(result, int)) == 60
    assert set(WebhookDelivery.objects.values_list("attempts", flat=True)) == {1}
    for purchase in [*orders, *orders, *top_ups]:
        run_purchase(purchase_id=make_due(purchase).pk)
    assert set(Purchase.objects.values_list("state", flat=True)) == {"fulfilled"}
    assert (len(allocator.top_ups), PurchasedPackage.objects.count(), Esim.objects.count()) == (3, 3, 9)
