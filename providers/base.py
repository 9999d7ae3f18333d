"""The door to every wholesaler.

Overridden by an adapter: the class attributes, ``budgets``, and the ``_operation`` methods of the capabilities that it
declares. Not overridden: the public operations, which refuse what is not offered before anything is sent.

Reads (``list_plans``, ``read_line``, ``read_transaction``) raise ``Unavailable``, ``RateLimited``, ``Rejected`` or
``NotSent``. Writes are in two steps, so that the caller can store the raw reply, committed, before anybody parses it:

- ``send_*`` returns a ``ProviderReply`` for every HTTP status and for a body that was cut off. It raises ``NotSent``,
  ``RateLimited`` (our own budget is spent: nothing was sent) or ``OutcomeUnknown`` (sent, nothing came back).
- ``read_*_reply`` parses and raises ``Rejected``, ``RateLimited`` (429), ``OutcomeUnknown`` or ``StillAllocating``.

Neither touches the database except for the rate budget and the call log; neither may run inside a transaction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, ClassVar, Self

from providers.errors import NotOffered
from providers.types import (
    Capability,
    LineSnapshot,
    OrderOutcome,
    OrderRequest,
    PlanPage,
    Priority,
    ProviderReply,
    RateBudget,
    TransactionRecord,
)

#: What an adapter has to override for a capability that it declares (the conformance suite holds it to that).
OPERATIONS: Mapping[Capability, tuple[str, ...]] = {
    Capability.LIST_PLANS: ("_list_plans",),
    Capability.ORDER: ("_send_order", "_read_order_reply"),
    Capability.READ_LINE: ("_read_line",),
    Capability.USAGE_BY_DAY: ("_read_line",),
    Capability.SUSPEND: ("_send_control", "_read_control_reply"),
    Capability.RELEASE: ("_send_control", "_read_control_reply"),
    Capability.TRANSACTION_INQUIRY: ("_read_transaction",),
    Capability.SIMULATE_USAGE: ("_simulate_usage",),
}


class Provider(ABC):
    """One account at one wholesaler. Instances are cheap, hold no state between calls and are not shared by threads."""

    #: The adapter's slug: the name of its folder.
    adapter: ClassVar[str]
    #: The names in an entry of ``settings.PROVIDERS`` that switch the adapter on: address and credentials.
    required_settings: ClassVar[tuple[str, ...]] = ("url",)
    #: What this adapter offers; an account's settings may narrow it (see ``offered``).
    capabilities: ClassVar[frozenset[Capability]]
    #: Capabilities whose write may be sent again with the same key after an unknown outcome (DESIGN §3 rule 4).
    repeatable: ClassVar[frozenset[Capability]] = frozenset()
    #: How many eSIMs one order may hold.
    max_order_quantity: ClassVar[int] = 1
    #: How long a sent order may stay without an answer before it counts as lost. Longer than the read time-out.
    order_deadline: timedelta = timedelta(minutes=5)
    #: How long the provider finds a transaction by its id (None: it cannot, or for ever).
    inquiry_window: ClassVar[timedelta | None] = None

    def __init__(self, account: str) -> None:
        self.account = account

    @classmethod
    @abstractmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        """The adapter for one entry of ``settings.PROVIDERS``. Raises ``ImproperlyConfigured``, naming the variable."""

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        """Whether an entry of ``settings.PROVIDERS`` has its address and its credentials."""
        return all(values.get(name) for name in cls.required_settings)

    # -- what a subclass supplies ---------------------------------------------------------------------------------

    @property
    @abstractmethod
    def budgets(self) -> Mapping[str, RateBudget]:
        """Rate budget by operation name. An operation without one is not limited."""

    @property
    def offered(self) -> frozenset[Capability]:
        """The capabilities of this account; narrower than the class's where a setting switches one off."""
        return self.capabilities

    def _check(self) -> None:
        raise AssertionError("declared but not written")

    def _list_plans(self, *, country: str, carrier: str, include_roaming: bool, first_page: int) -> Iterator[PlanPage]:
        raise AssertionError("declared but not written")

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        raise AssertionError("declared but not written")

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        raise AssertionError("declared but not written")

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        raise AssertionError("declared but not written")

    def _read_transaction(self, transaction_id: str) -> TransactionRecord:
        raise AssertionError("declared but not written")

    def _send_control(self, provider_ref: str, capability: Capability) -> ProviderReply:
        raise AssertionError("declared but not written")

    def _read_control_reply(self, reply: ProviderReply, capability: Capability) -> None:
        raise AssertionError("declared but not written")

    def _simulate_usage(self, provider_ref: str, days: Mapping[date, int]) -> None:
        raise AssertionError("declared but not written")

    # -- the public operations ------------------------------------------------------------------------------------

    def require(self, capability: Capability) -> None:
        """Raise ``NotOffered`` when this account does not offer the capability; nothing is sent then."""
        if capability not in self.offered:
            raise NotOffered(
                f"{capability.value} is not offered by this provider",
                code="not_offered",
                operation=capability.value,
                account=self.account,
            )

    def check(self) -> None:
        """One cheap read that proves address, path and keys. Raises like any read."""
        self._check()

    def list_plans(
        self, *, country: str = "", carrier: str = "", include_roaming: bool = False, first_page: int = 1
    ) -> Iterator[PlanPage]:
        """The pages of the catalogue from ``first_page`` (1-based) to the last, each read when it is asked for.

        ``country`` is ISO 3166-1 alpha-2 in capitals, "" for all. After an error the iterator is at its end: to go on
        where it stopped, call again with the page that failed. A reading is complete only when as many different plans
        came as every page's ``total`` said.
        """
        self.require(Capability.LIST_PLANS)
        return self._list_plans(
            country=country, carrier=carrier, include_roaming=include_roaming, first_page=first_page
        )

    def send_order(self, request: OrderRequest) -> ProviderReply:
        """Send one order, once. See the module's text for what is raised."""
        self.require(Capability.ORDER)
        if not 1 <= request.quantity <= self.max_order_quantity:
            raise NotOffered(
                f"one order here holds 1 to {self.max_order_quantity} eSIMs, not {request.quantity}",
                code="quantity",
                operation="order",
                account=self.account,
            )
        return self._send_order(request)

    def read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        """Parse a stored reply; may be called any number of times."""
        self.require(Capability.ORDER)
        return self._read_order_reply(reply, request)

    def read_line(self, provider_ref: str, *, priority: Priority = Priority.BACKGROUND) -> LineSnapshot:
        """What the provider says of one line now."""
        self.require(Capability.READ_LINE)
        return self._read_line(provider_ref, priority)

    def read_transaction(self, transaction_id: str) -> TransactionRecord:
        """The lines that the provider holds under a transaction of ours.

        ``Rejected`` means "not found, too old or malformed": which of them is often not to be told, so it proves
        nothing about the order and must never be read as "nothing was bought".
        """
        self.require(Capability.TRANSACTION_INQUIRY)
        return self._read_transaction(transaction_id)

    def send_control(self, provider_ref: str, capability: Capability) -> ProviderReply:
        """Ask for suspend, release, … of one line (the capability names it). The reply's content is not trusted."""
        self.require(capability)
        return self._send_control(provider_ref, capability)

    def read_control_reply(self, reply: ProviderReply, capability: Capability) -> None:
        """Return when the provider took the request; raise otherwise. The line must be read again either way."""
        self.require(capability)
        self._read_control_reply(reply, capability)

    def simulate_usage(self, provider_ref: str, days: Mapping[date, int]) -> None:
        """Set the usage (bytes by day) of a sandbox line. Raises ``Rejected`` for a line that is not the sandbox's."""
        self.require(Capability.SIMULATE_USAGE)
        self._simulate_usage(provider_ref, days)
