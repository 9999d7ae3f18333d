"""What lines have to tell upwards: a share of the data is used, and moments that only the clock brings.

Both cost a reading of the line nothing while nothing is to be told. A share that was reached is a row of the timeline
that waits for a higher floor; the next moment is a column of the line, written with whatever changes it. Nobody scans
lines: a million of them, none of which has to tell anything now, are one look into an empty index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from esims.events import EventKind, make_event
from esims.models import Esim, LineEvent, Package
from esims.packages import is_over
from esims.states import ENDED, promised_until, use_deadline
from esims.usage import Caps, find_caps, is_counted_in_total
from providers.types import LineState, PackageStatus

#: The columns by which a line's moments are judged.
MOMENT_FIELDS = ("state", "activation_deadline", "expires_on", "expires_at", "lpa", "eid")
#: Delivered so short a time ago, the customer has just been told of the deadline with the line itself.
JUST_DELIVERED = timedelta(days=1)

_IN_USE = frozenset({LineState.INSTALLED, LineState.ACTIVE})
#: A package may wait behind the one in use, or behind one that is used up.
_HOLDS_WAITING = frozenset({LineState.ACTIVE, LineState.DEPLETED})
#: On a phone, or over: nobody waits for a code any more.
_PAST_CODE = _IN_USE | {LineState.SUSPENDED, LineState.DEPLETED} | ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOfTotal:
    """How much of an allowance in total is used. ``package`` is the newest that gives some of it: another top-up is
    another allowance.
    """

    used: int
    total: int
    package: int | None

    @property
    def share(self) -> float:
        return self.used / self.total


def measure_total_use(esim: Esim, packages: Sequence[Package], *, caps: Caps | None = None) -> UseOfTotal | None:
    """What is used of what the line holds now; None where a share would say nothing, or is not known.

    No share has an allowance by the day, one without a cap, or one of which the provider reports no use. Packages that
    are over give nothing any more, whatever was left of them. ``caps`` are those of these packages, where known.
    """
    held = [package for package in packages if not is_over(package)]
    if not held or not all(is_counted_in_total(package) for package in held):
        return None
    newest = max((package.pk for package in held if package.pk is not None), default=None)
    if all(package.used_bytes is not None for package in held):
        used, total = sum(package.used_bytes or 0 for package in held), sum(package.data_bytes or 0 for package in held)
        return UseOfTotal(used=used, total=total, package=newest)
    cap = (caps or find_caps(esim, packages)).total_bytes
    if not cap or esim.total_used_bytes is None:
        return None
    return UseOfTotal(used=esim.total_used_bytes, total=cap, package=newest)


def note_use(esim: Esim, before: UseOfTotal | None, after: UseOfTotal | None, *, by: str) -> LineEvent | None:
    """The timeline row of the highest mark that was passed between two readings, not saved; None where none was."""
    if after is None or after == before:
        return None
    reached = before.share if before is not None else 0.0
    passed = [mark for mark in settings.NOTIFICATION_USAGE_PERCENT if reached * 100 < mark <= after.share * 100]
    if not passed:
        return None
    facts = {"percent": max(passed), "used": after.used, "total": after.total, "package": after.package}
    as_of = esim.usage_as_of.isoformat() if esim.usage_as_of else ""
    return make_event(esim, EventKind.USAGE_REACHED, by=by, facts={**facts, "as_of": as_of})


def plan_next_notice(
    esim: Esim, *, now: datetime, after: datetime | None = None, packages: Iterable[Package] = ()
) -> datetime | None:
    """When the line's customer is next to be told something by the clock (UTC); None: never, as things stand.

    A moment that has passed counts while there is still time to act, unless ``after`` says until when all were seen to.
    ``packages``: at least those of the line that wait and have a deadline (``has_deadline``).
    """
    waiting = (moment for package in packages for moment in package_moments(esim, package))
    moments = [*code_moments(esim), *deadline_moments(esim), *end_moments(esim), *waiting]
    open_ones = [at for at, until in moments if until > now and (after is None or at > after)]
    return min(open_ones, default=None)


def lacks_code(esim: Esim) -> bool:
    """Whether we hold no code for it; a line that was made for one device has none."""
    return not esim.lpa and not esim.eid


def awaits_code(esim: Esim) -> bool:
    """Whether its code is still to come, whatever the provider says of it otherwise: it may also say nothing, or that
    something is wrong.
    """
    return lacks_code(esim) and LineState(esim.state) not in _PAST_CODE


def code_late_at(esim: Esim) -> datetime:
    """From when a line whose code has not come is no longer waited for."""
    return esim.created_at + timedelta(hours=settings.NOTIFICATION_CODE_HOURS)


def code_moments(esim: Esim) -> Iterable[tuple[datetime, datetime]]:
    """(when it has been waited for long enough, until when that is news): the code is not known.

    Also of a line that is on a phone without one by now: it held its order's message up until then.
    """
    if lacks_code(esim):
        late_at = code_late_at(esim)
        yield late_at, late_at + timedelta(hours=settings.NOTIFICATION_STALE_HOURS)


def deadline_moments(esim: Esim) -> Iterable[tuple[datetime, datetime]]:
    """(when to tell, until when there is time): the line can be installed or used for the first time, is not, and has
    a deadline for it.
    """
    deadline = use_deadline(esim)
    if deadline is None or awaits_code(esim):
        return
    for days in settings.NOTIFICATION_DEADLINE_DAYS:
        yield max(deadline - timedelta(days=days), esim.created_at + JUST_DELIVERED), deadline


def has_deadline(package: Package) -> bool:
    """Whether it waits and is to be started by a certain time."""
    return package.status == PackageStatus.WAITING and package.activate_by is not None


def package_moments(esim: Esim, package: Package) -> Iterable[tuple[datetime, datetime]]:
    """(when to tell, until when there is time): it waits behind another one on a line in use, and has its own deadline.

    That of a line which has not begun is the line's own.
    """
    if package.activate_by is None or not has_deadline(package) or LineState(esim.state) not in _HOLDS_WAITING:
        return
    known_at = (package.created_at or esim.created_at) + JUST_DELIVERED
    for days in settings.NOTIFICATION_DEADLINE_DAYS:
        yield max(package.activate_by - timedelta(days=days), known_at), package.activate_by


def end_moments(esim: Esim) -> Iterable[tuple[datetime, datetime]]:
    """(when to tell, until when it says something): the line is in use, and its end is known."""
    until = promised_until(esim)
    if until is None or LineState(esim.state) not in _IN_USE:
        return
    yield until - timedelta(hours=settings.NOTIFICATION_END_HOURS), until
