"""Where every captured amount is: delivered, still open, owed back, given back, or for no purchase at all."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from orders.models import Payment, Purchase, PurchasedEsim, PurchasedPackage, Refund

ZERO = Decimal(0)
_OPEN = tuple(state for state in Purchase.State if state not in Purchase.ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency. ``given_away`` is what was delivered although its price had gone back: our loss."""

    currency: str
    captured: Decimal
    delivered: Decimal
    open: Decimal
    refunds_due: Decimal
    refunds_made: Decimal
    unallocated: Decimal
    given_away: Decimal

    @property
    def difference(self) -> Decimal:
        """What is captured and nowhere; zero, or there is a fault in our books."""
        placed = self.delivered + self.open + self.refunds_due + self.refunds_made + self.unallocated
        return self.captured + self.given_away - placed


def read_balances() -> list[Balance]:
    """One balance for each currency in which money was taken, exact, by currency.

    Every column is read from its own rows: payments, delivered lines, open purchases, refunds.
    """
    captured = _sum_payments()
    planned: defaultdict[str, Decimal] = defaultdict(Decimal)
    delivered: defaultdict[str, Decimal] = defaultdict(Decimal)
    opened: defaultdict[str, Decimal] = defaultdict(Decimal)
    given: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in _count_purchases():
        currency, price = row["order_line__order__currency"], row["order_line__unit_price"]
        kept = min(row["came"], row["quantity"])
        planned[currency] += price * row["quantity"] * row["purchases"]
        delivered[currency] += price * kept * row["purchases"]
        missing = row["quantity"] - kept
        if row["state"] in _OPEN:
            opened[currency] += price * max(0, missing - row["refunded"]) * row["purchases"]
        given[currency] += price * max(0, row["refunded"] - missing) * row["purchases"]
    due, made = _sum_refunds(Refund.State.DUE), _sum_refunds(Refund.State.MADE)
    return [
        Balance(
            currency=currency,
            captured=captured.get(currency, ZERO),
            delivered=delivered[currency],
            open=opened[currency],
            refunds_due=due.get(currency, ZERO),
            refunds_made=made.get(currency, ZERO),
            unallocated=captured.get(currency, ZERO) - planned[currency],
            given_away=given[currency],
        )
        for currency in sorted({*captured, *planned})
    ]


def _sum_payments() -> dict[str, Decimal]:
    # Summed by amount and multiplied here: SQLite adds decimals as floats.
    rows = Payment.objects.filter(state=Payment.State.CAPTURED).values_list("currency", "amount")
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for currency, amount, number in rows.annotate(number=Count("pk")).order_by():
        sums[currency] += amount * number
    return dict(sums)


def _sum_refunds(state: str) -> dict[str, Decimal]:
    rows = Refund.objects.filter(state=state).values_list("currency", "amount")
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for currency, amount, number in rows.annotate(number=Count("pk")).order_by():
        sums[currency] += amount * number
    return dict(sums)


def _count_purchases() -> Iterator[dict[str, Any]]:
    """Purchases grouped by everything that a sum needs, so that the rows here are few."""
    came = PurchasedEsim.objects.filter(purchase=OuterRef("pk")).order_by().values("purchase").annotate(n=Count("pk"))
    topped = PurchasedPackage.objects.filter(purchase=OuterRef("pk")).order_by().values("purchase")
    refunded = Refund.objects.filter(purchase=OuterRef("pk"), state=Refund.State.MADE).values("quantity")
    rows = Purchase.objects.annotate(
        came=Coalesce(Subquery(came.values("n")), Subquery(topped.annotate(n=Count("pk")).values("n")), 0),
        refunded=Coalesce(Subquery(refunded), 0),
    )
    names = ("order_line__order__currency", "order_line__unit_price", "state", "quantity", "came", "refunded")
    yield from rows.values(*names).annotate(purchases=Count("pk")).order_by()
