"""The catalogue generator: the same size and seed always give the same products.

Known from the document: the fields, `amount` with `amount_unit` GB or MB (Days for unlimited plans), ids such as
`esimfx_10G_7D_BR`, names such as `japan_10GB_7Day`, prices as bare numbers beside `price_unit`. Guessed: which
`imsi_profile` sells where, that `meta_product_id` is the id of the version 1 list, that some goods cost euros.
"""

import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from providers.simulator.esimfx.geography import DESTINATIONS, Destination
from providers.simulator.esimfx.numbers import to_number

DEFAULT_PRODUCTS = 250
DEFAULT_SEED = 1

_PROFILES = ("Green", "Blue", "Orange", "Purple")


@dataclass(frozen=True)
class ProductRow:
    """One product: the wire object of version 2 as JSON text, and what the provider knows beside it."""

    id: str
    legacy_id: str
    region: str
    profile: str
    covers: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class _Offer:
    days: int
    amount: int
    unit: str

    @property
    def unlimited(self) -> bool:
        return self.unit == "Days"

    @property
    def tag(self) -> str:
        return "UNL" if self.unlimited else f"{self.amount}{self.unit[0]}"

    @property
    def title(self) -> str:
        size = "Unlimited" if self.unlimited else f"{self.amount}{self.unit}"
        return f"{size}_{self.days}Day"

    @property
    def gigabytes(self) -> float:
        """The size that the price goes by; an unlimited day counts as 2 GB."""
        if self.unlimited:
            return 2.0 * self.days
        return self.amount if self.unit == "GB" else self.amount / 1024


# Mixed, so that the first few of any destination already differ.
_OFFERS = tuple(
    _Offer(days, amount, unit)
    for days, amount, unit in (
        *((7, 1, "GB"), (7, 7, "Days"), (30, 5, "GB"), (1, 500, "MB"), (7, 10, "GB"), (3, 3, "Days")),
        *((30, 10, "GB"), (15, 3, "GB"), (1, 1, "GB"), (30, 20, "GB"), (15, 15, "Days"), (3, 2, "GB")),
        *((30, 50, "GB"), (1, 1, "Days"), (90, 20, "GB"), (30, 3, "GB"), (30, 30, "Days"), (180, 50, "GB")),
    )
)


@lru_cache(maxsize=2)
def generate_catalogue(count: int, seed: int) -> tuple[ProductRow, ...]:
    """`count` products over all destinations; both kinds of ids are unique."""
    rng = random.Random(seed)  # noqa: S311 - invents prices and ids, guards nothing
    rows: list[ProductRow] = []
    for index in range(count):
        turn, place = divmod(index, len(DESTINATIONS))
        offer = _OFFERS[(turn + place * 5) % len(_OFFERS)]
        product = _write_product(DESTINATIONS[place], place, offer, turn, rng)
        rows.append(make_row(product, region=DESTINATIONS[place].region))
    return tuple(rows)


def make_row(product: Mapping[str, Any], *, region: str) -> ProductRow:
    """A product object as a row; also used for products that control calls add."""
    return ProductRow(
        id=str(product["id"]),
        legacy_id=str(product["meta_product_id"]),
        region=region,
        profile=str(product["imsi_profile"]),
        covers=tuple(str(code) for code in product["coverage"]),
        body=json.dumps(product, ensure_ascii=False, separators=(",", ":")),
    )


def _write_product(
    destination: Destination, place: int, offer: _Offer, turn: int, rng: random.Random
) -> dict[str, Any]:
    series = turn // len(_OFFERS)
    # Every third product of a destination is carried by another profile: it cannot top up its neighbours.
    other = turn % 3 == 2
    suffix = f"_{series + 1}" if series else ""
    return {
        "id": f"esimfx_{offer.tag}_{offer.days}D_{destination.tag}{suffix}",
        "meta_product_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "name": f"{destination.region.lower().replace(' ', '_')}_{offer.title}{suffix}",
        "duration": offer.days,
        "duration_unit": "DAY",
        "amount": offer.amount,
        "amount_unit": offer.unit,
        "coverage": list(destination.covers),
        "networks": [
            {"mccmnc": network.mccmnc, "name": network.name, "speed": network.speed} for network in destination.networks
        ],
        "imsi_profile": _PROFILES[(place + int(other)) % len(_PROFILES)],
        "is_unlimited": offer.unlimited,
        "price": to_number(_price(destination, offer, rng)),
        "price_unit": "EUR" if other and destination.european else "USD",
    }


def _price(destination: Destination, offer: _Offer, rng: random.Random) -> Decimal:
    """Two decimals; a fifth of the goods costs whole units, so that integers occur on the wire."""
    level = 0.8 + sum(ord(letter) for letter in destination.tag) % 13 / 10 + 0.04 * min(len(destination.covers), 20)
    raw = Decimal(level * (0.6 + 0.7 * offer.gigabytes**0.75 + 0.02 * offer.days) * rng.uniform(0.92, 1.08))
    step = Decimal("1") if rng.random() < 0.2 else Decimal("0.01")
    return max(raw.quantize(step, ROUND_HALF_UP), Decimal("0.50") if step != 1 else Decimal("1"))
