"""What the provider knows for sure: every call that arrived, everything it sold, everything it changed.

Tests compare the project's own rows with these books. An effect and its entry here are one commit.
"""

import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from providers.simulator.clock import Clock, format_instant
from providers.simulator.faults import Fault
from providers.simulator.store import Store
from providers.simulator.webhooks import WebhookSender

# Enough for an order or a year of usage days; nobody asserts on more.
_BODY_KEPT = 16_384

PARTS = ("orders", "effects", "requests", "counts", "violations", "webhooks")


class Books:
    """Appends only, until `/_control/reset`."""

    def __init__(self, store: Store, clock: Clock, webhooks: WebhookSender) -> None:
        self._store = store
        self._clock = clock
        self._webhooks = webhooks

    def record_arrival(self, *, system: str, endpoint: str, method: str, path: str, query: str, body: bytes) -> int:
        """Write down a call before anything is done with it; returns its id."""
        text = body[:_BODY_KEPT].decode("utf-8", "replace")
        with self._store.write() as db:
            cursor = db.execute(
                "INSERT INTO requests (system, endpoint, method, path, query, body, at, real_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (system, endpoint, method, path, query, text, format_instant(self._clock.now()), time.time()),
            )
        return int(cursor.lastrowid or 0)

    def record_faults(self, request_id: int, faults: Sequence[Fault]) -> None:
        """Note which ordered faults met a call."""
        kinds = json.dumps([fault.kind for fault in faults])
        with self._store.write() as db:
            db.execute("UPDATE requests SET faults = ? WHERE id = ?", (kinds, request_id))

    def record_outcome(self, request_id: int, *, status: int | None, outcome: str, violation: bool = False) -> None:
        """Note how a call ended: its HTTP status, or None with `reset`, `closed` or `hung`."""
        with self._store.write() as db:
            db.execute(
                "UPDATE requests SET status = ?, outcome = ?, violation = ? WHERE id = ?",
                (status, outcome, int(violation), request_id),
            )

    def record_order(
        self,
        *,
        system: str,
        request_id: int,
        plan: str,
        quantity: int,
        reference: str,
        unit_price: Decimal,
        refs: Sequence[str],
        shown: int,
    ) -> None:
        """Book a sale: `refs` are the lines really sold, `shown` how many of them the reply names."""
        with self._store.write() as db:
            db.execute(
                "INSERT INTO orders"
                " (system, request_id, at, plan, quantity, reference, unit_price, total_price, refs, shown)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    system,
                    request_id,
                    format_instant(self._clock.now()),
                    plan,
                    quantity,
                    reference,
                    str(unit_price),
                    str(unit_price * len(refs)),
                    json.dumps(list(refs)),
                    shown,
                ),
            )

    def record_effect(self, *, system: str, request_id: int, kind: str, ref: str, detail: Any) -> None:
        """Book a change of a line that a call made."""
        with self._store.write() as db:
            db.execute(
                "INSERT INTO effects (system, request_id, at, kind, ref, detail) VALUES (?, ?, ?, ?, ?, ?)",
                (system, request_id, format_instant(self._clock.now()), kind, ref, json.dumps(detail)),
            )

    def read_parts(self, parts: Sequence[str], system: str | None = None, since: int = 0) -> dict[str, Any]:
        """Some of the books, of one system or all; `since` leaves out requests up to that id."""
        with self._store.read():
            readers: dict[str, Callable[[], Any]] = {
                "orders": lambda: self._read_orders(system),
                "effects": lambda: self._read_effects(system),
                "requests": lambda: self._read_requests(system, since),
                "counts": lambda: self._count_requests(system),
                "violations": lambda: self._count_violations(system),
                "webhooks": lambda: self._webhooks.read_all(system),
            }
            return {part: readers[part]() for part in parts}

    def forget_all(self) -> None:
        """New, empty books."""
        with self._store.write() as db:
            db.execute("DELETE FROM requests")
            db.execute("DELETE FROM orders")
            db.execute("DELETE FROM effects")
        self._webhooks.forget_all()

    def _read_orders(self, system: str | None) -> list[dict[str, Any]]:
        rows = self._select("SELECT * FROM orders WHERE (? IS NULL OR system = ?) ORDER BY id", system)
        return [{**row, "refs": json.loads(row["refs"])} for row in rows]

    def _read_effects(self, system: str | None) -> list[dict[str, Any]]:
        rows = self._select("SELECT * FROM effects WHERE (? IS NULL OR system = ?) ORDER BY id", system)
        return [{**row, "detail": json.loads(row["detail"])} for row in rows]

    def _read_requests(self, system: str | None, since: int) -> list[dict[str, Any]]:
        sql = "SELECT * FROM requests WHERE (? IS NULL OR system = ?) AND id > ? ORDER BY id"
        rows = self._select(sql, system, since)
        return [{**row, "violation": bool(row["violation"]), "faults": json.loads(row["faults"])} for row in rows]

    def _count_requests(self, system: str | None) -> dict[str, dict[str, int]]:
        sql = "SELECT system, endpoint, COUNT(*) AS n FROM requests WHERE (? IS NULL OR system = ?)"
        counts: dict[str, dict[str, int]] = {}
        for row in self._select(f"{sql} GROUP BY system, endpoint", system):
            counts.setdefault(row["system"], {})[row["endpoint"]] = row["n"]
        return counts

    def _count_violations(self, system: str | None) -> int:
        rows = self._select("SELECT SUM(violation) AS n FROM requests WHERE (? IS NULL OR system = ?)", system)
        return int(rows[0]["n"] or 0)

    def _select(self, sql: str, system: str | None, *more: Any) -> list[dict[str, Any]]:
        with self._store.read() as db:
            return [dict(row) for row in db.execute(sql, (system, system, *more)).fetchall()]
