"""A run that fails leaves no trace; a job that comes twice, or a worker that dies, does no harm."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from catalog.models import Plan, PlanChange, PlanCoverage, SyncRun
from catalog.sync import STALE_AFTER, request_sync, run_sync
from providers.errors import NotSent, RateLimited, Rejected, Unavailable
from providers.models import ProviderAccount
from providers.types import Coverage, CoverageKind
from tests.catalog.making import make_offer
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, live, read
from tests.queue import Queue

pytestmark = pytest.mark.django_db
State = SyncRun.State


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Instead of sleeping."""
    slept: list[float] = []
    monkeypatch.setattr("catalog.sync_read.sleep", slept.append)
    return slept


def test_a_page_that_fails_for_now_is_read_again(account: ProviderAccount, shelf: Shelf, naps: list[float]) -> None:
    shelf.page_size = 1
    shelf.put(make_offer(ref) for ref in "ABC")
    shelf.errors = {
        2: [RateLimited("wait", retry_after=timedelta(seconds=50)), Unavailable("503"), NotSent("no name")],
        3: [Unavailable("503", retry_after=timedelta(seconds=7))],
    }

    run = read(account)

    assert (run.state, counts(run)) == (State.SUCCEEDED, {"added": 3})
    assert shelf.asked == [1, 2, 2, 2, 2, 3, 3]
    assert naps == [20, 20, 10, 5, 10, 7]


@pytest.mark.parametrize(
    ("errors", "error", "calls"),
    [
        ([Rejected("key refused")], "The provider could not be read: key refused", 1),
        ([Unavailable("status 503")] * 9, "The provider could not be read: status 503", 5),
        (
            [RateLimited("wait", retry_after=timedelta(hours=1))] * 9,
            "Reading took longer than the 480 s that it has.",
            1,
        ),
    ],
)
def test_a_provider_that_stays_away_fails_the_run_and_changes_nothing(  # noqa: PLR0917
    account: ProviderAccount,
    shelf: Shelf,
    ten: list[str],
    naps: list[float],
    errors: list[Any],
    error: str,
    calls: int,
) -> None:
    shelf.page_size = 1
    shelf.put([make_offer("A", name="Changed"), make_offer("NEW")])
    shelf.errors = {2: list(errors)}
    shelf.asked.clear()
    changes = PlanChange.objects.count()

    run = read(account)

    assert (run.state, run.error, counts(run)) == (State.FAILED, error, {})
    assert run.finished_at is not None
    assert shelf.asked == [1, *[2] * calls]
    assert (live(), PlanChange.objects.count()) == ("ABCDEFGHIJ", changes)
    assert Plan.objects.get(plan_ref="A").name == "Offer A"


def test_a_paused_account_is_not_read(account: ProviderAccount, shelf: Shelf) -> None:
    ProviderAccount.objects.update(is_paused=True)

    run = read(account)

    assert (run.state, run.error, shelf.asked) == (State.FAILED, "Shelf is paused by staff.", [])


def test_an_account_that_is_not_set_up_says_so(account: ProviderAccount, settings: Settings) -> None:
    settings.PROVIDERS = {}

    run = read(account)

    assert (run.state, run.error) == (State.FAILED, "No provider account is called 'shelf' in the settings")


@pytest.fixture
def broken_history(db: None) -> Iterator[None]:
    """The database refuses the history, which is written last, while plans and coverage are already there."""
    if connection.vendor == "postgresql":
        broken = "CHECK (kind <> 'changed') NOT VALID"
        break_it = f"ALTER TABLE catalog_planchange ADD CONSTRAINT broken {broken}"
        mended = "ALTER TABLE catalog_planchange DROP CONSTRAINT broken"
    else:
        break_it = (
            "CREATE TRIGGER broken BEFORE INSERT ON catalog_planchange WHEN NEW.kind = 'changed' "
            "BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
        mended = "DROP TRIGGER broken"
    with connection.cursor() as cursor:
        cursor.execute(break_it)
    yield
    with connection.cursor() as cursor:
        cursor.execute(mended)


@pytest.mark.django_db(transaction=True)
def test_a_failure_in_the_middle_of_writing_leaves_the_old_catalogue(
    account: ProviderAccount, shelf: Shelf, ten: list[str], broken_history: None
) -> None:
    abroad = Coverage(country="KR", kind=CoverageKind.UNSPECIFIED)
    shelf.put([replace(offer, name="Changed", coverage=(abroad,)) for offer in shelf.offers[:9]] + [make_offer("NEW")])

    run = read(account)

    assert run.state == State.FAILED
    assert run.error.startswith("The catalogue could not be written: ")
    assert live() == "ABCDEFGHIJ"
    assert not Plan.objects.filter(name="Changed").exists()
    assert set(PlanCoverage.objects.values_list("country", flat=True)) == {"JP"}
    assert PlanChange.objects.count() == 10
    # Another run may start.
    assert request_sync(account=account, asked_by="a").pk != run.pk


def test_an_error_of_ours_does_not_leave_the_run_open(account: ProviderAccount, shelf: Shelf) -> None:
    def explode(_page: int) -> None:
        raise KeyError("ours")

    shelf.before_page = explode
    run = request_sync(account=account, asked_by="a")

    with pytest.raises(KeyError):
        run_sync(run_id=run.pk)

    run.refresh_from_db()
    assert (run.state, run.error) == (State.FAILED, "Unexpected: KeyError")


def test_an_account_has_one_open_run(account: ProviderAccount, shelf: Shelf, queue: Queue) -> None:
    first = request_sync(account=account, asked_by="a")
    second = request_sync(account=account, asked_by="b")

    assert (first.pk, first.asked_by) == (second.pk, "a")
    assert len(queue.waiting()) == 1
    read(account)
    assert request_sync(account=account, asked_by="c").pk != first.pk


def test_a_finished_run_is_not_done_again(account: ProviderAccount, shelf: Shelf, ten: list[str]) -> None:
    run = SyncRun.objects.get()
    shelf.asked.clear()

    again = run_sync(run_id=run.pk)

    assert (again.state, shelf.asked) == (State.SUCCEEDED, [])


def test_a_run_that_another_worker_does_is_left_to_it(account: ProviderAccount, shelf: Shelf) -> None:
    run = request_sync(account=account, asked_by="a")
    shelf.put([make_offer("A")])
    inner: list[str] = []
    shelf.before_page = lambda _page: inner.append(run_sync(run_id=run.pk).state)

    assert run_sync(run_id=run.pk).state == State.SUCCEEDED

    assert inner == [State.RUNNING]
    assert (shelf.asked, PlanChange.objects.count()) == ([1], 1)


def grow_old(run: SyncRun) -> None:
    SyncRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - STALE_AFTER - timedelta(seconds=1))


def test_a_worker_that_lost_its_run_writes_nothing(account: ProviderAccount, shelf: Shelf) -> None:
    run = request_sync(account=account, asked_by="a")
    shelf.put([make_offer("A")])

    def lose(_page: int) -> None:
        shelf.before_page = lambda _page: None
        grow_old(run)
        shelf.put([make_offer("B")])
        assert run_sync(run_id=run.pk).state == State.SUCCEEDED
        shelf.put([make_offer("A")])

    shelf.before_page = lose

    assert run_sync(run_id=run.pk).state == State.SUCCEEDED

    assert live() == "B"
    assert run_sync(run_id=run.pk).added == 1


def test_a_dead_run_is_closed_by_the_next_request(account: ProviderAccount, shelf: Shelf) -> None:
    run = request_sync(account=account, asked_by="a")
    SyncRun.objects.filter(pk=run.pk).update(state=State.RUNNING, started_at=timezone.now())
    grow_old(run)

    fresh = request_sync(account=account, asked_by="b")

    run.refresh_from_db()
    assert (run.state, run.error) == (State.FAILED, "The worker stopped in the middle. Nothing was changed.")
    assert fresh.pk != run.pk
    assert run_sync(run_id=run.pk).state == State.FAILED


def test_a_job_that_got_lost_is_put_on_the_queue_again(account: ProviderAccount, shelf: Shelf, queue: Queue) -> None:
    run = request_sync(account=account, asked_by="a")
    SyncRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=1))

    assert request_sync(account=account, asked_by="b").pk == run.pk
    assert len(queue.waiting()) == 2
