"""Money in the demo office: a customer who pays later, and two transfers that do not fit to their orders."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from catalog.currencies import round_nearest
from config.demo.desk import DemoDesk, make_key
from config.demo.story import Sale
from customers.models import Customer, User
from orders.credit_accounts import open_account, receive_payment
from orders.credit_statements import issue_statement
from orders.expiring import expire_orders
from orders.models import CreditAccount, Order, Payment
from orders.payments import record_what_came

#: Who pays later, in the currency of most plans, and how much at most.
CREDIT_CUSTOMER = "travel@fjordtours.example"
CREDIT_CURRENCY = "USD"
CREDIT_LIMIT = Decimal(2500)

#: Sold on credit.
ON_CREDIT = Sale(
    name="on account",
    customer=CREDIT_CUSTOMER,
    country="GB",
    days=7,
    quantity=3,
    method="credit",
    note="Advance party of the autumn tour.",
)
#: Less comes than was asked for.
SHORT = Sale(name="short transfer", customer="lukas.weber@example.de", country="ES", days=7, quantity=2, paid=False)
#: It comes after the order has expired.
LATE = Sale(name="late transfer", customer="priya.shah@example.in", country="KR", days=5, paid=False)


def open_credit(*, staff: User) -> CreditAccount:
    """The account of the customer who pays later."""
    customer = Customer.objects.get(email=CREDIT_CUSTOMER)
    return open_account(
        customer=customer, currency=CREDIT_CURRENCY, credit_limit=CREDIT_LIMIT, payment_days=30, by=staff
    )


def state_credit(account: CreditAccount, *, staff: User) -> None:
    """Something is paid of what is owed, and the first statement goes out."""
    if account.statements.exists():
        return
    account.refresh_from_db()
    receive_payment(
        account=account,
        amount=round_nearest(account.owed / 4, account.currency),
        method="transfer",
        reference="DEMO-CREDIT-1",
        form_key=make_key("first payment on account"),
        by=staff,
    )
    issue_statement(account=account, by=staff)


def take_what_came(desk: DemoDesk, *, staff: User) -> list[Order]:
    """A transfer of less than was asked for, and one for an order that has expired; both wait for a decision."""
    short, late = desk.place(SHORT), desk.place(LATE)
    _record(short, round_nearest(short.total / 2, short.currency), "short transfer came", staff)
    if late.state == Order.State.UNPAID:
        # As if the three days were over.
        Order.objects.filter(pk=late.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        expire_orders()
        late.refresh_from_db()
    _record(late, late.total, "late transfer came", staff)
    return [short, late]


def _record(order: Order, amount: Decimal, name: str, staff: User) -> None:
    if not Payment.objects.filter(form_key=make_key(name)).exists():
        record_what_came(
            order=order,
            method="transfer",
            amount=amount,
            currency=order.currency,
            reference=f"DEMO-{order.number}",
            form_key=make_key(name),
            by=staff,
        )
