"""The line that a completed activation stands for."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from providers.types import CompletionRow, LineSnapshot, LineState

_JAPAN = ZoneInfo("Asia/Tokyo")


def make_provider_ref(eid: str, delivery_code: str) -> str:
    """How a line is known here: freebit gives it no name, so it is the device's EID and our delivery code."""
    return f"{eid}:{delivery_code}"


def make_line(row: CompletionRow, *, eid: str, delivery_code: str, seen_at: datetime) -> LineSnapshot:
    """The line of a row of success.

    OURS: it is ``READY``. The carrier has opened the line for that EID; whether the device has fetched its profile, or
    has ever connected, is told nowhere and never will be. There is no activation code: the EID is the way.
    """
    as_of = row.completed_at or _start_of_day(row) or seen_at
    return LineSnapshot(
        provider_ref=make_provider_ref(eid, delivery_code),
        iccid=row.iccid,
        state=LineState.READY,
        raw_states={name: word for name, word in (("result", row.code), ("message", row.message)) if word},
        # A row cannot be younger than the file that it came in.
        state_as_of=min(as_of, seen_at),
        usage_as_of=min(as_of, seen_at),
        eid=eid,
        phone_number=row.account_number,
        order_ref=delivery_code,
    )


def _start_of_day(row: CompletionRow) -> datetime | None:
    if row.completed_on is None:
        return None
    return datetime.combine(row.completed_on, time.min, tzinfo=_JAPAN).astimezone(UTC)
