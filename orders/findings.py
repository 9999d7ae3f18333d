"""What the parts of a comparison hand on: what they found, how far they came, and how they wait for a provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from time import monotonic, sleep
from typing import Any, TypeVar

from orders.models import Difference
from providers.errors import NotSent, ProviderError, RateLimited, Unavailable

Value = TypeVar("Value")

#: The longest sleep before the run shows that it is alive.
_LONGEST_SLEEP = 20.0
#: How often one call is made before its part is given up; being told to wait does not count.
_TRIES = 3
_PAUSE = 3.0


class PartState(StrEnum):
    """How far a part of a comparison came."""

    COMPARED = "compared"
    #: Only some of it can be looked at, or could be this time.
    PARTLY = "partly"
    #: The provider tells nothing of it.
    IMPOSSIBLE = "impossible"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the two sides do not hold alike. ``ours`` and ``theirs`` decide whether it is the same as before;
    ``details`` only help. Values are text, numbers or None: never a secret.
    """

    kind: Difference.Kind
    key: str
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    amount: Decimal | None = None
    currency: str = ""
    esim_id: int | None = None
    purchase_id: int | None = None

    @property
    def facts(self) -> dict[str, Any]:
        return {"ours": dict(self.ours), "theirs": dict(self.theirs)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one part of a comparison came to.

    ``covers``: of which kinds it can say that a key does *not* differ: those keys, or None for every key.
    """

    state: PartState
    looked: int = 0
    #: English, retold by pages.
    note: str = ""
    findings: tuple[Finding, ...] = ()
    covers: Mapping[Difference.Kind, frozenset[str] | None] = field(default_factory=dict)


class OutOfTime(Exception):
    """The job's time is over: what was read so far counts, the rest waits for the next run."""


@dataclass(slots=True)
class Pace:
    """Asks a provider within the time of the run: waits where it is told to, and shows meanwhile that it is alive."""

    ends_at: float
    #: Called with how much is done, and of how much (None: not known).
    beat: Callable[[int, int | None], None]
    done: int = 0
    total: int | None = None

    @classmethod
    def make(cls, *, seconds: float, beat: Callable[[int, int | None], None]) -> "Pace":
        return cls(ends_at=monotonic() + seconds, beat=beat)

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.ends_at - monotonic())

    def begin(self, total: int | None) -> None:
        self.done, self.total = 0, total
        self.beat(0, total)

    def step(self, count: int = 1) -> None:
        self.done += count
        self.beat(self.done, self.total)

    def ask(self, call: Callable[[], Value]) -> Value:
        """What ``call`` returns. Raises what the last try raised, other errors at once, and ``OutOfTime``."""
        failures = 0
        while True:
            if monotonic() >= self.ends_at:
                raise OutOfTime
            try:
                return call()
            except (RateLimited, Unavailable, NotSent) as error:
                failures += not isinstance(error, RateLimited)
                if failures >= _TRIES or not self._is_passing(error):
                    raise
                self._wait(self._pause_after(error, failures))

    @staticmethod
    def _is_passing(error: ProviderError) -> bool:
        """A pause by staff does not pass while we wait, and an answer that says nothing says it again."""
        return error.code not in ("paused", "not_told", "database")

    @staticmethod
    def _pause_after(error: ProviderError, failures: int) -> float:
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, timedelta):
            return max(asked.total_seconds(), 0.0)
        return float(_PAUSE * failures)

    def _wait(self, seconds: float) -> None:
        if monotonic() + seconds >= self.ends_at:
            raise OutOfTime
        while seconds > 0:
            self.beat(self.done, self.total)
            sleep(min(seconds, _LONGEST_SLEEP))
            seconds -= _LONGEST_SLEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when lines are compared (aware UTC)."""

    since: datetime
    until: datetime
