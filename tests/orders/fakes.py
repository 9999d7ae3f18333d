"""A wholesaler in this process that keeps its own books, and does what a test has ordered, call by call.

Four accounts share it: ``fake`` (can be asked about a transaction), ``fake-blind`` (cannot; three eSIMs an order),
``fake-repeat`` (orders may be repeated with their key; cannot be asked) and ``fake-single`` (one eSIM an order).
"""

import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.utils import timezone

from providers.base import Provider
from providers.errors import Mend, NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected, StillAllocating
from providers.types import (
    Capability,
    Fault,
    LineSnapshot,
    LineState,
    OrderOutcome,
    OrderRequest,
    Priority,
    ProviderReply,
    RateBudget,
    TransactionRecord,
)

#: What one call to order does; the first half sells nothing.
BEFORE = ("not_sent", "own_limit", "limited", "lost_before", "500_before", "refused", "no_balance", "nonsense_before")
AFTER = (
    "ok",
    "lost_after",
    "500_after",
    "cut",
    "cut_early",
    "nonsense_after",
    "crash_parse",
    "short_reply",
    "short_sale",
    "allocating",
    "repeated_line",
    "one_more",
)
INQUIRIES = ("ok", "limited", "unavailable", "unknown_id", "fewer")


class Wholesaler:
    """The provider's own truth."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.numbers = itertools.count(8_981_100_000_000_000_000)
        #: Every effect: (account, key, transaction, refs really sold).
        self.sales: list[tuple[str, str, str, list[str]]] = []
        #: What every order that arrived was made to do, with its key: (key, behaviour).
        self.arrivals: list[tuple[str, str]] = []
        self.inquiries = 0
        self.orders_todo: deque[str] = deque()
        self.inquiries_todo: deque[str] = deque()
        self.during_call: Callable[[OrderRequest], None] | None = None
        #: Lines that it does not know when it is asked for one of them, and those that are over there.
        self.not_known: set[str] = set()
        self.over: dict[str, LineState] = {}
        self.reads: list[str] = []
        #: Headers that every reply to an order has besides its own.
        self.headers: dict[str, str] = {}

    def plan_orders(self, *behaviours: str) -> None:
        """What the next orders do; afterwards everything is ``ok``."""
        assert set(behaviours) <= {*BEFORE, *AFTER}, behaviours
        self.orders_todo.extend(behaviours)

    def plan_inquiries(self, *behaviours: str) -> None:
        assert set(behaviours) <= set(INQUIRIES), behaviours
        self.inquiries_todo.extend(behaviours)

    @property
    def arrived(self) -> list[str]:
        """Keys of every order that arrived, whatever became of it."""
        return [key for key, _behaviour in self.arrivals]

    @property
    def sold_refs(self) -> list[str]:
        return [ref for *_rest, refs in self.sales for ref in refs]

    def sell(self, account: str, request: OrderRequest, behaviour: str, *, repeatable: bool) -> tuple[str, list[str]]:
        """Sell, or answer the sale that the key has made already."""
        with self.lock:
            if repeatable:
                for _account, key, transaction, refs in self.sales:
                    if key == request.idempotency_key:
                        return transaction, refs
            count = request.quantity - (behaviour == "short_sale") + (behaviour == "one_more")
            refs = [str(next(self.numbers)) for _ in range(count)]
            transaction = f"tx-{len(self.sales) + 1:04d}"
            self.sales.append((account, request.idempotency_key, transaction, refs))
            return transaction, refs


WHOLESALER = Wholesaler()


class FakeProvider(Provider):
    adapter = "fake"
    capabilities = frozenset({Capability.ORDER, Capability.READ_LINE, Capability.TRANSACTION_INQUIRY})
    max_order_quantity = 1000
    inquiry_window: ClassVar[timedelta | None] = timedelta(hours=48)
    order_deadline = timedelta(minutes=5)

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        return cls(account)

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        return True

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}

    def _send_order(self, request: OrderRequest) -> ProviderReply:
        behaviour = WHOLESALER.orders_todo.popleft() if WHOLESALER.orders_todo else "ok"
        if behaviour == "not_sent":
            raise NotSent("no connection", code="connect")
        if behaviour == "own_limit":
            raise RateLimited("our budget is spent", retry_after=timedelta(seconds=6))
        WHOLESALER.arrivals.append((request.idempotency_key, behaviour))
        if WHOLESALER.during_call is not None:
            WHOLESALER.during_call(request)
        if behaviour == "lost_before":
            raise OutcomeUnknown("the connection was reset")
        if behaviour in BEFORE:
            return _reply({"behaviour": behaviour}, status={"limited": 429, "500_before": 500}.get(behaviour, 400))
        repeatable = Capability.ORDER in self.repeatable
        transaction, refs = WHOLESALER.sell(self.account, request, behaviour, repeatable=repeatable)
        if behaviour == "lost_after":
            raise OutcomeUnknown("the connection was reset")
        document = {"behaviour": behaviour, "transaction": transaction, "lines": refs}
        status = 500 if behaviour == "500_after" else 200
        return _reply(document, status=status, complete=behaviour not in ("cut", "cut_early"))

    def _read_order_reply(self, reply: ProviderReply, request: OrderRequest) -> OrderOutcome:
        document = json.loads(reply.body)
        behaviour, refs = document["behaviour"], document.get("lines", [])
        failures: dict[str, ProviderError] = {
            "limited": RateLimited("too many requests", retry_after=timedelta(seconds=9), code="429"),
            "500_before": OutcomeUnknown("HTTP 500", code="500"),
            "500_after": OutcomeUnknown("HTTP 500", code="500"),
            "refused": Rejected("no such plan", code="NO_PLAN", field="plan"),
            "no_balance": Rejected("balance too low", code="BALANCE", mend=Mend.BALANCE),
            "nonsense_before": OutcomeUnknown("not JSON"),
            "nonsense_after": OutcomeUnknown("not JSON"),
            "cut_early": OutcomeUnknown("cut off"),
            "cut": OutcomeUnknown("cut off", transaction_id=document.get("transaction", "")),
            "allocating": StillAllocating("not yet"),
        }
        if behaviour == "crash_parse":
            raise KeyError("LPA:1$smdp.example$SECRET")
        if behaviour in failures:
            raise failures[behaviour]
        if behaviour == "short_reply":
            refs = refs[:-1]
        if behaviour == "repeated_line":
            refs = [*refs[:-1], refs[0]] if len(refs) > 1 else [refs[0], refs[0]]
        final = len(refs) >= request.quantity and behaviour != "repeated_line"
        lines = tuple(make_snapshot(ref) for ref in refs)
        faults = () if final else (Fault(where="lines", message="fewer than ordered"),)
        return OrderOutcome(
            transaction_id=document["transaction"], order_ref="", lines=lines, final=final, faults=faults
        )

    def _read_transaction(self, transaction_id: str, priority: Priority) -> TransactionRecord:
        WHOLESALER.inquiries += 1
        behaviour = WHOLESALER.inquiries_todo.popleft() if WHOLESALER.inquiries_todo else "ok"
        if behaviour == "limited":
            raise RateLimited("too many requests", retry_after=timedelta(seconds=7))
        sold = {transaction: refs for _account, _key, transaction, refs in WHOLESALER.sales}
        if behaviour == "unknown_id" or transaction_id not in sold:
            raise Rejected("no such transaction", code="400")
        if behaviour == "unavailable":
            raise OutcomeUnknown("HTTP 502")
        refs = sold[transaction_id]
        return TransactionRecord(
            transaction_id=transaction_id, line_refs=tuple(refs[:-1] if behaviour == "fewer" else refs)
        )

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        WHOLESALER.reads.append(provider_ref)
        if provider_ref in WHOLESALER.not_known:
            raise Rejected("no such line", code="404")
        return replace(make_snapshot(provider_ref), state=WHOLESALER.over.get(provider_ref, LineState.READY))


class BlindProvider(FakeProvider):
    adapter = "fake-blind"
    capabilities = frozenset({Capability.ORDER, Capability.READ_LINE})
    max_order_quantity = 3
    inquiry_window = None


class RepeatProvider(BlindProvider):
    adapter = "fake-repeat"
    repeatable: ClassVar[frozenset[Capability]] = frozenset({Capability.ORDER})


class SingleProvider(RepeatProvider):
    adapter = "fake-single"
    max_order_quantity = 1


ADAPTERS = {
    cls.adapter: f"{cls.__module__}.{cls.__name__}"
    for cls in (FakeProvider, BlindProvider, RepeatProvider, SingleProvider)
}
ACCOUNTS = {slug: {"adapter": slug, "name": slug, "sandbox": False} for slug in ADAPTERS}


def make_snapshot(ref: str) -> LineSnapshot:
    now = timezone.now()
    return LineSnapshot(
        provider_ref=ref,
        iccid=ref,
        state=LineState.READY,
        raw_states={"contractStatus": "ACTIVE"},
        state_as_of=now,
        usage_as_of=now,
        lpa=f"LPA:1$smdp.example$M{ref[-6:]}",
    )


def _reply(document: Mapping[str, Any], *, status: int, complete: bool = True) -> ProviderReply:
    now = timezone.now()
    return ProviderReply(
        operation="order",
        status=status,
        headers={"Content-Type": "application/json", "Set-Cookie": "session=secret", **WHOLESALER.headers},
        body=json.dumps(document).encode(),
        complete=complete,
        sent_at=now,
        received_at=now,
    )
