"""What goes in and out of a simulated provider, free of sockets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any


@dataclass(frozen=True)
class Request:
    """One call as it arrived; header names are lower case, of a repeated query name the last one counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def parse_json(self) -> Any:
        """The body as JSON. Raises Refusal 400 when it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refusal(400, "INVALID_JSON", "The body is not JSON") from error


@dataclass(frozen=True)
class Reply:
    """A whole answer before any fault touches it."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """How an answer is put on the wire; the default is the honest way."""

    reply: Reply
    cut_at: int | None = None
    drip_s: float = 0.0


class Refusal(Exception):
    """The provider says no; rendered by the provider's own error format."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers: Mapping[str, str] = headers or {}


class ConnectionDropped(Exception):
    """No answer: the connection ends, with a RST when `reset`, else by closing it."""

    def __init__(self, outcome: str, *, reset: bool) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.reset = reset


def write_retry_after(seconds: int, style: str) -> str:
    """`Retry-After` as "seconds" or as an HTTP "date"; both are allowed by RFC 9110."""
    if style == "seconds":
        return str(seconds)
    # Clients compare the date with their own, real clock. Rounded up: never earlier than promised.
    moment = datetime.now(UTC) + timedelta(seconds=seconds + 1)
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer, compact and in UTF-8 as the live services send it."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status=status, body=body, headers=headers or {})
