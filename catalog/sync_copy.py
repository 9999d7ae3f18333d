"""Writes plans on PostgreSQL: COPY into temporary tables, then one statement for each table that is kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from catalog.models import Plan, SyncRun
from catalog.sync_rows import PROVIDER_FIELDS, encode_json
from catalog.sync_types import PlanWrite

_OURS = ("kind", "digest", "retired_at", "own_price", "retail_price", "price_source")
_NEW_ONLY = ("first_seen_at", "is_published")
_PLAN_COLUMNS = ("account_id", "plan_ref", *PROVIDER_FIELDS, *_OURS, "changed_at", *_NEW_ONLY)
_IP_COUNTRIES = PROVIDER_FIELDS.index("ip_countries")

_TEMPORARY = f"""
DROP TABLE IF EXISTS pg_temp.sync_plan, pg_temp.sync_coverage, pg_temp.sync_change, pg_temp.sync_moved;
CREATE TEMPORARY TABLE sync_plan ON COMMIT DROP AS
    SELECT {", ".join(_PLAN_COLUMNS)} FROM catalog_plan WITH NO DATA;
CREATE TEMPORARY TABLE sync_coverage (plan_ref text, country text, kind text, networks jsonb) ON COMMIT DROP;
CREATE TEMPORARY TABLE sync_change (plan_ref text, kind text, changes jsonb) ON COMMIT DROP;
CREATE TEMPORARY TABLE sync_moved (plan_id bigint) ON COMMIT DROP;
"""  # noqa: S608  (the names are the constants above)
_WRITE_PLANS = f"""
INSERT INTO catalog_plan ({", ".join(_PLAN_COLUMNS)})
SELECT {", ".join(_PLAN_COLUMNS)} FROM sync_plan
ON CONFLICT (account_id, plan_ref) DO UPDATE SET
    {", ".join(f"{name} = EXCLUDED.{name}" for name in (*PROVIDER_FIELDS, *_OURS, "changed_at"))}
"""  # noqa: S608  (the names are the constants above)
_DROP_COVERAGE = (
    "DELETE FROM catalog_plancoverage USING sync_moved WHERE catalog_plancoverage.plan_id = sync_moved.plan_id"
)
_WRITE_COVERAGE = """
INSERT INTO catalog_plancoverage (plan_id, country, kind, networks)
SELECT plan.id, new.country, new.kind, new.networks
FROM sync_coverage new JOIN catalog_plan plan ON plan.account_id = %s AND plan.plan_ref = new.plan_ref
"""
_WRITE_CHANGES = """
INSERT INTO catalog_planchange (plan_id, run_id, kind, at, "by", changes)
SELECT plan.id, %s, new.kind, %s, '', new.changes
FROM sync_change new JOIN catalog_plan plan ON plan.account_id = %s AND plan.plan_ref = new.plan_ref
"""


def write_by_copy(*, run: SyncRun, writes: Sequence[PlanWrite], at: datetime) -> None:
    """Insert the new plans, update the changed ones, replace their coverage, add their history.

    The caller holds the transaction; the temporary tables end with it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TEMPORARY)
        _copy(cursor, "sync_plan", _PLAN_COLUMNS, (_plan_columns(run.account_id, write, at) for write in writes))
        cursor.execute(_WRITE_PLANS)
        moved = [(write.pk,) for write in writes if write.pk is not None and write.coverage_moved]
        if moved:
            _copy(cursor, "sync_moved", ("plan_id",), moved)
            cursor.execute(_DROP_COVERAGE)
        _copy(cursor, "sync_coverage", ("plan_ref", "country", "kind", "networks"), _coverage_columns(writes))
        cursor.execute(_WRITE_COVERAGE, [run.account_id])
        changes = ((write.row.plan_ref, str(write.kind), encode_json(write.changes)) for write in writes)
        _copy(cursor, "sync_change", ("plan_ref", "kind", "changes"), changes)
        cursor.execute(_WRITE_CHANGES, [run.pk, at, run.account_id])


def _plan_columns(account_id: int, write: PlanWrite, at: datetime) -> tuple[Any, ...]:
    row = write.row
    provider = list(row.values)
    provider[_IP_COUNTRIES] = encode_json(provider[_IP_COUNTRIES])
    provider[-1] = row.raw_text
    ours = (Plan.Kind.ESIM.value, row.digest, None, write.own_price, write.retail_price, write.price_source)
    return (account_id, row.plan_ref, *provider, *ours, at, at, True)


def _coverage_columns(writes: Sequence[PlanWrite]) -> Iterable[tuple[Any, ...]]:
    for write in writes:
        if write.coverage_moved:
            for (country, kind, _), networks in zip(write.row.coverage, write.row.networks_texts, strict=True):
                yield write.row.plan_ref, country, kind, networks


def _copy(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
