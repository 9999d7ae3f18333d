"""Faults that can be ordered: which exist, which calls they meet, and when they are used up.

A fault is ordered with `POST /_control/faults`:

    {"kind": "reset_after", "endpoint": "order", "system": "commerce", "times": 1, "skip": 0,
     "match": {"planCode": "KD0001"}, … parameters of the kind …}

`endpoint` is the name of a `Route` of some system (eSIM Commerce: as in its path table) or `*`;
`system` is left out for all; `times` null means for ever; `skip` lets so many matching calls pass first;
`match` compares path arguments, query values and top-level fields of a JSON body, as text; a system may
add facts of its own (`System.collect_facts`).
Faults meet calls that passed authentication and the rate limit. Several may meet one call.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.store import Store

# kind → parameters with their defaults.
BEFORE_EFFECT: Mapping[str, Mapping[str, Any]] = {
    "delay_before": {"seconds": 1.0},
    "hang": {"seconds": 3600.0},  # accept, do nothing, close without an answer after so long
    "reset_before": {},
    "close_before": {},
    "status_before": {"status": 500, "code": "SIMULATED", "message": "Simulated failure", "headers": {}},
    "rate_limited": {"retry_after": 1, "style": None},  # a 429 that is not the client's fault
    "refuse": {"reason": "out_of_stock"},  # or "insufficient_balance"
    # Any error code in the provider's own envelope; http_status null: what the provider uses for such errors.
    "refuse_code": {"code": "SIMULATED", "message": "Simulated refusal", "http_status": None},
}
AT_EFFECT: Mapping[str, Mapping[str, Any]] = {
    "short_order": {"by": 1},  # so many eSIMs fewer are sold, for good
    "short_reply": {"by": 1},  # all are sold, the reply shows fewer, the inquiry all
}
IN_BODY: Mapping[str, Mapping[str, Any]] = {
    "wrong_json": {},
    "replace_body": {"body": "{}", "content_type": "application/json", "status": 200},
    "empty_body": {},
    "html_body": {"status": 200},
    "unknown_words": {"fields": None, "word": "SOMETHING_NEW"},
    "set_fields": {"values": {}},  # replace the value of these keys at any depth
    "null_fields": {"fields": []},
    "drop_fields": {"fields": []},
    "extra_fields": {"values": {"newField": {"nested": [1, None, "x"]}}},
    "duplicate_item": {"index": 0},
    "wrong_total": {"delta": 1},
}
AFTER_EFFECT: Mapping[str, Mapping[str, Any]] = {
    "crash_after": {},  # the simulator dies as by kill -9 once the effect is committed
    "delay_after": {"seconds": 1.0},
    "hang_after": {"seconds": 3600.0},
    "reset_after": {},
    "close_after": {},
    "status_after": {"status": 500, "code": "SIMULATED", "message": "Simulated failure", "headers": {}},
    "refuse_code_after": {"code": "SIMULATED", "message": "Simulated refusal", "http_status": None},
    "cut_body": {"at_byte": None, "fraction": 0.5},  # announced whole, sent in part
    "drip": {"seconds": 2.0},  # the body comes in drops over so long
}
KINDS: Mapping[str, Mapping[str, Any]] = {**BEFORE_EFFECT, **AT_EFFECT, **IN_BODY, **AFTER_EFFECT}

_COMMON = {"kind", "endpoint", "system", "times", "skip", "match"}


@dataclass(frozen=True)
class Fault:
    """One ordered fault as it meets one call; `params` are complete."""

    id: int
    kind: str
    params: Mapping[str, Any]


class FaultBook:
    """The ordered faults, kept in the state so that they outlive a crash that one of them causes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def order(self, spec: Mapping[str, Any]) -> int:
        """Order a fault; returns its id. Raises Refusal 400 for an unknown kind or parameter."""
        kind = str(spec.get("kind"))
        if kind not in KINDS:
            raise Refusal(400, "UNKNOWN_FAULT", f"No fault {kind!r}; there are {', '.join(KINDS)}")
        params = {name: value for name, value in spec.items() if name not in _COMMON}
        unknown = set(params) - set(KINDS[kind])
        if unknown:
            raise Refusal(400, "UNKNOWN_PARAMETER", f"{kind} takes {sorted(KINDS[kind])}, not {sorted(unknown)}")
        times = spec.get("times", 1)
        skip = spec.get("skip", 0)
        if not (times is None or _is_count(times, 1)) or not _is_count(skip, 0):
            raise Refusal(400, "BAD_FAULT", "times is null or at least 1, skip at least 0")
        match = {str(name): _as_text(value) for name, value in dict(spec.get("match") or {}).items()}
        with self._store.write() as db:
            cursor = db.execute(
                "INSERT INTO faults (system, endpoint, kind, skip, times, match, params) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    spec.get("system"),
                    spec.get("endpoint") or "*",
                    kind,
                    skip,
                    times,
                    json.dumps(match),
                    json.dumps(params),
                ),
            )
        return int(cursor.lastrowid or 0)

    def take(self, *, system: str, endpoint: str, facts: Mapping[str, str]) -> list[Fault]:
        """The faults that meet this call; each is counted as used. Call inside the request's first commit."""
        met: list[Fault] = []
        with self._store.write() as db:
            rows = db.execute(
                "SELECT * FROM faults WHERE (system IS NULL OR system = ?) AND endpoint IN (?, '*')"
                " AND (times IS NULL OR used < times) ORDER BY id",
                (system, endpoint),
            ).fetchall()
            for row in rows:
                match: dict[str, str] = json.loads(row["match"])
                if any(facts.get(name) != value for name, value in match.items()):
                    continue
                if row["skip"] > 0:
                    db.execute("UPDATE faults SET skip = skip - 1 WHERE id = ?", (row["id"],))
                    continue
                db.execute("UPDATE faults SET used = used + 1 WHERE id = ?", (row["id"],))
                met.append(_to_fault(row))
        return met

    def read_all(self) -> list[dict[str, Any]]:
        """Every ordered fault with how often it was used."""
        with self._store.read() as db:
            rows = db.execute("SELECT * FROM faults ORDER BY id").fetchall()
        return [{**dict(row), "match": json.loads(row["match"]), "params": json.loads(row["params"])} for row in rows]

    def forget(self, fault_id: int | None = None) -> int:
        """Forget one fault or all; returns how many there were."""
        with self._store.write() as db:
            if fault_id is None:
                return db.execute("DELETE FROM faults").rowcount
            return db.execute("DELETE FROM faults WHERE id = ?", (fault_id,)).rowcount


def find_fault(faults: list[Fault], kind: str) -> Fault | None:
    """The first fault of a kind, if one met this call."""
    return next((fault for fault in faults if fault.kind == kind), None)


def collect_facts(arguments: Mapping[str, str], query: Mapping[str, str], body: bytes) -> dict[str, str]:
    """What `match` compares with: path arguments, query values, top-level fields of a JSON body."""
    facts: dict[str, str] = {}
    try:
        document = json.loads(body) if body else None
    except ValueError:
        document = None
    if isinstance(document, dict):
        facts.update({name: _as_text(value) for name, value in document.items()})
    return {**facts, **query, **arguments}


def _to_fault(row: sqlite3.Row) -> Fault:
    kind: str = row["kind"]
    return Fault(id=row["id"], kind=kind, params={**KINDS[kind], **json.loads(row["params"])})


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
