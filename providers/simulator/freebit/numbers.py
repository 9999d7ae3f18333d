"""Numbers that freebit hands out: phone numbers and ICCIDs."""

# The number that the document's examples use stands in this range, which no Japanese subscriber has.
PHONE_RANGE = "0800"
ISSUER = "898199"


def make_phone_number(serial: int) -> str:
    """Eleven digits, from the document's own range of example numbers."""
    return f"{PHONE_RANGE}{serial:07d}"


def make_iccid(serial: int) -> str:
    """19 digits: issuer, 12-digit serial, correct check digit."""
    base = f"{ISSUER}{serial:012d}"
    doubled = (int(digit) * (2 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(base)))
    return f"{base}{-sum(value - 9 if value > 9 else value for value in doubled) % 10}"
