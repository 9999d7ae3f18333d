"""Reading due lines with as few calls as possible: by order, by use, by themselves; each once, whoever reads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from threading import Thread
from time import monotonic

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from esims.claims import are_lines_due, count_due_lines
from esims.due_lines import refresh_due_lines
from esims.lifecycle import register_lines
from esims.models import Esim, LineEvent, UsageSample
from providers.errors import Mend, RateLimited, Rejected, Unavailable
from providers.models import ProviderAccount
from providers.types import LineSnapshot, LineState, PackageSnapshot, PackageStatus, Priority, RateBudget
from tests.catalog.making import make_plan
from tests.esims.fakes import Fleet
from tests.esims.making import GB, MB, make_customer

HOUR = timedelta(hours=1)


def enter(snapshots: Sequence[LineSnapshot], slug: str = "fleet") -> list[Esim]:
    account = ProviderAccount.objects.get(slug=slug)
    plan = make_plan(account, data_bytes=10 * GB)
    lines = register_lines(account=account, customer=make_customer(), plan=plan, snapshots=snapshots, by="purchase")
    # Far from due, unless a test says otherwise.
    Esim.objects.filter(pk__in=[line.pk for line in lines]).update(
        next_refresh_at=timezone.now() + timedelta(days=1), next_usage_at=None, refreshed_at=timezone.now() - HOUR
    )
    return lines


def make_due(lines: Sequence[Esim], *, in_: timedelta = timedelta(seconds=-1)) -> None:
    """One after the other: among lines that are due at the same moment a database may choose."""
    began = timezone.now() + in_
    for number, line in enumerate(lines):
        Esim.objects.filter(pk=line.pk).update(next_refresh_at=began + number * timedelta(microseconds=1))


def make_use_due(lines: Sequence[Esim], *, in_: timedelta = timedelta(seconds=-1)) -> None:
    Esim.objects.filter(pk__in=[line.pk for line in lines]).update(next_usage_at=timezone.now() + in_)


def run(seconds: float = 10, limit: int | None = None) -> int:
    return refresh_due_lines(limit=limit, seconds=seconds)


def unclaimed() -> bool:
    return not Esim.objects.filter(refresh_claimed_until__isnull=False).exists()


# -- by order ---------------------------------------------------------------------------------------------------------


def test_due_lines_of_one_order_are_read_by_one_call(fleet: Fleet) -> None:
    lines = enter(fleet.add(30, order_ref="B1"))
    make_due(lines)
    fleet.change(lines[3].provider_ref, state=LineState.ACTIVE, total_used_bytes=MB)
    assert run() == 30
    assert fleet.calls == [("order", "B1")]
    assert Esim.objects.get(pk=lines[3].pk).state == "active"
    assert count_due_lines() == 0
    assert unclaimed()


def test_nearly_due_lines_of_the_order_are_taken_along_and_others_left(fleet: Fleet) -> None:
    due, soon, later, ended = enter(fleet.add(4, order_ref="B1"))
    make_due([due])
    make_due([soon], in_=3 * HOUR)
    make_due([later], in_=9 * HOUR)
    Esim.objects.filter(pk=ended.pk).update(state="cancelled", next_refresh_at=None)
    assert run() == 2
    assert fleet.calls == [("order", "B1")]
    fresh = {line.pk: line for line in Esim.objects.all()}
    read = {pk for pk, line in fresh.items() if line.refreshed_at and line.refreshed_at > timezone.now() - HOUR / 2}
    assert read == {due.pk, soon.pk}
    assert fresh[ended.pk].next_refresh_at is None


def test_a_line_that_is_alone_in_its_order_is_read_by_itself(fleet: Fleet) -> None:
    first, second = enter([*fleet.add(order_ref="B1"), *fleet.add(order_ref="B2")])
    make_due([first, second])
    assert run() == 2
    assert sorted(fleet.calls) == [("line", first.provider_ref), ("line", second.provider_ref)]


def test_many_orders_cost_one_call_each(fleet: Fleet) -> None:
    lines = enter([line for number in range(40) for line in fleet.add(3, order_ref=f"B{number}")])
    make_due(lines)
    assert run() == 120
    assert fleet.count("order") == 40
    assert len(fleet.calls) == 40


def test_a_line_that_the_order_does_not_tell_of_is_read_by_itself_and_then_faulted(fleet: Fleet) -> None:
    first, second, gone = enter(fleet.add(3, order_ref="B1"))
    make_due([first, second, gone])
    del fleet.lines[gone.provider_ref]
    assert run() == 2
    assert fleet.calls == [("order", "B1"), ("line", gone.provider_ref)]
    failed = Esim.objects.get(pk=gone.pk)
    assert (failed.refresh_failures, failed.refresh_error) == (1, "no such line (404)")
    assert LineEvent.objects.filter(esim=gone, kind="read_failed").count() == 1
    assert Esim.objects.get(pk=first.pk).refresh_failures == 0


def test_a_refused_order_is_read_line_by_line(fleet: Fleet) -> None:
    good, bad = enter(fleet.add(2, order_ref="B1"))
    make_due([good, bad])
    fleet.poison = {bad.provider_ref}
    assert run() == 1
    assert fleet.calls == [("order", "B1"), ("line", good.provider_ref), ("line", bad.provider_ref)]
    assert Esim.objects.get(pk=bad.pk).refresh_error == "no such line (310403)"
    # From now on it is read by itself: it spoils no batch.
    make_due([good, bad])
    fleet.calls.clear()
    assert run() == 1
    assert sorted(fleet.calls) == sorted([("line", bad.provider_ref), ("line", good.provider_ref)])


def test_a_refusal_of_our_keys_is_not_tried_line_by_line(fleet: Fleet) -> None:
    lines = enter(fleet.add(3, order_ref="B1"))
    make_due(lines)
    fleet.errors.append(Rejected("the key is wrong", code="101003", mend=Mend.CREDENTIALS))
    assert run() == 0
    assert fleet.calls == [("order", "B1")]
    assert {line.refresh_error for line in Esim.objects.all()} == {"the key is wrong (101003)"}


def test_a_failed_batch_is_written_on_each_of_its_lines(fleet: Fleet) -> None:
    lines = enter(fleet.add(3, order_ref="B1"))
    make_due(lines)
    Esim.objects.filter(pk=lines[0].pk).update(total_used_bytes=7)
    fleet.errors.append(Unavailable("HTTP 503", code="503"))
    assert run() == 0
    assert fleet.calls == [("order", "B1")]
    for line in Esim.objects.all():
        assert (line.refresh_failures, line.refresh_error, line.refresh_claimed_until) == (1, "HTTP 503 (503)", None)
        assert line.next_refresh_at is not None
        assert timedelta(seconds=50) < line.next_refresh_at - timezone.now() <= timedelta(minutes=1)
    assert Esim.objects.get(pk=lines[0].pk).total_used_bytes == 7
    assert LineEvent.objects.filter(kind="read_failed").count() == 3


# -- by use -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (10, 1), (11, 2), (95, 10), (200, 20)])
def test_use_alone_is_read_ten_lines_a_call(fleet: Fleet, count: int, calls: int) -> None:
    lines = enter(fleet.add(count, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    for line in lines:
        fleet.use(line.provider_ref, 3 * MB)
    assert run() == count
    assert (fleet.count("use"), len(fleet.calls)) == (calls, calls)
    asked = list(chain.from_iterable(what for _kind, what in fleet.calls))
    assert sorted(asked) == sorted(line.provider_ref for line in lines)
    fresh = Esim.objects.all()
    assert {line.total_used_bytes for line in fresh} == {3 * MB}
    assert all(line.next_usage_at and line.next_usage_at > timezone.now() + 3 * HOUR for line in fresh)
    assert unclaimed()


def test_a_call_with_room_is_filled_with_what_is_due_soon(fleet: Fleet) -> None:
    lines = enter(fleet.add(14, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines[:3])
    make_use_due(lines[3:9], in_=timedelta(minutes=30))
    make_use_due(lines[9:], in_=3 * HOUR)
    assert run() == 9
    assert len(fleet.calls) == 1
    assert set(fleet.calls[0][1]) == {line.provider_ref for line in lines[:9]}


def test_a_line_that_is_due_in_full_is_not_asked_for_its_use(fleet: Fleet) -> None:
    first, second = enter(fleet.add(2, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_due([first])
    make_use_due([first, second])
    assert run() == 2
    # The order's call tells of both.
    assert fleet.calls == [("order", "B1")]


def test_a_line_whose_use_was_not_told_is_read_by_itself(fleet: Fleet) -> None:
    lines = enter(fleet.add(3, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    fleet.silent = {lines[1].provider_ref}
    assert run() == 3
    assert [kind for kind, _what in fleet.calls] == ["use", "line"]
    assert fleet.calls[1] == ("line", lines[1].provider_ref)


def test_the_use_of_another_line_is_left_out(fleet: Fleet) -> None:
    *lines, other = enter(fleet.add(3, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    fleet.use(other.provider_ref, 7 * MB)
    fleet.silent, fleet.unasked = {lines[1].provider_ref}, {other.provider_ref}
    assert run() == 2
    assert fleet.calls[1:] == [("line", lines[1].provider_ref)]
    used = dict(Esim.objects.values_list("pk", "total_used_bytes"))
    assert used == {lines[0].pk: 0, lines[1].pk: 0, other.pk: 0}


def test_one_odd_line_does_not_spoil_the_use_of_others(fleet: Fleet) -> None:
    lines = enter(fleet.add(4, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    fleet.poison = {lines[2].provider_ref}
    assert run() == 3
    assert [kind for kind, _what in fleet.calls] == ["use", "line", "line", "line", "line"]
    odd = Esim.objects.get(pk=lines[2].pk)
    assert (odd.refresh_failures, odd.next_usage_at) == (1, None)


def test_a_number_that_no_column_holds_costs_only_its_own_line(fleet: Fleet) -> None:
    lines = enter(fleet.add(35, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    for line in lines:
        fleet.use(line.provider_ref, MB)
    fleet.use(lines[12].provider_ref, 2**80)
    run()
    assert (fleet.count("use"), fleet.count("line")) == (4, 10)
    fresh = {line.pk: line for line in Esim.objects.all()}
    odd = fresh.pop(lines[12].pk)
    assert (odd.refresh_error, odd.total_used_bytes) == ("what the provider said cannot be stored", 0)
    assert {line.total_used_bytes for line in fresh.values()} == {MB}
    assert {line.refresh_failures for line in fresh.values()} == {0}
    assert unclaimed()


def test_what_was_told_is_kept_when_the_run_breaks(fleet: Fleet) -> None:
    lines = enter(fleet.add(40, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    for line in lines:
        fleet.use(line.provider_ref, MB)
    fleet.errors.extend([None, None, ZeroDivisionError("our own fault")])  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        run()
    assert Esim.objects.filter(total_used_bytes=MB).count() == 20
    # The call that broke holds its lines until their claim ends, the others are free.
    assert Esim.objects.filter(refresh_claimed_until__isnull=False).count() == 10
    assert count_due_lines() == 10


def test_used_up_data_makes_the_whole_line_due(fleet: Fleet) -> None:
    (line,) = enter(fleet.add(state=LineState.ACTIVE, total_used_bytes=0, total_data_bytes=GB))
    make_use_due([line])
    fleet.use(line.provider_ref, GB, state=LineState.DEPLETED)
    assert run() == 2
    assert [kind for kind, _what in fleet.calls] == ["use", "line"]
    fresh = Esim.objects.get(pk=line.pk)
    assert (fresh.state, fresh.total_used_bytes, fresh.next_usage_at) == ("depleted", GB, None)


def test_nearer_to_the_cap_the_use_is_read_more_often(fleet: Fleet) -> None:
    (line,) = enter(fleet.add(state=LineState.ACTIVE, total_used_bytes=0, total_data_bytes=GB))
    make_use_due([line])
    fleet.use(line.provider_ref, int(0.96 * GB))
    assert run() == 1
    fresh = Esim.objects.get(pk=line.pk)
    assert fresh.next_usage_at is not None
    assert timedelta(minutes=19) < fresh.next_usage_at - timezone.now() <= timedelta(minutes=20)


def test_totals_leave_samples_and_derived_days(fleet: Fleet) -> None:
    (line,) = enter(fleet.add(state=LineState.ACTIVE, total_used_bytes=0))
    assert list(UsageSample.objects.values_list("total_used_bytes", flat=True)) == [0]
    make_use_due([line])
    fleet.use(line.provider_ref, 5 * MB)
    run()
    make_due([line])
    fleet.use(line.provider_ref, 8 * MB)
    run()
    assert [kind for kind, _what in fleet.calls] == ["use", "line"]
    assert list(UsageSample.objects.values_list("total_used_bytes", flat=True)) == [0, 5 * MB, 8 * MB]
    days = list(line.usage_days.values_list("used_bytes", "is_derived"))
    # (Two days where the test runs over midnight in UTC.)
    assert sum(used for used, _derived in days) == 8 * MB
    assert {derived for _used, derived in days} == {True}


# -- who is asked, and when -------------------------------------------------------------------------------------------


def test_lines_of_an_account_that_tells_of_none_are_never_due(fleet: Fleet) -> None:
    account = ProviderAccount.objects.get(slug="fleet-mute")
    (line,) = register_lines(
        account=account, customer=make_customer(), plan=make_plan(account), snapshots=fleet.add(), by="completions"
    )
    assert (line.next_refresh_at, line.next_usage_at) == (None, None)
    # Even where something made it due.
    make_due([line])
    make_use_due([line])
    assert run() == 0
    assert fleet.calls == []
    assert not are_lines_due()
    assert Esim.objects.get(pk=line.pk).refresh_failures == 0


def test_use_that_can_no_longer_be_asked_apart_is_read_with_the_line(fleet: Fleet) -> None:
    (line,) = enter(fleet.add(state=LineState.ACTIVE, total_used_bytes=0), slug="fleet-single")
    make_use_due([line])
    assert run() == 1
    assert fleet.calls == [("line", line.provider_ref)]
    assert Esim.objects.get(pk=line.pk).next_usage_at is None
    assert not are_lines_due()


def test_a_watched_line_goes_first_with_the_priority_of_people(fleet: Fleet) -> None:
    watched, other = enter([*fleet.add(), *fleet.add()])
    make_due([other], in_=-HOUR)
    make_due([watched])
    Esim.objects.filter(pk=watched.pk).update(watched_until=timezone.now() + timedelta(minutes=1))
    assert run() == 2
    assert fleet.calls == [("line", watched.provider_ref), ("line", other.provider_ref)]
    assert fleet.priorities == [Priority.PEOPLE, Priority.BACKGROUND]


def test_a_run_waits_for_its_turn(fleet: Fleet) -> None:
    fleet.budget = RateBudget(calls=4, seconds=0.5, reserve=1)
    lines = enter([line for number in range(12) for line in fleet.add()])
    make_due(lines)
    began = monotonic()
    assert run(seconds=10) == 12
    assert len(fleet.calls) == 12
    # Three in any half second are for work in the background.
    assert 1.4 < monotonic() - began < 3
    assert unclaimed()


def test_a_run_ends_before_a_turn_that_comes_too_late(fleet: Fleet) -> None:
    lines = enter(fleet.add(25, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    fleet.errors.extend([None, RateLimited("busy", retry_after=timedelta(seconds=30), code="101013")])
    began = monotonic()
    assert run(seconds=5) == 10
    assert monotonic() - began < 2
    assert len(fleet.calls) == 2
    # Those that were asked for come later, the others are free at once.
    waiting = Esim.objects.filter(next_usage_at__gt=timezone.now() + timedelta(seconds=20))
    assert waiting.filter(next_usage_at__lt=timezone.now() + timedelta(seconds=31)).count() == 10
    assert count_due_lines() == 5
    assert unclaimed()


def test_an_account_that_waits_does_not_hold_up_another(fleet: Fleet) -> None:
    here = enter([*fleet.add(), *fleet.add()])
    there = enter([*fleet.add(), *fleet.add()], slug="fleet-single")
    make_due([*here, *there])
    fleet.errors.append(RateLimited("busy", retry_after=timedelta(seconds=1)))
    began = monotonic()
    assert run(seconds=5) == 4
    assert 1 <= monotonic() - began < 3
    refs = [what for _kind, what in fleet.calls]
    assert refs[0] == here[0].provider_ref
    assert set(refs[1:3]) == {line.provider_ref for line in there}
    assert refs[3:] == [line.provider_ref for line in here]


def test_the_limit_counts_lines(fleet: Fleet) -> None:
    lines = enter(fleet.add(30, order_ref="B1", state=LineState.ACTIVE, total_used_bytes=0))
    make_use_due(lines)
    assert run(limit=4) == 4
    assert count_due_lines() == 26


@pytest.mark.parametrize("state", [True, False])
def test_a_call_costs_as_many_queries_for_nine_lines_as_for_two(fleet: Fleet, state: bool) -> None:
    """Also with packages, words and totals that change on each of them (on SQLite a long statement is cut)."""

    def queries_for(count: int) -> int:
        Esim.objects.update(next_refresh_at=timezone.now() + timedelta(days=1), next_usage_at=None)
        packages = (PackageSnapshot(package_ref="B1", plan_ref="X"), PackageSnapshot(package_ref="T1", plan_ref="Y"))
        made = fleet.add(count, order_ref=f"C{count}", state=LineState.READY, total_used_bytes=0, packages=packages)
        lines = enter(made)
        (make_due if state else make_use_due)(lines)
        for number, line in enumerate(lines):
            later = tuple(replace(package, used_bytes=number, status=PackageStatus.ACTIVE) for package in packages)
            fleet.use(line.provider_ref, number * MB, state=LineState.ACTIVE, raw={"n": number}, packages=later)
        with CaptureQueriesContext(connection) as queries:
            assert run() == count
        return len(queries)

    assert queries_for(9) == queries_for(2)


@pytest.mark.django_db(transaction=True)
def test_several_runs_at_once_read_each_line_once(fleet: Fleet) -> None:
    uses = enter(fleet.add(120, order_ref="U", state=LineState.ACTIVE, total_used_bytes=0))
    orders = enter([line for number in range(12) for line in fleet.add(3, order_ref=f"B{number}")])
    make_use_due(uses)
    make_due(orders)
    done: list[int] = []

    def work() -> None:
        try:
            done.append(run(seconds=20))
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 156
    asked = list(chain.from_iterable(what for kind, what in fleet.calls if kind == "use"))
    assert sorted(asked) == sorted(line.provider_ref for line in uses)
    assert sorted(what for kind, what in fleet.calls if kind == "order") == sorted(f"B{number}" for number in range(12))
    # As few calls as there can be, and one in twenty.
    assert len(fleet.calls) <= 24 * 1.05
    assert fleet.count("line") == 0
    assert count_due_lines() == 0
    assert unclaimed()
