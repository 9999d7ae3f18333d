"""The envelope of every reply: ``success``, ``errorCode``, the text under one of two names, and ``obj``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.classify import clean_sentence
from providers.reading import UnreadableError, parse_document

_YES, _NO = ("true", "1"), ("false", "0")
#: Live replies say ``errorMsg``, the document ``errorMessage``.
_TEXTS = ("errorMsg", "errorMessage", "message")
#: A code that came as a number has lost its leading zeros; all documented codes have six digits.
_CODE_LENGTH = 6
_LONGEST_CODE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a reply says before its content: ``code`` is text with its leading zeros, "" where there is no error."""

    is_success: bool
    code: str
    message: str
    obj: Any

    @property
    def part(self) -> Mapping[str, Any]:
        """``obj`` where it is an object. Raises ``UnreadableError``."""
        if not isinstance(self.obj, dict):
            raise UnreadableError("it has no obj")
        return self.obj

    def find_list(self, name: str) -> list[Any]:
        """The list called ``name`` in ``obj``, or the only list there: the document does not name every wrapper.

        Raises ``UnreadableError``.
        """
        if isinstance(self.obj, list):
            return self.obj
        told = self.part.get(name)
        if isinstance(told, list):
            return told
        lists = [value for value in self.part.values() if isinstance(value, list)]
        if name in self.part or len(lists) != 1:
            raise UnreadableError(f"it has no {name}")
        return lists[0]


def read_envelope(body: bytes) -> Envelope:
    """The envelope of a reply, whatever its HTTP status. Raises ``UnreadableError`` where there is none.

    ``success`` is a boolean or its word; ``errorCode`` is null, "", 0 or zeros when nothing is wrong. What says
    ``success`` and names an error succeeded in nothing that can be relied on.
    """
    document = parse_document(body)
    if not isinstance(document, dict):
        raise UnreadableError("it is not an object")
    code = _read_code(document.get("errorCode"))
    word = str(document.get("success")).strip().lower()
    if word not in _YES + _NO and not code:
        raise UnreadableError("it says neither success nor an error")
    message = next((document[name] for name in _TEXTS if isinstance(document.get(name), str)), "")
    return Envelope(
        is_success=word in _YES and not code,
        code=code,
        message=clean_sentence(message),
        obj=document.get("obj"),
    )


def _read_code(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int):
        return str(value).zfill(_CODE_LENGTH) if value else ""
    code = value.strip()
    return clean_sentence(code)[:_LONGEST_CODE] if code.strip("0") else ""
