"""The door to every wholesaler.

Overridden by an adapter: the class attributes, ``budgets``, and the ``_operation`` methods of the capabilities that it
declares. Not overridden: the public operations, which refuse what is not offered before anything is sent.

Reads (``list_plans``, ``read_line``, ``read_transaction``, …) raise ``Unavailable``, ``RateLimited``, ``Rejected`` or
``NotSent``. Writes are in two steps, so that the caller can store the raw reply, committed, before anybody parses it:

- ``send_*`` returns a ``ProviderReply`` for every HTTP status and for a body that was cut off. It raises ``NotSent``,
  ``RateLimited`` (our own budget is spent: nothing was sent) or ``OutcomeUnknown`` (sent, nothing came back).
- ``read_*_reply`` parses and raises ``Rejected``, ``RateLimited`` (429), ``OutcomeUnknown`` or ``StillAllocating``.

Neither touches the database except for the rate budget and the call log; neither may run inside a transaction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from providers.activation_form import ActivationRules
from providers.errors import NotOffered
from providers.types import (
    AccountBalance,
    ActivationRequest,
    Capability,
    CompletionFile,
    CompletionRow,
    ControlOutcome,
    ControlRequest,
    IncomingWebhook,
    LineSnapshot,
    MoneyBack,
    OrderOutcome,
    OrderRequest,
    PlanOffer,
    PlanPage,
    Priority,
    ProviderReply,
    RateBudget,
    Region,
    TopUpOutcome,
    TopUpRequest,
    TopUpTerms,
    TransactionRecord,
    UsageSnapshot,
    WebhookHint,
)

#: Capabilities that ask for something about one line and are sent through ``send_control``.
CONTROLS = frozenset(
    {
        Capability.SUSPEND,
        Capability.RELEASE,
        Capability.CANCEL,
        Capability.REVOKE,
        Capability.TERMINATE,
        Capability.ACTIVATE,
        Capability.BLOCK,
        Capability.SMS,
    }
)
#: What an adapter has to override for a capability that it declares (the conformance suite holds it to that).
OPERATIONS: Mapping[Capability, tuple[str, ...]] = {
    Capability.LIST_PLANS: ("_list_plans",),
    Capability.PLAN_LOOKUP: ("_read_plan",),
    Capability.ORDER: ("_send_order", "_read_order_reply"),
    Capability.ORDER_LOOKUP: ("_find_order",),
    Capability.READ_LINE: ("_read_line",),
    Capability.BATCH_QUERY: ("_read_order_lines",),
    Capability.LINE_LISTING: ("_list_lines",),
    Capability.USAGE_BATCH: ("_read_usage",),
    Capability.USAGE_BY_DAY: ("_read_line",),
    **dict.fromkeys(CONTROLS, ("_send_control", "_read_control_reply")),
    Capability.TOP_UP: ("_list_top_ups", "_send_top_up", "_read_top_up_reply"),
    Capability.TRANSACTION_INQUIRY: ("_read_transaction",),
    Capability.BALANCE: ("_read_balance",),
    Capability.REGIONS: ("_read_regions",),
    Capability.WEBHOOKS: ("_authenticate_webhook", "_read_webhook_key", "_read_webhook"),
    Capability.WEBHOOK_SETUP: ("_read_webhook_address", "_save_webhook_address"),
    Capability.LINE_ACTIVATION: (
        "_send_activation",
        "_read_activation_reply",
        "_read_completions",
        "_build_completed_line",
        "_make_activation_rules",
    ),
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
    #: How many lines' usage one call may ask for.
    usage_batch: ClassVar[int] = 1
    #: What becomes of a package that is added to a line; pages say it before it is paid.
    top_up_terms: ClassVar[TopUpTerms] = TopUpTerms()
    #: How long a sent order may stay without an answer before it counts as lost. Longer than the read time-out.
    order_deadline: timedelta = timedelta(minutes=5)
    #: How long the provider finds a transaction by its id (None: it cannot, or for ever).
    inquiry_window: ClassVar[timedelta | None] = None
    #: Lines are allocated after the order: waits before the first looks, in seconds; the last one repeats.
    allocation_pace: ClassVar[tuple[float, ...]] = ()
    #: How staff know a line in this provider's portal: what its reference is called, and how it is written.
    line_reference_name: ClassVar[str] = "ICCID"
    line_reference_pattern: ClassVar[str] = r"[0-9]{18,22}"
    #: How it writes the numbers of its orders, where they are easily taken for a line's; "" where they are not.
    order_reference_pattern: ClassVar[str] = ""
    #: After so long an allocation that brings nothing is a person's matter.
    allocation_patience: ClassVar[timedelta] = timedelta(hours=1)
    #: What an action gives us back by the provider's document. An action that is missing: nobody knows.
    money_back: ClassVar[Mapping[Capability, MoneyBack]] = {}

    #: The account may be charged up to this share less than what is listed (0.05: five percent), by its settings.
    charged_less: Decimal = Decimal(0)

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

    @property
    def webhook_secret(self) -> str:
        """The part of our webhook's path that nobody can guess, by the settings; "" where the path has none."""
        return ""

    def _check(self) -> None:
        raise AssertionError("declared but not written")

    def _list_plans(
        self, *, country: str, region: str, carrier: str, include_roaming: bool, first_page: int, cursor: str
    ) -> Iterator[PlanPage]:
        raise AssertionError("declared but not written")

    def _read_plan(self, plan_ref: str) -> PlanOffer:
        raise AssertionError("declared but not written")

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        raise AssertionError("declared but not written")

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        raise AssertionError("declared but not written")

    def _find_order(self, idempotency_key: str, sent_at: datetime) -> TransactionRecord | None:
        raise AssertionError("declared but not written")

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        raise AssertionError("declared but not written")

    def _read_line_of_order(self, provider_ref: str, order_ref: str, priority: Priority) -> LineSnapshot:
        """Overridden where a line may have to be looked for among those of its order."""
        del order_ref
        return self._read_line(provider_ref, priority)

    def _read_order_lines(self, order_ref: str, priority: Priority) -> tuple[LineSnapshot, ...]:
        raise AssertionError("declared but not written")

    def _list_lines(self, since: datetime, until: datetime) -> Iterator[LineSnapshot]:
        raise AssertionError("declared but not written")

    def _read_usage(self, provider_refs: Sequence[str], priority: Priority) -> tuple[UsageSnapshot, ...]:
        raise AssertionError("declared but not written")

    def _read_transaction(self, transaction_id: str, priority: Priority) -> TransactionRecord:
        raise AssertionError("declared but not written")

    def _send_control(self, request: ControlRequest) -> ProviderReply:
        raise AssertionError("declared but not written")

    def _read_control_reply(self, reply: ProviderReply, capability: Capability) -> ControlOutcome:
        raise AssertionError("declared but not written")

    def _list_top_ups(self, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
        raise AssertionError("declared but not written")

    def _send_top_up(self, request: TopUpRequest) -> ProviderReply:
        raise AssertionError("declared but not written")

    def _read_top_up_reply(self, reply: ProviderReply, request: TopUpRequest) -> TopUpOutcome:
        raise AssertionError("declared but not written")

    def _read_balance(self, priority: Priority) -> AccountBalance:
        raise AssertionError("declared but not written")

    def _read_regions(self) -> tuple[Region, ...]:
        raise AssertionError("declared but not written")

    def _authenticate_webhook(self, webhook: IncomingWebhook) -> None:
        raise AssertionError("declared but not written")

    def _read_webhook_key(self, body: bytes) -> str:
        raise AssertionError("declared but not written")

    def _read_webhook(self, body: bytes) -> tuple[WebhookHint, ...]:
        raise AssertionError("declared but not written")

    def _read_webhook_address(self) -> str:
        raise AssertionError("declared but not written")

    def _save_webhook_address(self, address: str) -> None:
        raise AssertionError("declared but not written")

    def _send_activation(self, request: ActivationRequest) -> ProviderReply:
        raise AssertionError("declared but not written")

    def _read_activation_reply(self, reply: ProviderReply, request: ActivationRequest) -> OrderOutcome:
        raise AssertionError("declared but not written")

    def _read_completions(self, data: bytes) -> CompletionFile:
        raise AssertionError("declared but not written")

    def _build_completed_line(
        self, row: CompletionRow, eid: str, delivery_code: str, seen_at: datetime
    ) -> LineSnapshot:
        raise AssertionError("declared but not written")

    def _make_activation_rules(self) -> ActivationRules:
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
        self,
        *,
        country: str = "",
        region: str = "",
        carrier: str = "",
        include_roaming: bool = False,
        first_page: int = 1,
        cursor: str = "",
    ) -> Iterator[PlanPage]:
        """The pages of the catalogue from ``first_page`` (1-based) to the last, each read when it is asked for.

        ``country`` is ISO 3166-1 alpha-2 in capitals, ``region`` the provider's own word, "" for all. After an error
        the iterator is at its end: to go on where it stopped, call again with the page that failed and the ``cursor``
        of the page before it. A reading is complete only when as many different plans came as every page's ``total``
        said, or, where the provider gives no total, when a page was marked as the last.
        """
        self.require(Capability.LIST_PLANS)
        return self._list_plans(
            country=country,
            region=region,
            carrier=carrier,
            include_roaming=include_roaming,
            first_page=first_page,
            cursor=cursor,
        )

    def read_plan(self, plan_ref: str) -> PlanOffer:
        """One plan by any id that the provider knows it under. Raises ``Rejected`` when it does not exist."""
        self.require(Capability.PLAN_LOOKUP)
        return self._read_plan(plan_ref)

    def send_order(self, request: OrderRequest) -> ProviderReply:
        """Send one order, once. See the module's text for what is raised."""
        self.require(Capability.ORDER)
        if not 1 <= request.quantity <= self.max_order_quantity:
            raise ValueError(f"one order holds 1 to {self.max_order_quantity} eSIMs, not {request.quantity}")
        return self._send_order(request)

    def read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        """Parse a stored reply; may be called any number of times."""
        self.require(Capability.ORDER)
        return self._read_order_reply(reply, request)

    def find_order(self, idempotency_key: str, *, sent_at: datetime) -> TransactionRecord | None:
        """The order (or top-up) that the provider holds under our own key, sent not before ``sent_at`` (aware UTC).

        None: it is not among those that the provider lists, which may also mean "not yet". Raises ``StillAllocating``
        where it lists nothing because it is allocating orders, this one perhaps.
        """
        self.require(Capability.ORDER_LOOKUP)
        return self._find_order(idempotency_key, sent_at)

    def read_line(
        self, provider_ref: str, *, priority: Priority = Priority.BACKGROUND, order_ref: str = ""
    ) -> LineSnapshot:
        """What the provider says of one line now. ``order_ref``: its order there, where we know it."""
        self.require(Capability.READ_LINE)
        if order_ref:
            return self._read_line_of_order(provider_ref, order_ref, priority)
        return self._read_line(provider_ref, priority)

    def read_order_lines(self, order_ref: str, *, priority: Priority = Priority.BACKGROUND) -> tuple[LineSnapshot, ...]:
        """Every line of one of the provider's orders (all its pages). A line that is missing was not told of."""
        self.require(Capability.BATCH_QUERY)
        return self._read_order_lines(order_ref, priority)

    def list_lines(self, *, since: datetime, until: datetime) -> Iterator[LineSnapshot]:
        """Every line that was sold between two instants (aware UTC), each once, page by page."""
        self.require(Capability.LINE_LISTING)
        return self._list_lines(since, until)

    def read_usage(
        self, provider_refs: Sequence[str], *, priority: Priority = Priority.BACKGROUND
    ) -> tuple[UsageSnapshot, ...]:
        """The usage of up to ``usage_batch`` lines in one call. A line that is missing was not told of."""
        self.require(Capability.USAGE_BATCH)
        if not 1 <= len(provider_refs) <= self.usage_batch:
            raise ValueError(f"one call asks for 1 to {self.usage_batch} lines, not {len(provider_refs)}")
        return self._read_usage(provider_refs, priority)

    def read_transaction(self, transaction_id: str, *, priority: Priority = Priority.PEOPLE) -> TransactionRecord:
        """The lines that the provider holds under a transaction of ours.

        ``Rejected`` means "not found, too old or malformed": which of them is often not to be told, so it proves
        nothing about the order and must never be read as "nothing was bought".
        """
        self.require(Capability.TRANSACTION_INQUIRY)
        return self._read_transaction(transaction_id, priority)

    def send_control(self, request: ControlRequest) -> ProviderReply:
        """Ask for suspend, release, … of one line (the request names it). The reply's content is not trusted."""
        self.require(request.capability)
        return self._send_control(request)

    def read_control_reply(self, reply: ProviderReply, capability: Capability) -> ControlOutcome:
        """Return when the provider took the request; raise otherwise. The line must be read again either way."""
        self.require(capability)
        return self._read_control_reply(reply, capability)

    def list_top_ups(self, *, provider_ref: str, iccid: str = "", plan_ref: str = "") -> tuple[PlanOffer, ...]:
        """The packages that fit to a line now; ``plan_ref`` is the plan that it was sold with."""
        self.require(Capability.TOP_UP)
        return self._list_top_ups(provider_ref, iccid, plan_ref)

    def send_top_up(self, request: TopUpRequest) -> ProviderReply:
        """Send one top-up, once; raises like ``send_order``."""
        self.require(Capability.TOP_UP)
        return self._send_top_up(request)

    def read_top_up_reply(self, reply: ProviderReply, request: TopUpRequest) -> TopUpOutcome:
        """Parse a stored reply; may be called any number of times."""
        self.require(Capability.TOP_UP)
        return self._read_top_up_reply(reply, request)

    def read_balance(self, *, priority: Priority = Priority.PEOPLE) -> AccountBalance:
        """Our prepaid money at the provider."""
        self.require(Capability.BALANCE)
        return self._read_balance(priority)

    def read_regions(self) -> tuple[Region, ...]:
        """The areas that the provider sells plans for."""
        self.require(Capability.REGIONS)
        return self._read_regions()

    def authenticate_webhook(self, webhook: IncomingWebhook) -> None:
        """Return when a delivery comes from the provider as far as it can prove that; raise ``WebhookRefused`` else."""
        self.require(Capability.WEBHOOKS)
        self._authenticate_webhook(webhook)

    def read_webhook_key(self, body: bytes) -> str:
        """What tells a delivery from its repetition: the provider's id of it, or a digest of the body. Never raises."""
        self.require(Capability.WEBHOOKS)
        return self._read_webhook_key(body)

    def read_webhook(self, body: bytes) -> tuple[WebhookHint, ...]:
        """What a stored delivery names. A shape that nobody knows gives hints of kind ``UNKNOWN``.

        Raises ``UnreadableError`` for what is no JSON.
        """
        self.require(Capability.WEBHOOKS)
        return self._read_webhook(body)

    def read_webhook_address(self) -> str:
        """The address that the provider calls now; "" when none is set."""
        self.require(Capability.WEBHOOK_SETUP)
        return self._read_webhook_address()

    def save_webhook_address(self, address: str) -> None:
        """Set that address. The provider may call it before it answers: never inside a request of ours.

        Raises like a write. To say it again changes nothing.
        """
        self.require(Capability.WEBHOOK_SETUP)
        self._save_webhook_address(address)

    @property
    def activation_rules(self) -> ActivationRules:
        """What its activation form asks for and refuses. Nothing is sent."""
        self.require(Capability.LINE_ACTIVATION)
        return self._make_activation_rules()

    def send_activation(self, request: ActivationRequest) -> ProviderReply:
        """Send one line activation, once; raises like ``send_order``."""
        self.require(Capability.LINE_ACTIVATION)
        return self._send_activation(request)

    def read_activation_reply(self, reply: ProviderReply, request: ActivationRequest) -> OrderOutcome:
        """Parse a stored reply: accepted gives an outcome without lines that is not final; the file brings the rest."""
        self.require(Capability.LINE_ACTIVATION)
        return self._read_activation_reply(reply, request)

    def read_completions(self, data: bytes) -> CompletionFile:
        """Read a completion file. A bad row is a fault beside the others.

        Raises ``UnreadableError`` when it is no such file.
        """
        self.require(Capability.LINE_ACTIVATION)
        return self._read_completions(data)

    def build_completed_line(
        self, row: CompletionRow, *, eid: str, delivery_code: str, seen_at: datetime
    ) -> LineSnapshot:
        """The line that a row of success stands for; ``eid`` and ``delivery_code`` are those of the request.

        ``seen_at`` (aware UTC) is when the file came, for rows without a time. Raises ``ValueError`` for another row.
        """
        self.require(Capability.LINE_ACTIVATION)
        if row.succeeded is not True:
            raise ValueError("only a row of success stands for a line")
        return self._build_completed_line(row, eid, delivery_code, seen_at)

    def simulate_usage(self, provider_ref: str, days: Mapping[date, int]) -> None:
        """Set the usage (bytes by day) of a sandbox line. Raises ``Rejected`` for a line that is not the sandbox's."""
        self.require(Capability.SIMULATE_USAGE)
        self._simulate_usage(provider_ref, days)
