"""Words that the clock brings: a deadline nears, a day is left, it is over."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from esims.lifecycle import apply_snapshot
from esims.models import Esim
from esims.notices import plan_next_notice
from orders.models import Notification
from orders.notice_planning import due_lines
from providers.types import LineState
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
