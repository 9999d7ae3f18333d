"""A stand-in of eSIM Commerce written from its documents alone, on a socket of its own, in this process.

It judges requests as strictly as the documents allow, and answers as its ``Quirks`` say.
"""

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from tests.emulator.books import Books
from tests.emulator.house import Arrival, House
from tests.emulator.quirks import Quirks
from tests.emulator.wire import Fault, Reply
from tests.emulator.wording import SAMPLE_PLAN, Wording

KEY_ID = "kid-7Q2Z9F4M"
KEY_SECRET = "shh-4d1f0c9be27a86"
_LIMITS = {"status": 60, "transaction": 10, "usage": 60}


class Emulator(House[Quirks]):
    """One house with one system (production or sandbox) and one key pair."""

    def __init__(self, quirks: Quirks, *, sandbox: bool = False) -> None:
        super().__init__(quirks)
        self.sandbox = sandbox
        self.books = Books(sandbox=sandbox)
        self.lock = self.books.lock
        self.wording = Wording(quirks)
        self.stock_plans(1)

    def stock_plans(self, count: int) -> None:
        self.books.plans = {
            f"KD{number:04d}": {**SAMPLE_PLAN, "planCode": f"KD{number:04d}", "netPrice": f"{number % 90 + 1}.95"}
            | {"suggestedRetailPrice": f"{number % 90 + 4}.50"}
            for number in range(1, count + 1)
        }

    # -- one request --------------------------------------------------------------------------------------------------

    def _word_fault(self, fault: Fault) -> tuple[bytes, str]:
        return self.wording.error(fault.status, "no", "really no")

    def _dress(self, arrival: Arrival, reply: Reply) -> Reply:
        limit = _LIMITS.get(arrival.operation)
        if limit and self.quirks.rate_headers != "none":
            mark = '"' if self.quirks.rate_headers == "quoted" else ""
            for name, value in (("Limit", 60), ("Remaining", 59), ("Reset", 45)):
                reply.headers[f"X-RateLimit-{name}"] = f"{mark}{value}{mark}"
        return reply

    def _route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        parts = urlsplit(target)
        for operation, route in self.quirks.paths.items():
            wanted, template = route.split()
            if operation == "usage" and not self.sandbox:
                continue
            asked = target if "?" in template else parts.path
            # re.escape leaves letters alone and puts a backslash before each brace.
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/?&]+)", re.escape(self.quirks.prefix + template))
            found = re.fullmatch(pattern, asked)
            if found and wanted == method:
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        return "NOWHERE", {}

    # -- the documented operations ------------------------------------------------------------------------------------

    def _act(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        if (arrival.headers.get("x-api-key-id"), arrival.headers.get("x-api-key-secret")) != (KEY_ID, KEY_SECRET):
            return self._refuse(401, "keys")
        if arrival.operation == "NOWHERE":
            return self._refuse(404, "nowhere")
        if arrival.operation in self.canned:
            return Reply(200, json.dumps(self.canned[arrival.operation](arrival)).encode())
        act: Callable[[Arrival, Mapping[str, str]], Reply] = getattr(self, f"_{arrival.operation}")
        return act(arrival, arguments)

    def _refuse(self, status: int, *words: str) -> Reply:
        body, kind = self.wording.error(status, *words)
        return Reply(status, body, kind)

    def _plans(self, arrival: Arrival, _arguments: Mapping[str, str]) -> Reply:
        query = arrival.query
        page, limit = query.get("page", "1"), query.get("limit", "10")
        faults = [f"{name} should not exist" for name in set(query) - _PLAN_QUERY]
        if not (page.isdigit() and int(page) >= 1 and limit.isdigit() and 1 <= int(limit) <= 200):
            faults.append("page and limit are numbers")
        if query.get("includeRoaming", "false") not in ("true", "false"):
            faults.append("includeRoaming is a boolean")
        if "countryCode" in query and not re.fullmatch("[A-Z]{2}", query["countryCode"]):
            faults.append("countryCode is two capitals")
        if faults:
            return self._refuse(400, *faults)
        size = min(int(limit), self.quirks.page_cap)
        plans = list(self.books.plans.values())
        shown = plans[(int(page) - 1) * size : int(page) * size]
        document = {
            "items": [self.wording.plan(plan) for plan in shown],
            "meta": self.wording.meta(total=len(plans), page=int(page), limit=size),
        }
        return Reply(200, self.wording.encode(document))

    def _order(self, arrival: Arrival, _arguments: Mapping[str, str]) -> Reply:
        body = arrival.body
        if not isinstance(body, dict) or set(body) != {"planCode", "quantity"}:
            return self._refuse(400, "planCode and quantity, nothing else")
        code, quantity = body["planCode"], body["quantity"]
        if type(quantity) is not int or not 1 <= quantity <= 1000:
            return self._refuse(400, "quantity must not be greater than 1000", "quantity must be an integer number")
        if code not in self.books.plans:
            return self._refuse(400, "planCode does not exist", "look again")
        transaction_id, lines = self.books.sell(code, quantity)
        document = {"transactionId": transaction_id, "esims": [self.wording.line(line) for line in lines]}
        return Reply(self.quirks.order_status, self.wording.encode(document))

    def _status(self, _arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        iccid = arguments["iccid"]
        if not re.fullmatch("[0-9]{19}", iccid) or iccid not in self.books.lines:
            return self._refuse(404, "no such eSIM")
        return Reply(200, self.wording.encode(self.wording.line(self.books.look(iccid))))

    def _transaction(self, _arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        sale = self.books.find_sale(arguments["id"])
        if sale is None:
            status = self.quirks.unknown_transaction
            if status == 200:
                return Reply(200, b'{"code":400,"message":"unknown transaction"}')
            return self._refuse(status, "unknown transaction")
        return Reply(200, self.wording.encode({"transactionId": sale.transaction_id, "iccids": list(sale.iccids)}))

    def _control(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        iccid, body = arguments["iccid"], arrival.body
        if iccid not in self.books.lines:
            return self._refuse(404, "no such eSIM")
        if not isinstance(body, dict) or set(body) != {"action"} or body["action"] not in ("suspend", "release"):
            return self._refuse(400, "action must be one of: suspend, release")
        before, after = self.books.control(iccid, body["action"], cached_reads=self.quirks.cached_reads)
        if self.quirks.control_reply == "empty":
            return Reply(self.quirks.control_status)
        shown = before if self.quirks.control_reply == "old" else after
        return Reply(self.quirks.control_status, self.wording.encode(self.wording.line(shown)))

    def _usage(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        iccid, body = arguments["iccid"], arrival.body
        if not iccid.startswith("8900") or iccid not in self.books.lines:
            return self._refuse(400, "not a sandbox eSIM")
        if not isinstance(body, list) or any(type(item.get("usage")) is not str for item in body):
            return self._refuse(400, "a list of day and usage, both strings")
        line = self.books.lines[iccid]
        line.days = {item["day"]: int(item["usage"]) for item in body}
        line.total = sum(line.days.values())
        return Reply(200, self.wording.encode({"message": "ok", "iccid": iccid, "dataUsageDailyList": body}))


_PLAN_QUERY = {"countryCode", "providerCode", "page", "limit", "includeRoaming"}
