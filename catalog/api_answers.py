"""Writes what the catalogue's part of the API answers; ``api_serializers`` describes it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from catalog.areas import OfferedArea
from catalog.countries import country_flag, country_name
from catalog.currencies import as_money
from catalog.offers import CoveredPlace, Offer
from catalog.search import Destination
from providers.api import as_data
from providers.types import DataPeriod, Money


def tell_destinations(found: Iterable[Destination]) -> dict[str, Any]:
    """By name in the reader's language."""
    rows = [
        {
            "country": one.country,
            "name": country_name(one.country),
            "flag": country_flag(one.country),
            "plans": one.plans,
            "from_prices": _prices(one.from_prices),
        }
        for one in found
    ]
    return {"results": sorted(rows, key=lambda row: (str(row["name"]).casefold(), row["country"]))}


def tell_regions(found: Iterable[OfferedArea]) -> dict[str, Any]:
    return {
        "results": [
            {
                "code": area.code,
                "name": area.name,
                "countries": area.countries,
                "plans": area.plans,
                "from_prices": _prices(area.from_prices),
            }
            for area in found
        ]
    }


def tell_plan(offer: Offer) -> dict[str, Any]:
    """One row of a list."""
    values = offer.values
    currency = values["currency"]
    period = values["data_period"]
    return {
        "id": values["pk"],
        "name": values["name"],
        "countries": offer.countries,
        "data": {
            **as_data(values["data_bytes"], unlimited=values["data_unlimited"]),
            "period": None if period == DataPeriod.UNKNOWN else period,
        },
        "validity_days": values["validity_days"],
        "days_to_choose": values["days_choice_max"],
        "price": as_money(values["retail_price"], currency),
        "terms": {
            "days": values["term_days"],
            "price": as_money(values["asked_price"], currency),
            "data": as_data(values["term_bytes"], unlimited=values["data_unlimited"]),
            "price_per_day": _money_or_none(values["per_day"], currency),
            "price_per_gb": _money_or_none(values["per_gb"], currency),
        },
        "after_cap": values["after_cap"],
        "starts_with": values["starts_with"],
        "top_up": values["top_up_supported"],
        "tethering": values["tethering"],
        "kyc_required": values["kyc_required"],
        "speed": {
            "top": _number(values["max_speed"]),
            "reduced": _number(values["reduced_speed"]),
            "unit": values["speed_unit"],
        },
    }


def tell_whole_plan(offer: Offer, places: Sequence[CoveredPlace]) -> dict[str, Any]:
    """A plan with its networks and rules."""
    values = offer.values
    return {
        **tell_plan(offer),
        "coverage": [
            {
                "country": place.country,
                "name": country_name(place.country),
                "flag": country_flag(place.country),
                "kind": place.kind,
                "networks": [_network(network) for network in place.networks],
            }
            for place in places
        ],
        "validity_info": values["validity_info"],
        "activation_info": values["activation_info"],
        "restrictions": values["restrictions"],
        "ends_unused_after_days": values["unused_termination_days"],
        "ip_countries": values["ip_countries"],
        "telephony": {
            name: values[name]
            for name in ("dialing_code", "voice_inbound", "voice_outbound", "sms_inbound", "sms_outbound")
        },
    }


def _network(network: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": network.get("name", ""), "types": list(network.get("types", ()))}


def _prices(prices: Iterable[Money]) -> list[dict[str, str]]:
    return [as_money(price.amount, price.currency) for price in prices]


def _money_or_none(amount: Decimal | None, currency: str) -> dict[str, str] | None:
    return None if amount is None else as_money(amount, currency)


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"
