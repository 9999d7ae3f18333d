"""Intents, charges, refunds and disputes as documents, and the idempotency keys with their first answers."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from providers.simulator.clock import format_instant, parse_instant
from providers.simulator.messages import Refusal
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS stripe_objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, intent TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS stripe_objects_intent ON stripe_objects (kind, intent);
CREATE TABLE IF NOT EXISTS stripe_keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, at TEXT NOT NULL, status INTEGER, body TEXT);
"""
INTENT, CHARGE, REFUND, DISPUTE = "payment_intent", "charge", "refund", "dispute"


@dataclass(frozen=True)
class Saved:
    """What is known of an idempotency key; `status` None: its first request is being carried out."""

    fingerprint: str
    status: int | None
    body: bytes


class ObjectStore:
    """All documents of the service."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)
        with store.write() as db:
            # Who carried them out died with the program, before the effect: it commits with the answer.
            db.execute("DELETE FROM stripe_keys WHERE status IS NULL")

    def put(self, document: dict[str, Any]) -> dict[str, Any]:
        """Store a new document, or one that changed; it comes back."""
        kind = str(document["object"])
        intent = document["id"] if kind == INTENT else document["payment_intent"]
        with self._store.write() as db:
            db.execute(
                "INSERT INTO stripe_objects (id, kind, intent, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                (document["id"], kind, intent, json.dumps(document)),
            )
        return document

    def get(self, kind: str, object_id: str) -> dict[str, Any]:
        """One document. Raises Refusal 404."""
        with self._store.read() as db:
            row = db.execute("SELECT body FROM stripe_objects WHERE kind = ? AND id = ?", (kind, object_id)).fetchone()
        if row is None:
            raise Refusal(404, "resource_missing", f"No such {kind}: '{object_id}'")
        document: dict[str, Any] = json.loads(row["body"])
        return document

    def list_of(self, kind: str, intent: str | None = None) -> list[dict[str, Any]]:
        """Documents of a kind, of one payment or of all, the newest first."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT body FROM stripe_objects WHERE kind = ? AND (? IS NULL OR intent = ?) ORDER BY seq DESC",
                (kind, intent, intent),
            ).fetchall()
        return [json.loads(row["body"]) for row in rows]

    def find_key(self, key: str, *, now: datetime, life_s: float) -> Saved | None:
        """What is known of a key that is not too old."""
        with self._store.read() as db:
            row = db.execute("SELECT * FROM stripe_keys WHERE key = ?", (key,)).fetchone()
        if row is None or parse_instant(row["at"]) < now - timedelta(seconds=life_s):
            return None
        return Saved(row["fingerprint"], row["status"], (row["body"] or "").encode())

    def begin_key(self, key: str, fingerprint: str, *, now: datetime) -> None:
        """Its request is being carried out."""
        with self._store.write() as db:
            values = (key, fingerprint, format_instant(now))
            db.execute("INSERT OR REPLACE INTO stripe_keys (key, fingerprint, at) VALUES (?, ?, ?)", values)

    def end_key(self, key: str, status: int, body: bytes) -> None:
        """Keep the answer; call it in the commit of the effect."""
        with self._store.write() as db:
            db.execute("UPDATE stripe_keys SET status = ?, body = ? WHERE key = ?", (status, body.decode(), key))

    def forget_key(self, key: str) -> None:
        """Nothing was carried out."""
        with self._store.write() as db:
            db.execute("DELETE FROM stripe_keys WHERE key = ?", (key,))

    def forget_all(self) -> None:
        """No documents, no keys."""
        with self._store.write() as db:
            db.execute("DELETE FROM stripe_objects")
            db.execute("DELETE FROM stripe_keys")
