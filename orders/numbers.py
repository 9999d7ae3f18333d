"""Order numbers: short, said over the telephone, hard to guess."""

import secrets
from datetime import datetime

#: No 0/O, 1/I/L, 5/S, 2/Z, 8/B, U/V: what people mix up.
ALPHABET = "34679ACDEFGHJKMNPQRTUWXY"
LENGTH = 6


def draw_number(at: datetime) -> str:
    """``R-<year><month>-<random>``; about 190 million a month, so guessing finds none. The database keeps it unique."""
    return f"R-{at:%y%m}-{''.join(secrets.choice(ALPHABET) for _ in range(LENGTH))}"
