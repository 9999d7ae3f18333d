"""Identities of lines: ICCIDs, IMEIs, activation codes."""

import secrets
import string

# E.118 identifiers start with 89; 81 is Japan. The sandbox document asks for 8900.
PRODUCTION_ISSUER = "898110"
SANDBOX_ISSUER = "890010"

_MATCHING_LETTERS = string.ascii_uppercase + string.digits


def luhn_digit(digits: str) -> str:
    """The check digit to put behind `digits`."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def make_iccid(serial: int, *, sandbox: bool) -> str:
    """19 digits: issuer, 12-digit serial, correct check digit."""
    base = f"{SANDBOX_ISSUER if sandbox else PRODUCTION_ISSUER}{serial:012d}"
    return base + luhn_digit(base)


def make_imei() -> str:
    """A random, well-formed 15-digit IMEI."""
    base = "35" + "".join(secrets.choice(string.digits) for _ in range(12))
    return base + luhn_digit(base)


def make_matching_id() -> str:
    """The secret part of an activation code, as SGP.22 allows it."""
    return "-".join("".join(secrets.choice(_MATCHING_LETTERS) for _ in range(5)) for _ in range(4))
