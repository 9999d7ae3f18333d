"""The console's pages of notifications."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from esims.links import make_links
from esims.models import Esim, LineLink
from orders.models import NoticeChoice, Notification, OrderLine
from orders.notice_sending import send_due_notifications
from providers.types import LineState
from tests.orders.desk import sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_user
from tests.orders.telling import make_told_line, report, tell
from tests.orders.test_notices_orders import deliver, sell
from tests.pages import assert_clean_page

pytestmark = pytest.mark.django_db
STATES = ("planned", "sending", "sent", "uncertain", "failed", "skipped")


def make_rows() -> list[Notification]:
    """One in each state."""
    for number, state in enumerate(STATES):
        customer = {"name": f"Customer {state}", "email": "" if state == "skipped" else f"{number}@example.com"}
        report(make_told_line(customer=customer), state=LineState.EXPIRED)
    tell()
    rows = list(Notification.objects.order_by("pk"))
    for row, state in zip(rows, STATES, strict=True):
        error = "The worker died while it was being sent." if state == "uncertain" else row.error
        Notification.objects.filter(pk=row.pk).update(state=state, error=error)
    return rows


def test_the_list_shows_what_is_asked_for() -> None:
    make_rows()
    client = sign_in("orders.view_notification")
    page = client.get("/notifications/")
    assert_clean_page(page)
    assert all(f"Customer {state}" in page.content.decode() for state in STATES)
    failed = client.get("/notifications/?state=failed&kind=ended").content.decode()
    assert "Customer failed" in failed
    assert "Customer sent" not in failed
    assert "No notifications" in client.get("/notifications/?kind=usage").content.decode()
    assert client.get("/notifications/?state=nonsense&kind=x&after=zzz").status_code == 200


def test_the_list_costs_the_same_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_rows()
    client = sign_in("orders.view_notification")
    client.get("/notifications/")
    with django_assert_num_queries(6):
        client.get("/notifications/")
    report(make_told_line(customer={"name": "One more"}), state=LineState.EXPIRED)
    tell()
    with django_assert_num_queries(6):
        client.get("/notifications/")


def test_codes_are_hidden_on_the_page(wholesaler: Wholesaler) -> None:
    (line,) = deliver(sell(1))
    tell()
    row = Notification.objects.get()
    html = sign_in_as(make_user(is_superuser=True)).get(f"/notifications/{row.pk}/").content.decode()
    assert line.lpa not in html
    assert "••••" in html
    assert "Your eSIM is ready" in html


def test_sending_again_by_the_button_is_one_however_often_it_is_clicked() -> None:
    row = make_rows()[2]
    client = sign_in("orders.view_notification", "orders.resend_notification")
    page = client.get(f"/notifications/{row.pk}/")
    assert_clean_page(page)
    key = re.search(r'name="form_key" value="([^"]+)"', page.content.decode())
    assert key
    mail.outbox.clear()
    for _ in range(2):
        answer = client.post(f"/notifications/{row.pk}/again/", {"form_key": key[1]}, follow=True)
        assert "It is sent again" in answer.content.decode()
    send_due_notifications()
    assert len(mail.outbox) == 1
    assert client.post(f"/notifications/{row.pk}/again/", {"form_key": "x"}, follow=True).status_code == 200
    assert Notification.objects.filter(resent_of=row).count() == 1


def test_sending_again_needs_the_permission() -> None:
    row = make_rows()[2]
    client = sign_in("orders.view_notification")
    assert "again/" not in client.get(f"/notifications/{row.pk}/").content.decode()
    assert client.post(f"/notifications/{row.pk}/again/", {"form_key": uuid4()}).status_code == 403
    assert client.get(f"/notifications/{row.pk}/again/").status_code == 405
    assert not Notification.objects.exclude(resent_of=None).exists()


def test_who_may_only_sell_sends_nothing_again() -> None:
    row = make_rows()[2]
    assert sign_in("orders.sell").post(f"/notifications/{row.pk}/again/", {"form_key": uuid4()}).status_code == 403
    assert not Notification.objects.exclude(resent_of=None).exists()


def test_codes_of_lines_that_are_over_are_not_handed_over_again(wholesaler: Wholesaler) -> None:
    lines = deliver(sell(2))
    tell()
    row = Notification.objects.get()
    client = sign_in("orders.view_notification", "orders.resend_notification")
    path = f"/notifications/{row.pk}/"
    warning = "Of its lines these are over or were replaced"
    assert warning not in client.get(path).content.decode()
    Esim.objects.filter(pk=lines[0].pk).update(state=LineState.CANCELLED)
    page = client.get(path)
    assert_clean_page(page)
    shown = " ".join(page.content.decode().split("Sending", 1)[1].split())
    assert warning in shown
    assert lines[0].label in shown
    assert lines[1].label not in shown
    assert f"{path}again/" in page.content.decode()
    OrderLine.objects.filter(order=sell(1, email="other@example.jp")).update(replaces=lines[1])
    html = client.get(path).content.decode()
    assert "it would hand over what is of no use any more." in html
    assert f"{path}again/" not in html
    mail.outbox.clear()
    client.post(f"{path}again/", {"form_key": uuid4()})
    send_due_notifications()
    assert mail.outbox == []
    assert Notification.objects.filter(resent_of=row).count() == 0


def test_a_message_to_a_colleague_is_the_colleagues() -> None:
    colleague = make_user()
    row = Notification.objects.create(
        audience="staff",
        kind="low_balance",
        channel="email",
        key="k",
        user=colleague,
        language="en",
        subject="Low",
        content=b'{"text":"t","html":"","paragraphs":[],"sms":"","lines":[],"codes":[],"secrets":[]}',
        state="sent",
        created_at=timezone.now(),
    )
    Notification.objects.filter(pk=row.pk).update(state="failed")
    stranger, boss = sign_in("orders.view_notification"), sign_in_as(make_user(is_superuser=True))
    colleague.user_permissions.add(Permission.objects.get(codename="view_notification"))
    assert stranger.get(f"/notifications/{row.pk}/").status_code == 404
    for client, sees in ((stranger, False), (sign_in_as(colleague), True), (boss, True)):
        html = client.get("/notifications/").content.decode()
        assert (f'href="/notifications/{row.pk}/"' in html, '<span class="count">1</span>' in html) == (sees, sees)


def test_order_line_and_customer_show_what_was_told(wholesaler: Wholesaler) -> None:
    order = sell(1, email="")
    (line,) = deliver(order)
    tell()
    client = sign_in_as(make_user(is_superuser=True))
    for path in (f"/orders/{order.pk}/", f"/customers/{order.customer_id}/", f"/esims/{line.pk}/notifications/"):
        page = client.get(path)
        assert_clean_page(page)
        html = page.content.decode()
        assert "Your eSIM is ready" in html, path
        assert "The customer has no e-mail address." in html, path
    assert f'href="/esims/{line.pk}/notifications/"' in client.get(f"/esims/{line.pk}/").content.decode()


def test_links_are_revoked_after_a_question() -> None:
    esim = make_told_line()
    make_links(esim_ids=[esim.pk], made_for="test")
    boss = sign_in("esims.revoke_links", "esims.view_esim", "orders.view_notification")
    page = boss.get(f"/esims/{esim.pk}/links/revoke/")
    assert_clean_page(page)
    assert "1 link works now." in page.content.decode()
    assert LineLink.objects.filter(revoked_at=None).count() == 1
    answer = boss.post(f"/esims/{esim.pk}/links/revoke/", follow=True)
    assert "1 link no longer works." in answer.content.decode()
    assert not LineLink.objects.filter(revoked_at=None).exists()


def test_revoking_needs_its_permission() -> None:
    esim = make_told_line()
    make_links(esim_ids=[esim.pk], made_for="test")
    assert sign_in("esims.view_esim", "orders.sell").post(f"/esims/{esim.pk}/links/revoke/").status_code == 403
    assert LineLink.objects.filter(revoked_at=None).count() == 1


def test_people_choose_among_what_they_would_be_told() -> None:
    user = make_user("orders.reconcile", "providers.handle_delivery")
    client = sign_in_as(user)
    page = client.get("/notifications/mine/")
    assert_clean_page(page)
    assert "webhook parked" in page.content.decode()
    assert "balance low" not in page.content.decode()
    client.post("/notifications/mine/", {"wanted": ["unknown_purchase"]})
    assert NoticeChoice.objects.get(user=user).off == ["parked_delivery"]
    assert client.post("/notifications/mine/", {"wanted": ["low_balance"]}).status_code == 422
    assert NoticeChoice.objects.get(user=user).off == ["parked_delivery"]
    assert "Nothing to choose" in sign_in().get("/notifications/mine/").content.decode()


@pytest.mark.parametrize("path", ["/notifications/", "/notifications/mine/", "/notifications/1/"])
def test_strangers_are_asked_to_sign_in(path: str) -> None:
    assert Client().get(path).status_code == 302


@pytest.mark.parametrize("path", ["/notifications/9/", "/esims/9/notifications/", "/esims/9/links/revoke/"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert sign_in_as(make_user(is_superuser=True)).get(path).status_code == 404


def test_the_admin_shows_rows_without_their_contents() -> None:
    row = make_rows()[0]
    client = sign_in_as(make_user(is_superuser=True))
    assert client.get("/admin/orders/notification/").status_code == 200
    page = client.get(f"/admin/orders/notification/{row.pk}/change/")
    assert page.status_code == 200
    assert "Dear Customer" not in page.content.decode()
    assert client.get("/admin/orders/notification/add/").status_code == 403
