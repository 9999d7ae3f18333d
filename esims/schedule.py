"""When a line is read next: as seldom as its state allows, as soon as something is about to change.

One provider allows 60 reads a minute for everything, people included; a line that nobody watches and nothing happens
to costs one or two of them a day.
"""

from datetime import datetime, timedelta

from esims.models import Esim
from esims.states import ENDED, NOT_INSTALLED, last_promised_instant, shown_state, surely_over_instant
from providers.types import LineState

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
    esim: Esim, *, now: datetime, share_used: float | None = None, had_ended: bool = False
) -> datetime | None:
    """When to read the line next (UTC), None for never.

    ``share_used`` is the used part of the allowance that counts now (0 to 1 and more). ``had_ended`` says that the
    line was known to have ended before the read that has just been made.
    """
    state = LineState(esim.state)
    if state in ENDED:
        return None if had_ended else now + LATE_LOOK
    if state is not shown_state(esim, now):
        # Its time is surely over and the provider's stamp is older than that.
        return None if is_long_over(esim, now) else now + _EVERY[LineState.SUSPENDED]
    candidates = [now + _interval(esim, state, now=now, share_used=share_used)]
    if esim.watched_until is not None and esim.watched_until > now:
        candidates.append(now + WATCHED_EVERY)
    candidates += [moment + JUST_AFTER for moment in _turning_points(esim, state) if moment + JUST_AFTER > now]
    return min(candidates)


def is_long_over(esim: Esim, now: datetime) -> bool:
    """Whether the line's time was surely over a while before ``now`` (UTC), and the provider has not spoken since."""
    if esim.expires_on is None or shown_state(esim, now) not in ENDED:
        return False
    return now >= surely_over_instant(esim.expires_on) + SILENT_LOOKS


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
    if esim.expires_on is not None:
        points += [last_promised_instant(esim.expires_on), surely_over_instant(esim.expires_on)]
    return points
