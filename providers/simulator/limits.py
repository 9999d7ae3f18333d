"""Rate limits: so many calls per key and endpoint in a window, counted on arrival.

Most count a minute from its first call; where the scope of the live limits (per key? per endpoint?) and
their windows are not documented, this is the plainest reading. A system may count all endpoints together
(the name `*`), in windows of another length, or in windows that slide. Windows live in memory: a restart
opens new ones.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.store import Store

ALL_ENDPOINTS = "*"


@dataclass(frozen=True)
class LimitTable:
    """The limits of one system as the program was started, and how its windows run."""

    limits: Mapping[str, int | None]
    window_s: float = 60.0
    slides: bool = False


@dataclass(frozen=True)
class Allowance:
    """What the limiter says to one call; `limit` None means there is no limit."""

    allowed: bool
    limit: int | None
    remaining: int
    reset_s: int
    window_s: float

    def describe(self) -> str:
        """The limit in words."""
        return f"More than {self.limit} requests in {self.window_s:g} seconds"

    def write_headers(self) -> dict[str, str]:
        """The documented `X-RateLimit-*`; Reset is seconds until the window ends."""
        if self.limit is None:
            return {}
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class RateLimiter:
    """Limits per system and endpoint, times one multiplier (0: no limits at all)."""

    def __init__(
        self, store: Store, tables: Mapping[str, LimitTable], multiplier: float, clock: Callable[[], float]
    ) -> None:
        """`clock`: seconds on the clock that the windows run on."""
        self._store = store
        self._tables = dict(tables)
        self._default_multiplier = multiplier
        self._clock = clock
        self._lock = threading.Lock()
        # The arrivals that count in each window, oldest first.
        self._windows: dict[tuple[str, str, str], deque[float]] = {}
        self._changes: dict[str, Any] = store.read_setting("limits", {})

    def take(self, *, system: str, key: str, endpoint: str) -> Allowance:
        """Count one call and say whether it may pass. A refused call does not lengthen the window."""
        table = self._tables.get(system, LimitTable({}))
        limits = {scope: self._find_limit(system, scope) for scope in (endpoint, ALL_ENDPOINTS)}
        now = self._clock()
        with self._lock:
            windows = {
                scope: (limit, self._open_window((system, key, scope), table, now))
                for scope, limit in limits.items()
                if limit is not None
            }
            full = [(limit, window) for limit, window in windows.values() if len(window) >= limit]
            if not full:
                for _limit, window in windows.values():
                    window.append(now)
            # The endpoint's own limit speaks before the account's, a full one before both.
            shown = [*full, *windows.values()]
            if not shown:
                return Allowance(allowed=True, limit=None, remaining=0, reset_s=0, window_s=table.window_s)
            limit, window = shown[0]
            started = window[0] if window else now
        return Allowance(
            allowed=not full,
            limit=limit,
            remaining=max(0, limit - len(window)),
            reset_s=max(1, math.ceil(started + table.window_s - now)),
            window_s=table.window_s,
        )

    def _open_window(self, name: tuple[str, str, str], table: LimitTable, now: float) -> deque[float]:
        """The window that a call falls into, without what no longer counts."""
        window = self._windows.setdefault(name, deque())
        if window and not table.slides and now - window[0] >= table.window_s:
            window.clear()
        while window and not 0 <= now - window[0] < table.window_s:
            window.popleft()
        return window

    def change(self, *, multiplier: Any = None, limits: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Change the multiplier or single limits (None: none). Raises Refusal 400."""
        changed = {**self._changes}
        if multiplier is not None:
            if isinstance(multiplier, bool) or not isinstance(multiplier, int | float) or multiplier < 0:
                raise Refusal(400, "BAD_LIMIT", "multiplier is a number from 0")
            changed["multiplier"] = multiplier
        single = {system: dict(values) for system, values in changed.get("limits", {}).items()}
        for system, values in (limits or {}).items():
            for endpoint, limit in values.items():
                if endpoint not in self._tables.get(system, LimitTable({})).limits:
                    raise Refusal(400, "BAD_LIMIT", f"No endpoint {endpoint!r} at {system!r}")
                if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
                    raise Refusal(400, "BAD_LIMIT", "a limit is null or a whole number of calls")
                single.setdefault(system, {})[endpoint] = limit
        self._changes = {**changed, "limits": single}
        self._store.write_setting("limits", self._changes)

    def clear_windows(self) -> None:
        """Forget what was used."""
        with self._lock:
            self._windows.clear()

    def reset(self) -> None:
        """Back to the limits the program was started with, in new windows."""
        self._changes = {}
        self._store.write_setting("limits", {})
        self.clear_windows()

    def read_all(self) -> dict[str, Any]:
        """The multiplier and the limits as they apply now, the multiplier counted in."""
        effective = {
            system: {endpoint: self._find_limit(system, endpoint) for endpoint in table.limits}
            for system, table in self._tables.items()
        }
        return {"multiplier": self._multiplier, "limits": effective}

    @property
    def _multiplier(self) -> float:
        return float(self._changes.get("multiplier", self._default_multiplier))

    def _find_limit(self, system: str, endpoint: str) -> int | None:
        changed: dict[str, int | None] = self._changes.get("limits", {}).get(system, {})
        table = self._tables.get(system, LimitTable({}))
        limit = changed.get(endpoint, table.limits.get(endpoint))
        if limit is None or self._multiplier == 0:
            return None
        return int(limit * self._multiplier)


def monotonic_seconds() -> float:
    """Real time for the windows, untouched by changes of the machine's clock."""
    return time.monotonic()
