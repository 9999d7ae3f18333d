"""Credit accounts with what their pages show."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, QuerySet

from customers.models import Customer
from orders.issuer import Issuer, read_issuer
from orders.models import CreditAccount, CreditEntry, CreditStatement
from orders.selectors.overdue import find_overdue

STATEMENTS_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all customers owe in one currency."""

    currency: str
    owed: Decimal
    credit_limit: Decimal


def find_credit(customer: Customer | None, currency: str = "") -> list[CreditAccount]:
    """The customer's accounts that are open for new orders, of one currency where it is named."""
    if customer is None:
        return []
    accounts = CreditAccount.objects.filter(customer=customer, is_open=True).order_by("currency")
    return list(accounts.filter(currency=currency) if currency else accounts)


def find_accounts(text: str = "", *, overdue_only: bool = False) -> QuerySet[CreditAccount]:
    """Accounts with their customers, those who owe most first; ``text`` is of a name, a company or an address."""
    accounts = CreditAccount.objects.select_related("customer").order_by("-owed", "customer__name", "pk")
    if overdue_only:
        accounts = accounts.filter(pk__in=list(find_overdue()))
    if not text:
        return accounts
    named = Q(customer__name__icontains=text) | Q(customer__company__icontains=text)
    return accounts.filter(named | Q(customer__email__istartswith=text))


def sum_accounts() -> Sequence[Totals]:
    """What is owed in all, by currency."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    # Added here: SQLite adds decimals as floats.
    for currency, owed, limit in CreditAccount.objects.values_list("currency", "owed", "credit_limit"):
        known = sums.get(currency, (Decimal(0), Decimal(0)))
        sums[currency] = (known[0] + owed, known[1] + limit)
    return [Totals(currency=code, owed=owed, credit_limit=limit) for code, (owed, limit) in sorted(sums.items())]


def find_entries(account: CreditAccount) -> QuerySet[CreditEntry]:
    """The account's entries with what a row shows; the caller orders and pages them."""
    entries = CreditEntry.objects.filter(account=account)
    return entries.select_related("payment__order", "refund__order", "statement")


def list_stated(statement: CreditStatement) -> list[CreditEntry]:
    """What a statement is made of, the oldest first."""
    return list(statement.entries.select_related("payment__order", "refund__order").order_by("pk"))


def find_issuer(statement: CreditStatement) -> Issuer:
    """Who issued a statement: the office as it was then, or as it is now where that was not kept."""
    if not statement.issuer_name:
        return read_issuer()
    return Issuer(
        name=statement.issuer_name, address=statement.issuer_address, registration=statement.issuer_registration
    )


def name_order(entry: CreditEntry) -> tuple[int, str] | None:
    """The order that an entry is about, by id and number."""
    about = entry.payment or entry.refund
    return (about.order_id, about.order.number) if about is not None else None
