"""A list of orders as its page shows it: before it is run, while it runs, and afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, OuterRef, QuerySet, Subquery

from customers.terms import fold
from orders.bulk_order_checking import find_earlier
from orders.models import BulkOrder, BulkOrderRow
from providers.models import BalanceReading, ProviderAccount

RowState = BulkOrderRow.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Money of all rows in one currency; cost and margin are None where a plan's cost is not known."""

    currency: str
    price: Decimal
    cost: Decimal | None

    @property
    def margin(self) -> Decimal | None:
        return None if self.cost is None else self.price - self.cost

    @property
    def margin_percent(self) -> Decimal | None:
        return round(100 * self.margin / self.price, 1) if self.margin is not None and self.price else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """An account whose last known balance does not pay for the list."""

    account: ProviderAccount
    balance: Decimal
    cost: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPage:
    bulk: BulkOrder
    counts: Mapping[str, int]
    esims: int
    customers_known: int
    customers_new: int
    remarks: int
    totals: Sequence[Totals]
    shortages: Sequence[Shortage]
    #: The last run of the same list.
    earlier: BulkOrder | None

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    @property
    def worked(self) -> int:
        return self.counts.get(RowState.ORDERED, 0) + self.counts.get(RowState.REFUSED, 0)

    @property
    def faulty(self) -> int:
        return self.counts.get(RowState.FAULTY, 0)

    @property
    def refused(self) -> int:
        return self.counts.get(RowState.REFUSED, 0)

    @property
    def ordered(self) -> int:
        return self.counts.get(RowState.ORDERED, 0)

    @property
    def waiting(self) -> int:
        return self.counts.get(RowState.WAITING, 0)


def read_bulk_page(bulk: BulkOrder) -> BulkPage:
    """Everything but the rows themselves, in a constant number of queries."""
    rows = list(
        bulk.rows.order_by("number").values_list(
            *("state", "quantity", "currency", "unit_price", "unit_cost", "customer", "email", "phone", "name"),
            *("plan__account", "remarks"),
        )
    )
    counts: dict[str, int] = {}
    prices: dict[str, Decimal] = {}
    costs: dict[str, Decimal | None] = {}
    by_account: dict[tuple[int, str], Decimal] = {}
    known: set[int] = set()
    new: set[str] = set()
    esims = remarked = 0
    for state, quantity, currency, price, cost, customer, email, phone, name, account, remarks in rows:
        counts[state] = counts.get(state, 0) + 1
        remarked += bool(remarks)
        known |= {customer} if customer else set()
        new |= set() if customer else {email or f"{phone} {fold(name)}"}
        if price is None:
            continue
        esims += quantity
        prices[currency] = prices.get(currency, Decimal(0)) + price * quantity
        so_far = costs.get(currency, Decimal(0))
        costs[currency] = None if so_far is None or cost is None else so_far + cost * quantity
        if account and cost is not None:
            by_account[account, currency] = by_account.get((account, currency), Decimal(0)) + cost * quantity
    return BulkPage(
        bulk=bulk,
        counts=counts,
        esims=esims,
        customers_known=len(known),
        customers_new=len(new),
        remarks=remarked,
        totals=[Totals(currency=code, price=price, cost=costs[code]) for code, price in sorted(prices.items())],
        shortages=_find_shortages(by_account) if bulk.state == BulkOrder.State.CHECKED else (),
        earlier=find_earlier(bulk) if bulk.state == BulkOrder.State.CHECKED else None,
    )


def find_rows(bulk: BulkOrder, *, state: str = "") -> QuerySet[BulkOrderRow]:
    """The rows with what a table shows of them, in the order of the file."""
    rows = bulk.rows.select_related("customer", "plan", "order").order_by("number")
    return rows.filter(state=state) if state in RowState.values else rows


def list_bulks() -> QuerySet[BulkOrder]:
    """All lists, the newest first, each with how many rows it has; the caller pages them."""
    return (
        BulkOrder.objects.select_related("created_by").annotate(row_count=Count("rows")).order_by("-created_at", "-pk")
    )


def _find_shortages(by_account: Mapping[tuple[int, str], Decimal]) -> list[Shortage]:
    """Where the last balance that a provider told is smaller than what the list costs there."""
    newest = BalanceReading.objects.filter(account=OuterRef("pk")).order_by("-at", "-pk")
    accounts = ProviderAccount.objects.filter(pk__in=[account for account, _currency in by_account]).annotate(
        told=Subquery(newest.values("amount")[:1]), told_in=Subquery(newest.values("currency")[:1])
    )
    return [
        Shortage(account=account, balance=account.told, cost=cost, currency=account.told_in)
        for account in accounts.order_by("pk")
        if account.told is not None
        and account.told < (cost := by_account.get((account.pk, account.told_in), Decimal(0)))
    ]
