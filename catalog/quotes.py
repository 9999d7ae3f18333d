"""What a plan costs the customer and why: pure arithmetic, no database.

A price comes from the plan's own price, else from the first rule that fits, else from the provider's suggestion; none
of the three may fall below the floor, which is the net price plus ``PRICE_FLOOR_PERCENT`` of it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catalog.currencies import minor_units, round_nearest, round_up
from catalog.models import PriceRule

OWN = "own"
SUGGESTED = "suggested"
RULE = "rule:"
#: Stands behind a source whose price was raised to the floor.
RAISED = "+floor"

#: What a plan's column can hold; a dearer plan is not sold rather than sold wrong.
_HIGHEST = Decimal("9999999999.9999")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBasis:
    """Everything about a plan that its retail price depends on; amounts are in ``currency`` ("" = not known)."""

    account_id: int
    currency: str
    net_price: Decimal | None
    suggested_price: Decimal | None
    own_price: Decimal | None
    #: ISO codes of the countries that the plan covers.
    countries: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuote:
    """A retail price with its reasons. ``amount`` None: the plan cannot be sold, and ``missing`` says why.

    ``source`` is "own", "suggested" or "rule:<id>", with "+floor" behind it where the floor raised the price; it is
    what ``Plan.price_source`` keeps. ``wanted`` is the price before the floor and the rounding.
    """

    amount: Decimal | None
    currency: str
    source: str = ""
    net_price: Decimal | None = None
    floor: Decimal | None = None
    wanted: Decimal | None = None
    rule: PriceRule | None = None
    missing: str | Promise = ""

    @property
    def raised_to_floor(self) -> bool:
        return self.source.endswith(RAISED)

    @property
    def margin(self) -> Decimal | None:
        """Retail minus net price; None where there is no retail price."""
        return None if self.amount is None or self.net_price is None else self.amount - self.net_price


def quote_price(basis: PriceBasis, rules: Sequence[PriceRule], *, floor_percent: Decimal) -> PriceQuote:
    """The retail price of a plan. ``rules`` are the active ones in their order."""
    net, currency = basis.net_price, basis.currency
    if not currency:
        return PriceQuote(amount=None, currency="", missing=_("The currency of the net price is not known."))
    if net is None or net < 0:
        return PriceQuote(
            amount=None, currency=currency, missing=_("The provider gives no net price that can be read.")
        )
    floor = net * (1 + floor_percent / 100)
    rule = None
    if basis.own_price is not None:
        wanted, source = basis.own_price, OWN
    elif (rule := find_rule(basis, rules)) is not None:
        wanted, source = net * (1 + rule.margin_percent / 100) + rule.fixed_amount, f"{RULE}{rule.pk}"
    elif basis.suggested_price is not None:
        wanted, source = basis.suggested_price, SUGGESTED
    else:
        return PriceQuote(
            amount=None,
            currency=currency,
            net_price=net,
            floor=round_up(floor, currency),
            missing=_("There is no own price, no rule that fits and no suggested price."),
        )
    rounding = rule.rounding if rule is not None else PriceRule.Rounding.CENT
    # Rounding to the nearest cent may fall below the floor by half a cent.
    amount = max(round_price(max(wanted, floor), currency, rounding), round_up(floor, currency))
    if amount > _HIGHEST:
        return PriceQuote(amount=None, currency=currency, net_price=net, missing=_("The price is too high to be kept."))
    return PriceQuote(
        amount=amount,
        currency=currency,
        source=source + RAISED if wanted < floor else source,
        net_price=net,
        floor=round_up(floor, currency),
        wanted=wanted,
        rule=rule,
    )


def find_rule(basis: PriceBasis, rules: Sequence[PriceRule]) -> PriceRule | None:
    """The first active rule that speaks for the plan's currency, account and a country that it covers."""
    for rule in rules:
        if (
            rule.is_active
            and rule.currency == basis.currency
            and rule.account_id in (None, basis.account_id)
            and (not rule.country or rule.country in basis.countries)
        ):
            return rule
    return None


def round_price(amount: Decimal, currency: str, rounding: str) -> Decimal:
    """Round to a price that looks like one.

    Currencies without decimals have no ".99" and no half: there the next 99 and the next 50 stand for them
    (1,234 yen become 1,299 and 1,250).
    """
    units = minor_units(currency)
    hundred = Decimal(100) if units == 0 else Decimal(1)
    match rounding:
        case PriceRule.Rounding.NINETY_NINE:
            below = hundred / 100
            return round_up(_up_to(amount + below, hundred) - below, currency)
        case PriceRule.Rounding.HALF:
            return round_up(_up_to(amount, hundred / 2), currency)
        case PriceRule.Rounding.WHOLE:
            return round_up(_up_to(amount, Decimal(1)), currency)
        case PriceRule.Rounding.TEN:
            return round_up(_up_to(amount, Decimal(10)), currency)
        case _:
            return round_nearest(amount, currency)


def _up_to(amount: Decimal, step: Decimal) -> Decimal:
    return (amount / step).to_integral_value(ROUND_CEILING) * step
