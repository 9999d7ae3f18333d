"""Plans sold by the day: the days are asked for, ride along in the address, and every price is for all of them."""

import re
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from catalog.models import Plan
from customers.models import Customer
from orders.models import Order, Payment, Purchase
from providers.types import DataPeriod
from tests.orders.desk import EVERYTHING, SELLER, new_order_url, read_hidden, sign_in
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan
from tests.pages import assert_clean_page
from tests.queue import Queue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wholesaler")]

CASH = {"method": "cash", "reference": "", "note": ""}


def make_daily_plan(**fields: Any) -> Plan:
    """1 GB a day at 6.00 USD a day (net 4.00), for 1 to 30 days."""
    daily = {"days_choice_max": 30, "validity_days": 1, "data_period": DataPeriod.DAY, "name": "Japan by the day"}
    return make_fake_plan(**{**daily, **fields})


def words_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def open_confirm(client: Client, customer: Customer, plan: Plan, *, days: int = 7) -> tuple[str, dict[str, str]]:
    """The last step: its address, and the hidden fields of its form."""
    words = {"customer": customer.pk, "plan": plan.pk, "quantity": 2, "period_days": days}
    response = client.get(new_order_url("confirm", **words), follow=True)
    assert_clean_page(response)
    address: str = response.redirect_chain[-1][0]
    return address, read_hidden(response, "checkout_key", "form_key", "unit_price")


def text_of(response: HttpResponse | Any) -> str:
    return re.sub(r"[ \n]+", " ", response.content.decode())


def test_from_a_search_by_days_to_a_purchase_for_them(queue: Queue, wholesaler: Wholesaler) -> None:
    client, customer = sign_in(*SELLER), make_customer()
    plan = make_daily_plan()
    make_daily_plan(name="For a week at most", days_choice_max=7)
    make_fake_plan(name="Five days", validity_days=5)
    month = make_fake_plan(name="A month", validity_days=30, retail_price=Decimal(50))

    listed = client.get(new_order_url("plan", customer=customer.pk, days="8"))
    assert_clean_page(listed)
    # 8 × 6.00 is less than 50.00.
    assert [row["plan"] for row in listed.context["plans"]] == [plan, month]
    assert "for 8 days, 6.00\u00a0USD a day" in text_of(listed)
    assert "48.00\u00a0USD" in text_of(listed)

    asked = client.get(listed.context["plans"][0]["url"])
    assert_clean_page(asked)
    form = asked.context["form"]
    assert (form.is_bound, form["period_days"].value(), form["quantity"].value()) == (False, "8", 1)
    assert "6.00\u00a0USD a day for each eSIM, for 1 to 30 days" in text_of(asked)

    address, hidden = open_confirm(client, customer, plan)
    assert words_of(address)["period_days"] == "7"
    page = text_of(client.get(address))
    for words in ("2 × 42.00\u00a0USD", "(7 days at 6.00\u00a0USD each)", "84.00\u00a0USD", "2, for 7 days"):
        assert words in page, words
    assert Decimal(hidden["unit_price"]) == Decimal(42)

    bought = client.post(address, {**hidden, **CASH})
    order = Order.objects.get()
    assert bought["Location"] == f"/orders/{order.pk}/"
    line = order.lines.get()
    assert (line.quantity, line.period_days, line.unit_price, line.unit_cost) == (2, 7, Decimal(42), Decimal(28))
    assert (order.total, Payment.objects.get().amount) == (Decimal(84), Decimal(84))
    assert Purchase.objects.get().period_days == 7
    queue.run()
    assert len(wholesaler.sold_refs) == 2


def test_prices_per_day_are_said_in_the_list() -> None:
    make_daily_plan()
    page = text_of(sign_in(*EVERYTHING).get(new_order_url("plan", customer=make_customer().pk)))
    assert "<strong>6.00\u00a0USD</strong> a day" in page
    assert "4.00\u00a0USD a day" in page
    assert ">1 to 30<" in page
    assert "1\u00a0GB a day" in page


def test_cost_and_margin_are_for_all_days() -> None:
    client = sign_in(*EVERYTHING)
    address, _hidden = open_confirm(client, make_customer(), make_daily_plan(), days=3)
    page = text_of(client.get(address))
    assert "Cost 12.00\u00a0USD and margin 6.00\u00a0USD each (33.3 %)" in page


def test_a_plan_with_fixed_days_is_not_asked_for_them(wholesaler: Wholesaler) -> None:
    client, customer, plan = sign_in(*SELLER), make_customer(), make_fake_plan()
    page = client.get(new_order_url("quantity", customer=customer.pk, plan=plan.pk))
    assert list(page.context["form"].fields) == ["quantity"]
    # What an earlier choice left in the address does not count.
    address, hidden = open_confirm(client, customer, plan, days=7)
    assert Decimal(hidden["unit_price"]) == Decimal(6)
    client.post(address, {**hidden, **CASH})
    assert (Order.objects.get().total, Order.objects.get().lines.get().period_days) == (Decimal(12), None)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("0", "At least one day."),
        ("31", "At most 30 days of this plan."),
        ("1.5", "Type a whole number, such as 7."),
        ("week", "Type a whole number, such as 7."),
        ("9" * 400, "At most 30 days of this plan."),
    ],
)
def test_days_that_cannot_be_are_said_at_their_field(typed: str, message: str) -> None:
    client = sign_in(*SELLER)
    words = {"customer": make_customer().pk, "plan": make_daily_plan().pk, "quantity": 2, "period_days": typed}
    address = new_order_url("confirm", **words)
    for response in (client.get(address), client.post(address, CASH, follow=True)):
        assert response.context["form"].errors == {"period_days": [message]}
        assert response.context["form"]["quantity"].value() == "2"
    assert_clean_page(client.get(address), status=422)
    assert not Order.objects.exists()


def test_days_left_empty_are_said_and_never_asked_for_are_not() -> None:
    client = sign_in(*SELLER)
    words = {"customer": make_customer().pk, "plan": make_daily_plan().pk, "quantity": 3}
    response = client.get(new_order_url("confirm", **words))
    assert_clean_page(response)
    form = response.context["form"]
    assert (form.errors, form["quantity"].value(), form["period_days"].value()) == ({}, "3", "")
    empty = client.get(new_order_url("confirm", **words, period_days=""))
    assert_clean_page(empty, status=422)
    assert empty.context["form"].errors == {"period_days": ["Say for how many days."]}


# -- once, and at the price that was shown ----------------------------------------------------------------------------


def test_the_same_form_sent_again_shows_the_same_order_whatever_the_plan_allows_by_now() -> None:
    client, plan = sign_in(*SELLER), make_daily_plan()
    address, hidden = open_confirm(client, make_customer(), plan)
    first = client.post(address, {**hidden, **CASH})
    for change in ({}, {"days_choice_max": 3}, {"days_choice_max": None, "retail_price": Decimal(99)}):
        if change:
            Plan.objects.filter(pk=plan.pk).update(**change)
        again = client.post(address, {**hidden, **CASH})
        assert again["Location"] == first["Location"]
        assert "was sent before" not in client.get(again["Location"]).content.decode()
    assert (Order.objects.count(), Payment.objects.count(), Purchase.objects.count()) == (1, 1, 1)


def test_the_same_key_for_other_days_does_not_become_a_second_order() -> None:
    client, plan = sign_in(*SELLER), make_daily_plan()
    address, hidden = open_confirm(client, make_customer(), plan)
    client.post(address, {**hidden, **CASH})
    other = address.replace("period_days=7", "period_days=9")
    response = client.post(other, {**hidden, **CASH}, follow=True)
    assert response.redirect_chain[-1][0] == f"/orders/{Order.objects.get().pk}/"
    assert "was sent before" in response.content.decode()
    assert Order.objects.get().lines.get().period_days == 7


def test_other_days_are_a_new_order() -> None:
    client = sign_in(*SELLER)
    address, _hidden = open_confirm(client, make_customer(), make_daily_plan())
    quantity_url = client.get(address).context["quantity_url"]
    page = client.get(quantity_url)
    names = [name for name, _value in page.context["hidden"]]
    assert "key" not in names
    assert "period_days" not in names
    assert page.context["form"]["period_days"].value() == "7"


def test_a_price_that_changed_is_shown_for_all_days_and_asked_again() -> None:
    client, plan = sign_in(*SELLER), make_daily_plan()
    address, hidden = open_confirm(client, make_customer(), plan)
    Plan.objects.filter(pk=plan.pk).update(retail_price=Decimal("6.50"))
    response = client.post(address, {**hidden, **CASH})
    assert_clean_page(response, status=409)
    for words in ("42.00\u00a0USD before, 45.50\u00a0USD now", "84.00\u00a0USD before, 91.00\u00a0USD now"):
        assert words in text_of(response)
    assert not Order.objects.exists()
    second = read_hidden(response, "checkout_key", "form_key", "unit_price")
    assert Decimal(second["unit_price"]) == Decimal("45.50")
    client.post(address, {**second, **CASH})
    assert Order.objects.get().total == Decimal(91)


def test_days_that_the_plan_no_longer_allows_send_back_to_their_field() -> None:
    client, plan = sign_in(*SELLER), make_daily_plan()
    address, hidden = open_confirm(client, make_customer(), plan)
    Plan.objects.filter(pk=plan.pk).update(days_choice_max=5)
    response = client.post(address, {**hidden, **CASH, "note": "Leaves on Friday"}, follow=True)
    assert_clean_page(response, status=422)
    assert response.context["form"].errors == {"period_days": ["At most 5 days of this plan."]}
    assert words_of(response.redirect_chain[-1][0])["note"] == "Leaves on Friday"
    assert not Order.objects.exists()


# -- what is no new eSIM ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in Plan.Kind if kind != Plan.Kind.ESIM])
def test_only_plans_for_new_esims_are_listed_and_sold(kind: Plan.Kind) -> None:
    client, customer = sign_in(*SELLER), make_customer()
    other, plan = make_fake_plan(kind=kind), make_fake_plan()
    listed = client.get(new_order_url("plan", customer=customer.pk))
    assert [row["plan"] for row in listed.context["plans"]] == [plan]
    refused = client.get(new_order_url("confirm", customer=customer.pk, plan=other.pk, quantity=1))
    assert_clean_page(refused)
    assert "This plan is not sold as a new eSIM. Choose another one." in refused.context["problem"]
    client.post(new_order_url("confirm", customer=customer.pk, plan=other.pk, quantity=1), CASH)
    assert not Order.objects.exists()


def test_a_providers_region_is_a_destination() -> None:
    client, customer = sign_in(*SELLER), make_customer()
    plan = make_fake_plan(region="AS-2", covers=["JP", "KR"])
    make_fake_plan(covers=["JP"])
    listed = client.get(new_order_url("plan", customer=customer.pk, country="AS-2"))
    assert_clean_page(listed)
    assert [row["plan"] for row in listed.context["plans"]] == [plan]
