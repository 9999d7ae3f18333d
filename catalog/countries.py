"""Names of countries in the reader's language, from the Unicode CLDR as Babel ships it."""

import re
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language

_CODE = re.compile(r"[A-Z]{2}")


@lru_cache(maxsize=8)
def _territories(language: str) -> dict[str, str]:
    try:
        locale = Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    return {code: name for code, name in locale.territories.items() if _CODE.fullmatch(code)}


def country_flag(code: str) -> str:
    """The flag of an ISO 3166-1 alpha-2 code as an emoji; "" for anything else."""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in code) if _CODE.fullmatch(code) else ""


def country_name(code: str, language: str | None = None) -> str:
    """The name of an ISO 3166-1 alpha-2 code; the code itself where it is not known.

    ``language`` is a tag as Django writes it ("ja", "pt-br"); without it the reader's own.
    """
    return _territories(language or get_language() or "en").get(code, code)
