"""Every field of the document by itself: its characters, its length, and the detail code of its fault."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from providers.simulator.freebit.codes import Decline

_TWO_BYTES = 2
FULL_WIDTH_SPACE = "\u3000"


@dataclass(frozen=True)
class Shape:
    """What one value looks like; digits are [0-9], never the full-width ones that `str.isdigit` takes as well."""

    code: str
    pattern: re.Pattern[str]


def _shape(code: str, pattern: str) -> Shape:
    return Shape(code, re.compile(pattern, re.ASCII))


_KANA = "\uff10-\uff19\uff21-\uff3a\u30a1-\u30ef\u30f3\u30f4\u30fc"

# Top-level names as they are; those of the two objects with their path. "Symbols" are taken as printable ASCII.
SHAPES: Mapping[str, Shape] = {
    "authKey": _shape("228", r"[0-9A-Za-z]+"),
    "aladinOperated": _shape("278", r"10|20"),
    "masterAccount": _shape("201", r"[\x21-\x7e]{1,64}"),
    "masterPassword": _shape("202", r"[\x21-\x7e]{1,256}"),
    "createType": _shape("279", r"new|add"),
    "eid": _shape("370", r"[0-9]{32}"),
    "account": _shape("201", r"[0-9]{11,14}"),
    "simKind": _shape("277", r"E2|E3|E0"),
    "contractLine": _shape("360", r"4G|5G"),
    "repAccount": _shape("269", r"[0-9]{11,14}"),
    "addKind": _shape("333", r"N|M|R"),
    "reissue.oldProductNumber": _shape("266", r"[A-Z]{2}[0-9]{13}"),
    "reissue.oldEid": _shape("370", r"[0-9]{32}"),
    "mnp.reserveNumber": _shape("307", r"[0-9]{10}"),
    "mnp.lastnameKanji": _shape("253", r"(?s:.){1,50}"),
    "mnp.firstnameKanji": _shape("254", r"(?s:.){1,50}"),
    "mnp.lastnameZenKana": _shape("255", rf"[{FULL_WIDTH_SPACE}{_KANA}]{{1,50}}"),
    "mnp.firstnameZenKana": _shape("256", rf"[{FULL_WIDTH_SPACE}{_KANA}]{{1,50}}"),
    "mnp.gender": _shape("257", r"M|W|C"),
    "mnp.birthday": _shape("258", r"[0-9]{8}"),
    "shipDate": _shape("276", r"[0-9]{8}"),
    "planCode": _shape("215", r"[\x21-\x7e]{1,32}"),
    "deliveryCode": _shape("274", r"[0-9A-Za-z]{1,10}"),
}


def check_text(path: str, value: Any) -> str:
    """The value of one field. Raises Decline with the field's code: not a string, wrong characters or length."""
    shape = SHAPES[path]
    if not isinstance(value, str) or shape.pattern.fullmatch(value) is None:
        raise Decline(shape.code)
    return value


def check_date(path: str, value: Any, *, today: date) -> str:
    """A calendar date that is not in the future of Japan. Raises Decline."""
    text = check_text(path, value)
    try:
        day = date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError:
        raise Decline(SHAPES[path].code) from None
    if day > today:
        raise Decline(SHAPES[path].code)
    return text


def is_full_width(character: str) -> bool:
    """Whether Windows-31J writes it with two bytes and reads the same character back.

    Python's `cp932` also encodes what it does not decode again (the wave dash U+301C comes back as U+FF5E) and
    single bytes (ASCII, control characters, half-width katakana): neither is a full-width character.
    """
    try:
        encoded = character.encode("cp932")
    except UnicodeEncodeError:
        return False
    return len(encoded) == _TWO_BYTES and encoded.decode("cp932") == character
