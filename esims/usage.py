"""How much data a line has used: by day, against its allowance.

The provider reports a number per day and a total. They need not agree (one lags behind the other), so neither is
worked out from the other. What is not reported is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from esims.events import EventKind, make_event
from esims.models import Esim, Package, UsageDay
from esims.states import japan_today
from providers.registry import get_provider, offers
from providers.types import Capability, DataPeriod

#: A chart shows at most so many days, the last ones.
DAYS_SHOWN = 60


class UsageRefused(Exception):
    """The simulated usage cannot be set; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPoint:
    """One day. ``used_bytes`` None: nothing was reported for it. ``cumulative_bytes`` adds the reported days up."""

    day: date
    used_bytes: int | None
    is_derived: bool
    cumulative_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSeries:
    """What a chart and the table beside it show.

    ``daily_cap_bytes`` is an allowance per day, ``total_cap_bytes`` one in total; never both. ``total_bytes`` is the
    provider's own total. ``share_of_total`` (0 to 1 and more) only where there is a total allowance.
    """

    points: tuple[DayPoint, ...]
    is_cut: bool
    total_bytes: int | None
    daily_cap_bytes: int | None
    total_cap_bytes: int | None
    is_unlimited: bool
    share_of_total: float | None
    as_of: datetime | None

    @property
    def has_derived(self) -> bool:
        return any(point.is_derived for point in self.points)

    @property
    def has_gaps(self) -> bool:
        return any(point.used_bytes is None for point in self.points)

    @property
    def is_reported(self) -> bool:
        """Whether the provider has said anything about usage at all."""
        return bool(self.points) or self.total_bytes is not None


def read_usage_series(esim: Esim, *, days: int = DAYS_SHOWN) -> UsageSeries:
    """The last ``days`` days of usage, as the provider cuts them, without holes in the calendar. Two queries."""
    rows = {row.day: row for row in UsageDay.objects.filter(esim=esim).order_by("-day")[:days]}
    first, last = (min(rows), max(rows)) if rows else (None, None)
    is_cut = len(rows) == days
    if first is not None and last is not None and (last - first).days >= days:
        first, is_cut = last - timedelta(days=days - 1), True
    daily_cap, total_cap, unlimited = _caps(esim)
    total = esim.total_used_bytes
    return UsageSeries(
        points=_points(rows, first, last),
        is_cut=is_cut,
        total_bytes=total,
        daily_cap_bytes=daily_cap,
        total_cap_bytes=total_cap,
        is_unlimited=unlimited,
        share_of_total=total / total_cap if total is not None and total_cap else None,
        as_of=esim.usage_as_of,
    )


def measure_share_used(esim: Esim, *, now: datetime | None = None) -> float | None:
    """The used part of the allowance that counts now: of the total, or of today's (Japan date) cap. None: not known."""
    daily_cap, total_cap, _unlimited = _caps(esim)
    if total_cap:
        return None if esim.total_used_bytes is None else esim.total_used_bytes / total_cap
    if daily_cap:
        used = UsageDay.objects.filter(esim=esim, day=japan_today(now)).values_list("used_bytes", flat=True).first()
        return None if used is None else used / daily_cap
    return None


def set_simulated_usage(*, esim: Esim, days: Mapping[date, int], by: str) -> None:
    """Set the usage of a sandbox line: bytes by day. One call to the provider, not to be made inside a transaction.

    The caller reads the line again afterwards. Raises ``UsageRefused`` before anything is sent, or a
    ``ProviderError`` (``Rejected`` for a line that is not the sandbox's own).
    """
    slug = esim.account.slug
    if not (esim.account.is_sandbox and offers(slug, Capability.SIMULATE_USAGE)):
        raise UsageRefused(_("Usage can be simulated only on lines of a sandbox account."))
    if not days:
        raise UsageRefused(_("Give at least one day with its usage."))
    if any(used < 0 for used in days.values()):
        raise UsageRefused(_("Usage cannot be negative."))
    get_provider(slug).simulate_usage(esim.provider_ref, dict(sorted(days.items())))
    Esim.objects.filter(pk=esim.pk).update(next_refresh_at=timezone.now())
    make_event(esim, EventKind.USAGE_SIMULATED, by=by, facts={"days": len(days)}).save()


def _caps(esim: Esim) -> tuple[int | None, int | None, bool]:
    """(bytes per day, bytes in total, no cap) by the line's packages; a part that is not reported leaves None."""
    packages = list(Package.objects.filter(esim=esim))
    unlimited = any(package.data_unlimited for package in packages)
    per_day = [package.data_bytes for package in packages if package.data_period == DataPeriod.DAY]
    in_total = [package.data_bytes for package in packages if package.data_period == DataPeriod.TOTAL]
    if unlimited:
        return None, None, True
    if per_day and len(per_day) == len(packages):
        known = [size for size in per_day if size is not None]
        return max(known, default=None), None, False
    if in_total and len(in_total) == len(packages) and None not in in_total:
        return None, sum(size for size in in_total if size is not None), False
    return None, None, False


def _points(rows: Mapping[date, UsageDay], first: date | None, last: date | None) -> tuple[DayPoint, ...]:
    if first is None or last is None:
        return ()
    points, cumulative = [], 0
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        row = rows.get(day)
        cumulative += row.used_bytes if row else 0
        points.append(
            DayPoint(
                day=day,
                used_bytes=row.used_bytes if row else None,
                is_derived=bool(row and row.is_derived),
                cumulative_bytes=cumulative,
            )
        )
    return tuple(points)
