"""Selling at the desk: the wizard keeps what was chosen in the address, and one form gives one order."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from catalog.models import Plan
from customers.models import Customer
from orders.models import Order, OrderEvent, Payment, Purchase
from tests.orders.desk import EVERYTHING, SELLER, new_order_url, open_confirm, read_hidden, sign_in, sign_in_as
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan
from tests.pages import assert_clean_page
from tests.queue import Queue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wholesaler")]

CASH = {"method": "cash", "reference": "", "note": ""}


def nothing_was_bought() -> bool:
    return not (Order.objects.exists() or Payment.objects.exists() or Purchase.objects.exists())


def words_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


# -- the way through --------------------------------------------------------------------------------------------------


def test_from_a_customers_name_to_two_bought_esims(queue: Queue, wholesaler: Wholesaler) -> None:
    client = sign_in(*SELLER)
    mia = make_customer(name="Mia Sato", email="mia@example.com")
    make_customer(name="Somebody Else")
    plan = make_fake_plan(name="Japan 1 GB")

    found = client.get("/orders/new/?find=mia")
    assert_clean_page(found)
    assert "Somebody Else" not in found.content.decode()
    [row] = found.context["customers"]
    assert words_of(row["url"]) == {"find": "mia", "customer": str(mia.pk)}

    plans = client.get(row["url"])
    assert_clean_page(plans)
    [offer] = plans.context["plans"]
    assert words_of(offer["url"]) == {"find": "mia", "customer": str(mia.pk), "plan": str(plan.pk)}

    quantity = client.get(offer["url"])
    assert_clean_page(quantity)
    assert 'value="1"' in quantity.content.decode()

    address, hidden = open_confirm(client, mia, plan, 2)
    page = client.get(address)
    assert_clean_page(page)
    assert "12.00\u00a0USD" in page.content.decode()

    bought = client.post(address, {**hidden, **CASH, "note": "Leaves on Friday"})
    order = Order.objects.get()
    assert bought["Location"] == f"/orders/{order.pk}/"
    assert (order.customer, order.total, order.currency, order.note) == (mia, Decimal(12), "USD", "Leaves on Friday")
    assert [(line.plan, line.quantity, line.unit_price) for line in order.lines.all()] == [(plan, 2, Decimal(6))]
    payment = Payment.objects.get()
    assert (payment.method, payment.amount, payment.order) == ("cash", Decimal(12), order)
    queue.run()
    order.refresh_from_db()
    assert order.state == Order.State.COMPLETED
    assert len(wholesaler.sold_refs) == 2


def test_left_unpaid_nothing_is_bought(queue: Queue, wholesaler: Wholesaler) -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan())
    response = client.post(address, {**hidden, "method": "later"}, follow=True)
    assert_clean_page(response)
    assert Order.objects.get().state == Order.State.UNPAID
    queue.run()
    assert (Payment.objects.count(), Purchase.objects.count(), wholesaler.sold_refs) == (0, 0, [])


def test_it_may_begin_with_the_plan(wholesaler: Wholesaler) -> None:
    plan = make_fake_plan()
    customer = make_customer()
    response = sign_in(*SELLER).get(f"/orders/new/?plan={plan.pk}")
    [row] = response.context["customers"]
    assert words_of(row["url"]) == {"plan": str(plan.pk), "customer": str(customer.pk)}


def test_filters_narrow_the_plans_and_stay_in_the_address() -> None:
    customer = make_customer()
    japan = make_fake_plan(name="Japan", validity_days=30)
    make_fake_plan(name="Short", validity_days=3)
    make_fake_plan(name="France", covers=["FR"], validity_days=30)
    make_fake_plan(name="Retired", retired_at=timezone.now(), validity_days=30)
    make_fake_plan(name="Withdrawn", is_published=False, validity_days=30)
    make_fake_plan(name="Without a price", retail_price=None, validity_days=30)
    response = sign_in(*SELLER).get(new_order_url("plan", customer=customer.pk, country="JP", days="7", gb="1"))
    [row] = response.context["plans"]
    assert row["plan"] == japan
    assert words_of(row["url"]) == {
        "customer": str(customer.pk),
        "country": "JP",
        "days": "7",
        "gb": "1",
        "plan": str(japan.pk),
    }


def test_plans_of_a_sandbox_come_last_however_cheap() -> None:
    dear = make_fake_plan(retail_price=Decimal("90"))
    cheap = make_fake_plan("fake-single", retail_price=Decimal("5"))
    cheap.account.is_sandbox = True
    cheap.account.save(update_fields=["is_sandbox"])
    response = sign_in(*SELLER).get(new_order_url("plan", customer=make_customer().pk))
    assert [row["plan"] for row in response.context["plans"]] == [dear, cheap]


def test_nonsense_in_a_filter_is_said_at_its_field_and_narrows_nothing() -> None:
    make_fake_plan()
    response = sign_in(*SELLER).get(new_order_url("plan", customer=make_customer().pk, days="soon", gb="-1"))
    assert len(response.context["plans"]) == 1
    assert set(response.context["search"].errors) == {"days", "gb"}
    assert_clean_page(response)


def test_cost_and_margin_are_for_those_who_set_prices() -> None:
    customer, plan = make_customer(), make_fake_plan()
    seller, boss = sign_in(*SELLER), sign_in(*EVERYTHING)
    for client, sees in ((seller, False), (boss, True)):
        address, _hidden = open_confirm(client, customer, plan)
        assert ("4.00\u00a0USD" in client.get(address).content.decode()) is sees


def test_the_rules_of_the_plan_are_in_sight() -> None:
    plan = make_fake_plan(
        validity_info="From the first connection",
        activation_info="By itself in Japan",
        restrictions="No voice over IP",
        kyc_required=True,
        unused_termination_days=180,
    )
    plan.account.is_sandbox = True
    plan.account.save(update_fields=["is_sandbox"])
    client = sign_in(*SELLER)
    address, _hidden = open_confirm(client, make_customer(), plan)
    html = client.get(address).content.decode()
    for words in ("From the first connection", "By itself in Japan", "No voice over IP", "eKYC", "180 days", "Sandbox"):
        assert words in html


# -- a customer made in place -----------------------------------------------------------------------------------------


def test_a_customer_is_made_in_place_and_chosen() -> None:
    plan = make_fake_plan()
    client = sign_in(*SELLER)
    response = client.post(new_order_url("customer", plan=plan.pk), {"name": "Mia Sato", "email": "Mia@Example.com"})
    mia = Customer.objects.get()
    assert (mia.name, mia.email) == ("Mia Sato", "mia@example.com")
    assert words_of(response["Location"]) == {"plan": str(plan.pk), "customer": str(mia.pk)}


def test_an_address_that_is_taken_offers_its_owner_and_keeps_what_was_typed() -> None:
    mia = make_customer(name="Mia Sato", email="mia@example.com")
    response = sign_in(*SELLER).post(
        new_order_url("customer"), {"name": "Mia S.", "email": "mia@example.com", "phone": "+81 90"}
    )
    assert_clean_page(response, status=422)
    assert words_of(response.context["existing_url"])["customer"] == str(mia.pk)
    assert 'value="Mia S."' in response.content.decode()
    assert Customer.objects.count() == 1


def test_a_customer_needs_a_name() -> None:
    response = sign_in(*SELLER).post(new_order_url("customer"), {"name": "", "email": "not an address"})
    assert_clean_page(response, status=422)
    assert set(response.context["new_form"].errors) == {"name", "email"}
    assert not Customer.objects.exists()


def test_who_may_not_add_customers_adds_none() -> None:
    client = sign_in("orders.sell")
    assert "New customer" not in client.get("/orders/new/").content.decode()
    client.post(new_order_url("customer"), {"name": "Mia"})
    assert not Customer.objects.exists()


# -- bad input: a clear message, everything kept, nothing bought ------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("0", "At least one eSIM."),
        ("-3", "At least one eSIM."),
        ("1001", "At most 1000 eSIMs in one order."),
        ("two", "Type a whole number, such as 2."),
        ("1.5", "Type a whole number, such as 2."),
        ("9" * 400, "At most 1000 eSIMs in one order."),
    ],
)
def test_a_quantity_that_cannot_be_is_said_at_its_field(typed: str, message: str) -> None:
    client = sign_in(*SELLER)
    address = new_order_url("confirm", customer=make_customer().pk, plan=make_fake_plan().pk, quantity=typed)
    for response in (client.get(address), client.post(address, CASH, follow=True)):
        assert response.context["form"].errors["quantity"] == [message]
        assert f'value="{typed}"' in response.content.decode()
    assert_clean_page(client.get(address), status=422)
    assert nothing_was_bought()


def test_the_most_that_one_order_holds_can_be_bought() -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan(), 1000)
    client.post(address, {**hidden, **CASH})
    assert Purchase.objects.get().quantity == 1000


def retire(plan: Plan) -> None:
    Plan.objects.filter(pk=plan.pk).update(retired_at=timezone.now())


def withdraw(plan: Plan) -> None:
    Plan.objects.filter(pk=plan.pk).update(is_published=False)


def unprice(plan: Plan) -> None:
    Plan.objects.filter(pk=plan.pk).update(retail_price=None)


def remove(plan: Plan) -> None:
    plan.delete()


def pause(plan: Plan) -> None:
    plan.account.is_paused = True
    plan.account.save(update_fields=["is_paused"])


@pytest.mark.parametrize("vanish", [retire, withdraw, unprice, remove, pause])
def test_a_plan_that_vanished_meanwhile_sends_back_to_the_plans(vanish: Callable[[Plan], None]) -> None:
    client = sign_in(*SELLER)
    customer, plan = make_customer(), make_fake_plan()
    address, hidden = open_confirm(client, customer, plan, 3)
    other = make_fake_plan("fake-single")
    vanish(plan)
    typed = {"method": "transfer", "reference": "T-77", "note": "Window seat"}
    response = client.post(address, {**hidden, **typed}, follow=True)
    assert_clean_page(response)
    assert response.context["draft"].problems["plan"] in response.context["problem"]
    assert "Choose another one." in response.context["problem"]
    assert nothing_was_bought()
    [row] = response.context["plans"]
    assert words_of(row["url"]) == {
        "customer": str(customer.pk),
        "plan": str(other.pk),
        "quantity": "3",
        **typed,
    }
    again = client.get(row["url"], follow=True)
    assert 'value="T-77"' in again.content.decode()
    assert "Window seat" in again.content.decode()


def test_a_customer_who_is_gone_sends_back_to_the_customers() -> None:
    client = sign_in(*SELLER)
    customer, plan = make_customer(), make_fake_plan()
    address, hidden = open_confirm(client, customer, plan)
    customer.delete()
    response = client.post(address, {**hidden, **CASH}, follow=True)
    assert_clean_page(response)
    assert response.context["problem"] == "This customer is no longer there. Choose another one."
    assert words_of(response.redirect_chain[-1][0])["plan"] == str(plan.pk)
    assert nothing_was_bought()


def test_a_price_that_changed_is_shown_and_asked_again() -> None:
    client = sign_in(*SELLER)
    plan = make_fake_plan()
    address, hidden = open_confirm(client, make_customer(), plan, 2)
    Plan.objects.filter(pk=plan.pk).update(retail_price=Decimal("7.50"))
    typed = {"method": "invoice", "reference": "I-9", "note": "Bill the firm"}
    response = client.post(address, {**hidden, **typed})
    assert_clean_page(response, status=409)
    html = response.content.decode()
    for words in ("6.00\u00a0USD before, 7.50\u00a0USD now", "12.00\u00a0USD before, 15.00\u00a0USD now"):
        assert words in html
    for words in ('value="I-9"', "Bill the firm", 'value="invoice"'):
        assert words in html
    assert nothing_was_bought()
    second = read_hidden(response, "checkout_key", "form_key", "unit_price")
    assert (second["checkout_key"], Decimal(second["unit_price"])) == (hidden["checkout_key"], Decimal("7.50"))
    client.post(address, {**second, **typed})
    assert Order.objects.get().total == Decimal(15)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"method": ""}, "method"),
        ({"method": "barter"}, "method"),
        ({"method": "transfer", "reference": " "}, "reference"),
        ({"method": "cash", "reference": "x" * 121}, "reference"),
        ({"method": "cash", "unit_price": "free"}, "unit_price"),
        ({"method": "cash", "checkout_key": "1"}, "checkout_key"),
    ],
)
def test_a_payment_that_cannot_be_read_buys_nothing(given: dict[str, str], field: str) -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan())
    response = client.post(address, {**hidden, **CASH, "note": "Kept", **given})
    assert_clean_page(response, status=422)
    assert field in response.context["form"].errors
    assert "Kept" in response.content.decode()
    assert nothing_was_bought()


@pytest.mark.parametrize("words", ["customer=x", "customer=999999&plan=-1", "plan=999999", "step=nowhere&key=1"])
def test_nonsense_in_the_address_shows_the_step_where_it_can_be_mended(words: str) -> None:
    make_customer()
    make_fake_plan()
    response = sign_in(*SELLER).get(f"/orders/new/?{words}", follow=True)
    assert_clean_page(response)
    assert nothing_was_bought()


def test_an_account_that_is_no_longer_configured_sells_nothing(settings: Any) -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan())
    settings.PROVIDERS = {}
    response = client.post(address, {**hidden, **CASH}, follow=True)
    assert "is not configured" in response.context["problem"]
    assert nothing_was_bought()


# -- once -------------------------------------------------------------------------------------------------------------


def count_sales() -> tuple[int, int, int]:
    return Order.objects.count(), Payment.objects.count(), Purchase.objects.count()


def test_the_same_form_sent_again_shows_the_same_order() -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan())
    first = client.post(address, {**hidden, **CASH})
    again = client.post(address, {**hidden, **CASH})
    assert again["Location"] == first["Location"]
    assert count_sales() == (1, 1, 1)


def test_the_back_button_meets_the_order_that_was_placed() -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan())
    client.post(address, {**hidden, **CASH})
    back = client.get(address)
    assert (back.status_code, back["Location"]) == (302, f"/orders/{Order.objects.get().pk}/")
    assert count_sales() == (1, 1, 1)


def test_sent_again_after_the_plan_vanished_it_still_shows_the_order() -> None:
    client = sign_in(*SELLER)
    plan = make_fake_plan()
    address, hidden = open_confirm(client, make_customer(), plan)
    first = client.post(address, {**hidden, **CASH})
    retire(plan)
    Plan.objects.filter(pk=plan.pk).update(retail_price=Decimal(99))
    assert client.post(address, {**hidden, **CASH})["Location"] == first["Location"]
    assert count_sales() == (1, 1, 1)


def test_an_unpaid_order_is_paid_when_the_form_comes_back_with_money() -> None:
    client = sign_in(*SELLER)
    address, hidden = open_confirm(client, make_customer(), make_fake_plan())
    client.post(address, {**hidden, "method": "later"})
    client.post(address, {**hidden, **CASH})
    assert count_sales() == (1, 1, 1)
    assert Order.objects.get().state == Order.State.BUYING


def test_the_same_key_with_another_quantity_does_not_become_a_second_order() -> None:
    client = sign_in(*SELLER)
    customer, plan = make_customer(), make_fake_plan()
    address, hidden = open_confirm(client, customer, plan, 2)
    client.post(address, {**hidden, **CASH})
    other = address.replace("quantity=2", "quantity=5")
    response = client.post(other, {**hidden, **CASH}, follow=True)
    assert response.redirect_chain[-1][0] == f"/orders/{Order.objects.get().pk}/"
    assert "was sent before" in response.content.decode()
    assert count_sales() == (1, 1, 1)
    assert Order.objects.get().lines.get().quantity == 2


def test_a_twin_placed_a_moment_ago_is_pointed_out() -> None:
    client = sign_in(*SELLER)
    customer, plan = make_customer(), make_fake_plan()
    twin = order_plan(plan, 2, customer=customer)
    address, _hidden = open_confirm(client, customer, plan, 2)
    response = client.get(address)
    assert response.context["twin"] == twin
    assert twin.number in response.content.decode()


def test_two_posts_at_the_same_moment_make_one_order_and_one_payment() -> None:
    user = make_user(*SELLER)
    address, hidden = open_confirm(sign_in_as(user), make_customer(), make_fake_plan())
    gate = threading.Barrier(2)
    clients = [sign_in_as(user) for _ in range(2)]
    answers: list[str] = []

    def press(client: Client) -> None:
        try:
            gate.wait(timeout=10)
            answers.append(client.post(address, {**hidden, **CASH})["Location"])
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    order = Order.objects.get()
    assert answers == [f"/orders/{order.pk}/"] * 2
    assert count_sales() == (1, 1, 1)
    assert OrderEvent.objects.filter(order=order, kind="payment.captured").count() == 1


# -- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["customer", "plan", "quantity", "confirm"])
def test_the_number_of_queries_does_not_grow(step: str, django_assert_max_num_queries: Callable[[int], Any]) -> None:
    customer, plan = make_customer(), make_fake_plan()
    address = new_order_url(step, customer=customer.pk, plan=plan.pk, quantity=2, key=f"{plan.pk:032x}")
    client = sign_in_as(make_user(is_superuser=True))
    client.get(address)
    for number in range(15):
        make_customer()
        make_fake_plan("fake" if number % 2 else "fake-single", covers=["JP", "FR", "DE"])
    with django_assert_max_num_queries(13):
        assert_clean_page(client.get(address))
