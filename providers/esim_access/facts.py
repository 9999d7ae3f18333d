"""Small replies: usage of several lines, the balance, the regions, our webhook address, a top-up's new totals."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.esim_access.envelope import Envelope
from providers.esim_access.lines import read_ref
from providers.esim_access.money import read_amount
from providers.reading import FieldReader, UnreadableError, to_decimal
from providers.types import (
    AccountBalance,
    Fault,
    Money,
    ProviderReply,
    Region,
    TopUpOutcome,
    TopUpRequest,
    UsageSnapshot,
)

#: "100000 = $10.00": the document counts balances in dollars.
_CURRENCY = "USD"
#: OURS: a stamp that leads our clock by more is nonsense; older never overwrites newer, so it would freeze the line.
_CLOCKS_DIFFER = timedelta(days=1)
_MULTI = 2
_LONGEST_ADDRESS = 500
#: The years 2000 to 2100; nothing else can be meant by such a number.
_FIRST_MILLISECOND, _LAST_MILLISECOND = 946_684_800_000, 4_102_444_800_000


# -- usage ------------------------------------------------------------------------------------------------------------


def map_usages(envelope: Envelope, reply: ProviderReply, *, asked: Collection[str]) -> tuple[UsageSnapshot, ...]:
    """The usage of the lines that were asked for; one bad entry costs only itself, as does one without a number."""
    found: dict[str, UsageSnapshot] = {}
    items = [item for item in envelope.find_list("esimUsageList") if isinstance(item, dict)]
    own = [item for item in items if read_ref(item.get("esimTranNo")) in asked]
    if items and not own:
        raise UnreadableError("it is about other eSIMs")
    for item in own:
        usage = _map_usage(item, reply.sent_at)
        if usage is not None:
            found[usage.provider_ref] = usage
    return tuple(found.values())


def _map_usage(item: Mapping[str, Any], sent_at: datetime) -> UsageSnapshot | None:
    """One entry. ``totalData`` is left out: for a plan by the day it is one day's, and nothing here tells which."""
    reader = FieldReader(item, where="", faults=[])
    used = reader.integer("dataUsage")
    if used is None:
        return None
    as_of = reader.instant("lastUpdateTime") or sent_at
    return UsageSnapshot(
        provider_ref=read_ref(item.get("esimTranNo")),
        used_bytes=used,
        total_data_bytes=None,
        as_of=as_of if as_of - sent_at <= _CLOCKS_DIFFER else sent_at,
    )


# -- the account ------------------------------------------------------------------------------------------------------


def map_balance(envelope: Envelope, reply: ProviderReply) -> AccountBalance:
    """Our money, which may be below zero. The newer endpoint is said to have "last updated date": nobody names it."""
    amount = read_amount(envelope.part.get("balance"))
    if amount is None:
        raise UnreadableError("it has no balance")
    told = FieldReader(envelope.part, where="", faults=[]).text("currencyCode", limit=3).upper()
    currency = told if len(told) == 3 and told.isalpha() else _CURRENCY
    return AccountBalance(money=Money(amount=amount, currency=currency), as_of=reply.sent_at)


def map_regions(envelope: Envelope, _reply: ProviderReply) -> tuple[Region, ...]:
    """Countries and multi-country areas; one bad entry costs only itself."""
    found: dict[str, Region] = {}
    items = envelope.find_list("locationList")
    for item in items:
        region = _map_region(item)
        if region is not None:
            found.setdefault(region.code, region)
    if items and not found:
        raise UnreadableError("its regions have no codes")
    return tuple(found.values())


def _map_region(item: object) -> Region | None:
    if not isinstance(item, dict):
        return None
    reader = FieldReader(item, where="", faults=[])
    code = reader.text("code", limit=60)
    if not code:
        return None
    # Live: ``subLocationList``, null for a country. Document: ``subLocation``. It is the only list there.
    parts: Collection[Any] = next((value for value in item.values() if isinstance(value, list)), ())
    codes = [FieldReader(part, where="", faults=[]).text("code", limit=60) for part in parts if isinstance(part, dict)]
    members = tuple(dict.fromkeys(member for member in codes if member))
    is_multi = reader.integer("type") == _MULTI or bool(members)
    return Region(
        code=code,
        name=reader.text("name", limit=200) or code,
        is_multi=is_multi,
        members=members if is_multi else (code,),
    )


def find_webhook_address(envelope: Envelope, _reply: ProviderReply) -> str:
    """The address that the provider calls, wherever it stands in ``obj``: the reply's shape is not documented."""
    return _find_address(envelope.obj, levels=4)


def _find_address(value: Any, *, levels: int) -> str:
    if isinstance(value, str):
        text = value.strip()
        return text[:_LONGEST_ADDRESS] if text.lower().startswith(("http://", "https://")) else ""
    if levels and isinstance(value, dict):
        parts: Collection[Any] = value.values()
    elif levels and isinstance(value, list):
        parts = value
    else:
        return ""
    return next((found for found in (_find_address(part, levels=levels - 1) for part in parts) if found), "")


# -- top-ups ----------------------------------------------------------------------------------------------------------


def map_top_up(envelope: Envelope, request: TopUpRequest) -> TopUpOutcome:
    """The line's new totals. A success without readable numbers is one all the same: the line is read again.

    Which package came is not told in a way that fits to the line's list of packages, so none is named here. The
    reply's ``transactionId`` may be the provider's own.
    """
    part = envelope.obj if isinstance(envelope.obj, dict) else {}
    faults: list[Fault] = []
    reader = FieldReader(part, where="obj", faults=faults)
    iccid = reader.text("iccid", limit=40)
    if iccid and request.iccid and iccid != request.iccid:
        reader.fault("iccid", "is another than the line's")
    # Of a plan by the day the volume would be one day's.
    total = reader.integer("totalVolume")
    return TopUpOutcome(
        transaction_id=read_ref(part.get("transactionId")) or request.idempotency_key,
        order_ref=read_ref(part.get("topUpEsimTranNo")),
        total_data_bytes=None if request.period_days is not None else total,
        used_bytes=reader.integer("orderUsage"),
        expires_at=_map_moment(reader, "expiredTime"),
        faults=tuple(faults),
    )


def _map_moment(reader: FieldReader, name: str) -> datetime | None:
    """An instant; the type here is Long and the example is a text, so a number of milliseconds is one too."""
    number = to_decimal(reader.value(name))
    if number is None or not _FIRST_MILLISECOND <= number < _LAST_MILLISECOND:
        return reader.instant(name)
    return datetime.fromtimestamp(int(number) / 1000, tz=UTC)
