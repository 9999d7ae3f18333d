"""Identities of lines and orders: ICCIDs, EIDs, IMSIs, transaction numbers, activation codes."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Issuer:
    """Who makes the profiles of some packages: its digits, how long its ICCIDs are, IMSI prefix, access point."""

    prefix: str
    iccid_digits: int
    imsi_prefix: str
    apn: str
    exits: str


# 19 and 20 digits both occur among the provider's samples.
ISSUERS: Sequence[Issuer] = (
    Issuer("89852000", 20, "45400", "isp", "HK"),
    Issuer("89431081", 19, "23205", "drei.at", "NL/FR"),
    Issuer("89972502", 19, "42502", "internet", "GB/NO"),
)
SMDP = "rsp-eu.simulator.example"


def luhn_digit(digits: str) -> str:
    """The check digit to put behind `digits`."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def make_iccid(issuer: Issuer, serial: int) -> str:
    """Issuer, serial, correct check digit."""
    width = issuer.iccid_digits - len(issuer.prefix) - 1
    base = f"{issuer.prefix}{serial % 10**width:0{width}d}"
    return base + luhn_digit(base)


def make_imsi(issuer: Issuer, serial: int) -> str:
    """15 digits."""
    width = 15 - len(issuer.imsi_prefix)
    return f"{issuer.imsi_prefix}{serial % 10**width:0{width}d}"


def make_eid() -> str:
    """A random 32-digit EID whose check digits hold (the whole number is 1 modulo 97)."""
    base = "89049032" + "".join(secrets.choice(string.digits) for _ in range(22)) + "00"
    return f"{base[:30]}{98 - int(base) % 97:02d}"


def make_matching_id() -> str:
    """The secret part of an activation code: 32 capital hexadecimal digits, as the provider prints them."""
    return secrets.token_hex(16).upper()


def make_digits(count: int) -> str:
    """A random PIN or PUK."""
    return "".join(secrets.choice(string.digits) for _ in range(count))


def make_transaction_number(now: datetime, serial: int) -> str:
    """`26033119290005`: minute and serial. Order numbers and eSIM numbers share the serials, so they never agree."""
    return f"{now.astimezone(UTC):%y%m%d%H%M}{serial:04d}"
