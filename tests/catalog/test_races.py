"""Writers that meet, each on a connection of its own (PostgreSQL)."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from catalog import sync_write
from catalog.models import Plan, PlanChange, SyncRun
from catalog.pricing import active_rules, explain_price, save_rule, set_own_price, set_published
from catalog.sync import AlreadyDecided, approve_retirement, request_sync
from catalog.sync_copy import write_by_copy
from providers.models import ProviderAccount
from providers.types import Money
from tests.catalog.making import make_offer, make_plan, make_rule
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import live, read
from tests.queue import Queue

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
D = Decimal
Meet = Callable[[Callable[[], object]], list[threading.Thread]]


def start(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.fixture
def meet(monkeypatch: pytest.MonkeyPatch) -> Meet:
    """Let something happen in the middle of the next write: all is read and priced, no plan is written yet."""

    def arrange(work: Callable[[], object]) -> list[threading.Thread]:
        threads: list[threading.Thread] = []

        def write(**given: Any) -> None:
            threads.append(start(work))
            # Time enough to finish, unless it has to wait for us.
            threads[0].join(1)
            write_by_copy(**given)

        monkeypatch.setattr(sync_write, "write_by_copy", write)
        return threads

    return arrange


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Take the lock away, to prove that there is a race."""

    def unlock() -> None:
        monkeypatch.setattr("catalog.sync_write.lock_prices", lambda: None)
        monkeypatch.setattr("catalog.pricing.lock_prices", lambda: None)

    return unlock


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_rule_saved_while_a_sync_writes_reaches_its_plans(
    account: ProviderAccount,
    shelf: Shelf,
    meet: Meet,
    unlocked: Callable[[], None],
    is_locked: bool,
) -> None:
    if not is_locked:
        unlocked()
    shelf.put([make_offer("A"), make_offer("B")])
    threads = meet(lambda: save_rule(rule=make_rule(margin_percent=D(100)), by="a"))

    read(account)
    threads[0].join(20)

    right = all(explain_price(plan, active_rules()).amount == plan.retail_price for plan in Plan.objects.all())
    assert right == is_locked
    assert set(Plan.objects.values_list("retail_price", flat=True)) == {D(8) if is_locked else D(6)}


@pytest.mark.parametrize("is_locked", [True, False])
def test_an_own_price_set_while_a_sync_writes_survives(
    account: ProviderAccount,
    shelf: Shelf,
    meet: Meet,
    unlocked: Callable[[], None],
    is_locked: bool,
) -> None:
    shelf.put([make_offer("A")])
    read(account)
    plan = Plan.objects.get()
    if not is_locked:
        unlocked()
    shelf.put([make_offer("A", net_price=Money(amount=D(5), currency="USD"))])
    threads = meet(lambda: set_own_price(plan=plan, amount=D("9.50"), by="a"))

    read(account)
    threads[0].join(20)

    assert (Plan.objects.get().own_price == D("9.50")) == is_locked


@pytest.mark.parametrize("is_locked", [True, False])
def test_many_prices_in_one_transaction_never_lock_out_who_publishes(
    account: ProviderAccount, unlocked: Callable[[], None], is_locked: bool
) -> None:
    """The admin's list saves many plans in one transaction. Somebody else publishes meanwhile the plan that is next."""
    if not is_locked:
        unlocked()
    one, two = make_plan(account), make_plan(account, is_published=False)
    outcomes: list[str] = []

    def attempt(name: str, work: Callable[[], object]) -> None:
        try:
            work()
            outcomes.append(name)
        except OperationalError:
            outcomes.append("deadlock")

    def price_both() -> None:
        with transaction.atomic():
            set_own_price(plan=one, amount=D(9), by="a")
            threads.append(start(lambda: attempt("published", publish)))
            # Time enough to finish, unless it has to wait for us.
            threads[0].join(1)
            set_own_price(plan=two, amount=D(9), by="a")

    def publish() -> None:
        set_published(plan=two, is_published=True, by="b")

    threads: list[threading.Thread] = []
    attempt("priced", price_both)
    threads[0].join(20)

    assert len(outcomes) == 2
    assert ("deadlock" in outcomes) != is_locked


def test_many_requests_make_one_run(account: ProviderAccount, queue: Queue) -> None:
    runs: list[int] = []
    threads = [start(lambda: runs.append(request_sync(account=account, asked_by="a").pk)) for _ in range(8)]
    for thread in threads:
        thread.join(20)

    assert len(runs) == 8
    assert len(set(runs)) == 1
    assert SyncRun.objects.count() == 1
    assert len(queue.waiting()) == 1


def test_two_people_who_approve_retire_once(account: ProviderAccount, shelf: Shelf) -> None:
    shelf.put(make_offer(ref) for ref in "ABCD")
    read(account)
    shelf.put([make_offer("A")])
    run = read(account)
    answers: list[str] = []

    def approve() -> None:
        try:
            approve_retirement(run=run, by="a")
            answers.append("done")
        except AlreadyDecided:
            answers.append("already")

    for thread in [start(approve), start(approve)]:
        thread.join(20)

    assert sorted(answers) == ["already", "done"]
    assert live() == "A"
    assert PlanChange.objects.filter(kind="retired").count() == 3
