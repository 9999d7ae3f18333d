"""The sync as the queue, the command line and a real wire see it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from catalog.models import Plan, SyncRun
from catalog.sync import STALE_AFTER, NoCatalogue, request_sync
from catalog.tasks import sync_all_catalogs
from providers.models import ProviderAccount
from tests.catalog.making import make_offer, make_plan
from tests.catalog.shelf import Shelf
from tests.catalog.syncing import counts, live, read
from tests.queue import Queue
from tests.simulator_client import Simulator

pytestmark = pytest.mark.django_db
State = SyncRun.State


# -- jobs -------------------------------------------------------------------------------------------------------------


def test_the_scheduled_job_reads_every_account(account: ProviderAccount, shelf: Shelf, queue: Queue) -> None:
    shelf.put([make_offer("A")])

    assert sync_all_catalogs() == 1
    assert [(job.queue, job.name) for job in queue.waiting()] == [("roamdesk", "catalog.tasks.sync_catalog")]
    queue.run()

    run = SyncRun.objects.get()
    assert (run.state, run.asked_by, live()) == (State.SUCCEEDED, "schedule", "A")


def test_the_scheduled_job_leaves_paused_accounts_alone(account: ProviderAccount, queue: Queue) -> None:
    ProviderAccount.objects.update(is_paused=True)

    assert sync_all_catalogs() == 0

    assert queue.waiting() == []
    assert not SyncRun.objects.exists()


def test_the_scheduled_job_leaves_accounts_without_a_catalogue_alone(
    account: ProviderAccount, carrier: ProviderAccount, queue: Queue
) -> None:
    assert sync_all_catalogs() == 1

    assert [run.account for run in SyncRun.objects.all()] == [account]
    with pytest.raises(NoCatalogue, match=r"^Carrier has no list of plans that could be read: its plans are entered"):
        request_sync(account=carrier, asked_by="mia@example.com")
    assert SyncRun.objects.count() == 1


def test_the_scheduled_job_holds_the_prices_of_entered_plans_to_a_raised_floor(
    account: ProviderAccount, carrier: ProviderAccount, queue: Queue, settings: Settings
) -> None:
    five = Decimal(5)
    entered = make_plan(carrier, kind="activation", digest="", own_price=five, retail_price=five, price_source="own")
    settings.PRICE_FLOOR_PERCENT = 50

    for _ in range(2):
        sync_all_catalogs()

    entered.refresh_from_db()
    assert (entered.retail_price, entered.price_source) == (Decimal(6), "own+floor")
    assert entered.history.count() == 1


def test_the_scheduled_job_closes_dead_runs(account: ProviderAccount) -> None:
    run = request_sync(account=account, asked_by="a")
    long_ago = timezone.now() - STALE_AFTER - timedelta(seconds=1)
    SyncRun.objects.filter(pk=run.pk).update(state=State.RUNNING, started_at=long_ago, heartbeat_at=long_ago)
    ProviderAccount.objects.update(is_paused=True)

    sync_all_catalogs()

    run.refresh_from_db()
    assert run.state == State.FAILED


def test_a_job_that_comes_twice_reads_once(account: ProviderAccount, shelf: Shelf, queue: Queue) -> None:
    run = request_sync(account=account, asked_by="a")
    queue.run()
    assert shelf.asked == [1]

    from_the_queue_again = queue.run()
    read(account)

    assert from_the_queue_again == []
    run.refresh_from_db()
    assert run.state == State.SUCCEEDED


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_works_without_a_worker_and_shows_progress(
    account: ProviderAccount, shelf: Shelf, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.put([make_offer("A"), make_offer("B")])
    shelf.page_size = 1

    call_command("sync_catalog")

    said = capsys.readouterr()
    assert said.out == "shelf: succeeded: 2 added, 0 changed, 0 unchanged, 0 returned, 0 retired, 0 faults\n"
    assert "reading: page 1 of 2, 1 of 2 plans" in said.err
    assert "reading: page 2 of 2, 2 of 2 plans" in said.err
    assert queue.waiting() == []
    assert live() == "AB"


def test_the_commands_exit_status_tells(
    account: ProviderAccount, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.put([make_offer("A"), make_offer("B")])
    call_command("sync_catalog", "--account", "shelf")
    shelf.put([make_offer("A")])

    with pytest.raises(SystemExit) as asks:
        call_command("sync_catalog", "--account", "shelf")
    assert asks.value.code == 2
    run = SyncRun.objects.latest("pk")
    assert f"1 plans vanished. A person decides: /syncs/{run.pk}/" in capsys.readouterr().err

    ProviderAccount.objects.update(is_paused=True)
    with pytest.raises(SystemExit) as failed:
        call_command("sync_catalog", "--account", "shelf")
    assert failed.value.code == 1
    assert "Shelf is paused by staff." in capsys.readouterr().err


def test_the_command_takes_a_waiting_run_from_the_queue(account: ProviderAccount, shelf: Shelf, queue: Queue) -> None:
    run = request_sync(account=account, asked_by="mia@example.com")

    call_command("sync_catalog")
    queue.run()

    assert [row.pk for row in SyncRun.objects.all()] == [run.pk]
    assert shelf.asked == [1]


def test_the_command_follows_a_run_that_a_worker_does(
    account: ProviderAccount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = request_sync(account=account, asked_by="a")
    now = timezone.now()
    SyncRun.objects.filter(pk=run.pk).update(state=State.RUNNING, started_at=now, heartbeat_at=now, pages_read=3)
    ended = {"state": State.SUCCEEDED, "finished_at": now, "unchanged": 7}
    monkeypatch.setattr(
        "catalog.management.commands.sync_catalog.sleep", lambda _s: SyncRun.objects.filter(pk=run.pk).update(**ended)
    )

    call_command("sync_catalog")

    said = capsys.readouterr()
    assert "page 3 of ?" in said.err
    assert "7 unchanged" in said.out


def test_the_command_refuses_an_account_that_is_not_set_up(shelf: Shelf) -> None:
    with pytest.raises(CommandError, match=r"No account 'nobody' is set up to be read\. Set up: shelf\."):
        call_command("sync_catalog", "--account", "nobody")


def test_the_command_needs_an_account(settings: Settings) -> None:
    settings.PROVIDERS = {}
    with pytest.raises(CommandError, match="No provider account with a catalogue is set up"):
        call_command("sync_catalog")


def test_the_command_says_of_an_account_without_a_catalogue_that_it_is_never_read(
    carrier: ProviderAccount, shelf: Shelf, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "Carrier has no list of plans that could be read: its plans are entered by staff."

    call_command("sync_catalog")
    assert words in capsys.readouterr().err.splitlines()
    with pytest.raises(CommandError, match=words):
        call_command("sync_catalog", "--account", "carrier")
    settings.PROVIDERS = {"carrier": settings.PROVIDERS["carrier"]}
    with pytest.raises(CommandError, match="No provider account with a catalogue is set up"):
        call_command("sync_catalog")

    assert [run.account.slug for run in SyncRun.objects.all()] == ["shelf"]


# -- the wire ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_catalogue_over_http(commerce: ProviderAccount, simulator: Simulator) -> None:
    first = read(commerce)
    assert (first.state, counts(first), first.faults) == (State.SUCCEEDED, {"added": 400}, [])
    assert (first.pages_read, first.offers_total) == (2, 400)

    codes = simulator.plan_codes()
    simulator.change_plan(codes[0], netPrice="99.95")
    simulator.remove_plans(*codes[-3:])
    second = read(commerce)
    assert (second.state, counts(second)) == (State.SUCCEEDED, {"changed": 1, "unchanged": 396, "retired": 3})
    assert str(Plan.objects.get(plan_ref=codes[0]).net_price) == "99.9500"

    simulator.restore_plans(*codes[-3:])
    assert counts(read(commerce)) == {"unchanged": 397, "returned": 3}
    assert simulator.count_requests("plans") == 6
    assert simulator.violations() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["reset_before", "cut_body"])
def test_a_page_that_is_lost_on_the_wire_is_read_again(
    commerce: ProviderAccount, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    naps: list[float] = []
    monkeypatch.setattr("catalog.sync_read.sleep", naps.append)
    simulator.order_fault(kind, "plans", skip=1)

    run = read(commerce)

    assert (run.state, counts(run), naps) == (State.SUCCEEDED, {"added": 400}, [5.0])


@pytest.mark.django_db(transaction=True)
def test_an_unreadable_plan_is_kept_and_told(commerce: ProviderAccount, simulator: Simulator) -> None:
    read(commerce)
    code = simulator.plan_codes()[5]
    simulator.change_plan(code, planName=["not", "text"], netPrice="free")

    run = read(commerce)

    assert counts(run) == {"changed": 1, "unchanged": 399}
    assert {fault["where"] for fault in run.faults} == {code}
    plan = Plan.objects.get(plan_ref=code)
    assert (plan.net_price, plan.retail_price, plan.retired_at) == (None, None, None)
