"""When a line is read next: as seldom as its state allows, as soon as something is about to change.

One provider allows 60 reads a minute for everything, people included; a line that nobody watches and nothing happens
to costs one or two of them a day. Where a provider tells the use of many lines in one call, the use has a time of its
own, and the state is read more seldom.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from esims.models import Esim, Package
from esims.states import ENDED, NOT_INSTALLED, promised_until, shown_state, surely_over_from
from providers.types import LineState, PackageStatus

#: While a person has the line's page open.
WATCHED_EVERY = timedelta(minutes=1)
#: Usage may come hours after the end: one look more, then never again.
LATE_LOOK = timedelta(days=1)
#: A line whose time is surely over and of which the provider says nothing new is read for so long, then never again.
SILENT_LOOKS = timedelta(days=7)
#: A look just after a moment at which the state should have changed.
JUST_AFTER = timedelta(minutes=5)

_EVERY = {
    LineState.READY: timedelta(hours=12),
    LineState.DOWNLOADED: timedelta(hours=4),
    LineState.INSTALLED: timedelta(hours=2),
    LineState.ACTIVE: timedelta(hours=4),
    LineState.SUSPENDED: timedelta(hours=12),
    LineState.DEPLETED: timedelta(hours=12),
    LineState.ERROR: timedelta(hours=6),
    LineState.UNKNOWN: timedelta(hours=2),
}
#: An expired line with another package on it.
_NEXT_PACKAGE_EVERY = timedelta(hours=4)
#: A line in use whose use is told apart: its state alone.
_STATE_ALONE_EVERY = timedelta(hours=12)
#: (at least this share of the allowance is used, read every)
_NEAR_CAP = ((0.95, timedelta(minutes=20)), (0.8, timedelta(hours=1)))
#: (younger than, read every) while the provider is setting the line up
_SETTING_UP = (
    (timedelta(minutes=10), timedelta(seconds=30)),
    (timedelta(hours=1), timedelta(minutes=5)),
    (timedelta(days=1), timedelta(minutes=30)),
)
_FRESHLY_SOLD = (timedelta(days=1), timedelta(hours=2))

#: (first wait after a failed read, longest wait)
_RETRY = (timedelta(minutes=1), timedelta(hours=6))
_RETRY_REFUSED = (timedelta(minutes=15), timedelta(days=1))


def plan_next_refresh(
    esim: Esim,
    *,
    now: datetime,
    share_used: float | None = None,
    had_ended: bool = False,
    usage_apart: bool = False,
    packages: Iterable[Package] = (),
) -> datetime | None:
    """When to read the line next (UTC), None for never.

    ``share_used`` is the used part of the allowance that counts now (0 to 1 and more). ``had_ended`` says that the
    line was known to have ended before the read that has just been made. ``usage_apart``: the use is read by itself
    (``plan_next_usage``), so that it gives no reason to read the whole line.
    """
    state = LineState(esim.state)
    packages = list(packages)
    if state is LineState.EXPIRED and any(package.status == PackageStatus.WAITING for package in packages):
        # Its next package may begin by itself.
        return now + _NEXT_PACKAGE_EVERY
    if state in ENDED:
        return None if had_ended else now + LATE_LOOK
    if state is not shown_state(esim, now):
        # Its time is surely over and the provider's stamp is older than that.
        return None if is_long_over(esim, now) else now + _EVERY[LineState.SUSPENDED]
    if usage_apart and state is LineState.ACTIVE:
        candidates = [now + _STATE_ALONE_EVERY]
    else:
        candidates = [now + _interval(esim, state, now=now, share_used=share_used)]
    if esim.watched_until is not None and esim.watched_until > now:
        candidates.append(now + WATCHED_EVERY)
    moments = [*_turning_points(esim, state), *_package_turns(packages)]
    candidates += [moment + JUST_AFTER for moment in moments if moment + JUST_AFTER > now]
    return min(candidates)


def plan_next_usage(esim: Esim, *, now: datetime, share_used: float | None = None) -> datetime | None:
    """When to read the line's use next (UTC) where the provider tells it by itself; None where none is to come."""
    if LineState(esim.state) is not LineState.ACTIVE or shown_state(esim, now) in ENDED:
        return None
    return now + _interval(esim, LineState.ACTIVE, now=now, share_used=share_used)


def is_long_over(esim: Esim, now: datetime) -> bool:
    """Whether the line's time was surely over a while before ``now`` (UTC), and the provider has not spoken since."""
    over = surely_over_from(esim)
    if over is None or shown_state(esim, now) not in ENDED:
        return False
    return now >= over + SILENT_LOOKS


def plan_retry(*, now: datetime, failures: int, refused: bool) -> datetime:
    """When to try a failed read again (UTC): each failure in a row doubles the wait, up to a cap.

    ``refused`` says that the provider answered no (it does not know the line, say): that is not over in a minute.
    """
    first, longest = _RETRY_REFUSED if refused else _RETRY
    doublings = min(max(failures, 1) - 1, 12)
    return now + min(first * (1 << doublings), longest)


def _interval(esim: Esim, state: LineState, *, now: datetime, share_used: float | None) -> timedelta:
    age = now - esim.created_at
    if state is LineState.PROVISIONING:
        return next((every for younger, every in _SETTING_UP if age < younger), timedelta(hours=6))
    interval = _EVERY[state]
    if state is LineState.ACTIVE and share_used is not None:
        interval = next((every for share, every in _NEAR_CAP if share_used >= share), interval)
    if state in NOT_INSTALLED and age < _FRESHLY_SOLD[0]:
        interval = min(interval, _FRESHLY_SOLD[1])
    return interval


def _turning_points(esim: Esim, state: LineState) -> list[datetime]:
    """The known moments at which the line's state should change."""
    points = []
    if state in NOT_INSTALLED and esim.activation_deadline is not None:
        points.append(esim.activation_deadline)
    ends = (promised_until(esim), surely_over_from(esim))
    return points + [moment for moment in ends if moment is not None]


def _package_turns(packages: Iterable[Package]) -> list[datetime]:
    """The known moments at which a package's state should change; what is only projected is none."""
    points = []
    for package in packages:
        if package.status == PackageStatus.ACTIVE and package.ends_at is not None and not package.is_projected:
            points.append(package.ends_at)
        if package.status == PackageStatus.WAITING and package.activate_by is not None:
            points.append(package.activate_by)
    return points
