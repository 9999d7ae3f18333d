"""A top-up and an activation that the customer pays later: within the limit, exactly; beyond it nothing at all."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.db import models
from django.test import Client

from esims.models import Esim
from orders.models import Activation, CreditAccount, CreditEntry, Order, OrderEvent, OrderLine, Payment, Purchase
from orders.purchasing import run_purchase
from tests.orders.activating import NEW, make_eid
from tests.orders.desk import SELLER, read_hidden, sign_in
from tests.orders.fakes_lines import Allocator
from tests.orders.making import make_customer, make_due
from tests.orders.test_activations_pages import form_address, open_form
from tests.orders.test_credit import make_credit, read
from tests.orders.test_topping import make_sold_line
from tests.pages import assert_clean_page
from tests.queue import Queue
from tests.simulator_freebit import Freebit

pytestmark = pytest.mark.django_db
WRITTEN: tuple[type[models.Model], ...] = (
    *(Order, OrderLine, OrderEvent, Payment, Purchase),
    *(Activation, CreditEntry),
)


def count_rows() -> list[int]:
    return [model._default_manager.count() for model in WRITTEN]


def say(response: Any) -> str:
    """The words of a page on one line."""
    return " ".join(response.content.decode().split())


def open_top_up(client: Client, esim: Esim) -> dict[str, str]:
    page = client.get(f"/esims/{esim.pk}/top-up/")
    assert_clean_page(page)
    (row,) = page.context["rows"]
    return {**read_hidden(page, "checkout_key", "form_key"), "package": row["value"], "reference": "", "note": ""}


def post_top_up(client: Client, esim: Esim, form: Mapping[str, str], method: str = "credit") -> Any:
    return client.post(f"/esims/{esim.pk}/top-up/", {**form, "method": method})


def owed(account: CreditAccount) -> tuple[Decimal, int]:
    """What is owed, and by how many entries; their sum is checked."""
    amount, entries = read(account)
    return amount, len(entries)


# -- top-ups ----------------------------------------------------------------------------------------------------------


def test_a_top_up_on_credit_is_bought_at_once_and_owed(allocator: Allocator, queue: Queue) -> None:
    esim, client = make_sold_line(allocator), sign_in(*SELLER)
    account = make_credit("6", customer=esim.customer)
    form = open_top_up(client, esim)
    assert "Customer credit: 6.00 USD free" in say(client.get(f"/esims/{esim.pk}/top-up/"))
    first, second = (post_top_up(client, esim, {**form, "reference": "PO 9"}) for _ in range(2))
    order = Order.objects.get(lines__kind="top_up")
    assert first["Location"] == second["Location"] == f"/orders/{order.pk}/"
    payment = order.payments.get()
    assert (payment.method, payment.captured_amount, payment.reference) == ("credit", Decimal(6), "PO 9")
    # To the last cent of the limit, and once.
    assert (order.state, owed(account)) == ("buying", (Decimal(6), 1))
    assert CreditEntry.objects.get().payment == payment
    run_purchase(purchase_id=make_due(Purchase.objects.get(order_line__order=order)).pk)
    order.refresh_from_db()
    assert (order.state, len(allocator.top_ups)) == ("completed", 1)


def test_a_top_up_beyond_the_limit_is_refused_and_nothing_is_written(allocator: Allocator, queue: Queue) -> None:
    esim, client = make_sold_line(allocator), sign_in(*SELLER)
    account = make_credit("5.99", customer=esim.customer)
    form = open_top_up(client, esim)
    before, jobs = count_rows(), queue.waiting()
    response = post_top_up(client, esim, form)
    assert_clean_page(response, status=422)
    message = "The credit limit does not allow it: 5.99 USD are free, 6.00 USD are needed. Nothing was written."
    assert message in say(response)
    assert response.context["form"].errors == {"method": [message]}
    assert (count_rows(), queue.waiting(), owed(account)) == (before, jobs, (Decimal(0), 0))
    queue.run()
    assert (allocator.arrived, allocator.top_ups) == ([], [])
    # The same form, paid in another way, is one order.
    again = read_hidden(response, "checkout_key", "form_key")
    assert again == {name: form[name] for name in again}
    assert post_top_up(client, esim, {**form, **again}, "cash").status_code == 302
    assert (Order.objects.filter(lines__kind="top_up").count(), owed(account)) == (1, (Decimal(0), 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"currency": "JPY"}, "This customer has no credit account in USD."),
        ({"is_open": False}, "This way to pay is not possible here. Choose another one."),
    ],
)
def test_an_account_that_does_not_fit_tops_nothing_up(
    allocator: Allocator, queue: Queue, changes: dict[str, Any], message: str
) -> None:
    esim, client = make_sold_line(allocator), sign_in(*SELLER)
    account = make_credit("100", customer=esim.customer)
    CreditAccount.objects.update(**changes)
    form, before = open_top_up(client, esim), count_rows()
    response = post_top_up(client, esim, form)
    assert_clean_page(response, status=422)
    assert message in say(response)
    assert (count_rows(), owed(account)) == (before, (Decimal(0), 0))


def test_an_account_that_is_closed_while_the_form_is_open_tops_nothing_up(allocator: Allocator, queue: Queue) -> None:
    """The other account keeps the choice on the form: the verb itself refuses."""
    esim, client = make_sold_line(allocator), sign_in(*SELLER)
    account, other = make_credit("100", customer=esim.customer), make_credit("9", esim.customer, "JPY")
    form, before = open_top_up(client, esim), count_rows()
    CreditAccount.objects.filter(pk=account.pk).update(is_open=False)
    response = post_top_up(client, esim, form)
    assert_clean_page(response, status=422)
    assert "The customer&#x27;s credit account is closed for new orders." in say(response)
    assert (count_rows(), owed(account), owed(other)) == (before, (Decimal(0), 0), (Decimal(0), 0))


# -- activations ------------------------------------------------------------------------------------------------------


def test_an_activation_on_credit_is_sent_at_once_and_owed(freebit: Freebit, queue: Queue) -> None:
    account, client = make_credit("6"), sign_in(*SELLER)
    address = form_address(account.customer)
    form = {**open_form(client, address), **NEW, "eid": make_eid(), "method": "credit", "reference": "PO 7"}
    assert "Customer credit: 6.00 USD free" in say(client.get(address))
    first, second = (client.post(address, form) for _ in range(2))
    order = Order.objects.get()
    assert first["Location"] == second["Location"] == f"/orders/{order.pk}/"
    payment = order.payments.get()
    assert (payment.method, payment.captured_amount, payment.reference) == ("credit", Decimal(6), "PO 7")
    assert (order.state, owed(account), CreditEntry.objects.get().payment) == ("buying", (Decimal(6), 1), payment)
    queue.run()
    assert freebit.count_activations() == 1


def test_an_activation_beyond_the_limit_is_refused_and_nothing_is_written(freebit: Freebit, queue: Queue) -> None:
    account, client = make_credit("5.99"), sign_in(*SELLER)
    address = form_address(account.customer)
    form = {**open_form(client, address), **NEW, "eid": make_eid(), "method": "credit"}
    before = count_rows()
    response = client.post(address, form)
    assert_clean_page(response, status=422)
    message = "The credit limit does not allow it: 5.99 USD are free, 6.00 USD are needed. Nothing was written."
    assert message in say(response)
    assert f'value="{form["eid"]}"' in say(response)
    assert (count_rows(), owed(account)) == (before, (Decimal(0), 0))
    queue.run()
    assert freebit.count_activations() == 0
    # The same form, paid in another way, is one order and one activation.
    assert client.post(address, {**form, "method": "cash"}).status_code == 302
    assert (Order.objects.count(), Activation.objects.count(), owed(account)) == (1, 1, (Decimal(0), 0))


@pytest.mark.parametrize("currency", ["JPY", ""])
def test_credit_is_no_way_to_pay_an_activation_without_an_account_for_it(
    freebit: Freebit, queue: Queue, currency: str
) -> None:
    customer, client = make_customer(), sign_in(*SELLER)
    if currency:
        make_credit("9999", customer=customer, currency=currency)
    address = form_address(customer)
    form = {**open_form(client, address), **NEW, "eid": make_eid(), "method": "credit"}
    assert "Customer credit" not in say(client.get(address))
    before = count_rows()
    response = client.post(address, form)
    assert_clean_page(response, status=422)
    assert "This way to pay is not possible here. Choose another one." in say(response)
    assert count_rows() == before
    queue.run()
    assert freebit.count_activations() == 0
