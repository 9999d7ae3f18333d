"""The bytes of one reply: heads, framings, compressions, and the ways in which a connection may end."""

import socket
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

_PHRASES = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 429: "Too Many"}


class Manners(Protocol):
    """How a variant frames its replies, and where it lives."""

    @property
    def prefix(self) -> str: ...

    @property
    def keeps_open(self) -> bool:
        """Whether it waits for us to hang up."""

    @property
    def framing(self) -> str:
        """length | chunked | close"""

    @property
    def gzip(self) -> bool: ...

    @property
    def header_case(self) -> str:
        """lower | UPPER | Title"""


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What befalls one request. ``cut`` says, from the body, how many of its bytes are sent."""

    #: reset_before | reset_after | close_before | answer | cut | drip | no_end
    kind: str
    #: Of an answer: whether the request took effect nevertheless.
    effect: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: None: an error body in the house's shape.
    body: bytes | None = None
    cut: Callable[[bytes], int] | None = None
    #: Of a drip: in how many pieces, over how many seconds.
    pieces: int = 20
    seconds: float = 0.5


def send(connection: socket.socket, reply: Reply, manners: Manners, fault: Fault | None) -> None:
    """Write a reply as the house frames it, or as much of it as the fault lets through."""
    cut = fault.cut(reply.body) if fault and fault.cut else None
    is_broken = cut is not None or (fault is not None and fault.kind == "no_end")
    coded, whole_length = _compress(reply.body, cut) if manners.gzip and reply.body else (reply.body[:cut], None)
    length = len(reply.body) if whole_length is None else whole_length
    headers = {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()), **reply.headers}
    if reply.body:
        headers["Content-Type"] = reply.content_type
    if manners.gzip and reply.body:
        headers["Content-Encoding"] = "gzip"
    framing = "none" if reply.status == 204 else manners.framing
    if framing == "length" or not reply.body:
        headers["Content-Length"] = str(length)
    elif framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
    pieces = fault.pieces if fault and fault.kind == "drip" else 1
    connection.sendall(_write_head(reply.status, headers, manners.header_case))
    size = max(1, -(-len(coded) // pieces))
    for start in range(0, len(coded), size):
        piece = coded[start : start + size]
        connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
        if pieces > 1 and fault:
            time.sleep(fault.seconds / pieces)
    if framing == "chunked" and reply.body and not is_broken:
        connection.sendall(b"0\r\n\r\n")


def reset(connection: socket.socket) -> None:
    """A RST instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _compress(body: bytes, cut: int | None) -> tuple[bytes, int]:
    """(what is sent, how long the whole would be); a cut falls at the same byte of the plain body."""
    box = zlib.compressobj(wbits=31)
    whole = box.compress(body) + box.flush()
    if cut is None:
        return whole, len(whole)
    box = zlib.compressobj(wbits=31)
    return box.compress(body[:cut]) + box.flush(zlib.Z_SYNC_FLUSH), len(whole) + 100


def _write_head(status: int, headers: Mapping[str, str], case: str) -> bytes:
    def spell(name: str) -> str:
        return name.lower() if case == "lower" else name.upper() if case == "UPPER" else name.title()

    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Whatever')}"]
    lines += [f"{spell(name)}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
