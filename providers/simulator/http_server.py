"""Sockets: one thread per connection, HTTP/1.1 with keep-alive, and answers broken on purpose."""

import ipaddress
import socket
import struct
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from providers.simulator.messages import ConnectionDropped, Delivery, Refusal, Request, json_reply

MAX_BODY = 8 * 1024 * 1024
_DRIP_STEPS = 20


class Server(ThreadingHTTPServer):
    """The listening socket. Threads are daemons: a hanging call never keeps the program alive."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], provider: Callable[[Request], Delivery], control: Callable[[Request], Delivery]
    ) -> None:
        self.provider = provider
        self.control = control
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without looking up this machine's name, which can take seconds where there is no DNS."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is printed by the base class."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the server's callables, writes the answer in one piece (no Nagle pause)."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "roamdesk-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout: ClassVar[float] = 600.0

    def handle_any(self) -> None:
        """Serve one call."""
        try:
            request = self._read_request()
            delivery = self._find_door(request.path)(request)
        except Refusal as refusal:
            self.close_connection = True
            body = {"code": refusal.code, "message": refusal.message}
            delivery = Delivery(json_reply(refusal.status, body, refusal.headers))
        except ConnectionDropped as drop:
            self._drop(reset=drop.reset)
            return
        self._write(delivery)

    # The base class looks methods up by these names.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class says so
        """Silent: the books hold every call."""

    def _find_door(self, path: str) -> Callable[[Request], Delivery]:
        if not path.startswith("/_control/"):
            return self.server.provider
        if not ipaddress.ip_address(self.client_address[0]).is_loopback:
            raise Refusal(403, "LOOPBACK_ONLY", "Control calls are accepted from this machine only")
        return self.server.control

    def _read_request(self) -> Request:
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            raise Refusal(411, "LENGTH_REQUIRED", "Send Content-Length")
        if int(length) > MAX_BODY:
            raise Refusal(413, "TOO_LARGE", f"At most {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionDropped("incomplete request", reset=False)
        return Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def _write(self, delivery: Delivery) -> None:
        reply = delivery.reply
        body = b"" if self.command == "HEAD" else reply.body
        if delivery.cut_at is not None:
            self.close_connection = True
        head = self._write_head(delivery, len(reply.body))
        if delivery.drip_s > 0:
            self._drip(head, body if delivery.cut_at is None else body[: delivery.cut_at], delivery.drip_s)
            return
        self.connection.sendall(head + (body if delivery.cut_at is None else body[: delivery.cut_at]))

    def _write_head(self, delivery: Delivery, length: int) -> bytes:
        reply = delivery.reply
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "Unknown"
        headers = {
            "Server": self.server_version,
            "Date": self.date_time_string(),
            "Content-Type": reply.content_type,
            "Content-Length": str(length),
            "Connection": "close" if self.close_connection else "keep-alive",
            **{name: str(value) for name, value in reply.headers.items()},
        }
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _drip(self, head: bytes, body: bytes, seconds: float) -> None:
        self.connection.sendall(head)
        step = max(1, -(-len(body) // _DRIP_STEPS))
        for start in range(0, len(body), step):
            time.sleep(seconds / _DRIP_STEPS)
            self.connection.sendall(body[start : start + step])

    def _drop(self, *, reset: bool) -> None:
        """End the connection without an answer; linger 0 makes the close a RST."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The descriptor is closed only when the reader's copy is closed too.
            self.rfile.close()
            self.connection.close()
