"""Roamdesk as its staff use it, against the stand-in: only public verbs, and the comparison of the two books."""

import re
import uuid
from collections.abc import Iterable
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from catalog.models import Plan, SyncRun
from catalog.sync import request_sync, run_sync
from customers.customers import create_customer
from esims.actions import request_action, run_action
from esims.models import Esim, LineAction, LineEvent
from orders.books import read_balances
from orders.checkout import place_order
from orders.models import Order, OrderEvent, Payment, Purchase, PurchaseAttempt, Refund
from orders.payments import record_payment
from orders.purchasing import run_purchase
from providers.models import ProviderAccount, ProviderCall
from providers.types import Capability
from tests.emulator.books import FIRST_CODE, FIRST_IMEI
from tests.emulator.server import KEY_ID, KEY_SECRET, Emulator
from tests.orders.making import make_user

#: Purchases in these states may hold eSIMs that are on no line here: a person or an inquiry still looks.
OPEN_QUESTION = {"unknown", "allocating", "sending"}
#: Whole rows that staff may see, or that end in logs: no secret in any column.
_LOGGED: tuple[type[Model], ...] = (
    *(ProviderCall, ProviderAccount, SyncRun, LineEvent, LineAction),
    *(Order, OrderEvent, Purchase, Refund),
)
#: Every secret of the stand-in has a beginning of its own: keys, activation codes, matching ids, IMEIs.
_SECRET = re.compile(
    f"{KEY_ID}|{KEY_SECRET}|lpa:1|{FIRST_CODE}[0-9A-F]{{4}}|{str(FIRST_IMEI)[:9]}[0-9]{{3}}", re.IGNORECASE
)


class Office:
    """One account at one stand-in."""

    def __init__(self, emulator: Emulator, account: ProviderAccount, caplog: pytest.LogCaptureFixture) -> None:
        self.emulator = emulator
        self.account = account
        self.user = make_user("orders.reconcile", "esims.suspend_esim")
        self._caplog = caplog

    def sync(self) -> SyncRun:
        run = request_sync(account=self.account, asked_by="test")
        return run_sync(run_id=run.pk)

    def plan(self, code: str = "KD0001") -> Plan:
        """The plan as the catalogue has it; the catalogue is read first if it was not yet."""
        if not Plan.objects.filter(account=self.account).exists():
            run = self.sync()
            assert run.state == SyncRun.State.SUCCEEDED, run.error
        return Plan.objects.get(account=self.account, plan_ref=code)

    def buy(self, quantity: int = 2, *, code: str = "KD0001") -> Purchase:
        """Order, payment, and the first step of the one purchase."""
        plan = self.plan(code)
        assert plan.retail_price is not None
        order = place_order(
            customer=create_customer(name="Aiko Tanaka", by=self.user),
            plan=plan,
            quantity=quantity,
            checkout_key=uuid.uuid4(),
            expected_unit_price=plan.retail_price,
            by=self.user,
        )
        record_payment(
            order=order,
            method=Payment.Method.CASH,
            amount=order.total,
            currency=order.currency,
            reference="",
            form_key=uuid.uuid4(),
            by=self.user,
        )
        purchase = Purchase.objects.get(order_line__order=order)
        return self.step(purchase)

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

    def act(self, esim: Esim, capability: Capability, *, steps: int = 8) -> LineAction:
        """Ask for an action and let a worker do its due steps."""
        action = request_action(esim=esim, capability=capability, reason="lost phone", by=self.user)
        for _ in range(steps):
            LineAction.objects.filter(pk=action.pk, next_attempt_at__isnull=False).update(
                next_attempt_at=timezone.now()
            )
            action = run_action(action_id=action.pk)
        return action

    # -- the invariants -----------------------------------------------------------------------------------------------

    def check_books(self) -> None:
        """Ours against the house's own."""
        refs = [esim.provider_ref for esim in self.lines()]
        assert len(refs) == len(set(refs))
        sold = set(self.emulator.books.sold)
        assert set(refs) <= sold
        assert sum(row.is_sent for row in self._sent()) == self.emulator.count("order")
        is_open = set(Purchase.objects.values_list("state", flat=True)) & OPEN_QUESTION
        assert is_open or set(refs) == sold
        for purchase in Purchase.objects.all():
            sent = [attempt for attempt in purchase.attempts.all() if attempt.kind == PurchaseAttempt.Kind.ORDER]
            outcomes = [attempt.outcome for attempt in sent]
            # Only what surely did nothing was followed by another order.
            assert all(outcome in ("rate_limited", "not_sent", "held") for outcome in outcomes[:-1]), outcomes
            missing = purchase.quantity - purchase.delivered.count()
            due = Refund.objects.filter(purchase=purchase, state=Refund.State.DUE).first()
            owed = max(0, missing) if purchase.state in Purchase.ENDED else 0
            assert (due.quantity if due else 0) == owed
        assert [balance.difference for balance in read_balances()] in ([Decimal(0)], [])
        self.check_secrets()

    def check_secrets(self) -> None:
        """No key, activation code or IMEI, nor the first part of one, outside the columns that are made for it."""
        leaks = [f"{where}: {found[0]}" for where, text in self._places() if (found := _SECRET.search(text))]
        assert not leaks, leaks[:5]

    def _sent(self) -> list["_Attempt"]:
        return [_Attempt(attempt) for attempt in PurchaseAttempt.objects.filter(kind=PurchaseAttempt.Kind.ORDER)]

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


class _Attempt:
    """An order attempt, and whether anything can have left us in it."""

    def __init__(self, attempt: PurchaseAttempt) -> None:
        local = attempt.outcome in ("not_sent",) or (attempt.outcome == "rate_limited" and attempt.status is None)
        self.is_sent = not local
