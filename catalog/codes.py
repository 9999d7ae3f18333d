"""What a country code and a currency code look like."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_COUNTRY = re.compile(r"[A-Z]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def validate_country_code(value: str) -> None:
    """A field's validator: ISO 3166-1 alpha-2, two capital letters."""
    if not _COUNTRY.fullmatch(value):
        raise ValidationError(_("Give the country as its two capital letters, for example JP."), code="country")


def validate_currency_code(value: str) -> None:
    """A field's validator: ISO 4217, three capital letters."""
    if not _CURRENCY.fullmatch(value):
        raise ValidationError(_("Give the currency as its three capital letters, for example USD."), code="currency")
