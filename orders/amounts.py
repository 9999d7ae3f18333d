"""Amounts in sentences."""

from decimal import Decimal

from catalog.currencies import is_payable, minor_units, quantum


def say_amount(amount: Decimal, currency: str) -> str:
    """``7.50 USD``, ``750 JPY``; with all its decimals where it has more than its currency."""
    shown = amount.quantize(quantum(currency)) if is_payable(amount, currency) else amount.normalize()
    return f"{shown:f} {currency}".strip()


def write_amount(amount: Decimal, currency: str) -> str:
    """``12.5000`` dollars as people type them into a form: 12.50."""
    whole, _point, fraction = f"{amount.normalize():f}".partition(".")
    fraction = fraction.ljust(minor_units(currency), "0")
    return f"{whole}.{fraction}" if fraction else whole
