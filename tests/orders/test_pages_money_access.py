"""Who may open which page about payments and credit, and with which method."""

import uuid
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import User
from orders.credit_accounts import adjust_account
from orders.credit_statements import issue_statement
from orders.models import CreditAccount, CreditEntry, CreditStatement, Order, Payment, Purchase, Refund
from tests.orders.desk import sign_in, sign_in_as
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan
from tests.orders.test_capturing import come, make_order
from tests.orders.test_credit import make_credit, make_manager
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]

#: Page → the permission that opens it.
READ = {
    "payment-queue": "orders.view_payment",
    "payment-detail": "orders.view_payment",
    "payment-decide": "orders.handle_payment",
    "order-came": "orders.sell",
    "order-extend": "orders.sell",
    "credit-list": "orders.view_creditaccount",
    "credit-new": "orders.manage_credit",
    "credit-detail": "orders.view_creditaccount",
    "credit-change": "orders.manage_credit",
    "statement-detail": "orders.view_creditaccount",
}
FILES = {"credit-csv": "orders.view_creditaccount", "statement-csv": "orders.view_creditaccount"}
WRITE = ("payment-decide", "order-came", "order-extend", "credit-new", "credit-change")
EVERY = {
    *READ.values(),
    *("orders.view_order", "orders.view_refund", "orders.refund", "orders.reconcile", "customers.change_customer"),
}


def address(name: str) -> str:
    """The page with something on it."""
    arguments: list[object] = []
    match name:
        case "payment-queue" | "payment-detail" | "payment-decide":
            payment = come(make_order("expired"), "12")
            decision = ["give-back"] if name == "payment-decide" else []
            arguments = [] if name == "payment-queue" else [payment.pk, *decision]
        case "order-came" | "order-extend":
            arguments = [order_plan(make_fake_plan()).pk]
        case "credit-new":
            arguments = [make_customer().pk]
        case _:
            account = make_credit()
            staff = make_manager()
            adjust_account(account=account, amount=Decimal(5), why="old books", form_key=uuid.uuid4(), by=staff)
            statement = issue_statement(account=account, by=staff)
            arguments = [] if name == "credit-list" else [account.pk]
            arguments = [statement.pk] if name.startswith("statement") else arguments
            arguments += ["close"] if name == "credit-change" else []
    return reverse(name, args=arguments)


def count_rows() -> list[object]:
    models = (Order, Payment, Purchase, Refund, CreditAccount, CreditEntry, CreditStatement)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


@pytest.mark.parametrize(("name", "permission"), {**READ, **FILES}.items())
def test_only_staff_with_the_permission_come_in(name: str, permission: str) -> None:
    url = address(name)
    response = Client().get(url)
    assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={url}")
    traveller = User.objects.create_user("traveller@example.com", "x")
    assert sign_in_as(traveller).get(url).status_code == 403
    refused = sign_in(*(EVERY - {permission})).get(url)
    assert refused.status_code == 403
    assert permission in refused.content.decode()
    assert sign_in(permission).get(url).status_code == 200


@pytest.mark.parametrize(("name", "permission"), READ.items())
def test_every_page_is_clean_for_everybody_who_may_see_it(name: str, permission: str) -> None:
    url = address(name)
    response = sign_in(permission).get(url)
    assert_clean_page(response)
    assert "no-store" in response["Cache-Control"]
    assert_clean_page(sign_in_as(make_user(is_superuser=True)).get(url))
    assert_clean_page(sign_in_as(make_user(is_superuser=True, language="ja")).get(url), language="ja")


@pytest.mark.parametrize("name", WRITE)
def test_writing_needs_the_permission_and_writes_nothing_without(name: str) -> None:
    url = address(name)
    client = sign_in(*(EVERY - {READ[name]}))
    before = count_rows()
    words = {"why": "I may not", "amount": "5", "currency": "USD", "method": "cash", "days": "3", "credit_limit": "9"}
    assert client.post(url, {**words, "form_key": str(uuid.uuid4()), "payment_days": "3"}).status_code == 403
    assert count_rows() == before


@pytest.mark.parametrize("name", sorted({*READ, *FILES} - set(WRITE)))
def test_what_only_reads_refuses_to_be_posted_to(name: str) -> None:
    assert sign_in_as(make_user(is_superuser=True)).post(address(name)).status_code == 405


@pytest.mark.parametrize(
    "url",
    [
        *("/payments/999999/", "/payments/999999/buy/", "/orders/999999/came/", "/orders/999999/wait/"),
        *("/credit/999999/", "/credit/999999/close/", "/credit/999999/entries.csv", "/customers/999999/credit/"),
        *("/statements/999999/", "/statements/999999/statement.csv"),
    ],
)
def test_what_is_not_there_is_not_found(url: str) -> None:
    assert sign_in_as(make_user(is_superuser=True)).get(url).status_code == 404


def test_unknown_decisions_and_changes_are_not_found() -> None:
    client = sign_in_as(make_user(is_superuser=True))
    assert client.get(address("payment-decide").replace("give-back", "delete")).status_code == 404
    assert client.get(address("credit-change").replace("close", "delete")).status_code == 404
