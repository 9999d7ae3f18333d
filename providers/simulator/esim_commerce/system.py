"""The endpoints of eSIM Commerce, production and sandbox.

The documents give fields, types and limits. They give no addresses, no methods, no error bodies and no HTTP
status per error: addresses are options with labelled defaults, and every error below is our guess, written
as `{"code", "message"}`. Known from the production document: an unknown transaction is "error code 400".
"""

import hmac
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from providers.simulator.clock import parse_instant
from providers.simulator.esim_commerce import life
from providers.simulator.esim_commerce.control import CommerceControl
from providers.simulator.esim_commerce.line_desk import LineDesk
from providers.simulator.esim_commerce.line_store import LineStore, StoredLine
from providers.simulator.esim_commerce.numbers import make_iccid, make_matching_id
from providers.simulator.esim_commerce.plan_store import PlanStore
from providers.simulator.messages import Refusal, Reply, Request, json_reply, write_retry_after
from providers.simulator.system import Call, ControlRoute, Core, Route, System

DEFAULT_PATHS: Mapping[str, str] = {
    "plans": "GET /esim/plans",
    "order": "POST /esim/orders",
    "status": "GET /esim/{iccid}",
    "transaction": "GET /esim/transactions/{id}",
    "control": "POST /esim/{iccid}/emergency-control",
    "usage": "PUT /esim/{iccid}/data-usage",
}
# Documented, requests per minute; plans: not given, so none.
DEFAULT_LIMITS: Mapping[str, int | None] = {
    "plans": None,
    "order": 10,
    "status": 60,
    "transaction": 10,
    "control": 10,
    "usage": 60,
}
# Only these three document the X-RateLimit headers.
_WITH_LIMIT_HEADERS = {"status", "transaction", "usage"}
_STATUS_WORDS = ("contractStatus", "profileProvisionStatus", "profileInstallStatus", "planType", "dataCapPer")
_WRITES = {"order", "control", "usage"}

INQUIRY_WINDOW = timedelta(hours=48)
DEFAULT_PAGE_LIMIT = 10  # not given; the sample's meta says 10
MAX_PAGE_LIMIT = 200
MAX_QUANTITY = 1000


@dataclass(frozen=True)
class Options:
    """How one system is set up."""

    key_id: str
    key_secret: str
    paths: Mapping[str, str]
    limits: Mapping[str, int | None]
    smdp: str
    plans: int
    seed: int


class CommerceSystem(System):
    """One of the two systems: its own keys, plans, lines and books."""

    status_words = _STATUS_WORDS

    def __init__(self, core: Core, *, sandbox: bool, options: Options) -> None:
        self.name = "commerce-sandbox" if sandbox else "commerce"
        self.limits = {name: limit for name, limit in options.limits.items() if sandbox or name != "usage"}
        self.core = core
        self.sandbox = sandbox
        self.plans = PlanStore(core.store, self.name)
        self.lines = LineStore(core.store, self.name)
        self.desk = LineDesk(core, self.lines)
        self._options = options
        self.plans.open_catalogue(count=options.plans, seed=options.seed)

    def routes(self) -> Sequence[Route]:
        """The documented endpoints at the configured addresses; the usage setter at the sandbox only."""
        handlers = {
            "plans": self._list_plans,
            "order": self._order,
            "status": self._read_status,
            "transaction": self._read_transaction,
            "control": self._control,
        }
        if self.sandbox:
            handlers["usage"] = self._set_usage
        routes = []
        for name, handler in handlers.items():
            method, _, template = self._options.paths[name].partition(" ")
            routes.append(Route(name, method, template, handler, name in _WRITES, name in _WITH_LIMIT_HEADERS))
        return routes

    def control_routes(self) -> Sequence[ControlRoute]:
        """See `esim_commerce/control.py`."""
        return CommerceControl(self.core, plans=self.plans, lines=self.lines, desk=self.desk).routes()

    def authenticate(self, request: Request) -> str:
        """Both key headers must be right; 401 otherwise (the status is a guess)."""
        key_id = request.headers.get("x-api-key-id", "")
        secret = request.headers.get("x-api-key-secret", "")
        fits = hmac.compare_digest(key_id.encode(), self._options.key_id.encode())
        if not (hmac.compare_digest(secret.encode(), self._options.key_secret.encode()) and fits):
            raise Refusal(401, "UNAUTHORIZED", "The API key is missing or wrong")
        return key_id

    def render_refusal(self, refusal: Refusal) -> Reply:
        """Our guess at an error body."""
        return json_reply(refusal.status, {"code": refusal.code, "message": refusal.message}, refusal.headers)

    def refuse_order(self, reason: str) -> Refusal:
        """Guesses: 402 for a balance, 409 for stock."""
        if reason == "insufficient_balance":
            return Refusal(402, "INSUFFICIENT_BALANCE", "The balance does not cover this order")
        return Refusal(409, "OUT_OF_STOCK", "Not enough eSIMs of this plan in stock")

    def reset(self, *, plans: int | None, seed: int | None) -> None:
        """No lines, first catalogue. ICCIDs count on: none is ever sold twice from one state."""
        self.lines.forget_all()
        self.plans.restore_first(
            count=self._options.plans if plans is None else plans, seed=self._options.seed if seed is None else seed
        )

    def describe(self) -> dict[str, Any]:
        """Sizes and addresses."""
        return {"prefix": self.prefix, "plans": self.plans.count_on_sale(), "lines": self.lines.count_lines()}

    def _list_plans(self, call: Call) -> Reply:
        query = call.request.query
        country = query.get("countryCode")
        if country is not None and not (
            len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()
        ):
            raise Refusal(400, "INVALID_COUNTRY_CODE", "countryCode is two capital letters")
        roaming = query.get("includeRoaming", "false")
        if roaming not in ("true", "false"):
            raise Refusal(400, "INVALID_INCLUDE_ROAMING", "includeRoaming is true or false")
        page = _read_whole_number(query.get("page", "1"), "page", most=None)
        limit = _read_whole_number(query.get("limit", str(DEFAULT_PAGE_LIMIT)), "limit", most=MAX_PAGE_LIMIT)
        total, bodies = self.plans.list_page(
            country=country, roaming=roaming == "true", provider=query.get("providerCode"), page=page, limit=limit
        )
        pages = -(-total // limit)
        # The stored texts are joined as they are: no parsing of 200 plans to write them again.
        meta = f'{{"total":{total},"page":{page},"limit":{limit},"totalPages":{pages}}}'
        return Reply(200, f'{{"items":[{",".join(bodies)}],"meta":{meta}}}'.encode())

    def _order(self, call: Call) -> Reply:
        body = call.request.parse_json()
        code, quantity = (body.get("planCode"), body.get("quantity")) if isinstance(body, dict) else (None, None)
        if not isinstance(code, str) or not code:
            raise Refusal(400, "INVALID_PLAN_CODE", "planCode is required")
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAX_QUANTITY:
            raise Refusal(400, "INVALID_QUANTITY", f"quantity is a whole number from 1 to {MAX_QUANTITY}")
        stored = self.plans.find_plan(code)
        if not stored.on_sale:
            raise Refusal(404, "PLAN_NOT_FOUND", f"There is no plan {code}")
        sold = max(0, quantity - call.count_missing("short_order"))
        shown = max(0, sold - call.count_missing("short_reply"))
        reference = str(uuid.uuid4())
        lines = self._create_lines(call.now, stored.plan, stored.home, sold, reference)
        self.core.books.record_order(
            system=self.name,
            request_id=call.request_id,
            plan=code,
            quantity=quantity,
            reference=reference,
            unit_price=Decimal(str(stored.plan["netPrice"])),
            refs=[line["iccid"] for line in lines],
            shown=shown,
        )
        esims = [self.desk.stamp(line, call.now) for line in lines[:shown]]
        return json_reply(int(self.core.switches["order_status"]), {"transactionId": reference, "esims": esims})

    def _create_lines(
        self, now: datetime, plan: Mapping[str, Any], home: str, quantity: int, reference: str
    ) -> list[life.Line]:
        serial = self._take_serials(quantity)
        covers = [str(coverage["code"]) for coverage in plan["coverages"]]
        lines = [
            life.create_line(
                iccid=make_iccid(serial + index, sandbox=self.sandbox),
                home=home,
                covers=covers,
                smdp=self._options.smdp,
                matching_id=make_matching_id(),
                now=now,
                unused_days=int(plan["unusedTerminationDays"]),
            )
            for index in range(quantity)
        ]
        code, days = str(plan["planCode"]), int(plan["validityDays"])
        self.lines.add_lines(lines, serial=serial, reference=reference, plan=code, validity_days=days, at=now)
        return lines

    def _take_serials(self, count: int) -> int:
        """The first of `count` fresh serials. A new state starts from the present time, so that two states differ."""
        name = f"{self.name}.serial"
        first = int(self.core.store.read_setting(name, int(time.time()) * 100))
        self.core.store.write_setting(name, first + count)
        return first

    def _read_status(self, call: Call) -> Reply:
        stored = self._find_line(call)
        seconds = int(self.core.switches["cached_retry_after_s"])
        style = str(self.core.switches["retry_after_style"])
        late = seconds > 0 and stored.as_of is not None
        headers = {"Retry-After": write_retry_after(seconds, style)} if late else {}
        return json_reply(200, self.desk.render(stored, call.now), headers)

    def _read_transaction(self, call: Call) -> Reply:
        reference = call.arguments["id"]
        with self.core.store.read() as db:
            row = db.execute(
                "SELECT at FROM orders WHERE system = ? AND reference = ?", (self.name, reference)
            ).fetchone()
        # The window stands in the production document only.
        too_old = row is not None and not self.sandbox and call.now - parse_instant(row["at"]) > INQUIRY_WINDOW
        if row is None or too_old:
            raise Refusal(400, "400", "The transactionId does not exist")
        return json_reply(200, {"transactionId": reference, "iccids": self.lines.list_iccids(reference)})

    def _control(self, call: Call) -> Reply:
        stored = self._find_line(call)
        body = call.request.parse_json()
        action = body.get("action") if isinstance(body, dict) else None
        if action not in ("suspend", "release"):
            raise Refusal(400, "INVALID_ACTION", "action is suspend or release")
        before, after = self.desk.control(stored, action, call.now)
        self.core.books.record_effect(
            system=self.name, request_id=call.request_id, kind=action, ref=stored.iccid, detail={}
        )
        shown = before if self.core.switches["control_reply_shows_old_state"] else after
        return json_reply(200, self.desk.stamp(shown, call.now))

    def _set_usage(self, call: Call) -> Reply:
        stored = self._find_line(call)
        days = _read_usage(call.request.parse_json())
        changed = self.desk.set_usage(stored, days, call.now)
        self.core.books.record_effect(
            system=self.name, request_id=call.request_id, kind="usage", ref=stored.iccid, detail=days
        )
        message = "Data usage updated successfully"
        answer = {"message": message, "iccid": stored.iccid, "dataUsageDailyList": changed["dataUsageDailyList"]}
        return json_reply(200, answer)

    def _find_line(self, call: Call) -> StoredLine:
        iccid = call.arguments["iccid"]
        if not (len(iccid) == 19 and iccid.isascii() and iccid.isdigit()):
            raise Refusal(400, "INVALID_ICCID", "An ICCID has 19 digits")
        if self.sandbox and not iccid.startswith("8900"):
            raise Refusal(400, "INVALID_ICCID", "A sandbox ICCID starts with 8900")
        return self.lines.find_line(iccid)


def _read_whole_number(text: str, name: str, *, most: int | None) -> int:
    if (
        not (text.isascii() and text.isdigit() and len(text) < 10)
        or int(text) < 1
        or (most is not None and int(text) > most)
    ):
        raise Refusal(
            400, f"INVALID_{name.upper()}", f"{name} is a whole number from 1" + (f" to {most}" if most else "")
        )
    return int(text)


def _read_usage(body: Any) -> list[dict[str, str]]:
    """A bare array of {day, usage}; days once each, usage a string of kilobytes."""
    days: dict[str, dict[str, str]] = {}
    for entry in body if isinstance(body, list) else [None]:
        day, usage = (entry.get("day"), entry.get("usage")) if isinstance(entry, dict) else (None, None)
        try:
            valid = isinstance(day, str) and date.fromisoformat(day).isoformat() == day
        except ValueError:
            valid = False
        if not valid or not isinstance(usage, str) or not (usage.isascii() and usage.isdigit()) or str(day) in days:
            raise Refusal(
                400, "INVALID_DATA_USAGE", 'The body is [{"day": "YYYY-MM-DD", "usage": "KB"}], each day once'
            )
        days[str(day)] = {"day": str(day), "usage": usage}
    return list(days.values())
