"""Notifications, the customer's page and the mail itself in a real browser, in both themes and widths."""

import re
from pathlib import Path

import pytest

from esims.links import make_links
from orders.models import Notification
from orders.notice_content import Content
from tests.browser import LOOKS, Console, find_faults_of
from tests.orders.fakes import Wholesaler
from tests.orders.telling import MB, make_told_line, report, tell
from tests.orders.test_notices_orders import deliver, sell
from tests.orders.test_notices_pages import make_rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.looks
def test_every_page_fits_and_is_accessible(console: Console, wholesaler: Wholesaler, tmp_path: Path) -> None:
    make_rows()
    order = sell(1)
    (line,) = deliver(order)
    used = make_told_line(customer={"name": "Ben", "email": "ben@example.com", "language": "ja"})
    report(used, total_used_bytes=850 * MB)
    tell()
    ready = Notification.objects.get(kind="order_ready")
    links = make_links(esim_ids=[line.pk, used.pk], made_for="test")
    letter = tmp_path / "mail.html"
    # Pictures are parts of the message, which a file does not have.
    letter.write_text(re.sub(r'src="cid:[^"]*"', 'src="data:,"', Content.unpack(ready.content).html))
    pages = {
        "list": "/notifications/",
        "detail": f"/notifications/{ready.pk}/",
        "mine": "/notifications/mine/",
        "line": f"/esims/{line.pk}/notifications/",
        "revoke": f"/esims/{line.pk}/links/revoke/",
        "order": f"/orders/{order.pk}/",
        "customer": f"/customers/{order.customer_id}/",
        "link": links[line.pk].removeprefix("http://127.0.0.1:8000"),
        "link-used": links[used.pk].removeprefix("http://127.0.0.1:8000"),
        "link-gone": "/l/nothing/",
        "mail": letter.as_uri(),
    }
    page = console.open("/me/", enforce_csp=False)
    found = find_faults_of(page, pages, "notices", looks=LOOKS)
    # The link that does not work is answered with 404, which the browser's console notes; files have no host.
    troubles = [trouble for trouble in console.forget_troubles() if "404" not in trouble and "file:" not in trouble]
    assert found + troubles == []
