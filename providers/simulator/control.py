"""The control calls under `/_control/`: the shared ones here, each system's own from its module."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.simulator.books import PARTS
from providers.simulator.clock import format_instant, parse_instant
from providers.simulator.faults import KINDS, FaultBook
from providers.simulator.limits import RateLimiter
from providers.simulator.messages import Delivery, Refusal, Reply, Request, json_reply
from providers.simulator.pipeline import Patience
from providers.simulator.system import ControlRoute, Core, RouteTable, System
from providers.simulator.ticker import Ticker

Arguments = Mapping[str, str]


class Control:
    """Dispatches control calls; one at a time, so that a reset is never half seen by another."""

    def __init__(
        self,
        *,
        core: Core,
        systems: Sequence[System],
        limiter: RateLimiter,
        faults: FaultBook,
        patience: Patience,
        ticker: Ticker,
    ) -> None:
        self._core = core
        self._systems = systems
        self._limiter = limiter
        self._faults = faults
        self._patience = patience
        self._ticker = ticker
        self._lock = threading.Lock()
        self._routes = [*self._shared_routes(), *self._system_routes()]
        self._table = RouteTable([(route.method, route.template) for route in self._routes])

    def answer(self, request: Request) -> Delivery:
        """Run one control call; errors are JSON `{"code", "message"}`."""
        try:
            index, arguments = self._table.find(request.method, request.path.removeprefix("/_control"))
            body = request.parse_json() if request.body else {}
            if not isinstance(body, dict):
                raise Refusal(400, "BAD_CONTROL", "The body is a JSON object")
            with self._lock:
                answer = self._routes[index].handler(arguments, request.query, body)
            # A file is answered as it is, anything else as JSON.
            return Delivery(answer if isinstance(answer, Reply) else json_reply(200, answer))
        except Refusal as refusal:
            body = {"code": refusal.code, "message": refusal.message}
            return Delivery(json_reply(refusal.status, body, refusal.headers))
        except (KeyError, TypeError, ValueError) as error:
            # A control call with a missing or misshapen argument; told to the test's author, who must see it.
            return Delivery(json_reply(400, {"code": "BAD_CONTROL", "message": f"{type(error).__name__}: {error}"}))

    def _shared_routes(self) -> list[ControlRoute]:
        table: list[tuple[str, str, Callable[[Arguments, Arguments, Any], Any]]] = [
            ("GET", "/health", self._read_health),
            ("POST", "/reset", self._reset),
            ("GET", "/books", self._read_books),
            ("GET", "/clock", self._read_clock),
            ("POST", "/clock", self._move_clock),
            ("GET", "/switches", self._read_switches),
            ("POST", "/switches", self._change_switches),
            ("GET", "/limits", self._read_limits),
            ("POST", "/limits", self._change_limits),
            ("GET", "/faults", self._read_faults),
            ("POST", "/faults", self._order_fault),
            ("DELETE", "/faults", self._forget_faults),
            ("DELETE", "/faults/{id}", self._forget_faults),
            ("GET", "/webhooks", self._read_webhooks),
            ("POST", "/webhooks", self._order_webhooks),
        ]
        return [ControlRoute(method, template, handler) for method, template, handler in table]

    def _system_routes(self) -> list[ControlRoute]:
        return [
            ControlRoute(route.method, f"/{system.name}{route.template}", route.handler)
            for system in self._systems
            for route in system.control_routes()
        ]

    def _read_health(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {
            "name": "roamdesk-simulator",
            "now": format_instant(self._core.clock.now()),
            "systems": {system.name: system.describe() for system in self._systems},
        }

    def _reset(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._patience.send_all_away()
        with self._core.store.write():
            self._faults.forget()
            self._core.books.forget_all()
            self._core.switches.reset()
            self._core.clock.reset()
            self._limiter.reset()
            for system in self._systems:
                system.reset(plans=_optional_int(body, "plans"), seed=_optional_int(body, "seed"))
        return {"ok": True}

    def _read_books(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        parts = [part for part in query.get("parts", "").split(",") if part] or list(PARTS)
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise Refusal(400, "BAD_CONTROL", f"The books hold {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
        return self._core.books.read_parts(parts, query.get("system") or None, int(query.get("since", "0")))

    def _read_clock(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        clock = self._core.clock
        return {"now": format_instant(clock.now()), "offset_s": clock.offset_s, "frozen": clock.frozen}

    def _move_clock(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        clock = self._core.clock
        unknown = set(body) - {"advance", "offset", "at", "frozen"}
        if unknown or not body:
            raise Refusal(400, "BAD_CONTROL", "The clock takes advance, offset, at or frozen")
        if body.get("frozen"):
            # First: a clock that still ran would leave the instant that it is to stand at.
            clock.freeze(True)
        if "advance" in body:
            clock.advance(float(body["advance"]))
        if "offset" in body:
            clock.set_offset(float(body["offset"]))
        if "at" in body:
            clock.move_to(parse_instant(body["at"]))
        if "frozen" in body and not body["frozen"]:
            clock.freeze(False)
        self._ticker.settle()
        return self._read_clock(arguments, query, body)

    def _read_switches(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return self._core.switches.read_all()

    def _change_switches(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._core.switches.change(body)
        return self._core.switches.read_all()

    def _read_limits(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return self._limiter.read_all()

    def _change_limits(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._limiter.change(multiplier=body.get("multiplier"), limits=body.get("limits"))
        if body.get("clear"):
            self._limiter.clear_windows()
        return self._limiter.read_all()

    def _read_faults(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"faults": self._faults.read_all(), "kinds": sorted(KINDS)}

    def _order_fault(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        if body.get("system") not in (None, *(system.name for system in self._systems)):
            raise Refusal(400, "BAD_FAULT", f"No system {body['system']!r}")
        endpoints = {route.endpoint for system in self._systems for route in system.routes()}
        if body.get("endpoint") not in (None, "*", *endpoints):
            raise Refusal(
                400, "BAD_FAULT", f"No endpoint {body['endpoint']!r}; there are {', '.join(sorted(endpoints))}"
            )
        return {"id": self._faults.order(body)}

    def _forget_faults(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        number = arguments.get("id")
        return {"forgotten": self._faults.forget(None if number is None else int(number))}

    def _read_webhooks(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        sender = self._core.webhooks
        webhooks = sender.read_all(query.get("system") or None)
        waiting = sum(webhook["state"] in ("waiting", "now") for webhook in webhooks)
        return {"paused": sender.paused, "waiting": waiting, "webhooks": webhooks}

    def _order_webhooks(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        sender = self._core.webhooks
        match body.get("action"):
            case "pause":
                sender.pause()
            case "resume":
                sender.resume(order=str(body.get("order", "forward")), seed=int(body.get("seed", 0)))
            case "repeat":
                sender.repeat(int(body["id"]))
            case "drop":
                return {"dropped": sender.drop(_optional_int(body, "id"))}
            case "send":
                return {"id": self._send_webhook(body)}
            case other:
                raise Refusal(400, "BAD_CONTROL", f"No action {other!r}: pause, resume, repeat, drop, send")
        return {"ok": True}

    def _send_webhook(self, body: Mapping[str, Any]) -> int:
        """A body that is text is sent as it is, anything else as JSON."""
        content = body["body"]
        text = content if isinstance(content, str) else json.dumps(content)
        return self._core.webhooks.send(
            system=str(body["system"]),
            kind=str(body["kind"]),
            url=str(body["url"]),
            headers={str(name): str(value) for name, value in dict(body.get("headers") or {}).items()},
            body=text.encode(),
        )


def _optional_int(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    return None if value is None else int(value)
