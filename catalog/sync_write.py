"""Writing what was read, in one transaction: all of it or nothing.

The plans that did not change are not touched. ``sync_copy`` (PostgreSQL) and ``sync_bulk`` (elsewhere) are two ways to
put the same rows down.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.utils import timezone

from catalog.models import Plan, PlanChange, PlanCoverage, SyncRun
from catalog.pricing import active_rules, floor_percent, lock_prices, raise_to_floor
from catalog.quotes import PriceBasis, quote_price
from catalog.sync_bulk import write_in_bulk
from catalog.sync_copy import write_by_copy
from catalog.sync_rows import (
    CURRENCY,
    NET_PRICE,
    PROVIDER_FIELDS,
    SUGGESTED_PRICE,
    CoverageRow,
    PlanRow,
    describe_changes,
)
from catalog.sync_types import PlanWrite
from catalog.version import bump_version

SLICE = 500
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Known:
    """What the database holds of a plan, as far as it is needed to see whether it changed."""

    pk: int
    digest: str
    is_retired: bool
    kind: str

    @property
    def is_listed(self) -> bool:
        """A plan of the catalogue; packages for lines and what staff entered are no sync's business until listed."""
        return self.kind == Plan.Kind.ESIM


@dataclass(slots=True)
class Written:
    """What one write did."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    returned: int = 0
    retired: int = 0
    would_retire: list[int] = field(default_factory=list)
    asks: bool = False


def write_catalogue(*, run: SyncRun, rows: Mapping[str, PlanRow], unreadable: set[str], is_complete: bool) -> Written:
    """Bring the account's plans in line with ``rows``. The caller holds the transaction.

    ``unreadable`` are plans that are offered but could not be read: they stay as they are. Nothing is retired
    unless ``is_complete``; where more than ``SYNC_RETIRE_SHARE`` of the live plans (or every one of them) would go,
    none does and ``asks`` is set.
    """
    lock_prices()
    now = timezone.now()
    known = read_known(run.account_id)
    live_before = sum(plan.is_listed and not plan.is_retired for plan in known.values())
    done = Written()
    fresh: list[PlanRow] = []
    touched: list[PlanRow] = []
    only_returned: list[int] = []
    for ref, row in rows.items():
        plan = known.get(ref)
        if plan is None:
            fresh.append(row)
        elif plan.digest != row.digest or not plan.is_listed:
            touched.append(row)
            done.returned += plan.is_retired
            done.changed += not plan.is_retired
        elif plan.is_retired:
            only_returned.append(plan.pk)
        else:
            done.unchanged += 1
    done.added = len(fresh)
    done.returned += len(only_returned)

    writes = prepare_writes(run.account_id, fresh, touched, known, kind=Plan.Kind.ESIM)
    if writes:
        write = write_by_copy if connection.vendor == "postgresql" else write_in_bulk
        write(run=run, writes=writes, at=now)
    _return_plans(only_returned, run, now)
    vanished = [
        plan.pk
        for ref, plan in known.items()
        if plan.is_listed and not plan.is_retired and ref not in rows and ref not in unreadable
    ]
    if is_complete and vanished:
        if not rows or len(vanished) > live_before * settings.SYNC_RETIRE_SHARE:
            done.would_retire, done.asks = vanished, True
        else:
            done.retired = retire_plans(vanished, run=run, by="", at=now)
    raise_to_floor(account_id=run.account_id)
    if writes or only_returned:
        bump_version()
    _close_older_questions(run, seen={known[ref].pk for ref in rows if ref in known}, is_complete=is_complete)
    return done


def retire_plans(ids: Sequence[int], *, run: SyncRun, by: str, at: datetime) -> int:
    """Take plans out of the catalogue; returns how many were still in it. The caller holds ``lock_prices``."""
    live: list[int] = []
    for some in _slices(ids):
        live += Plan.objects.filter(pk__in=some, account=run.account_id, retired_at=None).values_list("pk", flat=True)
    for some in _slices(live):
        Plan.objects.filter(pk__in=some).update(retired_at=at)
    _record(live, PlanChange.Kind.RETIRED, run=run, by=by, at=at)
    if live:
        bump_version()
    return len(live)


def read_known(account_id: int, refs: Sequence[str] | None = None) -> dict[str, Known]:
    """What the database holds of an account's plans (None: all of them), by plan code."""
    plans = Plan.objects.filter(account=account_id)
    if refs is not None:
        plans = plans.filter(plan_ref__in=refs)
    rows = plans.values_list("plan_ref", "pk", "digest", "retired_at", "kind")
    return {
        ref: Known(pk, digest, retired_at is not None, kind) for ref, pk, digest, retired_at, kind in rows.order_by()
    }


def prepare_writes(
    account_id: int, fresh: Sequence[PlanRow], touched: Sequence[PlanRow], known: Mapping[str, Known], *, kind: str
) -> list[PlanWrite]:
    """Prices and history of the plans that are new or changed; all of them are to be of ``kind``."""
    rules, percent = active_rules(), floor_percent()

    def price(row: PlanRow, own_price: Decimal | None) -> tuple[Decimal | None, str]:
        basis = PriceBasis(
            account_id=account_id,
            currency=row.values[CURRENCY],
            net_price=row.values[NET_PRICE],
            suggested_price=row.values[SUGGESTED_PRICE],
            own_price=own_price,
            countries={country for country, _, _ in row.coverage},
        )
        quote = quote_price(basis, rules, floor_percent=percent)
        return quote.amount, quote.source

    writes = []
    for row in fresh:
        amount, source = price(row, None)
        writes.append(
            PlanWrite(row=row, pk=None, retail_price=amount, price_source=source, own_price=None, coverage_moved=True)
        )
    for rows in _slices(touched):
        pks = [known[row.plan_ref].pk for row in rows]
        old_values, old_coverage = _read_old(pks)
        for row, pk in zip(rows, pks, strict=True):
            old, coverage = old_values[pk], old_coverage.get(pk, [])
            changes = describe_changes(old.provider, coverage, row)
            own_price = old.own_price
            if own_price is not None and old.provider[CURRENCY] != row.values[CURRENCY]:
                # The price was typed in the old currency: the same number would be another price.
                changes["own_price"] = [_amount(own_price), None]
                own_price = None
            amount, source = price(row, own_price)
            if old.retail_price != amount:
                changes["retail_price"] = [_amount(old.retail_price), _amount(amount)]
            if old.price_source != source:
                changes["price_source"] = [old.price_source, source]
            if known[row.plan_ref].kind != kind:
                changes["kind"] = [known[row.plan_ref].kind, str(kind)]
            writes.append(
                PlanWrite(
                    row=row,
                    pk=pk,
                    retail_price=amount,
                    price_source=source,
                    own_price=own_price,
                    coverage_moved="coverage" in changes,
                    kind=PlanChange.Kind.RETURNED if known[row.plan_ref].is_retired else PlanChange.Kind.CHANGED,
                    changes=changes,
                )
            )
    return writes


@dataclass(frozen=True, slots=True)
class _Old:
    provider: tuple[Any, ...]
    own_price: Decimal | None
    retail_price: Decimal | None
    price_source: str


def _read_old(pks: Sequence[int]) -> tuple[dict[int, _Old], dict[int, list[CoverageRow]]]:
    columns = ("pk", *PROVIDER_FIELDS, "own_price", "retail_price", "price_source")
    values = {
        row[0]: _Old(tuple(row[1:-3]), row[-3], row[-2], row[-1])
        for row in Plan.objects.filter(pk__in=pks).values_list(*columns)
    }
    coverage: dict[int, list[CoverageRow]] = {}
    for pk, country, kind, networks in PlanCoverage.objects.filter(plan__in=pks).values_list(
        "plan_id", "country", "kind", "networks"
    ):
        coverage.setdefault(pk, []).append((country, kind, networks))
    return values, coverage


def _return_plans(ids: Sequence[int], run: SyncRun, now: datetime) -> None:
    for some in _slices(ids):
        Plan.objects.filter(pk__in=some).update(retired_at=None)
    _record(ids, PlanChange.Kind.RETURNED, run=run, by="", at=now)


def _close_older_questions(run: SyncRun, *, seen: set[int], is_complete: bool) -> None:
    """An older run's question is answered by a newer complete run; a partial one takes back the plans that it saw."""
    older = SyncRun.objects.filter(account=run.account_id, state=SyncRun.State.NEEDS_APPROVAL).exclude(pk=run.pk)
    for question in older.order_by("pk").select_for_update():
        question.would_retire = [pk for pk in question.would_retire if pk not in seen]
        if is_complete or not question.would_retire:
            question.state = SyncRun.State.SUCCEEDED
            question.decided_at = timezone.now()
            question.decided_by = f"run {run.pk}"
        question.save(update_fields=["would_retire", "state", "decided_at", "decided_by"])


def _record(ids: Sequence[int], kind: str, *, run: SyncRun, by: str, at: datetime) -> None:
    PlanChange.objects.bulk_create(
        [PlanChange(plan_id=pk, run=run, kind=kind, at=at, by=by) for pk in ids], batch_size=SLICE
    )


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[at : at + SLICE] for at in range(0, len(items), SLICE))
