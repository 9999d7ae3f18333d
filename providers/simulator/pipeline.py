"""The way of one provider call: arrival, key, limit, faults, effect, faults, answer."""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from urllib.parse import urlencode

from providers.simulator.faults import Fault, FaultBook, find_fault
from providers.simulator.limits import RateLimiter
from providers.simulator.mangling import mangle_reply
from providers.simulator.messages import (
    ConnectionDropped,
    Delivery,
    Refusal,
    Reply,
    Request,
    json_reply,
    write_retry_after,
)
from providers.simulator.system import Call, Core, Route, RouteTable, System


class Patience:
    """Waiting that a reset or the end of the program cuts short."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._generation = 0

    def wait(self, seconds: float) -> None:
        """Sleep. Raises ConnectionDropped when everybody is sent away meanwhile."""
        with self._condition:
            generation = self._generation
            if self._condition.wait_for(lambda: self._generation != generation, timeout=seconds):
                raise ConnectionDropped("sent away", reset=False)

    @property
    def generation(self) -> int:
        """Grows whenever everybody is sent away."""
        with self._condition:
            return self._generation

    def send_all_away(self) -> None:
        """Wake every waiting call; none of them has an effect afterwards."""
        with self._condition:
            self._generation += 1
            self._condition.notify_all()


class Pipeline:
    """Answers the calls of all systems."""

    def __init__(
        self, *, core: Core, systems: Sequence[System], limiter: RateLimiter, faults: FaultBook, patience: Patience
    ) -> None:
        self._core = core
        self._limiter = limiter
        self._faults = faults
        self._patience = patience
        self._systems = [(system, list(system.routes())) for system in systems]
        self._tables = {
            system.name: RouteTable([(route.method, route.template) for route in routes])
            for system, routes in self._systems
        }

    def answer(self, request: Request) -> Delivery:
        """The answer and how to put it on the wire. Raises ConnectionDropped when there is none."""
        for system, routes in self._systems:
            if request.path.startswith(f"{system.prefix}/"):
                return self._answer_for(system, routes, request)
        return Delivery(json_reply(404, {"code": "NOT_FOUND", "message": "No provider is served at this address"}))

    def _answer_for(self, system: System, routes: Sequence[Route], request: Request) -> Delivery:
        path = request.path.removeprefix(system.prefix)
        try:
            index, arguments = self._tables[system.name].find(request.method, path)
        except Refusal as refusal:
            request_id = self._arrive(system, "", request)
            return Delivery(self._finish(request_id, system.render_refusal(refusal)))
        route = routes[index]
        request_id = self._arrive(system, route.endpoint, request)
        try:
            return self._serve(system, route, arguments, request, request_id)
        except Refusal as refusal:
            return Delivery(self._finish(request_id, system.render_refusal(refusal)))
        except ConnectionDropped as drop:
            self._core.books.record_outcome(request_id, status=None, outcome=drop.outcome)
            raise

    def _arrive(self, system: System, endpoint: str, request: Request) -> int:
        return self._core.books.record_arrival(
            system=system.name,
            endpoint=endpoint,
            method=request.method,
            path=request.path.removeprefix(system.prefix),
            query=urlencode(request.query),
            body=request.body,
        )

    def _serve(
        self, system: System, route: Route, arguments: Mapping[str, str], request: Request, request_id: int
    ) -> Delivery:
        generation = self._patience.generation
        key = system.authenticate(request)
        allowance = self._limiter.take(system=system.name, key=key, endpoint=route.endpoint)
        headers = allowance.write_headers() if route.limit_headers else {}
        if not allowance.allowed:
            headers["Retry-After"] = self._write_retry_after(allowance.reset_s)
            reply = system.render_refusal(Refusal(429, "RATE_LIMITED", allowance.describe(), headers))
            self._core.books.record_outcome(request_id, status=reply.status, outcome="answered", violation=True)
            return Delivery(reply)
        facts = system.collect_facts(arguments, request)
        faults = self._faults.take(system=system.name, endpoint=route.endpoint, facts=facts)
        if faults:
            self._core.books.record_faults(request_id, faults)
        self._meet_before(system, faults)
        call = Call(request, request_id, arguments, faults, self._core.clock.now())
        try:
            reply = self._run(system, route, call, generation)
        except Refusal as refusal:
            reply = system.render_refusal(refusal)
        reply = replace(reply, headers={**headers, **reply.headers})
        return self._meet_after(system, mangle_reply(reply, faults, system.status_words), faults, request_id)

    def _run(self, system: System, route: Route, call: Call, generation: int) -> Reply:
        """What time has made due, then the effect and its booking in one commit."""
        store = self._core.store
        with store.read():
            if self._patience.generation != generation:
                # A reset came between: a call of the test before must not sell into new books.
                raise ConnectionDropped("sent away", reset=False)
            with store.write():
                system.settle(call.now)
            if route.alone:
                with store.write() if route.writes else nullcontext():
                    return route.handler(call)
        return route.handler(call)

    def _meet_before(self, system: System, faults: list[Fault]) -> None:
        """Faults before the effect: waits first, then ends."""
        for fault in faults:
            if fault.kind == "delay_before":
                self._patience.wait(float(fault.params["seconds"]))
        for fault in faults:
            params = fault.params
            match fault.kind:
                case "hang":
                    self._patience.wait(float(params["seconds"]))
                    raise ConnectionDropped("hung", reset=False)
                case "reset_before":
                    raise ConnectionDropped("reset", reset=True)
                case "close_before":
                    raise ConnectionDropped("closed", reset=False)
                case "status_before" | "rate_limited" | "refuse" | "refuse_code":
                    raise self._refuse(system, fault)

    def _refuse(self, system: System, fault: Fault) -> Refusal:
        params = fault.params
        if fault.kind == "rate_limited":
            wait = self._write_retry_after(params["retry_after"], params["style"])
            return Refusal(429, "RATE_LIMITED", "Too many requests", {"Retry-After": wait})
        if fault.kind == "refuse":
            return system.refuse_order(str(params["reason"]))
        if fault.kind.startswith("refuse_code"):
            status = params["http_status"]
            number = system.business_status if status is None else int(status)
            return Refusal(number, str(params["code"]), str(params["message"]))
        return Refusal(params["status"], params["code"], params["message"], params["headers"])

    def _meet_after(self, system: System, reply: Reply, faults: list[Fault], request_id: int) -> Delivery:
        """Faults after the effect: the crash, waits, then ends, then what happens to the bytes."""
        if find_fault(faults, "crash_after"):
            os.kill(os.getpid(), signal.SIGKILL)
        for fault in faults:
            if fault.kind in ("delay_after", "hang_after"):
                self._patience.wait(float(fault.params["seconds"]))
        if find_fault(faults, "hang_after"):
            raise ConnectionDropped("hung", reset=False)
        if find_fault(faults, "reset_after"):
            raise ConnectionDropped("reset", reset=True)
        if find_fault(faults, "close_after"):
            raise ConnectionDropped("closed", reset=False)
        refused = find_fault(faults, "status_after") or find_fault(faults, "refuse_code_after")
        if refused is not None:
            return Delivery(self._finish(request_id, system.render_refusal(self._refuse(system, refused))))
        drip = find_fault(faults, "drip")
        cut = find_fault(faults, "cut_body")
        outcome = "answered" if cut is None else "cut"
        return Delivery(
            reply=self._finish(request_id, reply, outcome),
            cut_at=None if cut is None else _find_cut(cut, len(reply.body)),
            drip_s=0.0 if drip is None else float(drip.params["seconds"]),
        )

    def _finish(self, request_id: int, reply: Reply, outcome: str = "answered") -> Reply:
        self._core.books.record_outcome(request_id, status=reply.status, outcome=outcome)
        return reply

    def _write_retry_after(self, seconds: int, style: str | None = None) -> str:
        return write_retry_after(seconds, style or self._core.switches["retry_after_style"])


def _find_cut(fault: Fault, length: int) -> int:
    at_byte = fault.params["at_byte"]
    wanted = int(length * float(fault.params["fraction"])) if at_byte is None else int(at_byte)
    return max(0, min(wanted, length - 1))
