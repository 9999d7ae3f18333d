"""What only reads: the catalogue, the places, the profiles and their usage."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from providers.simulator.esim_access.catalogue import BASE, TOPUP
from providers.simulator.esim_access.geography import COUNTRIES, PLACES, SINGLE, Place
from providers.simulator.esim_access.line import GETTING, Line
from providers.simulator.esim_access.line_store import Criteria, LineStore
from providers.simulator.esim_access.package_store import PackageStore, StoredPackage
from providers.simulator.esim_access.reading import (
    Body,
    read_body,
    read_instant,
    read_list,
    read_optional_text,
    read_whole,
)
from providers.simulator.esim_access.wire import answer, refuse, write_offset_time
from providers.simulator.messages import Reply
from providers.simulator.system import Call, Core

MOST_USAGES = 10
_ONLY_LIVE_IN_PACKAGES = ("locationCode", "fupPolicy")


class Queries:
    """Handlers that change nothing."""

    def __init__(self, core: Core, *, packages: PackageStore, lines: LineStore) -> None:
        self._core = core
        self._packages = packages
        self._lines = lines

    def list_packages(self, call: Call) -> Reply:
        body = read_body(call.request, may_be_empty=True)
        location = read_optional_text(body, "locationCode")
        kind = read_optional_text(body, "type") or BASE
        if kind not in (BASE, TOPUP):
            raise refuse("200008", "type")
        code = read_optional_text(body, "slug") or read_optional_text(body, "packageCode")
        if kind == TOPUP:
            bodies = self._packages.list_topups(base=self._find_topup_base(body, code), location=location)
        else:
            data_type = body.get("dataType")
            wanted = data_type if isinstance(data_type, int) else None
            bodies = self._packages.list_base(location=location, code=code, data_type=wanted)
        if not self._core.switches["access_live_fields"]:
            bodies = [_cut_package(text) for text in bodies]
        # The stored texts are joined as they are: no parsing of thousands of packages to write them again.
        envelope = answer(self._core.switches, {"packageList": []})
        joined = envelope.body.replace(b'"packageList":[]', f'"packageList":[{",".join(bodies)}]'.encode())
        return Reply(envelope.status, joined)

    def _find_topup_base(self, body: Body, code: str | None) -> StoredPackage | None:
        """The package whose top-ups are asked for, by itself or by a line that has it."""
        tran_no, iccid = read_optional_text(body, "esimTranNo"), read_optional_text(body, "iccid")
        if tran_no is iccid is None:
            return None if code is None else self._packages.find_base(code)
        line = self._lines.find_line(tran_no) if tran_no is not None else self._lines.find_by_iccid(str(iccid))
        if line is None:
            raise refuse("310403")
        return self._packages.find_base(str(line.package["packageCode"]))

    def query(self, call: Call) -> Reply:
        body = read_body(call.request)
        size, page = _read_pager(body)
        wanted = self._choose_newest(_read_criteria(body))
        reading = str(self._core.switches["access_allocating_reply"])
        if self._is_allocating(wanted) and reading != "bare":
            if reading == "error":
                raise refuse("200010")
            return self._answer_page([], total=0, size=size, page=page)
        by_name = wanted.start is None
        total, lines = self._lines.list_page(
            wanted, ready_only=not (by_name and reading == "bare"), page=page, size=size
        )
        shown = lines[: max(0, len(lines) - call.count_missing("short_reply"))]
        return self._answer_page(shown, total=total, size=size, page=page)

    def _choose_newest(self, wanted: Criteria) -> Criteria:
        """An ICCID alone means one line, although several may have had it."""
        if wanted.iccid is None or wanted.tran_no is not None or wanted.order_no is not None:
            return wanted
        line = self._lines.find_by_iccid(wanted.iccid)
        return wanted if line is None else replace(wanted, tran_no=line.tran_no)

    def _is_allocating(self, wanted: Criteria) -> bool:
        """Whether the order asked for is not complete yet. Raises Refusal 310272 or 310403 for what is not there."""
        if wanted.order_no is not None:
            lines = self._lines.list_order(wanted.order_no)
            if not lines:
                raise refuse("310272")
            return any(line.esim_status == GETTING for line in lines)
        line: Line | None = None
        if wanted.tran_no is not None:
            line = self._lines.find_line(wanted.tran_no)
        elif wanted.iccid is not None:
            line = self._lines.find_by_iccid(wanted.iccid)
        else:
            return False
        if line is None:
            raise refuse("310403")
        return line.esim_status == GETTING

    def _answer_page(self, lines: Sequence[Line], *, total: int, size: int, page: int) -> Reply:
        live = bool(self._core.switches["access_live_fields"])
        pager = {"pageSize": size, "pageNum": page, "total": total}
        return answer(self._core.switches, {"esimList": [line.to_wire(live=live) for line in lines], "pager": pager})

    def read_usage(self, call: Call) -> Reply:
        body = read_body(call.request)
        wanted = read_list(body, "esimTranNoList", most=MOST_USAGES)
        # A number that is not ours is left out. A guess.
        lines = [line for tran_no in wanted if (line := self._lines.find_line(str(tran_no))) is not None]
        usages = [
            {
                "esimTranNo": line.tran_no,
                "dataUsage": line.usage,
                "totalData": line.total_volume,
                "lastUpdateTime": write_offset_time(line.usage_at or line.ordered_at),
            }
            for line in lines
        ]
        return answer(self._core.switches, {"esimUsageList": usages})

    def list_locations(self, call: Call) -> Reply:
        read_body(call.request, may_be_empty=True)
        sold = self._packages.list_location_codes()
        live = bool(self._core.switches["access_live_fields"])
        return answer(
            self._core.switches,
            {"locationList": [_write_location(place, live=live) for place in PLACES if place.code in sold]},
        )


def _read_pager(body: Body) -> tuple[int, int]:
    """Size and number. Raises Refusal 000105, 000106, 000107."""
    if "pager" not in body:
        raise refuse("000105", "pager")
    pager = body["pager"]
    if not isinstance(pager, dict):
        raise refuse("000106", "pager")
    size = read_whole(pager, "pageSize", least=5, most=500, code="000107")
    return size, read_whole(pager, "pageNum", least=1, most=10_000, code="000107")


def _read_criteria(body: Body) -> Criteria:
    """At least one; a time range has both ends. Raises Refusal 000105."""
    order_no, iccid, tran_no = (read_optional_text(body, name) for name in ("orderNo", "iccid", "esimTranNo"))
    ranged = any(body.get(name) for name in ("startTime", "endTime"))
    if not ranged and order_no is iccid is tran_no is None:
        raise refuse("000105", "orderNo, iccid, esimTranNo, startTime")
    if not ranged:
        return Criteria(order_no=order_no, iccid=iccid, tran_no=tran_no)
    start, end = read_instant(body, "startTime"), read_instant(body, "endTime")
    return Criteria(order_no=order_no, iccid=iccid, tran_no=tran_no, start=start, end=end)


def _cut_package(text: str) -> str:
    """A package as the document's table lists it; there the countries stand with spaces."""
    package = json.loads(text)
    kept = {name: value for name, value in package.items() if name not in _ONLY_LIVE_IN_PACKAGES}
    kept["location"] = ", ".join(package["location"].split(","))
    kept["locationNetworkList"] = [
        {name: value for name, value in network.items() if name != "locationCode"}
        for network in package["locationNetworkList"]
    ]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _write_location(place: Place, *, live: bool) -> dict[str, Any]:
    """The document says `subLocation`, the live service `subLocationList`, null for a single country."""
    several = place.kind != SINGLE
    inner = [{"code": code, "name": COUNTRIES[code].name} for code in place.covers] if several else None
    location = {"code": place.code, "name": place.name, "type": 2 if several else 1}
    if live:
        return {**location, "subLocationList": inner}
    return {**location, "subLocation": inner} if several else location
