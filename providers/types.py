"""The only values that leave ``providers``: frozen, typed, in one set of units.

Data is integer bytes, money is ``Decimal`` with an ISO currency, instants are aware UTC, business dates (Japan time)
stay ``date``. Every status is a pair of our word and the provider's. ``None`` means "not reported" unless a field
says otherwise; it never means zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

Raw = Mapping[str, Any]


class Capability(StrEnum):
    """What an adapter can do. Buttons come from these, never from a provider's name."""

    LIST_PLANS = "list_plans"
    ORDER = "order"
    BATCH_QUERY = "batch_query"
    READ_LINE = "read_line"
    SUSPEND = "suspend"
    RELEASE = "release"
    CANCEL = "cancel"
    REVOKE = "revoke"
    TERMINATE = "terminate"
    ACTIVATE = "activate"
    BLOCK = "block"
    TOP_UP = "top_up"
    BALANCE = "balance"
    USAGE_BY_DAY = "usage_by_day"
    SMS = "sms"
    REGIONS = "regions"
    WEBHOOK_SETUP = "webhook_setup"
    TRANSACTION_INQUIRY = "transaction_inquiry"
    LINE_ACTIVATION = "line_activation"
    SIMULATE_USAGE = "simulate_usage"


class Priority(StrEnum):
    """Who waits for a call: people and orders may use the reserve of a rate budget, background work may not."""

    PEOPLE = "people"
    BACKGROUND = "background"


class DataPeriod(StrEnum):
    """What an allowance is counted over."""

    TOTAL = "total"
    DAY = "day"
    UNKNOWN = "unknown"


class CoverageKind(StrEnum):
    """Home or roaming only where the provider says so."""

    HOME = "home"
    ROAMING = "roaming"
    UNSPECIFIED = "unspecified"


class LineState(StrEnum):
    """One state for people, the same for every provider (DESIGN: The lines)."""

    PROVISIONING = "provisioning"
    READY = "ready"
    DOWNLOADED = "downloaded"
    INSTALLED = "installed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A data cap. ``data_bytes`` None with ``unlimited`` False means "not reported".

    ``unlimited`` is True only when no cap number is given and the provider says unlimited: a plan that is merely
    throttled after a daily cap has that cap.
    """

    data_bytes: int | None
    period: DataPeriod
    unlimited: bool
    raw_amount: str = ""
    raw_unit: str = ""
    raw_period: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One country (ISO 3166-1 alpha-2) and the networks used there."""

    country: str
    kind: CoverageKind
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephony:
    dialing_code: str = ""
    voice_inbound: bool | None = None
    voice_outbound: bool | None = None
    sms_inbound: bool | None = None
    sms_outbound: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOffer:
    """A plan as a provider offers it now. Speeds are the provider's numbers in ``speed_unit`` ("" = not given)."""

    plan_ref: str
    name: str
    plan_type: str
    carrier: str
    allowance: Allowance
    coverage: tuple[Coverage, ...]
    net_price: Money | None
    suggested_price: Money | None
    validity_days: int | None
    max_speed: Decimal | None
    reduced_speed: Decimal | None
    speed_unit: str
    tethering: bool | None
    ip_countries: tuple[str, ...]
    validity_info: str
    activation_info: str
    unused_termination_days: int | None
    telephony: Telephony
    top_up_supported: bool | None
    kyc_required: bool | None
    restrictions: str
    raw: Raw = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing in a reply that could not be read; the rest of the reply was.

    ``ref`` names the plan or line at fault where at least that could be read: a plan that is offered but not readable
    must not be taken for one that vanished.
    """

    where: str
    message: str
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """One page of a listing. ``total`` is the provider's own count of the whole listing."""

    offers: tuple[PlanOffer, ...]
    faults: tuple[Fault, ...]
    page: int
    total: int | None
    total_pages: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyUsage:
    """``day`` as the provider cuts it (eSIM Commerce: zone not given, Japan time is the likely one)."""

    day: date
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSnapshot:
    """One data package on a line as reported now; the fields that a provider does not report stay None."""

    package_ref: str
    name: str = ""
    allowance: Allowance | None = None
    used_bytes: int | None = None
    raw_status: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


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
    lpa: str = ""
    smdp_address: str = ""
    matching_id: str = ""
    eid: str = ""
    home_country: str = ""
    roaming_countries: tuple[str, ...] | None = None
    activation_deadline: datetime | None = None
    downloaded_at: datetime | None = None
    installed_at: datetime | None = None
    activated_on: date | None = None
    expires_on: date | None = None
    terminated_on: date | None = None
    install_device_imei: str = ""
    connection_device_imei: str = ""
    total_used_bytes: int | None = None
    daily_usage: tuple[DailyUsage, ...] | None = None
    packages: tuple[PackageSnapshot, ...] = ()
    faults: tuple[Fault, ...] = ()
    raw: Raw = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One request to buy. ``idempotency_key`` is ours and never changes between attempts (DESIGN §3)."""

    plan_ref: str
    quantity: int
    idempotency_key: str
    expected_unit_price: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReply:
    """An answer exactly as it came, before anybody reads it: stored first, parsed second.

    ``complete`` is False when the connection ended before the announced end of the body. ``body`` may hold secrets:
    it is kept only encrypted.
    """

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    sent_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """What an order's reply says.

    ``lines`` are delivered lines; ``final`` is False while more may come for this order (asynchronous allocation, or
    fewer readable lines in the reply than were ordered): then the rest is asked for by ``read_transaction``. With
    ``final`` False and no ``transaction_id`` nothing can be asked: that is for a person.
    """

    transaction_id: str
    order_ref: str
    lines: tuple[LineSnapshot, ...]
    final: bool
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord:
    """What the provider holds under a transaction: references only, each line is then read by itself."""

    transaction_id: str
    line_refs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBudget:
    """At most ``calls`` in any ``seconds``; ``reserve`` of them are kept for people and orders.

    ``margin`` (seconds) lengthens the window a little: two calls may travel at different speed, and the provider counts
    arrivals.
    """

    calls: int
    seconds: float
    reserve: int = 0
    margin: float = 0.0
