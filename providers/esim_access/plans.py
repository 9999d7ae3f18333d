"""From eSIM Access's packages, base and top-up alike, to our offers."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from providers.esim_access.money import map_money
from providers.listing import map_each
from providers.reading import FieldReader, UnreadableError, make_plain, note_unknown_word
from providers.types import (
    AfterCap,
    Allowance,
    Coverage,
    CoverageKind,
    DataPeriod,
    Fault,
    Network,
    PlanOffer,
    PlanPage,
    StartsWith,
    Telephony,
)

#: "periodNum: Days of a daily plan. From 1-365."
MOST_DAYS = 365
#: ``dataType`` in the document's words; 4 is "Unlimited" in its other table.
_DATA_TYPES: Mapping[str, str] = {
    "1": "Data in Total",
    "2": "Daily Limit (Speed Reduced)",
    "3": "Daily Limit (Service Cut-off)",
    "4": "Daily Unlimited",
}
_TOTAL, _DAILY, _UNLIMITED = "1", frozenset({"2", "3", "4"}), "4"
_AFTER_CAP: Mapping[str, AfterCap] = {"2": AfterCap.REDUCED, "3": AfterCap.CUT_OFF}
_STARTS: Mapping[str, StartsWith] = {"1": StartsWith.INSTALLATION, "2": StartsWith.CONNECTION}
#: 1 means no. The type column says Boolean, so a real one is taken at its word. 3: yes, with ``periodNum``.
_TOP_UP: Mapping[str, bool] = {"1": False, "2": True, "3": True, "false": False, "true": True}
_SMS_BY_API: Mapping[str, bool] = {"0": False, "1": True, "2": True}
_SMS_FROM_PHONES: Mapping[str, bool | None] = {"0": False, "1": True, "2": None}
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_SPEED = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([KMG])b(?:ps|/s|it/s)", re.IGNORECASE | re.ASCII)
_FLAG = re.compile(r"(?:.*/)?([A-Za-z]{2})\.[A-Za-z]{3,4}", re.ASCII)
_BETWEEN = re.compile(r"[/,;|]")


def map_page(items: list[Any], *, account: str) -> PlanPage:
    """A whole listing, which comes in one piece: the page says that it is the last.

    ``total`` counts the different packages in it, readable or not. One bad package costs only itself; one that comes
    twice counts once.
    """
    faults: list[Fault] = []
    seen: set[str] = set()
    offers = map_each(
        items,
        lambda item, found: map_plan(item, faults=found, account=account),
        where="packageList",
        faults=faults,
        seen=seen,
        find_ref=find_plan_ref,
    )
    nameless = sum(1 for fault in faults if not fault.ref)
    return PlanPage(
        offers=tuple(offers),
        faults=tuple(faults),
        page=1,
        # A fault has its package's id, where it has one: also of packages that cannot be read.
        total=len(seen.union(fault.ref for fault in faults if fault.ref)) + nameless,
        total_pages=1,
        is_last=True,
    )


def find_plan_ref(item: object) -> str:
    """The package's code as far as it can be read."""
    code = item.get("packageCode") if isinstance(item, dict) else None
    text = str(code).strip() if isinstance(code, str | int) and not isinstance(code, bool) else ""
    return text if len(text) <= 120 else ""


def map_plan(item: object, *, faults: list[Fault], account: str) -> PlanOffer:
    """One package. Only ``packageCode`` is vital. Raises ``UnreadableError``.

    Fields that cannot be read are left empty and added to ``faults``; ``raw`` has them.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    plan_ref = find_plan_ref(item)
    if not plan_ref:
        raise UnreadableError("has no usable packageCode")
    reader = FieldReader(item, where="", faults=faults)
    data_type = read_data_type(reader, account=account)
    policy = reader.text("fupPolicy", limit=200)
    allowance = map_allowance(reader, "volume", data_type=data_type)
    reduced_speed, speed_unit = _map_speed(policy)
    sms = read_word(reader, "smsStatus", _SMS_BY_API, account=account)
    top_up = read_word(reader, "supportTopUpType", _TOP_UP, account=account)
    starts = read_word(reader, "activeType", _STARTS, account=account)
    currency = reader.text("currencyCode", limit=3).upper()
    return PlanOffer(
        plan_ref=plan_ref,
        alias=reader.text("slug", limit=120),
        name=reader.text("name") or plan_ref,
        plan_type=_DATA_TYPES.get(data_type, data_type),
        carrier="",
        allowance=allowance,
        coverage=_map_coverage(reader),
        region=_map_region(reader),
        net_price=map_money(reader, "price", currency),
        suggested_price=map_money(reader, "retailPrice", currency),
        validity_days=_map_days(reader, "duration", account=account),
        days_choice_max=MOST_DAYS if is_daily(data_type) else None,
        after_cap=_map_after_cap(data_type, allowance, policy),
        max_speed=None,
        reduced_speed=reduced_speed,
        speed_unit=speed_unit,
        tethering=None,
        ip_countries=_map_countries(reader, "ipExport"),
        validity_info="",
        activation_info="",
        starts_with=_STARTS.get(starts, StartsWith.UNKNOWN),
        unused_termination_days=_map_days(reader, "unusedValidTime", account=account),
        telephony=Telephony(sms_inbound=_SMS_FROM_PHONES.get(sms)),
        api_sms=_SMS_BY_API.get(sms),
        top_up_supported=_TOP_UP.get(top_up),
        kyc_required=None,
        # A policy that is no speed is told as it is.
        restrictions="" if reduced_speed is not None else policy,
        raw=make_plain(item),
    )


# -- words that packages and lines share ------------------------------------------------------------------------------


def read_word(reader: FieldReader, name: str, words: Mapping[str, Any], *, account: str) -> str:
    """A vendor's word, also given as a number or a boolean; "" for one that ``words`` lacks, which is logged once."""
    value = reader.value(name)
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in words:
        return word
    if word:
        note_unknown_word(account=account, field=name, word=word)
    return ""


def read_data_type(reader: FieldReader, *, account: str) -> str:
    """``dataType`` as text. 0 was seen once; like every other word that nobody knows it says nothing."""
    return read_word(reader, "dataType", _DATA_TYPES, account=account)


def is_daily(data_type: str) -> bool:
    """Whether the plan is sold by the day: its volume, and so its price, are those of one day."""
    return data_type in _DAILY


def map_api_sms(reader: FieldReader, *, account: str) -> bool | None:
    """Whether the provider's API can send messages to the line."""
    return _SMS_BY_API.get(read_word(reader, "smsStatus", _SMS_BY_API, account=account))


def map_allowance(reader: FieldReader, name: str, *, data_type: str) -> Allowance:
    """A volume in bytes, of one day or in total by ``dataType``. "Daily Unlimited" with a number has that cap."""
    volume = reader.integer(name)
    if data_type == _UNLIMITED and volume == 0:
        volume = None
    period = DataPeriod.TOTAL if data_type == _TOTAL else DataPeriod.DAY if is_daily(data_type) else DataPeriod.UNKNOWN
    return Allowance(
        data_bytes=volume,
        period=period,
        unlimited=data_type == _UNLIMITED and volume is None and reader.value(name) in (None, "", 0, "0"),
        raw_amount="" if volume is None else str(volume),
        raw_unit="" if volume is None else "B",
        raw_period=_DATA_TYPES.get(data_type, ""),
    )


# -- parts of a package -----------------------------------------------------------------------------------------------


def _map_after_cap(data_type: str, allowance: Allowance, policy: str) -> AfterCap:
    """What the type says; for the others only a named speed says something."""
    if data_type in _AFTER_CAP:
        return _AFTER_CAP[data_type]
    if allowance.unlimited:
        return AfterCap.NO_CAP
    return AfterCap.REDUCED if _SPEED.search(policy) else AfterCap.UNKNOWN


def _map_speed(policy: str) -> tuple[Decimal | None, str]:
    """ "1 Mbps" as a number and its unit."""
    match = _SPEED.fullmatch(policy.strip())
    return (Decimal(match[1]), f"{match[2].upper()}bps") if match else (None, "")


def _map_days(reader: FieldReader, name: str, *, account: str) -> int | None:
    """A time in ``durationUnit``; only DAY is documented, and nothing else is converted."""
    number = reader.integer(name, limit=100_000)
    unit = reader.text("durationUnit", limit=20).upper()
    if unit not in ("DAY", "DAYS", ""):
        note_unknown_word(account=account, field="durationUnit", word=unit)
        return None
    return number


def _map_countries(reader: FieldReader, name: str) -> tuple[str, ...]:
    """Country codes in one text, "CN, HK" or "NL/FR", each once."""
    words = [word.strip().upper() for word in _BETWEEN.split(reader.text(name, limit=5000)) if word.strip()]
    if not all(_COUNTRY.fullmatch(word) for word in words):
        reader.fault(name, "holds something that is no country code")
    return tuple(dict.fromkeys(word for word in words if _COUNTRY.fullmatch(word)))


def _map_region(reader: FieldReader) -> str:
    """The provider's own code of a multi-country area ("NA-3"); "" for a country."""
    code = reader.text("locationCode", limit=60)
    return "" if _COUNTRY.fullmatch(code.upper()) else code


def _map_coverage(reader: FieldReader) -> tuple[Coverage, ...]:
    """Every country of ``location``, with the networks that ``locationNetworkList`` names for it."""
    countries = _map_countries(reader, "location")
    speeds = _split_types(reader.text("speed", limit=60))
    networks: dict[str, tuple[Network, ...]] = {}
    parts = reader.array("locationNetworkList") or ()
    for index, item in enumerate(parts):
        if not isinstance(item, dict):
            reader.fault(f"locationNetworkList[{index}]", "is not an object")
            continue
        part = FieldReader(item, where=f"locationNetworkList[{index}]", faults=reader.faults)
        country = _find_country(part, countries, is_only=len(parts) == 1)
        if country:
            networks[country] = networks.get(country, ()) + _map_networks(part, speeds)
    # Where no operator is named the package's own speed is all that is known of the network.
    bare = (Network(name="", types=speeds),) if speeds else ()
    return tuple(
        Coverage(country=country, kind=CoverageKind.UNSPECIFIED, networks=networks.get(country) or bare)
        for country in dict.fromkeys((*countries, *networks))
    )


def _find_country(part: FieldReader, countries: tuple[str, ...], *, is_only: bool) -> str:
    """The entry's country: its code where there is one, else the one that its flag's file name and the package agree
    on, else the package's only country. A name alone is not translated.
    """
    code = part.text("locationCode", limit=60).upper()
    if _COUNTRY.fullmatch(code):
        return code
    flag = _FLAG.fullmatch(part.text("locationLogo", limit=300))
    if flag and flag[1].upper() in countries:
        return flag[1].upper()
    return countries[0] if is_only and len(countries) == 1 else ""


def _map_networks(part: FieldReader, speeds: tuple[str, ...]) -> tuple[Network, ...]:
    networks = []
    for item in part.array("operatorList") or ():
        if not isinstance(item, dict):
            part.fault("operatorList", "holds something that is not an object")
            continue
        network = FieldReader(item, where="operatorList", faults=part.faults)
        types = _split_types(network.text("networkType", limit=60)) or speeds
        networks.append(Network(name=network.text("operatorName", limit=120), types=types))
    return tuple(networks)


def _split_types(text: str) -> tuple[str, ...]:
    """ "3G/4G/5G" as its parts."""
    return tuple(dict.fromkeys(word.strip()[:20] for word in _BETWEEN.split(text) if word.strip()))
