"""What exists at freebit before anybody asks: plans, representative numbers, physical SIMs.

A new state holds what the document's examples name, so that each of them (but the two whose pattern the document
itself refuses, and the one with half-width spaces) can be sent as printed.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS freebit_plans (code TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freebit_representatives (
    account TEXT PRIMARY KEY, sim_kind TEXT NOT NULL, stock INTEGER NOT NULL, locked INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freebit_lines (
    account TEXT PRIMARY KEY, eid TEXT NOT NULL, iccid TEXT NOT NULL, product_number TEXT NOT NULL,
    sim_kind TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freebit_masters (account TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freebit_unknown_eids (eid TEXT PRIMARY KEY) WITHOUT ROWID;
"""

PLANS = ("100K_PLAN", "1GB_PLAN", "3GB_PLAN", "20GB_PLAN", "VOICE_5MIN")
# account → (the only SIM type it takes, "" for any; how many numbers it has left)
REPRESENTATIVES: Mapping[str, tuple[str, int]] = {
    "08000001111": ("", 1000),
    "08000002222": ("E2", 1000),
    "08000003333": ("E0", 1000),
}
PHYSICAL_LINES: Mapping[str, str] = {
    "08011112225": "CD0009999999004",
    "08011112226": "CD0009999999005",
    "08011112227": "CD0009999999006",
}


@dataclass(frozen=True)
class Representative:
    """A parent number under which lines are opened."""

    account: str
    sim_kind: str
    stock: int
    locked: bool


@dataclass(frozen=True)
class Line:
    """A line in use: on a physical SIM (`product_number`) or on an eSIM (`eid`, `iccid`)."""

    account: str
    eid: str
    iccid: str
    product_number: str
    sim_kind: str


class World:
    """Reads and changes what exists."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)
        with store.write() as db:
            if db.execute("SELECT COUNT(*) AS n FROM freebit_plans").fetchone()["n"] == 0:
                self._fill(db)

    def reset(self) -> None:
        """Only what a new state holds."""
        with self._store.write() as db:
            for table in ("plans", "representatives", "lines", "masters", "unknown_eids"):
                db.execute(f"DELETE FROM freebit_{table}")  # noqa: S608 - names from the line above
            self._fill(db)

    def _fill(self, db: sqlite3.Connection) -> None:
        db.executemany("INSERT INTO freebit_plans VALUES (?)", [(code,) for code in PLANS])
        for account, (sim_kind, stock) in REPRESENTATIVES.items():
            db.execute("INSERT INTO freebit_representatives VALUES (?, ?, ?, 0)", (account, sim_kind, stock))
        for account, product_number in PHYSICAL_LINES.items():
            db.execute("INSERT INTO freebit_lines VALUES (?, '', '', ?, 'E0')", (account, product_number))

    def has_plan(self, code: str) -> bool:
        """Whether a plan of this code exists."""
        return self._has("SELECT 1 FROM freebit_plans WHERE code = ?", code)

    def has_master(self, account: str) -> bool:
        """Whether a master account of this name exists."""
        return self._has("SELECT 1 FROM freebit_masters WHERE account = ?", account)

    def knows_eid(self, eid: str) -> bool:
        """Every EID, unless a control call said otherwise."""
        return not self._has("SELECT 1 FROM freebit_unknown_eids WHERE eid = ?", eid)

    def find_representative(self, account: str) -> Representative | None:
        """A parent number, if there is such a one."""
        row = self._find("SELECT * FROM freebit_representatives WHERE account = ?", account)
        if row is None:
            return None
        return Representative(row["account"], row["sim_kind"], row["stock"], bool(row["locked"]))

    def find_line(self, account: str) -> Line | None:
        """The line of a phone number, if it is in use here."""
        row = self._find("SELECT * FROM freebit_lines WHERE account = ?", account)
        return None if row is None else _to_line(row)

    def find_line_of_eid(self, eid: str) -> Line | None:
        """The line on an eSIM, if there is one."""
        row = self._find("SELECT * FROM freebit_lines WHERE eid = ?", eid)
        return None if row is None else _to_line(row)

    def list_lines(self) -> list[Line]:
        """All lines by number."""
        with self._store.read() as db:
            return [_to_line(row) for row in db.execute("SELECT * FROM freebit_lines ORDER BY account").fetchall()]

    def take_number(self, representative: str) -> None:
        """One number fewer in a representative's stock."""
        with self._store.write() as db:
            db.execute("UPDATE freebit_representatives SET stock = stock - 1 WHERE account = ?", (representative,))

    def add_master(self, account: str) -> None:
        """A new master account; an existing one stays."""
        with self._store.write() as db:
            db.execute("INSERT OR IGNORE INTO freebit_masters VALUES (?)", (account,))

    def drop_master(self, account: str) -> None:
        """A master account whose first line failed never was."""
        with self._store.write() as db:
            db.execute("DELETE FROM freebit_masters WHERE account = ?", (account,))

    def put_line(self, line: Line) -> None:
        """A new line, or the same number on another SIM."""
        with self._store.write() as db:
            values = (line.account, line.eid, line.iccid, line.product_number, line.sim_kind)
            db.execute("INSERT OR REPLACE INTO freebit_lines VALUES (?, ?, ?, ?, ?)", values)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change what exists, by a control call; see `control.py`. Raises Refusal 400 for an unknown word."""
        words = {"plans", "representatives", "lines", "ended", "unknown_eids"}
        if not changes or set(changes) - words:
            raise Refusal(400, "BAD_CONTROL", f"The world takes {', '.join(sorted(words))}")
        with self._store.write() as db:
            if "plans" in changes:
                db.execute("DELETE FROM freebit_plans")
                db.executemany("INSERT INTO freebit_plans VALUES (?)", [(str(code),) for code in changes["plans"]])
            for account, wanted in dict(changes.get("representatives") or {}).items():
                values = (account, wanted.get("sim_kind", ""), wanted.get("stock", 1000), bool(wanted.get("locked")))
                db.execute("INSERT OR REPLACE INTO freebit_representatives VALUES (?, ?, ?, ?)", values)
            for wanted in changes.get("lines") or ():
                self.put_line(Line(**{"eid": "", "iccid": "", "product_number": "", "sim_kind": "E0", **wanted}))
            for account in changes.get("ended") or ():
                db.execute("DELETE FROM freebit_lines WHERE account = ?", (str(account),))
            if "unknown_eids" in changes:
                db.execute("DELETE FROM freebit_unknown_eids")
                eids = [(str(eid),) for eid in changes["unknown_eids"]]
                db.executemany("INSERT INTO freebit_unknown_eids VALUES (?)", eids)

    def _find(self, sql: str, value: str) -> sqlite3.Row | None:
        with self._store.read() as db:
            row: sqlite3.Row | None = db.execute(sql, (value,)).fetchone()
        return row

    def _has(self, sql: str, value: str) -> bool:
        return self._find(sql, value) is not None


def _to_line(row: sqlite3.Row) -> Line:
    return Line(row["account"], row["eid"], row["iccid"], row["product_number"], row["sim_kind"])
