"""One eSIM as the provider knows it, and as its wire object shows it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from providers.simulator.clock import format_instant, parse_instant
from providers.simulator.esim_access.numbers import SMDP
from providers.simulator.esim_access.wire import write_offset_time

GETTING, GOT, IN_USE, USED_UP = "GETTING_RESOURCE", "GOT_RESOURCE", "IN_USE", "USED_UP"
SUSPENDED, CANCELLED, REVOKED = "SUSPENDED", "CANCEL", "REVOKE"
UNUSED_EXPIRED, USED_EXPIRED = "UNUSED_EXPIRED", "USED_EXPIRED"
LIVING = frozenset({GOT, IN_USE, USED_UP, SUSPENDED})
ENDED = frozenset({CANCELLED, REVOKED, UNUSED_EXPIRED, USED_EXPIRED})

RELEASED, DOWNLOADED, INSTALLED, ENABLED, DISABLED, DELETED = (
    *("RELEASED", "DOWNLOAD", "INSTALLATION"),
    *("ENABLED", "DISABLED", "DELETED"),
)

# Not in the document's tables.
_LIVE_ONLY = ("transactionId", "shortUrl", "activateTime", "installationTime", "ipExport", "supportTopUpType")
_LIVE_ONLY_OF_PACKAGES = ("packageName", "slug", "createTime", "esimTranNo", "transactionId")


@dataclass(frozen=True)
class Use:
    """Data used at an instant, and when the provider will have heard of it."""

    at: datetime
    known_at: datetime
    volume: int


@dataclass(frozen=True)
class Load:
    """A package on the line: the first one, or a top-up."""

    package: Mapping[str, Any]
    period_num: int | None
    at: datetime
    tran_no: str
    transaction_id: str

    @property
    def days(self) -> int:
        """How long it lasts."""
        return int(self.package["duration"]) * (self.period_num or 1)

    def to_wire(self) -> dict[str, Any]:
        """Its entry in `packageList`."""
        package = self.package
        return {
            "packageName": package["name"],
            "packageCode": package["packageCode"],
            "slug": package["slug"],
            "duration": self.days,
            "volume": package["volume"],
            "locationCode": package["locationCode"],
            "createTime": write_offset_time(self.at),
            "esimTranNo": self.tran_no,
            "transactionId": self.transaction_id,
        }


@dataclass(frozen=True)
class Line:
    """`charged` is what the balance paid; `told` names the notices that are sent only once."""

    tran_no: str
    order_no: str
    transaction_id: str
    ordered_at: datetime
    ready_at: datetime
    charged: int
    loads: tuple[Load, ...]
    total_volume: int
    total_duration: int
    matching_id: str
    pin: str
    puk: str
    apn: str
    iccid: str = ""
    imsi: str = ""
    eid: str = ""
    esim_status: str = GETTING
    smdp_status: str = ""
    suspended_from: str = ""
    installed_at: datetime | None = None
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    usage: int = 0
    usage_at: datetime | None = None
    uses: tuple[Use, ...] = ()
    told: tuple[str, ...] = ()
    # Wire fields that a test set to something else.
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def package(self) -> Mapping[str, Any]:
        """The package that was ordered."""
        return self.loads[0].package

    @property
    def daily(self) -> bool:
        """Whether the volume is of one day."""
        return self.package["dataType"] in (2, 3, 4)

    @property
    def remaining(self) -> int:
        """Bytes left; of a daily package of no meaning."""
        return max(0, self.total_volume - self.usage)

    def to_wire(self, *, live: bool) -> dict[str, Any]:
        """The object in `esimList`; `live` False leaves out what the document does not list."""
        package = self.package
        wire: dict[str, Any] = {
            "esimTranNo": self.tran_no,
            "orderNo": self.order_no,
            "transactionId": self.transaction_id,
            "imsi": self.imsi or None,
            "iccid": self.iccid or None,
            "smsStatus": package["smsStatus"],
            "msisdn": "",
            "ac": f"LPA:1${SMDP}${self.matching_id}" if self.iccid else "",
            "qrCodeUrl": f"https://qr.simulator.example/{self.matching_id.lower()}.png" if self.iccid else "",
            "shortUrl": f"https://qr.simulator.example/{self.matching_id.lower()}" if self.iccid else "",
            "smdpStatus": self.smdp_status,
            "eid": self.eid,
            "activeType": package["activeType"],
            "dataType": package["dataType"],
            "activateTime": _write(self.activated_at),
            "expiredTime": _write(self.expires_at),
            "installationTime": _write(self.installed_at),
            "totalVolume": self.total_volume,
            "totalDuration": self.total_duration,
            "durationUnit": package["durationUnit"],
            "orderUsage": self.usage,
            "esimStatus": self.esim_status,
            "pin": self.pin,
            "puk": self.puk,
            "apn": self.apn,
            "ipExport": package["ipExport"],
            "supportTopUpType": package["supportTopUpType"],
            "fupPolicy": package["fupPolicy"],
            "packageList": [load.to_wire() for load in self.loads],
        }
        if not live:
            wire = _drop(wire, (*_LIVE_ONLY, "fupPolicy"))
            wire["packageList"] = [_drop(entry, _LIVE_ONLY_OF_PACKAGES) for entry in wire["packageList"]]
        return {**wire, **self.overrides}

    def to_stored(self) -> dict[str, Any]:
        """As JSON for the state."""
        return {name: _store(value) for name, value in asdict(self).items()}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "Line":
        """The opposite of `to_stored`."""
        values = {item.name: stored[item.name] for item in fields(cls)}
        for name in ("ordered_at", "ready_at", "installed_at", "activated_at", "expires_at", "usage_at"):
            values[name] = None if values[name] is None else parse_instant(values[name])
        values["loads"] = tuple(Load(**{**load, "at": parse_instant(load["at"])}) for load in values["loads"])
        values["uses"] = tuple(
            Use(at=parse_instant(use["at"]), known_at=parse_instant(use["known_at"]), volume=use["volume"])
            for use in values["uses"]
        )
        values["told"] = tuple(values["told"])
        return cls(**values)


def _write(instant: datetime | None) -> str | None:
    return None if instant is None else write_offset_time(instant)


def _drop(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _store(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, Mapping):
        return {name: _store(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_store(item) for item in value]
    return value
