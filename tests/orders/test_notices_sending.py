"""Sending: once by itself, again where it was certainly not taken, and a word where nobody can tell."""

import smtplib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from customers.models import Customer
from esims.models import Esim, LineAction, LineLink
from orders import notice_sending
from orders.models import Notification
from orders.notice_mail import message_id
from orders.notice_planning import plan_notifications
from orders.notice_sending import WAITS, send_due_notifications, send_notification
from orders.notifications import NotificationRefused, mark_read, resend_notification
from orders.selectors.notifications import find_feed, look_at_item, read_text
from orders.waking import WAKE_UPS
from providers.types import LineState
from tests.orders.making import make_user
from tests.orders.telling import GB, make_told_line, report, tell

pytestmark = pytest.mark.django_db


class Server(BaseEmailBackend):
    """A mail server that does what a test has ordered, mail by mail; afterwards it takes everything."""

    todo: ClassVar[list[Exception | None]] = []
    at_door: ClassVar[list[Exception | None]] = []
    taken: ClassVar[list[EmailMessage]] = []

    def open(self) -> bool:
        if Server.at_door and (error := Server.at_door.pop(0)) is not None:
            raise error
        return True

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        error = Server.todo.pop(0) if Server.todo else None
        if error is not None:
            raise error
        Server.taken.extend(email_messages)
        return len(email_messages)


@pytest.fixture
def server(settings: Settings) -> type[Server]:
    settings.EMAIL_BACKEND = "tests.orders.test_notices_sending.Server"
    Server.todo, Server.at_door, Server.taken = [], [], []
    return Server


def make_planned() -> Notification:
    """One that is due: a line is over. It carries the line's link."""
    report(make_told_line(), state=LineState.EXPIRED, total_used_bytes=GB)
    plan_notifications()
    return Notification.objects.get()


def make_due(row: Notification) -> None:
    Notification.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now())


NOT_TAKEN: list[Any] = [
    smtplib.SMTPDataError(451, b"try again"),
    smtplib.SMTPRecipientsRefused({"aiko@example.jp": (450, b"greylisted")}),
    smtplib.SMTPSenderRefused(421, b"busy", "desk@example.com"),
    # Before the message went: whatever that was, it was no yes.
    smtplib.SMTPSenderRefused(-1, b"???", "desk@example.com"),
]
FINAL: list[Any] = [
    smtplib.SMTPDataError(554, b"spam"),
    smtplib.SMTPRecipientsRefused({"aiko@example.jp": (550, b"no such user")}),
]
UNCERTAIN: list[Any] = [
    smtplib.SMTPServerDisconnected("Connection unexpectedly closed"),
    smtplib.SMTPDataError(-1, b"???"),
    smtplib.SMTPDataError(251, b"not 250"),
    smtplib.SMTPDataError(354, b"go on"),
    TimeoutError("timed out"),
    ConnectionResetError("reset"),
    KeyError("a way to send that fails in its own way"),
]


@pytest.mark.parametrize("error", NOT_TAKEN)
def test_what_was_not_taken_is_tried_again(error: Exception, server: type[Server]) -> None:
    row = make_planned()
    server.todo = [error]
    begun = timezone.now()
    assert send_due_notifications() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.sent_at) == ("planned", 1, None)
    assert row.next_attempt_at is not None
    assert WAITS[0] <= row.next_attempt_at - begun < WAITS[0] + timedelta(seconds=30)
    assert not LineLink.objects.exists()
    make_due(row)
    assert send_due_notifications() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error, len(server.taken)) == ("sent", 2, "", 1)
    assert LineLink.objects.count() == 1


def test_a_server_that_is_away_is_asked_again_with_growing_waits_and_then_it_has_failed(server: type[Server]) -> None:
    row = make_planned()
    server.at_door = [ConnectionRefusedError("nobody there")] * 7
    waits = []
    for _ in range(7):
        make_due(row)
        begun = timezone.now()
        send_due_notifications()
        row.refresh_from_db()
        waits.append(round((row.next_attempt_at - begun).total_seconds() / 60) if row.next_attempt_at else None)
    assert waits == [1, 5, 30, 120, 360, 720, None]
    assert (row.state, row.attempts) == ("failed", 7)
    assert row.error == "The mail server cannot be reached (ConnectionRefusedError)."
    assert server.taken == []


@pytest.mark.parametrize("error", FINAL)
def test_a_final_no_is_not_tried_again(error: Exception, server: type[Server]) -> None:
    row = make_planned()
    server.todo = [error]
    send_due_notifications()
    row.refresh_from_db()
    assert (row.state, row.next_attempt_at, row.attempts) == ("failed", None, 1)
    assert send_due_notifications() == 0


@pytest.mark.parametrize("error", UNCERTAIN)
def test_what_may_have_been_taken_is_never_sent_again_by_itself(error: Exception, server: type[Server]) -> None:
    row = make_planned()
    server.todo = [error]
    send_due_notifications()
    row.refresh_from_db()
    assert (row.state, row.next_attempt_at) == ("uncertain", None)
    assert not WAKE_UPS["messages"].is_due()
    assert send_due_notifications() == 0
    # If it did arrive, its link works.
    assert LineLink.objects.count() == 1


def test_a_worker_that_died_leaves_a_word_and_no_second_mail(server: type[Server]) -> None:
    row = make_planned()
    assert notice_sending.claim_notification(row.pk)
    assert send_due_notifications() == 0
    Notification.objects.update(deadline_at=F("deadline_at") - timedelta(hours=1))
    assert WAKE_UPS["messages"].is_due()
    assert send_due_notifications() == 0
    row.refresh_from_db()
    assert (row.state, row.error) == ("uncertain", "The worker died while it was being sent.")
    assert server.taken == []


def test_a_row_is_sent_once_however_often_it_is_asked_for(server: type[Server]) -> None:
    row = make_planned()
    assert [send_notification(notification_id=row.pk) for _ in range(3)] == [True, False, False]
    assert len(server.taken) == 1


def test_the_message_id_is_the_rows() -> None:
    row = make_planned()
    tell()
    assert mail.outbox[0].extra_headers["Message-ID"] == message_id(row)
    assert message_id(row).endswith("@roamdesk.example>")
    assert mail.outbox[0].extra_headers["Auto-Submitted"] == "auto-generated"


# -- again ------------------------------------------------------------------------------------------------------------

KEY = UUID("6f2d6c7e-5b1c-4c0b-9a61-0a4f3a8f1b11")


def test_again_says_the_same_with_a_fresh_link() -> None:
    row = make_planned()
    tell()
    Customer.objects.update(email="new@example.jp")
    Esim.objects.update(lpa="LPA:1$other$code")
    seller = make_user("orders.resend_notification")
    again = resend_notification(notification=row, form_key=KEY, by=seller)
    assert resend_notification(notification=row, form_key=KEY, by=seller) == again
    assert (again.resent_of_id, again.asked_by, again.address) == (row.pk, seller.email, "new@example.jp")
    send_due_notifications()
    first, second = mail.outbox
    assert (first.subject, second.to) == (second.subject, ["new@example.jp"])
    old, new = (next(word for word in message.body.split() if "/l/" in word) for message in mail.outbox)
    assert old != new
    assert first.body.replace(old, "") == second.body.replace(new, "")
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]
    assert LineLink.objects.count() == 2


def test_again_is_refused_while_it_goes_by_itself_or_has_nowhere_to_go() -> None:
    row = make_planned()
    seller = make_user("orders.resend_notification")
    with pytest.raises(NotificationRefused, match="goes by itself"):
        resend_notification(notification=row, form_key=uuid4(), by=seller)
    tell()
    Customer.objects.update(email="")
    with pytest.raises(NotificationRefused, match="no e-mail address"):
        resend_notification(notification=row, form_key=uuid4(), by=seller)
    with pytest.raises(PermissionDenied):
        resend_notification(notification=row, form_key=uuid4(), by=make_user())
    assert Notification.objects.count() == 1


def test_what_was_skipped_goes_once_there_is_an_address() -> None:
    report(make_told_line(customer={"email": ""}), state=LineState.EXPIRED)
    tell()
    row = Notification.objects.get()
    Customer.objects.update(email="late@example.jp")
    resend_notification(notification=row, form_key=KEY, by=make_user("orders.resend_notification"))
    send_due_notifications()
    assert [message.to for message in mail.outbox] == [["late@example.jp"]]


# -- the app's feed, and SMS ------------------------------------------------------------------------------------------


def test_the_feed_holds_each_telling_once_and_only_the_customers_own() -> None:
    row = make_planned()
    tell()
    resend_notification(notification=row, form_key=KEY, by=make_user("orders.resend_notification"))
    customer = Customer.objects.get()
    item = look_at_item(find_feed(customer).get())
    assert (item.id, item.kind, item.subject, item.is_read) == (row.pk, "ended", "Your eSIM is over", False)
    assert item.paragraphs[0].startswith("The time of your eSIM")
    stranger = Customer.objects.create(name="B")
    assert not find_feed(stranger).exists()
    assert mark_read(customer=stranger, ids=[row.pk]) == 0
    assert [mark_read(customer=customer, ids=[row.pk]) for _ in range(2)] == [1, 0]
    assert look_at_item(find_feed(customer).get()).is_read


def test_staff_see_the_text_without_links() -> None:
    row = make_planned()
    assert "(a link that is made when it is sent)" in read_text(row)
    assert "[[line" not in read_text(row)


def test_an_sms_goes_as_an_action_of_the_line_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.NOTIFICATION_SMS = ["usage"]
    monkeypatch.setattr("esims.actions.offers", lambda _slug, _capability: True)
    esim = make_told_line()
    report(esim, total_used_bytes=GB * 85 // 100)
    tell()
    action = LineAction.objects.get()
    assert (action.kind, action.esim_id, action.requested_by) == ("sms", esim.pk, None)
    # Whoever reads the database, or the line's page, opens no line with it.
    assert action.message == f"Roamdesk: 80 % of your data is used [[line:{esim.pk}]]"
    assert action.shown_message == "Roamdesk: 80 % of your data is used (a link that is made when it is sent)"
    row = Notification.objects.get(channel="sms")
    assert (row.state, row.facts["action"]) == ("sent", action.pk)
    assert not LineLink.objects.filter(made_for__startswith=f"notification:{row.pk}:").exists()


def test_an_sms_waits_while_something_else_is_under_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.NOTIFICATION_SMS = ["usage"]
    monkeypatch.setattr("esims.actions.offers", lambda _slug, _capability: True)
    esim = make_told_line()
    LineAction.objects.create(esim=esim, kind="suspend")
    report(esim, total_used_bytes=GB * 85 // 100)
    tell()
    row = Notification.objects.get(channel="sms")
    assert (row.state, row.attempts, LineAction.objects.count()) == ("planned", 1, 1)
    assert not LineLink.objects.filter(made_for__startswith=f"notification:{row.pk}:").exists()
