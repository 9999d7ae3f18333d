"""Webhooks in tests: the control calls that hold, lose and repeat them, and a server that receives them."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.simulator_client import Simulator

PATIENCE_S = 5.0


class Webhooks:
    """The deliveries of one simulator, of all systems or one."""

    def __init__(self, simulator: Simulator, system: str | None = None) -> None:
        """`system`: whose deliveries the readers show."""
        self._simulator = simulator
        self._system = system

    def list_all(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Every delivery, oldest first: id, kind, url, headers, body, at, state, status, error, attempts."""
        webhooks: list[dict[str, Any]] = self._simulator.books("webhooks", system=self._system)["webhooks"]
        return [webhook for webhook in webhooks if kind in (None, webhook["kind"])]

    def wait_until_sent(self) -> list[dict[str, Any]]:
        """Wait until nothing waits any more; returns every delivery."""
        query = f"?system={self._system}" if self._system else ""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._simulator.control("GET", f"/webhooks{query}")
            if answer["waiting"] == 0:
                webhooks: list[dict[str, Any]] = answer["webhooks"]
                return webhooks
            assert time.monotonic() < deadline, f"{answer['waiting']} webhooks still wait"
            time.sleep(0.02)

    def pause(self) -> None:
        """Hold back all that come."""
        self._order("pause")

    def resume(self, order: str = "forward", *, seed: int = 0) -> None:
        """Let them go: "forward", "reverse" or "shuffle"."""
        self._order("resume", order=order, seed=seed)

    def repeat(self, webhook_id: int) -> None:
        """The same bytes once more."""
        self._order("repeat", id=webhook_id)

    def drop(self, webhook_id: int | None = None) -> int:
        """Lose one that waits, or all; returns how many."""
        return int(self._order("drop", id=webhook_id)["dropped"])

    def send(self, *, system: str, kind: str, url: str, body: Any, headers: Mapping[str, str] | None = None) -> int:
        """Send any body (text as it is, else JSON) to any address of this machine; returns its id."""
        answer = self._order("send", system=system, kind=kind, url=url, body=body, headers=dict(headers or {}))
        return int(answer["id"])

    def _order(self, action: str, **details: Any) -> dict[str, Any]:
        given = {name: value for name, value in details.items() if value is not None}
        return self._simulator.control("POST", "/webhooks", {"action": action, **given})


@dataclass(frozen=True)
class Received:
    """One webhook as it came; header names are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """A server on a free port that keeps what it is sent and answers `status`; a context manager."""

    status: int = 200
    # Called with each webhook before it is answered, to be slow or to call back.
    before_answer: Callable[[Received], None] = lambda received: None
    received: list[Received] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def wait_for(self, count: int) -> list[Received]:
        """Wait until so many have come; returns all."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} webhooks came, not {count}"
            time.sleep(0.02)
        return list(self.received)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(path=self.path, headers=headers, body=body)
                receiver.before_answer(received)
                receiver.received.append(received)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class says so
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
