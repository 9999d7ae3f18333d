"""The only way out: one HTTP call, once, with its budget, its time-outs and its line in the log.

- Nothing is retried and no redirect is followed: either could buy twice.
- Every call has a connection of its own. A pooled one may be dead already, and then nobody can tell whether a write
  arrived; at the few calls a second that wholesalers allow, a handshake is cheap.
- What fails before the connection stands (name, connect, TLS) has certainly not left this machine: ``NotSent``.
  What fails later may have arrived: ``OutcomeUnknown`` for a write, ``Unavailable`` for a read.
- A body that ends before its announced end is kept as far as it came, with ``complete`` False.
- The environment's proxies are used for https only, where they tunnel and see nothing; plain http is for this machine
  (tests, the simulator) and a proxy could read or repeat it. ``.netrc`` is never read: it would replace our keys.
"""

import http.client
import os
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import requests
import structlog
import urllib3
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseFailure
from django.db import connection as database
from django.utils import timezone
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from providers import calls, limits
from providers.errors import NotSent, OutcomeUnknown, ProviderError, Unavailable
from providers.models import ProviderAccount
from providers.reading import UnreadableError
from providers.types import Priority, ProviderReply, RateBudget

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: A thousand eSIMs with their usage are about two megabytes.
MAX_REPLY_BYTES = 32 * 1024 * 1024
_CHUNK = 64 * 1024
#: A connection that took longer moves its call's place in the rate window.
_SLOW_CONNECT = 0.2
#: Never kept with a reply.
_DROPPED_HEADERS = frozenset({"set-cookie", "authorization", "proxy-authenticate", "www-authenticate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundCall:
    """One HTTP request to a provider. Times are seconds."""

    account: str
    operation: str
    method: str
    url: str
    headers: Mapping[str, str]
    is_write: bool
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    budget: RateBudget | None = None
    priority: Priority = Priority.PEOPLE
    #: How long the call may wait for its rate budget.
    patience: float = 0.0
    read_timeout: float | None = None

    @property
    def address(self) -> str:
        """The URL with its query."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.query)}"


def send_write(call: OutboundCall) -> ProviderReply:
    """Send once and return the reply, whatever its status and however much of it came.

    Raises ``NotSent``, ``RateLimited`` (our own budget: nothing was sent) or ``OutcomeUnknown``.
    """
    claim, sent_at = _prepare(call)
    try:
        reply = _perform(call, claim, sent_at)
    except ProviderError as error:
        _record(call, sent_at, None, error)
        raise
    _record(call, sent_at, reply, None)
    return reply


def read(
    call: OutboundCall,
    *,
    judge: Callable[[ProviderReply], ProviderError | None],
    parse: Callable[[ProviderReply], T],
) -> T:
    """Send once and return what ``parse`` makes of a whole, successful reply.

    ``judge`` gives the error for a status that is no success. Raises that, ``NotSent``, ``RateLimited`` or, for a
    reply that did not come, was cut off or is nonsense, ``Unavailable``.
    """
    claim, sent_at = _prepare(call)
    reply = None
    try:
        reply = _perform(call, claim, sent_at)
        value = _parse_read(call, reply, judge, parse)
    except ProviderError as error:
        _record(call, sent_at, reply, error)
        raise
    _record(call, sent_at, reply, None)
    return value


def _parse_read(
    call: OutboundCall,
    reply: ProviderReply,
    judge: Callable[[ProviderReply], ProviderError | None],
    parse: Callable[[ProviderReply], T],
) -> T:
    error = judge(reply)
    if error:
        raise error
    if not reply.complete:
        raise _lost(call, "The reply was cut off")
    try:
        return parse(reply)
    except UnreadableError as unreadable:
        raise _lost(call, f"The provider answered nonsense: {unreadable}") from unreadable


def _prepare(call: OutboundCall) -> tuple[limits.Claim | None, datetime]:
    """The right to send: not paused, not inside a transaction, a place in the rate budget."""
    if any(not block._from_testcase for block in database.atomic_blocks):  # type: ignore[attr-defined]  # noqa: SLF001
        raise RuntimeError("a provider was called inside a transaction")
    if ProviderAccount.objects.filter(slug=call.account, is_paused=True).exists():
        raise NotSent(
            "Staff have paused this provider account", code="paused", operation=call.operation, account=call.account
        )
    claim = limits.take(call.account, call.operation, call.budget, call.priority, wait=call.patience)
    return claim, timezone.now()


def _record(call: OutboundCall, sent_at: datetime, reply: ProviderReply | None, error: ProviderError | None) -> None:
    if reply:
        limits.note_reply(
            call.account, call.operation, status=reply.status, headers=reply.headers, received_at=reply.received_at
        )
    calls.record_call(
        account=call.account,
        operation=call.operation,
        method=call.method,
        url=call.address,
        body=call.body,
        sent_at=sent_at,
        reply=reply,
        error=error,
        is_write=call.is_write,
    )


def _lost(call: OutboundCall, message: str) -> ProviderError:
    """Sent, and no usable answer."""
    kind = OutcomeUnknown if call.is_write else Unavailable
    return kind(message, operation=call.operation, account=call.account)


# -- the wire ---------------------------------------------------------------------------------------------------------


class _Watch:
    """Knows whether a call's connection stands, which is the moment from which something may have been sent."""

    def __init__(self, claim: limits.Claim | None) -> None:
        self.is_connected = False
        self.sock: Any = None
        self._claim = claim
        self._started = time.monotonic()

    def note_connected(self, sock: Any) -> None:
        self.sock = sock
        if self._claim and time.monotonic() - self._started > _SLOW_CONNECT:
            try:
                limits.stamp_again(self._claim)
            except DatabaseFailure as error:
                log.warning("rate_stamp_failed", error=type(error).__name__)
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


def _perform(call: OutboundCall, claim: limits.Claim | None, sent_at: datetime) -> ProviderReply:
    watch = _Watch(claim)
    token = _watch.set(watch)
    read_timeout = call.read_timeout or settings.HTTP_READ_TIMEOUT
    try:
        with _open_session() as session:
            response = session.request(
                call.method,
                call.address,
                data=call.body or None,
                headers={
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                    "User-Agent": "Roamdesk",
                    **call.headers,
                },
                timeout=(settings.HTTP_CONNECT_TIMEOUT, read_timeout),
                allow_redirects=False,
                stream=True,
                proxies=get_environ_proxies(call.url) if call.url.startswith("https:") else {},
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
            )
            with response:
                body, complete = _read_body(response, watch, read_timeout)
    except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise _explain(call, watch, error) from error
    finally:
        _watch.reset(token)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if not body and response.status_code != 204 and not headers.keys() & {"content-length", "transfer-encoding"}:
        # The head itself may have been cut off: nothing says that nothing was to come.
        complete = False
    body, is_plain = _decompress(body, headers.get("content-encoding", ""))
    return ProviderReply(
        operation=call.operation,
        status=response.status_code,
        headers={name: value for name, value in headers.items() if name not in _DROPPED_HEADERS},
        body=body,
        complete=complete and is_plain,
        sent_at=sent_at,
        received_at=timezone.now(),
    )


def _open_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WatchedAdapter())
    return session


def _explain(call: OutboundCall, watch: _Watch, error: Exception) -> Exception:
    """The error class by the one fact that counts; texts of libraries stay out, they may quote an address."""
    if watch.is_connected:
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
            return _lost(call, "The provider did not answer in time")
        return _lost(call, "The connection ended before the provider's answer came")
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        return ImproperlyConfigured(f"The address or a header for {call.account} is not usable: {type(error).__name__}")
    if isinstance(error, requests.exceptions.SSLError):
        message = "No secure connection to the provider: its certificate or TLS was refused"
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        message = "The provider could not be reached in time"
    else:
        message = "The provider could not be reached"
    return NotSent(message, code=type(error).__name__, operation=call.operation, account=call.account)


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
