"""What a benchmark says: our time beside the floor's, and how much of it we may take."""

import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Times in seconds. ``ratio`` is ours ÷ floor; ``better`` says on which side of ``limit`` it must stay."""

    name: str
    ours_s: float
    floor_s: float
    n: int
    limit: float
    better: Literal["lower", "higher"] = "lower"

    @property
    def ratio(self) -> float:
        return self.ours_s / self.floor_s

    @property
    def holds(self) -> bool:
        return self.ratio <= self.limit if self.better == "lower" else self.ratio >= self.limit

    def as_json(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "ours_s": round(self.ours_s, 4),
                "floor_s": round(self.floor_s, 4),
                "ratio": round(self.ratio, 3),
                "n": self.n,
                "limit": self.limit,
                "better": self.better,
            }
        )


def percentile_95(values: Sequence[float]) -> float:
    """By interpolation, within what was measured."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call; rubbish of earlier work is collected before."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
