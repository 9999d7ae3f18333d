"""How many decimals a currency has (ISO 4217), and rounding to amounts that can be paid."""

import re
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

#: ISO 4217 "minor unit" of the currencies that do not have two decimals.
MINOR_UNITS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF"), 0
    ),
    **dict.fromkeys(("XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def is_currency(code: str) -> bool:
    """Whether it looks like a code of ISO 4217: three capital letters."""
    return re.fullmatch(r"[A-Z]{3}", code) is not None


def minor_units(currency: str) -> int:
    """Decimals of a currency: 2 unless ISO 4217 says otherwise."""
    return MINOR_UNITS.get(currency, 2)


def quantum(currency: str) -> Decimal:
    """The smallest amount of a currency that can be paid: 0.01 of a dollar, 1 yen."""
    return Decimal(1).scaleb(-minor_units(currency))


def round_nearest(amount: Decimal, currency: str) -> Decimal:
    """To the nearest payable amount, halves up."""
    return amount.quantize(quantum(currency), ROUND_HALF_UP)


def round_up(amount: Decimal, currency: str) -> Decimal:
    """Up to the next payable amount."""
    return amount.quantize(quantum(currency), ROUND_CEILING)


def is_payable(amount: Decimal, currency: str) -> bool:
    """Whether the amount has no more decimals than its currency."""
    return amount == amount.quantize(quantum(currency), ROUND_HALF_UP)


def as_money(amount: Decimal, currency: str) -> dict[str, str]:
    """An amount as the API writes it: exact text with the currency's decimals, more where the amount has more."""
    shown = amount.quantize(quantum(currency)) if is_payable(amount, currency) else amount.normalize()
    return {"amount": f"{shown:f}", "currency": currency}
