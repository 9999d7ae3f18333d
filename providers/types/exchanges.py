"""What is asked of a provider, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from providers.types.lines import LineSnapshot, PackageSnapshot
from providers.types.values import Fault, Money
from providers.types.words import Capability, LineState, Returned, TopUpRule


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyBack:
    """What an action gives us back, as the provider's document says; the provider decides each time all the same.

    ``only_waiting``: only for what has not started. ``within``: only so long after the order.
    """

    returned: Returned
    only_waiting: bool = False
    within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpTerms:
    """What a package that is added to a line is subject to, as the provider's document says; None: it does not say.

    ``states``: those of a line in which it is taken; empty where the document names none. ``until_end``: only while the
    line has not expired. ``use_within``: for how long after its purchase the provider answers for its working.
    """

    rule: TopUpRule = TopUpRule.UNKNOWN
    days_add_up: bool | None = None
    needs_install: bool | None = None
    states: frozenset[LineState] = frozenset()
    until_end: bool | None = None
    use_within: timedelta | None = None


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
    ``is_missing``: it said that it does not know the transaction, or not yet.
    """

    transaction_id: str
    line_refs: tuple[str, ...]
    lines: tuple[LineSnapshot, ...] = ()
    is_pending: bool = False
    is_missing: bool = False
    order_ref: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """Our prepaid money at a provider."""

    money: Money
    as_of: datetime
