"""What the stand-in knows: plans, sales and lines. The truth against which Roamdesk's rows are compared."""

import itertools
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

#: The documents' own sample ICCIDs begin so; most numbers after it fail the Luhn check, as the samples do.
FIRST_ICCID = 8981100000000000001
FIRST_SANDBOX_ICCID = 8900100000000000001
FIRST_IMEI = 352099001761481
#: How every matching id begins.
FIRST_CODE = "K2-"


@dataclass(slots=True)
class Line:
    """One eSIM as it really is. Kilobytes and Japan dates, as the documents have them."""

    iccid: str
    host: str
    matching_id: str
    contract: str = "ACTIVE"
    provision: str = "AVAILABLE"
    install: str = "READY"
    restricted: bool = False
    activated_on: str | None = None
    expires_on: str | None = None
    terminated_on: str | None = None
    installed_at: datetime | None = None
    insertion_device: str | None = None
    connection_device: str | None = None
    days: dict[str, int] = field(default_factory=dict)
    total: int = 0
    updated_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def lpa(self) -> str:
        return f"LPA:1${self.host}${self.matching_id}"


@dataclass(frozen=True, slots=True)
class Sale:
    transaction_id: str
    plan_code: str
    iccids: tuple[str, ...]


class Books:
    """Thread-safe. ``tick`` is the house's clock: it moves a second at each look, so that no two stamps are equal."""

    def __init__(self, *, sandbox: bool = False) -> None:
        self.lock = threading.RLock()
        self.plans: dict[str, dict[str, object]] = {}
        self.sales: list[Sale] = []
        self.lines: dict[str, Line] = {}
        self.forgotten: set[str] = set()
        self._cached: dict[str, Line] = {}
        self._cached_left: dict[str, int] = {}
        self._numbers = itertools.count(FIRST_SANDBOX_ICCID if sandbox else FIRST_ICCID)
        self._imeis = itertools.count(FIRST_IMEI)
        self._now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)

    def tick(self) -> datetime:
        with self.lock:
            self._now += timedelta(seconds=1, milliseconds=137)
            return self._now

    def catch_up(self) -> None:
        """From now on the house's clock is ours, or goes ahead of it by its ticks."""
        self._now = max(self._now, datetime.now(UTC))

    @property
    def sold(self) -> list[str]:
        return sorted(iccid for sale in self.sales for iccid in sale.iccids)

    def sell(self, plan_code: str, quantity: int) -> tuple[str, list[Line]]:
        """Every call sells: there is no idempotency key."""
        with self.lock:
            lines = [self._make_line() for _ in range(quantity)]
            self.sales.append(Sale(str(uuid.uuid4()), plan_code, tuple(line.iccid for line in lines)))
            return self.sales[-1].transaction_id, lines

    def find_sale(self, transaction_id: str) -> Sale | None:
        if transaction_id in self.forgotten:
            return None
        return next((sale for sale in self.sales if sale.transaction_id == transaction_id), None)

    def install(self, iccid: str, *, active: bool = True) -> Line:
        """A customer downloads, installs and (``active``) connects."""
        with self.lock:
            line = self.lines[iccid]
            line.provision, line.install, line.installed_at = "DOWNLOADED", "INSTALLED", self.tick()
            line.insertion_device = str(next(self._imeis))
            if active:
                line.connection_device = str(next(self._imeis))
                line.activated_on, line.expires_on = "2026-02-28", "2026-03-06"
            return line

    def use(self, iccid: str, **days: int) -> None:
        """Kilobytes by day, named like ``d20260228``."""
        line = self.lines[iccid]
        for name, kilobytes in days.items():
            line.days[f"{name[1:5]}-{name[5:7]}-{name[7:]}"] = kilobytes
            line.total += kilobytes

    def control(self, iccid: str, action: str, *, cached_reads: int) -> tuple[Line, Line]:
        """(before, after)"""
        with self.lock:
            line = self.lines[iccid]
            before = replace(line, days=dict(line.days))
            self._cached[iccid], self._cached_left[iccid] = before, cached_reads
            line.contract, line.restricted = ("SUSPENDED", True) if action == "suspend" else ("ACTIVE", False)
            return before, line

    def look(self, iccid: str) -> Line:
        """The line as a status inquiry shows it: fresh, or a cached copy with its old stamp."""
        with self.lock:
            if self._cached_left.get(iccid, 0) > 0:
                self._cached_left[iccid] -= 1
                return self._cached[iccid]
            line = self.lines[iccid]
            line.updated_at = self.tick()
            return line

    def _make_line(self) -> Line:
        iccid = str(next(self._numbers))
        line = Line(iccid=iccid, host="rsp.carrier.example", matching_id=f"{FIRST_CODE}{uuid.uuid4().hex[:18].upper()}")
        line.updated_at = self.tick()
        self.lines[iccid] = line
        return line
