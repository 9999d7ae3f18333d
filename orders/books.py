"""Where every captured amount is: delivered, still open, owed back, given back, or for no purchase at all."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from orders.models import Dispute, Order, Payment, Purchase, PurchasedEsim, PurchasedPackage, Refund

ZERO = Decimal(0)
_OPEN = tuple(state for state in Purchase.State if state not in Purchase.ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency. ``given_away`` is what was delivered although its price had gone back: our loss.

    ``delivered`` is without what was given back for lines that ended; ``charge_backs`` are card payments that
    banks took back from us, whatever they were for: of ``captured`` so much is not with us.
    """

    currency: str
    captured: Decimal
    delivered: Decimal
    open: Decimal
    refunds_due: Decimal
    refunds_made: Decimal
    unallocated: Decimal
    given_away: Decimal
    charge_backs: Decimal

    @property
    def difference(self) -> Decimal:
        """What is captured and nowhere; zero, or there is a fault in our books."""
        placed = self.delivered + self.open + self.refunds_due + self.refunds_made + self.unallocated
        return self.captured + self.given_away - placed


def read_balances() -> list[Balance]:
    """One balance for each currency in which money was taken, exact, by currency.

    Every column is read from its own rows: payments, delivered lines, open purchases, refunds.
    """
    payments = Payment.objects.filter(state=Payment.State.CAPTURED)
    captured = _sum(payments, "captured_amount", "captured_currency")
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
    standing = Refund.objects.filter(state__in=Refund.STANDING)
    made = _sum(standing.filter(state=Refund.State.MADE), "amount", "currency")
    due = _sum(standing.exclude(state=Refund.State.MADE), "amount", "currency")
    surplus = _sum(standing.filter(kind=Refund.Kind.SURPLUS), "amount", "currency")
    returned = _sum(standing.filter(kind=Refund.Kind.RETURNED), "amount", "currency")
    charged_back = _sum(Dispute.objects.filter(is_withdrawn=True), "amount", "currency")
    return [
        Balance(
            currency=currency,
            captured=captured[currency],
            delivered=delivered[currency] - returned[currency],
            open=opened[currency],
            refunds_due=due[currency],
            refunds_made=made[currency],
            unallocated=captured[currency] - planned[currency] - surplus[currency],
            given_away=given[currency],
            charge_backs=charged_back[currency],
        )
        for currency in sorted({*captured, *planned})
    ]


def find_uneven_orders() -> list[str]:
    """Numbers of orders whose own money does not come out; empty, or there is a fault in our books.

    A paid order has exactly its total, what is owed back as too much apart; one that is not paid has not less than
    nothing. Unlike the balances this does not go by what is left over.
    """
    came = defaultdict[int, Decimal](Decimal)
    payments = Payment.objects.filter(state=Payment.State.CAPTURED, captured_currency=F("order__currency"))
    for order_id, amount in payments.values_list("order_id", "captured_amount"):
        came[order_id] += amount or ZERO
    surplus = Refund.objects.filter(kind=Refund.Kind.SURPLUS, state__in=Refund.STANDING, currency=F("order__currency"))
    for order_id, amount in surplus.values_list("order_id", "amount"):
        came[order_id] -= amount
    paid = Order.objects.filter(paid_at__isnull=False).values_list("pk", "total")
    uneven = {pk for pk, total in paid.iterator() if came.pop(pk, ZERO) != total}
    uneven |= {pk for pk, amount in came.items() if amount < 0}
    return list(Order.objects.filter(pk__in=uneven).order_by("pk").values_list("number", flat=True))


def _sum(rows: QuerySet[Any], amount: str, currency: str) -> defaultdict[str, Decimal]:
    # Summed by amount and multiplied here: SQLite adds decimals as floats.
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for code, value, number in rows.values_list(currency, amount).annotate(number=Count("pk")).order_by():
        sums[code] += value * number
    return sums


def _count_purchases() -> Iterator[dict[str, Any]]:
    """Purchases grouped by everything that a sum needs, so that the rows here are few."""
    came = PurchasedEsim.objects.filter(purchase=OuterRef("pk")).order_by().values("purchase").annotate(n=Count("pk"))
    topped = PurchasedPackage.objects.filter(purchase=OuterRef("pk")).order_by().values("purchase")
    gone = Refund.objects.filter(purchase=OuterRef("pk"), kind=Refund.Kind.MISSING, state__in=Refund.GONE)
    rows = Purchase.objects.annotate(
        came=Coalesce(Subquery(came.values("n")), Subquery(topped.annotate(n=Count("pk")).values("n")), 0),
        refunded=Coalesce(Subquery(gone.values("quantity")), 0),
    )
    names = ("order_line__order__currency", "order_line__unit_price", "state", "quantity", "came", "refunded")
    yield from rows.values(*names).annotate(purchases=Count("pk")).order_by()
