"""Identities of lines and numbers on the wire."""

import secrets
import string
from decimal import Decimal

# E.118: 89 telecommunication, 44 the United Kingdom, then an issuer; the document's samples begin with 8944.
_ISSUER = "894420"
_MATCHING_LETTERS = string.ascii_uppercase + string.digits


def make_iccid(serial: int) -> str:
    """20 digits, as in the document's samples: issuer, 13-digit serial, correct Luhn digit."""
    base = f"{_ISSUER}{serial:013d}"
    total = 0
    for position, digit in enumerate(reversed(base)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return base + str(-total % 10)


def make_matching_id() -> str:
    """The secret part of an activation code, shaped like `JQ-2D51JC-XXXXXX`."""
    parts = ("".join(secrets.choice(_MATCHING_LETTERS) for _ in range(6)) for _ in range(3))
    return "-".join(("JQ", *parts))


def to_number(value: Decimal) -> int | float:
    """A bare JSON number: 12 rather than 12.0, 4.9 rather than "4.90"."""
    return int(value) if value == value.to_integral_value() else float(value)
