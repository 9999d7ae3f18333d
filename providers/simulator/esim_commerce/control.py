"""The control calls of one eSIM Commerce system, below `/_control/commerce` or `/_control/commerce-sandbox`.

GET  /plans            {"codes": […]} on sale, in the provider's order
GET  /plans/{code}     {"code", "home", "on_sale", "plan": the plan object}
POST /plans            {"action": "change", "code", "fields": {"netPrice": "9.50", "planName": …}}
                       {"action": "remove", "codes": […]}   {"action": "restore", "codes": […]}
                       {"action": "add", "plan": a whole plan object, "home"?: "JP"}
                       {"action": "generate", "count": n, "seed"?: n}
GET  /lines            every line: {"iccid", "reference", "plan", "line": the live eSIM object, "as_of"}
GET  /lines/{iccid}    one of them; the live truth, whatever copy the queries serve
POST /lines/{iccid}    {"event": "download"} {"event": "install", "imei"?} {"event": "connect", "imei"?}
                       {"event": "use", "kb": n, "day"?: "YYYY-MM-DD" (JST), "in"?: "both" | "days" | "total"}
                       {"event": "confirmation_failed" | "error" | "cancel" | "terminate" | "suspend" | "release"}
                       {"event": "set", "fields": {…}}: any field to any value
POST /cache            {"as_of": "now" | instant | null, "iccid"?}: from now on queries answer what was true
                       then, with that `lastUpdatedAt`; null: live again. Without iccid: all present lines
"""

from collections.abc import Mapping, Sequence
from typing import Any

from providers.simulator.clock import format_instant, parse_instant
from providers.simulator.esim_commerce.catalogue import DEFAULT_SEED
from providers.simulator.esim_commerce.line_desk import LineDesk
from providers.simulator.esim_commerce.line_store import LineStore, StoredLine
from providers.simulator.esim_commerce.plan_store import PlanStore
from providers.simulator.messages import Refusal
from providers.simulator.system import ControlRoute, Core

Arguments = Mapping[str, str]


class CommerceControl:
    """Handlers of the calls above."""

    def __init__(self, core: Core, *, plans: PlanStore, lines: LineStore, desk: LineDesk) -> None:
        self._core = core
        self._plans = plans
        self._lines = lines
        self._desk = desk

    def routes(self) -> Sequence[ControlRoute]:
        """All of them."""
        return [
            ControlRoute("GET", "/plans", self._list_plans),
            ControlRoute("GET", "/plans/{code}", self._read_plan),
            ControlRoute("POST", "/plans", self._change_plans),
            ControlRoute("GET", "/lines", self._list_lines),
            ControlRoute("GET", "/lines/{iccid}", self._read_line),
            ControlRoute("POST", "/lines/{iccid}", self._change_line),
            ControlRoute("POST", "/cache", self._serve_cache),
        ]

    def _list_plans(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"codes": self._plans.list_codes()}

    def _read_plan(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        stored = self._plans.find_plan(arguments["code"])
        return {"code": stored.code, "home": stored.home, "on_sale": stored.on_sale, "plan": stored.plan}

    def _change_plans(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            match body.get("action"):
                case "change":
                    self._plans.change_plan(str(body["code"]), dict(body["fields"]))
                case "remove" | "restore" as action:
                    for code in body["codes"]:
                        self._plans.put_on_sale(str(code), on_sale=action == "restore")
                case "add":
                    plan = dict(body["plan"])
                    self._plans.add_plan(plan, home=str(body.get("home") or plan["coverages"][0]["code"]))
                case "generate":
                    self._plans.generate(count=int(body["count"]), seed=int(body.get("seed", DEFAULT_SEED)))
                case other:
                    raise Refusal(400, "BAD_CONTROL", f"No action {other!r}: change, remove, restore, add, generate")
        return {"on_sale": self._plans.count_on_sale()}

    def _list_lines(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"lines": [self._show(stored) for stored in self._lines.list_lines()]}

    def _read_line(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return self._show(self._lines.find_line(arguments["iccid"]))

    def _change_line(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        stored = self._lines.find_line(arguments["iccid"])
        with self._core.store.write():
            self._desk.apply_event(stored, str(body.get("event")), body, self._core.clock.now())
        return self._show(stored)

    def _serve_cache(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        wanted = body["as_of"]
        if wanted is not None:
            instant = self._core.clock.now() if wanted == "now" else parse_instant(wanted)
            wanted = format_instant(instant)
        iccid = body.get("iccid")
        if iccid is not None:
            self._lines.find_line(iccid)
        self._lines.serve_as_of(wanted, iccid)
        return {"as_of": wanted}

    def _show(self, stored: StoredLine) -> dict[str, Any]:
        line = self._desk.stamp(self._lines.read_newest(stored.iccid), self._core.clock.now())
        return {
            "iccid": stored.iccid,
            "reference": stored.reference,
            "plan": stored.plan,
            "as_of": stored.as_of,
            "line": line,
        }
