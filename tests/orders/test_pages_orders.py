"""The list of orders, and one order: live while it is bought, paid once, cancelled while unpaid."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from esims.models import Esim
from orders.models import Order, Payment, Purchase, PurchaseAttempt
from orders.purchasing import run_purchase
from orders.selectors.order_page import OrderPage, read_order_page
from tests.orders.desk import DECIDER, EVERYTHING, SELLER, buy, purchase_of, read_hidden, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan, pay
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wholesaler")]

HTMX = {"HX-Request": "true"}


# -- one order --------------------------------------------------------------------------------------------------------


def test_a_bought_order_shows_its_esims_with_their_qr_codes() -> None:
    order = buy(2)
    response = sign_in(*SELLER).get(f"/orders/{order.pk}/")
    assert_clean_page(response)
    html = response.content.decode()
    assert "All 2 eSIMs are here." in html
    for esim in Esim.objects.all():
        assert f"/esims/{esim.pk}/qr.svg" in html
        assert f'href="/esims/{esim.pk}/"' in html
    assert "LPA:" not in html


def test_codes_are_for_those_who_may_see_them() -> None:
    order = buy(1)
    html = sign_in("orders.view_order").get(f"/orders/{order.pk}/").content.decode()
    assert "qr.svg" not in html
    assert "You may not see codes" in html


def test_cost_and_margin_are_for_those_who_set_prices() -> None:
    order = buy(2)
    assert "Margin" not in sign_in(*SELLER).get(f"/orders/{order.pk}/").content.decode()
    html = sign_in(*EVERYTHING).get(f"/orders/{order.pk}/").content.decode()
    assert "Margin" in html
    assert "8.00\u00a0USD" in html


def test_the_timeline_says_who_and_why() -> None:
    order = buy(1)
    response = sign_in(*SELLER).get(f"/orders/{order.pk}/")
    titles = [event.title for event in reversed(response.context["page"].events)]
    assert titles == [
        "Order placed",
        "Payment recorded",
        "Order: being bought",
        "Purchase planned",
        "Purchase: being sent",
        "1 eSIM came",
        "Purchase: delivered",
        "Order: completed",
    ]
    assert all(event.by for event in response.context["page"].events)


def test_a_large_order_shows_twenty_esims_and_leads_to_the_rest() -> None:
    order = buy(120)
    client = sign_in(*SELLER)
    response = client.get(f"/orders/{order.pk}/")
    assert response.content.decode().count('class="esim-card"') == 20
    assert f"/orders/{order.pk}/esims/" in response.content.decode()
    pages = [client.get(f"/orders/{order.pk}/esims/?page={number}") for number in (1, 2, 3)]
    assert [len(page.context["page"].object_list) for page in pages] == [50, 50, 20]
    assert_clean_page(pages[2])


def test_an_order_in_doubt_leads_to_its_evidence(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_before")
    order = buy(1)
    html = sign_in(*DECIDER).get(f"/orders/{order.pk}/").content.decode()
    assert "no usable answer came" in html
    assert "Nothing happens by itself: a person must decide." in html
    assert f'href="/purchases/{purchase_of(order).pk}/"' in html


def test_errors_show_the_providers_code(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("no_balance")
    html = sign_in(*SELLER).get(f"/orders/{buy(1).pk}/").content.decode()
    assert "<code>BALANCE</code> balance too low" in html
    assert "top it up there, then resume" in html


# -- live -------------------------------------------------------------------------------------------------------------


def test_a_page_read_while_the_order_ends_does_not_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker commits between two of the page's queries: an order "being bought" that nobody asks about again."""
    order = order_plan(make_fake_plan(), 1)
    pay(order)

    def read_late(stale: Order) -> OrderPage:
        run_purchase(purchase_id=purchase_of(order).pk)
        return read_order_page(stale)

    client = sign_in(*SELLER)
    with monkeypatch.context() as late:
        late.setattr("orders.views.order_pages.read_order_page", read_late)
        page = client.get(f"/orders/{order.pk}/")
    asks = re.search(r'hx-get="([^"]+/live/[^"]*)"', page.content.decode())
    assert asks is not None
    html = client.get(asks[1], headers=HTMX).content.decode()
    assert "The eSIM is here." in html
    assert "/live/" not in html


def test_the_live_part_answers_nothing_until_something_changes() -> None:
    order = order_plan(make_fake_plan(), 2)
    pay(order)
    client = sign_in(*SELLER)
    page = client.get(f"/orders/{order.pk}/")
    seen = page.context["seen"]
    assert f'hx-get="/orders/{order.pk}/live/?seen={seen}"' in page.content.decode()
    live = f"/orders/{order.pk}/live/?seen={seen}"
    assert client.get(live, headers=HTMX).status_code == 204
    run_purchase(purchase_id=purchase_of(order).pk)
    answer = client.get(live, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in html
    assert "qr.svg" in html
    assert 'id="order-status"' in html
    assert "hx-get" not in html


def test_it_keeps_asking_while_the_code_of_a_line_is_being_read() -> None:
    order = buy(1)
    Esim.objects.update(state="provisioning", lpa="")
    client = sign_in(*SELLER)
    assert "hx-get" in client.get(f"/orders/{order.pk}/").content.decode()
    Esim.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert "hx-get" not in client.get(f"/orders/{order.pk}/").content.decode()


@pytest.mark.parametrize("behaviour", ["lost_before", "no_balance", "refused"])
def test_it_does_not_ask_when_nothing_happens_by_itself(behaviour: str, wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders(behaviour)
    order = buy(1)
    assert "hx-get" not in sign_in(*SELLER).get(f"/orders/{order.pk}/").content.decode()


def test_the_live_part_without_htmx_is_the_page() -> None:
    order = buy(1)
    response = sign_in(*SELLER).get(f"/orders/{order.pk}/live/")
    assert (response.status_code, response["Location"]) == (302, f"/orders/{order.pk}/")


def test_strangers_get_nothing_of_the_live_part(client: Any) -> None:
    response = client.get(f"/orders/{buy(1).pk}/live/", headers=HTMX)
    assert (response.status_code, response.content) == (401, b"")


# -- paying -----------------------------------------------------------------------------------------------------------


def test_an_unpaid_order_is_paid_with_the_amount_in_the_form() -> None:
    order = order_plan(make_fake_plan(), 3)
    client = sign_in(*SELLER)
    page = client.get(f"/orders/{order.pk}/")
    assert_clean_page(page)
    assert 'value="18.00"' in page.content.decode()
    form = read_hidden(page, "form_key")
    given = {**form, "amount": "18.00", "method": "transfer", "reference": "T-1"}
    first = client.post(f"/orders/{order.pk}/pay/", given)
    again = client.post(f"/orders/{order.pk}/pay/", given)
    assert first["Location"] == again["Location"] == f"/orders/{order.pk}/"
    payment = Payment.objects.get()
    assert (payment.amount, payment.method, payment.reference) == (Decimal(18), "transfer", "T-1")
    order.refresh_from_db()
    assert order.state == Order.State.BUYING
    assert Purchase.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"amount": "17.99"}, "amount"),
        ({"amount": "36"}, "amount"),
        ({"amount": "-18"}, "amount"),
        ({"amount": "all of it"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"method": "later"}, "method"),
        ({"method": ""}, "method"),
        ({"method": "invoice", "reference": ""}, "reference"),
        ({"form_key": "not a key"}, "form_key"),
    ],
)
def test_a_payment_that_is_wrong_is_not_recorded(given: dict[str, str], field: str) -> None:
    order = order_plan(make_fake_plan(), 3)
    base = {"form_key": str(uuid.uuid4()), "amount": "18", "method": "cash", "reference": "R-1"}
    response = sign_in(*SELLER).post(f"/orders/{order.pk}/pay/", {**base, **given})
    assert_clean_page(response, status=422)
    assert field in response.context["payment_form"].errors
    assert (Payment.objects.count(), Purchase.objects.count()) == (0, 0)
    order.refresh_from_db()
    assert order.state == Order.State.UNPAID


def test_a_second_payment_is_refused_with_a_word() -> None:
    order = order_plan(make_fake_plan(), 1)
    pay(order)
    given = {"form_key": str(uuid.uuid4()), "amount": "6", "method": "cash"}
    response = sign_in(*SELLER).post(f"/orders/{order.pk}/pay/", given, follow=True)
    assert "This order is paid already." in response.content.decode()
    assert Payment.objects.count() == 1


# -- cancelling -------------------------------------------------------------------------------------------------------


def test_an_unpaid_order_is_cancelled_after_a_question_and_a_reason() -> None:
    order = order_plan(make_fake_plan(), 1)
    client = sign_in(*SELLER)
    url = f"/orders/{order.pk}/cancel/"
    assert_clean_page(client.get(url))
    refused = client.post(url, {"why": ""})
    assert_clean_page(refused, status=422)
    order.refresh_from_db()
    assert order.state == Order.State.UNPAID
    done = client.post(url, {"why": "Changed her mind"}, follow=True)
    order.refresh_from_db()
    assert order.state == Order.State.CANCELLED
    assert "Changed her mind" in done.content.decode()
    assert "Record the payment" not in done.content.decode()


def test_a_paid_order_is_not_cancelled() -> None:
    order = order_plan(make_fake_plan(), 1)
    pay(order)
    response = sign_in(*SELLER).post(f"/orders/{order.pk}/cancel/", {"why": "Too late"})
    assert_clean_page(response, status=422)
    order.refresh_from_db()
    assert order.state == Order.State.BUYING


# -- the list ---------------------------------------------------------------------------------------------------------


def numbers(response: Any) -> list[str]:
    return [row.order.number for row in response.context["rows"]]


def test_orders_are_found_by_what_people_say() -> None:
    mia = make_customer(name="Mia Sato", email="mia@example.com", company="Sato KK")
    order = order_plan(make_fake_plan(), 2, customer=mia)
    pay(order)
    run_purchase(purchase_id=purchase_of(order).pk)
    buy(1)
    client = sign_in(*SELLER)
    iccid = Esim.objects.filter(customer=mia).earliest("pk").iccid
    transaction = purchase_of(order).transaction_id
    letters = order.number.rpartition("-")[2]
    for text in (
        *(order.number, order.number.lower(), letters, order.number.replace("-", "")[1:]),
        *("mia@example.com", "MIA@", "sato", "Sato KK", iccid, iccid[-6:], transaction),
        str(purchase_of(order).idempotency_key),
    ):
        response = client.get("/orders/", {"q": text})
        assert numbers(response) == [order.number], text
        assert_clean_page(response)
    assert numbers(client.get("/orders/", {"q": "nobody at all"})) == []


def test_orders_are_narrowed_by_state_account_customer_and_day() -> None:
    paid, unpaid = buy(1, "fake-single"), order_plan(make_fake_plan(), 1)
    old = order_plan(make_fake_plan(), 1)
    Order.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))
    client = sign_in(*SELLER)
    today = timezone.localdate()
    for words, found in (
        ("state=completed", [paid]),
        ("state=unpaid", [unpaid, old]),
        ("account=fake-single", [paid]),
        (f"customer={unpaid.customer_id}", [unpaid]),
        (f"since={today}", [unpaid, paid]),
        (f"until={today - timedelta(days=2)}", [old]),
        (f"since={today}&state=unpaid", [unpaid]),
    ):
        assert numbers(client.get(f"/orders/?{words}")) == [order.number for order in found], words


def test_an_order_in_doubt_is_marked_in_the_list(wholesaler: Wholesaler) -> None:
    wholesaler.plan_orders("lost_before", "no_balance")
    unknown, held, fine = buy(1), buy(1), buy(1)
    response = sign_in(*SELLER).get("/orders/")
    marks = {row.order: row.needs_person for row in response.context["rows"]}
    assert marks == {unknown: True, held: True, fine: False}
    assert response.content.decode().count("needs a person") == 2


@pytest.mark.parametrize("words", ["state=nonsense", "since=yesterday", "account=none", "after=!!!", "q=%00"])
def test_nonsense_in_a_filter_breaks_nothing(words: str) -> None:
    order_plan(make_fake_plan(), 1)
    assert_clean_page(sign_in(*SELLER).get(f"/orders/?{words}"))


def test_a_last_day_before_the_first_is_said_at_its_field() -> None:
    response = sign_in(*SELLER).get("/orders/?since=2026-05-02&until=2026-05-01")
    assert response.context["form"].errors == {"until": ["This day is before the first one."]}


def test_the_list_goes_on_by_key() -> None:
    plan, customer = make_fake_plan(), make_customer()
    for _ in range(55):
        order_plan(plan, 1, customer=customer)
    client = sign_in(*SELLER)
    first = client.get("/orders/?state=unpaid")
    second = client.get(f"/orders/?state=unpaid&after={first.context['page'].after}")
    assert (len(numbers(first)), len(numbers(second))) == (50, 5)
    assert not set(numbers(first)) & set(numbers(second))


# -- cost -------------------------------------------------------------------------------------------------------------


def test_the_pages_need_a_constant_number_of_queries(django_assert_num_queries: Callable[[int], Any]) -> None:
    small, large = buy(1, "fake-single"), buy(9, "fake-single")
    Purchase.objects.update(attention="look")
    assert PurchaseAttempt.objects.count() == 10
    client = sign_in_as(make_user(is_superuser=True))
    client.get("/orders/")
    for url, number in (("/orders/{}/", 14), ("/orders/{}/esims/", 5)):
        for order in (small, large):
            with django_assert_num_queries(number):
                client.get(url.format(order.pk))
    with django_assert_num_queries(9):
        client.get("/orders/")
    for _ in range(5):
        buy(2, "fake-single")
    with django_assert_num_queries(9):
        client.get("/orders/")
