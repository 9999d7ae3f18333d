"""Packages on a line: each once, whoever tells of it first, with its own use and dates."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from catalog.models import Plan
from esims.lifecycle import apply_snapshot, register_bare_lines
from esims.models import Esim, LineEvent, Package
from esims.packages import register_top_up
from providers.types import Allowance, DataPeriod, LineState, PackageSnapshot, PackageStatus
from tests.catalog.making import make_account, make_plan
from tests.esims.making import GB, MB, T0, make_customer, make_line, make_snapshot

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
WAITING, ACTIVE, ENDED = PackageStatus.WAITING, PackageStatus.ACTIVE, PackageStatus.ENDED


def total(size: int) -> Allowance:
    return Allowance(data_bytes=size, period=DataPeriod.TOTAL, unlimited=False)


def report(esim: Esim, *packages: PackageSnapshot, at: datetime = T0 + HOUR, **fields: Any) -> None:
    snapshot = make_snapshot(esim.provider_ref, packages=packages, state_as_of=at, usage_as_of=at, **fields)
    apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")


def top_up(
    esim: Esim, plan: Plan, package: PackageSnapshot | None = None, *, key: str = "RD-1", ref: str = ""
) -> Package:
    return register_top_up(esim_id=esim.pk, plan=plan, package=package, order_key=key, order_ref=ref, by="purchase")


def rows(esim: Esim) -> list[tuple[Any, ...]]:
    found = Package.objects.filter(esim=esim).order_by("pk")
    return list(found.values_list("kind", "package_ref", "order_key", "order_ref", "plan__plan_ref"))


def added(esim: Esim) -> int:
    return LineEvent.objects.filter(esim=esim, kind="package_added").count()


# -- what is reported -------------------------------------------------------------------------------------------------


def test_every_package_has_its_own_use_state_and_dates() -> None:
    line = make_line(
        make_snapshot(
            packages=(
                PackageSnapshot(
                    package_ref="O-1",
                    name="Brazil 1 GB",
                    plan_ref="X",
                    order_ref="O-1",
                    status=ACTIVE,
                    raw_status="ACTIVE",
                    allowance=total(GB),
                    used_bytes=5 * MB,
                    starts_at=T0,
                    ends_at=T0 + timedelta(days=7),
                ),
                PackageSnapshot(
                    package_ref="O-2",
                    name="Brazil 5 GB",
                    order_ref="O-2",
                    status=WAITING,
                    raw_status="PENDING",
                    allowance=total(5 * GB),
                    used_bytes=0,
                    starts_at=T0 + timedelta(days=60),
                    ends_at=T0 + timedelta(days=67),
                    activate_by=T0 + timedelta(days=60),
                    is_projected=True,
                ),
            )
        )
    )
    first, second = Package.objects.filter(esim=line).order_by("pk")
    assert (first.kind, first.status, first.used_bytes, first.data_bytes) == ("base", "active", 5 * MB, GB)
    assert (first.starts_at, first.ends_at, first.is_projected) == (T0, T0 + timedelta(days=7), False)
    assert (second.kind, second.status, second.raw_status, second.used_bytes) == ("top_up", "waiting", "PENDING", 0)
    assert (second.activate_by, second.is_projected) == (T0 + timedelta(days=60), True)


def test_a_package_that_starts_loses_the_times_that_were_only_projected() -> None:
    waiting = PackageSnapshot(
        package_ref="O-1",
        status=WAITING,
        starts_at=T0 + timedelta(days=60),
        ends_at=T0 + timedelta(days=67),
        is_projected=True,
    )
    line = make_line(make_snapshot(packages=(waiting,)))
    report(line, PackageSnapshot(package_ref="O-1", status=ACTIVE, starts_at=T0 + HOUR))
    package = Package.objects.get(esim=line)
    assert (package.starts_at, package.ends_at, package.is_projected) == (T0 + HOUR, None, False)
    event = LineEvent.objects.get(esim=line, kind="package_state")
    assert event.facts == {"name": package.name, "old": "waiting", "new": "active"}


def test_plans_are_known_by_either_of_their_codes() -> None:
    account = make_account()
    plan = make_plan(account, data_bytes=3 * GB, alias="TOPUP_SLUG")
    line = make_line(account=account)
    base = PackageSnapshot(package_ref="B1")
    report(line, base, PackageSnapshot(package_ref="T1", plan_ref="TOPUP_SLUG"))
    report(line, base, PackageSnapshot(package_ref="T1"), PackageSnapshot(package_ref="T2", plan_ref=plan.plan_ref))
    assert [(row[1], row[4]) for row in rows(line)[1:]] == [("T1", plan.plan_ref), ("T2", plan.plan_ref)]
    # What the provider does not say of a package, its plan does.
    assert Package.objects.get(package_ref="T1").data_bytes == 3 * GB


def test_the_base_is_found_by_its_order_wherever_it_stands() -> None:
    account = make_account()
    (line,) = register_bare_lines(
        account=account, customer=make_customer(), plan=make_plan(account), refs=["26-1"], by="inquiry"
    )
    report(
        line,
        PackageSnapshot(package_ref="T1", order_key="OTHER"),
        PackageSnapshot(package_ref="B1", order_key="RD-BASE"),
        order_key="RD-BASE",
        iccid="8981100000000000002",
    )
    assert {row[1]: row[0] for row in rows(line)} == {"B1": "base", "T1": "top_up"}


def test_late_news_of_packages_changes_nothing() -> None:
    line = make_line(make_snapshot(packages=(PackageSnapshot(package_ref="B1", status=ACTIVE, used_bytes=5),)))
    old = T0 - HOUR
    late = (
        PackageSnapshot(package_ref="B1", status=WAITING, used_bytes=1),
        PackageSnapshot(package_ref="T1", status=WAITING),
    )
    report(line, *late, at=old)
    assert [(row.package_ref, row.status, row.used_bytes) for row in Package.objects.all()] == [("B1", "active", 5)]


# -- what we bought ---------------------------------------------------------------------------------------------------


def test_a_top_up_stands_at_once_and_the_same_one_once() -> None:
    line = make_line()
    plan = make_plan(line.account, data_bytes=2 * GB)
    first = top_up(line, plan)
    again = top_up(line, plan)
    assert first.pk == again.pk
    assert (first.kind, first.name, first.data_bytes, first.package_ref) == ("top_up", plan.name, 2 * GB, "")
    assert added(line) == 1


def test_two_top_ups_that_nobody_has_named_yet_are_two() -> None:
    line = make_line()
    plan = make_plan(line.account)
    assert top_up(line, plan, key="RD-1").pk != top_up(line, plan, key="RD-2").pk
    assert len(rows(line)) == 3


@pytest.mark.parametrize(
    "told",
    [
        {"order_key": "RD-1"},
        {"order_ref": "26-9"},
        # A key that is not ours (as the live eSIM Access may answer): the plan tells.
        {"order_key": "theirs", "plan_ref": "TOP"},
        {"plan_ref": "TOP"},
        {},
    ],
)
def test_a_top_up_is_recognised_when_the_provider_reports_it(told: dict[str, Any]) -> None:
    line = make_line()
    plan = make_plan(line.account, plan_ref="TOP")
    bought = top_up(line, plan, ref="26-9")
    reported = (PackageSnapshot(package_ref="B1"), PackageSnapshot(package_ref="T1", used_bytes=7, **told))
    report(line, *reported)
    report(line, *reported, at=T0 + 2 * HOUR)
    assert [(row[0], row[1]) for row in rows(line)] == [("base", "B1"), ("top_up", "T1")]
    package = Package.objects.get(pk=bought.pk)
    # Our own key stays, whatever the provider calls the order.
    assert (package.package_ref, package.order_key, package.used_bytes, package.plan_id) == ("T1", "RD-1", 7, plan.pk)
    assert added(line) == 1


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"order_key": "RD-1"}, None),
        ({"order_ref": "26-9"}, None),
        ({}, PackageSnapshot(package_ref="T1")),
        ({"plan_ref": "TOP"}, None),
    ],
)
def test_a_top_up_that_was_reported_before_it_was_entered_is_the_same(
    told: dict[str, Any], answer: PackageSnapshot | None
) -> None:
    line = make_line()
    plan = make_plan(line.account, plan_ref="TOP")
    report(line, PackageSnapshot(package_ref="B1"), PackageSnapshot(package_ref="T1", used_bytes=7, **told))
    assert len(rows(line)) == 2
    package = top_up(line, plan, answer, ref="26-9")
    assert (package.package_ref, package.order_key, package.plan_id, package.used_bytes) == ("T1", "RD-1", plan.pk, 7)
    assert len(rows(line)) == 2
    assert added(line) == 1


def test_the_second_of_two_equal_top_ups_is_not_taken_for_the_first() -> None:
    line = make_line()
    plan = make_plan(line.account, plan_ref="TOP")
    first = top_up(line, plan, key="RD-1")
    base = PackageSnapshot(package_ref="B1")
    report(line, base, PackageSnapshot(package_ref="T1", plan_ref="TOP"))
    second = top_up(line, plan, key="RD-2")
    assert second.pk != first.pk
    more = (PackageSnapshot(package_ref="T1", plan_ref="TOP"), PackageSnapshot(package_ref="T2", plan_ref="TOP"))
    report(line, base, *more, at=T0 + 2 * HOUR)
    assert dict(Package.objects.filter(esim=line, kind="top_up").values_list("pk", "package_ref")) == {
        first.pk: "T1",
        second.pk: "T2",
    }


def test_a_top_up_of_somebody_elses_order_is_another_package() -> None:
    line = make_line()
    plan = make_plan(line.account, plan_ref="TOP")
    report(
        line,
        PackageSnapshot(package_ref="B1"),
        PackageSnapshot(package_ref="T1", plan_ref="TOP", order_ref="26-5", order_key="portal"),
    )
    assert top_up(line, plan, ref="26-9").package_ref == ""
    assert len(rows(line)) == 3


def test_what_the_answer_says_of_the_package_is_taken() -> None:
    line = make_line()
    answer = PackageSnapshot(
        package_ref="O-2",
        name="Brazil 5 GB",
        order_ref="O-2",
        status=WAITING,
        allowance=total(5 * GB),
        ends_at=datetime(2026, 9, 1, tzinfo=UTC),
        is_projected=True,
    )
    package = Package.objects.get(pk=top_up(line, make_plan(line.account), answer, ref="O-2").pk)
    assert (package.name, package.status, package.data_bytes) == ("Brazil 5 GB", "waiting", 5 * GB)
    assert (package.order_key, package.order_ref, package.is_projected) == ("RD-1", "O-2", True)


def test_a_line_that_had_ended_is_read_again_after_a_top_up() -> None:
    line = make_line(make_snapshot(state=LineState.EXPIRED))
    Esim.objects.filter(pk=line.pk).update(next_refresh_at=None)
    before = timezone.now()
    top_up(line, make_plan(line.account))
    due_at = Esim.objects.get(pk=line.pk).next_refresh_at
    assert due_at is not None
    assert before <= due_at <= timezone.now()


def test_a_daily_plan_stays_counted_by_day() -> None:
    line = make_line()
    package = top_up(line, make_plan(line.account, data_bytes=GB, data_period=DataPeriod.DAY))
    assert (package.data_bytes, package.data_period) == (GB, "day")


def test_an_iccid_that_is_used_again_is_a_second_line() -> None:
    account = make_account()
    iccid = "8985200000000000018"
    old = make_line(make_snapshot("26-1", iccid=iccid, state=LineState.EXPIRED), account=account)
    new = make_line(make_snapshot("26-2", iccid=iccid), account=account, customer=make_customer("Ben Weber"))
    assert old.pk != new.pk
    apply_snapshot(
        esim_id=new.pk,
        snapshot=make_snapshot("26-2", iccid=iccid, state=LineState.ACTIVE, state_as_of=T0 + HOUR),
        by="refresh",
    )
    states = dict(Esim.objects.filter(iccid=iccid).values_list("provider_ref", "state"))
    assert states == {"26-1": "expired", "26-2": "active"}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_report_and_our_own_entry_at_once_leave_one_package() -> None:
    line = make_line()
    plan = make_plan(line.account, plan_ref="TOP")
    start = Barrier(6)

    def enter() -> None:
        start.wait()
        try:
            with transaction.atomic():
                top_up(line, plan, ref="26-9")
        finally:
            connection.close()

    def read() -> None:
        start.wait()
        try:
            report(line, PackageSnapshot(package_ref="B1"), PackageSnapshot(package_ref="T1", order_key="RD-1"))
        finally:
            connection.close()

    threads = [Thread(target=work) for work in (enter, read) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(row[0], row[1], row[2]) for row in rows(line)] == [("base", "B1", ""), ("top_up", "T1", "RD-1")]
    assert added(line) == 1
