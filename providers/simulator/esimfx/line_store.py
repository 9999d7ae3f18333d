"""eSIMs and the answers bound to idempotency keys, in the state."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.simulator.clock import format_instant, parse_instant
from providers.simulator.esimfx import life
from providers.simulator.esimfx.life import Line, Subscription
from providers.simulator.esimfx.refusals import Declined
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS esimfx_lines (
    iccid TEXT PRIMARY KEY, serial INTEGER NOT NULL UNIQUE, due_at TEXT, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS esimfx_lines_due ON esimfx_lines (due_at);
CREATE TABLE IF NOT EXISTS esimfx_orders (order_id TEXT PRIMARY KEY, iccid TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS esimfx_keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, at TEXT NOT NULL, answer TEXT NOT NULL);
"""


@dataclass(frozen=True)
class KeptAnswer:
    """What an idempotency key is bound to."""

    fingerprint: str
    at: datetime
    answer: Any


class LineStore:
    """Instants are kept in one fixed form, which sorts by time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)

    def add_line(self, line: Line, *, serial: int) -> None:
        """Store a new eSIM and its first order."""
        with self._store.write() as db:
            db.execute(
                "INSERT INTO esimfx_lines (iccid, serial, due_at, line) VALUES (?, ?, ?, ?)",
                (line.iccid, serial, _write_due(line), _write_line(line)),
            )
            self._bind_orders(db, line)

    def change_line(self, line: Line) -> None:
        """Store what has become of an eSIM; new orders of it are found from now on."""
        with self._store.write() as db:
            db.execute(
                "UPDATE esimfx_lines SET due_at = ?, line = ? WHERE iccid = ?",
                (_write_due(line), _write_line(line), line.iccid),
            )
            self._bind_orders(db, line)

    def find_line(self, iccid: str) -> Line:
        """An eSIM. Raises Declined."""
        with self._store.read() as db:
            row = db.execute("SELECT line FROM esimfx_lines WHERE iccid = ?", (iccid,)).fetchone()
        if row is None:
            raise Declined("ESIM_NOT_FOUND", "There is no such eSIM")
        return _read_line(row["line"])

    def find_line_of_order(self, order_id: str) -> Line:
        """The eSIM that an order is on. Raises Declined."""
        with self._store.read() as db:
            row = db.execute("SELECT iccid FROM esimfx_orders WHERE order_id = ?", (order_id,)).fetchone()
        if row is None:
            raise Declined("ORDER_NOT_FOUND", f"There is no order {order_id}")
        return self.find_line(row["iccid"])

    def list_due(self, now: datetime) -> list[Line]:
        """The eSIMs that time has changed, those first that fell due first."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT line FROM esimfx_lines WHERE due_at <= ? ORDER BY due_at", (format_instant(now),)
            ).fetchall()
        return [_read_line(row["line"]) for row in rows]

    def list_lines(self) -> list[Line]:
        """All eSIMs in the order they were sold."""
        with self._store.read() as db:
            rows = db.execute("SELECT line FROM esimfx_lines ORDER BY serial").fetchall()
        return [_read_line(row["line"]) for row in rows]

    def count_lines(self) -> int:
        """How many eSIMs were ever sold."""
        with self._store.read() as db:
            return int(db.execute("SELECT COUNT(*) AS n FROM esimfx_lines").fetchone()["n"])

    def keep_answer(self, key: str, kept: KeptAnswer) -> None:
        """Bind an idempotency key to an answer; one that has run out is bound anew."""
        with self._store.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO esimfx_keys (key, fingerprint, at, answer) VALUES (?, ?, ?, ?)",
                (key, kept.fingerprint, format_instant(kept.at), json.dumps(kept.answer)),
            )

    def find_answer(self, key: str) -> KeptAnswer | None:
        """What a key is bound to, however old."""
        with self._store.read() as db:
            row = db.execute("SELECT * FROM esimfx_keys WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return KeptAnswer(row["fingerprint"], parse_instant(row["at"]), json.loads(row["answer"]))

    def forget_all(self) -> None:
        """No eSIMs, no orders, no keys."""
        with self._store.write() as db:
            db.execute("DELETE FROM esimfx_lines")
            db.execute("DELETE FROM esimfx_orders")
            db.execute("DELETE FROM esimfx_keys")

    def _bind_orders(self, db: sqlite3.Connection, line: Line) -> None:
        db.executemany(
            "INSERT OR IGNORE INTO esimfx_orders (order_id, iccid) VALUES (?, ?)",
            ((subscription.order_id, line.iccid) for subscription in line.subscriptions),
        )


def describe_line(line: Line) -> dict[str, Any]:
    """Everything about an eSIM as JSON values; instants and amounts of money as text."""
    described: dict[str, Any] = _to_json(asdict(line))
    return described


def _write_line(line: Line) -> str:
    return json.dumps(describe_line(line))


def _read_line(text: str) -> Line:
    values: dict[str, Any] = json.loads(text)
    subscriptions = tuple(_read_subscription(entry) for entry in values.pop("subscriptions"))
    return Line(subscriptions=subscriptions, **_read_instants(Line, values))


def _read_subscription(values: Mapping[str, Any]) -> Subscription:
    return Subscription(**{**_read_instants(Subscription, values), "price": Decimal(values["price"])})


def _read_instants(kind: type[Line] | type[Subscription], values: Mapping[str, Any]) -> dict[str, Any]:
    instants = {field.name for field in fields(kind) if field.type in (datetime, datetime | None)}
    return {
        name: datetime.fromisoformat(value) if name in instants and value is not None else value
        for name, value in values.items()
    }


def _write_due(line: Line) -> str | None:
    due = life.next_due(line)
    return None if due is None else format_instant(due)


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
