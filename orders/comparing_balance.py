"""The provider's balance against what our own books say that we spent there.

From the account's newest mark, a moment at which the two agreed, the balance ought to be: what it was, less the net
cost of everything that came since, and more what was given back for lines that ended. What that does not explain is a
difference: a deposit of ours, mostly, which a person closes as such.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from orders.account_ledger import ZERO, Ledger, read_ledger
from orders.findings import Finding, Pace, Part, PartState
from orders.models import Difference, LedgerMark
from providers.balances import record_balance
from providers.base import Provider
from providers.models import ProviderAccount
from providers.types import Capability, Priority

Kind = Difference.Kind
BY = "comparison"
#: So often the balance is read in one run where something of the account moves meanwhile.
_READINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The balance, and our books of the same moment: of just before and just after, unless something moved."""

    mark: LedgerMark | None
    at: datetime
    amount: Decimal
    currency: str
    ledger: Ledger
    #: Our books said the same before the balance was read and after.
    is_steady: bool


def compare_balance(account: ProviderAccount, provider: Provider, pace: Pace) -> Part:
    """Read the balance and reckon what it ought to be."""
    if Capability.BALANCE not in provider.offered:
        return Part(state=PartState.IMPOSSIBLE, note="The provider tells no balance.")
    pace.begin(1)
    for _reading in range(_READINGS):
        reading = _read(account, provider, pace)
        if reading.is_steady:
            break
    pace.step()
    if not reading.is_steady:
        # Which of it the balance holds already, nobody knows.
        return _leave_open("Something of the account moved while the balance was read: the next comparison reckons.")
    mark, ledger = reading.mark, reading.ledger
    if mark is None or mark.currency != reading.currency:
        return _begin(account, reading)
    rest = reading.amount - ledger.expect(mark.amount)
    if not _is_explained(account, mark, ledger, rest):
        return _part(ledger, (_make_finding(mark, reading),))
    if not ledger.under_way:
        set_mark(account=account, at=reading.at, amount=reading.amount, currency=reading.currency, by=BY)
    return _part(ledger, ())


def _read(account: ProviderAccount, provider: Provider, pace: Pace) -> Reading:
    mark = LedgerMark.objects.filter(account=account).first()
    since, currency = (timezone.now(), "") if mark is None else (mark.at, mark.currency)
    before = read_ledger(account, provider, since=since, currency=currency)
    told = pace.ask(lambda: provider.read_balance(priority=Priority.BACKGROUND))
    record_balance(account=account, balance=told)
    after = read_ledger(account, provider, since=since, currency=currency)
    return Reading(
        mark=mark,
        at=told.as_of,
        amount=told.money.amount,
        currency=told.money.currency,
        ledger=after,
        is_steady=before == after,
    )


def _begin(account: ProviderAccount, reading: Reading) -> Part:
    """The first reading, or the first in another currency: nothing to reckon from yet."""
    if reading.ledger.under_way:
        # What they cost may be in it or not: the next comparison could not tell.
        return _leave_open("Orders or line actions are undecided: the point to reckon from is kept once none is.")
    set_mark(account=account, at=reading.at, amount=reading.amount, currency=reading.currency, by=BY)
    return _leave_open("The balance is kept as the point from which the next comparison reckons.")


def _is_explained(account: ProviderAccount, mark: LedgerMark, ledger: Ledger, rest: Decimal) -> bool:
    """Whether our books leave nothing to explain.

    A difference that is open stays one while nothing has changed but what is not known: it must not disappear in the
    uncertainty of what came after it.
    """
    if not -ledger.less <= rest <= ledger.more:
        return False
    known = Difference.objects.filter(
        account=account, kind=Kind.BALANCE, key=str(mark.pk), state=Difference.State.OPEN
    ).first()
    if known is None:
        return True
    told = known.details
    change = rest - Decimal(known.facts["theirs"]["unexplained"])
    less = ledger.less - sum((Decimal(told.get(name, "0")) for name in ("open", "late", "dearer")), ZERO)
    more = ledger.more - sum((Decimal(told.get(name, "0")) for name in ("perhaps", "cheaper")), ZERO)
    return not -max(ZERO, less) <= change <= max(ZERO, more)


def _make_finding(mark: LedgerMark, reading: Reading) -> Finding:
    """What our purchases do not explain. The sum alone tells whether it is the same as before: the rest moves daily."""
    ledger, amount = reading.ledger, reading.amount
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
            "until": reading.at.isoformat(),
            "amount": _write(amount),
            "bought": _write(ledger.bought),
            "returned": _write(ledger.returned),
            "open": _write(ledger.open),
            "late": _write(ledger.late),
            "perhaps": _write(ledger.perhaps),
            "cheaper": _write(ledger.bought * ledger.charged_less),
            "dearer": _write(ledger.returned * ledger.charged_less),
            "uncounted": ledger.uncounted,
        },
        amount=amount - expected,
        currency=mark.currency,
    )


def _part(ledger: Ledger, findings: tuple[Finding, ...]) -> Part:
    notes = []
    if ledger.uncounted:
        notes.append(f"Of {ledger.uncounted} lines the cost is not known in the balance's currency.")
    if ledger.late or any(what == "purchase" for what, _pk in ledger.under_way):
        notes.append("Some orders are undecided: what they cost is left open.")
    if ledger.perhaps:
        notes.append("For some ended lines money may have come back: how much is left open.")
    return Part(
        state=PartState.PARTLY if notes else PartState.COMPARED,
        looked=1,
        note=" ".join(notes),
        findings=findings,
        covers={Kind.BALANCE: None},
    )


def _leave_open(note: str) -> Part:
    """Nothing is said of the balance: a difference that is open stays open."""
    return Part(state=PartState.PARTLY, looked=1, note=note)


def set_mark(*, account: ProviderAccount, at: datetime, amount: Decimal, currency: str, by: str) -> LedgerMark:
    """From here on the balance is reckoned. The same moment twice is one mark."""
    mark, _made = LedgerMark.objects.get_or_create(
        account=account, at=at, defaults={"amount": amount, "currency": currency, "by": by}
    )
    return mark


def _write(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
