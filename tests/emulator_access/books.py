"""What this stand-in of eSIM Access really sold, topped up and took back, and the money of it."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

GIB = 1024**3
#: Every secret that the stand-in makes up begins in its own way, so that a search finds where one went.
FIRST_CODE = "ACMATCH"
FIRST_EID = "8904903212345123451234567890"
FIRST_IMSI = 454006109846571
FIRST_ICCID = 8985224528000942210
HOST = "rsp-eu.access.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Prices in ten-thousandths of a dollar."""

    code: str
    slug: str
    name: str
    price: int
    volume: int
    days: int
    location: tuple[str, ...]
    location_code: str
    data_type: int = 1
    sms: int = 0
    starts: int = 2
    #: 1 no, 2 yes, 3 yes with periodNum
    top_ups: int = 2
    retail: int = 0
    unused_days: int = 180
    base: str = ""


@dataclass(slots=True)
class Held:
    """One package on a line."""

    package: Package
    transaction_id: str
    tran_no: str
    days: int
    at: datetime


@dataclass(slots=True)
class Line:
    tran_no: str
    order_no: str
    transaction_id: str
    iccid: str
    imsi: str
    matching_id: str
    made_at: datetime
    expires_at: datetime
    held: list[Held] = field(default_factory=list)
    status: str = "GOT_RESOURCE"
    smdp: str = "RELEASED"
    eid: str = ""
    used: int = 0
    used_at: datetime | None = None
    installed_at: datetime | None = None
    activated_at: datetime | None = None
    before_suspension: str = ""
    messages: list[str] = field(default_factory=list)

    @property
    def lpa(self) -> str:
        return f"LPA:1${HOST}${self.matching_id}"

    @property
    def volume(self) -> int:
        """By the day for daily plans: their nominal volume."""
        first = self.held[0].package
        return first.volume if first.data_type != 1 else sum(held.package.volume for held in self.held)

    @property
    def days(self) -> int:
        return sum(held.days for held in self.held)


@dataclass(slots=True)
class Sale:
    order_no: str
    transaction_id: str
    tran_nos: tuple[str, ...]
    cost: int
    looks_left: int
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the account: what for, and by how much the balance moved."""

    kind: str
    ref: str
    amount: int


class RefusedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Books:
    """The house's lock guards it."""

    def __init__(self, *, looks: int, discount: int, reuses_iccids: bool) -> None:
        self.packages = {package.code: package for package in PACKAGES}
        self.sales: list[Sale] = []
        self.lines: dict[str, Line] = {}
        self.changes: list[Change] = [Change("deposit", "", 10_000_000)]
        self.top_ups: list[tuple[str, str]] = []
        self.stock: dict[str, int] = {}
        self.webhook = ""
        self.now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
        self._looks, self._discount, self._reuses = looks, discount, reuses_iccids
        self._free_iccids: list[str] = []
        self._numbers = itertools.count(7)
        self._iccids = itertools.count(FIRST_ICCID)
        self._imsis = itertools.count(FIRST_IMSI)
        self._eids = itertools.count(1001)

    @property
    def balance(self) -> int:
        return sum(change.amount for change in self.changes)

    @property
    def sold(self) -> list[str]:
        """What our account's API bought, whatever became of it."""
        return sorted(tran_no for sale in self.sales if sale.is_ours for tran_no in sale.tran_nos)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1, milliseconds=251)
        return self.now

    def find_package(self, ref: str) -> Package | None:
        return self.packages.get(ref) or next((p for p in self.packages.values() if p.slug == ref), None)

    def find_sale(self, transaction_id: str) -> Sale | None:
        return next((sale for sale in self.sales if sale.transaction_id == transaction_id), None)

    def find_line(self, *, tran_no: str = "", iccid: str = "") -> Line | None:
        """By the number, or the newest line that has the ICCID: they are re-used."""
        if tran_no:
            return self.lines.get(tran_no)
        return next((line for line in reversed(self.lines.values()) if line.iccid == iccid), None)

    def sell(self, transaction_id: str, wanted: list[tuple[Package, int, int]], *, is_ours: bool = True) -> Sale:
        """(package, how many, days or 0) each. Raises ``RefusedError``."""
        cost = sum((self.charge(package) * (days or 1)) * count for package, count, days in wanted)
        for package, count, _days in wanted:
            if self.stock.get(package.code, 10**6) < count:
                raise RefusedError("200011")
        if is_ours and cost > self.balance:
            raise RefusedError("200007")
        for package, count, _days in wanted:
            if package.code in self.stock:
                self.stock[package.code] -= count
        # Neither number is made of the other (the document's samples differ too).
        order_no = f"B{self.tick():%y%m%d%H}{next(self._numbers) * 37:06d}"
        made = [
            self._make_line(order_no, transaction_id, package, days)
            for package, count, days in wanted
            for _ in range(count)
        ]
        sale = Sale(order_no, transaction_id, tuple(line.tran_no for line in made), cost, self._looks, is_ours)
        self.sales.append(sale)
        if is_ours:
            self.changes.append(Change("order", order_no, -cost))
        return sale

    def charge(self, package: Package) -> int:
        return package.price - (self._discount if package.price > 4 * self._discount else 0)

    def _make_line(self, order_no: str, transaction_id: str, package: Package, days: int) -> Line:
        number = f"{self.now:%y%m%d%H}{next(self._numbers) * 53:07d}"
        iccid = self._free_iccids.pop() if self._free_iccids else str(next(self._iccids))
        line = Line(
            tran_no=number,
            order_no=order_no,
            transaction_id=transaction_id,
            iccid=iccid,
            imsi=str(next(self._imsis)),
            matching_id=f"{FIRST_CODE}{uuid.uuid4().hex[:20].upper()}",
            made_at=self.now,
            expires_at=self.now + timedelta(days=package.unused_days),
        )
        line.held.append(Held(package, transaction_id, number, days or package.days, self.now))
        self.lines[number] = line
        return line

    # -- what our calls change ----------------------------------------------------------------------------------------

    def cancel(self, line: Line) -> None:
        if (line.status, line.smdp) != ("GOT_RESOURCE", "RELEASED"):
            raise RefusedError("200002")
        line.status = "CANCEL"
        for held in line.held:
            self.changes.append(
                Change("cancel", line.tran_no, self.charge(held.package) * (held.days // held.package.days))
            )
        self._free(line)

    def suspend(self, line: Line) -> None:
        if line.status not in ("GOT_RESOURCE", "IN_USE", "USED_UP"):
            raise RefusedError("200002")
        line.before_suspension, line.status = line.status, "SUSPENDED"

    def unsuspend(self, line: Line) -> None:
        if line.status != "SUSPENDED":
            raise RefusedError("200002")
        line.status, line.before_suspension = line.before_suspension, ""

    def revoke(self, line: Line) -> None:
        if line.status in ENDED:
            raise RefusedError("200002")
        line.status, line.smdp = "REVOKE", "DELETED"
        self._free(line)

    def top_up(self, line: Line, package: Package, transaction_id: str, days: int) -> None:
        if line.status in ENDED or line.expires_at <= self.now:
            raise RefusedError("200002")
        cost = self.charge(package) * (days or 1)
        if cost > self.balance:
            raise RefusedError("200007")
        number = f"{self.tick():%y%m%d%H}{next(self._numbers) * 53:07d}"
        line.held.append(Held(package, transaction_id, number, days or package.days, self.now))
        line.expires_at += timedelta(days=days or package.days)
        if line.status == "USED_UP":
            line.status = "IN_USE"
        self.top_ups.append((line.tran_no, transaction_id))
        self.changes.append(Change("topup", transaction_id, -cost))

    def _free(self, line: Line) -> None:
        if self._reuses:
            self._free_iccids.append(line.iccid)

    # -- what customers and time change -------------------------------------------------------------------------------

    def install(self, line: Line, *, in_use: bool = False) -> None:
        line.smdp, line.installed_at = "ENABLED", self.tick()
        line.eid = f"{FIRST_EID}{next(self._eids):04d}"
        if in_use:
            line.status, line.activated_at = "IN_USE", self.now
            line.expires_at = self.now + timedelta(days=line.days)

    def use(self, line: Line, amount: int) -> None:
        line.used += amount
        line.used_at = self.tick()
        if line.held[0].package.data_type == 1 and line.used >= line.volume:
            line.status = "USED_UP"

    def expire(self, line: Line) -> None:
        line.status = "USED_EXPIRED" if line.activated_at else "UNUSED_EXPIRED"
        line.expires_at = self.tick()


ENDED = {"CANCEL", "REVOKE", "USED_EXPIRED", "UNUSED_EXPIRED"}
_ASIA = ["CN", "HK", "ID", "JP", "MO", "MY", "PH", "SG", "KR", "TW", "TH"]
_BASE = (
    Package(
        code="JC016",
        slug="AS-11_1_30",
        name="Asia 11 countries 1GB 30 Days",
        price=71_000,
        volume=GIB,
        days=30,
        location=tuple(_ASIA),
        location_code="AS-11",
        retail=142_000,
    ),
    Package(
        code="CKH002",
        slug="ES_3_30",
        name="Spain 3GB 30Days",
        price=18_000,
        volume=3 * GIB,
        days=30,
        location=("ES",),
        location_code="ES",
        retail=36_000,
        sms=1,
    ),
    Package(
        code="SM001",
        slug="VN_0.1_7",
        name="Vietnam 100MB 7Days",
        price=2_850,
        volume=104_857_600,
        days=7,
        location=("VN",),
        location_code="VN",
        starts=1,
        top_ups=1,
        retail=5_700,
        sms=2,
        unused_days=30,
    ),
    Package(
        code="P1X57VWMR",
        slug="GE_1_Daily_1Mbps",
        name="Georgia 1GB/Day FUP1Mbps",
        price=9_000,
        volume=GIB,
        days=1,
        location=("GE",),
        location_code="GE",
        data_type=2,
        top_ups=3,
        retail=18_000,
    ),
    Package(
        code="PUNLIM04",
        slug="TR_Unlimited_Daily",
        name="Turkiye Unlimited Daily",
        price=31_000,
        volume=5 * GIB,
        days=1,
        location=("TR",),
        location_code="TR",
        data_type=4,
        top_ups=1,
        retail=62_000,
    ),
)
_TOP_UPS = tuple(
    Package(
        code=f"TOPUP_{base.code}",
        slug="",
        name=f"{base.name} top-up",
        price=base.price - 1_000,
        volume=base.volume,
        days=base.days,
        location=base.location,
        location_code=base.location_code,
        data_type=base.data_type,
        top_ups=base.top_ups,
        retail=base.retail,
        base=base.code,
    )
    for base in _BASE
    if base.top_ups != 1
)
PACKAGES = (*_BASE, *_TOP_UPS)
RegionRow = tuple[str, str, int, tuple[tuple[str, str], ...]]
REGIONS: tuple[RegionRow, ...] = (
    ("ES", "Spain", 1, ()),
    ("VN", "Vietnam", 1, ()),
    ("AS-11", "Asia 11", 2, tuple((code, f"Land of {code}") for code in _ASIA)),
)
Json = dict[str, Any]
