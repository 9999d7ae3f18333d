"""Going back to an earlier release: refused, before anything is taken back, where its tables cannot hold the books.

What an earlier release kept beside the books (comparisons, notifications, deliveries) may go; what says who paid, owes
or got what may not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.apps.registry import Apps
from django.db.migrations import Migration
from django.db.migrations.exceptions import IrreversibleError
from django.db.models import Count, F, Model, Q, QuerySet

Rows = Callable[[str], QuerySet[Model]]
_GIVEN = Q(kind="returned")


def _repeated(rows: QuerySet[Model], *fields: str) -> QuerySet[Any, Any]:
    grouped: QuerySet[Any, Any] = rows.order_by().values(*fields).annotate(rows=Count("pk")).filter(rows__gt=1)
    return grouped


#: Migration → what the tables of before it have no place for. Models are read as they stand now: no import here.
_HELD: Mapping[str, Mapping[str, Callable[[Rows], QuerySet[Any, Any]]]] = {
    "0004_money": {
        "refunds without a purchase": lambda rows: rows("Refund").filter(purchase=None),
        "purchases with several refunds": lambda rows: _repeated(
            rows("Refund").filter(purchase__isnull=False), "purchase"
        ),
        "refunds for other things than lines that were not delivered": lambda rows: rows("Refund").exclude(
            kind="missing"
        ),
        "refunds on their way at the payment service": lambda rows: rows("Refund").filter(state="sending"),
        "payments that have not come": lambda rows: rows("Payment").filter(captured_at=None),
        "payments of which something else came than was asked for": lambda rows: rows("Payment").filter(
            Q(captured_amount__isnull=False) & (~Q(captured_amount=F("amount")) | ~Q(captured_currency=F("currency")))
        ),
        "payments by card, on credit or free of charge": lambda rows: rows("Payment").filter(
            method__in=("card", "credit", "free")
        ),
        "payments that need a look": lambda rows: rows("Payment").exclude(attention=""),
        "orders that expired": lambda rows: rows("Order").filter(state="expired"),
        "order lines that replace another": lambda rows: rows("OrderLine").filter(replaces__isnull=False),
        "entries of credit accounts": lambda rows: rows("CreditEntry"),
        "disputes": lambda rows: rows("Dispute"),
    },
    "0009_returns_and_replacements": {
        "lines for which money was given back several times": lambda rows: _repeated(
            rows("Refund").filter(_GIVEN).exclude(state="dropped"), "purchase", "esim"
        ),
        "promises of money for a line's end": lambda rows: rows("ReturnWish").filter(state="waiting"),
    },
    "0012_card_lookups": {
        "lines for which several refunds are due": lambda rows: _repeated(
            rows("Refund").filter(_GIVEN, state="due"), "purchase", "esim"
        ),
    },
}


def refuse_to_lose_books(*, plan: Sequence[tuple[Migration, bool]], apps: Apps, using: str, **_rest: object) -> None:
    """Raise ``IrreversibleError`` where ``migrate`` would take back tables that hold what those before cannot."""

    def rows(name: str) -> QuerySet[Model]:
        model: Any = apps.get_model("orders", name)
        found: QuerySet[Model] = model.objects.using(using)
        return found

    undone = {migration.name for migration, is_back in plan if is_back and migration.app_label == "orders"}
    counts = {what: find(rows).count() for name, ways in _HELD.items() if name in undone for what, find in ways.items()}
    found = "; ".join(f"{count} {what}" for what, count in counts.items() if count)
    if found:
        raise IrreversibleError(
            f"The tables of the earlier release cannot hold these: {found}. Nothing was taken back. "
            "Keep this release, or restore the backup of before the upgrade together with the earlier one."
        )
