"""Many workers on one rate budget, with real commits. On PostgreSQL they run in parallel."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from providers import limits
from providers.errors import RateLimited
from providers.models import RateSlot
from providers.types import Priority, RateBudget

WORKERS = 8
SECONDS = 3.0


def hammer(budget: RateBudget, *, priority: Priority, until: float, claims: list[datetime]) -> None:
    """Take as much as can be had until a moment of the monotonic clock."""
    try:
        while time.monotonic() < until:
            try:
                claim = limits.take("race", "status", budget, priority, wait=max(0.0, until - time.monotonic()))
            except RateLimited:
                return
            assert claim is not None
            claims.append(claim.used_at)
    finally:
        connection.close()


def run_workers(budget: RateBudget, *, people: int, background: int) -> tuple[list[datetime], list[datetime]]:
    until = time.monotonic() + SECONDS
    taken: dict[Priority, list[datetime]] = {Priority.PEOPLE: [], Priority.BACKGROUND: []}
    kinds = [Priority.PEOPLE] * people + [Priority.BACKGROUND] * background
    threads = [
        threading.Thread(
            target=hammer, args=(budget,), kwargs={"priority": kind, "until": until, "claims": taken[kind]}
        )
        for kind in kinds
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(taken[Priority.PEOPLE]), sorted(taken[Priority.BACKGROUND])


def count_fullest_window(claims: list[datetime], seconds: float) -> int:
    window = timedelta(seconds=seconds)
    return max(sum(1 for other in claims if claim <= other < claim + window) for claim in claims)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_workers_never_exceed_the_budget_and_use_it() -> None:
    budget = RateBudget(calls=20, seconds=0.5, margin=0.01)
    claims, _none = run_workers(budget, people=WORKERS, background=0)
    assert count_fullest_window(claims, budget.seconds) == budget.calls
    possible = budget.calls * SECONDS / (budget.seconds + budget.margin)
    assert len(claims) >= 0.95 * possible
    assert RateSlot.objects.count() == budget.calls


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_background_workers_never_touch_the_reserve() -> None:
    budget = RateBudget(calls=10, seconds=0.5, reserve=4)
    _none, background = run_workers(budget, people=0, background=WORKERS)
    assert count_fullest_window(background, budget.seconds) == 6


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_without_the_gate_the_reserve_would_be_taken() -> None:
    """The race that the lock is for: two workers read the same free slots before either has taken one."""
    budget = RateBudget(calls=3, seconds=60, reserve=2)
    limits.take("race", "status", RateBudget(calls=3, seconds=0), Priority.PEOPLE)
    RateSlot.objects.update(used_at=None)
    both_have_read = threading.Barrier(2)
    claimed: list[bool] = []

    def claim_without_gate(number: int) -> None:
        try:
            with transaction.atomic():
                free = list(
                    RateSlot.objects.filter(used_at__isnull=True).order_by("number").values_list("pk", flat=True)
                )
                both_have_read.wait()
                if len(free) > budget.reserve:
                    row = RateSlot.objects.filter(pk=free[number], used_at__isnull=True)
                    claimed.append(row.update(used_at=limits._read_clock()) == 1)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim_without_gate, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert claimed == [True, True]


@pytest.mark.django_db(transaction=True)
def test_workers_share_a_budget_on_any_database() -> None:
    budget = RateBudget(calls=10, seconds=60)
    claims: list[datetime] = []
    threads = [
        threading.Thread(
            target=hammer,
            args=(budget,),
            kwargs={"priority": Priority.PEOPLE, "until": time.monotonic() + 0.5, "claims": claims},
        )
        for _worker in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 10
