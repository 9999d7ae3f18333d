"""Waking, watching, schedules and pruning: asked for once, alarmed in time, and a loop that survives."""

import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule, Task
from django_q.scheduler import scheduler
from django_q.tasks import async_task
from pytest_django import Settings

from catalog.models import SyncRun
from esims.models import LineAction
from orders import dispatch, waking
from orders.dispatch import Dispatcher
from orders.health import is_frozen, job_health, record_beat
from orders.models import Payment, Purchase, PurchaseAttempt, Wake, WorkerBeat
from orders.pruning import prune_old_rows
from orders.purchasing import run_purchase
from orders.schedules import PREFIX, declare_jobs, set_up_schedules
from tests.catalog.making import make_account
from tests.esims.making import make_line
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_due, make_overdue, make_purchase
from tests.queue import ChildProcess, Queue

pytestmark = pytest.mark.django_db


def woken(queue: Queue) -> list[str]:
    return [job.args[0] for job in queue.waiting() if job.name == "orders.tasks.wake"]


# -- waking ------------------------------------------------------------------------------------------------------------


def test_nothing_is_woken_when_nothing_is_due(queue: Queue) -> None:
    assert waking.wake_due_jobs() == []
    assert queue.waiting() == []


def test_due_purchase_is_woken_once_by_any_number_of_dispatchers(wholesaler: Wholesaler, queue: Queue) -> None:
    purchase = make_purchase()
    queue.clear()
    assert [Dispatcher().step(), Dispatcher().step(), waking.wake_due_jobs()] == [["purchases"], [], []]
    assert woken(queue) == ["purchases"]
    queue.run()
    purchase.refresh_from_db()
    assert purchase.state == "fulfilled"
    wake = Wake.objects.get(name="purchases")
    assert (wake.queued_at, wake.started_at is not None, wake.finished_at is not None) == (None, True, True)


def test_job_that_was_lost_is_asked_for_again(wholesaler: Wholesaler, queue: Queue) -> None:
    make_purchase()
    waking.wake_due_jobs()
    queue.clear()
    Wake.objects.update(queued_at=timezone.now() - timedelta(seconds=59))
    assert waking.wake_due_jobs() == []
    Wake.objects.update(queued_at=timezone.now() - timedelta(seconds=61))
    assert waking.wake_due_jobs() == ["purchases"]
    assert woken(queue) == ["purchases"]


@pytest.mark.parametrize("stamp", ["queued_at", "started_at"])
def test_clock_that_was_set_back_keeps_nothing_asleep(wholesaler: Wholesaler, queue: Queue, stamp: str) -> None:
    make_purchase()
    Wake.objects.create(name="purchases", **{stamp: timezone.now() + timedelta(hours=1)})
    assert waking.wake_due_jobs() == ["purchases"]
    assert waking.wake_due_jobs() == []


def test_waiting_purchase_is_woken_when_its_time_comes(wholesaler: Wholesaler, queue: Queue) -> None:
    wholesaler.plan_orders("limited")
    purchase = make_purchase()
    queue.run()
    assert waking.wake_due_jobs() == []
    make_due(purchase)
    assert waking.wake_due_jobs() == ["purchases"]


def test_dead_worker_wakes_the_sweeper(wholesaler: Wholesaler, queue: Queue) -> None:
    wholesaler.during_call = lambda _request: (_ for _ in ()).throw(SystemExit)  # a job's time-out is one
    purchase = make_purchase()
    with pytest.raises(SystemExit):
        run_purchase(purchase_id=purchase.pk)
    queue.clear()
    assert waking.wake_due_jobs() == []
    make_overdue(purchase)
    assert waking.wake_due_jobs() == ["sweep"]
    queue.run()
    assert Purchase.objects.get().state == "unknown"


def test_purchase_of_a_paused_account_wakes_nobody(wholesaler: Wholesaler, queue: Queue) -> None:
    purchase = make_purchase()
    purchase.account.is_paused = True
    purchase.account.save()
    assert waking.wake_due_jobs() == []


def test_run_whose_job_was_lost_is_asked_for_again(queue: Queue) -> None:
    run = SyncRun.objects.create(account=make_account(), asked_by="x")
    assert waking.wake_due_jobs() == []
    SyncRun.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    assert waking.wake_due_jobs() == ["syncs"]
    (job,) = queue.waiting()
    OrmQ.objects.all().delete()
    waking.run_wake_up(job.args[0])
    assert [(job.name, job.args) for job in queue.waiting()] == [("catalog.tasks.sync_catalog", (run.pk,))]


@pytest.mark.django_db(transaction=True)
def test_database_that_fails_for_a_moment_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, steps = Event(), []

    def step() -> list[str]:
        steps.append(1)
        if len(steps) == 1:
            raise OperationalError("database is locked")
        stop.set()
        return []

    monkeypatch.setattr(dispatch, "PERIOD_SECONDS", 0.01)
    dispatcher = Dispatcher(stop=stop)
    monkeypatch.setattr(dispatcher, "step", step)
    dispatcher.run()
    assert len(steps) == 2


def test_dispatch_once_says_what_it_woke(
    wholesaler: Wholesaler, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    make_purchase()
    call_command("dispatch", "--once")
    call_command("dispatch", "--once")
    assert capsys.readouterr().out.splitlines() == ["purchases", "nothing is due"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_dispatch_ends_at_once_and_cleanly(spawn: Callable[..., ChildProcess], number: signal.Signals) -> None:
    child = spawn("dispatch", LOG_LEVEL="INFO")
    deadline = time.monotonic() + 30
    # Its first round is done when it has asked the workers.
    while not WorkerBeat.objects.filter(asked_at__isnull=False).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, number)
    assert child.process.wait(timeout=5) == 0
    assert "dispatch_started" in child.output()
    assert "dispatch_stopped" in child.output()
    assert WorkerBeat.objects.get().asked_at is not None


# -- watching ----------------------------------------------------------------------------------------------------------


def test_workers_are_asked_and_answer(queue: Queue, settings: Settings) -> None:
    assert job_health().is_dispatching is False
    Dispatcher().step()
    Dispatcher().step()
    assert [(job.queue, job.name, job.args) for job in queue.waiting()] == [
        ("roamdesk", "orders.tasks.beat", ("roamdesk",))
    ]
    health = job_health()
    assert (health.is_dispatching, health.is_well, health.queues[0].waiting) == (True, True, 1)
    assert health.queues[0].silent_for is not None
    queue.run()
    assert job_health().queues[0].silent_for is None
    assert (job_health().queues[0].last_beat is not None, job_health().is_well) == (True, True)


def test_every_separate_queue_is_asked(queue: Queue, settings: Settings) -> None:
    settings.QUEUES = {name: name for name in ("orders", "webhooks", "refresh", "catalogue")}
    Dispatcher().step()
    assert sorted(job.queue for job in queue.waiting()) == ["catalogue", "orders", "refresh", "webhooks"]


def test_silent_worker_and_waiting_job_raise_the_alarm(queue: Queue, settings: Settings) -> None:
    Dispatcher().step()
    past = timezone.now() - timedelta(seconds=settings.JOB_ALARM_SECONDS + 5)
    WorkerBeat.objects.update(asked_at=past)
    OrmQ.objects.update(lock=past)
    health = job_health()
    assert (health.queues[0].is_silent, health.queues[0].is_late, health.is_well) == (True, True, False)
    alarms: list[Any] = []
    dispatcher = Dispatcher()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch.log, "error", lambda event, **facts: alarms.append((event, facts["queue"])))
        dispatcher.step()
        dispatcher.step()
    assert alarms == [("worker_silent", "roamdesk"), ("job_waits_too_long", "roamdesk")]
    record_beat("roamdesk")
    OrmQ.objects.all().delete()
    assert not any(queue.is_silent or queue.is_late for queue in job_health().queues)


def test_beat_that_was_lost_is_asked_for_again(queue: Queue) -> None:
    Dispatcher().step()
    queue.clear()
    asked = WorkerBeat.objects.get().asked_at
    Dispatcher().step()
    assert queue.waiting() == []
    Wake.objects.update(queued_at=timezone.now() - timedelta(seconds=61))
    Dispatcher().step()
    assert len(queue.waiting()) == 1
    # The silence counts from the first question.
    assert WorkerBeat.objects.get().asked_at == asked


# -- real workers ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["orders", "webhooks", "refresh", "catalogue"])
def test_worker_of_each_queue_drains_its_own_only(spawn: Callable[..., ChildProcess], name: str) -> None:
    WorkerBeat.objects.create(queue=name, asked_at=timezone.now())
    other = next(queue for queue in ("orders", "refresh") if queue != name)
    async_task("orders.tasks.beat", other, cluster=other)
    async_task("orders.tasks.beat", name, cluster=name)
    worker = spawn("qcluster", SEPARATE_QUEUES="1", Q_CLUSTER_NAME=name, WORKERS="1")
    deadline = time.monotonic() + 30
    while (WorkerBeat.objects.get().beat_at is None or OrmQ.objects.count() > 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert WorkerBeat.objects.get().beat_at is not None, worker.output()
    assert list(OrmQ.objects.values_list("key", flat=True)) == [other]


@pytest.mark.django_db(transaction=True)
def test_dispatch_and_one_embedded_worker_do_everything(spawn: Callable[..., ChildProcess]) -> None:
    account = make_account()
    SyncRun.objects.create(
        account=account, asked_by="x", state="running", heartbeat_at=timezone.now() - timedelta(hours=1)
    )
    worker, dispatcher = spawn("qcluster", WORKERS="1"), spawn("dispatch")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (
        job_health().is_well and job_health().queues[0].last_beat and SyncRun.objects.get().state == "failed"
    ):
        time.sleep(0.1)
    assert job_health().queues[0].last_beat is not None, dispatcher.output()
    assert SyncRun.objects.get().state == "failed", worker.output()


def silent_worker(**changes: Any) -> None:
    asked = timezone.now() - timedelta(seconds=301)
    WorkerBeat.objects.create(queue="roamdesk", **{"asked_at": asked, **changes})


def test_worker_is_frozen_when_nothing_shows_it_at_work() -> None:
    assert not is_frozen("roamdesk")
    silent_worker()
    assert is_frozen("roamdesk")
    assert not is_frozen("orders")
    WorkerBeat.objects.update(asked_at=timezone.now() - timedelta(seconds=299))
    assert not is_frozen("roamdesk")


@pytest.mark.parametrize("at_work", ["answers", "began a job", "order", "action", "sync"])
def test_worker_at_work_is_never_taken_for_frozen(wholesaler: Wholesaler, at_work: str) -> None:
    silent_worker()
    now = timezone.now()
    match at_work:
        case "answers":
            WorkerBeat.objects.update(beat_at=now)
        case "began a job":
            Wake.objects.create(name="lines", started_at=now - timedelta(seconds=299))
        case "order":
            purchase = make_purchase()
            Purchase.objects.filter(pk=purchase.pk).update(
                state="sending", claim=uuid.uuid4(), claim_until=now + timedelta(seconds=9)
            )
        case "action":
            action = {"kind": "suspend", "state": "sending", "deadline_at": now + timedelta(seconds=9)}
            LineAction.objects.create(esim=make_line(), **action)
        case _:
            SyncRun.objects.create(account=make_account(), asked_by="x", state="running", heartbeat_at=now)
    assert not is_frozen("roamdesk")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.django_db(transaction=True)
def test_frozen_worker_starts_itself_again(spawn: Callable[..., ChildProcess]) -> None:
    """The kill of a worker that waits for a job leaves the cluster's own queue locked for ever."""

    def beats_within(seconds: float) -> bool:
        WorkerBeat.objects.update_or_create(queue="roamdesk", defaults={"asked_at": timezone.now(), "beat_at": None})
        async_task("orders.tasks.beat", "roamdesk", cluster="roamdesk", save=False)
        deadline = time.monotonic() + seconds
        while WorkerBeat.objects.get().beat_at is None and time.monotonic() < deadline:
            time.sleep(0.1)
        return WorkerBeat.objects.get().beat_at is not None

    worker = spawn("qcluster", WORKERS="1", JOB_FREEZE_SECONDS="1", LOG_LEVEL="INFO")
    assert beats_within(30), worker.output()
    time.sleep(1)
    os.kill(int(re.findall(r"ready for work at (\d+)", worker.output())[-1]), signal.SIGKILL)
    assert not beats_within(3), "django-q2 has mended it: this can go"
    deadline = time.monotonic() + 40
    while "worker_frozen" not in worker.output() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert beats_within(30), worker.output()
    assert worker.process.poll() is None


# -- schedules and pruning ---------------------------------------------------------------------------------------------


def test_schedules_are_declared_once(settings: Settings) -> None:
    made, changed, removed = set_up_schedules()
    assert (made, changed, removed) == (Schedule.objects.count(), 0, 0)
    before = list(Schedule.objects.order_by("pk").values())
    assert set_up_schedules() == (0, 0, 0)
    assert list(Schedule.objects.order_by("pk").values()) == before


def test_schedules_follow_the_declaration(settings: Settings) -> None:
    set_up_schedules()
    theirs = Schedule.objects.create(name="somebody else's", func="x.y")
    Schedule.objects.create(name=PREFIX + "of an older version", func="gone.away")
    Schedule.objects.create(name=PREFIX + "prune", func="orders.tasks.prune")
    settings.CATALOG_SYNC_MINUTES = 60
    assert set_up_schedules() == (0, 1, 2)
    assert Schedule.objects.get(name=PREFIX + "read all catalogues").minutes == 60
    assert Schedule.objects.filter(pk=theirs.pk).exists()
    assert not Schedule.objects.filter(name=PREFIX + "of an older version").exists()


def test_schedules_go_to_their_queues(settings: Settings) -> None:
    settings.QUEUES = {name: name for name in ("orders", "webhooks", "refresh", "catalogue")}
    set_up_schedules()
    assert dict(Schedule.objects.values_list("name", "cluster")) == {
        PREFIX + "buy what is due": "orders",
        PREFIX + "settle top-ups that show late": "orders",
        PREFIX + "order by lists": "orders",
        PREFIX + "take over from dead workers": "orders",
        PREFIX + "line actions that are due": "orders",
        PREFIX + "owe back what was promised": "orders",
        PREFIX + "work off webhooks": "webhooks",
        PREFIX + "work off the payment service's calls": "webhooks",
        PREFIX + "card payments and refunds that are due": "orders",
        PREFIX + "read lines that are due": "refresh",
        PREFIX + "write notifications": "refresh",
        PREFIX + "send notifications": "refresh",
        PREFIX + "tell staff of trouble": "refresh",
        PREFIX + "read balances": "catalogue",
        PREFIX + "go on with bulk actions": "refresh",
        PREFIX + "mend catalogue runs": "catalogue",
        PREFIX + "mend comparisons": "catalogue",
        PREFIX + "compare accounts": "catalogue",
        PREFIX + "read all catalogues": "catalogue",
        PREFIX + "let unpaid orders expire": "orders",
        PREFIX + "issue credit statements": "catalogue",
        PREFIX + "prune": "catalogue",
    }


@pytest.mark.django_db(transaction=True)
def test_schedules_run_what_they_say(wholesaler: Wholesaler, queue: Queue) -> None:
    purchase = make_purchase()
    queue.clear()
    set_up_schedules()
    Schedule.objects.exclude(name=PREFIX + "read all catalogues").update(next_run=timezone.now() - timedelta(seconds=1))
    Schedule.objects.filter(name=PREFIX + "read all catalogues").update(next_run=timezone.now() + timedelta(hours=1))
    scheduler()
    assert sorted((job.name, job.args) for job in queue.waiting()) == [
        ("orders.tasks.compare_all_accounts", ()),
        ("orders.tasks.issue_statements", ()),
        ("orders.tasks.prune", ()),
        ("orders.tasks.tell_staff", ()),
        *[("orders.tasks.wake", (name,)) for name in sorted(waking.WAKE_UPS)],
        ("providers.tasks.read_all_balances", ()),
    ]
    queue.run()
    purchase.refresh_from_db()
    assert purchase.state == "fulfilled"


def test_pruning_takes_what_is_old_and_leaves_evidence(wholesaler: Wholesaler, settings: Settings) -> None:
    wholesaler.plan_orders("ok", "crash_parse")
    done, parked = make_purchase(), make_purchase()
    for purchase in (done, parked):
        run_purchase(purchase_id=purchase.pk)
    old = timezone.now() - timedelta(days=91)
    PurchaseAttempt.objects.update(received_at=old)
    Task.objects.create(id=uuid.uuid4().hex, name="old", func="x", started=old, stopped=old)
    Task.objects.create(id=uuid.uuid4().hex, name="new", func="x", started=old, stopped=timezone.now())
    Session.objects.create(session_key="old", expire_date=old)
    Session.objects.create(session_key="new", expire_date=timezone.now() + timedelta(days=1))
    assert prune_old_rows() == {
        "calls": 0,
        "replies": 1,
        "samples": 0,
        "deliveries": 0,
        "payment deliveries": 0,
        "contents": 0,
        "forms": 0,
        "offers": 0,
        "jobs": 1,
        "links": 0,
        "previews": 0,
        "bulk orders": 0,
        "answers": 0,
        "sign-ups": 0,
        "sign-ins": 0,
        "sessions": 1,
    }
    assert PurchaseAttempt.objects.get(purchase=done).body is None
    assert PurchaseAttempt.objects.get(purchase=parked).body is not None
    assert prune_old_rows() == {
        "calls": 0,
        "replies": 0,
        "samples": 0,
        "deliveries": 0,
        "payment deliveries": 0,
        "contents": 0,
        "forms": 0,
        "offers": 0,
        "jobs": 0,
        "links": 0,
        "previews": 0,
        "bulk orders": 0,
        "answers": 0,
        "sign-ups": 0,
        "sign-ins": 0,
        "sessions": 0,
    }


# -- commands ----------------------------------------------------------------------------------------------------------


def test_commands_say_what_is_left(wholesaler: Wholesaler, capsys: pytest.CaptureFixture[str]) -> None:
    wholesaler.plan_orders("lost_after", "cut")
    lost, cut = make_purchase(), make_purchase()
    call_command("run_purchases")
    assert "nothing is due" in capsys.readouterr().out
    call_command("sweep_purchases")
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile")
    printed = capsys.readouterr().out
    assert ended.value.code == 1
    assert f"purchase {lost.pk} at fake is unknown" in printed
    assert "USD: captured 24" in printed
    assert "charge-backs 0" in printed
    assert "DIFFERENCE" not in printed
    cut.refresh_from_db()
    assert cut.state == "fulfilled"


def test_reconcile_names_orders_whose_money_does_not_come_out(
    wholesaler: Wholesaler, capsys: pytest.CaptureFixture[str]
) -> None:
    order = make_purchase().order_line.order
    Payment.objects.update(captured_amount=11)
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile")
    assert ended.value.code == 2
    assert f"{order.number}: its payments and refunds do not come to its total" in capsys.readouterr().out


def test_reconcile_lists_payments_that_wait_for_a_person(
    wholesaler: Wholesaler, capsys: pytest.CaptureFixture[str]
) -> None:
    purchase = make_purchase()
    Payment.objects.update(attention="somebody must look")
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile")
    assert ended.value.code == 1
    number = purchase.order_line.order.number
    assert f"{number}: payment {Payment.objects.get().pk} needs a look: somebody must look" in capsys.readouterr().out


def test_every_task_name_resolves() -> None:
    names = {job.function for job in declare_jobs()}
    names |= {"orders.tasks.run_purchase", "orders.tasks.beat", "orders.tasks.wake", "catalog.tasks.sync_catalog"}
    assert all(callable(import_string(name)) for name in names)
