"""Rate limits: so many calls a minute per key and endpoint, in fixed windows from the first call.

The scope of the live limits (per key? per endpoint?) and their windows are not documented; this is the
plainest reading. Windows live in memory: a restart opens new ones.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.store import Store

WINDOW_S = 60.0


@dataclass(frozen=True)
class Allowance:
    """What the limiter says to one call; `limit` None means there is no limit."""

    allowed: bool
    limit: int | None
    remaining: int
    reset_s: int

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
        self,
        store: Store,
        defaults: Mapping[str, Mapping[str, int | None]],
        multiplier: float,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: seconds on the clock that the windows run on."""
        self._store = store
        self._defaults = {system: dict(limits) for system, limits in defaults.items()}
        self._default_multiplier = multiplier
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._changes: dict[str, Any] = store.read_setting("limits", {})

    def take(self, *, system: str, key: str, endpoint: str) -> Allowance:
        """Count one call and say whether it may pass. A refused call does not lengthen the window."""
        limit = self._find_limit(system, endpoint)
        if limit is None:
            return Allowance(allowed=True, limit=None, remaining=0, reset_s=0)
        now = self._clock()
        with self._lock:
            started, used = self._windows.get((system, key, endpoint), (now, 0))
            if not 0 <= now - started < WINDOW_S:
                started, used = now, 0
            allowed = used < limit
            used += 1 if allowed else 0
            self._windows[system, key, endpoint] = (started, used)
        reset_s = max(1, math.ceil(started + WINDOW_S - now))
        return Allowance(allowed=allowed, limit=limit, remaining=limit - used, reset_s=reset_s)

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
                if endpoint not in self._defaults.get(system, {}):
                    raise Refusal(400, "BAD_LIMIT", f"No endpoint {endpoint!r} at {system!r}")
                if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
                    raise Refusal(400, "BAD_LIMIT", "a limit is null or a whole number of calls a minute")
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
            system: {endpoint: self._find_limit(system, endpoint) for endpoint in limits}
            for system, limits in self._defaults.items()
        }
        return {"multiplier": self._multiplier, "limits": effective}

    @property
    def _multiplier(self) -> float:
        return float(self._changes.get("multiplier", self._default_multiplier))

    def _find_limit(self, system: str, endpoint: str) -> int | None:
        changed: dict[str, int | None] = self._changes.get("limits", {}).get(system, {})
        limit = changed.get(endpoint, self._defaults.get(system, {}).get(endpoint))
        if limit is None or self._multiplier == 0:
            return None
        return int(limit * self._multiplier)


def monotonic_seconds() -> float:
    """Real time for the windows, untouched by changes of the machine's clock."""
    return time.monotonic()
