"""Payments that do not fit, as the desk meets them: recorded as they came, shown, decided about."""

import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.expiring import expire_orders
from orders.models import Order, Payment, Purchase, Refund
from orders.payment_decisions import give_back, settle_payment
from tests.orders.desk import read_hidden, sign_in
from tests.orders.making import make_fake_plan, make_user, order_plan
from tests.orders.test_capturing import come, make_order
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]

DESK = ("orders.sell", "orders.view_order", "orders.view_payment", "orders.view_refund")
DECIDER = (*DESK, "orders.handle_payment")


def test_another_amount_is_refused_and_the_other_form_is_offered() -> None:
    order, client = make_order(), sign_in(*DESK)
    words = {"amount": "11", "method": "transfer", "reference": "B 7", "form_key": str(uuid.uuid4())}
    response = client.post(f"/orders/{order.pk}/pay/", words)
    assert_clean_page(response, status=422)
    html = response.content.decode()
    assert "The amount to be paid is exactly 12.00 USD, not 11.00 USD." in html
    link = f"/orders/{order.pk}/came/?amount=11&amp;method=transfer&amp;reference=B%207"
    assert link in html
    assert Payment.objects.count() == 0
    page = client.get(link.replace("&amp;", "&"))
    assert_clean_page(page)
    for typed in ('value="11"', 'value="B 7"', 'value="USD"', 'value="transfer"'):
        assert typed in page.content.decode()


def test_what_came_is_recorded_shown_and_counted_once() -> None:
    order, client = make_order(), sign_in(*DESK)
    url = f"/orders/{order.pk}/came/"
    hidden = read_hidden(client.get(url), "form_key")
    words = {"amount": "5.50", "currency": "usd", "method": "transfer", "reference": "B1", **hidden}
    for _ in range(2):
        response = client.post(url, words, follow=True)
        assert response.redirect_chain == [(f"/orders/{order.pk}/", 302)]
    payment = Payment.objects.get()
    assert (payment.captured_amount, payment.captured_currency, payment.amount) == (Decimal("5.5"), "USD", Decimal(12))
    html = " ".join(response.content.decode().split())
    assert "It does not fit to the order" in html
    assert "6.50 USD of the order&#x27;s total are missing: nothing is bought yet." in html
    assert "12.00 USD were asked for" in html
    assert "needs a look" in html
    assert Purchase.objects.count() == 0
    listed = client.get("/orders/").content.decode()
    assert "needs a person" in listed


def test_bad_input_is_said_at_its_field_and_records_nothing() -> None:
    order, client = make_order(), sign_in(*DESK)
    cases = (
        {"amount": "x"},
        {"amount": "-3"},
        {"amount": "0"},
        {"amount": "1.234"},
        {"currency": "DOLLAR"},
        {"currency": "U1D"},
        {"method": "credit"},
        {"method": ""},
        {"reference": ""},
    )
    for case in cases:
        words = {"amount": "5", "currency": "USD", "method": "transfer", "reference": "B1", **case}
        response = client.post(f"/orders/{order.pk}/came/", {**words, "form_key": str(uuid.uuid4())})
        assert_clean_page(response, status=422)
    assert Payment.objects.count() == 0


@pytest.mark.parametrize("state", ["expired", "cancelled", "buying"])
def test_money_for_an_order_that_takes_none_is_recorded_all_the_same(state: str) -> None:
    order, client = make_order(state), sign_in(*DESK)
    assert f"/orders/{order.pk}/came/" in client.get(f"/orders/{order.pk}/").content.decode()
    words = {"amount": "12", "currency": "EUR", "method": "cash", "form_key": str(uuid.uuid4())}
    client.post(f"/orders/{order.pk}/came/", words)
    refund = Refund.objects.get(kind="surplus")
    assert (refund.amount, refund.currency, refund.state) == (Decimal(12), "EUR", "due")
    page = client.get(f"/orders/{order.pk}/").content.decode()
    assert "12.00\xa0EUR is owed back to the customer." in page
    assert "12.00\xa0USD is owed back" not in page


def test_the_list_shows_what_waits_and_who_may_decide() -> None:
    first, second = come(make_order("expired"), "12"), come(make_order(), "5")
    watcher = sign_in("orders.view_payment")
    html = watcher.get("/payments/").content.decode()
    assert html.index(f"/payments/{first.pk}/") < html.index(f"/payments/{second.pk}/")
    assert "Look and decide" not in html
    assert "/buy/" not in watcher.get(f"/payments/{first.pk}/").content.decode()
    decider = sign_in(*DECIDER)
    assert "Look and decide" in decider.get("/payments/").content.decode()
    page = decider.get(f"/payments/{first.pk}/").content.decode()
    assert [name for name in ("buy", "give-back", "looked-at", "void") if f"/payments/{first.pk}/{name}/" in page] == [
        *("buy", "give-back", "void")
    ]
    assert "/payments/" in decider.get("/").content.decode()
    assert "Payments to decide about" in decider.get("/").content.decode()
    Payment.objects.update(attention="")
    assert "Nothing waits here" in watcher.get("/payments/").content.decode()


def test_a_late_payment_buys_its_order_by_a_click_at_the_price_that_is_shown() -> None:
    order = make_order("expired")
    payment = come(order, "12")
    client = sign_in(*DECIDER)
    plan = order.lines.get().plan
    plan.retail_price = Decimal(9)
    plan.save(update_fields=["retail_price"])
    page = client.get(f"/payments/{payment.pk}/buy/")
    assert_clean_page(page)
    assert "It would be 18.00\xa0USD today; the customer was told the total above." in page.content.decode()
    for _ in range(2):
        response = client.post(f"/payments/{payment.pk}/buy/", {"why": "bank was slow"})
        assert response["Location"] == f"/orders/{order.pk}/"
    order.refresh_from_db()
    assert (order.state, order.total, Purchase.objects.count()) == ("buying", Decimal(12), 1)
    # The button is gone, and its address says so.
    gone = client.get(f"/payments/{payment.pk}/buy/", follow=True)
    assert gone.redirect_chain == [(f"/payments/{payment.pk}/", 302)]
    assert "no longer possible" in gone.content.decode()


def test_a_refusal_is_shown_and_nothing_happens() -> None:
    payment = come(make_order("expired"), "12")
    plan = payment.order.lines.get().plan
    plan.is_published = False
    plan.save(update_fields=["is_published"])
    response = sign_in(*DECIDER).post(f"/payments/{payment.pk}/buy/", {"why": ""})
    assert_clean_page(response, status=422)
    assert "This plan is not for sale." in response.content.decode()
    assert Purchase.objects.count() == 0


@pytest.mark.parametrize(
    ("decision", "order_state", "payment_state", "refunds"),
    [
        ("give-back", "unpaid", "captured", ["due"]),
        ("give-back-and-cancel", "cancelled", "captured", ["due"]),
        ("looked-at", "unpaid", "captured", []),
        ("void", "unpaid", "voided", []),
    ],
)
def test_every_other_decision(decision: str, order_state: str, payment_state: str, refunds: list[str]) -> None:
    payment, client = come(make_order(), "5"), sign_in(*DECIDER)
    url = f"/payments/{payment.pk}/{decision}/"
    assert_clean_page(client.get(url))
    assert_clean_page(client.post(url, {"why": " "}), status=422)
    assert Payment.objects.get().attention
    client.post(url, {"why": "because"})
    payment = Payment.objects.select_related("order").get()
    assert (payment.order.state, payment.state, payment.attention) == (order_state, payment_state, "")
    assert list(Refund.objects.values_list("state", flat=True)) == refunds


def test_an_order_waits_longer_by_its_page() -> None:
    order, client = order_plan(make_fake_plan()), sign_in(*DESK)
    old = order.expires_at
    assert f"/orders/{order.pk}/wait/" in client.get(f"/orders/{order.pk}/").content.decode()
    for days in ("0", "91", "x", ""):
        assert_clean_page(client.post(f"/orders/{order.pk}/wait/", {"days": days, "why": "x"}), status=422)
    assert Order.objects.get().expires_at == old
    client.post(f"/orders/{order.pk}/wait/", {"days": "30", "why": "pays on Friday"})
    new = Order.objects.get().expires_at
    assert new is not None
    assert old is not None
    assert new > old
    Order.objects.update(state="expired")
    response = client.post(f"/orders/{order.pk}/wait/", {"days": "30", "why": "again"})
    assert "no longer waits" in response.content.decode()
    assert Order.objects.get().expires_at == new


def test_expired_orders_are_found_and_named() -> None:
    order, client = make_order("expired"), sign_in(*DESK)
    html = client.get("/orders/?state=expired").content.decode()
    assert order.number in html
    assert "expired unpaid" in html
    page = client.get(f"/orders/{order.pk}/").content.decode()
    assert "Nobody paid in time: nothing was bought." in page
    assert f"/orders/{order.pk}/pay/" not in page
    assert order.number not in client.get("/orders/?state=unpaid").content.decode()


def test_cancelling_a_partly_paid_order_says_what_is_owed_back() -> None:
    payment = come(make_order(), "5")
    client = sign_in(*DESK)
    url = f"/orders/{payment.order_id}/cancel/"
    assert "What came of its total is owed back" in client.get(url).content.decode()
    client.post(url, {"why": "changed their mind"})
    assert Refund.objects.get().amount == Decimal(5)
    assert "5.00\xa0USD is owed back" in client.get(f"/orders/{payment.order_id}/").content.decode()


def test_a_short_payment_that_was_looked_at_still_says_what_is_to_be_paid() -> None:
    """Without its mark it stands on no list of payments: the order's page and "Unpaid for more than a day" have it."""
    order, client = make_order(), sign_in(*DECIDER)
    payment = come(order, "5")
    settle_payment(payment=payment, why="the rest comes on Friday", by=make_user("orders.handle_payment"))
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    Order.objects.update(created_at=yesterday, expires_at=yesterday)
    assert expire_orders() == 0
    order_url = f"/orders/{order.pk}/"
    page = client.get(order_url)
    assert_clean_page(page)
    html = page.content.decode()
    assert "Look and decide" not in html
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]*)", html))
    held = "it is paid in full or somebody decides: money came for it, so it does not expire by itself"
    assert (facts["Paid in all"], facts["To be paid"], facts["Waits until"]) == ("5.00\xa0USD", "7.00\xa0USD", held)
    assert (f"{order_url}pay/" in html, f"{order_url}wait/" in html) == (True, False)
    assert held in client.get(f"/payments/{payment.pk}/").content.decode()
    (task,) = [task for task in client.get("/").context["tasks"] if task.title == "Unpaid for more than a day"]
    assert task.number == 1
    assert order.number in client.get(task.url).content.decode()
    # Given back, it holds the order no longer, whose time is over.
    give_back(payment=payment, why="changed their mind", by=make_user("orders.handle_payment"))
    order.refresh_from_db()
    html = client.get(order_url).content.decode()
    assert (order.state, held in html, "To be paid" in html) == ("expired", False, False)


@pytest.mark.parametrize(("came_in", "is_held"), [("USD", True), ("EUR", False)])
def test_what_is_owed_back_keeps_no_order_from_expiring(came_in: str, is_held: bool) -> None:
    order, client = make_order(), sign_in(*DECIDER)
    come(order, "5", came_in)
    html = client.get(f"/orders/{order.pk}/").content.decode()
    assert ("does not expire by itself" in html, f"/orders/{order.pk}/wait/" in html) == (is_held, not is_held)
    Order.objects.update(expires_at=timezone.now())
    assert expire_orders() == (0 if is_held else 1)


def test_an_order_that_is_paid_and_could_not_be_bought_asks_for_no_payment(settings: Settings) -> None:
    order, providers = make_order(), settings.PROVIDERS
    settings.PROVIDERS = {}
    payment = come(order, "15")
    settings.PROVIDERS = providers
    page = sign_in(*DECIDER).get(f"/orders/{order.pk}/").content.decode()
    assert f"/orders/{order.pk}/pay/" not in page
    assert "To be paid" not in page
    assert f"/payments/{payment.pk}/" in page


def test_who_may_not_see_payments_is_told_to_ask() -> None:
    payment = come(make_order(), "5")
    html = sign_in("orders.view_order").get(f"/orders/{payment.order_id}/").content.decode()
    assert "A colleague who may decide about payments has to look at it." in html
    assert f"/payments/{payment.pk}/" not in html
