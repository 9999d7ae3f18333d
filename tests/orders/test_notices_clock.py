"""Words that the clock brings: a deadline nears, a day is left, it is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from esims.lifecycle import apply_snapshot
from esims.models import Esim, Package
from esims.notices import plan_next_notice
from orders.models import Notification
from orders.notice_planning import due_lines
from providers.types import LineState, PackageSnapshot, PackageStatus
from tests.esims.making import make_line, make_snapshot
from tests.orders.telling import GB, make_told_line, move_clock, report, subjects, tell

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def make_waiting_line(days: float, *, state: LineState = LineState.READY) -> Esim:
    """Sold long ago, and to be installed within so many days."""
    esim = make_told_line(state=state, activation_deadline=timezone.now() + timedelta(days=days + 30))
    move_clock(esim, timedelta(days=30))
    return esim


def test_a_deadline_is_told_at_each_mark_once() -> None:
    esim = make_waiting_line(8)
    assert tell() == []
    move_clock(esim, 1.5 * DAY)
    assert len(tell()) == 1
    move_clock(esim, 3 * DAY)
    assert len(tell()) == 1
    move_clock(esim, 2 * DAY)
    keys = [row.key.rpartition(":")[0] for row in Notification.objects.order_by("pk")]
    assert (len(tell()), keys) == (2, [f"deadline-7:esim:{esim.pk}"])
    assert "is not installed yet. Install it and start to use it before" in " ".join(mail.outbox[0].body.split())
    assert Esim.objects.get(pk=esim.pk).notice_due_at is None


def test_what_missed_both_marks_is_told_once() -> None:
    esim = make_waiting_line(1)
    assert [key.rpartition(":")[0] for key in tell()] == [f"deadline-2:esim:{esim.pk}"]


def test_reading_the_line_again_tells_nothing_again() -> None:
    esim = make_waiting_line(1)
    deadline = Esim.objects.get(pk=esim.pk).activation_deadline
    tell()
    for state in (LineState.DOWNLOADED, LineState.READY):
        now = timezone.now()
        snapshot = make_snapshot(
            esim.provider_ref, state=state, state_as_of=now, usage_as_of=now, activation_deadline=deadline
        )
        apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")
        assert due_lines().exists()
        tell()
    assert len(mail.outbox) == 1


def read_again(esim: Esim, state: LineState, **fields: object) -> None:
    now = timezone.now()
    snapshot = make_snapshot(esim.provider_ref, state=state, state_as_of=now, usage_as_of=now, **fields)
    apply_snapshot(esim_id=esim.pk, snapshot=snapshot, by="refresh")
    Esim.objects.filter(pk=esim.pk).update(refreshed_at=now)


def test_a_deadline_that_drifts_is_told_once_and_one_that_moves_again() -> None:
    esim = make_waiting_line(5)
    assert len(tell()) == 1
    deadline = Esim.objects.get(pk=esim.pk).activation_deadline
    assert deadline is not None
    for number in range(1, 4):
        read_again(esim, LineState.READY, activation_deadline=deadline + number * timedelta(seconds=61))
        assert due_lines().exists()
        assert len(tell()) == 1
    read_again(esim, LineState.READY, activation_deadline=deadline - 3.6 * DAY)
    assert len(tell()) == 2
    assert [row.facts["mark_hours"] for row in Notification.objects.order_by("pk")] == [168, 48]
    # From the moment that was told last: half of the mark of two days is one.
    read_again(esim, LineState.READY, activation_deadline=deadline - 3.4 * DAY)
    assert len(tell()) == 2


def test_an_end_that_drifts_is_told_once() -> None:
    esim = make_told_line(expires_at=timezone.now() + timedelta(hours=20))
    assert len(tell()) == 1
    ends = esim.expires_at
    assert ends is not None
    for number in range(1, 4):
        read_again(esim, LineState.ACTIVE, activation_deadline=None, expires_at=ends + number * timedelta(seconds=61))
        assert due_lines().exists()
        assert len(tell()) == 1
    read_again(esim, LineState.ACTIVE, activation_deadline=None, expires_at=ends - timedelta(hours=13))
    assert len(tell()) == 2
    assert subjects() == ["Your eSIM ends soon"] * 2


def test_a_package_that_waits_behind_another_has_its_own_deadline() -> None:
    """Data that was added to a line in use: it has a deadline, the line has none any more."""
    esim = make_told_line()
    begin_by = timezone.now() + 40 * DAY
    waits = PackageSnapshot(
        package_ref="add-on", name="Europe 5 GB", status=PackageStatus.WAITING, activate_by=begin_by, is_projected=True
    )
    read_again(esim, LineState.ACTIVE, activation_deadline=None, packages=(waits,))
    due = Esim.objects.get(pk=esim.pk).notice_due_at
    assert due is not None
    assert abs(due - (begin_by - 7 * DAY)) < timedelta(seconds=2)
    read_again(esim, LineState.ACTIVE, activation_deadline=None, packages=(replace(waits, activate_by=begin_by - DAY),))
    again = Esim.objects.get(pk=esim.pk).notice_due_at
    assert again is not None
    assert abs(again - (begin_by - 8 * DAY)) < timedelta(seconds=2)
    assert tell() == []
    let_package_wait(esim, 34 * DAY)
    (package,) = Package.objects.filter(esim=esim, package_ref="add-on")
    (key,) = tell()
    assert key.startswith(f"deadline-7:package:{package.pk}:")
    let_package_wait(esim, 4 * DAY)
    assert [one.rpartition(":")[0] for one in tell()] == [f"deadline-{mark}:package:{package.pk}" for mark in (2, 7)]
    assert Esim.objects.get(pk=esim.pk).notice_due_at is None
    words = " ".join(str(mail.outbox[0].body).split())
    assert f"The data package “Europe 5 GB” on your eSIM {esim.label} has not begun." in words
    assert "not installed" not in words
    assert len(mail.outbox) == 2


def let_package_wait(esim: Esim, by: timedelta) -> None:
    move_clock(esim, by)
    for package in Package.objects.filter(esim=esim, activate_by__isnull=False):
        Package.objects.filter(pk=package.pk).update(
            activate_by=package.activate_by - by,  # type: ignore[operator]
            created_at=package.created_at - by,
        )


def test_a_line_with_a_package_that_waits_is_read_first() -> None:
    esim = make_told_line()
    waits = PackageSnapshot(
        package_ref="add-on", name="More", status=PackageStatus.WAITING, activate_by=timezone.now() + 20 * DAY
    )
    read_again(esim, LineState.ACTIVE, activation_deadline=None, packages=(waits,))
    let_package_wait(esim, 13.1 * DAY)
    Esim.objects.filter(pk=esim.pk).update(refreshed_at=timezone.now() - DAY, next_refresh_at=timezone.now() + DAY)
    assert tell() == []
    begun = replace(waits, status=PackageStatus.ACTIVE)
    read_again(esim, LineState.ACTIVE, activation_deadline=None, packages=(begun,))
    assert tell() == []
    assert Esim.objects.get(pk=esim.pk).notice_due_at is None


def test_a_package_that_has_begun_has_no_deadline() -> None:
    esim = make_told_line()
    waits = PackageSnapshot(
        package_ref="add-on", name="More", status=PackageStatus.WAITING, activate_by=timezone.now() + 20 * DAY
    )
    read_again(esim, LineState.ACTIVE, activation_deadline=None, packages=(waits,))
    assert Esim.objects.get(pk=esim.pk).notice_due_at is not None
    begun = replace(waits, status=PackageStatus.ACTIVE)
    read_again(esim, LineState.ACTIVE, activation_deadline=None, packages=(begun,))
    assert Esim.objects.get(pk=esim.pk).notice_due_at is None


def make_unread_line(days: float) -> Esim:
    """As ``make_waiting_line``, and last read half a month ago."""
    esim = make_waiting_line(days)
    Esim.objects.filter(pk=esim.pk).update(refreshed_at=timezone.now() - 14 * DAY, next_refresh_at=timezone.now() + DAY)
    return esim


def test_nobody_is_hurried_by_what_is_not_known_any_more() -> None:
    """A line is read first; by what that says it is told or not."""
    esim = make_unread_line(1.9)
    assert tell() == []
    line = Esim.objects.get(pk=esim.pk)
    assert line.next_refresh_at is not None
    assert line.next_refresh_at <= timezone.now()
    assert line.notice_due_at is not None
    assert timedelta(minutes=9) < line.notice_due_at - timezone.now() <= timedelta(minutes=10)
    read_again(esim, LineState.INSTALLED, activation_deadline=line.activation_deadline)
    assert tell() == []
    assert mail.outbox == []


def test_a_line_that_was_read_meanwhile_is_told_as_it_is() -> None:
    esim = make_unread_line(1.9)
    assert tell() == []
    line = Esim.objects.get(pk=esim.pk)
    read_again(esim, LineState.DOWNLOADED, activation_deadline=line.activation_deadline)
    assert len(tell()) == 1
    (message,) = mail.outbox
    assert message.subject.startswith("Start to use your eSIM before ")
    words = " ".join(str(message.body).split())
    assert "is on a phone and not in use yet. Switch it on and start to use it before" in words
    assert "not installed" not in words
    assert "what we knew" not in words


def test_a_line_that_cannot_be_read_is_told_after_a_while_with_the_day_of_what_is_known() -> None:
    esim = make_unread_line(1.9)
    Esim.objects.filter(pk=esim.pk).update(refresh_failures=3)
    assert tell() == []
    line = Esim.objects.get(pk=esim.pk)
    # Its failing reads keep their own waits.
    assert line.next_refresh_at is not None
    assert line.next_refresh_at > timezone.now()
    move_clock(esim, timedelta(hours=4))
    assert len(tell()) == 1
    words = " ".join(str(mail.outbox[0].body).split())
    assert "is not installed yet. Install it" in words
    assert "This is what we knew on" in words
    assert "if you use it already, there is nothing to do." in words


@pytest.mark.parametrize(
    "state",
    [
        LineState.PROVISIONING,
        LineState.INSTALLED,
        LineState.ACTIVE,
        LineState.SUSPENDED,
        LineState.EXPIRED,
        LineState.CANCELLED,
        LineState.ERROR,
    ],
)
def test_no_deadline_for_a_line_that_cannot_or_need_not_be_installed(state: LineState) -> None:
    make_waiting_line(1, state=state)
    assert not due_lines().exists()
    assert tell() == []


def test_an_installed_line_is_told_where_its_days_begin_with_the_first_connection() -> None:
    """The deadline is for the use then; elsewhere it is the installation's, and that is done."""
    deadline = timezone.now() + 31 * DAY
    esim = make_told_line(plan={"starts_with": "connection"}, state=LineState.INSTALLED, activation_deadline=deadline)
    move_clock(esim, 30 * DAY)
    assert [key.rpartition(":")[0] for key in tell()] == [f"deadline-2:esim:{esim.pk}"]
    assert "is on a phone and not in use yet" in " ".join(mail.outbox[0].body.split())


@pytest.mark.parametrize(
    "trace", [{"total_used_bytes": 1}, {"activated_at": timezone.now()}, {"expires_at": timezone.now() + 90 * DAY}]
)
def test_an_installed_line_with_traces_of_use_is_not_hurried(trace: dict[str, Any]) -> None:
    deadline = timezone.now() + 31 * DAY
    fields = {"state": LineState.INSTALLED, "activation_deadline": deadline, **trace}
    move_clock(make_told_line(plan={"starts_with": "connection"}, **fields), 30 * DAY)
    assert tell() == []


def test_a_line_that_has_just_come_is_not_hurried() -> None:
    esim = make_told_line(state=LineState.READY, activation_deadline=timezone.now() + 6 * DAY)
    assert tell() == []
    assert esim.notice_due_at is not None
    assert abs(esim.notice_due_at - esim.created_at - DAY) < timedelta(seconds=2)


def test_a_suspended_line_is_left_in_peace() -> None:
    esim = make_waiting_line(8)
    report(esim, state=LineState.SUSPENDED)
    assert Esim.objects.get(pk=esim.pk).notice_due_at is None


def test_the_last_day_in_japan_is_told_when_it_begins() -> None:
    """2026-05-10 is the last day: 24 hours are left at its beginning in Japan, 15:00 UTC of the day before."""
    line = make_line(make_snapshot(state=LineState.ACTIVE, expires_on=datetime(2026, 5, 10, tzinfo=UTC).date()))
    before = datetime(2026, 5, 1, tzinfo=UTC)
    assert plan_next_notice(line, now=before) == datetime(2026, 5, 9, 15, tzinfo=UTC)
    assert plan_next_notice(line, now=datetime(2026, 5, 10, 15, tzinfo=UTC)) is None


def test_a_day_left_is_told_once_with_the_end() -> None:
    esim = make_told_line(expires_at=timezone.now() + 3 * DAY)
    assert tell() == []
    move_clock(esim, 2.5 * DAY)
    assert len(tell()) == 1
    move_clock(esim, timedelta(hours=1))
    assert len(tell()) == 1
    assert subjects() == ["Your eSIM ends soon"]
    assert "It ends on" in mail.outbox[0].body
    assert "UTC" in mail.outbox[0].body


def test_a_line_that_is_over_is_told_once_and_nothing_else() -> None:
    esim = make_told_line(expires_at=timezone.now() + 3 * DAY)
    report(esim, state=LineState.EXPIRED, total_used_bytes=GB, expires_at=timezone.now())
    report(esim, state=LineState.EXPIRED)
    assert [key.partition(":")[0] for key in tell()] == ["ended"]
    assert subjects() == ["Your eSIM is over"]


def test_a_line_that_ran_out_unused_says_so() -> None:
    esim = make_told_line(state=LineState.READY, activation_deadline=timezone.now() + DAY / 2)
    report(esim, state=LineState.EXPIRED)
    tell()
    assert subjects() == ["Your eSIM ran out unused"]


@pytest.mark.parametrize(
    ("setting", "rows"),
    [
        ("NOTIFICATION_OFF", []),
        ("NOTIFICATION_FEED_ONLY", [("feed", "sent")]),
        ("NOTIFICATION_SMS", [("email", "sent")]),
    ],
)
def test_the_settings_say_by_which_ways(setting: str, rows: list[tuple[str, str]], settings: Settings) -> None:
    setattr(settings, setting, ["ended"])
    esim = make_told_line()
    report(esim, state=LineState.EXPIRED)
    tell()
    assert list(Notification.objects.values_list("channel", "state")) == rows
    assert len(mail.outbox) == (setting == "NOTIFICATION_SMS")


def test_a_customer_without_an_address_has_it_in_the_app() -> None:
    esim = make_told_line(customer={"email": ""})
    report(esim, state=LineState.EXPIRED)
    tell()
    row = Notification.objects.get()
    assert (row.state, row.error, row.attempts) == ("skipped", "The customer has no e-mail address.", 0)
    assert mail.outbox == []
