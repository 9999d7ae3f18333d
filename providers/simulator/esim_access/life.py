"""The life of one line: pure functions from one `Line` to the next, with the notices that each step sends.

Steps imply the earlier ones: a phone that connects has enabled the profile, one that enables has installed
it. Time does the rest (`advance`): allocation, used data that becomes known, the last day, the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from providers.simulator.esim_access.line import (
    CANCELLED,
    DELETED,
    DISABLED,
    DOWNLOADED,
    ENABLED,
    ENDED,
    GETTING,
    GOT,
    IN_USE,
    INSTALLED,
    LIVING,
    RELEASED,
    REVOKED,
    SUSPENDED,
    UNUSED_EXPIRED,
    USED_EXPIRED,
    USED_UP,
    Line,
    Load,
    Use,
)
from providers.simulator.esim_access.numbers import make_eid
from providers.simulator.esim_access.wire import refuse
from providers.simulator.messages import Refusal

ORDER_STATUS, SMDP_EVENT, ESIM_STATUS = "ORDER_STATUS", "SMDP_EVENT", "ESIM_STATUS"
DATA_USAGE, VALIDITY_USAGE = "DATA_USAGE", "VALIDITY_USAGE"

# Fractions of the volume whose use is announced.
THRESHOLDS = (0.5, 0.8, 0.9)
_LAST_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Notice:
    """Something a webhook tells, with the line as it was right then; `used`: which threshold was passed."""

    kind: str
    at: datetime
    line: Line
    used: float | None = None


Step = tuple[Line, list[Notice]]


def allocate(line: Line, *, iccid: str, imsi: str) -> Line:
    """The profile is there; it must be used within the package's unusedValidTime."""
    days = timedelta(days=int(line.package["unusedValidTime"]))
    return replace(
        line,
        iccid=iccid,
        imsi=imsi,
        esim_status=GOT,
        smdp_status=RELEASED,
        expires_at=line.ordered_at + days,
    )


def find_next_due(line: Line) -> datetime | None:
    """When time alone will change the line next; None: never."""
    if line.esim_status == GETTING:
        return line.ready_at
    if line.esim_status not in LIVING:
        return None
    instants = [use.known_at for use in line.uses]
    if line.expires_at is not None:
        instants.append(line.expires_at)
        if _warns(line):
            instants.append(line.expires_at - _LAST_DAY)
    return min(instants, default=None)


def advance(line: Line, now: datetime) -> Step:
    """Everything that has fallen due on an allocated line by `now`, each at its own instant."""
    notices: list[Notice] = []
    while (due := find_next_due(line)) is not None and due <= now and line.esim_status != GETTING:
        line, more = _meet(line, due)
        notices += more
    return line, notices


def apply_event(line: Line, event: str, *, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    """A step of the phone or the carrier. Raises Refusal 400 for an unknown event or one that cannot be."""
    if event not in EVENTS:
        raise Refusal(400, "UNKNOWN_EVENT", f"No event {event!r}; there are {', '.join(EVENTS)}")
    if line.esim_status == GETTING:
        raise Refusal(400, "BAD_EVENT", f"{line.tran_no} is still being allocated")
    if event not in ("set", "delete") and line.esim_status in ENDED:
        raise Refusal(400, "BAD_EVENT", f"{line.tran_no} has ended: {line.esim_status}")
    return EVENTS[event](line, now, lag, details)


def cancel(line: Line, now: datetime) -> Step:
    """Only what was never downloaded. Raises Refusal 200002."""
    if (line.esim_status, line.smdp_status) != (GOT, RELEASED):
        raise refuse("200002")
    return _tell_status(replace(line, esim_status=CANCELLED), now)


def suspend(line: Line, now: datetime) -> Step:
    """Pause the data. Raises Refusal 200002."""
    if line.esim_status not in (GOT, IN_USE, USED_UP):
        raise refuse("200002")
    return _tell_status(replace(line, esim_status=SUSPENDED, suspended_from=line.esim_status), now)


def unsuspend(line: Line, now: datetime) -> Step:
    """Back to what it was. Raises Refusal 200002."""
    if line.esim_status != SUSPENDED:
        raise refuse("200002")
    return _tell_status(replace(line, esim_status=line.suspended_from, suspended_from=""), now)


def revoke(line: Line, now: datetime) -> Step:
    """The end, without a refund. Raises Refusal 200002."""
    if line.esim_status not in LIVING:
        raise refuse("200002")
    return _tell_status(replace(line, esim_status=REVOKED), now)


def top_up(line: Line, load: Load) -> Step:
    """New, in use or depleted, never after its end. Raises Refusal 200002."""
    if line.esim_status not in (GOT, IN_USE, USED_UP):
        raise refuse("200002")
    days = timedelta(days=load.days)
    longer = line.expires_at + days if line.activated_at is not None and line.expires_at is not None else None
    volume = line.total_volume if line.daily else line.total_volume + int(load.package["volume"])
    changed = replace(
        line,
        loads=(*line.loads, load),
        total_volume=volume,
        total_duration=line.total_duration + load.days,
        expires_at=longer or line.expires_at,
        # What is again ahead will be told again.
        told=tuple(word for word in line.told if word != VALIDITY_USAGE and float(word) <= line.usage / volume),
    )
    if changed.esim_status == USED_UP and changed.remaining > 0:
        return _tell_status(replace(changed, esim_status=IN_USE), load.at)
    return changed, []


def _meet(line: Line, due: datetime) -> Step:
    """What falls due at this very instant: first the data, then the warning, then the end."""
    for use in line.uses:
        if use.known_at == due:
            return _learn_use(line, use)
    if _warns(line) and line.expires_at is not None and line.expires_at - _LAST_DAY == due:
        told = replace(line, told=(*line.told, VALIDITY_USAGE))
        return told, [Notice(VALIDITY_USAGE, due, told)]
    return _expire(line, due)


def _warns(line: Line) -> bool:
    """Whether the last day is still to be announced; a package of one day begins with it and is not."""
    if line.activated_at is None or line.expires_at is None or VALIDITY_USAGE in line.told:
        return False
    return line.expires_at - _LAST_DAY > line.activated_at


def _learn_use(line: Line, use: Use) -> Step:
    uses = tuple(other for other in line.uses if other is not use)
    changed = replace(line, uses=uses, usage=line.usage + use.volume, usage_at=use.at)
    if line.daily:
        # The volume is one day's: neither shares of it nor its end can be told from a sum.
        return changed, []
    passed = [
        share
        for share in THRESHOLDS
        if changed.usage >= share * changed.total_volume and str(share) not in changed.told
    ]
    changed = replace(changed, told=(*changed.told, *(str(share) for share in passed)))
    notices = [Notice(DATA_USAGE, use.known_at, changed, share) for share in passed]
    if changed.remaining == 0 and changed.esim_status == IN_USE:
        changed, more = _tell_status(replace(changed, esim_status=USED_UP), use.known_at)
        notices += more
    return changed, notices


def _expire(line: Line, at: datetime) -> Step:
    """The words as the query's table defines them: never activated in time, or its activated days are over."""
    word = UNUSED_EXPIRED if line.activated_at is None else USED_EXPIRED
    known = line.usage + sum(use.volume for use in line.uses)
    return _tell_status(replace(line, esim_status=word, expires_at=at, usage=known, uses=()), at)


def _tell_status(line: Line, at: datetime) -> Step:
    return line, [Notice(ESIM_STATUS, at, line)]


def _move_profile(line: Line, word: str, now: datetime, **changes: Any) -> Step:
    changed = replace(line, smdp_status=word, **changes)
    return changed, [Notice(SMDP_EVENT, now, changed)]


def _chain(first: Step, step: Callable[[Line], Step]) -> Step:
    line, notices = first
    changed, more = step(line)
    return changed, [*notices, *more]


def _activate(line: Line, now: datetime) -> Step:
    """The days begin: with the first installation (activeType 1) or the first connection (2)."""
    if line.activated_at is not None:
        return line, []
    expires = now + timedelta(days=line.total_duration)
    status = IN_USE if line.esim_status == GOT else line.esim_status
    suspended_from = IN_USE if line.esim_status == SUSPENDED else line.suspended_from
    changed = replace(line, activated_at=now, expires_at=expires, esim_status=status, suspended_from=suspended_from)
    return _tell_status(changed, now) if status == IN_USE else (changed, [])


def _download(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    if line.smdp_status != RELEASED:
        return line, []
    return _move_profile(line, DOWNLOADED, now, eid=str(details.get("eid") or make_eid()))


def _install(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    if line.installed_at is not None:
        return line, []
    step = _chain(
        _download(line, now, lag, details),
        lambda downloaded: _move_profile(downloaded, INSTALLED, now, installed_at=now),
    )
    if line.package["activeType"] == 1:
        return _chain(step, lambda installed: _activate(installed, now))
    return step


def _enable(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    if line.smdp_status == DELETED:
        raise Refusal(400, "BAD_EVENT", f"The profile of {line.tran_no} is deleted")
    if line.smdp_status == ENABLED:
        return line, []
    return _chain(_install(line, now, lag, details), lambda installed: _move_profile(installed, ENABLED, now))


def _disable(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    return _chain(_enable(line, now, lag, details), lambda enabled: _move_profile(enabled, DISABLED, now))


def _delete(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    if line.smdp_status in (RELEASED, DELETED):
        raise Refusal(400, "BAD_EVENT", f"No phone holds the profile of {line.tran_no}")
    return _move_profile(line, DELETED, now)


def _connect(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    return _chain(_enable(line, now, lag, details), lambda enabled: _activate(enabled, now))


def _use(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    if line.esim_status == SUSPENDED:
        raise Refusal(400, "BAD_EVENT", f"{line.tran_no} is suspended")
    volume = int(details["bytes"])
    use = Use(at=now, known_at=now + lag, volume=volume)
    step = _chain(
        _connect(line, now, lag, details), lambda connected: (replace(connected, uses=(*connected.uses, use)), [])
    )
    return _chain(step, lambda used: advance(used, now))


def _use_up(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    if not line.daily:
        waiting = sum(use.volume for use in line.uses)
        return _use(line, now, lag, {**details, "bytes": line.remaining - waiting})
    return _chain(_connect(line, now, lag, details), lambda used: _tell_status(replace(used, esim_status=USED_UP), now))


def _expire_now(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    return _expire(line, now)


def _set(line: Line, now: datetime, lag: timedelta, details: Mapping[str, Any]) -> Step:
    """Wire fields to any value; `{}` shows the truth again."""
    given = dict(details["fields"])
    return replace(line, overrides={**line.overrides, **given} if given else {}), []


EVENTS: Mapping[str, Callable[[Line, datetime, timedelta, Mapping[str, Any]], Step]] = {
    "download": _download,
    "install": _install,
    "enable": _enable,
    "disable": _disable,
    "delete": _delete,
    "connect": _connect,
    "use": _use,
    "use_up": _use_up,
    "expire": _expire_now,
    "set": _set,
}
