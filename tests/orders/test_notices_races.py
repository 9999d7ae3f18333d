"""Two workers at one notification: first without the claim, then with it; and a hundred thousand lines at rest."""

import threading

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from esims.models import Esim
from orders.models import Notification
from orders.notice_content import Content
from orders.notice_mail import Letter, build_mail, send_mail
from orders.notice_planning import due_lines, plan_notifications, waiting_line_events, waiting_order_events
from orders.notice_sending import due_notifications, overdue_notifications, send_notification
from providers.types import LineState
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


def test_a_hundred_thousand_lines_at_rest_are_a_look_into_an_index() -> None:
    esim = make_told_line()
    _multiply(esim)
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


def _multiply(esim: Esim) -> None:
    """The same line many times, with a row on each timeline; every tenth waits for its clock next year."""
    names = [field.column for field in Esim._meta.concrete_fields if field.name != "id"]
    values = {
        "provider_ref": "'many-' || n",
        "notice_due_at": "CASE WHEN n % 10 = 0 THEN now() + interval '1 year' END",
    }
    columns = ", ".join(f'"{name}"' for name in names)
    chosen = ", ".join(values.get(name, f'"{name}"') for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO esims_esim ({columns}) SELECT {chosen} FROM esims_esim, generate_series(1, {MANY}) n"
            f" WHERE id = {esim.pk}"
        )
        cursor.execute(
            "INSERT INTO esims_lineevent (esim_id, at, kind, by, why, facts, awaits_notice)"
            " SELECT id, now(), 'state', 'test', '', '{}', false FROM esims_esim"
        )
        cursor.execute("ANALYZE esims_esim")
        cursor.execute("ANALYZE esims_lineevent")
