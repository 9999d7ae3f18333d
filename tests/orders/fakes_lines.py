"""A wholesaler in this process that allocates lines after the order, and tops them up.

``fake-slow`` allocates by looks, finds orders by our key and repeats orders; it never repeats a top-up. ``fake-keyed``
repeats top-ups with their key. ``fake-mute`` is as ``fake-slow``, but tells of no line.
"""

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.utils import timezone

from providers.base import Provider
from providers.errors import ProviderError, RateLimited, Rejected, Unavailable
from providers.types import (
    Capability,
    LineSnapshot,
    LineState,
    OrderOutcome,
    OrderRequest,
    PackageSnapshot,
    PlanOffer,
    Priority,
    ProviderReply,
    RateBudget,
    TopUpOutcome,
    TopUpRequest,
    TransactionRecord,
)
from tests.orders import fakes_faults

GB = 1024**3
#: How much a package holds.
PACKAGE_BYTES = GB
#: What an order may do besides what every write may: sell fewer than ordered, say that the key was used, or "not yet".
ORDERS = (*fakes_faults.WRITES, "short_sale", "key_taken", "allocating")


@dataclass(slots=True)
class Sale:
    key: str
    order: str
    refs: list[str]
    #: Looks until the lines are there.
    pending: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Sold:
    """A package on a line as the provider holds it."""

    name: str
    key: str
    at: datetime
    #: Its plan's code; "" for the one that the line was sold with.
    plan: str = ""


@dataclass(slots=True)
class Held:
    """A line as the provider holds it."""

    packages: list[Sold] = field(default_factory=list)


class Allocator:
    """The provider's own truth, and what its next calls do."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.numbers = itertools.count(26_000_000_000_000)
        self.sales: list[Sale] = []
        self.lines: dict[str, Held] = {}
        self.top_ups: list[tuple[str, str]] = []
        #: Every request that arrived, whatever became of it: (key, behaviour).
        self.arrivals: list[tuple[str, str]] = []
        #: Keys of all requests that arrived.
        self.arrived: list[str] = []
        self.looks: list[str] = []
        self.pending = 0
        #: Whether a line's packages name our keys, and whether they are told at all.
        self.shows_keys = True
        self.shows_packages = True
        #: A repeated key is answered with "taken", not with its order.
        self.says_taken = False
        #: A top-up shows on its line so long after it was made.
        self.lag = timedelta(0)
        #: An order's lines show one after the other, so far apart, without a word that more will come.
        self.trickle = timedelta(0)
        self.orders_todo: deque[str] = deque()
        self.top_ups_todo: deque[str] = deque()
        self.reads_todo: deque[str] = deque()
        self.looks_todo: deque[str] = deque()
        self.offers: tuple[PlanOffer, ...] = ()
        #: Called once, while a request is on its way, or a look is.
        self.during_call: Callable[[], None] | None = None
        self.during_look: Callable[[], None] | None = None
        #: Called for every request that arrives.
        self.on_arrival: Callable[[str], None] = lambda _key: None

    def arrive(self, key: str, behaviour: str) -> None:
        self.arrived.append(key)
        self.arrivals.append((key, behaviour))
        self.on_arrival(key)
        if self.during_call is not None:
            hook, self.during_call = self.during_call, None
            hook()

    def look(self, what: str) -> None:
        self.looks.append(what)
        if self.during_look is not None:
            hook, self.during_look = self.during_look, None
            hook()

    def sell(self, key: str, quantity: int) -> Sale:
        for sale in self.sales:
            if sale.key == key:
                return sale
        refs = [self.make_ref(key) for _ in range(quantity)]
        sale = Sale(key, f"B{len(self.sales) + 1:04d}", refs, self.pending, timezone.now())
        self.sales.append(sale)
        return sale

    def make_ref(self, key: str) -> str:
        """A new line with its first package."""
        ref = str(next(self.numbers))
        self.lines[ref] = Held(packages=[Sold(f"{ref}-base", key, timezone.now() - timedelta(days=1))])
        return ref

    def top_up(self, key: str, ref: str, *, plan: str = "", repeats: bool = False) -> Sold:
        line = self.lines[ref]
        known = next((package for package in line.packages if package.key == key), None)
        if repeats and known is not None:
            return known
        self.top_ups.append((key, ref))
        package = Sold(f"{ref}-{len(line.packages)}", key, timezone.now(), plan)
        line.packages.append(package)
        return package


ALLOCATOR = Allocator()


class SlowProvider(Provider):
    adapter = "fake-slow"
    capabilities = frozenset(
        {
            *(Capability.ORDER, Capability.ORDER_LOOKUP, Capability.TRANSACTION_INQUIRY),
            *(Capability.READ_LINE, Capability.TOP_UP),
        }
    )
    repeatable: ClassVar[frozenset[Capability]] = frozenset({Capability.ORDER})
    max_order_quantity = 30
    allocation_pace = (3.0, 5.0, 10.0)
    line_reference_name = "esimTranNo"
    line_reference_pattern = r"[0-9]{14}"

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        del values
        return cls(account)

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        del values
        return True

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}

    # -- orders -----------------------------------------------------------------------------------------------------

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        key = request.idempotency_key
        behaviour = ALLOCATOR.orders_todo.popleft() if ALLOCATOR.orders_todo else "ok"
        if behaviour == "ok" and ALLOCATOR.says_taken and any(sale.key == key for sale in ALLOCATOR.sales):
            behaviour = "key_taken"

        def effect() -> Mapping[str, Any]:
            return {"order": ALLOCATOR.sell(key, max(1, request.quantity - (behaviour == "short_sale"))).order}

        return fakes_faults.write("order", behaviour, arrive=lambda: ALLOCATOR.arrive(key, behaviour), effect=effect)

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        del request
        order = fakes_faults.read(reply)["order"]
        return OrderOutcome(transaction_id=order, order_ref=order, lines=(), final=False)

    def _read_transaction(self, transaction_id: str, priority: Priority) -> TransactionRecord:
        ALLOCATOR.look(f"inquiry {transaction_id}")
        sale = next((sale for sale in ALLOCATOR.sales if sale.order == transaction_id), None)
        if _meet_read(ALLOCATOR.looks_todo) == "unknown_id" or sale is None:
            raise Rejected("no such order", code="310272")
        return _record(sale)

    def _find_order(self, idempotency_key: str, sent_at: datetime) -> TransactionRecord | None:
        del sent_at
        ALLOCATOR.look(f"lookup {idempotency_key}")
        sale = next((sale for sale in ALLOCATOR.sales if sale.key == idempotency_key), None)
        is_hidden = _meet_read(ALLOCATOR.looks_todo) == "unknown_id"
        return None if sale is None or is_hidden else _record(sale)

    # -- lines ------------------------------------------------------------------------------------------------------

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        del priority
        line = make_line(provider_ref)
        ALLOCATOR.look(f"line {provider_ref}")
        if _meet_read(ALLOCATOR.reads_todo) == "unknown_id":
            raise Rejected("no such line", code="310272")
        return line

    def _list_top_ups(self, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
        ALLOCATOR.looks.append(f"top-ups {provider_ref} {plan_ref}")
        del iccid
        return ALLOCATOR.offers

    def _send_top_up(self, request: TopUpRequest) -> ProviderReply:
        key, ref = request.idempotency_key, request.provider_ref
        behaviour = ALLOCATOR.top_ups_todo.popleft() if ALLOCATOR.top_ups_todo else "ok"

        def effect() -> Mapping[str, Any]:
            repeats = Capability.TOP_UP in self.repeatable
            package = ALLOCATOR.top_up(key, ref, plan=request.plan_ref, repeats=repeats)
            total = GB * len(ALLOCATOR.lines[ref].packages)
            return {"order": f"T-{key[:8]}", "total": total, "package": package.name}

        return fakes_faults.write("top_up", behaviour, arrive=lambda: ALLOCATOR.arrive(key, behaviour), effect=effect)

    def _read_top_up_reply(self, reply: ProviderReply, request: TopUpRequest) -> TopUpOutcome:
        del request
        document = fakes_faults.read(reply)
        order = document["order"]
        named = PackageSnapshot(package_ref=document["package"], order_ref=order) if ALLOCATOR.shows_packages else None
        return TopUpOutcome(transaction_id="", order_ref=order, package=named, total_data_bytes=document["total"])


class KeyedProvider(SlowProvider):
    adapter = "fake-keyed"
    repeatable: ClassVar[frozenset[Capability]] = frozenset({Capability.ORDER, Capability.TOP_UP})


class MuteProvider(SlowProvider):
    adapter = "fake-mute"
    capabilities = SlowProvider.capabilities - {Capability.READ_LINE}


ADAPTERS = {cls.adapter: f"{cls.__module__}.{cls.__name__}" for cls in (SlowProvider, KeyedProvider, MuteProvider)}
ACCOUNTS = {slug: {"adapter": slug, "name": slug, "sandbox": False} for slug in ADAPTERS}


def make_line(ref: str) -> LineSnapshot:
    """The line as the provider tells it now."""
    now = timezone.now()
    shown = [package for package in ALLOCATOR.lines[ref].packages if package.at + ALLOCATOR.lag <= now]
    packages = [
        PackageSnapshot(
            package_ref=package.name,
            plan_ref=package.plan,
            order_key=package.key if ALLOCATOR.shows_keys else "",
        )
        for package in shown
    ]
    return LineSnapshot(
        provider_ref=ref,
        iccid="8985200026321365534",
        state=LineState.READY,
        raw_states={"esimStatus": "GOT_RESOURCE"},
        state_as_of=now,
        usage_as_of=now,
        lpa=f"LPA:1$smdp.example$M{ref[-6:]}",
        total_data_bytes=GB + PACKAGE_BYTES * (len(shown) - 1) if shown else 0,
        packages=tuple(packages) if ALLOCATOR.shows_packages else (),
    )


def _meet_read(todo: deque[str]) -> str:
    behaviour = todo.popleft() if todo else "ok"
    failures: dict[str, ProviderError] = {
        "unavailable": Unavailable("HTTP 502"),
        "limited": RateLimited("too many requests", retry_after=timedelta(seconds=7)),
    }
    if behaviour in failures:
        raise failures[behaviour]
    if behaviour == "crash":
        raise KeyError("LPA:1$smdp.example$SECRET")
    return behaviour


def _record(sale: Sale) -> TransactionRecord:
    if sale.pending:
        sale.pending -= 1
        return TransactionRecord(transaction_id=sale.order, line_refs=(), is_pending=True, order_ref=sale.order)
    now = timezone.now()
    refs = [ref for place, ref in enumerate(sale.refs) if sale.at + place * ALLOCATOR.trickle <= now]
    lines = tuple(make_line(ref) for ref in refs)
    return TransactionRecord(transaction_id=sale.order, line_refs=tuple(refs), lines=lines, order_ref=sale.order)
