"""Roamdesk's staff at an account of eSIM Access, and the comparison of the two books."""

import re
from decimal import Decimal

from orders.books import read_balances
from orders.models import Purchase
from tests.emulator.desk import Desk
from tests.emulator_access.books import FIRST_CODE, FIRST_EID, FIRST_IMSI
from tests.emulator_access.server import ACCESS_CODE, SECRET_KEY, AccessHouse


class Office(Desk[AccessHouse]):
    """One account at one stand-in."""

    secret = re.compile(
        f"{ACCESS_CODE}|{SECRET_KEY}|lpa:1|{FIRST_CODE}[0-9A-F]{{4}}|{FIRST_EID[:18]}|{str(FIRST_IMSI)[:11]}[0-9]{{3}}",
        re.IGNORECASE,
    )
    permissions = (*Desk.permissions, "esims.cancel_esim", "esims.revoke_esim", "esims.message_esim")

    def buy(self, quantity: int = 2, *, code: str = "CKH002", period_days: int | None = None) -> list[Purchase]:
        """Order, payment, and the first step of every purchase."""
        order = self.order(quantity, code=code, period_days=period_days)
        purchases = Purchase.objects.filter(order_line__order=order).order_by("pk")
        return [self.step(purchase) for purchase in purchases]

    def check_books(self) -> None:
        """Ours against the house's own: everything sold is on one line here, or its purchase is still open."""
        refs = [esim.provider_ref for esim in self.lines()]
        sold = self.emulator.books.sold
        assert len(refs) == len(set(refs))
        assert set(refs) <= set(sold)
        open_states = set(Purchase.objects.values_list("state", flat=True)) - {"fulfilled", "rejected", "short"}
        assert open_states or refs == sold, open_states
        keys = [sale.transaction_id for sale in self.emulator.books.sales if sale.is_ours]
        assert len(keys) == len(set(keys)), "bought twice"
        assert set(keys) <= set(Purchase.objects.values_list("idempotency_key", flat=True))
        assert self.emulator.complaints == []
        assert "CRASH" not in {arrival.operation for arrival in self.emulator.arrivals}
        assert [balance.difference for balance in read_balances()] in ([Decimal(0)], [])
        self.check_secrets()
