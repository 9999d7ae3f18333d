"""Roamdesk as its staff use it, against a stand-in: only public verbs, and the search for secrets where none may be."""

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from django.db import connection
from django.db.models import Model
from django.test import TestCase
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from catalog.models import Plan, SyncRun
from catalog.pricing import set_own_price
from catalog.sync import request_sync, run_sync
from customers.customers import create_customer
from esims.actions import request_action, run_action
from esims.models import Esim, LineAction, LineEvent, Package
from esims.refresh import refresh_line
from orders.checkout import place_order, price_for
from orders.models import Order, OrderEvent, Payment, Purchase, PurchaseAttempt, Refund
from orders.payments import record_payment
from orders.purchasing import run_purchase
from providers.models import ProviderAccount, ProviderCall
from providers.types import Capability, Priority
from tests.emulator.house import House
from tests.orders.making import make_user

#: Whole rows that staff may see, or that end in logs: no secret in any column.
_LOGGED: tuple[type[Model], ...] = (
    *(ProviderCall, ProviderAccount, SyncRun, LineEvent, LineAction),
    *(Order, OrderEvent, Purchase, Refund),
)
H = TypeVar("H", bound=House[Any])


@contextmanager
def forgotten_rows() -> Iterator[None]:
    """Forget the rows that an example writes, as a test case would: examples share their test's database."""
    atomics = TestCase._enter_atomics()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        TestCase._rollback_atomics(atomics)  # type: ignore[attr-defined]


class Desk(Generic[H]):
    """One account at one stand-in."""

    #: Every secret of the stand-in has a beginning of its own: keys, activation codes, personal numbers.
    secret: ClassVar[re.Pattern[str]]
    permissions: ClassVar[tuple[str, ...]] = ("orders.reconcile", "esims.suspend_esim")

    def __init__(self, emulator: H, account: ProviderAccount, caplog: pytest.LogCaptureFixture) -> None:
        self.emulator = emulator
        self.account = account
        self.user = make_user(*self.permissions)
        self._caplog = caplog

    def sync(self) -> SyncRun:
        run = request_sync(account=self.account, asked_by="test")
        return run_sync(run_id=run.pk)

    def plan(self, code: str) -> Plan:
        """The plan as the catalogue has it; the catalogue is read first if it was not yet."""
        if not Plan.objects.filter(account=self.account).exists():
            run = self.sync()
            assert run.state == SyncRun.State.SUCCEEDED, run.error
        return Plan.objects.get(account=self.account, plan_ref=code)

    def priced(self, plan: Plan) -> Plan:
        """With a price of ours where the provider suggests none: three times what it costs us."""
        if plan.retail_price is not None or plan.net_price is None:
            return plan
        return set_own_price(plan=plan, amount=(plan.net_price * 3).quantize(Decimal("0.01")), by="test")

    def order(self, quantity: int, *, code: str, period_days: int | None = None) -> Order:
        """Order and payment: its purchases are planned and nothing is sent yet."""
        plan = self.priced(self.plan(code))
        price = price_for(plan, period_days)
        assert price is not None
        order = place_order(
            customer=create_customer(name="Aiko Tanaka", by=self.user),
            plan=plan,
            quantity=quantity,
            checkout_key=uuid.uuid4(),
            expected_unit_price=price,
            period_days=period_days,
            by=self.user,
        )
        self.pay(order)
        return order

    def pay(self, order: Order) -> None:
        record_payment(
            order=order,
            method=Payment.Method.CASH,
            amount=order.total,
            currency=order.currency,
            reference="",
            form_key=uuid.uuid4(),
            by=self.user,
        )

    def step(self, purchase: Purchase) -> Purchase:
        """As if the wait for the next step were over; two workers are given it."""
        now = timezone.now()
        Purchase.objects.filter(pk=purchase.pk, next_attempt_at__isnull=False).update(next_attempt_at=now)
        run_purchase(purchase_id=purchase.pk)
        run_purchase(purchase_id=purchase.pk)
        return Purchase.objects.get(pk=purchase.pk)

    def settle(self, purchase: Purchase, steps: int = 5) -> Purchase:
        for _ in range(steps):
            purchase = self.step(purchase)
        return purchase

    def lines(self) -> list[Esim]:
        return list(Esim.objects.filter(account=self.account).order_by("provider_ref"))

    def refresh(self, esim: Esim) -> Esim:
        refresh_line(esim_id=esim.pk, priority=Priority.PEOPLE, by="test")
        return Esim.objects.get(pk=esim.pk)

    def act(
        self, esim: Esim, capability: Capability, *, steps: int = 8, package: Package | None = None, message: str = ""
    ) -> LineAction:
        """Ask for an action and let a worker do its due steps."""
        action = request_action(
            esim=esim, capability=capability, reason="lost phone", by=self.user, package=package, message=message
        )
        for _ in range(steps):
            LineAction.objects.filter(pk=action.pk, next_attempt_at__isnull=False).update(
                next_attempt_at=timezone.now()
            )
            action = run_action(action_id=action.pk)
        return action

    def check_secrets(self) -> None:
        """No secret, nor the first part of one, outside the columns that are made for it."""
        leaks = [f"{where}: {found[0]}" for where, text in self._places() if (found := self.secret.search(text))]
        assert not leaks, leaks[:5]

    def _places(self) -> Iterable[tuple[str, str]]:
        yield "log", self._caplog.text
        for job in OrmQ.objects.all():
            yield "job", repr(SignedPackage.loads(job.payload))
        for model in _LOGGED:
            for row in model._default_manager.values():
                yield model.__name__, repr(row)
        for attempt in PurchaseAttempt.objects.values("request", "headers", "error", "error_code", "outcome"):
            yield "attempt", repr(attempt)
        for esim in Esim.objects.values("raw", "raw_states", "refresh_error"):
            yield "line", repr(esim)
        with connection.cursor() as cursor:
            cursor.execute("SELECT body FROM orders_purchaseattempt WHERE body IS NOT NULL")
            # Encrypted: one long word, in which anything may stand by chance.
            assert all(re.fullmatch(r"gAAAA[\w=-]*|", str(stored)) for (stored,) in cursor.fetchall())
