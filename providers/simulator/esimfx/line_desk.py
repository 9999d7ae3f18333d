"""eSIMs as they are now: every change is stored and its webhooks are sent, in one commit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.simulator.esimfx import life
from providers.simulator.esimfx.account import Portal
from providers.simulator.esimfx.life import Line, Step
from providers.simulator.esimfx.line_store import LineStore
from providers.simulator.messages import Refusal

EVENTS = ("install", "connect", "use", "expire", "deactivate")


class LineDesk:
    """Lets time and the phone change eSIMs."""

    def __init__(self, lines: LineStore, portal: Portal) -> None:
        self._lines = lines
        self._portal = portal

    def settle(self, now: datetime) -> None:
        """Everything that has fallen due by the clock."""
        for line in self._lines.list_due(now):
            self._keep(life.settle(line, now))

    def apply_event(self, iccid: str, event: str, details: Mapping[str, Any], now: datetime) -> None:
        """A step that the phone or the network takes. Raises Declined, and Refusal 400 for an unknown event."""
        self.settle(now)
        self._keep(self._step(self._lines.find_line(iccid), event, details, life.to_second(now)))

    def _step(self, line: Line, event: str, details: Mapping[str, Any], now: datetime) -> Step:
        match event:
            case "install":
                return life.install(line, now), []
            case "connect":
                return life.connect(line, now)
            case "use":
                return life.use(line, _read_bytes(details), now, self._portal.read().thresholds)
            case "expire":
                return life.expire(line, details.get("order_id"), now)
            case "deactivate":
                return life.deactivate(line, now), []
        raise Refusal(400, "UNKNOWN_EVENT", f"No event {event!r}; there are {', '.join(EVENTS)}")

    def _keep(self, step: Step) -> None:
        line, notices = step
        self._lines.change_line(line)
        self._portal.notify(notices)


def _read_bytes(details: Mapping[str, Any]) -> int:
    amount = details["bytes"]
    if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
        raise Refusal(400, "BAD_EVENT", "bytes is a whole number from 0")
    return amount
