"""Authentication keys: made by the authentication call, alive for so long, or until a control call revokes them."""

import secrets
import string
from datetime import datetime, timedelta

from providers.simulator.clock import format_instant
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS freebit_keys (
    auth_key TEXT PRIMARY KEY, ends_at TEXT NOT NULL, revoked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 29  # as many as the X of the document's examples


class KeyStore:
    """The keys handed out. A new one leaves the older ones alive (not documented)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)

    def make(self, now: datetime, life: timedelta) -> str:
        """A new key."""
        key = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        with self._store.write() as db:
            db.execute("INSERT INTO freebit_keys (auth_key, ends_at) VALUES (?, ?)", (key, format_instant(now + life)))
        return key

    def is_alive(self, key: str, now: datetime) -> bool:
        """Whether a key was made here, is not revoked and has not ended."""
        with self._store.read() as db:
            sql = "SELECT 1 FROM freebit_keys WHERE auth_key = ? AND revoked = 0 AND ends_at > ?"
            return db.execute(sql, (key, format_instant(now))).fetchone() is not None

    def revoke(self, key: str | None = None) -> int:
        """End one key or all; returns how many were alive."""
        with self._store.write() as db:
            sql = "UPDATE freebit_keys SET revoked = 1 WHERE revoked = 0 AND (? IS NULL OR auth_key = ?)"
            return db.execute(sql, (key, key)).rowcount

    def forget_all(self) -> None:
        """No keys."""
        with self._store.write() as db:
            db.execute("DELETE FROM freebit_keys")
