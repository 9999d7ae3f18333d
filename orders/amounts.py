"""Amounts in sentences."""

from decimal import Decimal

from catalog.currencies import is_payable, quantum


def say_amount(amount: Decimal, currency: str) -> str:
    """``7.50 USD``, ``750 JPY``; with all its decimals where it has more than its currency."""
    shown = amount.quantize(quantum(currency)) if is_payable(amount, currency) else amount.normalize()
    return f"{shown:f} {currency}".strip()
