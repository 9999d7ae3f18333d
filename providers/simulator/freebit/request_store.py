"""Accepted requests in the state, from acceptance to the line in the completion file.

The holder's name, birthday and the passwords are not kept: nothing after the acceptance needs them.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

from providers.simulator.freebit.validation import Activation
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS freebit_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request_id INTEGER NOT NULL, at TEXT NOT NULL, month TEXT NOT NULL,
    aladin TEXT NOT NULL, kind TEXT NOT NULL, eid TEXT NOT NULL, account TEXT NOT NULL, given INTEGER NOT NULL,
    sim_kind TEXT NOT NULL, contract_line TEXT NOT NULL, rep_account TEXT NOT NULL, plan TEXT NOT NULL,
    delivery_code TEXT NOT NULL, new_master TEXT NOT NULL, old_product_number TEXT NOT NULL, old_eid TEXT NOT NULL,
    reserve_number TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', row INTEGER, completed_at TEXT,
    code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '', iccid TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS freebit_requests_eid ON freebit_requests (eid, state);
CREATE INDEX IF NOT EXISTS freebit_requests_account ON freebit_requests (account, state);
CREATE UNIQUE INDEX IF NOT EXISTS freebit_requests_row ON freebit_requests (row);
"""

PENDING, COMPLETED, FAILED = "pending", "completed", "failed"


@dataclass(frozen=True)
class Accepted:
    """One accepted request; `row` is its place in the completion file once it is done."""

    id: int
    request_id: int
    at: str
    month: str
    aladin: str
    kind: str
    eid: str
    account: str
    given: bool
    sim_kind: str
    contract_line: str
    rep_account: str
    plan: str
    delivery_code: str
    new_master: str
    old_product_number: str
    old_eid: str
    reserve_number: str
    state: str
    row: int | None
    completed_at: str | None
    code: str
    message: str
    iccid: str


class RequestStore:
    """The accepted requests."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)

    def add(self, wanted: Activation, *, request_id: int, at: str, month: str, account: str, new_master: str) -> None:
        """Store a request that is now pending; `account` is the number given, or the one reserved for it."""
        columns = {
            "request_id": request_id,
            "at": at,
            "month": month,
            "aladin": wanted.aladin,
            "kind": wanted.kind,
            "eid": wanted.eid,
            "account": account,
            "given": bool(wanted.account),
            "sim_kind": wanted.sim_kind,
            "contract_line": wanted.contract_line,
            "rep_account": wanted.rep_account,
            "plan": wanted.plan,
            "delivery_code": wanted.delivery_code,
            "new_master": new_master,
            "old_product_number": wanted.old_product_number,
            "old_eid": wanted.old_eid,
            "reserve_number": wanted.reserve_number,
        }
        marks = ", ".join(f":{name}" for name in columns)
        with self._store.write() as db:
            sql = f"INSERT INTO freebit_requests ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - own names
            db.execute(sql, columns)

    def finish(self, accepted: Accepted, *, state: str, completed_at: str, code: str, message: str, iccid: str) -> None:
        """Write a request's line of the completion file; lines are numbered in the order of completion."""
        with self._store.write() as db:
            db.execute(
                "UPDATE freebit_requests SET state = ?, row = ?, completed_at = ?, code = ?, message = ?, iccid = ?"
                " WHERE id = ?",
                (state, self.find_last_row() + 1, completed_at, code, message, iccid, accepted.id),
            )

    def list_all(self) -> list[Accepted]:
        """Every request, oldest first."""
        return self._select("1 ORDER BY id")

    def list_pending(self) -> list[Accepted]:
        """Requests that wait for their completion, oldest first."""
        return self._select("state = ? ORDER BY id", PENDING)

    def list_done_after(self, row: int) -> list[Accepted]:
        """The lines of the completion file after a number, in its order."""
        return self._select("row > ? ORDER BY row", row)

    def find_last_row(self) -> int:
        """The number of the completion file's last line; 0 for an empty file."""
        with self._store.read() as db:
            row = db.execute("SELECT COALESCE(MAX(row), 0) AS last FROM freebit_requests").fetchone()
        return int(row["last"])

    def is_eid_pending(self, eid: str) -> bool:
        """Whether a request for this EID waits."""
        return self._count("eid = ? AND state = ?", eid, PENDING) > 0

    def is_account_pending(self, account: str) -> bool:
        """Whether a request for this phone number waits."""
        return self._count("account = ? AND state = ?", account, PENDING) > 0

    def count_month(self, eid: str, month: str) -> int:
        """How many requests for an EID were accepted in a month of Japan, whatever became of them."""
        return self._count("eid = ? AND month = ?", eid, month)

    def is_reservation_used(self, reserve_number: str) -> bool:
        """Whether an MNP reservation was used by a request that did not fail."""
        return self._count("reserve_number = ? AND state != ?", reserve_number, FAILED) > 0

    def forget_all(self) -> None:
        """No requests."""
        with self._store.write() as db:
            db.execute("DELETE FROM freebit_requests")

    def _select(self, where: str, *values: Any) -> list[Accepted]:
        with self._store.read() as db:
            rows = db.execute(f"SELECT * FROM freebit_requests WHERE {where}", values).fetchall()  # noqa: S608
        return [_to_accepted(row) for row in rows]

    def _count(self, where: str, *values: Any) -> int:
        with self._store.read() as db:
            sql = f"SELECT COUNT(*) AS n FROM freebit_requests WHERE {where}"  # noqa: S608 - own words
            return int(db.execute(sql, values).fetchone()["n"])


def _to_accepted(row: sqlite3.Row) -> Accepted:
    return Accepted(**{**dict(row), "given": bool(row["given"])})
