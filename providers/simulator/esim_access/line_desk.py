"""Lines by the simulated clock: what time has made of them, the steps that change them, and who is told."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from providers.simulator.esim_access import life
from providers.simulator.esim_access.account import Account
from providers.simulator.esim_access.life import ORDER_STATUS, Notice, Step
from providers.simulator.esim_access.line import GETTING, Line
from providers.simulator.esim_access.line_store import LineStore
from providers.simulator.esim_access.notices import write_notice
from providers.simulator.esim_access.numbers import ISSUERS, make_iccid, make_imsi
from providers.simulator.esim_access.serials import Serials
from providers.simulator.esim_access.wire import refuse
from providers.simulator.system import Core

Action = Callable[[Line, datetime], Step]


class LineDesk:
    """Reads and changes lines; webhooks leave with the commit of the change."""

    def __init__(self, core: Core, *, system: str, lines: LineStore, account: Account, serials: Serials) -> None:
        self._core = core
        self._system = system
        self._lines = lines
        self._account = account
        self._serials = serials

    def settle(self, now: datetime) -> None:
        """Allocate what is ready and let the rest of the clock's work be done."""
        ready_orders: dict[str, Line] = {}
        for line, issuer in self._lines.list_due(now):
            notices: list[Notice] = []
            changed = line
            if line.esim_status == GETTING:
                changed = self._allocate(line, issuer)
                ready_orders[line.order_no] = changed
            changed, notices = life.advance(changed, now)
            self._lines.change_line(changed)
            # An order is told before what has become of its lines since.
            self._tell_orders(ready_orders)
            self._tell(notices)

    def act(self, line: Line, action: Action, now: datetime) -> Line:
        """Cancel, suspend and their like. Raises Refusal 200002, also while the profile is being allocated."""
        if line.esim_status == GETTING:
            raise refuse("200002")
        changed, notices = action(line, now)
        self._lines.change_line(changed)
        self._tell(notices)
        return changed

    def apply_event(self, line: Line, event: str, details: Mapping[str, Any], now: datetime) -> Line:
        """A step that the phone or the carrier takes. Raises Refusal 400."""
        lag = timedelta(seconds=float(self._core.switches["access_usage_lag_s"]))
        changed, notices = life.apply_event(line, event, now=now, lag=lag, details=details)
        self._lines.change_line(changed)
        self._tell(notices)
        return changed

    def _allocate(self, line: Line, issuer: int) -> Line:
        maker = ISSUERS[issuer]
        reused = self._lines.find_free_iccid(issuer) if self._core.switches["access_reuse_iccids"] else None
        serial = self._serials.take("profile")
        return life.allocate(line, iccid=reused or make_iccid(maker, serial), imsi=make_imsi(maker, serial))

    def _tell_orders(self, ready: dict[str, Line]) -> None:
        """One ORDER_STATUS for an order, once its last line is there."""
        for order_no, line in list(ready.items()):
            if all(other.esim_status != GETTING for other in self._lines.list_order(order_no)):
                self._tell([Notice(ORDER_STATUS, line.ready_at, line)])
                del ready[order_no]

    def _tell(self, notices: Sequence[Notice]) -> None:
        url = self._account.webhook
        if url is None:
            return
        for notice in notices:
            body = write_notice(notice, self._core.switches)
            self._core.webhooks.send(system=self._system, kind=notice.kind, url=url, headers={}, body=body)
