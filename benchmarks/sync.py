"""Reading and writing a catalogue.

- ``sync_read``: all pages over HTTP from the simulator to our values; the floor fetches the same pages and parses JSON.
- ``sync_first_run``: from the end of parsing to the commit, an empty catalogue; the floor is bare psycopg that COPYs
  the same plan, coverage and history rows, all made before, into temporary tables, and inserts them ON CONFLICT.
- ``sync_unchanged_run``: the same reading once more, beside the first run; that no row is written is asserted.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone

from benchmarks.results import Result, seconds_of
from catalog.models import Plan, PlanChange, PlanCoverage, SyncRun
from catalog.sync import write_reading
from catalog.sync_read import Reading, read_catalogue
from providers.models import ProviderAccount
from providers.registry import ensure_accounts, get_provider
from tests.simulator_client import KEYS, PRODUCTION, Simulator

SLUG = "esim-commerce"
PAGE_SIZE = 200
ROUNDS = 3
#: What a run may take of its floor. Reading is mostly waiting in real life: its limit only catches accidents.
READ_LIMIT, FIRST_LIMIT, UNCHANGED_LIMIT = 40.0, 2.5, 0.5

PLAN_COLUMNS = tuple(field.attname for field in Plan._meta.concrete_fields if field.name != "id")  # noqa: SLF001
_JSON_COLUMNS = ("ip_countries", "raw")


def run(n: int, directory: Path) -> Iterator[Result]:
    """The three measurements with ``n`` offers; the best of some rounds, ours and the floor's in turns."""
    with Simulator(state=directory / "simulator.sqlite3", options=("--plans", str(n))) as simulator:
        simulator.set_limits(multiplier=0)
        settings.PROVIDERS[SLUG].update(
            url=simulator.production_url,
            key_id=KEYS[PRODUCTION].key_id,
            key_secret=KEYS[PRODUCTION].key_secret,
            currency="USD",
            limits={"plans": 2 * (n // PAGE_SIZE + 1) * (ROUNDS + 1)},
        )
        account = ensure_accounts()[0]
        reading = _read()
        _require(len(reading.offers) == n, f"{len(reading.offers)} of {n} offers were read")
        ours = min(seconds_of(_read) for _ in range(ROUNDS))
        floor = min(seconds_of(lambda: _read_bare(simulator)) for _ in range(ROUNDS))
        yield Result(name="sync_read", ours_s=ours, floor_s=floor, n=n, limit=READ_LIMIT)

    firsts, unchanged, floors = [], [], []
    for _ in range(ROUNDS):
        _empty()
        firsts.append(_measure_write(account, reading, added=n))
        before = _fingerprint()
        unchanged.append(_measure_write(account, reading, unchanged=n))
        _require(_fingerprint() == before, "the unchanged run wrote rows")
        rows = _take_rows()
        _empty()
        floors.append(seconds_of(lambda rows=rows: _write_bare(*rows)))  # type: ignore[misc]
        _require(Plan.objects.count() == n, "the floor did not write every plan")
    yield Result(name="sync_first_run", ours_s=min(firsts), floor_s=min(floors), n=n, limit=FIRST_LIMIT)
    yield Result(name="sync_unchanged_run", ours_s=min(unchanged), floor_s=min(firsts), n=n, limit=UNCHANGED_LIMIT)


def _read() -> Reading:
    return read_catalogue(get_provider(SLUG), seconds=600, on_progress=lambda _reading: None)


def _read_bare(simulator: Simulator) -> None:
    with requests.Session() as session:
        session.trust_env = False
        page, pages = 1, 1
        while page <= pages:
            reply = session.get(
                f"{simulator.production_url}/esim/plans",
                params={"page": str(page), "limit": str(PAGE_SIZE), "includeRoaming": "true"},
                headers=KEYS[PRODUCTION].headers,
                timeout=60,
            )
            pages = json.loads(reply.content)["meta"]["totalPages"]
            page += 1


def _measure_write(account: ProviderAccount, reading: Reading, **expected: int) -> float:
    run = SyncRun.objects.create(
        account=account, asked_by="benchmark", state=SyncRun.State.RUNNING, started_at=timezone.now()
    )
    seconds = seconds_of(lambda: write_reading(run=run, reading=reading))
    run.refresh_from_db()
    _require(run.state == SyncRun.State.SUCCEEDED, f"the run is {run.state}: {run.error}")
    for name, count in expected.items():
        _require(getattr(run, name) == count, f"{getattr(run, name)} {name}, not {count}")
    return seconds


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE catalog_plan, catalog_syncrun CASCADE")
        cursor.execute("CHECKPOINT")


def _fingerprint() -> list[Any]:
    """Of every stored version of every row: an update that changes nothing would show, too."""
    found: list[Any] = []
    with connection.cursor() as cursor:
        for table in (Plan, PlanCoverage, PlanChange):
            name = table._meta.db_table  # noqa: SLF001
            cursor.execute(f"SELECT count(*), md5(string_agg(xmin::text || ctid::text, ',' ORDER BY id)) FROM {name}")
            found.append(cursor.fetchone())
    return found


Rows = list[tuple[Any, ...]]


def _take_rows() -> tuple[Rows, Rows, Rows, int]:
    """What our run wrote, as tuples ready for COPY."""
    plans = []
    for plan in Plan.objects.values_list(*PLAN_COLUMNS):
        values = dict(zip(PLAN_COLUMNS, plan, strict=True))
        values.update({name: json.dumps(values[name]) for name in _JSON_COLUMNS})
        plans.append(tuple(values.values()))
    coverage = [
        (*row[:3], json.dumps(row[3]))
        for row in PlanCoverage.objects.values_list("plan__plan_ref", "country", "kind", "networks")
    ]
    changes = [
        (*row[:2], json.dumps(row[2])) for row in PlanChange.objects.values_list("plan__plan_ref", "kind", "changes")
    ]
    return plans, coverage, changes, Plan.objects.values_list("account_id", flat=True)[0]


def _write_bare(plans: Rows, coverage: Rows, changes: Rows, account_id: int) -> None:
    columns = ", ".join(PLAN_COLUMNS)
    updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in PLAN_COLUMNS)
    place = connection.settings_dict
    with psycopg.connect(dbname=place["NAME"], user=place["USER"], host=place["HOST"]) as bare, bare.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE TEMPORARY TABLE new_plan ON COMMIT DROP AS SELECT {columns} FROM catalog_plan WITH NO DATA;
            CREATE TEMPORARY TABLE new_coverage (ref text, country text, kind text, networks jsonb) ON COMMIT DROP;
            CREATE TEMPORARY TABLE new_change (ref text, kind text, changes jsonb) ON COMMIT DROP;
            """
        )
        _copy(cursor, f"new_plan ({columns})", plans)
        cursor.execute(
            f"INSERT INTO catalog_plan ({columns}) SELECT {columns} FROM new_plan "
            f"ON CONFLICT (account_id, plan_ref) DO UPDATE SET {updates}"
        )
        _copy(cursor, "new_coverage", coverage)
        cursor.execute(
            "INSERT INTO catalog_plancoverage (plan_id, country, kind, networks) "
            "SELECT plan.id, new.country, new.kind, new.networks FROM new_coverage new "
            "JOIN catalog_plan plan ON plan.account_id = %s AND plan.plan_ref = new.ref "
            "ON CONFLICT (plan_id, country) DO UPDATE SET kind = EXCLUDED.kind, networks = EXCLUDED.networks",
            [account_id],
        )
        _copy(cursor, "new_change", changes)
        cursor.execute(
            'INSERT INTO catalog_planchange (plan_id, kind, at, "by", changes) '
            "SELECT plan.id, new.kind, now(), '', new.changes FROM new_change new "
            "JOIN catalog_plan plan ON plan.account_id = %s AND plan.plan_ref = new.ref",
            [account_id],
        )


def _copy(cursor: "psycopg.Cursor[Any]", target: str, rows: Sequence[tuple[Any, ...]]) -> None:
    with cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)
