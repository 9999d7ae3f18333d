"""What every stand-in shares: a socket of its own in this process, requests as they came, faults, limits on arrival."""

import json
import socket
import socketserver
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.emulator.wire import Fault, Manners, Reply, reset, send

Q = TypeVar("Q", bound=Manners)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request as it came; ``at`` is monotonic seconds."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    raw: bytes = b""
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``calls`` arrivals in any ``seconds``, of all operations together."""

    calls: int
    seconds: float


class House(ABC, Generic[Q]):
    """One wholesaler. A subclass routes requests, carries them out on its books, and words what it refuses."""

    def __init__(self, quirks: Q) -> None:
        self.quirks = quirks
        #: Held while a request is carried out: one after the other.
        self.lock = threading.RLock()
        self.arrivals: list[Arrival] = []
        #: What the next requests of an operation meet, in their order; None is nothing.
        self.faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        #: Answers of whole operations that replace what the books would say.
        self.canned: dict[str, Callable[[Arrival], object]] = {}
        #: What a strict reader of the documents objects to in our requests, whatever was answered.
        self.complaints: list[str] = []
        self.limit: Limit | None = None
        self.url = ""

    def meet(self, operation: str, *faults: Fault | None) -> None:
        self.faults[operation].extend(faults)

    def count(self, operation: str) -> int:
        return sum(arrival.operation == operation for arrival in self.arrivals)

    def find(self, operation: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.operation == operation]

    def most_in(self, seconds: float, operation: str = "") -> int:
        """The most arrivals in any window of that length, whatever was answered."""
        times = [arrival.at for arrival in self.arrivals if operation in ("", arrival.operation)]
        return max((sum(start <= at < start + seconds for at in times) for start in times), default=0)

    @contextmanager
    def running(self) -> Iterator[Self]:
        house = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    house._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                house.arrivals.append(Arrival(operation="CRASH", method="", path="", query={}, headers={}, body=None))
                super().handle_error(request, client_address)  # type: ignore[arg-type]

        with Server(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}{self.quirks.prefix}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    # -- what a subclass supplies -------------------------------------------------------------------------------------

    @abstractmethod
    def _route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        """(operation, arguments in the path); the operation "NOWHERE" for what the house does not have."""

    @abstractmethod
    def _act(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        """Carry the request out."""

    @abstractmethod
    def _word_fault(self, fault: Fault) -> tuple[bytes, str]:
        """(body, content type) of a refusal without a body of its own."""

    def _over_limit(self) -> Reply:
        """The answer to one call too many; such a call does nothing."""
        return Reply(429)

    def _dress(self, arrival: Arrival, reply: Reply) -> Reply:
        """The same reply with the headers that the house adds to what it answers by itself."""
        return reply

    # -- one request --------------------------------------------------------------------------------------------------

    def _serve(self, connection: socket.socket) -> None:
        request = _read_request(connection)
        if request is None:
            return
        method, target, headers, raw = request
        query = {name: found[-1] for name, found in parse_qs(urlsplit(target).query, keep_blank_values=True).items()}
        operation, arguments = self._route(method, target)
        with self.lock:
            arrival = Arrival(
                operation=operation,
                method=method,
                path=target,
                query=query,
                headers=headers,
                body=_parse(raw),
                raw=raw,
                at=time.monotonic(),
            )
            self.arrivals.append(arrival)
            fault = self.faults[operation].popleft() if self.faults[operation] else None
            if fault and fault.kind in ("reset_before", "close_before"):
                if fault.kind == "reset_before":
                    reset(connection)
                return
            reply = self._answer(arrival, arguments, fault)
        if fault and fault.kind == "reset_after":
            reset(connection)
            return
        send(connection, reply, self.quirks, fault)
        if self.quirks.keeps_open and fault is None:
            connection.settimeout(5)
            connection.recv(1)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    def _answer(self, arrival: Arrival, arguments: Mapping[str, str], fault: Fault | None) -> Reply:
        if self._is_over_limit(arrival):
            return self._over_limit()
        if fault and fault.kind == "answer":
            if fault.effect:
                self._act(arrival, arguments)
            body, kind = self._word_fault(fault) if fault.body is None else (fault.body, "")
            return Reply(fault.status, body, kind or "application/json", dict(fault.headers))
        return self._dress(arrival, self._act(arrival, arguments))

    def _is_over_limit(self, arrival: Arrival) -> bool:
        if self.limit is None:
            return False
        start = arrival.at - self.limit.seconds
        return sum(earlier.at > start for earlier in self.arrivals) > self.limit.calls


def _read_request(connection: socket.socket) -> tuple[str, str, dict[str, str], bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return method, target, headers, body


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
