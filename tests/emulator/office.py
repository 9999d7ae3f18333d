"""Roamdesk's staff at an account of eSIM Commerce, and the comparison of the two books."""

import re
from decimal import Decimal

from catalog.models import Plan
from orders.books import read_balances
from orders.models import Purchase, PurchaseAttempt, Refund
from tests.emulator.books import FIRST_CODE, FIRST_IMEI
from tests.emulator.desk import Desk
from tests.emulator.server import KEY_ID, KEY_SECRET, Emulator

#: Purchases in these states may hold eSIMs that are on no line here: a person or an inquiry still looks.
OPEN_QUESTION = {"unknown", "allocating", "sending"}


class Office(Desk[Emulator]):
    """One account at one stand-in."""

    secret = re.compile(
        f"{KEY_ID}|{KEY_SECRET}|lpa:1|{FIRST_CODE}[0-9A-F]{{4}}|{str(FIRST_IMEI)[:9]}[0-9]{{3}}", re.IGNORECASE
    )

    def plan(self, code: str = "KD0001") -> Plan:
        return super().plan(code)

    def buy(self, quantity: int = 2, *, code: str = "KD0001") -> Purchase:
        """Order, payment, and the first step of the one purchase."""
        return self.step(Purchase.objects.get(order_line__order=self.order(quantity, code=code)))

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

    def _sent(self) -> list["_Attempt"]:
        return [_Attempt(attempt) for attempt in PurchaseAttempt.objects.filter(kind=PurchaseAttempt.Kind.ORDER)]


class _Attempt:
    """An order attempt, and whether anything can have left us in it."""

    def __init__(self, attempt: PurchaseAttempt) -> None:
        local = attempt.outcome in ("not_sent",) or (attempt.outcome == "rate_limited" and attempt.status is None)
        self.is_sent = not local
