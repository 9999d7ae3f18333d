"""From eSIM Commerce's JSON to our values. Documents: ``Production API (1.0)`` and ``Sandbox API``; see
``docs/providers/esim-commerce.md`` for what they leave open and how it is read here.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from providers.esim_commerce.states import derive_state
from providers.reading import MAX_BIGINT, FieldReader, UnreadableError, make_plain, note_unknown_word
from providers.redaction import redact
from providers.types import (
    DailyUsage,
    Fault,
    LineSnapshot,
    TransactionRecord,
)

#: The zone of every ``*On`` date of this provider.
JAPAN = ZoneInfo("Asia/Tokyo")
#: "100MB = 102400KB (100 * 1024)": units are binary (sandbox document, usage setter).
_KB = 1024

#: OURS: a stamp may lead our clock by so much, a day in Japan written as UTC included; what lies beyond is nonsense.
_CLOCKS_DIFFER = timedelta(days=1)

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


# -- lines ------------------------------------------------------------------------------------------------------------


def map_line(item: object, *, account: str, sent_at: datetime, today: date) -> LineSnapshot:
    """One eSIM object. Only ``iccid`` is vital. Raises ``UnreadableError``.

    ``lastUpdatedAt`` is the age of state and usage alike; without it, or with one from the future, ``sent_at`` counts.
    ``today`` is the date in Japan. Daily and total usage are kept side by side and never added: they lag differently.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    iccid = read_iccid(item.get("iccid"))
    if not iccid:
        raise UnreadableError("has no usable iccid")
    if not passes_luhn(iccid):
        note_unknown_word(account=account, field="iccid", word="(one that fails the Luhn check)")
    reader = FieldReader(item, where="", faults=[])
    if not is_sendable_iccid(iccid):
        reader.fault("iccid", "has not 19 digits: the provider cannot be asked about it")
    as_of = reader.instant("lastUpdatedAt") or sent_at
    if as_of - sent_at > _CLOCKS_DIFFER:
        # Older never overwrites newer: believed once, it would freeze the line until that day comes.
        reader.fault("lastUpdatedAt", "lies in the future; the moment of asking counts instead")
        as_of = sent_at
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
