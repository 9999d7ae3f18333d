"""An offer as the database keeps it, with the digest that tells whether anything in it changed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import isfinite
from typing import Any

from providers.types import CoverageKind, Fault, Money, Network, PlanOffer

#: The columns of a plan that hold what the provider said, in the order of ``PlanRow.values``; ``raw`` comes last.
PROVIDER_FIELDS = (
    "name",
    "plan_type",
    "carrier",
    "data_bytes",
    "data_period",
    "data_unlimited",
    "data_as_given",
    "validity_days",
    "validity_info",
    "activation_info",
    "unused_termination_days",
    "max_speed",
    "reduced_speed",
    "speed_unit",
    "tethering",
    "ip_countries",
    "dialing_code",
    "voice_inbound",
    "voice_outbound",
    "sms_inbound",
    "sms_outbound",
    "top_up_supported",
    "kyc_required",
    "restrictions",
    "net_price",
    "suggested_price",
    "currency",
    "alias",
    "region",
    "days_choice_max",
    "after_cap",
    "starts_with",
    "top_up_profile",
    "api_sms",
    "raw",
)
#: What the columns hold (a test compares these with the model).
LONGEST_REF = 120
LENGTHS = {
    "name": 300,
    "plan_type": 60,
    "carrier": 80,
    "data_as_given": 60,
    "speed_unit": 12,
    "dialing_code": 12,
    "alias": 120,
    "region": 60,
    "top_up_profile": 60,
}
_MONEY = Decimal("0.0001")
_SPEED = Decimal("0.001")
_MOST_MONEY = Decimal("1e10")
_MOST_SPEED = Decimal("1e11")
_MOST_DAYS = 2**31 - 1
_MOST_CHOICE = 2**15 - 1
_MOST_BYTES = 2**63 - 1
#: Goes into every digest: a new way to write rows makes every plan "changed" once.
_FORMAT = "2"
_WRITING: dict[str, Any] = {"separators": (",", ":"), "ensure_ascii": False, "check_circular": False}
#: JSON with its keys in order; refuses what is no JSON.
encode_json = json.JSONEncoder(sort_keys=True, allow_nan=False, **_WRITING).encode
#: For digests only: decimals, which have a fixed number of places here, as text.
_encode_values = json.JSONEncoder(default=str, **_WRITING).encode

#: country, kind, networks as the column keeps them
CoverageRow = tuple[str, str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One offer, cut to what the columns can hold.

    ``raw_text`` is the last of ``values`` as JSON, ``networks_texts`` are the networks of ``coverage`` in its order.
    """

    plan_ref: str
    values: tuple[Any, ...]
    raw_text: str
    coverage: tuple[CoverageRow, ...]
    networks_texts: tuple[str, ...]
    digest: str
    faults: tuple[Fault, ...]


NET_PRICE, SUGGESTED_PRICE, CURRENCY = (
    PROVIDER_FIELDS.index(name) for name in ("net_price", "suggested_price", "currency")
)


def make_row(offer: PlanOffer) -> PlanRow:
    """Prepare one offer. What a column cannot hold becomes "not known" and is told in ``faults``."""
    faults: list[Fault] = []
    net, suggested, currency = _prices(offer, faults)
    telephony, allowance = offer.telephony, offer.allowance
    raw, raw_text = _write_raw(offer.raw)
    values = (
        _text(offer.name, "name"),
        _text(offer.plan_type, "plan_type"),
        _text(offer.carrier, "carrier"),
        _whole(allowance.data_bytes, _MOST_BYTES),
        allowance.period.value,
        allowance.unlimited,
        _text(f"{allowance.raw_amount} {allowance.raw_unit} {allowance.raw_period}".strip(), "data_as_given"),
        _whole(offer.validity_days, _MOST_DAYS),
        _printable(offer.validity_info),
        _printable(offer.activation_info),
        _whole(offer.unused_termination_days, _MOST_DAYS),
        _decimal(offer.max_speed, _SPEED, _MOST_SPEED),
        _decimal(offer.reduced_speed, _SPEED, _MOST_SPEED),
        _text(offer.speed_unit, "speed_unit"),
        offer.tethering,
        list(offer.ip_countries),
        _text(telephony.dialing_code, "dialing_code"),
        telephony.voice_inbound,
        telephony.voice_outbound,
        telephony.sms_inbound,
        telephony.sms_outbound,
        offer.top_up_supported,
        offer.kyc_required,
        _printable(offer.restrictions),
        net,
        suggested,
        currency,
        _text(offer.alias, "alias"),
        _text(offer.region, "region"),
        _whole(offer.days_choice_max, _MOST_CHOICE),
        offer.after_cap.value,
        offer.starts_with.value,
        _text(offer.top_up_profile, "top_up_profile"),
        offer.api_sms,
        raw,
    )
    coverage, texts = _coverage(offer, faults)
    places = [(country, kind, text) for (country, kind, _), text in zip(coverage, texts, strict=True)]
    told = _encode_values((_FORMAT, values[:-1], places)) + raw_text
    return PlanRow(
        offer.plan_ref, values, raw_text, coverage, texts, hashlib.sha256(told.encode()).hexdigest(), tuple(faults)
    )


def describe_changes(old: tuple[Any, ...], old_coverage: Iterable[CoverageRow], new: PlanRow) -> dict[str, list[Any]]:
    """Field → [old, new], as history keeps it. Raw data is told only where nothing that we read from it changed."""
    changes = {
        name: [_plain(before), _plain(after)]
        for name, before, after in zip(PROVIDER_FIELDS[:-1], old[:-1], new.values[:-1], strict=True)
        if before != after
    }
    before_by_country = {country: [kind, networks] for country, kind, networks in old_coverage}
    after_by_country = {country: [kind, networks] for country, kind, networks in new.coverage}
    moved = [
        country
        for country in sorted({*before_by_country, *after_by_country})
        if before_by_country.get(country) != after_by_country.get(country)
    ]
    if moved:
        changes["coverage"] = [
            {country: side[country] for country in moved if country in side}
            for side in (before_by_country, after_by_country)
        ]
    if not changes:
        before, after = old[-1], new.values[-1]
        keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        if keys:
            changes["raw"] = [{key: side[key] for key in keys if key in side} for side in (before, after)]
    return changes


def _prices(offer: PlanOffer, faults: list[Fault]) -> tuple[Decimal | None, Decimal | None, str]:
    """Net price (rounded up, so that the floor holds), suggested price, their currency."""
    net, suggested = offer.net_price, offer.suggested_price
    currency = (net or suggested).currency if net or suggested else ""  # type: ignore[union-attr]
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        currency = ""
    if net and suggested and net.currency != suggested.currency:
        suggested = None
        faults.append(Fault(where=offer.plan_ref, message="net and suggested price are in two currencies"))
    amounts = (_amount(net, ROUND_CEILING), _amount(suggested, ROUND_HALF_UP))
    for money, amount in zip((net, suggested), amounts, strict=True):
        if money is not None and amount is None:
            faults.append(Fault(where=offer.plan_ref, message=f"a price cannot be kept: {str(money.amount)[:40]}"))
    return *amounts, currency


def _amount(money: Money | None, rounding: str) -> Decimal | None:
    return None if money is None or money.amount < 0 else _decimal(money.amount, _MONEY, _MOST_MONEY, rounding)


def _coverage(offer: PlanOffer, faults: list[Fault]) -> tuple[tuple[CoverageRow, ...], tuple[str, ...]]:
    """One row for each country; a country that is named twice has the networks of both."""
    merged: dict[str, tuple[str, tuple[Network, ...]]] = {}
    for item in offer.coverage:
        country, kind, networks = item.country, item.kind.value, item.networks
        if not (len(country) == 2 and country.isascii() and country.isupper()):
            faults.append(Fault(where=offer.plan_ref, message=f"not a country code: {country[:20]!r}"))
            continue
        if country in merged:
            told, before = merged[country]
            kind = told if told != CoverageKind.UNSPECIFIED.value else kind
            networks = before + tuple(network for network in networks if network not in before)
        merged[country] = (kind, networks)
    rows, texts = [], []
    for country in sorted(merged):
        kind, networks = merged[country]
        shown, text = _write_networks(networks)
        rows.append((country, kind, shown))
        texts.append(text)
    return tuple(rows), tuple(texts)


@lru_cache(maxsize=5000)
def _write_networks(networks: tuple[Network, ...]) -> tuple[list[dict[str, Any]], str]:
    """As the column keeps them, and as JSON. Many plans use the same networks: the list is shared, never changed."""
    shown = [
        {"name": _printable(network.name), "types": [_printable(kind) for kind in network.types]}
        for network in networks
    ]
    return shown, encode_json(shown)


def _write_raw(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Raw data as the column keeps it, and as JSON; nearly always it is clean already."""
    try:
        text = encode_json(raw)
        text.encode()
    except (TypeError, ValueError):
        clean = _clean(raw)
    else:
        if "\\u0000" not in text:
            return raw, text
        clean = _clean(raw)
    return clean, encode_json(clean)


def _whole(number: int | None, most: int) -> int | None:
    return number if number is not None and 0 <= number <= most else None


def _decimal(number: Decimal | None, step: Decimal, most: Decimal, rounding: str = ROUND_HALF_UP) -> Decimal | None:
    if number is None or not number.is_finite() or abs(number) >= most:
        return None
    rounded = number.quantize(step, rounding)
    return rounded if abs(rounded) < most else None


def _text(text: str, column: str) -> str:
    return _printable(text)[: LENGTHS[column]]


def _printable(text: str) -> str:
    """Without what PostgreSQL cannot keep: NUL and half characters."""
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, Mapping):
        return {_printable(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    return str(value)


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
