"""Lines in the state: every version is kept, so that older data can be served as a cache would."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.simulator.clock import format_instant
from providers.simulator.esim_commerce.life import Line
from providers.simulator.messages import Refusal
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS commerce_lines (
    system TEXT NOT NULL, iccid TEXT NOT NULL, serial INTEGER NOT NULL, reference TEXT NOT NULL, plan TEXT NOT NULL,
    validity_days INTEGER NOT NULL, as_of TEXT, PRIMARY KEY (system, iccid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commerce_lines_serial ON commerce_lines (system, serial);
CREATE TABLE IF NOT EXISTS commerce_versions (
    system TEXT NOT NULL, iccid TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (system, iccid, number)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class StoredLine:
    """What is kept beside the eSIM object; `as_of` is the instant a cached copy is from, if one is served."""

    iccid: str
    reference: str
    plan: str
    validity_days: int
    as_of: str | None


class LineStore:
    """The lines of one system. Instants are kept in wire form, which sorts by time."""

    def __init__(self, store: Store, system: str) -> None:
        self._store = store
        self._system = system
        store.add_schema(SCHEMA)

    def add_lines(
        self, lines: Sequence[Line], *, serial: int, reference: str, plan: str, validity_days: int, at: datetime
    ) -> None:
        """Store new lines; `serial` is the first one's, the others count up."""
        with self._store.write() as db:
            db.executemany(
                "INSERT INTO commerce_lines (system, iccid, serial, reference, plan, validity_days)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (self._system, line["iccid"], serial + index, reference, plan, validity_days)
                    for index, line in enumerate(lines)
                ),
            )
            instant = format_instant(at)
            db.executemany(
                "INSERT INTO commerce_versions (system, iccid, number, at, line) VALUES (?, ?, 1, ?, ?)",
                ((self._system, line["iccid"], instant, json.dumps(line)) for line in lines),
            )

    def change_line(self, iccid: str, line: Line, *, at: datetime) -> None:
        """Store a new version, seen from `at` on (never before the version it follows)."""
        with self._store.write() as db:
            last = db.execute(
                "SELECT number, at FROM commerce_versions WHERE system = ? AND iccid = ? ORDER BY number DESC LIMIT 1",
                (self._system, iccid),
            ).fetchone()
            db.execute(
                "INSERT INTO commerce_versions (system, iccid, number, at, line) VALUES (?, ?, ?, ?, ?)",
                (self._system, iccid, last["number"] + 1, max(format_instant(at), last["at"]), json.dumps(line)),
            )

    def find_line(self, iccid: str) -> StoredLine:
        """A line of this system. Raises Refusal 404 (status and code are guesses)."""
        with self._store.read() as db:
            row = db.execute(
                "SELECT * FROM commerce_lines WHERE system = ? AND iccid = ?", (self._system, iccid)
            ).fetchone()
        if row is None:
            raise Refusal(404, "ESIM_NOT_FOUND", "There is no such eSIM")
        return _to_stored(row)

    def read_newest(self, iccid: str) -> Line:
        """The newest version, whether queries show it already or not."""
        return self._read_version(iccid, "9999")

    def read_at(self, iccid: str, at: datetime) -> Line:
        """The version that was true at an instant; before the first one, the first."""
        return self._read_version(iccid, format_instant(at))

    def _read_version(self, iccid: str, at: str) -> Line:
        with self._store.read() as db:
            row = db.execute(
                "SELECT line FROM commerce_versions WHERE system = ? AND iccid = ? AND (at <= ? OR number = 1)"
                " ORDER BY number DESC LIMIT 1",
                (self._system, iccid, at),
            ).fetchone()
        line: Line = json.loads(row["line"])
        return line

    def list_lines(self) -> list[StoredLine]:
        """All lines in the order they were sold."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT * FROM commerce_lines WHERE system = ? ORDER BY serial", (self._system,)
            ).fetchall()
        return [_to_stored(row) for row in rows]

    def list_iccids(self, reference: str) -> list[str]:
        """The lines of one transaction."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT iccid FROM commerce_lines WHERE system = ? AND reference = ? ORDER BY serial",
                (self._system, reference),
            ).fetchall()
        return [row["iccid"] for row in rows]

    def count_lines(self) -> int:
        """How many lines were ever sold."""
        with self._store.read() as db:
            row = db.execute("SELECT COUNT(*) AS n FROM commerce_lines WHERE system = ?", (self._system,)).fetchone()
        return int(row["n"])

    def serve_as_of(self, instant: str | None, iccid: str | None = None) -> None:
        """Serve one line (or, as a default, all present ones) as it was at an instant; None serves live data."""
        with self._store.write() as db:
            sql = "UPDATE commerce_lines SET as_of = ? WHERE system = ?"
            arguments: list[Any] = [instant, self._system]
            if iccid is not None:
                sql, arguments = f"{sql} AND iccid = ?", [*arguments, iccid]
            db.execute(sql, arguments)

    def forget_all(self) -> None:
        """No lines."""
        with self._store.write() as db:
            db.execute("DELETE FROM commerce_lines WHERE system = ?", (self._system,))
            db.execute("DELETE FROM commerce_versions WHERE system = ?", (self._system,))


def _to_stored(row: sqlite3.Row) -> StoredLine:
    return StoredLine(row["iccid"], row["reference"], row["plan"], row["validity_days"], row["as_of"])
