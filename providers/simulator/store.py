"""The simulator's memory: one SQLite connection behind one lock.

In WAL mode with `synchronous=NORMAL` a committed effect survives `kill -9` of the simulator (not a
power cut, which nobody simulates here). The file is locked exclusively: two simulators on one state
would sell the same ICCID twice.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, endpoint TEXT NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, query TEXT NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL, real_at REAL NOT NULL,
    status INTEGER, outcome TEXT NOT NULL DEFAULT 'pending', violation INTEGER NOT NULL DEFAULT 0,
    faults TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, request_id INTEGER NOT NULL, at TEXT NOT NULL,
    plan TEXT NOT NULL, quantity INTEGER NOT NULL, reference TEXT NOT NULL, unit_price TEXT NOT NULL,
    total_price TEXT NOT NULL, refs TEXT NOT NULL, shown INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS orders_reference ON orders (system, reference);
CREATE TABLE IF NOT EXISTS effects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, request_id INTEGER NOT NULL, at TEXT NOT NULL,
    kind TEXT NOT NULL, ref TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT, endpoint TEXT NOT NULL, kind TEXT NOT NULL,
    skip INTEGER NOT NULL, times INTEGER, match TEXT NOT NULL, params TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0);
"""


class StateError(Exception):
    """The state file cannot be used: it is in use, is not ours, or is of another version."""


class Store:
    """One connection, one lock, nested write blocks joined into one commit."""

    def __init__(self, path: str | None) -> None:
        """`path`: file of the state, or None to keep it in memory. Raises StateError."""
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=1)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)
            version = int(self.read_setting("schema", SCHEMA_VERSION))
            self.write_setting("schema", version)
        except (sqlite3.DatabaseError, ValueError) as error:
            self._db.close()
            raise StateError(f"{path}: {error}") from error
        if version != SCHEMA_VERSION:
            self._db.close()
            raise StateError(f"{path}: state version {version}, this program writes {SCHEMA_VERSION}")

    def add_schema(self, script: str) -> None:
        """Create a provider's own tables (`CREATE … IF NOT EXISTS` only)."""
        with self._lock:
            self._db.executescript(script)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: commits at the end of the outermost block, rolls back on any exception."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._db
            except BaseException:
                if outermost:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Exclusive reading; nothing else writes meanwhile."""
        with self._lock:
            yield self._db

    def read_setting(self, name: str, default: Any) -> Any:
        """The stored JSON value, or `default`."""
        with self._lock:
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row["value"])

    def write_setting(self, name: str, value: Any) -> None:
        """Store a JSON value under a name."""
        with self.write() as db:
            db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        """Close the file for good; other threads that want it wait until the program ends."""
        self._lock.acquire()  # never released: a late thread must not meet a closed connection
        self._db.close()
