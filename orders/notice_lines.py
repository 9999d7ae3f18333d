"""What a line has to tell its customer: the reason, the key that makes it once, and the facts of its words.

A false alarm costs more trust than a late word. So a share is told only of an allowance in total that the provider
reports on (``esims/notices.py``), nothing of a line that is suspended or over, and every moment is judged again here,
by what the line is now.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from esims.abilities import abilities_of
from esims.events import EventKind
from esims.link_page import describe_time
from esims.models import Esim, LineEvent, Package
from esims.notices import deadline_moments, end_moments, package_moments
from esims.states import ENDED
from orders.models import Notification
from orders.notice_top_ups import TopUpHints
from orders.notice_words import say_moment
from providers.types import Capability, DataPeriod, LineState

K = Notification.Kind
Context = Callable[[], Mapping[str, Any]]
#: Ours. A reading as old as this still says whether a line is installed.
_FRESH_FOR = timedelta(hours=2)
#: Ours. So long a deadline's first word waits for a reading, and so often is looked whether it came.
_WAIT_FOR_READING, _LOOK_AGAIN = timedelta(hours=6), timedelta(minutes=10)
_NO_USE = ENDED | {LineState.SUSPENDED, LineState.DEPLETED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a customer is told something of a line. ``context`` is called in the language of the words."""

    kind: str
    key: str
    context: Context
    facts: Mapping[str, Any] = field(default_factory=dict)


def event_reason(event: LineEvent, hints: TopUpHints) -> Reason | None:
    """Why a row of the timeline is told, if it is: by what the line (fetched with account and plan) is now."""
    line = event.esim
    if event.kind == EventKind.USAGE_REACHED:
        return None if LineState(line.state) in _NO_USE else _usage(line, event.facts, hints)
    if event.kind == EventKind.STATE and event.facts.get("new") == line.state:
        return _used_up(line, event, hints) if line.state == LineState.DEPLETED else _ended(line, event.facts)
    # Since then it has become something else, of which another row tells.
    return None


def clock_reason(line: Esim, now: datetime, hints: TopUpHints, packages: Iterable[Package]) -> Reason | None:
    """What the clock says of a line now: the nearest moment that has come and in which there is time to act.

    ``packages``: those of the line that wait and have a deadline, the nearest first.
    """
    deadlines = [at for at, until in deadline_moments(line) if at <= now < until]
    if deadlines and line.activation_deadline is not None:
        days = [
            days
            for days in settings.NOTIFICATION_DEADLINE_DAYS
            if line.activation_deadline - timedelta(days=days) <= now
        ]
        deadline = line.activation_deadline
        return Reason(
            kind=K.DEADLINE,
            key=f"deadline-{min(days)}:esim:{line.pk}:{deadline:%Y%m%d%H%M}",
            context=lambda: {
                **_name(line),
                "deadline": say_moment(deadline),
                "on_phone": line.state != LineState.READY,
                "as_of": _say_age(line, now),
            },
            facts={"deadline": deadline.isoformat(), "mark_hours": min(days) * 24},
        )
    ends = [until for at, until in end_moments(line) if at <= now < until]
    if ends:
        return Reason(
            kind=K.LAST_DAY,
            key=f"last-day:esim:{line.pk}:{ends[0]:%Y%m%d%H%M}",
            context=lambda: {**_name(line), **hints.describe(line), "end": describe_time(line, now)},
            facts={"end": ends[0].isoformat(), "mark_hours": settings.NOTIFICATION_END_HOURS},
        )
    return next(filter(None, (_package_waits(line, package, now) for package in packages)), None)


def _package_waits(line: Esim, package: Package, now: datetime) -> Reason | None:
    deadline = package.activate_by
    if deadline is None or not any(at <= now < until for at, until in package_moments(line, package)):
        return None
    mark = min(days for days in settings.NOTIFICATION_DEADLINE_DAYS if deadline - timedelta(days=days) <= now)
    return Reason(
        kind=K.DEADLINE,
        key=f"deadline-{mark}:package:{package.pk}:{deadline:%Y%m%d%H%M}",
        context=lambda: {
            **_name(line),
            "deadline": say_moment(deadline),
            "package": package.name,
            "as_of": _say_age(line, now),
        },
        facts={"deadline": deadline.isoformat(), "mark_hours": mark * 24, "package": package.pk},
    )


def is_same_moment(new: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether a moment was told at this mark, and has moved by less than half of the mark's time since.

    Some providers work a deadline out anew at each reading, or round it in two ways: that is nothing to tell.
    """
    if any(new.get(name) != told.get(name) for name in ("mark_hours", "package")):
        return False
    name = "deadline" if "deadline" in new else "end"
    at, before = parse_datetime(new[name]), parse_datetime(told.get(name) or "")
    if at is None or before is None:
        return False
    return abs(at - before) < timedelta(hours=new["mark_hours"]) / 2


def wants_reading(line: Esim, now: datetime, packages: Iterable[Package]) -> bool:
    """Whether the line is to be read before its customer is hurried: what is stored is old, and may be asked for.

    Only for a while: then it is told as what was last known.
    """
    waiting = (moment for package in packages for moment in package_moments(line, package))
    came = [at for at, until in (*deadline_moments(line), *waiting) if at <= now < until]
    if not came or _is_fresh(line, now) or now >= max(came) + _WAIT_FOR_READING:
        return False
    return Capability.READ_LINE in abilities_of(line.account)


def read_first(line: Esim, now: datetime) -> Mapping[str, datetime]:
    """What is to be written so that the line is read, and looked at again; one that cannot be read keeps its turn."""
    again = {"notice_due_at": now + _LOOK_AGAIN}
    is_soon = line.next_refresh_at is not None and line.next_refresh_at <= now
    return again if line.refresh_failures or is_soon else {**again, "next_refresh_at": now}


def _say_age(line: Esim, now: datetime) -> str:
    """Of when we know it, where the provider does not answer, or never tells of lines; else ""."""
    return "" if _is_fresh(line, now) else say_moment(line.refreshed_at or line.created_at)


def _is_fresh(line: Esim, now: datetime) -> bool:
    return line.refreshed_at is not None and line.refreshed_at > now - _FRESH_FOR


def _usage(line: Esim, facts: Mapping[str, Any], hints: TopUpHints) -> Reason:
    percent, package, total = facts["percent"], facts.get("package"), facts["total"]
    of = f"package:{package}" if package is not None else f"total:{total}"
    as_of = parse_datetime(facts.get("as_of") or "")
    return Reason(
        kind=K.USAGE,
        key=f"usage-{percent}:esim:{line.pk}:{of}",
        context=lambda: {
            **_name(line),
            **hints.describe(line),
            "percent": percent,
            "used": facts["used"],
            "total": total,
            "as_of": say_moment(as_of),
        },
        facts={"percent": percent, "used": facts["used"], "total": total, "package": package},
    )


def _used_up(line: Esim, event: LineEvent, hints: TopUpHints) -> Reason | None:
    if line.plan.data_period == DataPeriod.DAY:
        # Tomorrow there is data again.
        return None
    # Topped up and used up again is another time: its allowance is another.
    allowance = line.total_data_bytes if line.total_data_bytes is not None else f"{event.at:%Y%m%d}"
    return Reason(
        kind=K.USED_UP,
        key=f"used-up:esim:{line.pk}:{allowance}",
        context=lambda: {**_name(line), **hints.describe(line)},
    )


def _ended(line: Esim, facts: Mapping[str, Any]) -> Reason:
    unused = facts.get("old") in {LineState.READY, LineState.DOWNLOADED} and line.state == LineState.EXPIRED
    end = line.expires_on or (line.expires_at.date() if line.expires_at else "")
    return Reason(
        kind=K.ENDED,
        key=f"ended:esim:{line.pk}:{end}",
        context=lambda: {**_name(line), "state": line.state, "unused": unused},
        facts={"state": line.state},
    )


def _name(line: Esim) -> dict[str, Any]:
    return {"label": line.label, "plan": line.plan.name}
