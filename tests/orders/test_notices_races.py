"""Two workers at one notification: first without the claim, then with it; and a hundred thousand lines at rest."""

import threading

import pytest
from django.core import mail
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.utils import timezone

from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent
from orders.models import Notification, Order, OrderEvent
from orders.notice_content import Content
from orders.notice_mail import Letter, build_mail, send_mail
from orders.notice_planning import due_lines, plan_notifications, waiting_line_events, waiting_order_events
from orders.notice_sending import due_notifications, overdue_notifications, send_notification
from providers.types import LineState
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_fake_plan, order_plan
from tests.orders.telling import make_told_line, report
from tests.orders.test_races import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
MANY = 100_000


def make_planned() -> Notification:
    report(make_told_line(), state=LineState.EXPIRED)
    plan_notifications()
    return Notification.objects.get()


def test_without_the_claim_both_workers_send() -> None:
    row = make_planned()
    both_looked = threading.Barrier(2)

    def send_naively() -> None:
        found = Notification.objects.get(pk=row.pk)
        both_looked.wait(timeout=10)
        if found.state == "planned":
            letter = Letter(notification=found, content=Content.unpack(found.content), links={})
            send_mail(build_mail(letter))
            Notification.objects.filter(pk=row.pk).update(state="sent")

    race(send_naively, send_naively)
    assert len(mail.outbox) == 2


def test_with_the_claim_one_worker_sends() -> None:
    row = make_planned()
    results = race(*[lambda: send_notification(notification_id=row.pk)] * 4)
    assert sorted(map(str, results)) == ["False", "False", "False", "True"]
    assert len(mail.outbox) == 1


def test_planners_at_once_write_each_reason_once() -> None:
    for number in range(6):
        report(
            make_told_line(customer={"name": str(number), "email": f"{number}@example.com"}), state=LineState.EXPIRED
        )
    results = race(*[lambda: plan_notifications(seconds=5)] * 4)
    assert [result for result in results if isinstance(result, BaseException)] == []
    assert Notification.objects.count() == 6
    assert not waiting_line_events().exists()


def test_a_hundred_thousand_lines_at_rest_are_a_look_into_an_index(wholesaler: Wholesaler) -> None:
    row = make_planned()
    Notification.objects.update(state="sent", next_attempt_at=None)
    OrderEvent.objects.update(awaits_notice=False)
    _multiply(Esim.objects.get(), row, order_plan(make_fake_plan()))
    for rows in (
        due_lines(),
        waiting_line_events(),
        waiting_order_events(),
        due_notifications(),
        overdue_notifications(),
    ):
        plan = rows[:200].explain()
        assert "Index" in plan, plan
        assert "Seq Scan" not in plan, plan
    begun = timezone.now()
    assert plan_notifications(seconds=5) == 0
    assert (timezone.now() - begun).total_seconds() < 1


def _multiply(esim: Esim, row: Notification, order: Order) -> None:
    """The same line and telling many times, and many rows of timelines; every tenth line waits for next year."""
    next_year = "CASE WHEN n % 10 = 0 THEN now() + interval '1 year' END"
    with connection.cursor() as cursor:
        _copy(cursor, esim, {"provider_ref": "'many-' || n", "notice_due_at": next_year})
        _copy(cursor, row, {"key": "'many-' || n"})
        event = make_event(esim, EventKind.QR_SHOWN, by="test")
        event.save()
        _copy(cursor, event, {})
        _copy(cursor, OrderEvent.objects.filter(order=order)[0], {})
        for model in (Esim, Notification, LineEvent, OrderEvent):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def _copy(cursor: CursorWrapper, row: Model, values: dict[str, str]) -> None:
    meta = row._meta
    names = [str(field.column) for field in meta.concrete_fields if field.column != "id"]
    columns = ", ".join(f'"{name}"' for name in names)
    chosen = ", ".join(values.get(name, f'"{name}"') for name in names)
    source = f"{meta.db_table}, generate_series(1, {MANY}) n WHERE {meta.db_table}.id = {row.pk}"
    cursor.execute(f"INSERT INTO {meta.db_table} ({columns}) SELECT {chosen} FROM {source}")
