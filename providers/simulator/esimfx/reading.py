"""What callers send, checked as strictly as the document describes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from providers.simulator.esimfx.refusals import Declined
from providers.simulator.messages import Refusal, Request

DEFAULT_PAGE_SIZE = 20  # not given; the document's samples ask for 10 and 20
MAX_PAGE_SIZE = 100  # not given; clients were seen to ask for 99. More is answered by so many


def read_object(request: Request) -> Mapping[str, Any]:
    """The body, which must be a JSON object. Raises Declined."""
    try:
        body = request.parse_json()
    except Refusal as refusal:
        raise Declined("INVALID_REQUEST", refusal.message) from refusal
    if not isinstance(body, dict):
        raise Declined("INVALID_REQUEST", "The body is a JSON object")
    return body


def read_text(values: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises Declined."""
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise Declined("INVALID_REQUEST", f"{name} is required, as a string")
    return value


def read_optional_text(values: Mapping[str, Any], name: str) -> str | None:
    """A text, or None when it is absent, null or empty. Raises Declined."""
    return read_text(values, name) if values.get(name) not in (None, "") else None


def read_countries(values: Mapping[str, Any]) -> Sequence[str]:
    """`countries` such as "US,CA". Raises Declined."""
    text = read_optional_text(values, "countries")
    codes = [] if text is None else [code.strip() for code in text.split(",")]
    if not all(len(code) == 2 and code.isascii() and code.isalpha() and code.isupper() for code in codes):
        raise Declined("INVALID_REQUEST", 'countries is a list of ISO codes such as "US,CA"')
    return codes


def read_page_size(values: Mapping[str, Any]) -> int:
    """`page_size`. Raises Declined."""
    size = values.get("page_size", DEFAULT_PAGE_SIZE)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise Declined("INVALID_REQUEST", "page_size is a whole number from 1")
    return min(size, MAX_PAGE_SIZE)
