"""Random schedules of faults, deaths, sweeps and decisions against a wholesaler that keeps its own books.

``FAULTS=2000 pytest tests/orders/test_fault_schedules.py`` tries so many (10 otherwise).
"""

import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note
from hypothesis import settings as examples
from hypothesis import strategies as st

from customers.models import User
from esims.models import Esim
from orders import reconciliation
from orders.books import read_balances
from orders.checkpoints import Checkpoint, install_hook
from orders.models import Order, OrderEvent, Purchase, PurchasedEsim, Refund
from orders.purchasing import run_due_purchases, run_purchase
from orders.reconciliation import ReconciliationRefused
from orders.refunds import RefundRefused, record_refund_made
from orders.states import ORDER_TRANSITIONS, PURCHASE_TRANSITIONS, derive_order_state
from orders.sweeping import sweep_purchases
from providers.types import OrderRequest
from tests.orders import fakes
from tests.orders.fakes import AFTER, BEFORE, INQUIRIES, Wholesaler
from tests.orders.making import make_due, make_fake_plan, make_overdue, make_user, order_plan, pay

NUMBER = int(os.environ.get("FAULTS", "10"))
PS = Purchase.State
#: After these the provider has certainly done nothing, so that even an order without a key may be sent again.
HARMLESS = {"limited", "no_balance", "refused"}

orders = st.lists(st.tuples(st.sampled_from(sorted(fakes.ADAPTERS)), st.integers(1, 5)), min_size=1, max_size=3)
behaviours = st.lists(st.sampled_from([*BEFORE, *AFTER]), max_size=8)
inquiries = st.lists(st.sampled_from(INQUIRIES), max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from([None, *Checkpoint])),
        st.tuples(st.just("slow"), st.booleans()),
        st.tuples(st.sampled_from(["sweep", "overdue"]), st.none()),
        st.tuples(
            st.sampled_from(["not_bought", "transaction", "lines", "resume", "give_up", "read_again", "refund"]),
            st.integers(0, 20),
        ),
    ),
    max_size=14,
)


class Died(BaseException):
    """The worker is gone."""


class Office:
    """Our side, with staff who know the provider's portal."""

    def __init__(self, wholesaler: Wholesaler, staff: User, wanted: list[tuple[str, int]]) -> None:
        self.wholesaler = wholesaler
        self.staff = staff
        self.orders: list[Order] = []
        for account, quantity in wanted:
            order = order_plan(make_fake_plan(account), quantity, by=staff)
            pay(order, by=staff)
            self.orders.append(order)

    @property
    def purchases(self) -> list[Purchase]:
        return list(Purchase.objects.filter(order_line__order__in=self.orders).order_by("pk"))

    def sale_of(self, purchase: Purchase) -> tuple[str, list[str]] | None:
        """Transaction and lines as the provider's portal shows them."""
        for _account, key, transaction, refs in self.wholesaler.sales:
            if key == purchase.idempotency_key:
                return transaction, refs
        return None

    def take(self, name: str, argument: Any) -> None:
        match name:
            case "run":
                self.run(die_at=argument)
            case "slow":
                self.run_slowly(resend=argument)
            case "sweep":
                sweep_purchases()
            case "overdue":
                for purchase in self.purchases:
                    make_overdue(purchase)
            case _:
                self.decide(name, self.purchases[argument % len(self.purchases)])

    def run(self, die_at: Checkpoint | None) -> None:
        def hook(checkpoint: Checkpoint, _purchase_id: int) -> None:
            if checkpoint == die_at:
                raise Died

        for purchase in self.purchases:
            make_due(purchase)
        install_hook(hook)
        try:
            run_due_purchases(limit=2, seconds=30)
        except Died:
            note(f"died at {die_at}")
        finally:
            install_hook(None)

    def run_slowly(self, *, resend: bool) -> None:
        """A call that lasts until a sweep, and perhaps another worker, has come by."""

        def meanwhile(_request: OrderRequest) -> None:
            self.wholesaler.during_call = None
            for purchase in self.purchases:
                make_overdue(purchase)
            sweep_purchases()
            if resend:
                for purchase in self.purchases:
                    run_purchase(purchase_id=make_due(purchase).pk)

        self.wholesaler.during_call = meanwhile
        self.run(die_at=None)
        self.wholesaler.during_call = None

    def decide(self, name: str, purchase: Purchase) -> None:
        try:
            self._decide(name, purchase)
        except (ReconciliationRefused, RefundRefused) as refused:
            note(f"{name} of {purchase.pk} refused: {refused.message}")

    def _decide(self, name: str, purchase: Purchase) -> None:
        if name == "refund":
            for refund in Refund.objects.filter(purchase=purchase):
                record_refund_made(refund=refund, method="cash", by=self.staff)
            return
        verb, arguments = self._choose(name, purchase)
        if verb is not None:
            verb(purchase=purchase, by=self.staff, **arguments)

    def _choose(self, name: str, purchase: Purchase) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
        """The verb with what the portal shows; None where honest staff would not take this decision."""
        transaction, refs = self.sale_of(purchase) or ("", [])
        missing = [ref for ref in refs if not Esim.objects.filter(provider_ref=ref).exists()]
        choices: dict[str, tuple[Callable[..., Any] | None, dict[str, Any]]] = {
            "not_bought": (None if missing else reconciliation.mark_not_bought, {"why": "portal"}),
            "transaction": (reconciliation.enter_transaction_id, {"transaction_id": transaction}),
            "lines": (reconciliation.attach_lines, {"iccids": missing}),
            "resume": (reconciliation.resume_purchase, {}),
            "give_up": (reconciliation.give_up_purchase, {"why": "customer left"}),
            "read_again": (reconciliation.read_reply_again, {}),
        }
        return choices[name]

    def come_to_rest(self) -> None:
        """No more faults: everything that happens by itself happens."""
        self.wholesaler.orders_todo.clear()
        self.wholesaler.inquiries_todo.clear()
        for _ in range(12):
            for purchase in self.purchases:
                make_overdue(make_due(purchase))
            sweep_purchases()
            run_due_purchases(seconds=30)
            if {purchase.state for purchase in self.purchases} <= {*Purchase.ENDED, PS.UNKNOWN, PS.HELD}:
                return
        raise AssertionError([(row.pk, row.state, row.error) for row in self.purchases])

    def check(self) -> None:
        ours = PurchasedEsim.objects.filter(purchase__in=self.purchases)
        lines = Counter(ours.values_list("esim__provider_ref", flat=True))
        by_key = {purchase.idempotency_key: purchase for purchase in self.purchases}
        sold = Counter(self.wholesaler.sold_refs)
        assert set(lines.values()) <= {1}
        assert set(lines) <= set(sold), "a line that nobody sold"
        sales = Counter(key for _account, key, *_rest in self.wholesaler.sales)
        assert set(sales.values()) <= {1}, "bought twice"
        for _account, key, _transaction, refs in self.wholesaler.sales:
            if by_key[key].state != PS.UNKNOWN:
                missing = [ref for ref in refs if ref not in lines]
                assert not missing, (by_key[key].state, missing)
        self.check_sending()
        self.check_rest()

    def check_sending(self) -> None:
        harmful = Counter(key for key, behaviour in self.wholesaler.arrivals if behaviour not in HARMLESS)
        for purchase in self.purchases:
            if purchase.account.slug in ("fake", "fake-blind"):
                assert harmful[purchase.idempotency_key] <= 1, "sent twice without a key"

    def check_rest(self) -> None:
        for purchase in self.purchases:
            came = purchase.delivered.count()
            if purchase.state == PS.FULFILLED:
                assert came >= purchase.quantity
            if purchase.state == PS.SHORT:
                assert 0 < came < purchase.quantity
            if purchase.state in (PS.REJECTED, PS.CANCELLED):
                assert came == 0
        for order in self.orders:
            order.refresh_from_db()
            assert order.state == derive_order_state(order)
            assert order.state in ORDER_TRANSITIONS
        for event in OrderEvent.objects.filter(order__in=self.orders, kind="purchase.state"):
            assert event.facts["new"] in PURCHASE_TRANSITIONS[event.facts["old"]]
            assert event.by
        assert [balance.difference for balance in read_balances()] == [Decimal(0)]


@pytest.fixture
def staff(db: None) -> User:
    return make_user("orders.reconcile", "orders.refund", "orders.sell")


@examples(
    max_examples=NUMBER,
    deadline=None,
    derandomize=NUMBER == 25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=orders, faults=behaviours, answers=inquiries, schedule=steps)
def test_nothing_is_lost_or_bought_twice(
    *,
    wholesaler: Wholesaler,
    staff: User,
    wanted: list[tuple[str, int]],
    faults: list[str],
    answers: list[str],
    schedule: list[tuple[str, Any]],
) -> None:
    wholesaler.reset()
    # Every example has lines of its own: the rows of the others stay.
    wholesaler.numbers = iter(range(8_981_100_000_000_000_000 + 10_000 * Esim.objects.count(), 10**22))  # type: ignore[assignment]
    office = Office(wholesaler, staff, wanted)
    wholesaler.plan_orders(*faults)
    wholesaler.plan_inquiries(*answers)
    for name, argument in schedule:
        office.take(name, argument)
    office.come_to_rest()
    note(str([(row.pk, row.state, row.error) for row in office.purchases]))
    office.check()
