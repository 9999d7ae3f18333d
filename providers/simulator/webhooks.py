"""Webhooks: stored in the same commit as the effect that causes them, then posted for real by a thread of their own.

A row is the delivery: a sender that is killed between the effect and the post sends it after its restart.
One thread posts them one after the other, so that their order is the order of the effects, until a control
call asks for another one. Nothing is repeated by itself: no document promises that.
"""

import http.client
import ipaddress
import json
import random
import socket
import sqlite3
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from providers.simulator.clock import Clock, format_instant
from providers.simulator.messages import Refusal
from providers.simulator.store import Store

TIMEOUT_S = 5.0
ORDERS = ("forward", "reverse", "shuffle")

SCHEMA = """
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, kind TEXT NOT NULL, url TEXT NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL, at TEXT NOT NULL, turn REAL NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting', status INTEGER, error TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    wanted INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS webhooks_state ON webhooks (state, turn, id);
"""
_PAUSED = "webhooks_paused"


@dataclass(frozen=True)
class _Parcel:
    """What one post needs."""

    id: int
    url: str
    headers: Mapping[str, str]
    body: bytes


class WebhookSender:
    """Sends to this machine only: a simulator that can be told an address must not reach anybody else's."""

    def __init__(self, store: Store, clock: Clock, *, hosts: Collection[str] = ()) -> None:
        """`hosts`: names beside the loopback addresses, for containers."""
        self._store = store
        self._clock = clock
        self._hosts = frozenset(hosts)
        self._condition = threading.Condition()
        self._generation = 0
        self._due = True
        store.add_schema(SCHEMA)
        with store.write() as db:
            # Who waited for the answer died with the program.
            db.execute("UPDATE webhooks SET state = 'failed', error = 'interrupted' WHERE state = 'now'")
        self._start_thread()

    def send(self, *, system: str, kind: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Store a delivery and return its id. Inside a transaction it leaves with the commit, or never."""
        webhook_id = self._insert(system=system, kind=kind, url=url, headers=headers, body=body, state="waiting")
        self._wake()
        return webhook_id

    def deliver_now(self, *, system: str, kind: str, url: str, headers: Mapping[str, str], body: bytes) -> int | None:
        """Post before going on; the HTTP status, or None without an answer. Never call it inside a transaction."""
        webhook_id = self._insert(system=system, kind=kind, url=url, headers=headers, body=body, state="now")
        return self._deliver(_Parcel(id=webhook_id, url=url, headers=headers, body=body))

    def read_all(self, system: str | None = None) -> list[dict[str, Any]]:
        """Every delivery; `state` is waiting, sent (whatever the status), failed (no answer) or dropped."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT * FROM webhooks WHERE (? IS NULL OR system = ?) ORDER BY id", (system, system)
            ).fetchall()
        return [_to_entry(row) for row in rows]

    @property
    def paused(self) -> bool:
        """Whether deliveries are held back."""
        return bool(self._store.read_setting(_PAUSED, False))

    def pause(self) -> None:
        """Hold back everything that is not yet sent."""
        self._store.write_setting(_PAUSED, True)

    def resume(self, *, order: str = "forward", seed: int = 0) -> None:
        """Send what waits, in an order of `ORDERS`. Raises Refusal 400 for another."""
        if order not in ORDERS:
            raise Refusal(400, "BAD_CONTROL", f"No order {order!r}; there are {', '.join(ORDERS)}")
        rng = random.Random(seed)  # noqa: S311 - shuffles, guards nothing
        with self._store.write() as db:
            for row in db.execute("SELECT id FROM webhooks WHERE state = 'waiting' ORDER BY id").fetchall():
                turn = {"forward": 0.0, "reverse": -float(row["id"]), "shuffle": -rng.random()}[order]
                db.execute("UPDATE webhooks SET turn = ? WHERE id = ?", (turn, row["id"]))
            self._store.write_setting(_PAUSED, False)
        self._wake()

    def repeat(self, webhook_id: int) -> None:
        """Send a stored one once more, byte for byte, also one that still waits. Raises Refusal 404."""
        with self._store.write() as db:
            found = db.execute(
                "UPDATE webhooks SET state = 'waiting', turn = 0, wanted = wanted + 1 WHERE id = ?", (webhook_id,)
            )
            if found.rowcount == 0:
                raise Refusal(404, "NOT_FOUND", f"There is no webhook {webhook_id}")
        self._wake()

    def drop(self, webhook_id: int | None = None) -> int:
        """Lose one that waits, or all; returns how many there were."""
        with self._store.write() as db:
            return db.execute(
                "UPDATE webhooks SET state = 'dropped', wanted = attempts"
                " WHERE state = 'waiting' AND (? IS NULL OR id = ?)",
                (webhook_id, webhook_id),
            ).rowcount

    def forget_all(self) -> None:
        """No deliveries, nothing held back. A post under way ends unheard; it does not keep the next one waiting."""
        with self._store.write() as db:
            db.execute("DELETE FROM webhooks")
            self._store.write_setting(_PAUSED, False)
        with self._condition:
            self._generation += 1
            self._condition.notify_all()
        self._start_thread()

    def _insert(self, *, system: str, kind: str, url: str, headers: Mapping[str, str], body: bytes, state: str) -> int:
        instant = format_instant(self._clock.now())
        with self._store.write() as db:
            cursor = db.execute(
                "INSERT INTO webhooks (system, kind, url, headers, body, at, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (system, kind, url, json.dumps(dict(headers)), body, instant, state),
            )
        return int(cursor.lastrowid or 0)

    def _wake(self) -> None:
        with self._condition:
            self._due = True
            self._condition.notify_all()

    def _start_thread(self) -> None:
        generation = self._generation
        threading.Thread(target=self._run, args=(generation,), name="webhooks", daemon=True).start()

    def _run(self, generation: int) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._due or self._generation != generation)
                if self._generation != generation:
                    return
                self._due = False
            # Reading waits for the store, thus for the commit of whoever woke us.
            while self._generation == generation and (parcel := self._find_next()) is not None:
                self._deliver(parcel)

    def _find_next(self) -> _Parcel | None:
        with self._store.read() as db:
            if self.paused:
                return None
            row = db.execute("SELECT * FROM webhooks WHERE state = 'waiting' ORDER BY turn, id LIMIT 1").fetchone()
        if row is None:
            return None
        return _Parcel(id=row["id"], url=row["url"], headers=json.loads(row["headers"]), body=bytes(row["body"]))

    def _deliver(self, parcel: _Parcel) -> int | None:
        status: int | None = None
        error: str | None = None
        try:
            status = self._post(parcel)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            error = f"{type(problem).__name__}: {problem}"
        with self._store.write() as db:
            db.execute(
                "UPDATE webhooks SET state = CASE WHEN attempts + 1 < wanted THEN 'waiting' ELSE ? END,"
                " status = ?, error = ?, attempts = attempts + 1 WHERE id = ?",
                ("failed" if status is None else "sent", status, error, parcel.id),
            )
        return status

    def _post(self, parcel: _Parcel) -> int:
        parts = urlsplit(parcel.url)
        self._check_host(parts)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Content-Type": "application/json", **parcel.headers}
            connection.request("POST", target, body=parcel.body, headers=headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _check_host(self, parts: SplitResult) -> None:
        """Raises ValueError for anything but this machine."""
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http address")
        if parts.hostname in self._hosts:
            return
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        if not all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found):
            raise ValueError("webhooks are sent to loopback addresses only")


def _to_entry(row: sqlite3.Row) -> dict[str, Any]:
    entry = {name: row[name] for name in ("id", "system", "kind", "url", "at", "state", "status", "error", "attempts")}
    return {**entry, "headers": json.loads(row["headers"]), "body": bytes(row["body"]).decode("utf-8", "replace")}
