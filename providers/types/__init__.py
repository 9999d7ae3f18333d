"""The only values that leave ``providers``: frozen, typed, in one set of units.

Data is integer bytes, money is ``Decimal`` with an ISO currency, instants are aware UTC, business dates (Japan time)
stay ``date``. Every status is a pair of our word and the provider's. ``None`` means "not reported" unless a field
says otherwise; it never means zero.
"""

from providers.types.exchanges import (
    AccountBalance,
    ActivationRequest,
    ControlOutcome,
    ControlRequest,
    MoneyBack,
    OrderOutcome,
    OrderRequest,
    ProviderReply,
    TopUpOutcome,
    TopUpRequest,
    TopUpTerms,
    TransactionRecord,
)
from providers.types.incoming import (
    CompletionFile,
    CompletionRow,
    IncomingWebhook,
    WebhookHint,
)
from providers.types.lines import (
    DailyUsage,
    LineSnapshot,
    PackageSnapshot,
    UsageSnapshot,
)
from providers.types.plans import (
    Coverage,
    Network,
    PlanOffer,
    PlanPage,
    Region,
    Telephony,
)
from providers.types.values import (
    Allowance,
    Fault,
    Money,
    RateBudget,
    Raw,
)
from providers.types.words import (
    AfterCap,
    Capability,
    CoverageKind,
    DataPeriod,
    LineState,
    PackageStatus,
    Priority,
    Returned,
    StartsWith,
    TopUpRule,
    WebhookKind,
)

__all__ = [
    "AccountBalance",
    "ActivationRequest",
    "AfterCap",
    "Allowance",
    "Capability",
    "CompletionFile",
    "CompletionRow",
    "ControlOutcome",
    "ControlRequest",
    "Coverage",
    "CoverageKind",
    "DailyUsage",
    "DataPeriod",
    "Fault",
    "IncomingWebhook",
    "LineSnapshot",
    "LineState",
    "Money",
    "MoneyBack",
    "Network",
    "OrderOutcome",
    "OrderRequest",
    "PackageSnapshot",
    "PackageStatus",
    "PlanOffer",
    "PlanPage",
    "Priority",
    "ProviderReply",
    "RateBudget",
    "Raw",
    "Region",
    "Returned",
    "StartsWith",
    "Telephony",
    "TopUpOutcome",
    "TopUpRequest",
    "TopUpRule",
    "TopUpTerms",
    "TransactionRecord",
    "UsageSnapshot",
    "WebhookHint",
    "WebhookKind",
]
