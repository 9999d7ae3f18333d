"""The simulated time, and how the wire writes it."""

import threading
from datetime import UTC, date, datetime, timedelta, timezone

from providers.simulator.store import Store

JST = timezone(timedelta(hours=9), "JST")


class Clock:
    """Real time plus an offset, or standing still; moved only by control calls, kept in the state."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._offset = timedelta(seconds=float(store.read_setting("clock_offset_s", 0.0)))
        frozen: str | None = store.read_setting("clock_frozen_at", None)
        self._frozen_at = None if frozen is None else parse_instant(frozen)

    def now(self) -> datetime:
        """The simulated instant, aware UTC."""
        with self._lock:
            return self._frozen_at or datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move by so many seconds (negative: back)."""
        self._set(self.now() + timedelta(seconds=seconds), frozen=self.frozen)

    def move_to(self, instant: datetime) -> None:
        """Jump to an aware instant; a running clock runs on from there."""
        self._set(instant.astimezone(UTC), frozen=self.frozen)

    def set_offset(self, seconds: float) -> None:
        """Be so many seconds ahead of real time."""
        self._set(datetime.now(UTC) + timedelta(seconds=seconds), frozen=self.frozen)

    def freeze(self, frozen: bool) -> None:
        """Stand still at the present instant, or run on from it."""
        self._set(self.now(), frozen=frozen)

    def reset(self) -> None:
        """Back to real time."""
        self._set(datetime.now(UTC), frozen=False, offset=timedelta())

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        with self._lock:
            return self._frozen_at is not None

    @property
    def offset_s(self) -> float:
        """Seconds ahead of real time, right now."""
        return (self.now() - datetime.now(UTC)).total_seconds()

    def _set(self, instant: datetime, *, frozen: bool, offset: timedelta | None = None) -> None:
        with self._lock:
            self._offset = instant - datetime.now(UTC) if offset is None else offset
            self._frozen_at = instant if frozen else None
            stored = None if self._frozen_at is None else self._frozen_at.isoformat()
        with self._store.write():
            self._store.write_setting("clock_offset_s", self._offset.total_seconds())
            self._store.write_setting("clock_frozen_at", stored)


def format_instant(instant: datetime) -> str:
    """`2026-01-22T10:30:00.000Z`, as the documents print instants."""
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant with a zone, as aware UTC. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"no zone in {text!r}")
    return instant.astimezone(UTC)


def to_jst_date(instant: datetime) -> date:
    """The Japanese calendar day of an instant."""
    return instant.astimezone(JST).date()
