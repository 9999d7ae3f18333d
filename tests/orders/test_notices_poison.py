"""A reason over which our program fails: the others are told, and staff hear of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone
from pytest import MonkeyPatch

from config.retelling import retell
from esims.events import describe_event
from esims.link_page import describe_time
from esims.models import Esim, LineEvent
from orders import wording
from orders.models import Notification, OrderEvent, Purchase
from orders.notice_planning import is_anything_to_plan, plan_notifications
from orders.notice_words import Message, compose
from providers.types import LineState
from tests.orders.fakes import Wholesaler
from tests.orders.telling import GB, make_told_line, move_clock, report, tell
from tests.orders.test_notices_orders import deliver, sell

pytestmark = pytest.mark.django_db
CRASH = "The customer was not told: our program failed over the message (KeyError in "


def poison(patch: MonkeyPatch, receiver: str, error: Exception) -> None:
    """Every message to this customer fails."""

    def fail(kind: str, context: Mapping[str, Any], **given: Any) -> Message:
        if given["receiver"] == receiver:
            raise error
        return compose(kind, context, **given)

    patch.setattr("orders.notice_rows.compose", fail)


def test_an_order_that_fails_keeps_no_other_waiting(wholesaler: Wholesaler, monkeypatch: MonkeyPatch) -> None:
    bad, good = sell(1, name="Poison", email="p@example.jp"), sell(1, email="g@example.jp")
    deliver(bad)
    deliver(good)
    poison(monkeypatch, "Poison", KeyError("x"))
    assert tell() == [f"ready:order:{good.pk}:0"]
    assert [message.to for message in mail.outbox] == [["g@example.jp"]]
    assert not is_anything_to_plan()
    row = OrderEvent.objects.get(kind="notification.failed")
    assert (row.order_id, wording.describe_event(row)) == (bad.pk, "The customer was not told")
    assert row.why.startswith(CRASH)
    assert retell(row.why) == row.why
    assert Purchase.objects.get(order_line__order=bad).attention == row.why
    assert Purchase.objects.get(order_line__order=good).attention == ""


def test_a_row_of_a_line_that_fails_keeps_no_other_waiting(wholesaler: Wholesaler, monkeypatch: MonkeyPatch) -> None:
    (bought,) = deliver(sell(1, name="Poison", email="p@example.jp"))
    tell()
    lines = [make_told_line(customer={"email": f"{name}@example.jp"}) for name in "ab"]
    Esim.objects.filter(pk=bought.pk).update(state=LineState.ACTIVE, total_used_bytes=0, total_data_bytes=GB)
    LineEvent.objects.create(esim=lines[0], kind="usage_reached", by="test", facts={}, awaits_notice=True)
    for line in lines:
        report(line, total_used_bytes=GB // 2)
    report(bought, state=LineState.EXPIRED)
    poison(monkeypatch, "Poison", KeyError("x"))
    keys = [key.partition(":package")[0] for key in tell() if not key.startswith("ready:")]
    assert keys == [f"usage-50:esim:{line.pk}" for line in lines]
    assert not LineEvent.objects.filter(awaits_notice=True).exists()
    failed = LineEvent.objects.filter(kind="notice_failed").order_by("pk")
    assert {row.esim_id for row in failed} == {lines[0].pk, bought.pk}
    assert describe_event(failed[0]).startswith(CRASH)
    assert Purchase.objects.get().attention.startswith(CRASH)


def test_a_clock_that_fails_keeps_no_other_waiting(monkeypatch: MonkeyPatch) -> None:
    lines = [make_told_line(customer={"email": f"{name}@example.jp"}, expires_at=ends()) for name in "ab"]
    for line in lines:
        move_clock(line, timedelta(days=2))

    def describe(line: Esim, now: Any) -> str:
        if line.pk == lines[0].pk:
            raise KeyError("x")
        return describe_time(line, now)

    monkeypatch.setattr("orders.notice_lines.describe_time", describe)
    (key,) = tell()
    assert key.startswith(f"last-day:esim:{lines[1].pk}:")
    assert not is_anything_to_plan()
    assert LineEvent.objects.get(kind="notice_failed").esim_id == lines[0].pk


def ends() -> Any:
    return timezone.now() + timedelta(days=2, hours=20)


def test_what_no_reason_can_do_for_loses_nothing(wholesaler: Wholesaler, monkeypatch: MonkeyPatch) -> None:
    """A database that is busy, say: everything waits."""
    order = sell(1, name="Poison", email="p@example.jp")
    deliver(order)
    with monkeypatch.context() as patch:
        poison(patch, "Poison", OperationalError("database is locked"))
        with pytest.raises(OperationalError):
            plan_notifications()
    assert is_anything_to_plan()
    assert not Notification.objects.exists()
    assert tell() == [f"ready:order:{order.pk}:0"]
    assert Purchase.objects.get().attention == ""
