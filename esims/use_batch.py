"""The use of some lines, told by itself: the cheap half of reading, done for many lines at once."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self

from esims.days import DayChanges, sample_of
from esims.facts import take_usage_alone
from esims.models import Esim, LineEvent, Package
from esims.notices import measure_total_use, note_use
from esims.row_changes import write_changes
from esims.usage import measure_shares
from providers.types import DataPeriod, UsageSnapshot

#: What the state, the share and the times of a line are judged by, and what is written.
_LOADED = (
    *("pk", "account_id", "state", "state_as_of", "expires_on", "expires_at", "created_at", "watched_until"),
    *("total_used_bytes", "total_data_bytes", "usage_as_of", "next_refresh_at", "next_usage_at"),
    "refresh_claimed_until",
)
_LOADED_OF_PACKAGES = (
    *("esim_id", "status", "data_period", "data_bytes", "data_unlimited", "used_bytes"),
    *("kind", "created_at"),
)
#: Who wrote the rows of the timeline.
_BY = "refresh"
#: eSIM Access, the only one that tells the use of many lines: "updated within 2-3 hours".
_LAG = timedelta(hours=3)
_WRITTEN = ("total_used_bytes", "total_data_bytes", "usage_as_of", "next_refresh_at", "next_usage_at")


class UseBatch:
    """Lines by id, locked within the caller's transaction."""

    def __init__(self, lines: Iterable[Esim], *, derives_days: bool) -> None:
        self.lines = {line.pk: line for line in lines}
        self._before = {pk: [getattr(line, name) for name in _WRITTEN] for pk, line in self.lines.items()}
        self._days = DayChanges()
        self._derives_days = derives_days
        self._packages: dict[int, list[Package]] = {pk: [] for pk in self.lines}
        for package in Package.objects.filter(esim_id__in=self._packages).only(*_LOADED_OF_PACKAGES):
            self._packages[package.esim_id].append(package)
        self._used = {pk: measure_total_use(line, self._packages[pk]) for pk, line in self.lines.items()}

    @classmethod
    def lock(cls, ids: Iterable[int], *, derives_days: bool) -> Self:
        """Load and lock, always in the same order."""
        lines = Esim.objects.select_for_update(of=("self",)).only(*_LOADED).filter(pk__in=list(ids)).order_by("pk")
        return cls(lines, derives_days=derives_days)

    def apply(self, usages: Mapping[int, UsageSnapshot]) -> None:
        """Take the use of lines (by id); older than what is stored is left out, equal is applied.

        But a larger use is no older knowledge: a full report carries the moment of asking over a use that was settled
        hours before, and what is told by itself the moment of its settlement.
        """
        for pk, line in self.lines.items():
            usage = usages[pk]
            if line.usage_as_of is not None and usage.as_of < line.usage_as_of:
                if not self._knows_more(line, usage):
                    continue
                usage = replace(usage, as_of=line.usage_as_of, total_data_bytes=None)
            earlier = sample_of(line)
            if any(package.data_period == DataPeriod.DAY for package in self._packages[pk]):
                # What is told of a plan by the day may be one day's volume.
                usage = replace(usage, total_data_bytes=None)
            take_usage_alone(line, usage)
            if self._derives_days:
                self._days.sample(line, earlier)

    def _knows_more(self, line: Esim, usage: UsageSnapshot) -> bool:
        """Whether a report with an older stamp, but not by more than the lag, has counted more. A use by the day begins
        anew each day, and whether a top-up begins it anew no document says: what was counted before that says nothing.
        """
        packages = self._packages[line.pk]
        if line.usage_as_of is None or line.usage_as_of - usage.as_of > _LAG:
            return False
        if usage.used_bytes is None or usage.used_bytes <= (line.total_used_bytes or 0):
            return False
        if any(package.data_period != DataPeriod.TOTAL for package in packages):
            return False
        return all(package.kind != Package.Kind.TOP_UP or package.created_at <= usage.as_of for package in packages)

    def measure_shares(self, now: datetime) -> Mapping[int, float | None]:
        """The used part of each line's allowance; None where it is not known."""
        return measure_shares(list(self.lines.values()), self._packages, now=now)

    def save(self, mine: Set[int] = frozenset(), noted: Mapping[str, Any] | None = None) -> None:
        """Write what has changed on the lines, and ``noted`` (the same for all) on those of ``mine``."""
        changes: dict[int, dict[str, Any]] = {}
        for pk, line in self.lines.items():
            changed = {
                name: value
                for name, old in zip(_WRITTEN, self._before[pk], strict=True)
                if (value := getattr(line, name)) != old
            }
            changes[pk] = {**changed, **(noted or {})} if pk in mine else changed
        write_changes(changes)
        self._days.save()
        used = {pk: measure_total_use(line, self._packages[pk]) for pk, line in self.lines.items()}
        told = [note_use(line, self._used[pk], used[pk], by=_BY) for pk, line in self.lines.items()]
        if any(told):
            LineEvent.objects.bulk_create(event for event in told if event is not None)
