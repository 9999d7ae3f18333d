"""A server that plays back bytes, for what no well-behaved server would ever send."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TLS_HELLO = b"\x16\x03"
Script = Callable[[socket.socket], None]


class ScriptedServer:
    """Plays one script per connection, the last one for all that follow; ``requests`` are the bytes it got."""

    def __init__(self, *scripts: Script | bytes) -> None:
        self._scripts = list(scripts)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        number = 0
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            script = self._scripts[min(number, len(self._scripts) - 1)]
            number += 1
            with connection:
                connection.settimeout(5)
                try:
                    self.requests.append(_read_request(connection))
                    if isinstance(script, bytes):
                        connection.sendall(script)
                    else:
                        script(connection)
                except OSError:
                    continue


def _read_request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        got += part
        if not part or got.startswith(_TLS_HELLO):
            return got
    head, _mark, body = got.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            break
        body += part
    return head + b"\r\n\r\n" + body


@contextmanager
def scripted(*scripts: Script | bytes) -> Iterator[ScriptedServer]:
    """A scripted server for the time of a ``with`` block."""
    server = ScriptedServer(*scripts)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP reply; ``length`` may lie, and -1 leaves the header out."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def reset_after(sent: bytes) -> Script:
    """Send these bytes, then end the connection with a RST."""

    def script(connection: socket.socket) -> None:
        connection.sendall(sent)
        threading.Event().wait(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def drip(head: bytes, part: bytes, *, seconds: float, times: int) -> Script:
    """Send a head, then a part again and again with pauses."""

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        for _time in range(times):
            threading.Event().wait(seconds)
            connection.sendall(part)

    return script
