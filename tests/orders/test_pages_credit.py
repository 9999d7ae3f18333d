"""Customer credit on pages: opened, ordered on, paid, stated, exported."""

import csv
import io
import uuid
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from orders.csv_files import write_csv
from orders.models import CreditAccount, CreditEntry, CreditStatement, Order, Payment, Purchase, Refund
from orders.purchasing import run_purchase
from tests.orders.desk import DECIDER, SELLER, open_confirm, read_hidden, sign_in
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, order_plan
from tests.orders.test_credit import charge, make_credit
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]

BOOKKEEPER = ("customers.view_customer", "orders.view_order", "orders.view_creditaccount", "orders.manage_credit")


def test_an_account_is_opened_on_the_customers_page() -> None:
    customer, client = make_customer(name="Fjord Tours"), sign_in(*BOOKKEEPER)
    url = f"/customers/{customer.pk}/credit/"
    assert url in client.get(f"/customers/{customer.pk}/").content.decode()
    for words in ({"currency": "US"}, {"credit_limit": "-1"}, {"payment_days": "400"}, {"credit_limit": "1.234"}):
        form = {"currency": "USD", "credit_limit": "500", "payment_days": "14", **words}
        assert_clean_page(client.post(url, form), status=422)
    assert CreditAccount.objects.count() == 0
    for _ in range(2):
        response = client.post(url, {"currency": "usd", "credit_limit": "500", "payment_days": "14"})
    account = CreditAccount.objects.get()
    assert response["Location"] == f"/credit/{account.pk}/"
    assert (account.currency, account.credit_limit, account.payment_days) == ("USD", Decimal(500), 14)
    again = client.post(url, {"currency": "USD", "credit_limit": "600", "payment_days": "14"})
    assert "has a credit account in USD already" in again.content.decode()
    page = client.get(f"/customers/{customer.pk}/").content.decode()
    assert "500.00\xa0USD" in page
    assert f"/credit/{account.pk}/" in page
    assert "Fjord Tours" in client.get("/credit/?find=fjord").content.decode()
    assert "Fjord Tours" not in client.get("/credit/?find=nobody").content.decode()


def test_who_may_not_see_credit_sees_none_on_the_customers_page() -> None:
    account = make_credit("123")
    page = sign_in("customers.view_customer", "orders.view_order").get(f"/customers/{account.customer_id}/")
    assert "123.00" not in page.content.decode()
    assert "credit" not in page.content.decode().lower()


def test_the_wizard_sells_on_credit_within_the_limit() -> None:
    account, client, plan = make_credit("20"), sign_in(*SELLER), make_fake_plan()
    url, hidden = open_confirm(client, account.customer, plan, 2)
    assert "Customer credit: 20.00 USD free" in client.get(url).content.decode()
    client.post(url, {**hidden, "method": "credit", "reference": "PO 7", "note": ""})
    order = Order.objects.get()
    assert (order.state, order.payments.get().method, Purchase.objects.count()) == ("buying", "credit", 1)
    url, hidden = open_confirm(client, account.customer, plan, 2)
    response = client.post(url, {**hidden, "method": "credit", "reference": "", "note": ""})
    assert_clean_page(response, status=422)
    assert "8.00 USD are free, 12.00 USD are needed" in response.content.decode()
    account.refresh_from_db()
    assert (account.owed, Order.objects.count(), Payment.objects.count()) == (Decimal(12), 1, 1)


def test_without_an_account_credit_is_neither_offered_nor_taken() -> None:
    client, customer, plan = sign_in(*SELLER), make_customer(), make_fake_plan()
    make_credit("50", customer=customer, currency="JPY")
    url, hidden = open_confirm(client, customer, plan, 1)
    assert "Customer credit" not in client.get(url).content.decode()
    response = client.post(url, {**hidden, "method": "credit", "reference": "", "note": ""})
    assert_clean_page(response, status=422)
    assert "This way to pay is not possible here." in response.content.decode()
    assert Order.objects.count() == 0


def test_an_unpaid_order_is_paid_on_credit() -> None:
    account, client = make_credit("20"), sign_in(*SELLER)
    order = order_plan(make_fake_plan(), 2, customer=account.customer)
    page = client.get(f"/orders/{order.pk}/")
    assert "Customer credit: 20.00 USD free" in page.content.decode()
    hidden = read_hidden(page, "form_key")
    for _ in range(2):
        client.post(f"/orders/{order.pk}/pay/", {"amount": "12.00", "method": "credit", "reference": "", **hidden})
    order.refresh_from_db()
    account.refresh_from_db()
    assert (order.state, account.owed, CreditEntry.objects.count()) == ("buying", Decimal(12), 1)
    other = order_plan(make_fake_plan(), 2, customer=account.customer)
    words = {"amount": "12.00", "method": "credit", "reference": "", "form_key": str(uuid.uuid4())}
    response = client.post(f"/orders/{other.pk}/pay/", words)
    assert_clean_page(response, status=422)
    assert "The credit limit does not allow it" in response.content.decode()
    other.refresh_from_db()
    assert (other.state, other.payments.count()) == ("unpaid", 0)


def change(account: CreditAccount, name: str, **words: Any) -> Any:
    client = sign_in(*BOOKKEEPER)
    url = f"/credit/{account.pk}/{name}/"
    page = client.get(url)
    assert_clean_page(page)
    hidden = read_hidden(page, "form_key") if 'name="form_key"' in page.content.decode() else {}
    for _ in range(2):
        response = client.post(url, {**hidden, **words})
    return response


def test_every_change_on_the_accounts_page() -> None:
    account = make_credit()
    charge(account)
    change(account, "payment", amount="20", method="transfer", reference="B9")
    change(account, "adjust", amount="-1.50", why="goodwill")
    change(account, "terms", credit_limit="40", payment_days="7", why="small customer")
    change(account, "close", why="lost")
    change(account, "open", why="found")
    change(account, "statement")
    account.refresh_from_db()
    assert (account.owed, account.credit_limit, account.payment_days, account.is_open) == (
        Decimal("-9.5"),
        Decimal(40),
        7,
        True,
    )
    kinds = list(account.entries.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["charge", "payment", "adjustment", "terms", "terms", "terms"]
    page = sign_in(*BOOKKEEPER).get(f"/credit/{account.pk}/")
    assert_clean_page(page)
    html = page.content.decode()
    for words in ("We owe the customer", "9.50\xa0USD", "goodwill", f"CS-{account.pk}-001", Order.objects.get().number):
        assert words in html


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("payment", {"amount": "0", "method": "cash"}),
        ("payment", {"amount": "5", "method": "transfer", "reference": ""}),
        ("payment", {"amount": "5", "method": "credit"}),
        ("adjust", {"amount": "0", "why": "x"}),
        ("adjust", {"amount": "5", "why": ""}),
        ("terms", {"credit_limit": "-5", "payment_days": "3", "why": "x"}),
        ("close", {"why": ""}),
        ("statement", {}),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(name: str, words: dict[str, str]) -> None:
    account = make_credit()
    before = CreditAccount.objects.values().get()
    client = sign_in(*BOOKKEEPER)
    response = client.post(f"/credit/{account.pk}/{name}/", {**words, "form_key": str(uuid.uuid4())})
    assert_clean_page(response, status=422)
    assert CreditAccount.objects.values().get() == before
    assert (CreditEntry.objects.count(), CreditStatement.objects.count()) == (0, 0)


@pytest.mark.parametrize(("limit", "currency", "typed"), [("1000", "USD", "1000.00"), ("50000", "JPY", "50000")])
def test_the_limit_is_shown_as_people_type_it(limit: str, currency: str, typed: str) -> None:
    account = make_credit(limit, currency=currency)
    page = sign_in(*BOOKKEEPER).get(f"/credit/{account.pk}/terms/").content.decode()
    assert f'name="credit_limit" value="{typed}"' in page


def test_entries_come_in_pages() -> None:
    account = make_credit("100000")
    entries = [
        CreditEntry(account=account, kind="adjustment", amount=1, owed_after=number, why=f"entry {number}.", by="x")
        for number in range(60)
    ]
    CreditEntry.objects.bulk_create(entries)
    client = sign_in(*BOOKKEEPER)
    first = client.get(f"/credit/{account.pk}/")
    assert first.content.decode().count("<tr>") == 51
    older = client.get(f"/credit/{account.pk}/?after={first.context['page'].after}").content.decode()
    assert older.count("<tr>") == 11
    assert "entry 0." in older


def test_a_statement_on_paper_and_as_a_file() -> None:
    account = make_credit()
    order = charge(account)
    change(account, "adjust", amount="3", why="=HYPERLINK(evil)")
    change(account, "statement")
    statement = CreditStatement.objects.get()
    client = sign_in("orders.view_creditaccount")
    page = client.get(f"/statements/{statement.pk}/")
    assert_clean_page(page)
    html = page.content.decode()
    for words in (statement.number, order.number, account.customer.name, "15.00\xa0USD", "statement.css"):
        assert words in html
    # Later movements stay off it.
    charge(account, 1)
    assert client.get(f"/statements/{statement.pk}/").content.decode().count("<tr>") == html.count("<tr>")
    for url, name, rows in (
        (f"/statements/{statement.pk}/statement.csv", f"{statement.number}.csv", 3),
        (f"/credit/{account.pk}/entries.csv", f"credit-{account.pk}.csv", 4),
    ):
        response = client.get(url)
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
        content = response.content
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        assert len(table) == rows
        assert table[1][2:7] == [order.number, order.number, "", "12.0000", "12.0000"]
        assert table[2][4:6] == ["'=HYPERLINK(evil)", "3.0000"]


def test_a_statement_names_its_issuer_as_it_was_then(settings: Settings) -> None:
    settings.BRAND_NAME = settings.ISSUER_NAME = "Fjord Desk"
    settings.ISSUER_ADDRESS, settings.ISSUER_REGISTRATION = "12 Harbour Street\n5003 Bergen", "NO 912 345 678"
    account, client = make_credit(), sign_in("orders.view_creditaccount")
    charge(account)
    change(account, "statement")
    first = f"/statements/{CreditStatement.objects.get().pk}/"
    then = "Fjord Desk", "12 Harbour Street\n5003 Bergen", "Registration number", "NO 912 345 678"
    settings.ISSUER_NAME, settings.ISSUER_ADDRESS, settings.ISSUER_REGISTRATION = "Fjord Desk Ltd.", "", ""
    html = client.get(first).content.decode()
    assert [words for words in (*then, "Fjord Desk Ltd.") if words in html] == [*then]
    charge(account)
    change(account, "statement")
    html = client.get(f"/statements/{CreditStatement.objects.latest('pk').pk}/").content.decode()
    assert [words for words in (*then[1:], "Fjord Desk Ltd.") if words in html] == ["Fjord Desk Ltd."]
    # One from before the issuer was kept names the office of today.
    CreditStatement.objects.update(issuer_name="")
    assert "Fjord Desk Ltd." in client.get(first).content.decode()


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n-1", "＝1+1", "＋1", "－1", "＠SUM(A1)", "　＝1"],
)
def test_no_cell_of_a_file_begins_a_formula(cell: str) -> None:
    table = list(csv.reader(io.StringIO(write_csv(["a"], [[cell], [Decimal(-5)]]).decode("utf-8-sig"), newline="")))
    assert table == [["a"], [f"'{cell}"], ["-5"]]


def test_a_refund_is_counted_against_what_is_owed_by_a_click(wholesaler: Wholesaler) -> None:
    account, client = make_credit(), sign_in(*DECIDER)
    wholesaler.plan_orders("refused")
    run_purchase(purchase_id=Purchase.objects.get(order_line__order=charge(account)).pk)
    refund = Refund.objects.get()
    url = f"/refunds/{refund.pk}/made/"
    page = client.get(url)
    assert "counted against what the customer owes" in page.content.decode()
    for _ in range(2):
        client.post(url, {"method": "credit", "reference": "C1", **read_hidden(page, "shown")})
    account.refresh_from_db()
    assert (account.owed, Refund.objects.get().method) == (Decimal(0), "credit")
