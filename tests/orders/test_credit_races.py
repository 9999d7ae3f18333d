"""Many at once on one credit account, and random lives of it: never beyond the limit, and owed is what was entered."""

import threading
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.capturing import capture_payment
from orders.credit import charge_order
from orders.credit_accounts import CreditRefused, adjust_account, receive_payment, set_terms
from orders.credit_statements import issue_statement
from orders.models import CreditAccount, CreditEntry, Order, Payment, Purchase
from orders.payments import PaymentRefused
from orders.states import note_event
from tests.orders.fakes import Wholesaler
from tests.orders.making import make_customer, make_fake_plan, make_user, order_plan
from tests.orders.test_credit import make_credit, make_manager
from tests.orders.test_races import race

PARALLEL = 20
#: On the database of the run, and on PostgreSQL, where more than one may write at a time.
WHERE = pytest.mark.parametrize("where", ["here", pytest.param("postgresql", marks=pytest.mark.postgres)])
#: So many of the parallel orders at 6.00 fit into the limit.
FIT = 7


def make_orders(account: CreditAccount, number: int = PARALLEL) -> list[Order]:
    plan = make_fake_plan()
    return [order_plan(plan, customer=account.customer) for _ in range(number)]


@WHERE
@pytest.mark.django_db(transaction=True)
def test_naive_check_oversells_the_credit(where: str, wholesaler: Wholesaler) -> None:
    """Without the conditional update: look, then write."""
    account = make_credit("10")
    both_looked = threading.Barrier(2)

    def charge_naively() -> bool:
        row = CreditAccount.objects.get(pk=account.pk)
        both_looked.wait(timeout=10)
        if row.owed + 6 > row.credit_limit:
            return False
        CreditEntry.objects.create(account=row, kind="charge", amount=6, owed_after=row.owed + 6, by="naive")
        CreditAccount.objects.filter(pk=row.pk).update(owed=row.owed + 6)
        return True

    assert race(charge_naively, charge_naively) == [True, True]
    account.refresh_from_db()
    charged = sum(CreditEntry.objects.values_list("amount", flat=True))
    # Both sold, one of them counted: 12 are sold within a limit of 10, and 6 are said to be owed.
    assert (charged, account.owed) == (Decimal(12), Decimal(6))


@WHERE
@pytest.mark.django_db(transaction=True)
def test_twenty_orders_at_once_never_pass_the_limit(where: str, wholesaler: Wholesaler) -> None:
    account, staff = make_credit(str(6 * FIT + 5)), make_user()
    orders = make_orders(account)
    results = race(
        *[
            lambda order=order: charge_order(
                order=order, amount=order.total, currency="USD", form_key=uuid.uuid4(), by=staff
            )
            for order in orders
        ]
    )
    refused = [result for result in results if isinstance(result, PaymentRefused)]
    assert [result for result in results if isinstance(result, BaseException) and result not in refused] == []
    assert (len(refused), {error.field for error in refused}) == (PARALLEL - FIT, {"method"})
    account.refresh_from_db()
    assert account.owed == 6 * FIT <= account.credit_limit
    entries = list(CreditEntry.objects.order_by("pk").values_list("amount", "owed_after"))
    assert entries == [(Decimal(6), Decimal(6 * (number + 1))) for number in range(FIT)]
    # Who was refused has written nothing, and buys nothing.
    assert Order.objects.filter(state="unpaid", payments=None, events__kind="order.placed").count() == PARALLEL - FIT
    assert (Payment.objects.count(), Purchase.objects.count()) == (FIT, FIT)


@pytest.mark.django_db(transaction=True)
def test_two_clicks_charge_one_order_once(wholesaler: Wholesaler) -> None:
    account, staff = make_credit("100"), make_user()
    (order,) = make_orders(account, 1)
    results = race(
        *[lambda: charge_order(order=order, amount=order.total, currency="USD", form_key=uuid.uuid4(), by=staff)] * 4
    )
    assert sorted(type(result).__name__ for result in results) == ["Payment", *["PaymentRefused"] * 3]
    account.refresh_from_db()
    assert (account.owed, Purchase.objects.count(), CreditEntry.objects.count()) == (Decimal(6), 1, 1)


# -- two captures of one payment --------------------------------------------------------------------------------------


def make_pending() -> Payment:
    (order,) = [order_plan(make_fake_plan(), customer=make_customer())]
    return Payment.objects.create(order=order, method="card", state="pending", amount=6, currency="USD")


@WHERE
@pytest.mark.django_db(transaction=True)
def test_naive_capture_counts_the_same_money_twice(where: str, wholesaler: Wholesaler) -> None:
    """Without the lock: look, then write."""
    payment = make_pending()
    both_looked = threading.Barrier(2)

    def capture_naively() -> bool:
        row = Payment.objects.select_related("order").get(pk=payment.pk)
        both_looked.wait(timeout=10)
        if row.state != Payment.State.PENDING:
            return False
        Payment.objects.filter(pk=row.pk).update(
            state="captured", captured_amount=6, captured_currency="USD", captured_at=row.created_at
        )
        note_event(row.order, kind="payment.captured", by="naive")
        return True

    assert race(capture_naively, capture_naively) == [True, True]
    assert payment.order.events.filter(kind="payment.captured").count() == 2


@WHERE
@pytest.mark.django_db(transaction=True)
def test_two_captures_of_one_payment_buy_once(where: str, wholesaler: Wholesaler) -> None:
    payment = make_pending()

    def capture() -> str:
        done = capture_payment(
            payment_id=payment.pk, amount=Decimal(6), currency="USD", captured_at=payment.created_at, by="service"
        )
        return done.state

    assert race(*[capture] * 4) == ["captured"] * 4
    payment.refresh_from_db()
    assert (payment.attention, Purchase.objects.count()) == ("", 1)
    assert payment.order.events.filter(kind="payment.captured").count() == 1


# -- random lives -----------------------------------------------------------------------------------------------------

AMOUNTS = st.decimals(min_value="0.01", max_value="90", places=2)
STEPS = st.one_of(
    st.tuples(st.just("charge"), AMOUNTS),
    st.tuples(st.just("pay"), AMOUNTS),
    st.tuples(st.just("adjust"), AMOUNTS | AMOUNTS.map(lambda amount: -amount)),
    st.tuples(st.just("limit"), AMOUNTS),
    st.tuples(st.just("state"), st.just(Decimal(0))),
)


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=10))
def test_owed_is_always_what_was_entered(wholesaler: Wholesaler, steps: list[tuple[str, Decimal]]) -> None:
    account, staff = make_credit("60"), make_manager()
    owed, limit = Decimal(0), Decimal(60)
    for what, amount in steps:
        key = uuid.uuid4()
        match what:
            case "charge":
                order = order_plan(make_fake_plan(retail_price=amount), customer=account.customer)
                words: dict[str, Any] = {
                    "order": order,
                    "amount": amount,
                    "currency": "USD",
                    "form_key": key,
                    "by": staff,
                }
                if owed + amount <= limit:
                    charge_order(**words)
                    owed += amount
                else:
                    with pytest.raises(PaymentRefused):
                        charge_order(**words)
            case "pay":
                receive_payment(account=account, amount=amount, method="cash", reference="", form_key=key, by=staff)
                owed -= amount
            case "adjust":
                adjust_account(account=account, amount=amount, why="random", form_key=key, by=staff)
                owed += amount
            case "limit":
                set_terms(account=account, credit_limit=amount, payment_days=30, why="random", by=staff)
                limit = amount
            case _:
                try:
                    issue_statement(account=account, by=staff)
                except CreditRefused:
                    assert not account.entries.filter(statement=None).exclude(kind="terms").exists()
        account.refresh_from_db()
        assert (account.owed, account.credit_limit) == (owed, limit)
        assert sum(account.entries.values_list("amount", flat=True)) == owed
    last = account.statements.order_by("pk").last()
    if last is not None:
        stated = account.entries.exclude(statement=None).values_list("amount", flat=True)
        assert last.closing == sum(stated)
