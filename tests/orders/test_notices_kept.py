"""Contents of notifications are kept for a time; that somebody was told stays."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from pytest_django import Settings

from customers.models import Customer
from orders.models import Notification
from orders.notifications import NotificationRefused, resend_notification
from orders.pruning import prune_old_rows
from orders.selectors.notifications import find_feed, look_at_item
from providers.types import LineState
from tests.orders.desk import sign_in
from tests.orders.making import make_user
from tests.orders.telling import make_told_line, report, tell
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db


def make_sent() -> Notification:
    report(make_told_line(), state=LineState.EXPIRED)
    tell()
    return Notification.objects.get()


def days_pass(days: int) -> None:
    Notification.objects.update(created_at=F("created_at") - timedelta(days=days))


def test_an_old_content_is_erased_and_the_row_stays(settings: Settings) -> None:
    settings.NOTIFICATION_CONTENT_DAYS = 30
    row = make_sent()
    days_pass(29)
    assert prune_old_rows()["contents"] == 0
    days_pass(2)
    assert [prune_old_rows()["contents"] for _ in range(2)] == [1, 0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM orders_notification")
        assert cursor.fetchall() == [(None,)]
    after = Notification.objects.get()
    assert after.content_erased_at is not None
    kept = ("key", "kind", "state", "subject", "address", "sent_at", "facts", "customer_id", "esim_id")
    assert [getattr(after, name) for name in kept] == [getattr(row, name) for name in kept]


def test_nothing_is_told_again_because_its_content_is_gone(settings: Settings) -> None:
    row = make_sent()
    days_pass(settings.NOTIFICATION_CONTENT_DAYS + 1)
    prune_old_rows()
    assert tell() == [row.key]
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("state", ["planned", "sending"])
def test_what_is_still_to_be_sent_is_kept(state: str) -> None:
    row = make_sent()
    Notification.objects.update(state=state)
    days_pass(10_000)
    assert prune_old_rows()["contents"] == 0
    assert Notification.objects.get().content == row.content


def test_it_cannot_be_sent_again_and_the_page_says_why() -> None:
    row = make_sent()
    days_pass(181)
    prune_old_rows()
    with pytest.raises(NotificationRefused, match="Its content was erased"):
        resend_notification(notification=row, form_key=uuid4(), by=make_user("orders.resend_notification"))
    client = sign_in("orders.view_notification", "orders.resend_notification")
    page = client.get(f"/notifications/{row.pk}/")
    assert_clean_page(page)
    html = page.content.decode()
    assert "What it said was erased" in html
    assert "Its content was erased" in html
    assert "/again/" not in html
    client.post(f"/notifications/{row.pk}/again/", {"form_key": uuid4()})
    assert Notification.objects.count() == 1
    assert len(mail.outbox) == 1


def test_the_app_still_shows_its_subject() -> None:
    make_sent()
    days_pass(181)
    prune_old_rows()
    item = look_at_item(find_feed(Customer.objects.get()).get())
    assert (item.subject, item.paragraphs) == ("Your eSIM is over", ())
