"""How products, orders and eSIMs look on the wire, by the switches."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.simulator.esimfx.life import Line, Subscription
from providers.simulator.esimfx.product_store import StoredProduct
from providers.simulator.switches import Switches

_UNITS: Mapping[str, int] = {"Byte": 1, "MB": 2**20, "GB": 2**30}
_ONLY_NEW = ("meta_product_id", "is_unlimited")
APN = "data.esim"  # the document's example of an APN


def write_instant(instant: datetime) -> str:
    """`2025-09-30T03:07:11Z`."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def write_product(stored: StoredProduct, *, legacy: bool) -> dict[str, Any]:
    """A product object with the id of the list it is in; version 1 has two fields fewer."""
    if not legacy:
        return dict(stored.product)
    kept = {name: value for name, value in stored.product.items() if name not in _ONLY_NEW}
    return {**kept, "id": stored.legacy_id}


class Wire:
    """Writes what calls answer."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def write_topup(self, stored: StoredProduct, *, legacy: bool) -> dict[str, Any]:
        """A product in the list of top-ups."""
        product = write_product(stored, legacy=legacy)
        return product if self._switches["esimfx_topup_coverage"] else {**product, "coverage": []}

    def write_created(self, line: Line, subscription: Subscription, now: datetime) -> dict[str, Any]:
        """The answer to an order; `esim.apn` and `subscription.external_id` are from the live service."""
        amounts = self._write_subscription(subscription, now)
        del amounts["used_amount"]
        return {
            "id": subscription.order_id,
            "status": self.write_word("COMPLETED"),
            "subscription": {**amounts, "external_id": f"SUB-{subscription.order_id[:8].upper()}"},
            "creation_time": write_instant(subscription.created_at),
            "esim": {**self.write_esim(line), "apn": APN},
        }

    def write_order(self, line: Line, subscription: Subscription, now: datetime) -> dict[str, Any]:
        """An order as get_order and get_esim_orders show it."""
        return {
            "id": subscription.order_id,
            "iccid": line.iccid,
            "product": {
                "id": subscription.product_id,
                "name": subscription.name,
                "duration": subscription.days,
                "duration_unit": "DAY",
                "imsi_profile": subscription.profile,
            },
            "subscription": self._write_subscription(subscription, now),
            "status": self.write_word("COMPLETED"),
            "creation_time": write_instant(subscription.created_at),
        }

    def write_esim(self, line: Line) -> dict[str, Any]:
        """An eSIM as get_esim_status shows it."""
        return {"iccid": line.iccid, "esim_qr": line.esim_qr, "status": self.write_word(line.status)}

    def write_word(self, word: str) -> str:
        """A status word in the case that the switch asks for."""
        case = self._switches["esimfx_case"]
        return {"printed": word, "lower": word.lower(), "title": word.capitalize()}[case]

    def write_amounts(self, subscription: Subscription, now: datetime) -> dict[str, Any]:
        """Limit, use and unit."""
        limit, used, unit = self._count(subscription, now)
        name = "uper_limit_amount" if self._switches["esimfx_misspelt"] else "upper_limit_amount"
        return {name: limit, "used_amount": used, "amount_unit": unit}

    def _write_subscription(self, subscription: Subscription, now: datetime) -> dict[str, Any]:
        """What is not yet activated shows projections: activation on the last day, expiry counted from there."""
        activated_at, ends_at = subscription.activated_at, subscription.ends_at
        if subscription.status == "PENDING":
            activated_at = subscription.activate_by
            ends_at = activated_at + timedelta(days=subscription.days)
        return {
            **self.write_amounts(subscription, now),
            "status": self.write_word(subscription.status),
            "activation_time": None if activated_at is None else write_instant(activated_at),
            "expiry": None if ends_at is None else write_instant(ends_at),
            "activate_by": write_instant(subscription.activate_by),
        }

    def _count(self, subscription: Subscription, now: datetime) -> tuple[int | float, int | float, str]:
        unit = str(self._switches["esimfx_unit"])
        limit = subscription.limit_bytes
        if limit is None or unit == "Days":
            return subscription.days, _count_days(subscription, now), "Days"
        return _divide(limit, _UNITS[unit]), _divide(subscription.used_bytes, _UNITS[unit]), unit


def _count_days(subscription: Subscription, now: datetime) -> int:
    """Days that have begun since the activation."""
    if subscription.activated_at is None:
        return 0
    until = min(now, subscription.ends_at or now)
    days = (until - subscription.activated_at) / timedelta(days=1)
    return max(1, min(math.ceil(days), subscription.days))


def _divide(amount: int, unit: int) -> int | float:
    return amount // unit if amount % unit == 0 else amount / unit
