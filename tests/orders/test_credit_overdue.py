"""Statements that nobody paid by their day: exact amounts, the oldest debt first, and where people see it."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from orders.credit_accounts import adjust_account
from orders.credit_statements import issue_statement
from orders.models import CreditAccount, CreditEntry, CreditStatement
from orders.selectors.overdue import came_since, find_overdue, look_at_statements, sum_overdue
from tests.orders.desk import sign_in
from tests.orders.making import make_customer
from tests.orders.test_credit import charge, make_credit, make_manager, receive
from tests.pages import assert_clean_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]


def state(account: CreditAccount, *, days: int) -> CreditStatement:
    """A statement that is to be paid in so many days, or was to be paid so many days ago."""
    statement = issue_statement(account=account, by=make_manager())
    CreditStatement.objects.filter(pk=statement.pk).update(due_on=timezone.localdate() + timedelta(days=days))
    return statement


def look(account: CreditAccount) -> list[tuple[Decimal, bool]]:
    return [(row.left, row.is_overdue) for row in look_at_statements(account, limit=12)]


def overdue(account: CreditAccount) -> Decimal | None:
    account.refresh_from_db()
    (alone,) = (find_overdue([account]).get(account.pk),)
    assert alone == find_overdue().get(account.pk)
    return alone


def test_it_is_overdue_from_the_day_after() -> None:
    account = make_credit()
    charge(account)
    assert overdue(account) is None
    statement = state(account, days=0)
    assert (overdue(account), look(account)) == (None, [(Decimal(12), False)])
    CreditStatement.objects.filter(pk=statement.pk).update(due_on=timezone.localdate() - timedelta(days=1))
    assert (overdue(account), look(account)) == (Decimal(12), [(Decimal(12), True)])


def test_what_came_since_counts_and_what_was_sold_since_does_not() -> None:
    account = make_credit()
    charge(account)
    state(account, days=-1)
    charge(account, 3)
    receive(account, "5")
    adjust_account(account=account, amount=Decimal("-0.5"), why="x", form_key=uuid.uuid4(), by=make_manager())
    assert (overdue(account), look(account)) == (Decimal("6.5"), [(Decimal("6.5"), True)])
    receive(account, "6.5")
    assert (overdue(account), look(account)) == (None, [(Decimal(0), False)])
    account.refresh_from_db()
    assert account.owed == Decimal(18)


def test_the_oldest_debt_is_paid_first() -> None:
    account = make_credit()
    charge(account)
    state(account, days=-40)
    charge(account, 1)
    receive(account, "4")
    state(account, days=-10)
    charge(account, 1)
    receive(account, "3")
    state(account, days=20)
    receive(account, "2")
    # 12 and then 6 were stated and are past; 9 of them came. The newest holds what is left of both, and its own 6.
    assert overdue(account) == Decimal(9)
    assert look(account) == [(Decimal(15), False), (Decimal(9), True), (Decimal(3), True)]
    receive(account, "3")
    assert (overdue(account), look(account)[2]) == (Decimal(6), (Decimal(0), False))


def test_a_statement_issued_later_may_be_due_earlier() -> None:
    account = make_credit()
    charge(account)
    receive(account, "1")
    state(account, days=20)
    charge(account, 1)
    state(account, days=-1)
    # What came before the second one is in it already.
    assert overdue(account) == Decimal(17)
    receive(account, "17")
    assert overdue(account) is None


def test_who_is_owed_something_is_never_overdue() -> None:
    account = make_credit()
    charge(account)
    receive(account, "20")
    state(account, days=-1)
    charge(account)
    assert (overdue(account), look(account)) == (None, [(Decimal(0), False)])
    assert sum_overdue() == (0, {})


def test_people_see_it_on_the_dashboard_the_list_and_the_accounts_page() -> None:
    late = make_credit(customer=make_customer(name="Late Payers"))
    other = make_credit(customer=make_customer(name="Other Payers"))
    for account, days in ((late, -3), (other, 3)):
        charge(account)
        state(account, days=days)
    receive(late, "2")
    client = sign_in("orders.view_creditaccount", "customers.view_customer")
    home = client.get("/")
    (task,) = [task for task in home.context["tasks"] if "overdue" in task.url]
    assert (task.number, task.hint, task.url) == (1, "10.00 USD", "/credit/?overdue=1")
    found = client.get(task.url)
    assert_clean_page(found)
    assert ("Late Payers" in found.content.decode(), "Other Payers" in found.content.decode()) == (True, False)
    listed = client.get("/credit/").content.decode()
    assert ("Other Payers" in listed, listed.count("10.00\xa0USD overdue")) == (True, 1)
    for url in (f"/credit/{late.pk}/", f"/customers/{late.customer_id}/"):
        page = client.get(url)
        assert_clean_page(page)
        assert "<dt>Overdue</dt>" in page.content.decode()
    assert "<dt>Overdue</dt>" not in client.get(f"/credit/{other.pk}/").content.decode()
    receive(late, "10")
    assert [task for task in client.get("/").context["tasks"] if "overdue" in task.url] == []
    nothing = client.get("/credit/?overdue=1")
    assert_clean_page(nothing)
    assert "Nothing is overdue" in nothing.content.decode()


def test_who_may_not_see_credit_is_told_nothing() -> None:
    account = make_credit()
    charge(account)
    state(account, days=-1)
    assert "overdue" not in sign_in("orders.view_order", "customers.view_customer").get("/").content.decode()


def test_many_accounts_cost_as_many_questions_as_one(django_assert_num_queries: Callable[[int], Any]) -> None:
    for _ in range(3):
        account = make_credit()
        charge(account)
        state(account, days=-1)
        receive(account, "1")
        with django_assert_num_queries(2):
            found = find_overdue()
    assert set(found.values()) == {Decimal(11)}
    assert len(found) == 3


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads so few rows at once")
def test_entries_of_years_are_not_read_for_it() -> None:
    accounts = [make_credit() for _ in range(10)]
    today = timezone.localdate()
    statements = [
        CreditStatement(
            account=account,
            number=f"{account.pk}-{month}",
            issued_at=timezone.now(),
            due_on=today - timedelta(days=30 * month - 15),
            opening=0,
            closing=0,
        )
        for account in accounts
        for month in range(36)
    ]
    CreditStatement.objects.bulk_create(statements)
    entry = {"kind": "payment", "amount": -1, "owed_after": 0, "by": "x"}
    entries = [CreditEntry(account=row.account, statement=row, **entry) for row in statements for _ in range(10)]
    CreditEntry.objects.bulk_create(entries)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    came = came_since([account.pk for account in accounts], today)
    assert came.count() == 100
    assert "credit_statement_due" in came.explain()
    assert "SCAN orders_creditentry" not in came.explain()
