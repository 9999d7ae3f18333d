"""The words of this floor: what a provider can do, and the states and kinds that we tell apart."""

from enum import StrEnum


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
    #: It becomes part of the line at once: the provider tells new totals of the line and its new end.
    MERGED = "merged"
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


class Returned(StrEnum):
    """How much of our money a provider gives back."""

    ALL = "all"
    #: What was paid for the package; what was paid for the eSIM stays.
    PACKAGE_FEE = "package_fee"
    NOTHING = "nothing"


class WebhookKind(StrEnum):
    """What a delivery is about. Its content is a hint: the line or the order is read again."""

    HEALTH_CHECK = "health_check"
    ORDER_READY = "order_ready"
    LINE_CHANGED = "line_changed"
    USAGE = "usage"
    VALIDITY = "validity"
    UNKNOWN = "unknown"
