"""Reading lines again: by need, claimed, and without losing what is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from esims.claims import LineBusy, count_due_lines
from esims.due_lines import refresh_due_lines
from esims.models import Esim, LineEvent
from esims.refresh import RefreshRefused, refresh_line, request_refresh, watch_line
from providers.errors import ProviderError, RateLimited, Rejected, Unavailable
from providers.esim_commerce import mapping
from providers.models import ProviderAccount
from providers.types import LineSnapshot, Priority
from tests.esims.conftest import SellLines
from tests.queue import Queue
from tests.simulator_client import Simulator

MB = 1024**2


def read(esim: Esim) -> Esim:
    return refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")


def make_due(*esims: Esim, ago: timedelta = timedelta(seconds=1)) -> None:
    Esim.objects.filter(pk__in=[esim.pk for esim in esims]).update(next_refresh_at=timezone.now() - ago)


def test_a_read_brings_state_and_usage(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    office.use_data(esim.iccid, 100 * 1024)

    fresh = read(esim)

    assert (fresh.state, fresh.total_used_bytes) == ("active", 100 * MB)
    stored = Esim.objects.get(pk=esim.pk)
    assert (stored.state, stored.total_used_bytes, stored.refresh_claimed_until) == ("active", 100 * MB, None)
    assert stored.usage_days.get().used_bytes == 100 * MB
    assert stored.refreshed_at is not None
    assert stored.next_refresh_at is not None
    assert stored.next_refresh_at > timezone.now()


def test_a_failed_read_keeps_the_data_and_says_so(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    office.order_fault("status_before", "status", status=503, times=2)
    before = Esim.objects.get(pk=esim.pk)

    for _attempt in range(2):
        with pytest.raises(Unavailable):
            read(esim)
    failed = Esim.objects.get(pk=esim.pk)
    assert (failed.state, failed.state_as_of, failed.lpa) == (before.state, before.state_as_of, before.lpa)
    assert failed.refreshed_at == before.refreshed_at
    assert failed.refresh_failures == 2
    assert "503" in failed.refresh_error
    assert failed.refresh_claimed_until is None
    assert failed.next_refresh_at is not None
    wait = failed.next_refresh_at - timezone.now()
    assert timedelta(seconds=110) < wait <= timedelta(minutes=2)
    # One row for a row of failures.
    assert LineEvent.objects.filter(esim=esim, kind="read_failed").count() == 1

    assert read(esim).refresh_error == ""
    assert Esim.objects.get(pk=esim.pk).refresh_failures == 0


def test_a_line_that_the_provider_does_not_know_keeps_its_state(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    Esim.objects.filter(pk=esim.pk).update(provider_ref="8981100000000000002")
    with pytest.raises(Rejected):
        read(esim)
    failed = Esim.objects.get(pk=esim.pk)
    assert failed.state == esim.state
    assert "404" in failed.refresh_error
    assert failed.next_refresh_at is not None
    assert failed.next_refresh_at - timezone.now() > timedelta(minutes=14)


@pytest.mark.parametrize("fault", ["wrong_json", "empty_body", "html_body", "cut_body", "close_before"])
def test_nonsense_changes_nothing(office: Simulator, sell_lines: SellLines, fault: str) -> None:
    (esim,) = sell_lines()
    parameters: dict[str, Any] = {"fraction": 0.5} if fault == "cut_body" else {}
    office.order_fault(fault, "status", **parameters)
    before = Esim.objects.get(pk=esim.pk)
    with pytest.raises(ProviderError):
        read(esim)
    after = Esim.objects.get(pk=esim.pk)
    assert (after.state, after.raw_states, after.lpa, after.state_as_of) == (
        before.state,
        before.raw_states,
        before.lpa,
        before.state_as_of,
    )
    assert after.refresh_failures == 1


def test_an_unknown_word_is_shown_as_unknown(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    office.order_fault("unknown_words", "status", fields=["contractStatus"], word="DORMANT")
    assert read(esim).state == "unknown"
    assert Esim.objects.get(pk=esim.pk).raw_states["contractStatus"] == "DORMANT"


def test_a_cached_copy_does_not_take_back_what_is_known(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    office.serve_cached("now", iccid=esim.iccid)
    as_of = read(esim).state_as_of
    office.serve_cached(None)
    office.move_clock(seconds=30)
    office.use_data(esim.iccid, 1024)
    newer = read(esim)
    assert newer.state == "active"
    assert as_of is not None
    office.serve_cached(as_of.isoformat().replace("+00:00", "Z"), iccid=esim.iccid)
    old = read(esim)
    assert (old.state, old.total_used_bytes, old.state_as_of) == ("active", MB, newer.state_as_of)


def test_only_one_worker_reads_a_line_at_a_time(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    calls = office.count_requests("status")
    Esim.objects.filter(pk=esim.pk).update(refresh_claimed_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(LineBusy):
        read(esim)
    assert office.count_requests("status") == calls
    # A worker that died does not keep the line for ever.
    Esim.objects.filter(pk=esim.pk).update(refresh_claimed_until=timezone.now() - timedelta(seconds=1))
    read(esim)
    assert office.count_requests("status") == calls + 1


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_read_each_line_once(office: Simulator, sell_lines: SellLines) -> None:
    esims = sell_lines(6)
    make_due(*esims)
    calls = office.count_requests("status")
    done: list[int] = []

    def run() -> None:
        try:
            done.append(refresh_due_lines(limit=None, seconds=20))
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 6
    assert office.count_requests("status") == calls + 6
    assert count_due_lines() == 0


def test_due_lines_are_read_and_others_left_alone(office: Simulator, sell_lines: SellLines) -> None:
    due, later, ended = sell_lines(3)
    make_due(due)
    Esim.objects.filter(pk=ended.pk).update(next_refresh_at=None)
    office.use_data(due.iccid, 1024)
    office.use_data(later.iccid, 1024)
    assert refresh_due_lines(limit=None, seconds=10) == 1
    assert Esim.objects.get(pk=due.pk).state == "active"
    assert Esim.objects.get(pk=later.pk).state == "ready"
    assert refresh_due_lines(limit=None, seconds=10) == 0


def test_watched_lines_come_first_and_the_limit_holds(office: Simulator, sell_lines: SellLines) -> None:
    esims = sell_lines(4)
    make_due(*esims, ago=timedelta(hours=1))
    make_due(esims[3])
    Esim.objects.filter(pk=esims[3].pk).update(watched_until=timezone.now() + timedelta(minutes=1))
    assert refresh_due_lines(limit=1, seconds=10) == 1
    assert count_due_lines() == 3
    watched = Esim.objects.get(pk=esims[3].pk)
    assert watched.next_refresh_at is not None
    # While somebody looks, it is read every minute.
    assert watched.next_refresh_at - timezone.now() <= timedelta(minutes=1)


def test_a_spent_budget_stops_the_run_and_leaves_lines_due(
    office: Simulator, sell_lines: SellLines, settings: Settings
) -> None:
    esims = sell_lines(4)
    make_due(*esims)
    office.order_fault("rate_limited", "status", retry_after=30, times=None)
    calls = office.count_requests("status")
    assert refresh_due_lines(limit=None, seconds=10) == 0
    assert office.count_requests("status") == calls + 1
    lines = Esim.objects.order_by("next_refresh_at")
    assert [line.refresh_failures for line in lines] == [0, 0, 0, 0]
    last = lines[3].next_refresh_at
    assert last is not None
    assert timedelta(seconds=25) < last - timezone.now() <= timedelta(seconds=31)
    assert count_due_lines() == 3
    with pytest.raises(RateLimited):
        read(esims[0])
    assert office.count_requests("status") == calls + 1


def test_a_dead_provider_is_left_alone_after_three_failures(office: Simulator, sell_lines: SellLines) -> None:
    esims = sell_lines(5)
    make_due(*esims)
    office.order_fault("status_before", "status", status=500, times=None)
    calls = office.count_requests("status")
    assert refresh_due_lines(limit=None, seconds=10) == 0
    assert office.count_requests("status") == calls + 3
    assert count_due_lines() == 2


def test_paused_and_unknown_accounts_are_not_asked(
    office: Simulator, sell_lines: SellLines, settings: Settings
) -> None:
    (esim,) = sell_lines()
    make_due(esim)
    calls = office.count_requests("status")
    ProviderAccount.objects.update(is_paused=True)
    assert refresh_due_lines(limit=None, seconds=5) == 0
    esim.account.refresh_from_db()
    with pytest.raises(RefreshRefused):
        request_refresh(esim=esim, by="mika@desk.example")
    ProviderAccount.objects.update(is_paused=False)
    settings.PROVIDERS = {}
    assert refresh_due_lines(limit=None, seconds=5) == 0
    assert office.count_requests("status") == calls


def test_an_ended_line_gets_one_late_look_and_no_more(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    office.change_line(esim.iccid, "terminate")
    ended = read(esim)
    assert ended.state == "terminated"
    assert ended.next_refresh_at is not None
    assert timedelta(hours=23) < ended.next_refresh_at - timezone.now() <= timedelta(days=1)
    make_due(esim)
    assert refresh_due_lines(limit=None, seconds=5) == 1
    assert Esim.objects.get(pk=esim.pk).next_refresh_at is None


def test_a_person_who_looks_makes_a_stale_line_due_once(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    calls = office.count_requests("status")
    hour_ago = timezone.now() - timedelta(hours=1)
    Esim.objects.filter(pk=esim.pk).update(refreshed_at=hour_ago)
    watch_line(esim=esim)
    watch_line(esim=esim)
    marked = Esim.objects.get(pk=esim.pk)
    assert marked.next_refresh_at is not None
    assert marked.next_refresh_at <= timezone.now()
    assert marked.watched_until is not None
    # Marking calls nobody.
    assert office.count_requests("status") == calls
    refresh_due_lines(limit=None, seconds=5)
    watch_line(esim=esim)
    assert count_due_lines() == 0
    assert office.count_requests("status") == calls + 1


def test_an_ended_line_is_not_watched(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    Esim.objects.filter(pk=esim.pk).update(state="terminated", next_refresh_at=None, refreshed_at=None)
    watch_line(esim=Esim.objects.get(pk=esim.pk))
    line = Esim.objects.get(pk=esim.pk)
    assert (line.watched_until, line.next_refresh_at) == (None, None)


def test_refresh_now_is_a_job_that_may_run_twice(office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    calls = office.count_requests("status")
    request_refresh(esim=esim, by="mika@desk.example")
    request_refresh(esim=esim, by="mika@desk.example")
    assert [(job.name, job.args) for job in queue.waiting()] == [("esims.tasks.read_line", (esim.pk,))] * 2
    assert office.count_requests("status") == calls
    queue.run()
    assert office.count_requests("status") == calls + 1


def test_a_job_whose_read_fails_ends_quietly(office: Simulator, sell_lines: SellLines, queue: Queue) -> None:
    (esim,) = sell_lines()
    queue.clear()
    office.order_fault("reset_before", "status")
    request_refresh(esim=esim, by="mika@desk.example")
    queue.run()
    assert Esim.objects.get(pk=esim.pk).refresh_failures == 1


def test_the_command_reads_what_is_due_and_tells_by_its_status(
    office: Simulator, sell_lines: SellLines, capsys: pytest.CaptureFixture[str]
) -> None:
    esims = sell_lines(2)
    make_due(*esims)
    call_command("refresh_esims", seconds=10)
    assert "2 lines read, none is due" in capsys.readouterr().out

    make_due(*esims)
    with pytest.raises(CommandError, match="1 lines read, others are still due") as caught:
        call_command("refresh_esims", limit=1)
    assert caught.value.returncode == 3

    call_command("refresh_esims", esims[0].iccid)
    assert f"{esims[0].iccid}: ready as of" in capsys.readouterr().out
    with pytest.raises(CommandError, match="1 lines were not read") as caught:
        call_command("refresh_esims", "8981100000000000002")
    assert caught.value.returncode == 1


def test_a_bare_line_is_filled_by_its_first_read(office: Simulator, sell_lines: SellLines) -> None:
    (esim,) = sell_lines()
    truth = office.line(esim.iccid)
    Esim.objects.filter(pk=esim.pk).update(
        state="provisioning", iccid="", iccid_reversed="", lpa="", state_as_of=None, usage_as_of=None
    )
    make_due(esim)
    assert refresh_due_lines(limit=None, seconds=5) == 1
    filled = Esim.objects.get(pk=esim.pk)
    assert (filled.iccid, filled.iccid_reversed) == (truth["iccid"], truth["iccid"][::-1])
    assert (filled.lpa, filled.state) == (truth["qrCode"], "ready")


def test_stamps_are_the_providers_not_ours(office: Simulator, sell_lines: SellLines) -> None:
    office.move_clock(at="2026-03-04T05:06:07Z", frozen=True)
    (esim,) = sell_lines()
    assert esim.state_as_of == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_a_value_that_no_column_holds_stops_only_its_own_line(
    office: Simulator, sell_lines: SellLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = sell_lines(2)
    make_due(good)
    make_due(bad, ago=timedelta(hours=1))
    mapped = mapping.map_line

    def too_much(item: object, **known: Any) -> LineSnapshot:
        snapshot = mapped(item, **known)
        return replace(snapshot, total_used_bytes=2**80) if snapshot.provider_ref == bad.iccid else snapshot

    # The adapter keeps such values out by itself: this stands in for one that does not.
    monkeypatch.setattr(mapping, "map_line", too_much)
    assert refresh_due_lines(limit=None, seconds=5) == 1
    failed = Esim.objects.get(pk=bad.pk)
    assert (failed.refresh_error, failed.refresh_failures) == ("what the provider said cannot be stored", 1)
    assert failed.refresh_claimed_until is None
    assert failed.total_used_bytes == bad.total_used_bytes
