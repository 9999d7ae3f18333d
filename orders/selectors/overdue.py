"""Statements that nobody paid by their day, and what of them is still owed.

What came in after a statement – payments, refunds, adjustments in the customer's favour – counts for the oldest debt
first. So what is left of the newest statement whose day is past holds what is left of all before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from orders.models import CreditAccount, CreditEntry, CreditStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditLook:
    """An account as lists and pages show it."""

    account: CreditAccount
    #: What is owed although the day for it is past.
    overdue: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLook:
    statement: CreditStatement
    #: What nobody has paid of it yet.
    left: Decimal
    is_overdue: bool


def find_overdue(accounts: Iterable[CreditAccount] | None = None) -> Mapping[int, Decimal]:
    """What is overdue, by account: of these or of all. Two queries at most, however many there are."""
    debtors = CreditAccount.objects.filter(owed__gt=0)
    if accounts is not None:
        wanted = [account.pk for account in accounts if account.owed > 0]
        if not wanted:
            return {}
        debtors = debtors.filter(pk__in=wanted)
    return {account_id: amount for account_id, (_currency, amount) in _read_overdue(debtors).items()}


def sum_overdue() -> tuple[int, Mapping[str, Decimal]]:
    """How many accounts are overdue, and with how much in each currency."""
    overdue = _read_overdue(CreditAccount.objects.filter(owed__gt=0))
    amounts: dict[str, Decimal] = {}
    for currency, amount in overdue.values():
        amounts[currency] = amounts.get(currency, Decimal(0)) + amount
    return len(overdue), dict(sorted(amounts.items()))


def _read_overdue(debtors: QuerySet[CreditAccount]) -> dict[int, tuple[str, Decimal]]:
    today = timezone.localdate()
    past = CreditStatement.objects.filter(account=OuterRef("pk"), due_on__lt=today).order_by("-pk")
    stated = debtors.annotate(stated=Subquery(past.values("pk")[:1]), closing=Subquery(past.values("closing")[:1]))
    found = {row.pk: row for row in stated.filter(closing__gt=0)}
    left: dict[int, Decimal] = {account_id: row.closing for account_id, row in found.items()}
    # Added here: SQLite adds decimals as floats.
    for account_id, statement_id, amount in came_since(list(found), today):
        if statement_id is None or statement_id > found[account_id].stated:
            left[account_id] += amount
    return {account_id: (found[account_id].currency, amount) for account_id, amount in left.items() if amount > 0}


def came_since(account_ids: Sequence[int], today: date) -> QuerySet[CreditEntry, tuple[int, int | None, Decimal]]:
    """What came in on these accounts and stands on no statement that is past its day: account, statement, amount.

    Two questions in one: asked by "or" they read all entries.
    """
    came = CreditEntry.objects.filter(account__in=account_ids, amount__lt=0).order_by()
    unstated, young = came.filter(statement=None), came.filter(statement__due_on__gte=today)
    rows = ("account", "statement", "amount")
    return unstated.values_list(*rows).union(young.values_list(*rows), all=True)


def look_at_accounts(accounts: Sequence[CreditAccount]) -> list[CreditLook]:
    """Accounts that were read already, with what is overdue of each."""
    overdue = find_overdue(accounts)
    return [CreditLook(account=account, overdue=overdue.get(account.pk, Decimal(0))) for account in accounts]


def look_at_statements(account: CreditAccount, *, limit: int) -> list[StatementLook]:
    """The account's newest statements, with what is left of each."""
    statements = list(account.statements.order_by("-pk")[:limit])
    if not statements:
        return []
    since = Q(statement=None) | Q(statement__gt=statements[-1].pk)
    came = list(
        CreditEntry.objects.filter(since, account=account, amount__lt=0).order_by().values_list("statement", "amount")
    )
    today = timezone.localdate()
    looks = []
    for statement in statements:
        paid = (amount for statement_id, amount in came if statement_id is None or statement_id > statement.pk)
        left = max(Decimal(0), statement.closing + sum(paid, Decimal(0)))
        looks.append(StatementLook(statement=statement, left=left, is_overdue=left > 0 and statement.due_on < today))
    return looks
