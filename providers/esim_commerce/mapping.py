"""From eSIM Commerce's JSON to our values. Documents: ``Production API (1.0)`` and ``Sandbox API``; see
``docs/providers/esim-commerce.md`` for what they leave open and how it is read here.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from providers.esim_commerce.states import derive_state
from providers.reading import MAX_BIGINT, FieldReader, UnreadableError, make_plain, note_unknown_word
from providers.redaction import redact
from providers.types import (
    Allowance,
    Coverage,
    CoverageKind,
    DailyUsage,
    DataPeriod,
    Fault,
    LineSnapshot,
    Money,
    Network,
    PlanOffer,
    Telephony,
    TransactionRecord,
)

#: The zone of every ``*On`` date of this provider.
JAPAN = ZoneInfo("Asia/Tokyo")
#: "100MB = 102400KB (100 * 1024)": units are binary (sandbox document, usage setter).
_KB = 1024
_UNITS: Mapping[str, int] = {"B": 1, "BYTE": 1, "KB": _KB, "MB": _KB**2, "GB": _KB**3, "TB": _KB**4}
#: Only DAY is documented; the others name themselves.
_PERIODS: Mapping[str, DataPeriod] = {"DAY": DataPeriod.DAY, "DAILY": DataPeriod.DAY, "TOTAL": DataPeriod.TOTAL}
_PLAN_TYPES = frozenset({"UNLIMITED"})

_ICCID_SEEN = re.compile(r"[0-9]{18,22}", re.ASCII)
_ICCID_SENT = re.compile(r"[0-9]{19}", re.ASCII)
_ICCID_SANDBOX = re.compile(r"8900[0-9]{15}", re.ASCII)
_DEVICE = re.compile(r"[0-9]{14,16}", re.ASCII)
#: SGP.22 §4.1 with its prefix, which may be in any case: LPA:1$host$matching-id[$OID[$1]].
_LPA = re.compile(r"LPA:1\$([^\s$]+)\$([^\s$]*)(?:\$[^\s$]*(?:\$1?)?)?", re.IGNORECASE)


def is_sendable_iccid(iccid: str) -> bool:
    """What the documents ask for in a path: 19 digits."""
    return bool(_ICCID_SENT.fullmatch(iccid))


def is_sandbox_iccid(iccid: str) -> bool:
    """An ICCID of the sandbox's own."""
    return bool(_ICCID_SANDBOX.fullmatch(iccid))


def passes_luhn(iccid: str) -> bool:
    """Whether the check digit fits. The documents' own samples fail, so this only ever warns."""
    digits = [int(digit) for digit in reversed(iccid)]
    return sum(digits[0::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def read_iccid(value: object) -> str:
    """An ICCID as the provider gives it (18 to 22 digits, also as a number); "" for anything else."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if _ICCID_SEEN.fullmatch(text) else ""


def is_activation_string(text: str) -> bool:
    """Whether text is a whole ``LPA:1$…`` string, as a QR code holds it."""
    return bool(_LPA.fullmatch(text))


# -- plans ------------------------------------------------------------------------------------------------------------


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


# -- lines ------------------------------------------------------------------------------------------------------------


def map_line(item: object, *, account: str, sent_at: datetime, today: date) -> LineSnapshot:
    """One eSIM object. Only ``iccid`` is vital. Raises ``UnreadableError``.

    ``lastUpdatedAt`` is the age of state and usage alike; without it ``sent_at`` counts. ``today`` is the date in
    Japan. Daily and total usage are kept side by side and never added: they lag differently.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    iccid = read_iccid(item.get("iccid"))
    if not iccid:
        raise UnreadableError("has no usable iccid")
    if not passes_luhn(iccid):
        note_unknown_word(account=account, field="iccid check digit", word=iccid)
    reader = FieldReader(item, where="", faults=[])
    as_of = reader.instant("lastUpdatedAt") or sent_at
    restricted = reader.boolean("isServiceRestricted")
    words = {
        name: reader.text(name, limit=40)
        for name in ("contractStatus", "profileProvisionStatus", "profileInstallStatus")
    }
    days = {name: reader.day(name) for name in ("activatedOn", "terminatedOn", "expiresOn")}
    lpa, matching_id = _map_activation(reader)
    return LineSnapshot(
        provider_ref=iccid,
        iccid=iccid,
        state=derive_state(
            account=account,
            contract=words["contractStatus"],
            provision=words["profileProvisionStatus"],
            install=words["profileInstallStatus"],
            restricted=restricted,
            activated_on=days["activatedOn"],
            terminated_on=days["terminatedOn"],
            expires_on=days["expiresOn"],
            today=today,
        ),
        raw_states=words,
        state_as_of=as_of,
        usage_as_of=as_of,
        restricted=restricted,
        lpa=lpa,
        smdp_address=reader.text("smdpAddress", limit=255),
        matching_id=matching_id,
        home_country=reader.country("homeCountry"),
        roaming_countries=reader.countries("roamingCountries"),
        activation_deadline=reader.instant("activationDeadline"),
        downloaded_at=reader.instant("downloadedAt"),
        installed_at=reader.instant("initialInsertionAt"),
        activated_on=days["activatedOn"],
        expires_on=days["expiresOn"],
        terminated_on=days["terminatedOn"],
        install_device_imei=_map_device(reader, "initialInsertionDevice"),
        connection_device_imei=_map_device(reader, "initialConnectionDevice"),
        total_used_bytes=_map_kilobytes(reader, "totalDataUsage"),
        daily_usage=_map_daily_usage(reader),
        faults=tuple(reader.faults),
        raw=make_plain(redact(item)),
    )


def _map_activation(reader: FieldReader) -> tuple[str, str]:
    """(the LPA string, the matching id). ``activationCode`` is only the matching id; neither is made up from parts."""
    lpa = reader.text("qrCode", limit=300)
    match = _LPA.fullmatch(lpa)
    if lpa and not match:
        reader.fault("qrCode", "is not an LPA activation string")
        lpa = ""
    code = reader.text("activationCode", limit=300)
    whole = _LPA.fullmatch(code)
    if whole:
        reader.fault("activationCode", "is a whole activation string; its matching id was taken")
        code = whole.group(2)
    if len(code) > 255:
        reader.fault("activationCode", "is too long")
        code = ""
    if match and code and match.group(2) != code:
        reader.fault("activationCode", "differs from the code inside qrCode")
    host = reader.text("smdpAddress", limit=255)
    if match and host and match.group(1).lower() != host.lower():
        reader.fault("smdpAddress", "differs from the address inside qrCode")
    return lpa, code


def _map_device(reader: FieldReader, name: str) -> str:
    device = reader.text(name, limit=40)
    if device and not _DEVICE.fullmatch(device):
        reader.fault(name, "is not an IMEI")
        return ""
    return device


def _map_kilobytes(reader: FieldReader, name: str) -> int | None:
    """Kilobytes of 1,024 bytes, as bytes."""
    kilobytes = reader.decimal(name)
    if kilobytes is None:
        return None
    if kilobytes * _KB > MAX_BIGINT:
        reader.fault(name, "is out of range")
        return None
    return int(kilobytes * _KB)


def _map_daily_usage(reader: FieldReader) -> tuple[DailyUsage, ...] | None:
    """Usage by day; None where the provider reports none, which is not zero."""
    items = reader.array("dataUsageDailyList")
    if items is None:
        return None
    found: dict[date, int] = {}
    for index, item in enumerate(items):
        where = f"dataUsageDailyList[{index}]"
        if not isinstance(item, dict):
            reader.fault(where, "is not an object")
            continue
        part = FieldReader(item, where=where, faults=reader.faults)
        day, used = part.day("day"), _map_kilobytes(part, "usage")
        if day is None or used is None:
            if part.value("day") is None or part.value("usage") is None:
                part.fault("day", "has no day or no usage")
            continue
        if day in found:
            part.fault("day", "comes twice; the larger usage was kept")
        found[day] = max(used, found.get(day, 0))
    return tuple(DailyUsage(day=day, used_bytes=used) for day, used in sorted(found.items()))


# -- transactions -----------------------------------------------------------------------------------------------------


def map_transaction(document: object, *, transaction_id: str) -> TransactionRecord:
    """The reply of an inquiry. All of it is vital: a part of the list would hide lines. Raises ``UnreadableError``."""
    if not isinstance(document, dict):
        raise UnreadableError("it is not an object")
    told = document.get("transactionId")
    if told is not None and str(told).strip().lower() != transaction_id.strip().lower():
        raise UnreadableError("it is about another transaction")
    items = document.get("iccids")
    if not isinstance(items, list):
        raise UnreadableError("it has no list of ICCIDs")
    refs = tuple(dict.fromkeys(read_iccid(item) for item in items))
    if "" in refs:
        raise UnreadableError("its list holds something that is no ICCID")
    return TransactionRecord(transaction_id=transaction_id, line_refs=refs)


def collect_lines(
    items: list[Any], read_line: Callable[[object], LineSnapshot]
) -> tuple[tuple[LineSnapshot, ...], tuple[Fault, ...]]:
    """The readable lines of an order, each once, and what was wrong with the rest."""
    lines: dict[str, LineSnapshot] = {}
    faults: list[Fault] = []
    for index, item in enumerate(items):
        where = f"esims[{index}]"
        try:
            line = read_line(item)
        except UnreadableError as error:
            faults.append(Fault(where=where, message=str(error)))
            continue
        if line.provider_ref in lines:
            faults.append(Fault(where=where, message="comes twice in the reply"))
            continue
        lines[line.provider_ref] = line
        faults.extend(Fault(where=f"{where}.{fault.where}", message=fault.message) for fault in line.faults)
    return tuple(lines.values()), tuple(faults)


def find_count_faults(*, ordered: int, delivered: int, has_transaction: bool) -> list[Fault]:
    """What is wrong with the number of eSIMs in an order's reply."""
    faults = []
    if delivered != ordered:
        faults.append(Fault(where="esims", message=f"{ordered} eSIMs were ordered and {delivered} could be read"))
    if not has_transaction:
        faults.append(Fault(where="transactionId", message="is missing"))
    return faults
