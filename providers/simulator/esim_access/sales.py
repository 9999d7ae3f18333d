"""What costs money: orders, top-ups and the refund of a cancelled line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from providers.simulator.esim_access import life
from providers.simulator.esim_access.account import Account
from providers.simulator.esim_access.catalogue import NO_TOPUP, TOPUP_BY_PERIOD
from providers.simulator.esim_access.line import Line, Load
from providers.simulator.esim_access.line_desk import LineDesk
from providers.simulator.esim_access.line_store import ORDER, TOPUP, LineStore
from providers.simulator.esim_access.numbers import ISSUERS, make_digits, make_matching_id, make_transaction_number
from providers.simulator.esim_access.package_store import PackageStore, StoredPackage
from providers.simulator.esim_access.reading import Body, read_list, read_money, read_text, read_whole
from providers.simulator.esim_access.serials import Serials
from providers.simulator.esim_access.wire import refuse, write_offset_time
from providers.simulator.system import Call, Core

MOST_IN_AN_ORDER = 30
MOST_DAYS = 365
MOST_TRANSACTION_ID = 50
_CENT_OF_CENT = Decimal(10_000)


@dataclass(frozen=True)
class _Entry:
    """One of the packages of an order."""

    package: StoredPackage
    count: int
    period_num: int | None

    @property
    def list_price(self) -> int:
        """Of one eSIM: a daily package's price is one day's. A guess; the document is silent."""
        return self.package.price * (self.period_num or 1)


class Sales:
    """Sells; every sale, its lines, the balance and the entry in the books are one commit."""

    def __init__(
        self,
        core: Core,
        *,
        system: str,
        packages: PackageStore,
        lines: LineStore,
        account: Account,
        desk: LineDesk,
        serials: Serials,
    ) -> None:
        self._core = core
        self._system = system
        self._packages = packages
        self._lines = lines
        self._account = account
        self._desk = desk
        self._serials = serials

    def order(self, call: Call, body: Body) -> dict[str, Any]:
        """Sell; the reply's object. The same transactionId is the same order, whatever else it says now."""
        transaction_id = read_text(body, "transactionId", most=MOST_TRANSACTION_ID)
        first = self._lines.find_dealing(ORDER, transaction_id)
        if first is not None:
            if self._core.switches["access_duplicate_order"] == "error":
                raise refuse("310402")
            return dict(first)
        entries = [self._read_entry(entry) for entry in read_list(body, "packageInfoList")]
        if sum(entry.count for entry in entries) > MOST_IN_AN_ORDER:
            raise refuse("200008", f"at most {MOST_IN_AN_ORDER} eSIMs")
        amount = read_money(body, "amount")
        if amount is not None and amount != sum(entry.list_price * entry.count for entry in entries):
            raise refuse("200006")
        for entry in entries:
            self._packages.take_stock(entry.package, entry.count)
        reply = self._sell(call, transaction_id, entries)
        self._lines.note_dealing(ORDER, transaction_id, reply)
        self._desk.settle(call.now)
        return reply

    def top_up(self, call: Call, line: Line, body: Body) -> dict[str, Any]:
        """Load a package onto a line; the reply's object holds the new totals."""
        transaction_id = read_text(body, "transactionId", most=MOST_TRANSACTION_ID)
        repeats = str(self._core.switches["access_duplicate_topup"])
        first = None if repeats == "again" else self._lines.find_dealing(TOPUP, transaction_id)
        if first is not None:
            if repeats == "error":
                raise refuse("310402")
            return dict(first)
        package = self._packages.find_topup(read_text(body, "packageCode"))
        self._check_fit(line, package)
        period_num = _read_period(body, package)
        price = package.price * (period_num or 1)
        amount = read_money(body, "amount", as_text=True)
        if amount is not None and amount != price:
            raise refuse("200006")
        charged = self._charge(price)
        load = Load(
            package=package.package,
            period_num=period_num,
            at=call.now,
            tran_no=make_transaction_number(call.now, self._serials.take("number")),
            transaction_id=transaction_id,
        )
        changed = self._desk.act(line, lambda old, now: life.top_up(old, load), call.now)
        detail = {"transactionId": transaction_id, "packageCode": package.code, "charged": charged}
        self._book(call, "topup", line, {**detail, "topUpEsimTranNo": load.tran_no})
        reply = self._write_topup(changed, load)
        self._lines.note_dealing(TOPUP, transaction_id, reply)
        return reply

    def cancel(self, call: Call, line: Line) -> None:
        """Give an unused line back for what its order charged."""
        self._desk.act(line, life.cancel, call.now)
        self._account.refund(line.charged)
        self._book(call, "cancel", line, {"refunded": line.charged})

    def _read_entry(self, entry: Any) -> _Entry:
        if not isinstance(entry, dict):
            raise refuse("200008", "packageInfoList")
        # The prose says "packageCode or slug", the table lets either stand in packageCode.
        name = "packageCode" if entry.get("packageCode") or not entry.get("slug") else "slug"
        package = self._packages.find_base(read_text(entry, name))
        if not package.on_sale:
            raise refuse("310243", package.code)
        count = read_whole(entry, "count", least=1, most=10_000, code="200008")
        price = read_money(entry, "price")
        if price is not None and price != package.price:
            raise refuse("200005")
        return _Entry(package=package, count=count, period_num=_read_period(entry, package))

    def _sell(self, call: Call, transaction_id: str, entries: Sequence[_Entry]) -> dict[str, Any]:
        wanted = sum(entry.count for entry in entries)
        sold = max(0, wanted - call.count_missing("short_order"))
        # Order numbers and eSIM numbers come from one counter with a gap: neither is the other with a letter.
        number = self._serials.take("number", wanted + 2)
        order_no = f"B{make_transaction_number(call.now, number)}"
        chosen = [entry for entry in entries for _ in range(entry.count)][:sold]
        lines = [
            self._create_line(call.now, transaction_id, order_no, number + 2 + index, entry)
            for index, entry in enumerate(chosen)
        ]
        position = self._serials.take("position", wanted)
        self._lines.add_lines(lines, position=position, issuers=[entry.package.issuer for entry in chosen])
        self._book_orders(call, transaction_id, entries, lines)
        reply = {"orderNo": order_no, "transactionId": transaction_id}
        return reply if self._core.switches["access_live_fields"] else {"orderNo": order_no}

    def _create_line(self, now: datetime, transaction_id: str, order_no: str, number: int, entry: _Entry) -> Line:
        package = entry.package.package
        tran_no = make_transaction_number(now, number)
        load = Load(
            package=package, period_num=entry.period_num, at=now, tran_no=tran_no, transaction_id=transaction_id
        )
        delay = timedelta(seconds=float(self._core.switches["access_allocation_delay_s"]))
        return Line(
            tran_no=tran_no,
            order_no=order_no,
            transaction_id=transaction_id,
            ordered_at=now,
            ready_at=now + delay,
            charged=self._charge(entry.list_price),
            loads=(load,),
            total_volume=int(package["volume"]),
            total_duration=load.days,
            matching_id=make_matching_id(),
            pin=make_digits(4),
            puk=make_digits(8),
            apn=ISSUERS[entry.package.issuer].apn,
        )

    def _charge(self, price: int) -> int:
        """Take a list price, or what is really charged for it; returns that. Raises Refusal 200007."""
        charged = int(price * Decimal(str(self._core.switches["access_charge_factor"])))
        self._account.charge(charged)
        return charged

    def _check_fit(self, line: Line, package: StoredPackage) -> None:
        """Raises Refusal 200008 for a top-up that is not one of this line's."""
        base = line.package
        by_package = package.package["locationCode"] == base["locationCode"] and not package.daily and not line.daily
        fits = package.code == f"TOPUP_{base['packageCode']}" if line.daily else by_package
        if base["supportTopUpType"] == NO_TOPUP or not fits:
            raise refuse("200008", package.code)

    def _write_topup(self, line: Line, load: Load) -> dict[str, Any]:
        own = self._core.switches["access_topup_transaction"] == "own"
        reply = {
            "transactionId": load.tran_no if own else load.transaction_id,
            "iccid": line.iccid,
            "expiredTime": None if line.expires_at is None else write_offset_time(line.expires_at),
            "totalVolume": line.total_volume,
            "totalDuration": line.total_duration,
            "orderUsage": line.usage,
        }
        return {**reply, "topUpEsimTranNo": load.tran_no} if self._core.switches["access_live_fields"] else reply

    def _book_orders(self, call: Call, transaction_id: str, entries: Sequence[_Entry], lines: Sequence[Line]) -> None:
        """One entry in the books for each entry of the order."""
        start = 0
        for entry in entries:
            sold = lines[start : start + entry.count]
            start += entry.count
            charged = sold[0].charged if sold else 0
            self._core.books.record_order(
                system=self._system,
                request_id=call.request_id,
                plan=entry.package.code,
                quantity=entry.count,
                reference=transaction_id,
                unit_price=Decimal(charged) / _CENT_OF_CENT,
                refs=[line.tran_no for line in sold],
                shown=len(sold),
            )

    def _book(self, call: Call, kind: str, line: Line, detail: dict[str, Any]) -> None:
        self._core.books.record_effect(
            system=self._system, request_id=call.request_id, kind=kind, ref=line.tran_no, detail=detail
        )


def _read_period(body: Body, package: StoredPackage) -> int | None:
    """`periodNum` belongs to daily packages; without one a day is bought."""
    if body.get("periodNum") is None:
        return 1 if package.daily else None
    if package.package["supportTopUpType"] != TOPUP_BY_PERIOD and not package.daily:
        raise refuse("200008", "periodNum")
    return read_whole(body, "periodNum", least=1, most=MOST_DAYS, code="200008")
