"""What our own books say of an account's money since a moment: bought, given back, and what nobody knows yet."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from esims.models import LineAction, Package
from orders.models import Purchase, PurchaseAttempt, PurchasedEsim, PurchasedPackage
from providers.base import Provider
from providers.models import ProviderAccount
from providers.types import Returned

ZERO = Decimal(0)
#: Sent, or perhaps sent, and not decided: what the provider has charged for them is not known yet.
UNDECIDED = (
    Purchase.State.PLANNED,
    Purchase.State.SENDING,
    Purchase.State.ALLOCATING,
    Purchase.State.UNKNOWN,
    Purchase.State.HELD,
)
#: Outcomes of an order of which it is certain that nothing was charged for it.
NOT_BOUGHT = ("rejected", "held", "rate_limited", "not_sent")
#: So long after a line was ended its money may still come back to our balance. Ours: no provider says how long.
MONEY_BACK_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What happened at an account since a moment, by our books, in one currency.

    ``open`` may have been charged already, ``late`` may have been charged since or before, and ``perhaps`` may have
    come back: none of them is known.
    """

    bought: Decimal
    #: Came since, and was ordered before.
    late: Decimal
    returned: Decimal
    open: Decimal
    perhaps: Decimal
    #: What was bought and what came back may each have been up to this share less than it is listed at.
    charged_less: Decimal
    #: Lines and top-ups whose cost is not known, or is in another currency.
    uncounted: int
    #: Purchases without an outcome and actions that have not ended: (what, id).
    under_way: frozenset[tuple[str, int]]

    def expect(self, amount: Decimal) -> Decimal:
        return amount - self.bought + self.returned

    @property
    def less(self) -> Decimal:
        """So much less than expected the balance may be."""
        return self.open + self.late + self.returned * self.charged_less

    @property
    def more(self) -> Decimal:
        """So much more than expected the balance may be."""
        return self.perhaps + self.bought * self.charged_less


def read_ledger(account: ProviderAccount, provider: Provider, *, since: datetime, currency: str) -> Ledger:
    """Our own books of an account since a moment (aware UTC). The number of queries does not depend on the data.

    What is open is read first: what is delivered meanwhile then counts in both and cannot be missed in both.
    """
    purchases, undecided = _read_open(account, currency)
    names = ("purchase__order_line__unit_cost", "purchase__order_line__cost_currency", "is_late")
    was_ordered = Exists(_sent_orders(OuterRef("purchase")).filter(started_at__lte=since))
    rows: list[tuple[Decimal | None, str, bool, int]] = []
    for came in (
        PurchasedEsim.objects.filter(purchase__account=account, esim__created_at__gt=since),
        PurchasedPackage.objects.filter(purchase__account=account, at__gt=since),
    ):
        counted: QuerySet[Any, Any] = came.annotate(is_late=was_ordered).values_list(*names)
        rows += counted.annotate(number=Count("pk")).order_by()
    bought, unknown = _sum([(cost, code, number) for cost, code, is_late, number in rows if not is_late], currency)
    late, unknown_too = _sum([(cost, code, number) for cost, code, is_late, number in rows if is_late], currency)
    actions, returned, perhaps = _read_returned(account, provider, since=since, currency=currency)
    return Ledger(
        bought=bought,
        late=late,
        returned=returned,
        open=undecided,
        perhaps=perhaps,
        charged_less=provider.charged_less,
        uncounted=unknown + unknown_too,
        under_way=frozenset({*(("purchase", pk) for pk in purchases), *(("action", pk) for pk in actions)}),
    )


def _sent_orders(purchase: OuterRef) -> QuerySet[PurchaseAttempt]:
    """Orders of a purchase that the provider may have charged."""
    orders = PurchaseAttempt.objects.filter(purchase=purchase, kind=PurchaseAttempt.Kind.ORDER)
    return orders.exclude(outcome__in=NOT_BOUGHT)


def _read_open(account: ProviderAccount, currency: str) -> tuple[list[int], Decimal]:
    """The purchases that were sent and are not decided, and what their missing eSIMs cost."""
    was_sent = Q(state=Purchase.State.ALLOCATING) | Exists(_sent_orders(OuterRef("pk")))
    rows = list(
        Purchase.objects.filter(was_sent, account=account, state__in=UNDECIDED)
        .annotate(came=Count("delivered"))
        .values_list("pk", "order_line__unit_cost", "order_line__cost_currency", "quantity", "came")
    )
    total, _unknown = _sum(((cost, code, max(0, ordered - came)) for _pk, cost, code, ordered, came in rows), currency)
    return [row[0] for row in rows], total


def _sum(rows: Iterable[tuple[Decimal | None, str, int]], currency: str) -> tuple[Decimal, int]:
    """The sum in the currency, and how many could not be added. Added here: SQLite adds decimals as floats."""
    total, unknown = ZERO, 0
    for cost, code, number in rows:
        if cost is None or code != currency:
            unknown += number
        else:
            total += cost * number
    return total, unknown


# -- what came back ---------------------------------------------------------------------------------------------------

_LINE, _TOP_UP = "esim__purchased__purchase__order_line", "package__purchased__purchase__order_line"
_COSTS = tuple(f"{line}__{name}" for line in (_LINE, _TOP_UP) for name in ("unit_cost", "cost_currency"))
_FACTS = ("pk", "esim_id", "package_id", "package__kind", "kind", "state", "sent_at", "finished_at")


def _read_returned(
    account: ProviderAccount, provider: Provider, *, since: datetime, currency: str
) -> tuple[list[int], Decimal, Decimal]:
    """The actions that have not ended, what came back for lines and top-ups that were ended, and what may have.

    Each line and each top-up brings its cost back once at most, however often it was asked for.
    """
    returns = {capability.value: told.returned for capability, told in provider.money_back.items()}
    kinds = [kind for kind, returned in returns.items() if returned is not Returned.NOTHING]
    sent = LineAction.objects.filter(esim__account=account, kind__in=kinds, sent_at__isnull=False).exclude(
        Q(state__in=(LineAction.State.REJECTED, LineAction.State.PLANNED)) | Q(refunded=False)
    )
    # Money may be some time on its way: what ended shortly before the moment may bring it after.
    until_settled = since - MONEY_BACK_WITHIN
    recent = sent.filter(Q(finished_at__gt=until_settled) | Q(finished_at__isnull=True))
    units: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in sent.filter(esim__in=recent.values("esim")).order_by("pk").values(*_FACTS, *_COSTS):
        is_top_up = row["package__kind"] == Package.Kind.TOP_UP
        units[("top_up", row["package_id"]) if is_top_up else ("line", row["esim_id"])].append(row)
    under_way = [row["pk"] for rows in units.values() for row in rows if row["finished_at"] is None]
    returned, perhaps = ZERO, _read_top_ups_of_ended(units, until_settled=until_settled, currency=currency)
    for (what, _pk), rows in units.items():
        line = _TOP_UP if what == "top_up" else _LINE
        cost, code = rows[0][f"{line}__unit_cost"], rows[0][f"{line}__cost_currency"]
        if cost is None or code != currency:
            continue
        sure = [row for row in rows if _is_sure(row, returns)]
        if any(row["finished_at"] <= since for row in sure):
            # It was reckoned with before.
            continue
        if sure and all(row["sent_at"] > since for row in rows):
            returned += cost
        elif _may_still_bring(rows, until_settled):
            # A part of it, or nobody knows; or it may have come before the moment as well.
            perhaps += cost
    return under_way, returned, perhaps


def _read_top_ups_of_ended(
    units: Mapping[tuple[str, int], list[Mapping[str, Any]]], *, until_settled: datetime, currency: str
) -> Decimal:
    """What the top-ups of lines cost that were ended as a whole: whether that comes back too, no document says."""
    ended = {
        pk
        for (what, pk), rows in units.items()
        if what == "line" and _may_still_bring([row for row in rows if row["package_id"] is None], until_settled)
    }
    apart = {pk for what, pk in units if what == "top_up"}
    costs = ("package_id", "purchase__order_line__unit_cost", "purchase__order_line__cost_currency")
    rows = PurchasedPackage.objects.filter(esim__in=ended).values_list(*costs) if ended else ()
    total, _unknown = _sum(((cost, code, 1) for package, cost, code in rows if package not in apart), currency)
    return total


def _may_still_bring(rows: Iterable[Mapping[str, Any]], until_settled: datetime) -> bool:
    return any(row["finished_at"] is None or row["finished_at"] > until_settled for row in rows)


def _is_sure(action: Mapping[str, Any], returns: Mapping[str, Returned]) -> bool:
    """Whether all that was paid came back."""
    return action["state"] == LineAction.State.CONFIRMED and returns[action["kind"]] is Returned.ALL
