"""The wire: one HTTP request on a connection of its own, and its reply as far as it came.

Knows nothing of rate budgets and logs; ``transport`` is the only caller.
"""

import http.client
import os
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: A thousand eSIMs with their usage are about two megabytes.
MAX_REPLY_BYTES = 32 * 1024 * 1024
_CHUNK = 64 * 1024
#: Never kept with a reply.
_DROPPED_HEADERS = frozenset({"set-cookie", "authorization", "proxy-authenticate", "www-authenticate"})


class ConnectFailure(Exception):
    """No connection came about: nothing was sent. The message is ours and names no address."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


class AnswerFailure(Exception):
    """The connection stood, and no answer came: the request may have arrived."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReply:
    """A reply as it came; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool


class _Watch:
    """Knows whether a call's connection stands, which is the moment from which something may have been sent."""

    def __init__(self, on_connected: Callable[[float], None]) -> None:
        self.is_connected = False
        self.sock: Any = None
        self._on_connected = on_connected
        self._started = time.monotonic()

    def note_connected(self, sock: Any) -> None:
        self.sock = sock
        self._on_connected(time.monotonic() - self._started)
        self.is_connected = True


_watch: ContextVar[_Watch] = ContextVar("roamdesk_call_watch")


class _WatchedHTTPConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _watch.get().note_connected(self.sock)


class _WatchedHTTPSConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _watch.get().note_connected(self.sock)


class _WatchedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTPConnection


class _WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


_POOLS = {"http": _WatchedHTTPPool, "https": _WatchedHTTPSPool}


class _WatchedAdapter(HTTPAdapter):
    """requests' adapter over the watched connections; its own number of retries is 0."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def exchange(
    *,
    method: str,
    address: str,
    headers: Mapping[str, str],
    body: bytes,
    read_timeout: float,
    on_connected: Callable[[float], None],
) -> WireReply:
    """Send one request, once. ``on_connected`` is told how many seconds connecting took, before anything is sent.

    Raises ``ConnectFailure``, ``AnswerFailure`` and, for an address or a header that no request can carry,
    ``ImproperlyConfigured``.
    """
    watch = _Watch(on_connected)
    token = _watch.set(watch)
    # Not a session: it would follow, or at least look into, redirects, and read .netrc.
    adapter = _WatchedAdapter()
    try:
        request = requests.Request(
            method,
            address,
            headers={"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Roamdesk", **headers},
            data=body or None,
        ).prepare()
        with adapter.send(
            request,
            stream=True,
            timeout=(settings.HTTP_CONNECT_TIMEOUT, read_timeout),
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
            proxies=get_environ_proxies(address) if address.startswith("https:") else {},
        ) as response:
            content, complete = _read_body(response, watch, read_timeout)
    except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise _explain(watch, error) from error
    finally:
        _watch.reset(token)
        adapter.close()
    return _make_reply(response, content, complete=complete)


def _make_reply(response: requests.Response, content: bytes, *, complete: bool) -> WireReply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if not content and response.status_code != 204 and not headers.keys() & {"content-length", "transfer-encoding"}:
        # The head itself may have been cut off: nothing says that nothing was to come.
        complete = False
    body, is_plain = _decompress(content, headers.get("content-encoding", ""))
    return WireReply(
        status=response.status_code,
        headers={name: value for name, value in headers.items() if name not in _DROPPED_HEADERS},
        body=body,
        complete=complete and is_plain,
    )


def _explain(watch: _Watch, error: Exception) -> Exception:
    """The failure by the one fact that counts; texts of libraries stay out, they may quote an address."""
    if watch.is_connected:
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
            return AnswerFailure("The provider did not answer in time")
        return AnswerFailure("The connection ended before the provider's answer came")
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        return ImproperlyConfigured(f"A provider's address or header cannot be used: {type(error).__name__}")
    if isinstance(error, requests.exceptions.SSLError):
        message = "No secure connection to the provider: its certificate or TLS was refused"
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        message = "The provider could not be reached in time"
    else:
        message = "The provider could not be reached"
    return ConnectFailure(message, kind=type(error).__name__)


def _read_body(response: requests.Response, watch: _Watch, seconds: float) -> tuple[bytes, bool]:
    """The body as far as it comes within ``seconds``, and whether that is all of it."""
    deadline = time.monotonic() + seconds
    body = bytearray()
    raw = response.raw
    try:
        while len(body) <= MAX_REPLY_BYTES:
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(body), False
            with suppress(OSError):
                watch.sock.settimeout(left)
            chunk = raw.read1(_CHUNK, decode_content=False)
            if not chunk:
                return bytes(body), True
            body += chunk
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError):
        return bytes(body), False
    return bytes(body[:MAX_REPLY_BYTES]), False


def _decompress(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """We ask for plain bodies; a server that compresses nevertheless is understood, also where it was cut off."""
    if not body or encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body, True
    box = zlib.decompressobj(wbits=47)
    try:
        plain = box.decompress(body, MAX_REPLY_BYTES)
    except zlib.error:
        return body, False
    return plain, box.eof
