"""Customer credit: what is owed is the sum of the entries, never beyond the limit, and it is said who and why."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django import Settings

from customers.models import Customer, User
from orders.books import find_uneven_orders, read_balances
from orders.credit import charge_order
from orders.credit_accounts import (
    CreditRefused,
    adjust_account,
    close_account,
    open_account,
    receive_payment,
    reopen_account,
    set_terms,
)
from orders.credit_statements import issue_monthly_statements, issue_statement
from orders.models import CreditAccount, CreditEntry, CreditStatement, Order, Payment, Purchase, Refund
from orders.payments import PaymentRefused
from orders.purchasing import run_purchase
from orders.refunds import RefundRefused, record_refund_made
from orders.selling import PaymentTaken, sell_plan
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan, pay
from tests.queue import Queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wholesaler")]


def make_manager() -> User:
    return make_user("orders.manage_credit", "orders.refund")


def make_credit(limit: str = "100", customer: Customer | None = None, currency: str = "USD") -> CreditAccount:
    return open_account(
        customer=customer or make_customer(), currency=currency, credit_limit=Decimal(limit), by=make_manager()
    )


def charge(account: CreditAccount, quantity: int = 2, *, form_key: uuid.UUID | None = None) -> Order:
    """An order of so many eSIMs at 6.00 USD, on credit."""
    order = order_plan(make_fake_plan(), quantity, customer=account.customer)
    charge_order(
        order=order, amount=order.total, currency="USD", form_key=form_key or uuid.uuid4(), by=make_user("orders.sell")
    )
    order.refresh_from_db()
    return order


def receive(account: CreditAccount, amount: str, **changes: Any) -> CreditEntry:
    arguments: dict[str, Any] = {
        "method": "transfer",
        "reference": "B1",
        "form_key": uuid.uuid4(),
        "by": make_manager(),
    }
    return receive_payment(account=account, amount=Decimal(amount), **{**arguments, **changes})


def read(account: CreditAccount) -> tuple[Decimal, list[tuple[str, Decimal, Decimal]]]:
    """What is owed, and every movement with what was owed then; the sum is checked."""
    account.refresh_from_db()
    entries = list(account.entries.order_by("pk").values_list("kind", "amount", "owed_after"))
    assert sum((amount for _kind, amount, _after in entries), Decimal(0)) == account.owed
    return account.owed, entries


def test_an_order_on_credit_is_bought_at_once_and_owed(queue: Queue) -> None:
    account = make_credit()
    order = charge(account)
    payment, entry = Payment.objects.get(), CreditEntry.objects.get()
    assert (order.state, Purchase.objects.count(), len(queue.waiting())) == ("buying", 1, 1)
    assert (payment.method, payment.state, payment.captured_amount) == ("credit", "captured", Decimal(12))
    assert (entry.payment, entry.reference, entry.by) == (payment, order.number, payment.recorded_by.email)  # type: ignore[union-attr]
    assert read(account) == (Decimal(12), [("charge", Decimal(12), Decimal(12))])
    assert (find_uneven_orders(), [balance.difference for balance in read_balances()]) == ([], [Decimal(0)])


def test_the_limit_is_reached_exactly_and_not_passed(queue: Queue) -> None:
    account = make_credit("0.3")
    plan = make_fake_plan(retail_price=Decimal("0.1"))
    for _ in range(3):
        order = order_plan(plan, customer=account.customer)
        charge_order(order=order, amount=order.total, currency="USD", form_key=uuid.uuid4(), by=make_user())
    order = order_plan(plan, customer=account.customer)
    with pytest.raises(PaymentRefused, match=r"0\.00 USD are free, 0\.10 USD are needed") as refused:
        charge_order(order=order, amount=order.total, currency="USD", form_key=uuid.uuid4(), by=make_user())
    order.refresh_from_db()
    assert (refused.value.field, order.state, order.payments.count()) == ("method", "unpaid", 0)
    assert (order.events.count(), Purchase.objects.count(), len(queue.waiting())) == (1, 3, 3)
    assert read(account)[0] == Decimal("0.3")


def test_the_same_form_is_charged_once() -> None:
    account, key = make_credit(), uuid.uuid4()
    order = charge(account, form_key=key)
    again = charge_order(order=order, amount=order.total, currency="USD", form_key=key, by=make_user())
    assert (again.pk, CreditEntry.objects.count(), Purchase.objects.count()) == (Payment.objects.get().pk, 1, 1)
    with pytest.raises(PaymentRefused, match="sent before"):
        charge(account, form_key=key)
    assert read(account)[0] == Decimal(12)


def test_no_account_or_a_closed_one_or_another_currency() -> None:
    account = make_credit(currency="JPY")
    order = order_plan(make_fake_plan(), customer=account.customer)
    words: dict[str, Any] = {
        "order": order,
        "amount": order.total,
        "currency": "USD",
        "form_key": uuid.uuid4(),
        "by": make_user(),
    }
    with pytest.raises(PaymentRefused, match="no credit account in USD"):
        charge_order(**words)
    dollars = make_credit(customer=account.customer)
    close_account(account=dollars, why="pays late", by=make_manager())
    with pytest.raises(PaymentRefused, match="closed for new orders"):
        charge_order(**words)
    reopen_account(account=dollars, why="paid", by=make_manager())
    charge_order(**words)
    assert read(dollars)[0] == Decimal(6)
    assert read(account)[0] == 0


def test_what_is_not_configured_charges_nothing(settings: Settings) -> None:
    account = make_credit()
    order = order_plan(make_fake_plan(), customer=account.customer)
    settings.PROVIDERS = {}
    with pytest.raises(PaymentRefused, match="not configured"):
        charge_order(order=order, amount=order.total, currency="USD", form_key=uuid.uuid4(), by=make_user())
    assert (Payment.objects.count(), read(account)) == (0, (Decimal(0), []))


def test_a_paid_order_and_another_amount_are_not_charged() -> None:
    account = make_credit()
    paid, other = (order_plan(make_fake_plan(), customer=account.customer) for _ in range(2))
    pay(paid)
    for order, amount in ((paid, paid.total), (other, Decimal(5))):
        with pytest.raises(PaymentRefused):
            charge_order(order=order, amount=amount, currency="USD", form_key=uuid.uuid4(), by=make_user())
    assert read(account) == (Decimal(0), [])


def test_a_sale_that_the_limit_does_not_allow_writes_nothing(queue: Queue) -> None:
    account, plan = make_credit("5"), make_fake_plan()
    with pytest.raises(PaymentRefused, match="limit"):
        sell_plan(
            customer=account.customer,
            plan=plan,
            quantity=1,
            checkout_key=uuid.uuid4(),
            expected_unit_price=Decimal(6),
            payment=PaymentTaken(method="credit", reference="", form_key=uuid.uuid4()),
            by=make_user(),
        )
    assert (Order.objects.count(), Payment.objects.count(), queue.waiting()) == (0, 0, [])
    assert read(account) == (Decimal(0), [])


def test_what_the_customer_pays_is_owed_no_more() -> None:
    account, key = make_credit(), uuid.uuid4()
    charge(account)
    for _ in range(2):
        receive(account, "20", form_key=key)
    assert read(account)[1][-1] == ("payment", Decimal(-20), Decimal(-8))
    with pytest.raises(CreditRefused, match="sent before"):
        receive(account, "21", form_key=key)
    for amount, changes, field in (("0", {}, "amount"), ("0.001", {}, "amount"), ("5", {"method": "credit"}, "method")):
        with pytest.raises(CreditRefused) as refused:
            receive(account, amount, **changes)
        assert refused.value.field == field
    assert read(account)[0] == Decimal(-8)


def test_an_adjustment_needs_a_reason() -> None:
    account, staff = make_credit("10"), make_manager()
    adjust_account(account=account, amount=Decimal("50.5"), why="of the old books", form_key=uuid.uuid4(), by=staff)
    adjust_account(account=account, amount=Decimal("-0.5"), why="goodwill", form_key=uuid.uuid4(), by=staff)
    for amount, why, field in ((Decimal(0), "x", "amount"), (Decimal(1), " ", "why")):
        with pytest.raises(CreditRefused) as refused:
            adjust_account(account=account, amount=amount, why=why, form_key=uuid.uuid4(), by=staff)
        assert refused.value.field == field
    assert read(account)[0] == Decimal(50)


def test_terms_change_with_who_and_why() -> None:
    account, staff = make_credit(), make_manager()
    for _ in range(2):
        set_terms(account=account, credit_limit=Decimal(40), payment_days=14, why="pays late", by=staff)
        close_account(account=account, why="lost", by=staff)
    account.refresh_from_db()
    assert (account.credit_limit, account.payment_days, account.is_open) == (Decimal(40), 14, False)
    assert list(account.entries.order_by("pk").values_list("kind", "amount", "reference", "why", "by")) == [
        ("terms", Decimal(0), "limit 100.00 USD → 40.00 USD; days to pay 30 → 14", "pays late", staff.email),
        ("terms", Decimal(0), "closed for new orders", "lost", staff.email),
    ]


def test_an_account_is_opened_once() -> None:
    account = make_credit()
    assert make_credit(customer=account.customer) == account
    with pytest.raises(CreditRefused, match="already"):
        make_credit("200", customer=account.customer)
    with pytest.raises(CreditRefused):
        make_credit("-1")
    assert CreditAccount.objects.count() == 1


def make_refund(order: Order, wholesaler: Wholesaler) -> Refund:
    run_purchase(purchase_id=Purchase.objects.get(order_line__order=order).pk)
    return Refund.objects.get(order=order)


def test_a_refund_is_counted_against_what_is_owed(wholesaler: Wholesaler) -> None:
    account, staff = make_credit(), make_manager()
    wholesaler.plan_orders("refused")
    refund = make_refund(charge(account), wholesaler)
    for _ in range(2):
        record_refund_made(refund=refund, method="credit", reference="", by=staff)
    assert read(account)[1][-1] == ("refund", Decimal(-12), Decimal(0))
    refund.refresh_from_db()
    assert (refund.state, refund.method, refund.credit_entry.by) == ("made", "credit", staff.email)
    assert [balance.difference for balance in read_balances()] == [Decimal(0)]


def test_what_was_paid_in_cash_is_not_refunded_to_credit(wholesaler: Wholesaler) -> None:
    account = make_credit()
    order = order_plan(make_fake_plan(), customer=account.customer)
    pay(order)
    wholesaler.plan_orders("refused")
    refund = make_refund(order, wholesaler)
    with pytest.raises(RefundRefused) as refused:
        record_refund_made(refund=refund, method="credit", reference="", by=make_manager())
    assert refused.value.field == "method"
    refund.refresh_from_db()
    assert (refund.state, read(account)) == ("due", (Decimal(0), []))


# -- statements -------------------------------------------------------------------------------------------------------


def test_a_statement_is_frozen() -> None:
    account, staff = make_credit(), make_manager()
    with pytest.raises(CreditRefused, match="Nothing has moved"):
        issue_statement(account=account, by=staff)
    charge(account)
    receive(account, "2")
    set_terms(account=account, credit_limit=Decimal(200), payment_days=14, why="good customer", by=staff)
    first = issue_statement(account=account, by=staff)
    charge(account, 1)
    second = issue_statement(account=account, by=staff)
    first.refresh_from_db()
    assert (first.opening, first.closing, first.entries.count()) == (Decimal(0), Decimal(10), 2)
    assert (second.opening, second.closing, second.entries.count()) == (Decimal(10), Decimal(16), 1)
    assert (first.number, second.number) == (f"CS-{account.pk}-001", f"CS-{account.pk}-002")
    assert first.due_on == timezone.localdate() + timedelta(days=14)
    with pytest.raises(CreditRefused, match="Nothing has moved"):
        issue_statement(account=account, by=staff)
    assert CreditStatement.objects.count() == 2


def test_the_month_that_is_over_is_stated_once() -> None:
    account, quiet = make_credit(), make_credit()
    charge(account)
    month = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert issue_monthly_statements() == []
    move_back(CreditEntry.objects.get(), month - timedelta(seconds=1))
    charge(account, 1)
    (statement,) = issue_monthly_statements()
    assert issue_monthly_statements() == []
    assert (statement.account, statement.closing, statement.issued_by) == (account, Decimal(12), "schedule")
    assert CreditEntry.objects.filter(statement=None).count() == 1
    assert quiet.statements.count() == 0


def move_back(entry: CreditEntry, at: datetime) -> None:
    CreditEntry.objects.filter(pk=entry.pk).update(at=at)


@pytest.mark.parametrize("currency", ["1$ ", "usd", "US", "USDT", "", "US\n"])
def test_an_account_is_in_a_currency(currency: str) -> None:
    with pytest.raises(CreditRefused, match="three capital letters"):
        make_credit(currency=currency)
    assert CreditAccount.objects.count() == 0


# -- who may ----------------------------------------------------------------------------------------------------------


def test_everything_about_an_account_needs_the_permission() -> None:
    account, stranger = make_credit(), make_user("orders.sell", "orders.refund", "orders.handle_payment")
    charge(account)
    entries = CreditEntry.objects.count()
    attempts = (
        lambda: open_account(customer=make_customer(), currency="USD", credit_limit=Decimal(1), by=stranger),
        lambda: set_terms(account=account, credit_limit=Decimal(1), payment_days=1, why="", by=stranger),
        lambda: close_account(account=account, why="", by=stranger),
        lambda: reopen_account(account=account, why="", by=stranger),
        lambda: receive(account, "1", by=stranger),
        lambda: adjust_account(account=account, amount=Decimal(1), why="x", form_key=uuid.uuid4(), by=stranger),
        lambda: issue_statement(account=account, by=stranger),
    )
    for attempt in attempts:
        with pytest.raises(PermissionDenied):
            attempt()
    account.refresh_from_db()
    assert (account.is_open, account.credit_limit, CreditEntry.objects.count()) == (True, Decimal(100), entries)
    assert (CreditAccount.objects.count(), CreditStatement.objects.count()) == (1, 0)
