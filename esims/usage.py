"""How much data a line has used: by day, against its allowance.

Some providers report a number per day and a total. They need not agree (one lags behind the other), so neither is
worked out from the other. Where only totals are reported, days are derived from them (``esims/days.py``) and marked.
What is not reported is None, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from esims.events import EventKind, make_event
from esims.models import Esim, Package, UsageDay
from esims.states import japan_today
from providers.registry import get_provider, offers
from providers.types import Capability, DataPeriod, PackageStatus

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


def read_usage_series(esim: Esim, *, days: int = DAYS_SHOWN, packages: Sequence[Package] | None = None) -> UsageSeries:
    """The last ``days`` days of usage, as the provider cuts them, without holes in the calendar.

    One query, and one more where the line's ``packages`` are not given.
    """
    rows = {row.day: row for row in UsageDay.objects.filter(esim=esim).order_by("-day")[:days]}
    first, last = (min(rows), max(rows)) if rows else (None, None)
    is_cut = len(rows) == days
    if first is not None and last is not None and (last - first).days >= days:
        first, is_cut = last - timedelta(days=days - 1), True
    caps = find_caps(esim, list(Package.objects.filter(esim=esim)) if packages is None else packages)
    total = esim.total_used_bytes
    return UsageSeries(
        points=_points(rows, first, last),
        is_cut=is_cut,
        total_bytes=total,
        daily_cap_bytes=caps.daily_bytes,
        total_cap_bytes=caps.total_bytes,
        is_unlimited=caps.is_unlimited,
        share_of_total=total / caps.total_bytes if total is not None and caps.total_bytes else None,
        as_of=esim.usage_as_of,
    )


def measure_shares(
    lines: Sequence[Esim], packages: Mapping[int, Sequence[Package]], *, now: datetime
) -> Mapping[int, float | None]:
    """The used part of each line's allowance that counts now (its id → share): of the total, or of today's cap.

    None: not known. One query at most.
    """
    caps = {line.pk: find_caps(line, packages.get(line.pk, ())) for line in lines}
    daily = [line.pk for line in lines if caps[line.pk].daily_bytes]
    today = _read_today(daily, now) if daily else {}
    return {
        line.pk: _largest(
            _share(line.total_used_bytes, caps[line.pk].total_bytes),
            _share(today.get(line.pk), caps[line.pk].daily_bytes),
            *(
                _share(package.used_bytes, package.data_bytes)
                for package in packages.get(line.pk, ())
                if package.status == PackageStatus.ACTIVE and is_counted_in_total(package)
            ),
        )
        for line in lines
    }


def _read_today(ids: Sequence[int], now: datetime) -> dict[int, int]:
    """What lines have used today: in Japan, as providers that report days cut them; in UTC where days are derived."""
    days = {False: japan_today(now), True: now.astimezone(UTC).date()}
    rows = UsageDay.objects.filter(esim_id__in=ids, day__in=set(days.values()))
    return {
        pk: used
        for pk, day, used, derived in rows.values_list("esim_id", "day", "used_bytes", "is_derived")
        if day == days[derived]
    }


def is_counted_in_total(package: Package) -> bool:
    """Whether the package has an allowance in total, so that a share of it says something."""
    return not package.data_unlimited and package.data_period == DataPeriod.TOTAL and bool(package.data_bytes)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """A line's allowance: per day or in total, never both; a part that is not reported leaves None."""

    daily_bytes: int | None = None
    total_bytes: int | None = None
    is_unlimited: bool = False


def find_caps(esim: Esim, packages: Sequence[Package]) -> Caps:
    """The allowance by the provider's own total where it tells one, else by the line's packages."""
    if any(package.data_unlimited for package in packages):
        return Caps(is_unlimited=True)
    per_day = [package.data_bytes for package in packages if package.data_period == DataPeriod.DAY]
    if per_day:
        known = [size for size in per_day if size is not None]
        # Beside packages that are counted in total no one number is the allowance.
        return Caps(daily_bytes=max(known, default=None)) if len(per_day) == len(packages) else Caps()
    if esim.total_data_bytes is not None:
        return Caps(total_bytes=esim.total_data_bytes)
    sizes = [_given(package) for package in packages if package.data_period == DataPeriod.TOTAL]
    if sizes and len(sizes) == len(packages) and None not in sizes:
        return Caps(total_bytes=sum(size for size in sizes if size is not None))
    return Caps()


def _given(package: Package) -> int | None:
    """What a package gives in total: one that was terminated gives no more than what was used of it."""
    return package.used_bytes if package.status == PackageStatus.TERMINATED else package.data_bytes


def _share(used: int | None, cap: int | None) -> float | None:
    return used / cap if used is not None and cap else None


def _largest(*shares: float | None) -> float | None:
    return max((share for share in shares if share is not None), default=None)


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
