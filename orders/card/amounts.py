"""Amounts as the payment service counts them: whole numbers of a currency's smallest unit, by its own table.

It differs from ISO 4217. Nothing is rounded here: what the service cannot move exactly is refused before it is asked,
because a customer would pay something else than the order says, and the rest could not be paid back by card either.
"""

from decimal import Decimal

from django.utils.translation import gettext as _

from orders.amounts import say_amount

#: Counted in whole units.
ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
#: Counted in thousandths, of which only whole tens are taken.
THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
#: Counted in hundredths, of which only whole hundreds are taken.
WHOLE_ONLY = frozenset(("ISK", "UGX"))


class AmountRefused(Exception):
    """The service cannot move exactly this amount; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def count_decimals(currency: str) -> int:
    """By how many decimals the service shifts an amount."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def smallest_step(currency: str) -> Decimal:
    """The smallest amount by which a charge can differ: 0.01 of a dollar, 0.010 of a dinar, 1 yen."""
    if currency in ZERO_DECIMAL or currency in WHOLE_ONLY:
        return Decimal(1)
    return Decimal("0.01")


def to_minor(amount: Decimal, currency: str) -> int:
    """12.50 USD is 1250, 750 JPY is 750, 1.230 KWD is 1230. Raises ``AmountRefused``."""
    if amount % smallest_step(currency):
        message = _("%(amount)s cannot be moved by card: the payment service takes whole steps of %(step)s only.")
        step = f"{smallest_step(currency):f} {currency}"
        raise AmountRefused(message % {"amount": say_amount(amount, currency), "step": step})
    return int(amount.scaleb(count_decimals(currency)))


def from_minor(amount: int, currency: str) -> Decimal:
    """1250 is 12.50 USD."""
    return Decimal(amount).scaleb(-count_decimals(currency))
