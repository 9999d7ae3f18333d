"""What customers hear of their orders: the lines with codes that scan, top-ups, replacements, money that goes back."""

from email.mime.image import MIMEImage
from io import BytesIO

import pytest
import zxingcpp
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from PIL import Image
from pytest_django import Settings

from esims.lifecycle import apply_snapshot
from esims.links import find_link
from esims.models import Esim, LineLink
from orders.delivering import deliver_snapshots
from orders.models import Notification, Order, OrderEvent, OrderLine, Purchase
from orders.notice_content import Content
from orders.notice_planning import take_order_events
from orders.purchasing import run_purchase
from orders.states import lock_purchase
from providers.types import LineState
from tests.esims.making import make_line, make_snapshot
from tests.orders.desk import buy
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, order_plan, pay
from tests.orders.telling import subjects, tell

pytestmark = pytest.mark.django_db


def sell(quantity: int = 2, *, slug: str = "fake", **customer: object) -> Order:
    """A paid order of a customer with an address."""
    told = {"name": "Aiko Tanaka", "email": "aiko@example.jp", **customer}
    order = order_plan(make_fake_plan(slug), quantity, customer=make_customer(**told))
    pay(order)
    return order


def deliver(order: Order) -> list[Esim]:
    for purchase in Purchase.objects.filter(order_line__order=order):
        run_purchase(purchase_id=purchase.pk)
    lines = Esim.objects.filter(purchased__purchase__order_line__order=order)
    return list(lines.order_by("pk"))


def pictures() -> list[bytes]:
    """The PNGs of the only mail, in their order."""
    (message,) = mail.outbox
    found = []
    for part in message.message().walk():
        if part.get_content_type() == "image/png":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append(payload)
    return found


def scan(picture: bytes) -> str:
    code = zxingcpp.read_barcode(Image.open(BytesIO(picture)))
    assert code is not None
    text: str = code.text
    return text


def test_an_order_is_told_once_with_codes_that_scan(wholesaler: Wholesaler) -> None:
    order = sell(2)
    lines = deliver(order)
    assert tell() == [f"ready:order:{order.pk}:0"]
    OrderEvent.objects.filter(order=order).update(awaits_notice=True)
    assert tell() == [f"ready:order:{order.pk}:0"]
    (message,) = mail.outbox
    assert (message.subject, message.to) == ("Your 2 eSIMs are ready", ["aiko@example.jp"])
    # Each code stands in the message and lies beside it.
    assert [scan(picture) for picture in pictures()] == [line.lpa for line in lines for _ in range(2)]
    for line in lines:
        assert f"carddata={line.lpa}" in message.body


def test_the_html_asks_nobody_for_anything(wholesaler: Wholesaler) -> None:
    order = sell(1)
    (line,) = deliver(order)
    tell()
    html = _html()
    assert '<html lang="en">' in html
    assert f'src="cid:esim-{line.pk}@roamdesk"' in html
    assert html.count("<img") == 1
    assert "<link" not in html
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert "prefers-color-scheme: dark" in html
    ids = [part["Content-ID"] for part in mail.outbox[0].message().walk() if part["Content-ID"]]
    assert ids == [f"<esim-{line.pk}@roamdesk>"]
    assert any(isinstance(attachment, MIMEImage) for attachment in mail.outbox[0].attachments)


def _html() -> str:
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    (alternative,) = message.alternatives
    return str(alternative[0])


def test_the_links_in_it_work_and_only_their_digest_is_kept(wholesaler: Wholesaler) -> None:
    order = sell(1)
    (line,) = deliver(order)
    tell()
    address = next(word for word in mail.outbox[0].body.split() if "/l/" in word)
    token = address.rstrip("/").rpartition("/")[2]
    link = find_link(token)
    assert link is not None
    assert link.esim == line
    assert len(token) == 43
    assert not any(token in str(value) for value in LineLink.objects.values().get().values())
    assert address in _html()
    assert "[[line" not in mail.outbox[0].body + _html()


def test_the_language_is_the_customers(wholesaler: Wholesaler) -> None:
    order = sell(1, name="佐藤花子", language="ja")
    deliver(order)
    tell()
    row = Notification.objects.get()
    assert row.language == "ja"
    assert '<html lang="ja">' in _html()
    # The guide in Japanese is the guide of the line's page.
    assert "機内モード" in mail.outbox[0].body
    assert mail.outbox[0].extra_headers["Content-Language"] == "ja"


@pytest.mark.parametrize("told", ["", "xx"])
def test_who_told_no_language_is_written_to_in_the_houses(
    told: str, wholesaler: Wholesaler, settings: Settings
) -> None:
    settings.NOTIFICATION_LANGUAGE = "ja"
    deliver(sell(1, language=told))
    tell()
    assert Notification.objects.get().language == "ja"


def test_many_lines_come_by_their_links(wholesaler: Wholesaler, settings: Settings) -> None:
    settings.NOTIFICATION_QR_LINES = 2
    order = sell(4)
    lines = deliver(order)
    tell()
    assert [scan(picture) for picture in pictures()] == [line.lpa for line in lines[:2] for _ in range(2)]
    assert mail.outbox[0].body.count("/l/") == 4
    assert lines[1].lpa in mail.outbox[0].body
    assert lines[2].lpa not in mail.outbox[0].body


def test_codes_are_encrypted_at_rest(wholesaler: Wholesaler) -> None:
    order = sell(1)
    (line,) = deliver(order)
    tell()
    with connection.cursor() as cursor:
        cursor.execute("SELECT content, facts, subject FROM orders_notification")
        stored = str(cursor.fetchall())
    assert line.lpa not in stored
    content = Content.unpack(Notification.objects.get().content)
    assert line.lpa in content.secrets
    assert not any(line.lpa in paragraph for paragraph in content.paragraphs)


def test_lines_without_a_code_are_waited_for(wholesaler: Wholesaler) -> None:
    order = sell(2)
    lines = deliver(order)
    Esim.objects.filter(pk=lines[1].pk).update(lpa="", matching_id="", state=LineState.PROVISIONING)
    assert tell() == []
    assert not OrderEvent.objects.filter(awaits_notice=True).exists()
    snapshot = make_snapshot(lines[1].provider_ref, state_as_of=lines[1].state_as_of)
    apply_snapshot(esim_id=lines[1].pk, snapshot=snapshot, by="refresh")
    assert tell() == [f"ready:order:{order.pk}:0"]
    assert len(pictures()) == 4


def test_what_comes_later_is_told_by_itself(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("ok", "refused")
    order = sell(2, slug="fake-single")
    deliver(order)
    tell()
    assert Order.objects.get(pk=order.pk).state == "partial"
    assert sorted(subjects()) == ["We owe you 6.00\u00a0USD", "Your eSIM is ready"]
    assert "1 eSIM of the order could not be delivered" in "".join(str(message.body) for message in mail.outbox)
    refused = Purchase.objects.get(order_line__order=order, state="rejected")
    with transaction.atomic():
        deliver_snapshots(lock_purchase(refused.pk), [make_snapshot()], by="test")
    late = Esim.objects.get(purchased__purchase=refused)
    assert f"ready:order:{order.pk}:1" in tell()
    assert Notification.objects.get(key=f"ready:order:{order.pk}:1").facts == {"esims": [late.pk]}


def test_a_replacement_is_called_one(wholesaler: Wholesaler) -> None:
    faulty = make_line()
    order = sell(1)
    OrderLine.objects.filter(order=order).update(replaces=faulty)
    deliver(order)
    tell()
    assert subjects() == ["Your replacement eSIM is ready"]
    assert f"in place of {faulty.label}" in " ".join(mail.outbox[0].body.split())


def test_an_unpaid_or_lost_order_tells_nothing(wholesaler: Wholesaler) -> None:
    order_plan(make_fake_plan(), 1, customer=make_customer(email="a@example.com"))
    wholesaler.plan_orders("lost_before")
    buy(1)
    assert tell() == []
    assert take_order_events() == 0


def test_a_name_cannot_ask_for_another_lines_link(wholesaler: Wholesaler) -> None:
    other = make_line()
    deliver(sell(1, name=f"[[line:{other.pk}]]"))
    tell()
    assert not LineLink.objects.filter(esim=other).exists()
    assert f"Dear [[line:{other.pk}]]," in mail.outbox[0].body
