"""The way of one provider call: arrival, key, limit, faults, effect, faults, answer."""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from providers.simulator.faults import Fault, FaultBook, collect_facts, find_fault
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
            refusal = Refusal(429, "RATE_LIMITED", f"More than {allowance.limit} requests a minute", headers)
            self._core.books.record_outcome(request_id, status=429, outcome="answered", violation=True)
            return Delivery(system.render_refusal(refusal))
        facts = collect_facts(arguments, request.query, request.body)
        faults = self._faults.take(system=system.name, endpoint=route.endpoint, facts=facts)
        if faults:
            self._core.books.record_faults(request_id, faults)
        self._meet_before(system, faults)
        call = Call(request, request_id, arguments, faults, self._core.clock.now())
        try:
            reply = self._run(route, call, generation)
        except Refusal as refusal:
            reply = system.render_refusal(refusal)
        reply = replace(reply, headers={**headers, **reply.headers})
        return self._meet_after(system, mangle_reply(reply, faults), faults, request_id)

    def _run(self, route: Route, call: Call, generation: int) -> Reply:
        """The effect and its booking, in one commit."""
        with self._core.store.write() if route.writes else self._core.store.read():
            if self._patience.generation != generation:
                # A reset came between: a call of the test before must not sell into new books.
                raise ConnectionDropped("sent away", reset=False)
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
                case "status_before":
                    raise Refusal(params["status"], params["code"], params["message"], params["headers"])
                case "rate_limited":
                    wait = self._write_retry_after(params["retry_after"], params["style"])
                    raise Refusal(429, "RATE_LIMITED", "Too many requests", {"Retry-After": wait})
                case "refuse":
                    raise system.refuse_order(str(params["reason"]))

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
        status = find_fault(faults, "status_after")
        if status is not None:
            params = status.params
            refusal = Refusal(params["status"], params["code"], params["message"], params["headers"])
            return Delivery(self._finish(request_id, system.render_refusal(refusal)))
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
