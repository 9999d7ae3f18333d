"""Reading a provider's JSON without trusting it: every field may be absent, null, of another type or nonsense.

What cannot be read becomes a ``Fault`` beside a ``None``; only a reply without its vital part is ``UnreadableError``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import structlog

from providers.types import Fault

log = structlog.get_logger(__name__)

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
#: What PostgreSQL's text and jsonb refuse: NUL, and surrogates without their partner.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
#: The largest number that a BIGINT column holds.
MAX_BIGINT = 2**63 - 1
#: OURS: what lies outside stands for "none" ("0001-01-01…", "9999-12-31…") or is nonsense. Near the calendar's own
#: ends nothing could be added, and no other zone shown.
_FIRST_INSTANT, _LAST_INSTANT = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
#: Real replies have five levels.
_DEEPEST = 50
_MAX_SEEN_WORDS = 500
_seen_words: set[tuple[str, str, str]] = set()


class UnreadableError(ValueError):
    """The reply lacks what it is for. The message holds nothing from the reply."""


def parse_document(body: bytes) -> Any:
    """The JSON document in a body; numbers with a point become ``Decimal``. Raises ``UnreadableError``.

    Characters that the database cannot hold are replaced by U+FFFD.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("the reply is not JSON") from error
    return _make_storable(document, _DEEPEST)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def replace_unstorable(text: str) -> str:
    """Text without the characters that the database cannot hold."""
    return _UNSTORABLE.sub("\ufffd", text)


def _make_storable(value: Any, levels: int) -> Any:
    if levels < 0:
        raise UnreadableError("the reply is nested too deep")
    if isinstance(value, str):
        return replace_unstorable(value)
    if isinstance(value, list):
        return [_make_storable(item, levels - 1) for item in value]
    if isinstance(value, dict):
        return {replace_unstorable(name): _make_storable(item, levels - 1) for name, item in value.items()}
    return value


def make_plain(value: Any) -> Any:
    """The same value with ``Decimal`` as int or float, so that any JSON column takes it; for ``raw`` only."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < MAX_BIGINT else float(value)
    if isinstance(value, list):
        return [make_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: make_plain(item) for name, item in value.items()}
    return value


def note_unknown_word(*, account: str, field: str, word: str) -> None:
    """Log a word that our tables lack, once per process."""
    key = (account, field, word)
    if key in _seen_words or len(_seen_words) >= _MAX_SEEN_WORDS:
        return
    _seen_words.add(key)
    log.warning("provider_unknown_word", account=account, field=field, word=word[:60])


def to_decimal(value: object) -> Decimal | None:
    """A finite number given as a JSON number or as plain decimal digits in a string; None otherwise."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Decimal):
        return value if value.is_finite() and -30 < value.adjusted() < 30 else None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None


def to_instant(value: object) -> datetime | None:
    """An ISO 8601 instant as aware UTC; without a zone it is taken as UTC, as the documents print it.

    None for one before 2000 or after 8999 as well: no line has it, and it could not be shown in every zone.
    """
    if not isinstance(value, str) or "T" not in value.upper().replace(" ", "T"):
        return None
    try:
        told = datetime.fromisoformat(value.strip())
        instant = (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if _FIRST_INSTANT <= instant <= _LAST_INSTANT else None


def to_day(value: object) -> date | None:
    """A date written YYYY-MM-DD and nothing else: a time of day would have to be moved between zones."""
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        return None
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        return None


class FieldReader:
    """Reads the fields of one JSON object; what is there and cannot be read is added to ``faults``."""

    def __init__(self, source: Mapping[str, Any], *, where: str, faults: list[Fault]) -> None:
        self._source = source
        self._where = where
        self.faults = faults

    def fault(self, name: str, message: str) -> None:
        """Note one thing that could not be read. Never put a value into the message: it may be a secret."""
        self.faults.append(Fault(where=f"{self._where}.{name}" if self._where else name, message=message))

    def value(self, name: str) -> Any:
        """The value as it came, None where it is absent."""
        return self._source.get(name)

    def text(self, name: str, *, limit: int = 300) -> str:
        """Text without outer spaces, "" where it is absent; numbers are written out, what is longer is cut."""
        value = self._source.get(name)
        if value is None:
            return ""
        if isinstance(value, bool | list | dict):
            self.fault(name, "is not text")
            return ""
        text = str(value).strip()
        if len(text) > limit:
            self.fault(name, f"is longer than {limit} characters and was cut")
            return text[:limit].rstrip()
        return text

    def decimal(self, name: str) -> Decimal | None:
        """A number, not negative."""
        value = self._source.get(name)
        if value is None or value == "":
            return None
        number = to_decimal(value)
        if number is None or number < 0:
            self.fault(name, "is not a number from 0")
            return None
        return number

    def integer(self, name: str, *, limit: int = MAX_BIGINT) -> int | None:
        """A whole number from 0 to ``limit``."""
        number = self.decimal(name)
        if number is None:
            return None
        if number != number.to_integral_value() or number > limit:
            self.fault(name, "is not a whole number in range")
            return None
        return int(number)

    def boolean(self, name: str) -> bool | None:
        """True or false, also written as text."""
        value = self._source.get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        self.fault(name, "is neither true nor false")
        return None

    def instant(self, name: str) -> datetime | None:
        """An instant in UTC."""
        value = self._source.get(name)
        if value is None or value == "":
            return None
        instant = to_instant(value)
        if instant is None:
            self.fault(name, "is not an instant")
        return instant

    def day(self, name: str) -> date | None:
        """A business date; its zone is the document's matter and it is never converted."""
        value = self._source.get(name)
        if value is None or value == "":
            return None
        day = to_day(value)
        if day is None:
            self.fault(name, "is not a date")
        return day

    def country(self, name: str) -> str:
        """An ISO 3166-1 alpha-2 code in capitals, "" where it is absent or something else."""
        code = self.text(name).upper()
        if code and not _COUNTRY.fullmatch(code):
            self.fault(name, "is not a country code")
            return ""
        return code

    def countries(self, name: str) -> tuple[str, ...] | None:
        """A list of country codes in their order, each once; None where it is absent."""
        items = self.array(name)
        if items is None:
            return None
        codes: list[str] = []
        for index, value in enumerate(items):
            code = value.strip().upper() if isinstance(value, str) else ""
            if not _COUNTRY.fullmatch(code):
                self.fault(f"{name}[{index}]", "is not a country code")
            elif code not in codes:
                codes.append(code)
        return tuple(codes)

    def array(self, name: str) -> Sequence[Any] | None:
        """A list as it came; None where it is absent, null or something else."""
        value = self._source.get(name)
        if value is None or isinstance(value, list):
            return value
        self.fault(name, "is not a list")
        return None

    def object(self, name: str) -> Mapping[str, Any]:
        """An object as it came; empty where it is absent or something else."""
        value = self._source.get(name)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.fault(name, "is not an object")
        return {}
