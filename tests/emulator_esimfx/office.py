"""Roamdesk's staff at an account of eSIMfx, and the comparison of the two books."""

import re
from decimal import Decimal

from orders.books import read_balances
from orders.models import OrderLine, Purchase
from tests.emulator.desk import Desk
from tests.emulator_esimfx.books import FIRST_CODE
from tests.emulator_esimfx.server import CLIENT_ID, CLIENT_KEY, TOKEN_MARK, FxHouse

CODE = "esimfx_10G_7D_JP"


class Office(Desk[FxHouse]):
    """One account at one stand-in."""

    secret = re.compile(f"{CLIENT_ID}|{CLIENT_KEY}|{TOKEN_MARK}|lpa:1|{FIRST_CODE}", re.IGNORECASE)
    permissions = (*Desk.permissions, "esims.cancel_esim", "esims.revoke_esim", "esims.activate_esim")

    def buy(self, quantity: int = 1, *, code: str = CODE) -> list[Purchase]:
        """Order, payment, and the first step of every purchase."""
        order = self.order(quantity, code=code)
        purchases = Purchase.objects.filter(order_line__order=order).order_by("pk")
        return [self.step(purchase) for purchase in purchases]

    def check_books(self) -> None:
        """Ours against the house's own: everything sold is on one line here, or its purchase is still open."""
        books = self.emulator.books
        refs = [esim.provider_ref for esim in self.lines()]
        assert len(refs) == len(set(refs))
        assert set(refs) <= set(books.sold)
        purchases = Purchase.objects.all()
        open_states = {purchase.state for purchase in purchases} - {"fulfilled", "rejected", "short"}
        assert open_states or refs == books.sold, open_states
        keys = [order.key for order in books.orders.values()]
        assert len(keys) == len(set(keys)), "bought twice"
        assert set(keys) <= {purchase.idempotency_key for purchase in purchases}
        top_ups = [order for order in books.orders.values() if order.kind == "TOPUP"]
        kept = purchases.filter(order_line__kind=OrderLine.Kind.TOP_UP, state="fulfilled").count()
        assert open_states or kept == len(top_ups)
        assert self.emulator.complaints == []
        assert "CRASH" not in {arrival.operation for arrival in self.emulator.arrivals}
        assert [balance.difference for balance in read_balances()] in ([Decimal(0)], [])
        self.check_secrets()
