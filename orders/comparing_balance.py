"""The provider's balance against what our own books say that we spent there.

From the account's newest mark, a moment at which the two agreed, the balance ought to be: what it was, less the net
cost of everything that came since, and more what was given back for lines that ended. What that does not explain is a
difference: a deposit of ours, mostly, which a person closes as such.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Exists, OuterRef, Q

from esims.models import LineAction
from orders.findings import Finding, Pace, Part, PartState
from orders.models import Difference, LedgerMark, Purchase, PurchaseAttempt, PurchasedEsim, PurchasedPackage
from providers.balances import record_balance
from providers.base import Provider
from providers.models import ProviderAccount
from providers.types import Capability, Priority, Returned

Kind = Difference.Kind
BY = "comparison"
ZERO = Decimal(0)
#: Sent, or perhaps sent, and not decided: what the provider has charged for them is not known yet.
UNDECIDED = (
    Purchase.State.PLANNED,
    Purchase.State.SENDING,
    Purchase.State.ALLOCATING,
    Purchase.State.UNKNOWN,
    Purchase.State.HELD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What happened at an account since a mark, by our books, in the balance's currency.

    ``open`` may have been charged already, and ``perhaps`` may come back: neither is known.
    """

    bought: Decimal
    returned: Decimal
    open: Decimal
    perhaps: Decimal
    #: Lines and top-ups whose cost is not known, or is in another currency.
    uncounted: int

    def expect(self, amount: Decimal) -> Decimal:
        return amount - self.bought + self.returned


def compare_balance(account: ProviderAccount, provider: Provider, pace: Pace) -> Part:
    """Read the balance and reckon what it ought to be."""
    if Capability.BALANCE not in provider.offered:
        return Part(state=PartState.IMPOSSIBLE, note="The provider tells no balance.")
    pace.begin(1)
    told = pace.ask(lambda: provider.read_balance(priority=Priority.BACKGROUND))
    record_balance(account=account, balance=told)
    pace.step()
    amount, currency, now = told.money.amount, told.money.currency, told.as_of
    mark = LedgerMark.objects.filter(account=account).first()
    if mark is None or mark.currency != currency:
        set_mark(account=account, at=now, amount=amount, currency=currency, by=BY)
        note = "The balance is kept as the point from which the next comparison reckons."
        return Part(state=PartState.PARTLY, looked=1, note=note)
    ledger = read_ledger(account, provider, since=mark.at, currency=currency)
    rest = amount - ledger.expect(mark.amount)
    is_decided = not (ledger.open or ledger.perhaps)
    finding = _make_finding(mark, ledger, amount, now) if not -ledger.open <= rest <= ledger.perhaps else None
    if is_decided and (not rest or (finding is not None and _is_closed(account, finding))):
        set_mark(account=account, at=now, amount=amount, currency=currency, by=BY)
    return _part(ledger, () if finding is None else (finding,))


def _make_finding(mark: LedgerMark, ledger: Ledger, amount: Decimal, now: datetime) -> Finding:
    """What our purchases do not explain. The sum alone tells whether it is the same as before: the rest moves daily."""
    expected = ledger.expect(mark.amount)
    return Finding(
        kind=Kind.BALANCE,
        key=str(mark.pk),
        ours={"unexplained": "0", "currency": mark.currency},
        theirs={"unexplained": _write(amount - expected), "currency": mark.currency},
        details={
            "expected": _write(expected),
            "since": mark.at.isoformat(),
            "from": _write(mark.amount),
            "until": now.isoformat(),
            "amount": _write(amount),
            "bought": _write(ledger.bought),
            "returned": _write(ledger.returned),
            "open": _write(ledger.open),
            "perhaps": _write(ledger.perhaps),
            "uncounted": ledger.uncounted,
        },
        amount=amount - expected,
        currency=mark.currency,
    )


def _is_closed(account: ProviderAccount, finding: Finding) -> bool:
    """Whether somebody has closed exactly this already: then the reckoning goes on from here."""
    closed = Difference.objects.filter(
        account=account, kind=finding.kind, key=finding.key, state=Difference.State.CLOSED
    ).first()
    return closed is not None and closed.facts == finding.facts


def _part(ledger: Ledger, findings: tuple[Finding, ...]) -> Part:
    notes = []
    if ledger.uncounted:
        notes.append(f"Of {ledger.uncounted} lines the cost is not known in the balance's currency.")
    if ledger.open or ledger.perhaps:
        notes.append("Some orders are undecided: what they cost is left open.")
    return Part(
        state=PartState.PARTLY if notes else PartState.COMPARED,
        looked=1,
        note=" ".join(notes),
        findings=findings,
        covers={Kind.BALANCE: None},
    )


def set_mark(*, account: ProviderAccount, at: datetime, amount: Decimal, currency: str, by: str) -> LedgerMark:
    """From here on the balance is reckoned. The same moment twice is one mark."""
    mark, _made = LedgerMark.objects.get_or_create(
        account=account, at=at, defaults={"amount": amount, "currency": currency, "by": by}
    )
    return mark


def read_ledger(account: ProviderAccount, provider: Provider, *, since: datetime, currency: str) -> Ledger:
    """Our own books of an account since a moment (aware UTC). The number of queries does not depend on the data."""
    lines = PurchasedEsim.objects.filter(purchase__account=account, esim__created_at__gt=since)
    packages = PurchasedPackage.objects.filter(purchase__account=account, at__gt=since)
    names = ("purchase__order_line__unit_cost", "purchase__order_line__cost_currency")
    bought, unknown = _sum(
        [
            *lines.values_list(*names).annotate(number=Count("pk")).order_by(),
            *packages.values_list(*names).annotate(number=Count("pk")).order_by(),
        ],
        currency,
    )
    undecided, _rest = _sum(_read_open(account), currency)
    returned, perhaps = _sum_returned(account, provider, since=since, currency=currency)
    return Ledger(bought=bought, returned=returned, open=undecided, perhaps=perhaps, uncounted=unknown)


def _read_open(account: ProviderAccount) -> Iterable[tuple[Decimal | None, str, int]]:
    """(unit cost, currency, eSIMs) of what was sent and is not decided."""
    orders = PurchaseAttempt.objects.filter(purchase=OuterRef("pk"), kind=PurchaseAttempt.Kind.ORDER)
    unanswered = Exists(orders.filter(outcome__in=PurchaseAttempt.UNANSWERED))
    rows = (
        Purchase.objects.filter(Q(state=Purchase.State.ALLOCATING) | unanswered, account=account, state__in=UNDECIDED)
        .annotate(came=Count("delivered"))
        .values_list("order_line__unit_cost", "order_line__cost_currency", "quantity", "came")
    )
    for cost, currency, quantity, came in rows:
        yield cost, currency, max(0, quantity - came)


def _sum(rows: Iterable[tuple[Decimal | None, str, int]], currency: str) -> tuple[Decimal, int]:
    """The sum in the currency, and how many could not be added. Added here: SQLite adds decimals as floats."""
    total, unknown = ZERO, 0
    for cost, code, number in rows:
        if cost is None or code != currency:
            unknown += number
        else:
            total += cost * number
    return total, unknown


def _sum_returned(
    account: ProviderAccount, provider: Provider, *, since: datetime, currency: str
) -> tuple[Decimal, Decimal]:
    """What came back for lines that were ended since, and what may have."""
    actions = LineAction.objects.filter(
        esim__account=account,
        kind__in=[capability.value for capability in provider.money_back],
        sent_at__isnull=False,
    ).exclude(state__in=(LineAction.State.REJECTED, LineAction.State.PLANNED))
    rows = actions.filter(Q(finished_at__gt=since) | Q(finished_at__isnull=True))
    names = ("kind", "state", "refunded", "esim__purchased__purchase__order_line__unit_cost")
    returned = perhaps = ZERO
    for kind, state, refunded, cost, code in rows.values_list(
        *names, "esim__purchased__purchase__order_line__cost_currency"
    ):
        told = next(back for capability, back in provider.money_back.items() if capability.value == kind)
        if refunded is False or told.returned is Returned.NOTHING or cost is None or code != currency:
            continue
        if state == LineAction.State.CONFIRMED and told.returned is Returned.ALL:
            returned += cost
        else:
            # A part of it, or nobody knows.
            perhaps += cost
    return returned, perhaps


def _write(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
