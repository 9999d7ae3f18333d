"""Money as whole numbers of a ten-thousandth: 18000 is 1.80. No float ever touches it."""

from decimal import Decimal

from providers.reading import FieldReader, to_decimal
from providers.types import Money

_FACTOR = 10_000
#: What a price column holds before the point.
_MOST = Decimal(10) ** 10


def read_amount(value: object) -> Decimal | None:
    """A whole number of ten-thousandths, below zero too; None for anything else."""
    number = to_decimal(value)
    if number is None or number != number.to_integral_value() or abs(number) >= _MOST * _FACTOR:
        return None
    return number / _FACTOR


def map_money(reader: FieldReader, name: str, currency: str) -> Money | None:
    """A price; without its currency it is none."""
    value = reader.value(name)
    if value is None or value == "":
        return None
    amount = read_amount(value)
    if amount is None or amount < 0:
        reader.fault(name, "is not a whole number of ten-thousandths")
        return None
    if len(currency) != 3 or not currency.isalpha():
        reader.fault(name, "has no currency")
        return None
    return Money(amount=amount, currency=currency)


def write_amount(money: Money | None) -> int | None:
    """The number that the provider compares; None where there is no price that it could say exactly."""
    if money is None:
        return None
    scaled = money.amount * _FACTOR
    return int(scaled) if scaled == scaled.to_integral_value() and scaled >= 0 else None
