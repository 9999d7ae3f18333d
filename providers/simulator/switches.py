"""Behaviour the documents leave open, as switches with labelled defaults."""

from collections.abc import Mapping
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.store import Store

# Each default is our reading of the documents or, where they are silent, a guess.
DEFAULTS: Mapping[str, Any] = {
    # The sample reply of "suspend" still says ACTIVE: the reply shows the state before the action.
    "control_reply_shows_old_state": True,
    # Seconds (simulated) until an emergency control is seen by queries. Guess: at once.
    "control_lag_s": 0.0,
    # HTTP status of a successful order. Not given: 200 or 201.
    "order_status": 200,
    # "The service will be terminated at an unspecified time on the following day": the hour, JST.
    "expiry_hour_jst": 0,
    # Retry-After as "seconds" or as an HTTP "date"; RFC 9110 allows both.
    "retry_after_style": "seconds",
    # Seconds announced by Retry-After on a status reply that is a cached copy; 0 sends none.
    "cached_retry_after_s": 0,
    # Rate-limit windows run on "real" or on "simulated" time.
    "rate_clock": "real",
}

_WORDS: Mapping[str, frozenset[str]] = {
    "retry_after_style": frozenset({"seconds", "date"}),
    "rate_clock": frozenset({"real", "simulated"}),
}


class Switches:
    """Named settings that control calls change; kept in the state."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._defaults: dict[str, Any] = dict(DEFAULTS)
        self._words: dict[str, frozenset[str]] = dict(_WORDS)
        self._values: dict[str, Any] = {**DEFAULTS, **store.read_setting("switches", {})}

    def declare(self, defaults: Mapping[str, Any], words: Mapping[str, frozenset[str]] | None = None) -> None:
        """Add a system's own switches, named `<system>_…`; `words`: the values that a text may have."""
        self._defaults.update(defaults)
        self._words.update(words or {})
        self._values = {**defaults, **self._values}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def read_all(self) -> dict[str, Any]:
        """Every switch with its present value."""
        return dict(self._values)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set some switches. Raises Refusal 400 for an unknown name or a value of another kind."""
        for name, value in changes.items():
            if name not in self._defaults:
                raise Refusal(400, "UNKNOWN_SWITCH", f"No switch {name!r}; there are {', '.join(self._defaults)}")
            default = self._defaults[name]
            fits = isinstance(value, bool) if isinstance(default, bool) else _fits(default, value)
            if not fits or value not in self._words.get(name, {value}):
                raise Refusal(400, "BAD_SWITCH", f"{name} cannot be {value!r}")
        self._values = {**self._values, **changes}
        self._store.write_setting("switches", self._values)

    def reset(self) -> None:
        """Back to the defaults."""
        self._values = dict(self._defaults)
        self._store.write_setting("switches", {})


def _fits(default: Any, value: Any) -> bool:
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
