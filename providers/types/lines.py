"""What a provider says of a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from providers.types.values import Allowance, Fault, Raw
from providers.types.words import LineState, PackageStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyUsage:
    """``day`` as the provider cuts it (eSIM Commerce: zone not given, Japan time is the likely one)."""

    day: date
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSnapshot:
    """One data package on a line as reported now; the fields that a provider does not report stay None.

    ``package_ref`` is stable and unique on its line. ``order_ref`` is the provider's order that brought it,
    ``order_key`` our own key of that order where it is told. ``is_projected`` says that ``starts_at`` and ``ends_at``
    have not happened: a package that waits is reported with the times that it would have. ``ordered_at``: when the
    provider entered the order that brought it, which may be long before we heard of it.
    """

    package_ref: str
    name: str = ""
    plan_ref: str = ""
    order_ref: str = ""
    order_key: str = ""
    status: PackageStatus | None = None
    allowance: Allowance | None = None
    used_bytes: int | None = None
    raw_status: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    activate_by: datetime | None = None
    is_projected: bool = False
    ordered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSnapshot:
    """A line's data use alone. ``total_data_bytes`` is its whole allowance where the provider tells it with the use."""

    provider_ref: str
    used_bytes: int | None
    total_data_bytes: int | None
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSnapshot:
    """What a provider says of a line now.

    ``state_as_of`` and ``usage_as_of`` are the provider's stamps, or the moment of sending where it gives none.
    ``lpa`` is the full activation string; with the matching id, eid and IMEIs it is secret or personal: never log it.
    ``raw`` is redacted.
    """

    provider_ref: str
    iccid: str
    state: LineState
    raw_states: Mapping[str, str]
    state_as_of: datetime
    usage_as_of: datetime
    restricted: bool | None = None
    lpa: str = field(default="", repr=False)
    smdp_address: str = ""
    matching_id: str = field(default="", repr=False)
    eid: str = field(default="", repr=False)
    #: The line's own phone number (personal, like the EID).
    phone_number: str = field(default="", repr=False)
    home_country: str = ""
    roaming_countries: tuple[str, ...] | None = None
    activation_deadline: datetime | None = None
    downloaded_at: datetime | None = None
    installed_at: datetime | None = None
    activated_on: date | None = None
    expires_on: date | None = None
    terminated_on: date | None = None
    install_device_imei: str = field(default="", repr=False)
    connection_device_imei: str = field(default="", repr=False)
    #: Instants, where the provider gives no business dates.
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    #: The provider's order that brought the line, and our own key of it where it is told.
    order_ref: str = ""
    order_key: str = ""
    apn: str = ""
    api_sms: bool | None = None
    total_used_bytes: int | None = None
    #: The whole allowance of the line in bytes, top-ups included, where the provider tells it; never a daily one.
    total_data_bytes: int | None = None
    daily_usage: tuple[DailyUsage, ...] | None = None
    packages: tuple[PackageSnapshot, ...] = ()
    faults: tuple[Fault, ...] = ()
    raw: Raw = field(default_factory=dict)
