"""Stripe's wire format: forms with brackets, objects, lists, errors, and the signature of an event."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from providers.simulator.messages import Refusal, Reply, Request, json_reply

_PARTS = re.compile(r"\[([^\[\]]*)\]")
#: HTTP status → type of the error; everything else is an `api_error`.
_TYPES: Mapping[int, str] = {402: "card_error", 409: "idempotency_error"}
_CODES: Mapping[str, str] = {"NOT_FOUND": "resource_missing", "RATE_LIMITED": "rate_limit"}
IDEMPOTENCY_MISMATCH = "idempotency_mismatch"


def make_id(prefix: str) -> str:
    """`pi_6f…`, never the same twice, also after a reset."""
    return f"{prefix}_{secrets.token_hex(12)}"


def read_form(text: str) -> dict[str, Any]:
    """`metadata[order]=R-1&expand[0]=x` as nested objects; numbers in brackets make objects too."""
    document: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = [name.split("[", 1)[0], *_PARTS.findall(name)]
        place = document
        for part, following in zip([head, *rest], rest, strict=False):
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Refusal(400, "parameter_invalid", f"Invalid {following}")
        place[[head, *rest][-1]] = value
    return document


def read_body(request: Request) -> dict[str, Any]:
    """The form of a POST. Raises Refusal 400."""
    try:
        return read_form(request.body.decode())
    except UnicodeDecodeError as error:
        raise Refusal(400, "parameter_invalid", "The form is not UTF-8") from error


def read_query(request: Request) -> dict[str, Any]:
    """The query of a GET, read as a form."""
    nested: dict[str, Any] = {}
    for name, value in request.query.items():
        head, _, rest = name.partition("[")
        if rest:
            nested.setdefault(head, {})[rest.rstrip("]")] = value
        else:
            nested[head] = value
    return nested


def read_amount(form: Mapping[str, Any], name: str = "amount", *, least: int = 1) -> int:
    """A whole number of minor units. Raises Refusal 400."""
    text = str(form.get(name, ""))
    if not text:
        raise Refusal(400, "parameter_missing", f"Missing required param: {name}.")
    if not text.isdecimal() or int(text) < least:
        raise Refusal(400, "parameter_invalid_integer", f"Invalid integer: {text}")
    return int(text)


def read_words(form: Mapping[str, Any], name: str) -> list[str]:
    """A list such as `expand[]`."""
    given = form.get(name, {})
    return [str(value) for value in given.values()] if isinstance(given, dict) else [str(given)]


def write_error(refusal: Refusal) -> Reply:
    """`{"error": {…}}`, with `Retry-After` and the like as headers."""
    status, code = refusal.status, _CODES.get(refusal.code, refusal.code)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    error: dict[str, Any] = {"type": kind, "code": code, "message": refusal.message}
    if code == IDEMPOTENCY_MISMATCH:
        error = {"type": "idempotency_error", "message": refusal.message}
    elif status == 401:
        del error["code"]
    elif kind == "card_error":
        error |= {"code": "card_declined", "decline_code": code}
    return json_reply(status, {"error": error}, {"Request-Id": make_id("req"), **refusal.headers})


def write_list(url: str, rows: Sequence[Any], *, limit: int) -> dict[str, Any]:
    """A page of a list; `rows` may hold one more than fits, which says that there is more."""
    return {"object": "list", "url": url, "has_more": len(rows) > limit, "data": list(rows[:limit])}


def sign(body: bytes, secret: str, at: int) -> str:
    """The value of `Stripe-Signature`."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"
