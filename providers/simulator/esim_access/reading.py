"""Strict reading of request bodies: what is missing, null, too long or of another type has its documented code.

Optional parameters may be left out, null or empty, as the document's samples send them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.simulator.esim_access.wire import refuse
from providers.simulator.messages import Request

Body = Mapping[str, Any]


def read_body(request: Request, *, may_be_empty: bool = False) -> Body:
    """The JSON object. An empty body is one only where nothing is asked for."""
    if may_be_empty and not request.body.strip():
        return {}
    body = request.parse_json()
    if not isinstance(body, dict):
        raise refuse("000104")
    return body


def read_text(body: Body, name: str, *, most: int | None = None) -> str:
    """A mandatory text."""
    value = _demand(body, name)
    if not isinstance(value, str):
        raise refuse("200008", name)
    if not value.strip():
        raise refuse("000106", name)
    if most is not None and len(value) > most:
        raise refuse("000107", name)
    return value


def read_optional_text(body: Body, name: str) -> str | None:
    """A text, or None when it is left out, null or empty."""
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise refuse("200008", name)
    return value


def read_list(body: Body, name: str, *, most: int | None = None) -> list[Any]:
    """A mandatory list with something in it."""
    value = _demand(body, name)
    if not isinstance(value, list):
        raise refuse("200008", name)
    if not value:
        raise refuse("000106", name)
    if most is not None and len(value) > most:
        raise refuse("000107", f"{name}: at most {most}")
    return value


def read_whole(body: Body, name: str, *, least: int, most: int, code: str) -> int:
    """A mandatory whole number within bounds; `code` is the refusal beyond them."""
    value = _demand(body, name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse(code, f"{name}: {least} to {most}")
    return value


def read_money(body: Body, name: str, *, as_text: bool = False) -> int | None:
    """An optional amount, USD times 10,000; `as_text`: the top-up's amount is printed as a String."""
    value = body.get(name)
    if value is None or (as_text and value == ""):
        return None
    if as_text and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse("200008", name)
    return value


def read_instant(body: Body, name: str) -> datetime:
    """`2010-06-30T01:20+00:00`, and every other ISO 8601 instant; without a zone it is UTC."""
    try:
        instant = datetime.fromisoformat(read_text(body, name))
    except ValueError as error:
        raise refuse("200008", name) from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _demand(body: Body, name: str) -> Any:
    if name not in body:
        raise refuse("000105", name)
    if body[name] is None:
        raise refuse("000106", name)
    return body[name]
