"""A stand-in of eSIM Access written from its document alone, on a socket of its own, in this process.

It judges requests as strictly as the document allows, and answers as its ``Quirks`` say.
"""

import hashlib
import hmac
import json
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.emulator.house import Arrival, House, Limit
from tests.emulator.wire import Fault, Reply
from tests.emulator_access.books import Books, Json, Line, Package, RefusedError, Sale
from tests.emulator_access.quirks import Quirks
from tests.emulator_access.wording import Wording

ACCESS_CODE = "ac-9f31c07be52d4a"
SECRET_KEY = "sk-c4e1550a7d"
#: Operation by path, and the parameters that the document lists for it (or that newer texts add).
ROUTES: Mapping[str, tuple[str, frozenset[str]]] = {
    "package/list": ("packages", frozenset({"locationCode", "type", "packageCode", "slug", "iccid", "dataType"})),
    "esim/order": ("order", frozenset({"transactionId", "amount", "packageInfoList"})),
    "esim/query": ("query", frozenset({"orderNo", "iccid", "esimTranNo", "startTime", "endTime", "pager"})),
    "esim/cancel": ("cancel", frozenset({"iccid", "esimTranNo"})),
    "esim/suspend": ("suspend", frozenset({"iccid", "esimTranNo"})),
    "esim/unsuspend": ("unsuspend", frozenset({"iccid", "esimTranNo"})),
    "esim/revoke": ("revoke", frozenset({"iccid", "esimTranNo"})),
    "balance/query": ("balance", frozenset()),
    "esim/topup": (
        "topup",
        frozenset({"iccid", "esimTranNo", "packageCode", "amount", "transactionId", "periodNum"}),
    ),
    "webhook/save": ("webhook_save", frozenset({"webhook"})),
    "webhook/query": ("webhook_query", frozenset()),
    "esim/sendSms": ("sms", frozenset({"iccid", "esimTranNo", "message"})),
    "esim/usage/query": ("usage", frozenset({"esimTranNoList"})),
    "location/list": ("regions", frozenset()),
}
_ROOT = "/api/v1/open/"
_ITEM = frozenset({"packageCode", "slug", "count", "price", "periodNum"})
#: How far a signed call's clock may be from ours; the document only says that it "has expired".
_CLOCK_SECONDS = 300


class AccessHouse(House[Quirks]):
    """The one account of ours."""

    def __init__(self, quirks: Quirks) -> None:
        super().__init__(quirks)
        self.books = Books(looks=quirks.looks, discount=quirks.discount, reuses_iccids=quirks.reuses_iccids)
        self.wording = Wording(quirks)
        self.limit = Limit(calls=8, seconds=1.0)
        self._request_ids: set[str] = set()

    def _route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        start = self.quirks.prefix + _ROOT
        route = ROUTES.get(target.removeprefix(start)) if target.startswith(start) else None
        return (route[0] if route else "NOWHERE"), {}

    def _word_fault(self, fault: Fault) -> tuple[bytes, str]:
        return self.wording.failure("000001"), "application/json"

    def _over_limit(self) -> Reply:
        if self.quirks.busy == "429":
            return Reply(429, b"", headers={"Retry-After": "1"})
        return self._refuse(self.quirks.busy)

    # -- one request --------------------------------------------------------------------------------------------------

    def _act(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        if arrival.operation == "NOWHERE":
            return Reply(404, b"<html>404</html>", "text/html")
        if arrival.method != "POST":
            return self._refuse("000103")
        try:
            self._authenticate(arrival)
            if arrival.operation in self.canned:
                return Reply(200, json.dumps(self.canned[arrival.operation](arrival)).encode())
            body = self._read_body(arrival)
            act: Callable[[Json], Any] = getattr(self, f"_{arrival.operation}")
            obj = act(body)
        except RefusedError as refused:
            return self._refuse(refused.code)
        return Reply(200, self.wording.success(obj), "application/json;charset=UTF-8")

    def _refuse(self, code: str) -> Reply:
        return Reply(self.quirks.failure_status, self.wording.failure(code), "application/json;charset=UTF-8")

    def _complain(self, words: str) -> None:
        self.complaints.append(words)

    def _authenticate(self, arrival: Arrival) -> None:
        headers = arrival.headers
        code = headers.get("rt-accesscode")
        if code is None:
            raise RefusedError("000101")
        if code != ACCESS_CODE:
            raise RefusedError(self.quirks.wrong_key)
        signature = headers.get("rt-signature")
        if signature is None:
            if self.quirks.only_signed:
                raise RefusedError("000101")
            return
        stamp, request_id = headers.get("rt-timestamp", ""), headers.get("rt-requestid", "")
        if not (stamp and request_id):
            raise RefusedError("000101")
        if not re.fullmatch("[0-9]{13}", stamp) or not re.fullmatch("[0-9a-f]{32}|[0-9a-f-]{36}", request_id):
            raise RefusedError("000102")
        if abs(time.time() - int(stamp) / 1000) > _CLOCK_SECONDS:
            raise RefusedError("101001")
        signed = f"{stamp}{request_id}{code}".encode() + arrival.raw
        # "converted to all lowercase characters for standardization purposes"
        if signature != hmac.new(SECRET_KEY.encode(), signed, hashlib.sha256).hexdigest().lower():
            raise RefusedError("101003")
        if request_id in self._request_ids:
            self._complain("the same RT-RequestID twice")
        self._request_ids.add(request_id)

    def _read_body(self, arrival: Arrival) -> Json:
        known = next(names for operation, names in ROUTES.values() if operation == arrival.operation)
        if not arrival.raw and not known:
            return {}
        if "json" not in arrival.headers.get("content-type", ""):
            self._complain(f"{arrival.operation}: a body that is not called JSON")
        if not isinstance(arrival.body, dict):
            raise RefusedError("000104")
        for name in arrival.body.keys() - known:
            self._complain(f"{arrival.operation}: {name} is no parameter")
        return arrival.body

    # -- the documented operations ------------------------------------------------------------------------------------

    def _packages(self, body: Json) -> Json:
        code, kind = body.get("locationCode") or "", body.get("type") or "BASE"
        if kind not in ("BASE", "TOPUP"):
            raise RefusedError("000107")
        if kind == "BASE":
            return {"packageList": [self.wording.package(package) for package in self._choose(body, code)]}
        base = self._find_base(body)
        shown = [p for p in self.books.packages.values() if p.base and base in (None, p.base)]
        return {"packageList": [self.wording.package(package) for package in shown]}

    def _choose(self, body: Json, place: str) -> list[Package]:
        wanted = body.get("packageCode") or body.get("slug")
        packages = [package for package in self.books.packages.values() if not package.base]
        if wanted:
            packages = [package for package in packages if wanted in (package.code, package.slug)]
        if place == "!RG":
            return [package for package in packages if len(package.location) > 1]
        if place == "!GL":
            return []
        return [package for package in packages if not place or place in package.location]

    def _find_base(self, body: Json) -> str | None:
        """The package whose top-ups are asked for; None for all of them."""
        if body.get("iccid"):
            line = self.books.find_line(iccid=body["iccid"])
            if line is None:
                raise RefusedError("310403")
            return line.held[0].package.code
        ref = body.get("packageCode") or body.get("slug")
        if not ref:
            return None
        package = self.books.find_package(ref)
        if package is None:
            raise RefusedError("310241")
        return package.base or package.code

    def _order(self, body: Json) -> Json:
        key = self._read_key(body)
        known = self.books.find_sale(key)
        if known:
            if self.quirks.duplicate != "original":
                raise RefusedError(self.quirks.duplicate)
            return self._tell_order(known)
        items = body.get("packageInfoList")
        if not isinstance(items, list) or not items:
            raise RefusedError("000105")
        wanted = [self._read_item(item) for item in items]
        if sum(count for _package, count, _days in wanted) > 30:
            raise RefusedError("200008")
        if "amount" in body and body["amount"] != sum(
            self._price(item, package) * count for item, (package, count, _days) in zip(items, wanted, strict=True)
        ):
            raise RefusedError("200006")
        return self._tell_order(self.books.sell(key, wanted))

    def _read_key(self, body: Json) -> str:
        key = body.get("transactionId")
        if key is None:
            raise RefusedError("000105")
        if not isinstance(key, str) or not 1 <= len(key) <= 50:
            raise RefusedError("000107")
        return key

    def _read_item(self, item: Any) -> tuple[Package, int, int]:
        if not isinstance(item, dict):
            raise RefusedError("000104")
        for name in item.keys() - _ITEM:
            self._complain(f"order: {name} is no parameter")
        ref, count = item.get("packageCode") or item.get("slug"), item.get("count")
        if not ref or type(count) is not int:
            raise RefusedError("000105")
        if count < 1:
            raise RefusedError("000107")
        package = self.books.find_package(ref)
        if package is None or package.base:
            raise RefusedError("310241")
        self._price(item, package)
        return package, count, self._read_days(item, package)

    def _price(self, item: Json, package: Package) -> int:
        if "price" in item and (package.data_type != 1 or item["price"] != package.price):
            # How the days of a daily plan enter its price is not documented: whoever names one is refused.
            raise RefusedError("200005")
        return package.price

    def _read_days(self, item: Json, package: Package) -> int:
        days = item.get("periodNum")
        if package.data_type == 1:
            if days is not None:
                raise RefusedError("200008")
            return 0
        if type(days) is not int or not 1 <= days <= 365:
            raise RefusedError("200008")
        return days

    def _tell_order(self, sale: Sale) -> Json:
        told = {"orderNo": sale.order_no}
        return told | {"transactionId": sale.transaction_id} if self.quirks.tells_key else told

    def _query(self, body: Json) -> Json:
        size, number = self._read_pager(body.get("pager"))
        order_no, iccid, tran_no = (body.get(name) or "" for name in ("orderNo", "iccid", "esimTranNo"))
        tran_no = tran_no if self.quirks.heeds_tran_no else ""
        start, end = body.get("startTime") or "", body.get("endTime") or ""
        if not (order_no or iccid or tran_no or (start and end)):
            raise RefusedError("000105")
        rows, pending = self._list_lines(), 0
        if start and end:
            since, until = _read_instant(start), _read_instant(end)
            rows = [line for line in rows if since <= line.made_at <= until]
            if self.quirks.moves and number > 1:
                self._sell_to_somebody()
                rows = [line for line in self._list_lines() if since <= line.made_at <= until]
        if tran_no:
            rows = [line for line in rows if line.tran_no == tran_no]
        if iccid:
            rows = [line for line in rows if line.iccid == iccid][:1]
        if (tran_no or iccid) and not rows and self.quirks.unknown_line != "empty":
            raise RefusedError(self.quirks.unknown_line)
        if order_no:
            pending = self._look_at_order(order_no)
            rows = [line for line in reversed(self.books.lines.values()) if line.order_no == order_no]
        waiting = set() if order_no else self._find_allocating()
        shown = [
            self.wording.line(line, allocated=index >= pending and line.order_no not in waiting)
            for index, line in enumerate(rows)
        ]
        if pending and self.quirks.pending == "empty":
            shown = []
        page = shown[(number - 1) * size : number * size]
        pager = {"pageSize": size, "pageNum": number}
        if self.quirks.tells_total:
            pager["total"] = len(shown)
        return {
            "esimList": page,
            "pager": {name: self.wording.number(value) for name, value in pager.items()},
        }

    def _find_allocating(self) -> set[str]:
        return {sale.order_no for sale in self.books.sales if sale.looks_left > 0}

    def _list_lines(self) -> list[Line]:
        """The newest first. What an order's own query does not tell while it allocates, no list tells either."""
        waiting = set() if self.quirks.pending == "bare" else self._find_allocating()
        return [line for line in reversed(self.books.lines.values()) if line.order_no not in waiting]

    def _look_at_order(self, order_no: str) -> int:
        """How many eSIMs of the order are still being allocated. Raises while nothing of it may be told."""
        sale = next((sale for sale in self.books.sales if sale.order_no == order_no), None)
        if sale is None:
            raise RefusedError("310272")
        if sale.looks_left <= 0:
            return 0
        sale.looks_left -= 1
        if self.quirks.pending == "lag" and sale.looks_left == self.quirks.looks - 1:
            raise RefusedError("310272")
        if self.quirks.pending in ("code", "lag"):
            raise RefusedError("200010")
        return max(1, len(sale.tran_nos) * (sale.looks_left + 1) // (self.quirks.looks + 1))

    def _read_pager(self, pager: Any) -> tuple[int, int]:
        if not isinstance(pager, dict) or pager.keys() != {"pageSize", "pageNum"}:
            raise RefusedError("000105")
        size, number = pager["pageSize"], pager["pageNum"]
        if type(size) is not int or type(number) is not int or not (5 <= size <= 500 and 1 <= number <= 10_000):
            raise RefusedError("000107")
        return min(size, self.quirks.page_cap), number

    def _sell_to_somebody(self) -> None:
        """The account's other users buy by the console meanwhile."""
        sale = self.books.sell(
            f"console-{len(self.books.sales)}", [(self.books.packages["CKH002"], 1, 0)], is_ours=False
        )
        sale.looks_left = 0

    def _find(self, body: Json, operation: str) -> Line:
        tran_no, iccid = body.get("esimTranNo") or "", body.get("iccid") or ""
        if not (tran_no or iccid):
            raise RefusedError("000105")
        if not tran_no:
            self._complain(f"{operation}: by an ICCID, which is re-used")
        line = self.books.find_line(tran_no=tran_no, iccid=iccid)
        if line is None or (tran_no and iccid and line.iccid != iccid):
            raise RefusedError("310403")
        return line

    def _cancel(self, body: Json) -> Json:
        self.books.cancel(self._find(body, "cancel"))
        return {}

    def _suspend(self, body: Json) -> Json:
        self.books.suspend(self._find(body, "suspend"))
        return {}

    def _unsuspend(self, body: Json) -> Json:
        self.books.unsuspend(self._find(body, "unsuspend"))
        return {}

    def _revoke(self, body: Json) -> Json:
        self.books.revoke(self._find(body, "revoke"))
        return {}

    def _balance(self, _body: Json) -> Json:
        return {"balance": self.wording.number(self.books.balance)}

    def _topup(self, body: Json) -> Json:
        key = self._read_key(body)
        line = self._find(body, "topup")
        if self.quirks.keys_top_ups and (line.tran_no, key) in self.books.top_ups:
            return self.wording.top_up(line)
        package = self.books.packages.get(body.get("packageCode") or "")
        if package is None:
            raise RefusedError("310241")
        if package.base != line.held[0].package.code:
            raise RefusedError("310243")
        days = body.get("periodNum")
        if (package.data_type == 1) != (days is None):
            raise RefusedError("200008")
        # A String in the table; of a daily plan's nobody knows what it would be.
        if "amount" in body and (package.data_type != 1 or body["amount"] != str(package.price)):
            raise RefusedError("200006")
        self.books.top_up(line, package, key, days or 0)
        return self.wording.top_up(line)

    def _sms(self, body: Json) -> Json:
        line, message = self._find(body, "sms"), body.get("message")
        if not isinstance(message, str) or not 1 <= len(message) <= 500:
            raise RefusedError("000107")
        if line.held[0].package.sms == 0 or not line.installed_at:
            raise RefusedError("200002")
        line.messages.append(message)
        return {}

    def _usage(self, body: Json) -> Any:
        numbers = body.get("esimTranNoList")
        if not isinstance(numbers, list) or not 1 <= len(numbers) <= 10:
            raise RefusedError("000107")
        rows = [self.wording.usage(self.books.lines[number]) for number in numbers if number in self.books.lines]
        return {self.quirks.usage_wrapper: rows} if self.quirks.usage_wrapper else rows

    def _regions(self, _body: Json) -> Any:
        rows = self.wording.regions()
        return {self.quirks.region_wrapper: rows} if self.quirks.region_wrapper else rows

    def _webhook_query(self, _body: Json) -> Any:
        return self._tell_webhook()

    def _webhook_save(self, body: Json) -> Any:
        address = body.get("webhook")
        if not isinstance(address, str) or not address:
            raise RefusedError("000105")
        try:
            request = urllib.request.Request(address, CHECK_HEALTH, {"Content-Type": "application/json"}, method="POST")
            with urllib.request.urlopen(request, timeout=2) as reply:
                answered = reply.status == 200
        except OSError:
            answered = False
        if not answered:
            raise RefusedError("200008")
        self.books.webhook = address
        return self._tell_webhook()

    def _tell_webhook(self) -> Any:
        address = self.books.webhook
        return address if self.quirks.hook_reply == "text" else {self.quirks.hook_reply: address}


CHECK_HEALTH = b'{"notifyType": "CHECK_HEALTH", "content": {"orderNo": "1234567890", "orderStatus": "Test"} }'


def _read_instant(text: str) -> datetime:
    """ISO with a zone, with or without seconds: "2010-06-30T01:20+00:00"."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedError("000107") from error
    if instant.tzinfo is None:
        raise RefusedError("000107")
    return instant
