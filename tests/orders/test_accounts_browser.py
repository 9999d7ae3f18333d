"""A wholesaler's account, its calls to us and the top-up page in a real browser."""

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from orders.models import OrderLine
from providers.models import BalanceReading, ProviderAccount, ProviderRegion
from tests.browser import Console, find_faults, find_faults_of
from tests.orders.fakes_lines import Allocator
from tests.orders.test_pages_accounts import account, deliver, make_line  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.looks
def test_pages_fit_and_are_accessible(console: Console, allocator: Allocator) -> None:
    wholesaler = ProviderAccount.objects.get(slug="fake-calls")
    ProviderAccount.objects.update(low_balance=Decimal(50), webhook_address="https://desk.example/hooks/fake-calls/")
    now = timezone.now()
    for amount in ("60.00", "42.50"):
        BalanceReading.objects.create(account=wholesaler, at=now, amount=Decimal(amount), currency="USD")
    ProviderRegion.objects.create(account=wholesaler, code="EU-2", name="Two of Europe", is_multi=True, seen_at=now)
    row = deliver({"id": "n1", "kind": "something_new", "ref": "26000000000000"})
    esim = make_line(allocator)
    pages = {
        "account": "/providers/fake-calls/",
        "deliveries": "/webhooks/",
        "delivery": f"/webhooks/{row.pk}/",
        "top-up": f"/esims/{esim.pk}/top-up/",
    }
    page = console.open("/me/", enforce_csp=False)
    found = find_faults_of(page, pages, "accounts")
    # Nothing chosen: it is said, and the page is as sound as before.
    page.get_by_role("button", name="Top up", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("Please put this right")
    found += find_faults(page, "accounts-top-up-faulty")
    troubles = [trouble for trouble in console.forget_troubles() if "422" not in trouble]
    assert found + troubles == []


def test_line_is_topped_up_with_the_keyboard(console: Console, allocator: Allocator) -> None:
    esim = make_line(allocator)
    page = console.open(f"/esims/{esim.pk}/top-up/")
    page.get_by_label("One more").focus()
    page.keyboard.press("Space")
    page.get_by_label("Cash").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Top up", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("is paid; the line is being topped up")).to_be_visible()
    line = OrderLine.objects.get(kind="top_up")
    assert (line.esim_id, line.plan_name, line.unit_price) == (esim.pk, "One more", Decimal("3.0000"))
