"""JSON that is sent to us, refused as a whole (400) where a part of it would break what works with it later."""

import json
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

#: Ours: real bodies have four levels.
_DEEPEST = 50
_UNREADABLE = _("The body is no JSON, or no program can work with it.")


class Parser(JSONParser):
    """What DRF takes for JSON, without what is nested beyond measure or no text."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            document = super().parse(stream, media_type, parser_context)
            look_through(document)
        except (ValueError, RecursionError):
            raise ParseError(_UNREADABLE) from None
        return document


def look_through(document: Any) -> None:
    """Raises ``ValueError``: too deep, or a character that no encoding has (half of a pair)."""
    layer, depth = [document], 0
    while layer:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        layer = [inner for value in layer for inner in _inside(value)]
    json.dumps(document, ensure_ascii=False).encode()


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
