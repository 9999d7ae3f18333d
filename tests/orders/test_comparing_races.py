"""Workers that meet over one run of a comparison: the race first without the conditional claim, then with it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from orders import comparing
from orders.comparing import STALE_AFTER, open_comparison, run_comparison
from orders.models import Comparison, DifferenceEvent, LedgerMark
from providers.models import ProviderAccount
from tests.catalog.making import make_account
from tests.orders.comparing import compare, history, open_access, parts, row, tally
from tests.orders.test_races import race
from tests.simulator_access import Access
from tests.simulator_client import Simulator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
PATIENCE = 20.0
READ_ALL = {"lines": "compared", "prices": "compared", "balance": "compared"}


@pytest.fixture
def access(settings: Settings, simulator: Simulator) -> Access:
    return open_access(settings, simulator)


@pytest.fixture
def account(access: Access) -> ProviderAccount:
    return make_account("esim-access", adapter="esim_access", name="eSIM Access")


@pytest.fixture
def run(access: Access, account: ProviderAccount) -> Comparison:
    """A run that waits, of an account to which 500 dollars came."""
    compare(account)
    access.set_account(balance=access.balance() + 5_000_000)
    return open_comparison(account=account, asked_by="test", enqueue=False)[0]


@pytest.fixture
def count_reads(access: Access, run: Comparison) -> Callable[[], int]:
    """How often the balance has been asked for since."""
    before = len(access.requests("balance"))
    return lambda: len(access.requests("balance")) - before


def work_at(run: Comparison) -> Callable[[], str]:
    return lambda: run_comparison(run_id=run.pk).state


def assert_compared_once(run: Comparison) -> None:
    run.refresh_from_db()
    assert (run.state, parts(run), tally(run)) == ("succeeded", READ_ALL, (1, 0, 0, 0, 0))
    assert (history(row("balance")), LedgerMark.objects.count()) == ([("found", "comparison")], 1)


def test_naive_claim_has_both_workers_compare(
    run: Comparison, count_reads: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the condition: look whether it waits, then take it."""
    both_looked, both_wrote, both_at_balance = (threading.Barrier(2) for _number in range(3))

    def claim_naively(run_id: int) -> Comparison | None:
        found = Comparison.objects.get(pk=run_id)
        both_looked.wait(timeout=PATIENCE)
        if found.state != Comparison.State.WAITING:
            return None
        now = timezone.now()
        Comparison.objects.filter(pk=run_id).update(state="running", started_at=now, heartbeat_at=now)
        both_wrote.wait(timeout=PATIENCE)
        return Comparison.objects.select_related("account").get(pk=run_id)

    def compare_naively() -> str:
        met: list[str] = []

        def meet(now: Comparison) -> None:
            if now.step == "balance" and not met:
                met.append(now.step)
                both_at_balance.wait(timeout=PATIENCE)

        return run_comparison(run_id=run.pk, on_progress=meet).state

    monkeypatch.setattr(comparing, "_claim", claim_naively)
    assert "succeeded" in race(compare_naively, compare_naively)
    # Each asked the provider for everything, and what the run came to is told by whoever was last.
    assert count_reads() == 2


def test_of_many_workers_one_compares(run: Comparison, count_reads: Callable[[], int]) -> None:
    results = race(*[work_at(run)] * 4)
    # Who came too late says how far the other is.
    assert sorted(map(str, results))[-1] == "succeeded"
    assert set(results) <= {"running", "succeeded"}
    assert count_reads() == 1
    assert_compared_once(run)


def test_a_second_worker_leaves_a_run_that_is_alive(run: Comparison, count_reads: Callable[[], int]) -> None:
    reached, looked = threading.Event(), threading.Event()

    def stand(now: Comparison) -> None:
        if now.step == "balance" and not reached.is_set():
            reached.set()
            assert looked.wait(PATIENCE)

    def come_later() -> str:
        assert reached.wait(PATIENCE)
        state = run_comparison(run_id=run.pk).state
        looked.set()
        return state

    assert race(lambda: run_comparison(run_id=run.pk, on_progress=stand).state, come_later) == ["succeeded", "running"]
    assert count_reads() == 1
    assert_compared_once(run)


def test_of_many_workers_one_takes_over_from_a_dead_one(run: Comparison, count_reads: Callable[[], int]) -> None:
    long_ago = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    Comparison.objects.filter(pk=run.pk).update(state="running", started_at=long_ago, heartbeat_at=long_ago, found=7)
    assert set(race(*[work_at(run)] * 4)) <= {"running", "succeeded"}
    assert count_reads() == 1
    assert_compared_once(run)


def test_who_was_thought_dead_and_wakes_up_writes_nothing(access: Access, run: Comparison) -> None:
    """It stands before it writes what it has read; meanwhile another takes the run over and finds something newer."""
    asleep, taken = threading.Event(), threading.Event()
    sleeper: list[int] = []

    def stand(now: Comparison) -> None:
        # The balance is read, and not written down yet.
        if (now.step, now.done) == ("balance", 1) and not sleeper:
            sleeper.append(threading.get_ident())
            asleep.set()
            assert taken.wait(PATIENCE)

    def take_over() -> str:
        assert asleep.wait(PATIENCE)
        long_ago = timezone.now() - STALE_AFTER - timedelta(seconds=1)
        Comparison.objects.filter(pk=run.pk).update(heartbeat_at=long_ago)
        access.set_account(balance=access.balance() + 1_000_000)
        state = run_comparison(run_id=run.pk).state
        taken.set()
        return state

    results = race(lambda: run_comparison(run_id=run.pk, on_progress=stand).state, take_over)
    assert results == ["succeeded", "succeeded"]
    assert_compared_once(run)
    assert (row("balance").amount, DifferenceEvent.objects.count()) == (Decimal(600), 1)
