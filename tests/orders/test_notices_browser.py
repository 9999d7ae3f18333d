"""Notifications, the customer's page and the mail itself in a real browser, in both themes and widths."""

import re
from pathlib import Path

import pytest

from esims.links import make_links
from orders.models import Notification
from orders.notice_content import Content
from tests.browser import LOOKS, Console, Theme, Viewport, check_accessibility, check_width
from tests.orders.fakes import Wholesaler
from tests.orders.telling import MB, make_told_line, report, tell
from tests.orders.test_notices_orders import deliver, sell
from tests.orders.test_notices_pages import make_rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.looks
def test_every_page_fits_and_is_accessible(console: Console, wholesaler: Wholesaler, screenshots: Path) -> None:
    make_rows()
    order = sell(1)
    (line,) = deliver(order)
    used = make_told_line(customer={"name": "Ben", "email": "ben@example.com", "language": "ja"})
    report(used, total_used_bytes=850 * MB)
    tell()
    ready = Notification.objects.get(kind="order_ready")
    links = make_links(esim_ids=[line.pk, used.pk], made_for="test")
    letter = screenshots.resolve() / "mail.html"
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
    found: list[str] = []
    for viewport, theme in LOOKS:
        found += _look(console, pages, viewport, theme, screenshots)
    # The link that does not work is answered with 404, which the browser's console notes; files have no host.
    troubles = [trouble for trouble in console.forget_troubles() if "404" not in trouble and "file:" not in trouble]
    assert found + troubles == []


def _look(console: Console, pages: dict[str, str], viewport: Viewport, theme: Theme, screenshots: Path) -> list[str]:
    page = console.open("/me/", viewport=viewport, theme=theme, enforce_csp=False)
    found: list[str] = []
    for name, address in pages.items():
        page.goto(address)
        page.wait_for_load_state("load")
        page.screenshot(path=screenshots / f"notices-{name}-{viewport.width}-{theme}.png", full_page=True)
        found += [f"{name}, {theme}: {fault}" for fault in check_accessibility(page)]
        if wider := check_width(page):
            found.append(f"{name}: {wider} px too wide at {viewport.width}")
    return found
