"""Entering lines and bringing them up to date."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from esims.events import describe_event
from esims.lifecycle import LineAlreadyHeld, apply_snapshot, register_bare_lines, register_lines
from esims.models import Esim, LineEvent, Package, UsageDay
from providers.types import Allowance, DataPeriod, LineSnapshot, LineState, PackageSnapshot
from tests.catalog.making import make_account, make_plan
from tests.esims.making import GB, MB, T0, make_customer, make_days, make_iccid, make_line, make_snapshot

pytestmark = pytest.mark.django_db
MAY_3 = date(2026, 5, 3)


def apply(esim: Esim, snapshot: LineSnapshot) -> Esim:
    apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")
    return Esim.objects.get(pk=esim.pk)


def events_of(esim: Esim) -> list[tuple[str, Any]]:
    """(kind, facts) of everything after the line was entered, the oldest first."""
    rows = LineEvent.objects.filter(esim=esim).exclude(kind="registered").order_by("pk")
    return [(row.kind, row.facts) for row in rows]


def test_a_delivered_line_is_entered_with_package_usage_and_event() -> None:
    plan = make_plan(data_bytes=3 * GB, data_period=DataPeriod.TOTAL)
    iccid = make_iccid()
    snapshot = make_snapshot(iccid, total_used_bytes=5 * MB, daily_usage=make_days((MAY_3, 4 * MB)))

    esim = Esim.objects.get(pk=make_line(snapshot, plan=plan).pk)

    assert (esim.iccid, esim.iccid_reversed, esim.provider_ref) == (iccid, iccid[::-1], iccid)
    assert esim.lpa == f"LPA:1$smdp.example.com$CODE-{iccid[-6:]}"
    assert (esim.state, esim.is_restricted, esim.home_country) == ("ready", False, "JP")
    assert esim.roaming_countries == ["KR", "TW"]
    assert (esim.state_as_of, esim.usage_as_of, esim.total_used_bytes) == (T0, T0, 5 * MB)
    assert esim.next_refresh_at is not None
    package = Package.objects.get(esim=esim)
    assert (package.kind, package.name, package.data_bytes, package.data_period) == ("base", plan.name, 3 * GB, "total")
    assert package.used_bytes is None
    assert list(UsageDay.objects.filter(esim=esim).values_list("day", "used_bytes", "is_derived")) == [
        (MAY_3, 4 * MB, False)
    ]
    event = LineEvent.objects.get(esim=esim)
    assert (event.kind, event.by, event.facts) == ("registered", "purchase", {"state": "ready"})


def test_lines_come_back_in_the_order_of_their_snapshots() -> None:
    account, customer = make_account(), make_customer()
    snapshots = [make_snapshot() for _ in range(5)]
    esims = register_lines(
        account=account, customer=customer, plan=make_plan(account), snapshots=snapshots[::-1], by="purchase"
    )
    assert [esim.provider_ref for esim in esims] == [snapshot.provider_ref for snapshot in snapshots[::-1]]
    assert all(esim.pk for esim in esims)


def test_nothing_is_entered_when_one_line_is_held_already() -> None:
    held = make_line()
    account, customer = held.account, held.customer
    with pytest.raises(LineAlreadyHeld) as caught:
        register_lines(
            account=account,
            customer=customer,
            plan=held.plan,
            snapshots=[make_snapshot(), make_snapshot(held.provider_ref)],
            by="purchase",
        )
    assert caught.value.refs == (held.provider_ref,)
    assert Esim.objects.count() == 1
    assert LineEvent.objects.count() == 1


def test_a_delivery_that_names_a_line_twice_is_refused() -> None:
    account = make_account()
    with pytest.raises(LineAlreadyHeld) as caught:
        register_bare_lines(
            account=account, customer=make_customer(), plan=make_plan(account), refs=["1", "2", "1"], by="purchase"
        )
    assert caught.value.refs == ("1",)
    assert Esim.objects.count() == 0


def test_the_same_reference_at_another_account_is_another_line() -> None:
    first = make_line()
    second = make_line(make_snapshot(first.provider_ref), account=make_account("esim-commerce-sandbox"))
    assert first.pk != second.pk


def test_bare_lines_are_provisioning_and_due_at_once() -> None:
    account = make_account()
    before = datetime.now(UTC)
    (esim,) = register_bare_lines(
        account=account, customer=make_customer(), plan=make_plan(account), refs=["8981100000000000002"], by="inquiry"
    )
    esim = Esim.objects.get(pk=esim.pk)
    assert (esim.state, esim.iccid, esim.lpa, esim.state_as_of) == ("provisioning", "", "", None)
    assert esim.next_refresh_at is not None
    assert before <= esim.next_refresh_at <= datetime.now(UTC)
    assert Package.objects.filter(esim=esim).count() == 1


def statements_for(count: int) -> int:
    account = make_account()
    customer, plan = make_customer(), make_plan(account)
    snapshots = [make_snapshot(daily_usage=make_days((MAY_3, MB))) for _ in range(count)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        register_lines(account=account, customer=customer, plan=plan, snapshots=snapshots, by="purchase")
    return len(queries)


def test_a_thousand_lines_take_as_many_statements_as_ten() -> None:
    few, many = statements_for(10), statements_for(1000)
    if connection.vendor == "sqlite":
        # At most 999 values fit into one of its statements: it cuts the four inserts, and nothing else grows.
        assert few <= 13
        assert many <= 13 + 1000 * (50 + 12 + 5 + 7) // 999 + 8
    else:
        assert many == few


def test_newer_is_applied_and_each_visible_change_is_one_event() -> None:
    esim = make_line()
    later = T0 + timedelta(hours=1)
    snapshot = make_snapshot(
        esim.provider_ref,
        state=LineState.ACTIVE,
        raw_states={"contractStatus": "ACTIVE", "profileInstallStatus": "INSTALLED"},
        state_as_of=later,
        usage_as_of=later,
        installed_at=T0 + timedelta(minutes=5),
        activated_on=MAY_3,
        expires_on=date(2026, 5, 9),
    )
    fresh = apply(esim, snapshot)
    assert (fresh.state, fresh.activated_on, fresh.expires_on) == ("active", MAY_3, date(2026, 5, 9))
    assert fresh.state_as_of == later
    assert events_of(esim) == [
        (
            "state",
            {
                "old": "ready",
                "new": "active",
                "words": {"contractStatus": "ACTIVE", "profileInstallStatus": "INSTALLED"},
            },
        ),
        ("field", {"field": "installed_at", "old": None, "new": "2026-05-01T12:05:00+00:00"}),
        ("field", {"field": "activated_on", "old": None, "new": "2026-05-03"}),
        ("field", {"field": "expires_on", "old": None, "new": "2026-05-09"}),
    ]
    sentences = [describe_event(row) for row in LineEvent.objects.filter(esim=esim).order_by("pk")]
    assert sentences == [
        "Entered into our books as “ready to install”.",
        "State: “ready to install” became “active”.",
        "First installed: 1 May 2026, 12:05 UTC",
        "Activated (Japan date): 3 May 2026",
        "Last day (Japan date): 9 May 2026",
    ]


def test_older_never_overwrites_newer() -> None:
    esim = make_line(make_snapshot(total_used_bytes=9 * MB, daily_usage=make_days((MAY_3, 9 * MB))))
    old = T0 - timedelta(seconds=1)
    stale = make_snapshot(
        esim.provider_ref,
        state=LineState.SUSPENDED,
        restricted=True,
        state_as_of=old,
        usage_as_of=old,
        total_used_bytes=MB,
        daily_usage=make_days((MAY_3, MB), (date(2026, 5, 2), MB)),
        lpa="LPA:1$other.example.com$OTHER",
    )
    fresh = apply(esim, stale)
    assert (fresh.state, fresh.is_restricted, fresh.total_used_bytes) == ("ready", False, 9 * MB)
    assert (fresh.state_as_of, fresh.usage_as_of, fresh.lpa) == (T0, T0, esim.lpa)
    assert list(UsageDay.objects.values_list("day", "used_bytes")) == [(MAY_3, 9 * MB)]
    assert events_of(esim) == []


def test_an_equal_stamp_is_applied() -> None:
    esim = make_line()
    fresh = apply(esim, make_snapshot(esim.provider_ref, state=LineState.SUSPENDED, total_used_bytes=7))
    assert (fresh.state, fresh.total_used_bytes) == ("suspended", 7)


def test_state_and_usage_keep_their_own_times() -> None:
    esim = make_line(make_snapshot(total_used_bytes=9 * MB))
    newer, older = T0 + timedelta(hours=1), T0 - timedelta(hours=1)
    fresh = apply(
        esim,
        make_snapshot(
            esim.provider_ref, state=LineState.ACTIVE, state_as_of=newer, usage_as_of=older, total_used_bytes=MB
        ),
    )
    assert (fresh.state, fresh.state_as_of) == ("active", newer)
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (9 * MB, T0)
    fresh = apply(
        esim,
        make_snapshot(
            esim.provider_ref, state=LineState.READY, state_as_of=older, usage_as_of=newer, total_used_bytes=10 * MB
        ),
    )
    assert (fresh.state, fresh.state_as_of) == ("active", newer)
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (10 * MB, newer)


def test_the_same_snapshot_again_changes_nothing_and_leaves_no_event() -> None:
    snapshot = make_snapshot(total_used_bytes=MB, daily_usage=make_days((MAY_3, MB)))
    esim = make_line(snapshot)
    with CaptureQueriesContext(connection) as queries:
        apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")
    assert not [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert events_of(esim) == []


def test_what_is_not_reported_erases_nothing() -> None:
    esim = make_line(
        make_snapshot(
            total_used_bytes=5, downloaded_at=T0, activated_on=MAY_3, expires_on=MAY_3, eid="8" * 32, restricted=True
        )
    )
    bare = LineSnapshot(
        provider_ref=esim.provider_ref,
        iccid="",
        state=LineState.READY,
        raw_states=dict(esim.raw_states),
        state_as_of=T0 + timedelta(hours=1),
        usage_as_of=T0 + timedelta(hours=1),
    )
    fresh = apply(esim, bare)
    for name in ("iccid", "iccid_reversed", "lpa", "smdp_address", "matching_id", "eid", "home_country"):
        assert getattr(fresh, name) == getattr(esim, name) != "", name
    assert (fresh.downloaded_at, fresh.activated_on, fresh.expires_on) == (T0, MAY_3, MAY_3)
    assert (fresh.roaming_countries, fresh.is_restricted) == (["KR", "TW"], True)
    # Nothing was said of usage, so what is known is as old as it was.
    assert (fresh.total_used_bytes, fresh.usage_as_of) == (5, T0)
    assert events_of(esim) == []


def test_an_end_is_taken_back_only_by_a_line_that_lives() -> None:
    ended = make_snapshot(state=LineState.TERMINATED, terminated_on=MAY_3)
    esim = make_line(ended)
    again = replace(ended, terminated_on=None, state_as_of=T0 + timedelta(hours=1))
    assert apply(esim, again).terminated_on == MAY_3
    alive = replace(again, state=LineState.ACTIVE, state_as_of=T0 + timedelta(hours=2))
    assert apply(esim, alive).terminated_on is None


def test_total_zero_is_a_number() -> None:
    esim = make_line(make_snapshot(total_used_bytes=5))
    assert apply(esim, make_snapshot(esim.provider_ref, total_used_bytes=0)).total_used_bytes == 0


def test_reported_days_replace_and_are_never_added_up() -> None:
    first, second, third = (date(2026, 5, day) for day in (3, 4, 5))
    esim = make_line(make_snapshot(daily_usage=make_days((first, 10 * MB), (second, 20 * MB))))
    UsageDay.objects.create(esim=esim, day=third, used_bytes=99, is_derived=True)
    shorter = make_snapshot(
        esim.provider_ref,
        usage_as_of=T0 + timedelta(hours=1),
        daily_usage=make_days((second, 25 * MB), (third, MB), (third, 2 * MB)),
    )
    apply(esim, shorter)
    assert list(UsageDay.objects.filter(esim=esim).values_list("day", "used_bytes", "is_derived")) == [
        (first, 10 * MB, False),
        (second, 25 * MB, False),
        (third, 2 * MB, False),
    ]


def test_changed_codes_are_named_and_never_shown() -> None:
    esim = make_line()
    apply(
        esim,
        make_snapshot(esim.provider_ref, lpa="LPA:1$smdp.example.com$NEW", matching_id="NEW", eid="9" * 32),
    )
    assert events_of(esim) == [
        ("codes_reported", {"fields": ["eid"]}),
        ("codes_changed", {"fields": ["lpa", "matching_id"]}),
    ]


def test_the_providers_words_alone_are_a_change_too() -> None:
    esim = make_line()
    words = {**esim.raw_states, "profileProvisionStatus": "FINALIZED"}
    apply(esim, make_snapshot(esim.provider_ref, raw_states=words))
    assert events_of(esim) == [("provider_states", {"old": esim.raw_states, "new": words})]
    row = LineEvent.objects.get(kind="provider_states")
    assert describe_event(row) == "The provider's words: profileProvisionStatus: AVAILABLE → FINALIZED."


def test_a_value_that_does_not_fit_is_not_taken() -> None:
    esim = make_line()
    fresh = apply(esim, make_snapshot(esim.provider_ref, lpa="L" * 301, home_country="JAPAN"))
    assert (fresh.lpa, fresh.home_country) == (esim.lpa, "JP")


def test_the_snapshot_of_another_line_is_refused() -> None:
    esim = make_line()
    with pytest.raises(ValueError, match="another line"):
        apply_snapshot(esim_id=esim.pk, snapshot=make_snapshot(), by="refresh")
    assert events_of(esim) == []


def test_packages_are_told_apart_by_reference_and_the_base_is_recognised() -> None:
    esim = make_line()
    allowance = Allowance(data_bytes=5 * GB, period=DataPeriod.TOTAL, unlimited=False)
    packages = (
        PackageSnapshot(package_ref="B1", used_bytes=MB, raw_status="ACTIVE", allowance=allowance),
        PackageSnapshot(package_ref="T1", name="Top-up 5 GB", used_bytes=0),
    )
    apply(esim, make_snapshot(esim.provider_ref, packages=packages))
    apply(esim, make_snapshot(esim.provider_ref, packages=packages))
    rows = Package.objects.filter(esim=esim).values_list("kind", "package_ref", "data_bytes", "used_bytes")
    assert list(rows) == [("base", "B1", 5 * GB, MB), ("top_up", "T1", None, 0)]
    assert events_of(esim) == [("package_added", {"name": "Top-up 5 GB"})]


@pytest.mark.django_db(transaction=True)
def test_two_snapshots_at_once_leave_the_newer_one() -> None:
    esim = make_line()
    stamps = [T0 + timedelta(minutes=minute) for minute in range(1, 9)]
    start = Barrier(len(stamps))

    def apply_at(stamp: datetime, index: int) -> Callable[[], None]:
        def work() -> None:
            start.wait()
            try:
                snapshot = make_snapshot(
                    esim.provider_ref,
                    state=LineState.SUSPENDED if index % 2 else LineState.ACTIVE,
                    state_as_of=stamp,
                    usage_as_of=stamp,
                    total_used_bytes=index,
                )
                apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by=f"worker {index}")
            finally:
                connection.close()

        return work

    threads = [Thread(target=apply_at(stamp, index)) for index, stamp in enumerate(stamps)]
    for thread in threads[::-1]:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = Esim.objects.get(pk=esim.pk)
    assert (fresh.state, fresh.state_as_of, fresh.total_used_bytes) == ("suspended", stamps[-1], 7)
    # Every event starts where the one before ended: nobody worked on an old copy.
    states = [facts for kind, facts in events_of(esim) if kind == "state"]
    assert [facts["old"] for facts in states] == ["ready", *(facts["new"] for facts in states[:-1])]
    assert states[-1]["new"] == "suspended"
