"""Use by day: as the provider reports it, or derived from its totals.

Where a provider reports only totals, each is kept as a sample, and the growth between two samples is booked on the day
(UTC) of the later one: it was used at some time since the earlier, and a guess that spreads it over midnight would be
no fact. Days without a sample of their own stay "not reported", unless nothing at all was used across them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db.models import F, Window
from django.db.models.functions import RowNumber, TruncDate
from django.utils import timezone

from esims.models import Esim, UsageDay, UsageSample
from providers.types import DailyUsage

#: So many days without use are written as 0; a longer silence says nothing about each of its days.
_LONGEST_SILENCE = 31
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A line's total use (bytes) at an instant."""

    at: datetime
    total: int


def sample_of(esim: Esim) -> Sample | None:
    """The last total that the line's row holds."""
    if esim.usage_as_of is None or esim.total_used_bytes is None:
        return None
    return Sample(at=esim.usage_as_of, total=esim.total_used_bytes)


def derive_days(earlier: Sample | None, later: Sample | None) -> Mapping[date, int]:
    """What two samples, one after the other, add to days (UTC). A total that fell is a new beginning, not a use."""
    if earlier is None or later is None or later.at < earlier.at or later.total < earlier.total:
        return {}
    # What is known at midnight was used on the day that ended.
    first, last = earlier.at.astimezone(UTC).date(), (later.at.astimezone(UTC) - _TICK).date()
    grown = later.total - earlier.total
    if grown:
        return {max(first, last): grown}
    days = (last - first).days
    # Of its first day the earlier sample knows the whole only where nothing had been used at all.
    start = 0 if earlier.total == 0 else 1
    return {} if days > _LONGEST_SILENCE else {first + timedelta(days=day): 0 for day in range(start, days + 1)}


@dataclass(slots=True)
class DayChanges:
    """What reports say about the days of lines, not written yet; the statements do not grow with the lines."""

    _reported: dict[tuple[int, date], int] = field(default_factory=dict)
    _grown: dict[tuple[int, date], int] = field(default_factory=dict)
    _samples: dict[tuple[int, datetime], int] = field(default_factory=dict)

    def report(self, esim: Esim, days: Sequence[DailyUsage]) -> None:
        """The provider's own numbers; of a day told twice the last word counts."""
        self._reported |= {(esim.pk, entry.day): entry.used_bytes for entry in days}

    def sample(self, esim: Esim, earlier: Sample | None) -> None:
        """The line's row holds a new total; ``earlier`` is what it held before."""
        later = sample_of(esim)
        if later is None or later == earlier:
            return
        self._samples[esim.pk, later.at] = later.total
        for day, grown in derive_days(earlier, later).items():
            self._grown[esim.pk, day] = self._grown.get((esim.pk, day), 0) + grown

    def save(self, *, are_new: bool = False) -> None:
        """Write reported days whose number differs, and add to derived ones; days that are not named stay.

        The caller holds the lines' locks: nobody else adds to the same days. ``are_new``: these lines have none yet.
        """
        if self._samples:
            UsageSample.objects.bulk_create(
                [UsageSample(esim_id=pk, at=at, total_used_bytes=total) for (pk, at), total in self._samples.items()],
                update_conflicts=True,
                unique_fields=["esim", "at"],
                update_fields=["total_used_bytes"],
            )
        keys = {*self._reported, *self._grown}
        if not keys:
            return
        stored = {} if are_new else self._read_stored(keys)
        rows = []
        for (pk, day), used in self._reported.items():
            if stored.get((pk, day)) != (used, False):
                rows.append(UsageDay(esim_id=pk, day=day, used_bytes=used))
        for (pk, day), grown in self._grown.items():
            known, derived = stored.get((pk, day), (None, True))
            # A number that the provider gave itself is left alone.
            if derived and (grown or known is None):
                rows.append(UsageDay(esim_id=pk, day=day, used_bytes=(known or 0) + grown, is_derived=True))
        if rows:
            UsageDay.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["esim", "day"],
                update_fields=["used_bytes", "is_derived"],
            )

    def _read_stored(self, keys: set[tuple[int, date]]) -> dict[tuple[int, date], tuple[int, bool]]:
        rows = UsageDay.objects.filter(esim_id__in={pk for pk, _day in keys}, day__in={day for _pk, day in keys})
        return {
            (pk, day): (used, derived)
            for pk, day, used, derived in rows.values_list("esim_id", "day", "used_bytes", "is_derived")
        }


def trim_usage_samples(*, older_than: timedelta | None = None, at_once: int = 1000) -> int:
    """Of samples older than this (the setting's days by default) keep the last of each day; returns how many went.

    They are numbered once, as that reads all of them, and go ``at_once`` at a time, so that no deletion is long.
    """
    limit = timezone.now() - (older_than or timedelta(days=settings.USAGE_SAMPLE_DAYS))
    numbered = (
        UsageSample.objects.filter(at__lt=limit)
        .annotate(
            place=Window(RowNumber(), partition_by=[F("esim_id"), TruncDate("at", tzinfo=UTC)], order_by=F("at").desc())
        )
        .filter(place__gt=1)
        .order_by("pk")
    )
    ids = list(numbered.values_list("pk", flat=True))
    return sum(
        UsageSample.objects.filter(pk__in=ids[start : start + at_once]).delete()[0]
        for start in range(0, len(ids), at_once)
    )
