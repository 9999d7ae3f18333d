"""Lines as they are now: the stored versions, what time has made of them, and the steps that change them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from providers.simulator.clock import format_instant, parse_instant
from providers.simulator.esim_commerce import life
from providers.simulator.esim_commerce.line_store import LineStore, StoredLine
from providers.simulator.system import Core


class LineDesk:
    """Reads and changes the lines of one system by the simulated clock."""

    def __init__(self, core: Core, lines: LineStore) -> None:
        self._core = core
        self._lines = lines

    def render(self, stored: StoredLine, now: datetime) -> dict[str, Any]:
        """The eSIM object as a query shows it: live, or as the cached copy it was told to serve."""
        at = now if stored.as_of is None else min(now, parse_instant(stored.as_of))
        return self.stamp(self._lines.read_at(stored.iccid, at), at)

    def stamp(self, line: life.Line, at: datetime) -> dict[str, Any]:
        """A line with its ageing done, saying when its data is from."""
        return {**self._settle(line, at), "lastUpdatedAt": format_instant(at)}

    def control(self, stored: StoredLine, action: str, now: datetime) -> tuple[life.Line, life.Line]:
        """Suspend or release; the line before and after. Raises Refusal 400 on a terminated line."""
        before = self._settle(self._lines.read_newest(stored.iccid), now)
        after = life.control_line(before, action)
        lag = timedelta(seconds=float(self._core.switches["control_lag_s"]))
        self._lines.change_line(stored.iccid, after, at=now + lag)
        return before, after

    def set_usage(self, stored: StoredLine, days: list[dict[str, str]], now: datetime) -> life.Line:
        """The sandbox's usage setter."""
        line = life.replace_usage(self._settle(self._lines.read_newest(stored.iccid), now), days)
        self._lines.change_line(stored.iccid, line, at=now)
        return line

    def apply_event(self, stored: StoredLine, event: str, details: Mapping[str, Any], now: datetime) -> None:
        """A step that the phone or the carrier takes. Raises Refusal 400."""
        line = self._settle(self._lines.read_newest(stored.iccid), now)
        changed = life.apply_event(line, event, now=now, validity_days=stored.validity_days, details=details)
        self._lines.change_line(stored.iccid, changed, at=now)

    def _settle(self, line: life.Line, at: datetime) -> life.Line:
        return life.settle_line(line, at=at, expiry_hour_jst=float(self._core.switches["expiry_hour_jst"]))
