"""From eSIM Commerce's plan objects (``DataPlanResponseDto``) to our offers."""

from collections.abc import Mapping
from decimal import Decimal

from providers.reading import MAX_BIGINT, FieldReader, UnreadableError, make_plain, note_unknown_word
from providers.types import (
    Allowance,
    Coverage,
    CoverageKind,
    DataPeriod,
    Fault,
    Money,
    Network,
    PlanOffer,
    Telephony,
)

#: "100MB = 102400KB (100 * 1024)": units are binary (sandbox document, usage setter).
_KB = 1024
_UNITS: Mapping[str, int] = {"B": 1, "BYTE": 1, "KB": _KB, "MB": _KB**2, "GB": _KB**3, "TB": _KB**4}
#: Only DAY is documented; the others name themselves.
_PERIODS: Mapping[str, DataPeriod] = {"DAY": DataPeriod.DAY, "DAILY": DataPeriod.DAY, "TOTAL": DataPeriod.TOTAL}
_PLAN_TYPES = frozenset({"UNLIMITED"})


def map_plan(item: object, *, faults: list[Fault], account: str, currency: str, home_country: str) -> PlanOffer:
    """One ``DataPlanResponseDto``. Only ``planCode`` is vital. Raises ``UnreadableError``.

    Fields that cannot be read are left empty and added to ``faults``; ``raw`` has them. ``home_country`` is the
    country of a listing that was asked for home countries only.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    reader = FieldReader(item, where="", faults=faults)
    plan_ref = reader.text("planCode", limit=1000)
    if not 1 <= len(plan_ref) <= 120:
        raise UnreadableError("has no usable planCode")
    plan_type = reader.text("planType", limit=60)
    if plan_type and plan_type.upper() not in _PLAN_TYPES:
        note_unknown_word(account=account, field="planType", word=plan_type)
    return PlanOffer(
        plan_ref=plan_ref,
        name=reader.text("planName") or plan_ref,
        plan_type=plan_type,
        carrier=reader.text("providerCode", limit=80),
        allowance=_map_allowance(reader, plan_type, account),
        coverage=_map_coverage(reader, home_country),
        net_price=_map_money(reader, "netPrice", currency),
        suggested_price=_map_money(reader, "suggestedRetailPrice", currency),
        validity_days=reader.integer("validityDays", limit=100_000),
        max_speed=_map_speed(reader, "maxSpeed"),
        reduced_speed=_map_speed(reader, "reducedSpeed"),
        speed_unit="",
        tethering=reader.boolean("tethering"),
        ip_countries=reader.countries("ipCountry") or (),
        validity_info=reader.text("validityInfo", limit=5000),
        activation_info=reader.text("activationInfo", limit=5000),
        unused_termination_days=reader.integer("unusedTerminationDays", limit=100_000),
        telephony=_map_telephony(reader),
        top_up_supported=reader.boolean("topUpSupported"),
        kyc_required=reader.boolean("eKYC"),
        restrictions=reader.text("serviceRestrictions", limit=5000),
        raw=make_plain(item),
    )


def _map_allowance(reader: FieldReader, plan_type: str, account: str) -> Allowance:
    """A plan "UNLIMITED" with a cap is throttled after the cap: it has that cap."""
    cap = reader.decimal("dataCap")
    unit = reader.text("dataUnit", limit=20)
    per = reader.text("dataCapPer", limit=20)
    factor = _UNITS.get(unit.upper())
    if cap is not None and factor is None:
        note_unknown_word(account=account, field="dataUnit", word=unit)
    period = _PERIODS.get(per.upper(), DataPeriod.UNKNOWN)
    if per and period is DataPeriod.UNKNOWN:
        note_unknown_word(account=account, field="dataCapPer", word=per)
    data_bytes = int(cap * factor) if cap and factor else None
    return Allowance(
        data_bytes=data_bytes if data_bytes is None or data_bytes <= MAX_BIGINT else None,
        period=period,
        unlimited=reader.value("dataCap") is None and plan_type.upper() == "UNLIMITED",
        raw_amount="" if cap is None else f"{cap:f}",
        raw_unit=unit,
        raw_period=per,
    )


def _map_coverage(reader: FieldReader, home_country: str) -> tuple[Coverage, ...]:
    """The plan object does not say what is home and what roaming; only the question asked may."""
    found: dict[str, tuple[Network, ...]] = {}
    for index, item in enumerate(reader.array("coverages") or ()):
        if not isinstance(item, dict):
            reader.fault(f"coverages[{index}]", "is not an object")
            continue
        part = FieldReader(item, where=f"coverages[{index}]", faults=reader.faults)
        country = part.country("code")
        if country:
            found[country] = found.get(country, ()) + _map_networks(part)
    return tuple(
        Coverage(
            country=country,
            kind=CoverageKind.HOME if country == home_country else CoverageKind.UNSPECIFIED,
            networks=networks,
        )
        for country, networks in found.items()
    )


def _map_networks(part: FieldReader) -> tuple[Network, ...]:
    networks = []
    for item in part.array("networks") or ():
        if isinstance(item, dict):
            network = FieldReader(item, where="", faults=part.faults)
            types = tuple(str(word)[:20] for word in network.array("types") or () if isinstance(word, str))
            networks.append(Network(name=network.text("name", limit=120), types=types))
        elif isinstance(item, str):
            networks.append(Network(name=item[:120]))
    return tuple(networks)


def _map_money(reader: FieldReader, name: str, currency: str) -> Money | None:
    """A decimal string. Without the contract's currency it is no price at all."""
    amount = reader.decimal(name)
    if amount is None or not currency or amount >= Decimal(10) ** 10:
        return None
    return Money(amount=amount, currency=currency)


def _map_speed(reader: FieldReader, name: str) -> Decimal | None:
    """The provider's number; its unit is not given."""
    speed = reader.decimal(name)
    return None if speed is None or speed >= Decimal(10) ** 11 else speed


def _map_telephony(reader: FieldReader) -> Telephony:
    telephony = FieldReader(reader.object("telephony"), where="telephony", faults=reader.faults)
    voice = FieldReader(telephony.object("voice"), where="telephony.voice", faults=reader.faults)
    sms = FieldReader(telephony.object("sms"), where="telephony.sms", faults=reader.faults)
    return Telephony(
        dialing_code=telephony.text("dialingCode", limit=12),
        voice_inbound=voice.boolean("inbound"),
        voice_outbound=voice.boolean("outbound"),
        sms_inbound=sms.boolean("inbound"),
        sms_outbound=sms.boolean("outbound"),
    )
