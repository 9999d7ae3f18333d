"""JSON as one house writes it: the order of names, white space, escapes and fields that nobody asked for."""

import json
from typing import Any, Protocol


class Style(Protocol):
    """How a variant writes its JSON."""

    @property
    def key_order(self) -> str:
        """document | reversed | sorted"""

    @property
    def indent(self) -> int | None: ...

    @property
    def escapes(self) -> bool: ...

    @property
    def extra_fields(self) -> bool: ...


#: What a house may add to any object.
EXTRAS: dict[str, Any] = {"_links": {"self": "/x"}, "cmconMdlsts": "01", "note": None}


def write_json(document: Any, style: Style) -> bytes:
    text = json.dumps(arrange(document, style), indent=style.indent, ensure_ascii=False)
    if style.escapes:
        text = text.replace("/", "\\/").replace("$", "\\u0024")
    return text.encode()


def arrange(value: Any, style: Style) -> Any:
    """The same value with its names in the style's order, and with what it adds."""
    if isinstance(value, list):
        return [arrange(item, style) for item in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    if style.key_order != "document":
        names = sorted(names) if style.key_order == "sorted" else names[::-1]
    arranged = {name: arrange(value[name], style) for name in names}
    return arranged | EXTRAS if style.extra_fields else arranged
