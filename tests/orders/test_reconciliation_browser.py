"""The queue, its evidence and the differences in a real browser, in both themes and widths."""

import pytest

from esims.models import Esim, LineAction
from orders.models import Comparison, Purchase, PurchaseAttempt
from orders.purchasing import run_purchase
from providers.models import ProviderCall
from tests.browser import Console, find_faults_of
from tests.orders.comparing import make_difference
from tests.orders.desk import buy, purchase_of
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_due

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(wholesaler: Wholesaler) -> dict[str, str]:
    """Something of everything that needs a person. Page → its address."""
    wholesaler.plan_orders("nonsense_after")
    unknown = purchase_of(buy(3, name="Korea 3 GB"))
    wholesaler.plan_orders("cut")
    asked = purchase_of(buy(2, name="Taiwan 1 GB"))
    wholesaler.plan_inquiries("fewer")
    run_purchase(purchase_id=make_due(asked).pk)
    wholesaler.plan_orders("no_balance")
    buy(2, "fake-blind", name="Singapore 1 GB")
    esim = Esim.objects.filter(purchased__purchase__order_line__order=buy(1))[0]
    action = LineAction.objects.create(
        esim=esim, kind="suspend", state="unknown", reason="Lost phone", error="The provider did not answer in time"
    )
    attempt = PurchaseAttempt.objects.get(purchase=unknown)
    ProviderCall.objects.create(
        account="fake",
        operation="order",
        method="POST",
        path="/esim/orders",
        request='{"planCode": "P0001", "quantity": 3}',
        status=200,
        reply="<html>" + "nonsense " * 40,
        outcome="unknown",
        error="The reply to the order is not JSON",
        sent_at=attempt.started_at,
        duration_ms=412,
        request_id=f"attempt-{attempt.pk}",
    )
    line = make_difference(esim=None)
    balance = make_difference("balance", amount="500", slug="fake-single")
    closed = make_difference("list_price", state="closed", verdict="known", why="A sale until Friday")
    running = Comparison.objects.create(
        account=line.account, asked_by="rika@desk.example", state="running", step="lines", done=4, total=14
    )
    return {
        "queue": "/purchases/",
        "queue-actions": "/purchases/?kind=actions",
        "purchase": f"/purchases/{unknown.pk}/",
        "purchase-asked": f"/purchases/{asked.pk}/",
        "settle": f"/actions/{action.pk}/settle/",
        "differences": "/differences/",
        "difference-line": f"/differences/{line.pk}/",
        "difference-balance": f"/differences/{balance.pk}/",
        "difference-closed": f"/differences/{closed.pk}/",
        "attach": f"/differences/{line.pk}/attach/",
        "take-over": f"/differences/{line.pk}/take-over/",
        "close": f"/differences/{balance.pk}/close/",
        "comparison": f"/comparisons/{line.run_id}/",
        "comparison-running": f"/comparisons/{running.pk}/",
        "provider": "/providers/fake/",
        "dashboard": "/",
    }


@pytest.mark.looks
def test_every_page_fits_and_is_accessible(console: Console, desk: dict[str, str]) -> None:
    page = console.open("/me/", enforce_csp=False)
    found = find_faults_of(page, desk, "recon")
    assert found == []


def test_a_reply_is_shown_in_clear_without_scripts(console: Console, wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("nonsense_after")
    purchase = purchase_of(buy(1))
    page = console.open(f"/purchases/{purchase.pk}/", scripts=False)
    page.get_by_text("Raw reply, secrets redacted").click()
    page.get_by_role("button", name="Show it in clear").press("Enter")
    assert "nonsense_after" in page.locator("pre").inner_text()
    page.get_by_role("link", name="Back to the purchase").click()
    assert page.get_by_text("A raw reply was shown in clear").count() == 1
    assert Purchase.objects.get().state == "unknown"
