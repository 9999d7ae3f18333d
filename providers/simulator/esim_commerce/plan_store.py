"""Plans in the state: what is on sale now, and the changes that control calls make to it."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from providers.simulator.esim_commerce.catalogue import PlanRow, generate_catalogue, make_row
from providers.simulator.messages import Refusal
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS commerce_plans (
    system TEXT NOT NULL, code TEXT NOT NULL, position INTEGER NOT NULL, provider TEXT NOT NULL, home TEXT NOT NULL,
    covers TEXT NOT NULL, on_sale INTEGER NOT NULL DEFAULT 1, body TEXT NOT NULL, PRIMARY KEY (system, code));
CREATE INDEX IF NOT EXISTS commerce_plans_position ON commerce_plans (system, on_sale, position);
"""

_MATCHING = """FROM commerce_plans WHERE system = :system AND on_sale = 1
    AND (:provider IS NULL OR provider = :provider)
    AND (:country IS NULL OR home = :country OR covers LIKE :roaming)"""
_COUNT = "SELECT COUNT(*) AS n " + _MATCHING
_PAGE = "SELECT body " + _MATCHING + " ORDER BY position LIMIT :limit OFFSET :offset"


@dataclass(frozen=True)
class StoredPlan:
    """A plan object with its home country and whether it is on sale."""

    code: str
    home: str
    on_sale: bool
    plan: dict[str, Any]


class PlanStore:
    """The catalogue of one system."""

    def __init__(self, store: Store, system: str) -> None:
        self._store = store
        self._system = system
        self._setting = f"{system}.catalogue"
        store.add_schema(SCHEMA)

    def open_catalogue(self, *, count: int, seed: int) -> None:
        """Generate the catalogue of a new state; an existing state keeps its own."""
        if self._store.read_setting(self._setting, None) is None:
            self.generate(count=count, seed=seed)

    def generate(self, *, count: int, seed: int) -> None:
        """Replace the whole catalogue by a generated one."""
        rows = generate_catalogue(count, seed)
        with self._store.write() as db:
            db.execute("DELETE FROM commerce_plans WHERE system = ?", (self._system,))
            self._insert(db, rows, position=1)
            self._note(count=count, seed=seed, changed=False)

    def restore_first(self, *, count: int, seed: int) -> None:
        """Back to a generated catalogue; nothing is written when it is there untouched."""
        noted = self._store.read_setting(self._setting, {})
        if noted != {"count": count, "seed": seed, "changed": False}:
            self.generate(count=count, seed=seed)

    def list_page(
        self, *, country: str | None, roaming: bool, provider: str | None, page: int, limit: int
    ) -> tuple[int, list[str]]:
        """How many plans match, and the bodies of one page in their lasting order."""
        arguments = {
            "system": self._system,
            "provider": provider,
            "country": country,
            "roaming": f"%,{country},%" if roaming else "",
            "limit": limit,
            "offset": (page - 1) * limit,
        }
        with self._store.read() as db:
            total = int(db.execute(_COUNT, arguments).fetchone()["n"])
            rows = db.execute(_PAGE, arguments).fetchall()
        return total, [row["body"] for row in rows]

    def find_plan(self, code: str) -> StoredPlan:
        """A plan, on sale or not. Raises Refusal 404."""
        with self._store.read() as db:
            row = db.execute(
                "SELECT * FROM commerce_plans WHERE system = ? AND code = ?", (self._system, code)
            ).fetchone()
        if row is None:
            raise Refusal(404, "PLAN_NOT_FOUND", f"There is no plan {code}")
        return StoredPlan(row["code"], row["home"], bool(row["on_sale"]), json.loads(row["body"]))

    def change_plan(self, code: str, fields: dict[str, Any]) -> None:
        """Change fields of a plan object, by their wire names; the code stays."""
        stored = self.find_plan(code)
        if fields.get("planCode", code) != code:
            raise Refusal(400, "BAD_PLAN", "A plan keeps its code")
        row = make_row({**stored.plan, **fields}, home=stored.home)
        with self._store.write() as db:
            db.execute(
                "UPDATE commerce_plans SET provider = ?, covers = ?, body = ? WHERE system = ? AND code = ?",
                (row.provider, _write_covers(row), row.body, self._system, code),
            )
            self._note(changed=True)

    def put_on_sale(self, code: str, *, on_sale: bool) -> None:
        """Remove a plan from the list, or put it back where it was."""
        self.find_plan(code)
        with self._store.write() as db:
            db.execute(
                "UPDATE commerce_plans SET on_sale = ? WHERE system = ? AND code = ?",
                (int(on_sale), self._system, code),
            )
            self._note(changed=True)

    def add_plan(self, plan: dict[str, Any], *, home: str) -> None:
        """Add a whole plan object behind the others. Raises Refusal 409 when its code is taken."""
        with self._store.write() as db:
            last = db.execute(
                "SELECT COALESCE(MAX(position), 0) AS n FROM commerce_plans WHERE system = ?", (self._system,)
            ).fetchone()["n"]
            try:
                self._insert(db, [make_row(plan, home=home)], position=last + 1)
            except sqlite3.IntegrityError as error:
                raise Refusal(409, "PLAN_EXISTS", f"There is a plan {plan['planCode']}") from error
            self._note(changed=True)

    def list_codes(self) -> list[str]:
        """Codes on sale, in their lasting order."""
        with self._store.read() as db:
            sql = "SELECT code FROM commerce_plans WHERE system = ? AND on_sale = 1 ORDER BY position"
            return [row["code"] for row in db.execute(sql, (self._system,)).fetchall()]

    def count_on_sale(self) -> int:
        """How many plans are on sale."""
        with self._store.read() as db:
            sql = "SELECT COUNT(*) AS n FROM commerce_plans WHERE system = ? AND on_sale = 1"
            return int(db.execute(sql, (self._system,)).fetchone()["n"])

    def _insert(self, db: sqlite3.Connection, rows: Iterable[PlanRow], *, position: int) -> None:
        db.executemany(
            "INSERT INTO commerce_plans (system, code, position, provider, home, covers, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (self._system, row.code, position + index, row.provider, row.home, _write_covers(row), row.body)
                for index, row in enumerate(rows)
            ),
        )

    def _note(self, **values: Any) -> None:
        noted = self._store.read_setting(self._setting, {})
        self._store.write_setting(self._setting, {**noted, **values})


def _write_covers(row: PlanRow) -> str:
    return f",{','.join(row.covers)},"
