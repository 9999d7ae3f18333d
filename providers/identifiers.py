"""The numbers and codes of eSIMs that no provider owns: ICCID (E.118), EID (SGP.29), activation code (SGP.22)."""

import re
from dataclasses import dataclass, field

_ICCID = re.compile(r"[0-9]{18,22}", re.ASCII)
_EID = re.compile(r"[0-9]{32}", re.ASCII)
#: SGP.22 §4.1 with its prefix, which may be in any case: LPA:1$host$matching-id[$OID[$1]].
_LPA = re.compile(r"LPA:1\$([^\s$]+)\$([^\s$]+)(?:\$[^\s$]*(?:\$1?)?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationCode:
    """A whole activation string and its two main parts. Whoever has it can use the eSIM."""

    lpa: str = field(repr=False)
    smdp_address: str
    matching_id: str = field(repr=False)


def split_activation_code(text: str) -> ActivationCode | None:
    """A string that a QR code may hold as it is; None for anything else. Nothing is put together from parts."""
    match = _LPA.fullmatch(text)
    if match is None or len(text) > 300:
        return None
    host, matching_id = match.groups()
    return ActivationCode(lpa=text, smdp_address=host[:255], matching_id=matching_id[:255])


def is_iccid(text: str) -> bool:
    """18 to 22 digits, as seen in the field; a wrong check digit is no reason to refuse (see ``passes_luhn``)."""
    return bool(_ICCID.fullmatch(text))


def passes_luhn(iccid: str) -> bool:
    """Whether the check digit fits. Many vendors' samples fail, so this only ever warns."""
    digits = [int(digit) for digit in reversed(iccid)]
    return sum(digits[0::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def is_eid(text: str) -> bool:
    """32 digits."""
    return bool(_EID.fullmatch(text))
