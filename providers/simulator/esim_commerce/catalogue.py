"""The catalogue generator: the same size and seed always give the same plans.

Every field of the documented plan object is there. Known from the document are `planType` "UNLIMITED" with
a cap per "DAY"; the words for plans with a cap in total ("LIMITED", per "TOTAL") are our guess. So is that
speeds are kbit/s. The document's filter text speaks of a home country that the plan object does not
show: it is kept beside the plan.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from providers.simulator.esim_commerce.geography import (
    CARRIERS,
    CARRIERS_BY_CODE,
    COUNTRIES,
    REGIONS,
    ROAMING_CARRIERS,
    Carrier,
)

DEFAULT_PLANS = 400
DEFAULT_SEED = 1


@dataclass(frozen=True)
class PlanRow:
    """One plan: the wire object as JSON text, and what the provider knows beside it."""

    code: str
    provider: str
    home: str
    covers: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class _Destination:
    title: str
    carrier: Carrier
    covers: tuple[str, ...]


@dataclass(frozen=True)
class _Offer:
    days: int
    cap: float
    unit: str
    per: str
    max_speed: int
    reduced_speed: int

    @property
    def gigabytes(self) -> float:
        return self.cap if self.unit == "GB" else self.cap / 1024

    @property
    def title(self) -> str:
        size = f"{self.cap:g}{self.unit}"
        length = "1 Day" if self.days == 1 else f"{self.days} Days"
        return f"{size}/day {length}" if self.per == "DAY" else f"{size} {length}"


_DAILY = [
    (days, cap, unit)
    for days in (1, 3, 5, 7, 10, 15, 30)
    for cap, unit in ((1, "GB"), (500, "MB"), (2, "GB"), (3, "GB"))
]
_TOTAL = [
    (7, 1),
    (15, 3),
    (30, 5),
    (30, 10),
    (30, 20),
    (30, 50),
    (90, 10),
    (180, 20),
    (365, 50),
    (15, 2),
    (7, 3),
    (30, 1),
]


def _list_offers() -> list[_Offer]:
    """Daily and total caps mixed, so that the first few of any destination already differ."""
    daily = [
        _Offer(days, cap, unit, "DAY", 10_000 if cap == 1 else 42_000, 128 if cap != 3 else 384)
        for days, cap, unit in _DAILY
    ]
    total = [_Offer(days, cap, "GB", "TOTAL", 100_000, 0) for days, cap in _TOTAL]
    offers: list[_Offer] = []
    while daily or total:
        offers += daily[3:4] + total[:1] + daily[:1]
        del daily[3:4], total[:1], daily[:1]
    return offers


def _list_destinations() -> list[_Destination]:
    """Each country by its first seller, then regions, then both by a second seller."""
    first: list[_Destination] = []
    second: list[_Destination] = []
    for index, country in enumerate(COUNTRIES.values()):
        at_home = [carrier for carrier in CARRIERS if carrier.home == country.code]
        abroad = [CARRIERS_BY_CODE[code] for code in ROAMING_CARRIERS if CARRIERS_BY_CODE[code].home != country.code]
        sellers = [*at_home, abroad[index % len(abroad)], abroad[(index + 1) % len(abroad)]]
        first.append(_Destination(country.name, sellers[0], (country.code,)))
        second.append(_Destination(country.name, sellers[1], (country.code,)))
    for index, (title, codes) in enumerate(REGIONS.items()):
        for offset, group in enumerate((first, second)):
            carrier = CARRIERS_BY_CODE[ROAMING_CARRIERS[(index + offset) % len(ROAMING_CARRIERS)]]
            group.append(_Destination(title, carrier, tuple(codes)))
    return first + second


@lru_cache(maxsize=2)
def generate_catalogue(count: int, seed: int) -> tuple[PlanRow, ...]:
    """`count` plans over all destinations; codes are unique."""
    destinations = _list_destinations()
    offers = _list_offers()
    numbers: dict[str, int] = {}
    rows: list[PlanRow] = []
    rng = random.Random(seed)  # noqa: S311 - invents prices, guards nothing
    for index in range(count):
        turn, place = divmod(index, len(destinations))
        destination = destinations[place]
        offer = offers[(turn + place * 7) % len(offers)]
        series = turn // len(offers)
        letters = destination.carrier.letters
        numbers[letters] = numbers.get(letters, 0) + 1
        plan = _write_plan(f"{letters}{numbers[letters]:04d}", destination, offer, series, rng)
        rows.append(make_row(plan, home=destination.carrier.home))
    return tuple(rows)


def make_row(plan: dict[str, Any], *, home: str) -> PlanRow:
    """A plan object as a row; also used for plans that control calls add."""
    return PlanRow(
        code=str(plan["planCode"]),
        provider=str(plan["providerCode"]),
        home=home,
        covers=tuple(str(coverage["code"]) for coverage in plan["coverages"]),
        body=json.dumps(plan, ensure_ascii=False, separators=(",", ":")),
    )


def _write_plan(code: str, destination: _Destination, offer: _Offer, series: int, rng: random.Random) -> dict[str, Any]:
    home = COUNTRIES[destination.carrier.home]
    is_home = home.code in destination.covers
    voice = is_home and offer.days >= 7 and rng.random() < 0.3
    sms = voice or rng.random() < 0.05
    net, retail = _price(destination.covers, offer, series, rng)
    daily = offer.per == "DAY"
    return {
        "planCode": code,
        "planName": f"{destination.title} {offer.title}" + (f" Series {series + 1}" if series else ""),
        "planType": "UNLIMITED" if daily else "LIMITED",
        "providerCode": destination.carrier.code,
        "coverages": [_write_coverage(country, destination.carrier) for country in destination.covers],
        "ipCountry": [home.code] if is_home or rng.random() < 0.7 else [home.code, "SG"],
        "dataCap": int(offer.cap) if offer.cap == int(offer.cap) else offer.cap,
        "dataUnit": offer.unit,
        "dataCapPer": offer.per,
        "maxSpeed": offer.max_speed,
        "reducedSpeed": offer.reduced_speed,
        "tethering": rng.random() < 0.9,
        "validityDays": offer.days,
        "validityInfo": "Valid on the day of first use"
        if offer.days == 1
        else f"Valid for {offer.days} days from first use",
        "activationInfo": "Validity starts when the eSIM first connects to a network",
        "unusedTerminationDays": rng.choice((90, 180, 180, 180, 365)),
        "netPrice": str(net),
        "suggestedRetailPrice": str(retail),
        "telephony": {
            "dialingCode": home.dialing_code,
            "voice": {"inbound": voice, "outbound": voice and rng.random() < 0.5},
            "sms": {"inbound": sms, "outbound": voice},
        },
        "topUpSupported": rng.random() < 0.25,
        "eKYC": home.code in ("HK", "TW") and is_home,
        "serviceRestrictions": _write_restrictions(daily, rng),
    }


def _write_coverage(code: str, carrier: Carrier) -> dict[str, Any]:
    networks = COUNTRIES[code].networks
    # At home the carrier's own network carries the line; abroad it may roam on any.
    shown = [network for network in networks if network[0] == carrier.network] if code == carrier.home else networks
    return {"code": code, "networks": [{"name": name, "types": list(types)} for name, types in shown]}


def _write_restrictions(daily: bool, rng: random.Random) -> str:
    if daily and rng.random() < 0.4:
        return "Unlimited on-device data. Tethering up to 3 GB total."
    return rng.choice(("", "", "No VoIP in some networks.", "Speed may be reduced during congestion."))


def _price(covers: Sequence[str], offer: _Offer, series: int, rng: random.Random) -> tuple[Decimal, Decimal]:
    """Net and suggested retail price, two decimals; the currency is not given, as in the document."""
    level = 0.8 + sum(ord(letter) for letter in covers[0]) % 13 / 10 + 0.05 * min(len(covers), 20)
    if offer.per == "DAY":
        base = offer.days**0.85 * (0.35 + 0.45 * offer.gigabytes**0.7)
    else:
        base = 0.6 + 0.75 * offer.gigabytes**0.8 + 0.02 * offer.days
    net = Decimal(level * base * rng.uniform(0.92, 1.08) * (1 - 0.01 * min(series, 20)))
    rounded = max(net.quantize(Decimal("0.01"), ROUND_HALF_UP), Decimal("0.10"))
    retail = (rounded * Decimal("1.45")).quantize(Decimal("1"), ROUND_HALF_UP) + Decimal("0.99")
    return rounded, retail
