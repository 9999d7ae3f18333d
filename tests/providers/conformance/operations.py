"""The public operations of a provider as a conformance suite runs them: one prototype each.

A suite says where its adapter sends them: ``ORDER.at("order")``, ``control(Capability.SUSPEND).at("suspend")``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from providers.base import CONTROLS, Provider
from providers.types import (
    ActivationRequest,
    Capability,
    ControlRequest,
    Money,
    OrderRequest,
    Priority,
    TopUpRequest,
)
from tests.providers.conformance.answers import Answer

#: Our key of the orders that a suite sends.
KEY = "conformance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What was bought before a fault is ordered; a provider that knows no such thing leaves it empty."""

    plan_ref: str = ""
    plan_alias: str = ""
    plan_price: Money | None = None
    period_days: int | None = None
    line_ref: str = ""
    iccid: str = ""
    transaction_id: str = ""
    order_ref: str = ""
    package_ref: str = ""
    #: Our key of the order that brought the line, for providers that know it.
    order_key: str = ""
    top_up_ref: str = ""
    top_up_alias: str = ""
    top_up_price: Money | None = None
    webhook_address: str = "https://shop.example/webhooks/conformance/"
    message: str = "Hello"
    activation: ActivationRequest | None = None
    usage: Mapping[date, int] = field(default_factory=lambda: {date(2025, 12, 10): 102_400 * 1024})
    #: Texts that must never be in the log: keys, activation codes, device numbers.
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One public operation of an adapter: ``run`` sends, and reads the reply where that is a second step.

    An operation may make several calls. ``name`` is the one under test; list the operation once more, with another
    ``label``, for each further call that can fail by itself.
    """

    capability: Capability
    #: The public method (without ``send_``).
    method: str
    is_write: bool
    run: Callable[[Provider, Stock], Any]
    #: Only the beginning of a long listing, where one page is enough to see what becomes of it.
    glance: Callable[[Provider, Stock], Any] | None = None
    #: The adapter's name of the call in log, budgets and errors; the simulator's too unless ``endpoints`` says else.
    name: str = ""
    label: str = ""
    #: The adapter's names of the calls that come before and after it in the good case (a token's is not one of them).
    first: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    #: False where only the status of a reply counts, because its content is not trusted.
    reads_body: bool = True
    #: Fields of the reply without which it cannot be read: all of them null or absent is no answer. Every other field
    #: may be null, absent or of a wrong type. Containers of others count (``obj``, ``items``).
    vital: frozenset[str] = frozenset()
    #: Fields that say what the reply is about, or that nothing is wrong: another value there, however well-formed, is
    #: another thing's answer or an error. Absent they may be, unless they are vital too.
    identity: frozenset[str] = frozenset()
    #: Whole bodies that are no answer to this operation, besides those that are none to any.
    nonsense: tuple[str, ...] = ()
    #: Instead of the suite's, where this operation is refused in other words.
    refusals: tuple[Answer, ...] | None = None
    wrong_credentials: tuple[Answer, ...] | None = None
    rate_limits: tuple[Answer, ...] | None = None

    def __str__(self) -> str:
        return self.label or self.method

    def at(self, name: str, **changes: Any) -> Self:
        """The operation as an adapter sends it: under this name, with ``changes`` to the other fields."""
        return replace(self, name=name, **changes)

    @property
    def calls(self) -> tuple[str, ...]:
        """The adapter's names of all calls in the good case."""
        return (*self.first, self.name, *self.then)


def _list_plans(provider: Provider, _stock: Stock) -> Any:
    return list(provider.list_plans())


def _read_first_page(provider: Provider, _stock: Stock) -> Any:
    return next(iter(provider.list_plans()))


def _read_plan(provider: Provider, stock: Stock) -> Any:
    return provider.read_plan(stock.plan_ref)


def _order(provider: Provider, stock: Stock) -> Any:
    request = OrderRequest(
        plan_ref=stock.plan_ref,
        plan_alias=stock.plan_alias,
        quantity=min(2, provider.max_order_quantity),
        idempotency_key=KEY,
        expected_unit_price=stock.plan_price,
        period_days=stock.period_days,
    )
    return provider.read_order_reply(provider.send_order(request), request)


def _find_order(provider: Provider, stock: Stock) -> Any:
    return provider.find_order(stock.order_key, sent_at=datetime.now(UTC) - timedelta(hours=1))


def _read_line(provider: Provider, stock: Stock) -> Any:
    return provider.read_line(stock.line_ref, priority=Priority.BACKGROUND)


def _read_order_lines(provider: Provider, stock: Stock) -> Any:
    return provider.read_order_lines(stock.order_ref)


def _list_lines(provider: Provider, _stock: Stock) -> Any:
    now = datetime.now(UTC)
    return list(provider.list_lines(since=now - timedelta(hours=1), until=now + timedelta(hours=1)))


def _read_usage(provider: Provider, stock: Stock) -> Any:
    return provider.read_usage([stock.line_ref])


def _read_transaction(provider: Provider, stock: Stock) -> Any:
    return provider.read_transaction(stock.transaction_id)


def _list_top_ups(provider: Provider, stock: Stock) -> Any:
    return provider.list_top_ups(provider_ref=stock.line_ref, iccid=stock.iccid, plan_ref=stock.plan_ref)


def _top_up(provider: Provider, stock: Stock) -> Any:
    request = TopUpRequest(
        provider_ref=stock.line_ref,
        iccid=stock.iccid,
        plan_ref=stock.top_up_ref,
        plan_alias=stock.top_up_alias,
        idempotency_key=KEY,
        expected_price=stock.top_up_price,
    )
    return provider.read_top_up_reply(provider.send_top_up(request), request)


def _read_balance(provider: Provider, _stock: Stock) -> Any:
    return provider.read_balance()


def _read_regions(provider: Provider, _stock: Stock) -> Any:
    return provider.read_regions()


def _read_webhook_address(provider: Provider, _stock: Stock) -> Any:
    return provider.read_webhook_address()


def _save_webhook_address(provider: Provider, stock: Stock) -> Any:
    provider.save_webhook_address(stock.webhook_address)


def _activation(provider: Provider, stock: Stock) -> Any:
    request = stock.activation or ActivationRequest(eid="", delivery_code="", payload={})
    return provider.read_activation_reply(provider.send_activation(request), request)


def _simulate_usage(provider: Provider, stock: Stock) -> Any:
    provider.simulate_usage(stock.line_ref, stock.usage)


def _control(capability: Capability) -> Callable[[Provider, Stock], Any]:
    def run(provider: Provider, stock: Stock) -> Any:
        request = ControlRequest(
            provider_ref=stock.line_ref,
            capability=capability,
            iccid=stock.iccid,
            package_ref=stock.package_ref,
            order_ref=stock.order_ref,
            message=stock.message if capability is Capability.SMS else "",
        )
        return provider.read_control_reply(provider.send_control(request), capability)

    return run


def _read(capability: Capability, method: str, run: Callable[[Provider, Stock], Any]) -> Operation:
    return Operation(capability=capability, method=method, is_write=False, run=run)


def _write(capability: Capability, method: str, run: Callable[[Provider, Stock], Any]) -> Operation:
    return Operation(capability=capability, method=method, is_write=True, run=run)


LIST_PLANS = replace(_read(Capability.LIST_PLANS, "list_plans", _list_plans), glance=_read_first_page)
READ_PLAN = _read(Capability.PLAN_LOOKUP, "read_plan", _read_plan)
ORDER = _write(Capability.ORDER, "order", _order)
FIND_ORDER = _read(Capability.ORDER_LOOKUP, "find_order", _find_order)
READ_LINE = _read(Capability.READ_LINE, "read_line", _read_line)
READ_ORDER_LINES = _read(Capability.BATCH_QUERY, "read_order_lines", _read_order_lines)
LIST_LINES = _read(Capability.LINE_LISTING, "list_lines", _list_lines)
READ_USAGE = _read(Capability.USAGE_BATCH, "read_usage", _read_usage)
READ_TRANSACTION = _read(Capability.TRANSACTION_INQUIRY, "read_transaction", _read_transaction)
LIST_TOP_UPS = _read(Capability.TOP_UP, "list_top_ups", _list_top_ups)
TOP_UP = _write(Capability.TOP_UP, "top_up", _top_up)
READ_BALANCE = _read(Capability.BALANCE, "read_balance", _read_balance)
READ_REGIONS = _read(Capability.REGIONS, "read_regions", _read_regions)
READ_WEBHOOK_ADDRESS = _read(Capability.WEBHOOK_SETUP, "read_webhook_address", _read_webhook_address)
SAVE_WEBHOOK_ADDRESS = _write(Capability.WEBHOOK_SETUP, "save_webhook_address", _save_webhook_address)
ACTIVATION = _write(Capability.LINE_ACTIVATION, "activation", _activation)
SIMULATE_USAGE = _write(Capability.SIMULATE_USAGE, "simulate_usage", _simulate_usage)


def control(capability: Capability) -> Operation:
    """The prototype of a control; only the status of its reply counts unless ``at`` says otherwise."""
    return replace(_write(capability, capability.value, _control(capability)), reads_body=False)


#: Every operation that a provider can offer and that makes calls.
PROTOTYPES = (
    LIST_PLANS,
    READ_PLAN,
    ORDER,
    FIND_ORDER,
    READ_LINE,
    READ_ORDER_LINES,
    LIST_LINES,
    READ_USAGE,
    READ_TRANSACTION,
    LIST_TOP_UPS,
    TOP_UP,
    READ_BALANCE,
    READ_REGIONS,
    READ_WEBHOOK_ADDRESS,
    SAVE_WEBHOOK_ADDRESS,
    ACTIVATION,
    SIMULATE_USAGE,
    *(control(capability) for capability in sorted(CONTROLS)),
)
#: What an adapter may declare without an operation of its own: no call, or another capability's.
WITHOUT_OPERATION = frozenset({Capability.WEBHOOKS, Capability.USAGE_BY_DAY})


def find_methods(capability: Capability) -> frozenset[str]:
    """The operations that a suite has to name for a capability."""
    return frozenset(operation.method for operation in PROTOTYPES if operation.capability is capability)
