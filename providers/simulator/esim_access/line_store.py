"""Lines, orders and top-ups in the state."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.simulator.clock import format_instant
from providers.simulator.esim_access.life import find_next_due
from providers.simulator.esim_access.line import ENDED, GETTING, Line
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS access_lines (
    tran_no TEXT PRIMARY KEY, position INTEGER NOT NULL, order_no TEXT NOT NULL, iccid TEXT NOT NULL,
    status TEXT NOT NULL, issuer INTEGER NOT NULL, ordered_at TEXT NOT NULL, next_due TEXT, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS access_lines_order ON access_lines (order_no, position);
CREATE INDEX IF NOT EXISTS access_lines_iccid ON access_lines (iccid, position);
CREATE INDEX IF NOT EXISTS access_lines_due ON access_lines (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX IF NOT EXISTS access_lines_position ON access_lines (position);
CREATE TABLE IF NOT EXISTS access_dealings (
    kind TEXT NOT NULL, transaction_id TEXT NOT NULL, reply TEXT NOT NULL, PRIMARY KEY (kind, transaction_id));
"""
ORDER, TOPUP = "order", "topup"


@dataclass(frozen=True)
class Criteria:
    """What a query asks for; what is None does not matter."""

    order_no: str | None = None
    iccid: str | None = None
    tran_no: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class LineStore:
    """Every eSIM sold, with the index of what falls due next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)

    def add_lines(self, lines: Sequence[Line], *, position: int, issuers: Sequence[int]) -> None:
        """Store new lines; `position` is the first one's, the others count up."""
        with self._store.write() as db:
            for index, (line, issuer) in enumerate(zip(lines, issuers, strict=True)):
                db.execute(
                    "INSERT INTO access_lines"
                    " (tran_no, position, order_no, iccid, status, issuer, ordered_at, next_due, line)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        line.tran_no,
                        position + index,
                        line.order_no,
                        line.iccid,
                        line.esim_status,
                        issuer,
                        format_instant(line.ordered_at),
                        _write_due(line),
                        json.dumps(line.to_stored()),
                    ),
                )

    def change_line(self, line: Line) -> None:
        """Store what a line has become."""
        with self._store.write() as db:
            db.execute(
                "UPDATE access_lines SET iccid = ?, status = ?, next_due = ?, line = ? WHERE tran_no = ?",
                (line.iccid, line.esim_status, _write_due(line), json.dumps(line.to_stored()), line.tran_no),
            )

    def list_due(self, now: datetime) -> list[tuple[Line, int]]:
        """Lines that time changes by `now`, in the order it does, each with the issuer of its profile."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT line, issuer FROM access_lines WHERE next_due <= ? ORDER BY next_due, position",
                (format_instant(now),),
            ).fetchall()
        return [(_read(row["line"]), row["issuer"]) for row in rows]

    def find_line(self, tran_no: str) -> Line | None:
        """A line by its number."""
        return self._find_one("tran_no = ?", tran_no)

    def find_by_iccid(self, iccid: str) -> Line | None:
        """The newest line that has an ICCID: they are used again."""
        return self._find_one("iccid = ? ORDER BY position DESC LIMIT 1", iccid)

    def list_order(self, order_no: str) -> list[Line]:
        """The lines of one order, first one first."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT line FROM access_lines WHERE order_no = ? ORDER BY position", (order_no,)
            ).fetchall()
        return [_read(row["line"]) for row in rows]

    def list_all(self) -> list[Line]:
        """Every line in the order they were sold."""
        with self._store.read() as db:
            rows = db.execute("SELECT line FROM access_lines ORDER BY position").fetchall()
        return [_read(row["line"]) for row in rows]

    def list_page(self, wanted: Criteria, *, ready_only: bool, page: int, size: int) -> tuple[int, list[Line]]:
        """How many lines match, and one page of them, newest first: a list that shifts while it is read."""
        where, values = _write_where(wanted, ready_only=ready_only)
        with self._store.read() as db:
            total = int(db.execute(f"SELECT COUNT(*) AS n FROM access_lines WHERE {where}", values).fetchone()["n"])  # noqa: S608
            rows = db.execute(
                f"SELECT line FROM access_lines WHERE {where} ORDER BY position DESC LIMIT ? OFFSET ?",  # noqa: S608
                (*values, size, (page - 1) * size),
            ).fetchall()
        return total, [_read(row["line"]) for row in rows]

    def find_free_iccid(self, issuer: int) -> str | None:
        """An ICCID whose lines have all ended, the one that ended first sold."""
        sql = (
            "SELECT iccid FROM access_lines WHERE issuer = ? AND iccid != '' GROUP BY iccid"
            " HAVING SUM(status NOT IN (SELECT value FROM json_each(?))) = 0 ORDER BY MAX(position) LIMIT 1"
        )
        with self._store.read() as db:
            row = db.execute(sql, (issuer, json.dumps(sorted(ENDED)))).fetchone()
        return None if row is None else str(row["iccid"])

    def find_dealing(self, kind: str, transaction_id: str) -> Any:
        """The first reply to a transactionId of orders or of top-ups, or None."""
        with self._store.read() as db:
            row = db.execute(
                "SELECT reply FROM access_dealings WHERE kind = ? AND transaction_id = ?", (kind, transaction_id)
            ).fetchone()
        return None if row is None else json.loads(row["reply"])

    def note_dealing(self, kind: str, transaction_id: str, reply: Any) -> None:
        """Keep a reply; with top-ups done "again" the last one."""
        with self._store.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO access_dealings (kind, transaction_id, reply) VALUES (?, ?, ?)",
                (kind, transaction_id, json.dumps(reply)),
            )

    def count_lines(self) -> int:
        """How many lines were ever sold."""
        with self._store.read() as db:
            return int(db.execute("SELECT COUNT(*) AS n FROM access_lines").fetchone()["n"])

    def forget_all(self) -> None:
        """No lines, no transactionIds."""
        with self._store.write() as db:
            db.execute("DELETE FROM access_lines")
            db.execute("DELETE FROM access_dealings")

    def _find_one(self, where: str, value: str) -> Line | None:
        with self._store.read() as db:
            row = db.execute(f"SELECT line FROM access_lines WHERE {where}", (value,)).fetchone()  # noqa: S608
        return None if row is None else _read(row["line"])


def _write_where(wanted: Criteria, *, ready_only: bool) -> tuple[str, list[Any]]:
    tests: Iterable[tuple[str, Any]] = (
        ("order_no = ?", wanted.order_no),
        ("iccid = ?", wanted.iccid),
        ("tran_no = ?", wanted.tran_no),
        ("ordered_at >= ?", None if wanted.start is None else format_instant(wanted.start)),
        ("ordered_at <= ?", None if wanted.end is None else format_instant(wanted.end)),
        ("status != ?", GETTING if ready_only else None),
    )
    given = [(test, value) for test, value in tests if value is not None]
    return " AND ".join(test for test, _ in given), [value for _, value in given]


def _write_due(line: Line) -> str | None:
    due = find_next_due(line)
    return None if due is None else format_instant(due)


def _read(text: str) -> Line:
    return Line.from_stored(json.loads(text))
