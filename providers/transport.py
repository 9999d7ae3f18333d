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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

import structlog
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError
from django.db import connection as database
from django.utils import timezone

from providers import calls, limits, wire
from providers.errors import NotSent, OutcomeUnknown, ProviderError, Unavailable
from providers.models import ProviderAccount
from providers.reading import UnreadableError
from providers.types import Priority, ProviderReply, RateBudget

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: A connection that took longer moves its call's place in the rate window.
_SLOW_CONNECT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundCall:
    """One HTTP request to a provider. Times are seconds."""

    account: str
    operation: str
    method: str
    url: str
    #: Keys travel in headers, people's data in bodies: neither shows in a traceback.
    headers: Mapping[str, str] = field(repr=False)
    is_write: bool
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    #: What the log keeps instead of the body, where it holds a person's own words; None: the body, redacted.
    logged_body: bytes | None = field(default=None, repr=False)
    budget: RateBudget | None = None
    priority: Priority = Priority.PEOPLE
    #: How long the call may wait for its rate budget.
    patience: float = 0.0
    read_timeout: float | None = None

    @property
    def scope(self) -> str:
        """Whose rate budget, and whose pause, the call counts for."""
        return (self.budget.scope if self.budget else "") or self.operation

    @property
    def address(self) -> str:
        """The URL with its query."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.query)}"


def send_write(
    call: OutboundCall, *, judge: Callable[[ProviderReply], ProviderError | None] | None = None
) -> ProviderReply:
    """Send once and return the reply, whatever its status and however much of it came.

    ``judge`` tells the log and the account's health what a reply means where its status alone does not (a provider may
    refuse with HTTP 200); what it gives is not raised.

    Raises ``NotSent``, ``RateLimited`` (our own budget: nothing was sent) or ``OutcomeUnknown``.
    """
    claim, sent_at = _prepare(call)
    try:
        reply = _perform(call, claim, sent_at)
    except ProviderError as error:
        _record(call, sent_at, None, error)
        raise
    _record(call, sent_at, reply, _judge_for_log(judge, reply))
    return reply


def _judge_for_log(
    judge: Callable[[ProviderReply], ProviderError | None] | None, reply: ProviderReply
) -> ProviderError | None:
    """What the log says of a write's reply. The reply is worth more than its line there: this never raises."""
    if judge is None:
        return None
    try:
        return judge(reply)
    except Exception as error:  # noqa: BLE001 - a boundary: see above
        log.warning("reply_not_judged", operation=reply.operation, error=type(error).__name__)
        return None


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
    try:
        if ProviderAccount.objects.filter(slug=call.account, is_paused=True).exists():
            raise _not_sent(call, "Staff have paused this provider account", code="paused")
        claim = limits.take(call.account, call.scope, call.budget, call.priority, wait=call.patience)
    except (OperationalError, InterfaceError) as failure:
        # Away, or busy beyond its time-out: what is certain is that nothing left.
        raise _not_sent(call, "The database could not be asked for the right to call", code="database") from failure
    return claim, timezone.now()


def _not_sent(call: OutboundCall, message: str, *, code: str) -> NotSent:
    return NotSent(message, code=code, operation=call.operation, account=call.account)


def _record(call: OutboundCall, sent_at: datetime, reply: ProviderReply | None, error: ProviderError | None) -> None:
    if reply:
        limits.note_reply(
            call.account, call.scope, status=reply.status, headers=reply.headers, received_at=reply.received_at
        )
    calls.record_call(
        account=call.account,
        operation=call.operation,
        method=call.method,
        url=call.address,
        body=call.body if call.logged_body is None else call.logged_body,
        content_type=call.headers.get("Content-Type", ""),
        sent_at=sent_at,
        reply=reply,
        error=error,
        is_write=call.is_write,
    )


def _lost(call: OutboundCall, message: str) -> ProviderError:
    """Sent, and no usable answer."""
    kind = OutcomeUnknown if call.is_write else Unavailable
    return kind(message, operation=call.operation, account=call.account)


def _perform(call: OutboundCall, claim: limits.Claim | None, sent_at: datetime) -> ProviderReply:
    def note_connected(seconds: float) -> None:
        if claim and seconds > _SLOW_CONNECT:
            try:
                limits.stamp_again(claim)
            except DatabaseFailure as error:
                log.warning("rate_stamp_failed", error=type(error).__name__)

    try:
        reply = wire.exchange(
            method=call.method,
            address=call.address,
            headers=call.headers,
            body=call.body,
            read_timeout=call.read_timeout or settings.HTTP_READ_TIMEOUT,
            on_connected=note_connected,
        )
    except wire.ConnectFailure as failure:
        raise _not_sent(call, failure.message, code=failure.kind) from failure
    except wire.AnswerFailure as failure:
        raise _lost(call, failure.message) from failure
    return ProviderReply(
        operation=call.operation,
        status=reply.status,
        headers=reply.headers,
        body=reply.body,
        complete=reply.complete,
        sent_at=sent_at,
        received_at=timezone.now(),
    )
