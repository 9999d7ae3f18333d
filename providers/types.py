"""The only values that leave ``providers``: frozen, typed, in one set of units.

Data is integer bytes, money is ``Decimal`` with an ISO currency, instants are aware UTC, business dates (Japan time)
stay ``date``. Every status is a pair of our word and the provider's. ``None`` means "not reported" unless a field
says otherwise; it never means zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

Raw = Mapping[str, Any]


class Capability(StrEnum):
    """What an adapter can do. Buttons come from these, never from a provider's name."""

    LIST_PLANS = "list_plans"
    #: One plan by its id.
    PLAN_LOOKUP = "plan_lookup"
    ORDER = "order"
    #: An order found by our own key, where its number never arrived.
    ORDER_LOOKUP = "order_lookup"
    #: All lines of one of its orders in one call.
    BATCH_QUERY = "batch_query"
    #: Every line sold in a span of time.
    LINE_LISTING = "line_listing"
    READ_LINE = "read_line"
    #: The usage of several lines in one call (``Provider.usage_batch``).
    USAGE_BATCH = "usage_batch"
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
    #: It calls us when something happens.
    WEBHOOKS = "webhooks"
    #: Our address for that can be asked for and set by a call.
    WEBHOOK_SETUP = "webhook_setup"
    TRANSACTION_INQUIRY = "transaction_inquiry"
    #: A line is activated for a device that is named beforehand; the outcome comes in a file.
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


class AfterCap(StrEnum):
    """What happens when an allowance is used up, as the provider says."""

    REDUCED = "reduced"
    CUT_OFF = "cut_off"
    #: There is no cap to reach.
    NO_CAP = "no_cap"
    UNKNOWN = "unknown"


class StartsWith(StrEnum):
    """What starts a plan's time, as the provider says."""

    INSTALLATION = "installation"
    CONNECTION = "connection"
    UNKNOWN = "unknown"


class TopUpRule(StrEnum):
    """When a package that is added to a line begins, as the provider says."""

    #: It waits until the one before it is used up or over and then starts by itself, its days with its first use.
    QUEUED = "queued"
    UNKNOWN = "unknown"


class CoverageKind(StrEnum):
    """Home or roaming only where the provider says so."""

    HOME = "home"
    ROAMING = "roaming"
    UNSPECIFIED = "unspecified"


class PackageStatus(StrEnum):
    """One state of a package for people; the provider's own word stands beside it."""

    WAITING = "waiting"
    ACTIVE = "active"
    #: Its time is over or its data used up: not every provider tells which.
    ENDED = "ended"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


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
    """A plan as a provider offers it now. Speeds are the provider's numbers in ``speed_unit`` ("" = not given).

    ``alias`` is another id under which the provider knows the same plan (eSIM Access: slug; eSIMfx: meta_product_id).
    ``days_choice_max``: the number of days is chosen with the order, from 1 to this; ``validity_days``, the allowance
    and the prices are then those of one day. ``top_up_profile`` names the group within which top-ups fit (eSIMfx:
    imsi_profile). ``region`` is the provider's own code of a multi-country area.
    """

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
    alias: str = ""
    region: str = ""
    days_choice_max: int | None = None
    after_cap: AfterCap = AfterCap.UNKNOWN
    starts_with: StartsWith = StartsWith.UNKNOWN
    top_up_profile: str = ""
    #: Whether messages can be sent to the line by the provider's API.
    api_sms: bool | None = None
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
    """One page of a listing. ``total`` is the provider's own count of the whole listing, None where it gives none.

    ``cursor`` is where the next page begins, for providers that page by an opaque key ("" otherwise). ``is_last`` is
    True only when the provider itself says that the listing ends here.
    """

    offers: tuple[PlanOffer, ...]
    faults: tuple[Fault, ...]
    page: int
    total: int | None
    total_pages: int | None
    cursor: str = ""
    is_last: bool = False


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
    have not happened: a package that waits is reported with the times that it would have.
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
    lpa: str = ""
    smdp_address: str = ""
    matching_id: str = ""
    eid: str = ""
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
    install_device_imei: str = ""
    connection_device_imei: str = ""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One request to buy. ``idempotency_key`` is ours and never changes between attempts (DESIGN §3).

    ``period_days`` is how many days of a plan that is sold by the day are bought, None for every other plan.
    ``expected_unit_price`` is the net price frozen at checkout: of one eSIM, all its days together.
    """

    plan_ref: str
    quantity: int
    idempotency_key: str
    expected_unit_price: Money | None = None
    plan_alias: str = ""
    period_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpRequest:
    """One request to add a package to a line; the key as in ``OrderRequest``."""

    provider_ref: str
    iccid: str
    plan_ref: str
    idempotency_key: str
    expected_price: Money | None = None
    plan_alias: str = ""
    period_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRequest:
    """A line's activation as the provider's form takes it. ``payload`` holds personal data: never log or show it.

    ``eid`` and ``delivery_code`` (ours) are the only handles until the outcome comes.
    """

    eid: str = field(repr=False)
    delivery_code: str
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """What is asked for one line. ``package_ref`` names the package where the provider acts on packages."""

    provider_ref: str
    capability: Capability
    iccid: str = ""
    package_ref: str = ""
    order_ref: str = ""
    #: The text of an SMS.
    message: str = field(default="", repr=False)


class Returned(StrEnum):
    """How much of our money a provider gives back."""

    ALL = "all"
    #: What was paid for the package; what was paid for the eSIM stays.
    PACKAGE_FEE = "package_fee"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyBack:
    """What an action gives us back, as the provider's document says; the provider decides each time all the same.

    ``only_waiting``: only for what has not started. ``within``: only so long after the order.
    """

    returned: Returned
    only_waiting: bool = False
    within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOutcome:
    """The provider took the request. ``refund`` is what it says about our money back, None where it says nothing."""

    refund: bool | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReply:
    """An answer exactly as it came, before anybody reads it: stored first, parsed second.

    ``complete`` is False when the connection ended before the announced end of the body. ``body`` may hold secrets:
    it is kept only encrypted.
    """

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
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
class TopUpOutcome:
    """What a top-up's reply says. The numbers are the line's new totals, never differences."""

    transaction_id: str
    order_ref: str
    package: PackageSnapshot | None = None
    total_data_bytes: int | None = None
    used_bytes: int | None = None
    expires_at: datetime | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord:
    """What the provider holds under a transaction.

    ``line_refs`` are references; ``lines`` are whole lines where the provider tells them at once (then ``line_refs``
    are theirs). ``is_pending`` says that the provider is still allocating: fewer lines than ordered mean nothing then.
    """

    transaction_id: str
    line_refs: tuple[str, ...]
    lines: tuple[LineSnapshot, ...] = ()
    is_pending: bool = False
    order_ref: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """Our prepaid money at a provider."""

    money: Money
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """An area that plans are sold for: a country, or several."""

    code: str
    name: str
    is_multi: bool
    members: tuple[str, ...] = ()


class WebhookKind(StrEnum):
    """What a delivery is about. Its content is a hint: the line or the order is read again."""

    HEALTH_CHECK = "health_check"
    ORDER_READY = "order_ready"
    LINE_CHANGED = "line_changed"
    USAGE = "usage"
    VALIDITY = "validity"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingWebhook:
    """A delivery as it came, before anybody believes it. Header names are in lower case.

    ``address`` is the sender's by the trusted proxy setting; ``path_secret`` the unguessable part of the path.
    """

    path_secret: str = field(repr=False)
    address: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookHint:
    """What a delivery names; whatever it does not name is "". ``word`` is the provider's own word for the event."""

    kind: WebhookKind
    word: str = ""
    provider_ref: str = ""
    iccid: str = ""
    order_ref: str = ""
    order_key: str = ""
    event_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRow:
    """One row of a file that says what became of activations. ``succeeded`` None: the row does not say.

    ``eid`` is personal: never log it. ``number`` is the row's line in the file, from 1.
    """

    number: int
    eid: str = field(repr=False)
    delivery_code: str
    account_number: str = field(repr=False)
    succeeded: bool | None
    code: str = ""
    message: str = ""
    iccid: str = ""
    completed_at: datetime | None = None
    completed_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionFile:
    """The readable rows of a completion file, and what could not be read (``where`` names the line)."""

    rows: tuple[CompletionRow, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBudget:
    """At most ``calls`` in any ``seconds``; ``reserve`` of them are kept for people and orders.

    ``margin`` (seconds) lengthens the window a little: two calls may travel at different speed, and the provider counts
    arrivals. Operations whose budgets have the same ``scope`` share one budget ("" = the operation has its own).
    """

    calls: int
    seconds: float
    reserve: int = 0
    margin: float = 0.0
    scope: str = ""
