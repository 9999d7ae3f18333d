"""Calls to eSIMfx: the token, the envelope, the address; one place where a request is made."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.conf import settings

from providers import transport
from providers.errors import Mend, ProviderError, Rejected
from providers.esimfx import envelope
from providers.esimfx.authentication import read_issued_token
from providers.esimfx.config import EsimfxConfig
from providers.tokens import IssuedToken, SharedToken, read_with_token, write_with_token
from providers.types import Priority, ProviderReply

T = TypeVar("T")

#: OURS: nobody waits longer for a token, in seconds, and how long its call may wait for the rate budget.
AUTH_TIMEOUT = 20.0
_AUTH_PATIENCE = 4.0


class Connection:
    """One account's way to the provider. It holds nothing between calls but the settings."""

    def __init__(self, config: EsimfxConfig) -> None:
        self._config = config
        self._token = SharedToken(
            account=config.account,
            issued_for=(config.url, config.client_id, config.client_key),
            issue=self._issue_token,
        )

    def read(
        self,
        name: str,
        parse: Callable[[Any, ProviderReply], T],
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        priority: Priority = Priority.PEOPLE,
        patience: float = 0.0,
    ) -> T:
        """One read, with the token; ``parse`` gets the ``data`` of a success, and the reply. Raises like any read."""

        def judge(reply: ProviderReply) -> ProviderError | None:
            return envelope.judge_read(reply, self._config)

        def parse_reply(reply: ProviderReply) -> T:
            return parse(envelope.read_data(reply.body), reply)

        def attempt(token: str) -> T:
            call = self._make_call(
                name,
                headers=self._authorise(token),
                query=query,
                body=body,
                priority=priority,
                patience=patience,
                is_write=False,
            )
            return transport.read(call, judge=judge, parse=parse_reply)

        return read_with_token(self._token, name, attempt)

    def write(
        self,
        name: str,
        body: object,
        *,
        is_sale: bool = False,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
    ) -> ProviderReply:
        """One write, with the token. A refused token did nothing: then the same request goes out once more."""

        def judge(reply: ProviderReply) -> ProviderError | None:
            return envelope.judge_write(reply, self._config, is_sale=is_sale)

        def is_refused(reply: ProviderReply) -> bool:
            return envelope.is_token_refused(reply, self._config)

        def attempt(token: str) -> ProviderReply:
            sent = {**self._authorise(token), **(headers or {})}
            call = self._make_call(name, headers=sent, body=body, patience=patience, is_write=True)
            return transport.send_write(call, judge=judge)

        return write_with_token(self._token, name, attempt, is_refused)

    def _issue_token(self) -> IssuedToken:
        """Any refusal here is one of our keys, or of the address that they are sent to."""

        def judge(reply: ProviderReply) -> ProviderError | None:
            error = envelope.judge_read(reply, self._config)
            if isinstance(error, Rejected):
                error.mend = Mend.CREDENTIALS
            return error

        def parse(reply: ProviderReply) -> IssuedToken:
            return read_issued_token(reply.body, sent_at=reply.sent_at)

        call = self._make_call(
            "auth",
            body={"client_id": self._config.client_id, "client_key": self._config.client_key},
            patience=_AUTH_PATIENCE,
            read_timeout=min(AUTH_TIMEOUT, settings.HTTP_READ_TIMEOUT),
            is_write=False,
        )
        return transport.read(call, judge=judge, parse=parse)

    def _authorise(self, token: str) -> Mapping[str, str]:
        return {"Authorization": self._config.token_prefix + token}

    def _make_call(
        self,
        name: str,
        *,
        is_write: bool,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
        priority: Priority = Priority.PEOPLE,
        patience: float = 0.0,
        read_timeout: float | None = None,
    ) -> transport.OutboundCall:
        endpoint = self._config.endpoints[name]
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        return transport.OutboundCall(
            account=self._config.account,
            operation=name,
            method=endpoint.method,
            url=self._config.url + endpoint.path,
            headers=sent,
            is_write=is_write,
            query=query or {},
            body=b"" if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
            budget=self._config.budget,
            priority=priority,
            patience=patience,
            read_timeout=read_timeout,
        )
