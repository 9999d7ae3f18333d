"""How every call to eSIM Access is made: always POST, signed over the exact bytes, out of one budget."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from providers import transport
from providers.errors import OutcomeUnknown, ProviderError, Rejected
from providers.esim_access.config import EsimAccessConfig
from providers.esim_access.envelope import Envelope, read_envelope
from providers.esim_access.refusals import find_error
from providers.esim_access.signing import make_headers
from providers.reading import UnreadableError
from providers.redaction import MASK
from providers.types import Priority, ProviderReply

T = TypeVar("T")

_BASE = "/api/v1/open/"
#: Operation -> path. The document fixes all of them.
PATHS: Mapping[str, str] = {
    "packages": "package/list",
    "order": "esim/order",
    "query": "esim/query",
    "cancel": "esim/cancel",
    "suspend": "esim/suspend",
    "unsuspend": "esim/unsuspend",
    "revoke": "esim/revoke",
    "topup": "esim/topup",
    "sms": "esim/sendSms",
    "usage": "esim/usage/query",
    "balance": "balance/query",
    "locations": "location/list",
    "webhook_save": "webhook/save",
    "webhook_query": "webhook/query",
}
#: OURS: how long a call waits for the budget, in seconds. All calls share 8 a second, so a place is free soon; people
#: and orders also have the reserve, and wait longer before they are told to come back.
_PATIENCE: Mapping[Priority, float] = {Priority.PEOPLE: 6.0, Priority.BACKGROUND: 3.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The way to one account. Headers are made anew for each call: a repeated write has a fresh signature."""

    account: str
    config: EsimAccessConfig

    def read(
        self,
        name: str,
        body: object,
        *,
        parse: Callable[[Envelope, ProviderReply], T],
        priority: Priority,
        accepted: frozenset[str] = frozenset(),
        read_timeout: float | None = None,
    ) -> T:
        """Ask once. ``parse`` gets a success, or a refusal whose code is in ``accepted``; raises as ``transport``."""
        seen: dict[int, Envelope | None] = {}

        def judge(reply: ProviderReply) -> ProviderError | None:
            envelope = seen[id(reply)] = _find_envelope(reply)
            return self._find_error(reply, envelope, is_write=False, accepted=accepted)

        def parse_reply(reply: ProviderReply) -> T:
            envelope = seen[id(reply)]
            if envelope is None:
                raise UnreadableError("it is not the provider's envelope")
            return parse(envelope, reply)

        call = self._make_call(name, body, is_write=False, priority=priority, read_timeout=read_timeout)
        return transport.read(call, judge=judge, parse=parse_reply)

    def write(self, name: str, body: object, *, read_timeout: float | None = None) -> ProviderReply:
        """Send once; the log and the account's health know what the reply means. Raises as ``transport``."""
        call = self._make_call(name, body, is_write=True, priority=Priority.PEOPLE, read_timeout=read_timeout)
        return transport.send_write(call, judge=self.judge_write)

    def judge_write(self, reply: ProviderReply) -> ProviderError | None:
        """The error that a write's reply stands for; None for a success or for what only its reader can judge."""
        return self._find_error(reply, _find_envelope(reply), is_write=True)

    def open_reply(self, reply: ProviderReply) -> Envelope:
        """The envelope of a write that the provider took. Pure; raises what the reply stands for, or
        ``OutcomeUnknown`` where it cannot be read.
        """
        error = self.judge_write(reply)
        if error:
            raise error
        envelope = _find_envelope(reply)
        if envelope is None:
            raise self.unknown(reply, "is no whole answer")
        return envelope

    def unknown(self, reply: ProviderReply, fault: str, *, transaction_id: str = "") -> OutcomeUnknown:
        """A write was sent and its reply does not say what came of it."""
        return OutcomeUnknown(
            f"The reply {fault}; the request may have been carried out",
            code=str(reply.status),
            operation=reply.operation,
            account=self.account,
            transaction_id=transaction_id,
        )

    def refuse(self, name: str, message: str, field: str) -> Rejected:
        """What the provider would not take: refused here, before anything is sent."""
        return Rejected(message, code=field, operation=name, account=self.account, field=field)

    def _find_error(
        self,
        reply: ProviderReply,
        envelope: Envelope | None,
        *,
        is_write: bool,
        accepted: frozenset[str] = frozenset(),
    ) -> ProviderError | None:
        return find_error(
            reply,
            envelope,
            account=self.account,
            is_write=is_write,
            refusals=self.config.refusals,
            accepted=accepted,
        )

    def _make_call(
        self, name: str, body: object, *, is_write: bool, priority: Priority, read_timeout: float | None
    ) -> transport.OutboundCall:
        # Plain ASCII, made once: what is signed is what is sent, in whatever charset it is read.
        content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode("ascii")
        return transport.OutboundCall(
            account=self.account,
            operation=name,
            method="POST",
            url=f"{self.config.url}{_BASE}{PATHS[name]}",
            headers=make_headers(access_code=self.config.access_code, secret_key=self.config.secret_key, body=content),
            is_write=is_write,
            body=content,
            logged_body=_write_for_log(name, body),
            budget=self.config.budget,
            priority=priority,
            patience=_PATIENCE[priority],
            read_timeout=read_timeout,
        )


def _write_for_log(name: str, body: object) -> bytes | None:
    """An SMS is a person's own words: the log keeps that one was sent, not what it says."""
    if name != "sms" or not isinstance(body, dict):
        return None
    return json.dumps({**body, "message": MASK}).encode()


def _find_envelope(reply: ProviderReply) -> Envelope | None:
    """The envelope of a whole reply. One that was cut off has none, however much of it can be read."""
    if not reply.complete:
        return None
    try:
        return read_envelope(reply.body)
    except UnreadableError:
        return None
