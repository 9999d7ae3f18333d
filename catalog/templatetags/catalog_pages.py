"""Filters of the catalogue's pages: ``{% load catalog_pages %}``."""

from decimal import Decimal

from django import template
from django.utils.formats import number_format

from catalog.currencies import round_nearest

register = template.Library()


@register.filter
def payable(amount: Decimal | None, currency: str) -> Decimal | None:
    """``{{ plan.per_day|payable:plan.currency|money:plan.currency }}``: a quotient, rounded to the currency's cents."""
    return None if amount is None else round_nearest(amount, currency)


@register.filter
def plain_number(number: Decimal | None) -> str:
    """A number without superfluous zeros."""
    return "" if number is None else number_format(f"{number.normalize():f}", use_l10n=True, force_grouping=True)
