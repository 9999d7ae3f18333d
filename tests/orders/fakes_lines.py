"""A wholesaler in this process that allocates lines after the order, and tops them up.

``slow`` allocates by looks, finds orders by our key and repeats orders; it never repeats a top-up. ``keyed`` repeats
top-ups with their key.
"""

import itertools
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.utils import timezone

from providers.base import Provider
from providers.errors import KeyTaken, NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
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

GB = 1024**3


@dataclass(slots=True)
class Sale:
    key: str
    order: str
    refs: list[str]
    #: Looks until the lines are there.
    pending: int


@dataclass(slots=True)
class Held:
    """A line as the provider holds it."""

    total: int = GB
    packages: list[tuple[str, str]] = field(default_factory=list)


class Allocator:
    """The provider's own truth, and what its next calls do."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.numbers = itertools.count(26_000_000_000_000)
        self.sales: list[Sale] = []
        self.lines: dict[str, Held] = {}
        self.top_ups: list[tuple[str, str]] = []
        #: Keys of all requests that arrived.
        self.arrived: list[str] = []
        self.looks: list[str] = []
        self.pending = 0
        self.shows_keys = True
        self.orders_todo: deque[str] = deque()
        self.top_ups_todo: deque[str] = deque()
        self.reads_todo: deque[str] = deque()
        self.offers: tuple[PlanOffer, ...] = ()

    def sell(self, key: str, quantity: int) -> Sale:
        for sale in self.sales:
            if sale.key == key:
                return sale
        refs = [str(next(self.numbers)) for _ in range(quantity)]
        for ref in refs:
            self.lines[ref] = Held(packages=[(f"{ref}-base", key)])
        sale = Sale(key, f"B{len(self.sales) + 1:04d}", refs, self.pending)
        self.sales.append(sale)
        return sale

    def top_up(self, key: str, ref: str, *, repeats: bool) -> str:
        if repeats and any(known == key for known, _ref in self.top_ups):
            return f"T-{key[:8]}"
        self.top_ups.append((key, ref))
        line = self.lines[ref]
        line.total += GB
        line.packages.append((f"{ref}-{len(line.packages)}", key))
        return f"T-{key[:8]}"


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

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        behaviour = ALLOCATOR.orders_todo.popleft() if ALLOCATOR.orders_todo else "ok"
        ALLOCATOR.arrived.append(request.idempotency_key)
        if behaviour == "lost_before":
            raise OutcomeUnknown("the connection was reset")
        sale = ALLOCATOR.sell(request.idempotency_key, request.quantity)
        if behaviour == "lost_after":
            raise OutcomeUnknown("the connection was reset")
        return _reply("order", {"behaviour": behaviour, "order": sale.order})

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        del request
        document = json.loads(reply.body)
        if document["behaviour"] == "key_taken":
            raise KeyTaken("this transaction exists", code="310402")
        order = document["order"]
        return OrderOutcome(transaction_id=order, order_ref=order, lines=(), final=False)

    def _read_transaction(self, transaction_id: str) -> TransactionRecord:
        ALLOCATOR.looks.append(f"inquiry {transaction_id}")
        sale = next((sale for sale in ALLOCATOR.sales if sale.order == transaction_id), None)
        if sale is None:
            raise Rejected("no such order", code="310272")
        return _record(sale)

    def _find_order(self, idempotency_key: str, sent_at: datetime) -> TransactionRecord | None:
        del sent_at
        ALLOCATOR.looks.append(f"lookup {idempotency_key}")
        sale = next((sale for sale in ALLOCATOR.sales if sale.key == idempotency_key), None)
        return None if sale is None else _record(sale)

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        del priority
        ALLOCATOR.looks.append(f"line {provider_ref}")
        behaviour = ALLOCATOR.reads_todo.popleft() if ALLOCATOR.reads_todo else "ok"
        failures: dict[str, ProviderError] = {
            "unavailable": Unavailable("HTTP 502"),
            "limited": RateLimited("too many requests", retry_after=timedelta(seconds=7)),
        }
        if behaviour in failures:
            raise failures[behaviour]
        return make_line(provider_ref)

    def _list_top_ups(self, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
        ALLOCATOR.looks.append(f"top-ups {provider_ref} {plan_ref}")
        del iccid
        return ALLOCATOR.offers

    def _send_top_up(self, request: TopUpRequest) -> ProviderReply:
        behaviour = ALLOCATOR.top_ups_todo.popleft() if ALLOCATOR.top_ups_todo else "ok"
        if behaviour == "not_sent":
            raise NotSent("no connection", code="connect")
        ALLOCATOR.arrived.append(request.idempotency_key)
        if behaviour == "lost_before":
            raise OutcomeUnknown("the connection was reset")
        repeats = Capability.TOP_UP in self.repeatable
        if behaviour == "refused":
            return _reply("top_up", {"behaviour": behaviour})
        order = ALLOCATOR.top_up(request.idempotency_key, request.provider_ref, repeats=repeats)
        if behaviour == "lost_after":
            raise OutcomeUnknown("the connection was reset")
        return _reply(
            "top_up", {"behaviour": behaviour, "order": order, "total": ALLOCATOR.lines[request.provider_ref].total}
        )

    def _read_top_up_reply(self, reply: ProviderReply, request: TopUpRequest) -> TopUpOutcome:
        document = json.loads(reply.body)
        if document["behaviour"] == "refused":
            raise Rejected("the line has expired", code="200002")
        ref, _key = ALLOCATOR.lines[request.provider_ref].packages[-1]
        return TopUpOutcome(
            transaction_id="",
            order_ref=document["order"],
            package=PackageSnapshot(package_ref=ref, order_ref=document["order"]),
            total_data_bytes=document["total"],
        )


class KeyedProvider(SlowProvider):
    adapter = "fake-keyed"
    repeatable: ClassVar[frozenset[Capability]] = frozenset({Capability.ORDER, Capability.TOP_UP})


ADAPTERS = {cls.adapter: f"{cls.__module__}.{cls.__name__}" for cls in (SlowProvider, KeyedProvider)}
ACCOUNTS = {slug: {"adapter": slug, "name": slug, "sandbox": False} for slug in ADAPTERS}


def make_line(ref: str) -> LineSnapshot:
    """The line as the provider tells it now."""
    now = timezone.now()
    held = ALLOCATOR.lines[ref]
    return LineSnapshot(
        provider_ref=ref,
        iccid="8985200026321365534",
        state=LineState.READY,
        raw_states={"esimStatus": "GOT_RESOURCE"},
        state_as_of=now,
        usage_as_of=now,
        lpa=f"LPA:1$smdp.example$M{ref[-6:]}",
        total_data_bytes=held.total,
        packages=tuple(
            PackageSnapshot(package_ref=name, order_key=key if ALLOCATOR.shows_keys else "")
            for name, key in held.packages
        ),
    )


def _record(sale: Sale) -> TransactionRecord:
    if sale.pending:
        sale.pending -= 1
        return TransactionRecord(transaction_id=sale.order, line_refs=(), is_pending=True, order_ref=sale.order)
    lines = tuple(make_line(ref) for ref in sale.refs)
    return TransactionRecord(transaction_id=sale.order, line_refs=tuple(sale.refs), lines=lines, order_ref=sale.order)


def _reply(operation: str, document: Mapping[str, Any]) -> ProviderReply:
    now = timezone.now()
    return ProviderReply(
        operation=operation,
        status=200,
        headers={"Content-Type": "application/json"},
        body=json.dumps(document).encode(),
        complete=True,
        sent_at=now,
        received_at=now,
    )
