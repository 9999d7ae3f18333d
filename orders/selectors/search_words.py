"""What somebody typed into the search: read once, looked for in the books by kind."""

import re
import unicodedata
from dataclasses import dataclass

#: Fewer digits name too many lines.
LEAST_DIGITS = 4
#: From so many digits on, the end of a phone number or of an EID says whom it means.
LEAST_OF_PHONE = 7
LEAST_OF_EID = 6
LONGEST = 120
_BETWEEN_DIGITS = re.compile(r"[\s().\-‐‑–/]+")
#: ``R-2611-ABC346`` as people say it: without the letter, without hyphens, in small letters.
_ORDER = re.compile(r"R?[-\s]?(\d{4})[-\s]?([A-Z0-9]{1,6})", re.IGNORECASE)
_ORDER_END = re.compile(r"[A-Z0-9]{6}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A text and what it may be; each is "" where it cannot be that."""

    text: str
    #: A number without what people write between digits.
    digits: str
    #: One word, as references are.
    reference: str
    #: An order's number in full or its beginning, as it is stored.
    order_number: str
    #: The last six signs of an order's number.
    order_end: str

    @property
    def spellings(self) -> list[str]:
        """The text as references may be stored: people do not mind capitals."""
        return sorted({self.text, self.text.upper(), self.text.lower()})

    @property
    def is_empty(self) -> bool:
        return not self.text


def read_typed(text: str) -> Typed:
    """Full-width letters and digits are as good as narrow ones."""
    words = " ".join(unicodedata.normalize("NFKC", text.replace("\x00", "")).split())[:LONGEST]
    digits = _BETWEEN_DIGITS.sub("", words).removeprefix("+")
    digits = digits if digits.isascii() and digits.isdecimal() else ""
    order, end = _ORDER.fullmatch(words), _ORDER_END.fullmatch(words)
    is_reference = len(words) >= LEAST_DIGITS and " " not in words and "@" not in words
    return Typed(
        text=words,
        digits=digits if len(digits) >= LEAST_DIGITS else "",
        reference=words if is_reference else "",
        order_number=f"R-{order[1]}-{order[2].upper()}" if order else "",
        order_end=end[0].upper() if end else "",
    )
