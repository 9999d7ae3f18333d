"""From eSIM Access's eSIM objects to our lines. A line is known by ``esimTranNo``: ICCIDs are used again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.esim_access.plans import is_daily, map_allowance, map_api_sms, read_data_type
from providers.esim_access.states import Stage, derive_state, read_stage
from providers.identifiers import ActivationCode, is_eid, is_iccid, passes_luhn, split_activation_code
from providers.reading import FieldReader, UnreadableError, make_plain, note_unknown_word
from providers.redaction import redact
from providers.types import Fault, LineSnapshot, LineState, PackageSnapshot

#: What a reference column holds; ``esimTranNo`` and ``orderNo`` are opaque and of any length.
_LONGEST_REF = 80
#: Stages in which the package has begun: ``expiredTime`` is its end then, and the download's deadline before.
_BEGUN = frozenset({Stage.IN_USE, Stage.USED_UP})
_USED_EXPIRED = "USED_EXPIRED"


def read_ref(value: object) -> str:
    """An opaque reference, also given as a number; "" for anything else."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= _LONGEST_REF else ""


def find_refs(item: object) -> tuple[str, str]:
    """(``esimTranNo``, ``orderNo``) of an eSIM object as far as they can be read."""
    if not isinstance(item, dict):
        return "", ""
    return read_ref(item.get("esimTranNo")), read_ref(item.get("orderNo"))


def has_key(item: object, key: str) -> bool:
    """Whether an eSIM object, or a package on it, came by the transaction of this key of ours."""
    if not isinstance(item, dict):
        return False
    packages = item.get("packageList")
    entries = [item, *(packages if isinstance(packages, list) else ())]
    return any(isinstance(entry, dict) and read_ref(entry.get("transactionId")) == key for entry in entries)


def is_allocated(line: LineSnapshot) -> bool:
    """Whether the line can be handed over.

    Without an ICCID it is still being made. Without an activation code too, unless it is past its first download: an
    empty code was seen on a line in use.
    """
    if not line.iccid or line.state is LineState.PROVISIONING:
        return False
    return bool(line.lpa or line.state not in (LineState.READY, LineState.UNKNOWN) or _has_odd_code(line))


def _has_odd_code(line: LineSnapshot) -> bool:
    """There is a code and it is none: waiting longer would not mend it."""
    return any(fault.where == "ac" for fault in line.faults)


def map_line(item: object, *, account: str, sent_at: datetime) -> LineSnapshot:
    """One eSIM object. Only ``esimTranNo`` is vital. Raises ``UnreadableError``.

    The provider stamps neither state nor (here) usage, so both are as of ``sent_at``.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    provider_ref, order_ref = find_refs(item)
    if not provider_ref:
        raise UnreadableError("has no usable esimTranNo")
    reader = FieldReader(item, where="", faults=[])
    words = {name: reader.text(name, limit=40) for name in ("esimStatus", "smdpStatus")}
    stage = read_stage(words["esimStatus"], account=account)
    eid = _map_eid(reader)
    installed_at, activated_at = reader.instant("installationTime"), reader.instant("activateTime")
    used = reader.integer("orderUsage")
    data_type = read_data_type(reader, account=account)
    allowance = map_allowance(reader, "totalVolume", data_type=data_type)
    end = reader.instant("expiredTime")
    has_begun = _has_begun(stage, words["esimStatus"], activated_at, used)
    code = _map_code(reader)
    order_key = reader.text("transactionId", limit=_LONGEST_REF)
    base = _Base(provider_ref=provider_ref, order_ref=order_ref, order_key=order_key, data_type=data_type)
    return LineSnapshot(
        provider_ref=provider_ref,
        iccid=_map_iccid(reader, account),
        state=derive_state(
            account=account,
            stage=stage,
            smdp_status=words["smdpStatus"],
            has_eid=bool(eid),
            is_installed=installed_at is not None,
        ),
        raw_states=words,
        state_as_of=sent_at,
        usage_as_of=sent_at,
        lpa=code.lpa if code else "",
        smdp_address=code.smdp_address if code else "",
        matching_id=code.matching_id if code else "",
        eid=eid,
        installed_at=installed_at,
        activated_at=activated_at,
        activation_deadline=None if has_begun else end,
        expires_at=end if has_begun else None,
        order_ref=order_ref,
        order_key=order_key,
        apn=reader.text("apn", limit=100),
        api_sms=map_api_sms(reader, account=account),
        total_used_bytes=used,
        # Of a plan by the day it would be one day's volume.
        total_data_bytes=None if is_daily(data_type) or not data_type else allowance.data_bytes,
        packages=_map_packages(reader, base, account),
        faults=tuple(reader.faults),
        raw=make_plain(redact(item)),
    )


def _has_begun(stage: Stage, word: str, activated_at: datetime | None, used: int | None) -> bool:
    """Whether the package's own time runs or ran. A suspended or revoked line tells it by its traces only."""
    return stage in _BEGUN or word.strip().upper() == _USED_EXPIRED or activated_at is not None or bool(used)


def _map_iccid(reader: FieldReader, account: str) -> str:
    iccid = reader.text("iccid", limit=40)
    if iccid and not is_iccid(iccid):
        reader.fault("iccid", "is not an ICCID")
        return ""
    if iccid and not passes_luhn(iccid):
        note_unknown_word(account=account, field="iccid", word="(one that fails the Luhn check)")
    return iccid


def _map_eid(reader: FieldReader) -> str:
    """ "" before the first installation; the document prints a space there."""
    eid = reader.text("eid", limit=60)
    if eid and not is_eid(eid):
        reader.fault("eid", "is not an EID")
        return ""
    return eid


def _map_code(reader: FieldReader) -> ActivationCode | None:
    """The activation code as it came, or none: a wrong one is refused rather than guessed at."""
    text = reader.text("ac", limit=400)
    code = split_activation_code(text)
    if text and code is None:
        reader.fault("ac", "is not an LPA activation string")
    return code


# -- the packages on a line -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What a line's packages are compared with: the line itself came by the first of them."""

    provider_ref: str
    order_ref: str
    order_key: str
    data_type: str


def _map_packages(reader: FieldReader, base: _Base, account: str) -> tuple[PackageSnapshot, ...]:
    """The line's packages, the one that it was sold with first where their order is told.

    The document does not say in which order they stand. Of several without times none is known to be the first, so
    none is given the line's own order and key: a top-up of ours would be hidden under them.
    """
    items: list[Mapping[str, Any]] = []
    for index, item in enumerate(reader.array("packageList") or ()):
        if isinstance(item, dict):
            items.append(item)
        else:
            reader.fault(f"packageList[{index}]", "is not an object")
    found: dict[str, PackageSnapshot] = {}
    is_ordered = len(items) == 1 or _have_times(items)
    for item in _sort_packages(items) if is_ordered else items:
        part = FieldReader(item, where="packageList", faults=reader.faults)
        package = _map_package(part, base, account, taken=found, is_first=is_ordered and not found)
        found[package.package_ref] = package
    return tuple(found.values())


def _have_times(items: Sequence[Mapping[str, Any]]) -> bool:
    times = [item.get("createTime") for item in items]
    return all(isinstance(time, str) and time for time in times)


def _sort_packages(items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """By ``createTime``: its text sorts as its time does."""
    return sorted(items, key=lambda item: str(item.get("createTime")))


def _map_package(
    part: FieldReader, base: _Base, account: str, *, taken: Mapping[str, object], is_first: bool
) -> PackageSnapshot:
    plan_ref = part.text("packageCode", limit=120)
    key = part.text("transactionId", limit=_LONGEST_REF)
    # A top-up may be of another type than the line's first package; the live service says so, the document does not.
    data_type = read_data_type(part, account=account) or base.data_type
    return PackageSnapshot(
        package_ref=_name_package(part, base, plan_ref=plan_ref, key=key, taken=taken),
        name=part.text("packageName"),
        plan_ref=plan_ref,
        order_ref=base.order_ref if is_first else "",
        order_key=key or (base.order_key if is_first else ""),
        allowance=map_allowance(part, "volume", data_type=data_type),
    )


def _name_package(part: FieldReader, base: _Base, *, plan_ref: str, key: str, taken: Mapping[str, object]) -> str:
    """A name that is stable and unique on the line: its own number, else its transaction, else what it is and when.

    Only the first package has the line's own number, so that number says nothing. A name that is taken (two equal
    packages of which nothing else is told) is counted on: packages are only ever added.
    """
    number = read_ref(part.value("esimTranNo"))
    name = number if number and number != base.provider_ref else key
    if not name or name in taken:
        created = part.text("createTime", limit=40)
        name = f"{plan_ref[:60]}@{created}" if created else f"{plan_ref[:60]}#1"
    count = 1
    unique = name
    while unique in taken:
        count += 1
        unique = f"{name.removesuffix('#1')}#{count}"
    return unique


# -- lists of lines ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LineList:
    """The eSIM objects of one query, each line once; ``faults`` are those that could not be read."""

    lines: tuple[LineSnapshot, ...]
    faults: tuple[Fault, ...]


def map_lines(items: Sequence[object], *, account: str, sent_at: datetime) -> LineList:
    """All readable lines, each once: a listing by time may shift between two pages."""
    lines: dict[str, LineSnapshot] = {}
    faults: list[Fault] = []
    for index, item in enumerate(items):
        where = f"esimList[{index}]"
        try:
            line = map_line(item, account=account, sent_at=sent_at)
        except UnreadableError as error:
            faults.append(Fault(where=where, message=str(error)))
            continue
        faults += [
            Fault(where=f"{where}.{fault.where}", message=fault.message, ref=line.provider_ref) for fault in line.faults
        ]
        lines[line.provider_ref] = line
    return LineList(lines=tuple(lines.values()), faults=tuple(faults))
