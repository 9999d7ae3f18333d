"""Writes plans through the ORM, for databases without COPY."""

from collections.abc import Sequence
from datetime import datetime

from catalog.models import Plan, PlanChange, PlanCoverage, SyncRun
from catalog.sync_rows import PROVIDER_FIELDS
from catalog.sync_types import PlanWrite

BATCH = 500
#: Written for plans that exist: everything but what is ours alone (published) or the past's (first seen).
_UPDATED = (
    *PROVIDER_FIELDS,
    *("kind", "digest", "changed_at", "retired_at", "own_price", "retail_price", "price_source"),
)


def write_in_bulk(*, run: SyncRun, writes: Sequence[PlanWrite], at: datetime) -> None:
    """Insert the new plans, update the changed ones, replace their coverage, add their history."""
    write_plans(account_id=run.account_id, kind=Plan.Kind.ESIM, run=run, writes=writes, at=at)


def write_plans(*, account_id: int, kind: str, run: SyncRun | None, writes: Sequence[PlanWrite], at: datetime) -> None:
    """The same for plans of any kind, by a sync or without one."""
    plans = [
        Plan(
            account_id=account_id,
            kind=kind,
            plan_ref=write.row.plan_ref,
            **dict(zip(PROVIDER_FIELDS, write.row.values, strict=True)),
            digest=write.row.digest,
            first_seen_at=at,
            changed_at=at,
            own_price=write.own_price,
            retail_price=write.retail_price,
            price_source=write.price_source,
        )
        for write in writes
    ]
    Plan.objects.bulk_create(
        plans, update_conflicts=True, unique_fields=("account", "plan_ref"), update_fields=_UPDATED, batch_size=BATCH
    )
    moved = [write.pk for write in writes if write.pk is not None and write.coverage_moved]
    for start in range(0, len(moved), BATCH):
        PlanCoverage.objects.filter(plan__in=moved[start : start + BATCH]).delete()
    PlanCoverage.objects.bulk_create(
        [
            PlanCoverage(plan=plan, country=country, kind=kind, networks=networks)
            for plan, write in zip(plans, writes, strict=True)
            if write.coverage_moved
            for country, kind, networks in write.row.coverage
        ],
        batch_size=BATCH,
    )
    PlanChange.objects.bulk_create(
        [
            PlanChange(plan=plan, run=run, kind=write.kind, at=at, changes=write.changes)
            for plan, write in zip(plans, writes, strict=True)
        ],
        batch_size=BATCH,
    )
