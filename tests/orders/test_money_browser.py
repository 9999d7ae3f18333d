"""Payments that do not fit and customer credit in a real browser: they fit, in both themes and widths, and on paper."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from config.context_processors import THEME_COOKIE
from orders.credit_accounts import adjust_account, close_account, receive_payment, set_terms
from orders.credit_statements import issue_statement
from orders.models import CreditStatement
from tests.browser import Console, Theme, find_faults_of, take_picture
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, order_plan
from tests.orders.test_capturing import come, make_order
from tests.orders.test_credit import charge, make_credit, make_manager
from tests.orders.test_expiring import make_overdue

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def office(wholesaler: Wholesaler, settings: Settings) -> Iterator[dict[str, str]]:
    """Money that fits and money that does not. Page → its address."""
    settings.ISSUER_NAME = "Fjord Desk Ltd."
    settings.ISSUER_ADDRESS = "12 Harbour Street\nBergen 5003"
    settings.ISSUER_REGISTRATION = "NO 912 345 678 MVA"
    firm = make_customer(name="Ingrid Larsen", company="Fjord Tours", email="travel@fjordtours.example")
    staff, account = make_manager(), make_credit("2500", customer=firm)
    charge(account, 8)
    receive_payment(
        account=account, amount=Decimal(40), method="transfer", reference="B-4711", form_key=uuid.uuid4(), by=staff
    )
    adjust_account(account=account, amount=Decimal("-2.5"), why="Agreed by telephone", form_key=uuid.uuid4(), by=staff)
    statement = issue_statement(account=account, by=staff)
    CreditStatement.objects.update(due_on=timezone.localdate() - timedelta(days=3))
    charge(account, 12)
    set_terms(account=account, credit_limit=Decimal(3000), payment_days=14, why="A good customer", by=staff)
    other = make_credit("50", currency="JPY")
    close_account(account=other, why="Pays late", by=staff)
    short, late, foreign = (
        come(make_order(), "5"),
        come(make_order("expired"), "12"),
        come(make_order("buying"), "9", "EUR"),
    )
    overdue = make_overdue(order_plan(make_fake_plan(), 2, customer=firm))
    yield {
        "payments": "/payments/",
        "payment-late": f"/payments/{late.pk}/",
        "payment-buy": f"/payments/{late.pk}/buy/",
        "payment-give-back": f"/payments/{short.pk}/give-back-and-cancel/",
        "order-short": f"/orders/{short.order_id}/",
        "order-late": f"/orders/{late.order_id}/",
        "order-foreign": f"/orders/{foreign.order_id}/",
        "order-on-credit": f"/orders/{overdue.pk}/",
        "order-came": f"/orders/{short.order_id}/came/",
        "order-wait": f"/orders/{overdue.pk}/wait/",
        "credit-list": "/credit/",
        "credit": f"/credit/{account.pk}/",
        "credit-payment": f"/credit/{account.pk}/payment/",
        "credit-adjust": f"/credit/{account.pk}/adjust/",
        "credit-new": f"/customers/{firm.pk}/credit/",
        "statement": f"/statements/{statement.pk}/",
        "customer-credit": f"/customers/{firm.pk}/",
    }


@pytest.mark.looks
def test_every_page_fits_and_is_accessible(console: Console, office: dict[str, str]) -> None:
    page = console.open("/me/", enforce_csp=False)
    found = find_faults_of(page, office, "money")
    assert found == []


#: Every colour of text, and of what lies behind it, that is printed; what is transparent shows what lies behind.
_COLOURS = """() => {
  const ink = new Set(), ground = new Set([getComputedStyle(document.body).backgroundColor]);
  for (const node of document.querySelectorAll("h1, .statement, .statement *")) {
    const style = getComputedStyle(node);
    if (node.checkVisibility() && node.textContent.trim()) ink.add(style.color);
    if (!style.backgroundColor.endsWith(", 0)")) ground.add(style.backgroundColor);
  }
  return { ink: [...ink], ground: [...ground] };
}"""


def test_a_statement_prints_as_a_letter(console: Console, office: dict[str, str]) -> None:
    """Black on white, whatever theme was chosen by hand, and whatever the system's is."""
    page = console.open(office["statement"])
    looks: tuple[tuple[Theme, Theme], ...] = (("dark", "light"), ("dark", "dark"), ("light", "dark"))
    for chosen, system in looks:
        page.context.add_cookies([{"name": THEME_COOKIE, "value": chosen, "url": console.base_url}])
        page.emulate_media(media="screen", color_scheme=system)
        page.reload()
        on_screen = page.evaluate(_COLOURS)["ground"]
        assert ("rgb(255, 255, 255)" in on_screen) == (chosen == "light")
        take_picture(page, f"money-statement-{chosen}-{system}")
        page.emulate_media(media="print", color_scheme=system)
        take_picture(page, f"money-statement-{chosen}-{system}-print")
        assert page.evaluate(_COLOURS) == {"ink": ["rgb(0, 0, 0)"], "ground": ["rgb(255, 255, 255)"]}
    page.context.clear_cookies(name=THEME_COOKIE)
    page.reload()
    assert page.evaluate(_COLOURS) == {"ink": ["rgb(0, 0, 0)"], "ground": ["rgb(255, 255, 255)"]}
    for hidden in (".topbar", ".side", ".actions", ".crumbs", ".footer"):
        assert not page.locator(hidden).first.is_visible()
    assert page.get_by_role("heading", name="Statement CS-").is_visible()
    assert page.get_by_text("Fjord Desk Ltd.").is_visible()
