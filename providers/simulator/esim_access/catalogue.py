"""The catalogue generator: the same size and seed always give the same packages.

A base package is sold as an eSIM; a top-up package (`TOPUP_…`) of data in total fits every such base package
of its `locationCode`, one of a daily package only that package. Daily packages (dataType 2, 3, 4) state one
day's volume and price; how many days is said at the order (`periodNum`), so their supportTopUpType is 3.
"""

import json
import random
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from providers.simulator.esim_access.geography import COUNTRIES, PLACES, SINGLE, Place
from providers.simulator.esim_access.numbers import ISSUERS

DEFAULT_PACKAGES = 300

BASE, TOPUP = "BASE", "TOPUP"
TOTAL, DAILY_SLOWED, DAILY_CUT, DAILY_UNLIMITED = 1, 2, 3, 4
NO_TOPUP, TOPUP_BY_PACKAGE, TOPUP_BY_PERIOD = 1, 2, 3

MEGABYTE, GIGABYTE = 1024**2, 1024**3
_LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class PackageRow:
    """One package: the wire object as JSON text, and what the filters look at."""

    code: str
    slug: str
    type: str
    kind: str
    location_code: str
    covers: tuple[str, ...]
    data_type: int
    issuer: int
    body: str


@dataclass(frozen=True)
class _Offer:
    data_type: int
    megabytes: int
    days: int
    slow: str = ""

    @property
    def size(self) -> str:
        return f"{self.megabytes}MB" if self.megabytes < 1024 else f"{self.megabytes // 1024}GB"

    @property
    def volume(self) -> int:
        return self.megabytes * MEGABYTE

    @property
    def title(self) -> str:
        if self.data_type == TOTAL:
            return f"{self.size} {self.days}Days"
        if self.data_type == DAILY_SLOWED:
            return f"{self.size}/Day FUP{self.slow.replace(' ', '')}"
        return f"{self.size}/Day" if self.data_type == DAILY_CUT else "Unlimited/Day"

    @property
    def slug(self) -> str:
        amount = f"{self.megabytes / 1000:g}" if self.megabytes < 1024 else str(self.megabytes // 1024)
        if self.data_type == TOTAL:
            return f"{amount}_{self.days}"
        if self.data_type == DAILY_SLOWED:
            return f"{amount}_Daily_{self.slow.replace(' ', '')}"
        return f"{amount}_Daily" if self.data_type == DAILY_CUT else "Unlimited_Daily"


_OFFERS = (
    _Offer(TOTAL, 1024, 7),
    _Offer(DAILY_SLOWED, 1024, 1, "1 Mbps"),
    _Offer(TOTAL, 3072, 30),
    _Offer(TOTAL, 5120, 30),
    _Offer(DAILY_CUT, 500, 1),
    _Offer(TOTAL, 10240, 30),
    _Offer(DAILY_UNLIMITED, 2048, 1, "2 Mbps"),
    _Offer(TOTAL, 100, 7),
    _Offer(TOTAL, 20480, 30),
    _Offer(DAILY_SLOWED, 2048, 1, "512 Kbps"),
    _Offer(TOTAL, 500, 1),
    _Offer(TOTAL, 1024, 30),
    _Offer(TOTAL, 3072, 15),
    _Offer(DAILY_SLOWED, 500, 1, "384 Kbps"),
    _Offer(TOTAL, 50 * 1024, 180),
    _Offer(TOTAL, 10240, 180),
    _Offer(DAILY_CUT, 2048, 1),
    _Offer(TOTAL, 2048, 15),
    _Offer(TOTAL, 20480, 90),
    _Offer(TOTAL, 50 * 1024, 365),
)


@lru_cache(maxsize=2)
def generate_catalogue(count: int, seed: int) -> tuple[PackageRow, ...]:
    """`count` base packages over all places, each followed by its top-up where it has one."""
    rng = random.Random(seed)  # noqa: S311 - invents prices, guards nothing
    rows: list[PackageRow] = []
    for index in range(count):
        turn, place_index = divmod(index, len(PLACES))
        place = PLACES[place_index]
        # Each place starts elsewhere in the list, so that even a small catalogue holds every kind.
        offer = _OFFERS[(turn + place_index) % len(_OFFERS)]
        package = _write_package(place, offer, index=index, series=turn // len(_OFFERS), rng=rng)
        rows.append(make_row(package, type=BASE, issuer=place_index % len(ISSUERS)))
        if package["supportTopUpType"] != NO_TOPUP:
            rows.append(make_row(_write_topup(package, rng), type=TOPUP, issuer=place_index % len(ISSUERS)))
    return tuple(rows)


def make_row(package: dict[str, Any], *, type: str, issuer: int = 0) -> PackageRow:  # noqa: A002 - the wire's word
    """A package object as a row; also for packages that control calls add."""
    code = str(package["locationCode"])
    covers = tuple(part.strip() for part in str(package["location"]).split(","))
    return PackageRow(
        code=str(package["packageCode"]),
        slug=str(package["slug"]),
        type=type,
        kind=_find_kind(code, covers),
        location_code=code,
        covers=covers,
        data_type=int(package["dataType"]),
        issuer=issuer,
        body=json.dumps(package, ensure_ascii=False, separators=(",", ":")),
    )


def _find_kind(location_code: str, covers: tuple[str, ...]) -> str:
    if len(covers) == 1:
        return SINGLE
    return "global" if location_code.startswith("GL-") else "regional"


def _write_package(place: Place, offer: _Offer, *, index: int, series: int, rng: random.Random) -> dict[str, Any]:
    daily = offer.data_type != TOTAL
    name = f"{place.name} {offer.title}" + (f" S{series + 1}" if series else "")
    price = _price(place, offer, rng)
    code = f"P{''.join(rng.choices(_LETTERS, k=4))}{index:04d}" if daily else f"CKH{index + 1:03d}"
    topup = TOPUP_BY_PERIOD if daily else rng.choice((TOPUP_BY_PACKAGE, TOPUP_BY_PACKAGE, TOPUP_BY_PACKAGE, NO_TOPUP))
    return {
        "packageCode": code,
        "slug": f"{place.code}_{offer.slug}" + (f"_S{series + 1}" if series else ""),
        "name": name,
        "price": price,
        "currencyCode": "USD",
        "volume": offer.volume,
        "smsStatus": rng.choice((0, 0, 0, 1, 2)),
        "dataType": offer.data_type,
        "unusedValidTime": rng.choice((180, 180, 180, 90, 365)),
        "duration": offer.days,
        "durationUnit": "DAY",
        # The document prints the list with spaces, the live service without.
        "location": ",".join(place.covers),
        "locationCode": place.code,
        "description": name,
        "activeType": rng.choice((2, 2, 2, 1)),
        "favorite": False,
        "retailPrice": price * 2,
        "speed": rng.choice(("3G/4G/5G", "3G/4G")),
        "ipExport": ISSUERS[PLACES.index(place) % len(ISSUERS)].exits,
        "supportTopUpType": topup,
        "fupPolicy": offer.slow,
        "locationNetworkList": [_write_networks(country) for country in place.covers],
    }


def _write_topup(package: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    price = int(package["price"] * rng.choice((1.0, 1.0, 0.95))) // 100 * 100
    changes = {"packageCode": f"TOPUP_{package['packageCode']}", "price": price, "retailPrice": price * 2}
    return {**package, **changes}


def _write_networks(code: str) -> dict[str, Any]:
    country = COUNTRIES[code]
    return {
        "locationName": country.name,
        "locationLogo": f"/img/flags/{code.lower()}.png",
        "locationCode": code,
        "operatorList": [{"operatorName": name, "networkType": network} for name, network in country.operators],
    }


def _price(place: Place, offer: _Offer, rng: random.Random) -> int:
    """USD times 10,000, in whole cents; of one day for a daily package."""
    gigabytes = float(offer.megabytes) / 1024
    level = 0.5 + sum(ord(letter) for letter in place.code) % 11 / 10 + 0.02 * min(len(place.covers), 30)
    size = float(gigabytes) ** 0.8
    cents = level * (25 + 55 * size + 0.4 * offer.days) * rng.uniform(0.92, 1.08)
    return max(20, int(cents)) * 100
