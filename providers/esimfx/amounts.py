"""Amounts of data: the unit decides. Units are binary: a product of 10 GB has a subscription of 10,737,418,240 Byte."""

from collections.abc import Mapping
from decimal import Decimal

from providers.reading import MAX_BIGINT, FieldReader, note_unknown_word
from providers.types import Allowance, DataPeriod

_UNITS: Mapping[str, int] = {
    "byte": 1,
    "bytes": 1,
    "b": 1,
    "kb": 1024,
    "mb": 1024**2,
    "gb": 1024**3,
    "tb": 1024**4,
}
#: "For Unlimited Plans would be Days."
_ENDLESS = frozenset({"day", "days", "unlimited"})


def map_allowance(reader: FieldReader, names: tuple[str, ...], *, unlimited: bool, account: str) -> Allowance:
    """An allowance out of the first of ``names`` that is there, and ``amount_unit``.

    Days have no bytes, so no percentage either. A plan that calls itself unlimited and has a number of bytes has those.
    """
    name = _find_name(reader, names)
    unit = reader.text("amount_unit", limit=20)
    word = str(reader.value(name)).strip().casefold()
    amount = None if word in _ENDLESS else reader.decimal(name)
    is_endless = unit.casefold() in _ENDLESS or word in _ENDLESS or (unlimited and not amount)
    data_bytes = None if is_endless else _to_bytes(amount, unit, account)
    return Allowance(
        data_bytes=data_bytes,
        # All of it, until the package is over; no document says what an unlimited plan's days are counted over.
        period=DataPeriod.UNKNOWN if is_endless else DataPeriod.TOTAL,
        unlimited=is_endless,
        raw_amount="" if amount is None else f"{amount:f}",
        raw_unit=unit,
    )


def map_used(reader: FieldReader, name: str, *, account: str) -> int | None:
    """Used data in bytes; None where it is not reported, or counted in days."""
    unit = reader.text("amount_unit", limit=20)
    if unit.casefold() in _ENDLESS:
        return None
    return _to_bytes(reader.decimal(name), unit, account)


def _find_name(reader: FieldReader, names: tuple[str, ...]) -> str:
    return next((name for name in names if reader.value(name) is not None), names[0])


def _to_bytes(amount: Decimal | None, unit: str, account: str) -> int | None:
    if amount is None:
        return None
    factor = _UNITS.get(unit.casefold())
    if factor is None:
        note_unknown_word(account=account, field="amount_unit", word=unit)
        return None
    data_bytes = int(amount * factor)
    return data_bytes if data_bytes <= MAX_BIGINT else None
