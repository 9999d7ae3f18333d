"""The life of one line: pure functions from one eSIM object to the next.

A line is the documented eSIM object without `lastUpdatedAt`, which is added when it is served. Steps
imply the earlier ones: a phone that connects has installed, one that installs has downloaded.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from providers.simulator.clock import JST, format_instant, parse_instant, to_jst_date
from providers.simulator.esim_commerce.numbers import make_imei
from providers.simulator.messages import Refusal

Line = dict[str, Any]


def create_line(
    *, iccid: str, home: str, covers: list[str], smdp: str, matching_id: str, now: datetime, unused_days: int
) -> Line:
    """A line as sold: usable, ready for download, nothing used."""
    deadline = datetime.combine(to_jst_date(now) + timedelta(days=unused_days), time(9), JST)  # 00:00 UTC
    return {
        "iccid": iccid,
        "homeCountry": home,
        "roamingCountries": [code for code in covers if code != home],
        "contractStatus": "ACTIVE",
        "profileProvisionStatus": "AVAILABLE",
        "profileInstallStatus": "READY",
        "isServiceRestricted": False,
        "qrCode": f"LPA:1${smdp}${matching_id}",
        "smdpAddress": smdp,
        "activationCode": matching_id,
        "activationDeadline": format_instant(deadline),
        "downloadedAt": None,
        "activatedOn": None,
        "terminatedOn": None,
        "expiresOn": None,
        "initialInsertionDevice": None,
        "initialInsertionAt": None,
        "initialConnectionDevice": None,
        "dataUsageDailyList": [],
        "totalDataUsage": 0,
    }


def settle_line(line: Line, *, at: datetime, expiry_hour_jst: float) -> Line:
    """The line as time alone has made it: ended on the day after `expiresOn`, or never used until its deadline.

    That an unused line ends at its activation deadline is our guess; the plan's `unusedTerminationDays` says so.
    """
    if line["contractStatus"] == "TERMINATED":
        return line
    if line["expiresOn"] is not None:
        end = date.fromisoformat(line["expiresOn"]) + timedelta(days=1)
        if at >= datetime.combine(end, time(0), JST) + timedelta(hours=expiry_hour_jst):
            return {**line, "contractStatus": "TERMINATED", "terminatedOn": end.isoformat()}
    elif line["activationDeadline"] is not None and at >= parse_instant(line["activationDeadline"]):
        ended = to_jst_date(parse_instant(line["activationDeadline"])).isoformat()
        return {**line, "contractStatus": "TERMINATED", "profileProvisionStatus": "CANCELED", "terminatedOn": ended}
    return line


def control_line(line: Line, action: str) -> Line:
    """Emergency control. Raises Refusal 400 on a terminated line; a repeated action changes nothing (both guesses)."""
    if line["contractStatus"] == "TERMINATED":
        raise Refusal(400, "LINE_TERMINATED", "The line is terminated")
    suspended = action == "suspend"
    return {**line, "contractStatus": "SUSPENDED" if suspended else "ACTIVE", "isServiceRestricted": suspended}


def replace_usage(line: Line, days: list[dict[str, str]]) -> Line:
    """The sandbox's usage setter: the list given is the whole list (our reading), the total its sum."""
    ordered = sorted(days, key=lambda entry: entry["day"])
    return {**line, "dataUsageDailyList": ordered, "totalDataUsage": sum(int(entry["usage"]) for entry in ordered)}


def apply_event(line: Line, event: str, *, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    """One step of a line's life from a control call. Raises Refusal 400 for an unknown event."""
    step = _EVENTS.get(event)
    if step is None:
        raise Refusal(400, "UNKNOWN_EVENT", f"No event {event!r}; there are {', '.join(_EVENTS)}")
    return step(line, now, validity_days, details)


def _download(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    if line["downloadedAt"] is not None:
        return line
    status = {"profileProvisionStatus": "DOWNLOADED", "profileInstallStatus": "DOWNLOADED"}
    return {**line, **status, "downloadedAt": format_instant(now)}


def _install(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    if line["initialInsertionAt"] is not None:
        return line
    line = _download(line, now, validity_days, details)
    imei = str(details.get("imei") or make_imei())
    first = {"initialInsertionDevice": imei, "initialInsertionAt": format_instant(now)}
    return {**line, **first, "profileInstallStatus": "INSTALLED"}


def _connect(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    if line["activatedOn"] is not None:
        return line
    line = _install(line, now, validity_days, details)
    first_day = to_jst_date(now)
    return {
        **line,
        "activatedOn": first_day.isoformat(),
        # Counted inclusively: seven days from 12-01 end on 12-07.
        "expiresOn": (first_day + timedelta(days=validity_days - 1)).isoformat(),
        "initialConnectionDevice": str(details.get("imei") or line["initialInsertionDevice"]),
    }


def _use(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    """`kb` used on `day` (JST, today by default); `"in": "total"` or `"days"` moves only one of the two."""
    kilobytes = int(details["kb"])
    line = _connect(line, now, validity_days, details)
    day = date.fromisoformat(details.get("day") or to_jst_date(now).isoformat()).isoformat()
    where = details.get("in", "both")
    days = {entry["day"]: int(entry["usage"]) for entry in line["dataUsageDailyList"]}
    if where != "total":
        days[day] = days.get(day, 0) + kilobytes
    total = line["totalDataUsage"] + (kilobytes if where != "days" else 0)
    daily = [{"day": name, "usage": str(used)} for name, used in sorted(days.items())]
    return {**line, "dataUsageDailyList": daily, "totalDataUsage": total}


def _fail_confirmation(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    return {**line, "profileInstallStatus": "CONFIRMATION_FAILED"}


def _fail(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    return {**line, "profileProvisionStatus": "ERROR"}


def _cancel(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    ended = _terminate(line, now, validity_days, details)
    return {**ended, "profileProvisionStatus": "CANCELED"}


def _terminate(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    return {**line, "contractStatus": "TERMINATED", "terminatedOn": to_jst_date(now).isoformat()}


def _suspend(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    return control_line(line, "suspend")


def _release(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    return control_line(line, "release")


def _set(line: Line, now: datetime, validity_days: int, details: Mapping[str, Any]) -> Line:
    """Any documented field to any value, for states that nobody would think of."""
    fields = dict(details["fields"])
    unknown = set(fields) - set(line)
    if unknown or "iccid" in fields:
        raise Refusal(400, "BAD_EVENT", f"Cannot set {sorted(unknown) or 'iccid'}")
    return {**line, **fields}


_EVENTS: Mapping[str, Callable[[Line, datetime, int, Mapping[str, Any]], Line]] = {
    "download": _download,
    "install": _install,
    "connect": _connect,
    "use": _use,
    "confirmation_failed": _fail_confirmation,
    "error": _fail,
    "cancel": _cancel,
    "terminate": _terminate,
    "suspend": _suspend,
    "release": _release,
    "set": _set,
}
