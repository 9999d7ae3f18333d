"""Wholesalers in this process that tell of lines one by one, by order and by use, and note every call.

``fleet`` tells of an order's lines and of the use of ten lines in one call (as eSIM Access does), ``fleet-single`` of
single lines with packages (as eSIMfx does), ``fleet-mute`` of none (as freebit does).
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.utils import timezone

from providers import limits
from providers.base import Provider
from providers.errors import OutcomeUnknown, ProviderError, Rejected
from providers.types import (
    Capability,
    ControlOutcome,
    ControlRequest,
    LineSnapshot,
    LineState,
    MoneyBack,
    PlanOffer,
    Priority,
    ProviderReply,
    RateBudget,
    Returned,
    UsageSnapshot,
)

_numbers = itertools.count(26_000_000_000_001)


class Fleet:
    """The provider's own truth, and what is to go wrong. Calls are ("line" | "order" | "use" | …, what was asked)."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lines: dict[str, LineSnapshot] = {}
        self.calls: list[tuple[str, Any]] = []
        self.priorities: list[Priority] = []
        #: The next calls raise these, in turn; None lets one through.
        self.errors: deque[ProviderError | None] = deque()
        self.budget: RateBudget | None = None
        #: Lines that batches do not tell of.
        self.silent: set[str] = set()
        #: Lines whose use every batch tells of, asked or not.
        self.unasked: set[str] = set()
        #: Refused by everything that names them.
        self.poison: set[str] = set()
        #: What a control does to the line, besides being noted.
        self.effects: dict[Capability, Callable[[LineSnapshot], LineSnapshot]] = {}
        self.refund: bool | None = None
        self.controls: list[ControlRequest] = []
        #: The next control answers are lost after they took effect.
        self.lost_answers = 0
        self.lock = threading.Lock()
        #: No snapshot is older than this; moves on with every read.
        self.clock: Callable[[], datetime] = timezone.now

    def add(self, count: int = 1, *, order_ref: str = "", **fields: Any) -> list[LineSnapshot]:
        """Lines of one order, ready to install unless told otherwise."""
        made = []
        for _ in range(count):
            number = next(_numbers)
            now = self.clock()
            line = LineSnapshot(
                provider_ref=str(number),
                iccid=f"8985200{number}",
                state=LineState.READY,
                raw_states={"esimStatus": "GOT_RESOURCE", "smdpStatus": "RELEASED"},
                state_as_of=now,
                usage_as_of=now,
                lpa=f"LPA:1$rsp.example.com$M{number}",
                smdp_address="rsp.example.com",
                matching_id=f"M{number}",
                order_ref=order_ref,
            )
            line = replace(line, **fields)
            self.lines[line.provider_ref] = line
            made.append(line)
        return made

    def change(self, ref: str, **fields: Any) -> None:
        self.lines[ref] = replace(self.lines[ref], **fields)

    def use(self, ref: str, total: int, **fields: Any) -> None:
        self.change(ref, total_used_bytes=total, **fields)

    def count(self, kind: str) -> int:
        return sum(1 for called, _what in self.calls if called == kind)

    def tell(self, ref: str) -> LineSnapshot:
        now = self.clock()
        return replace(self.lines[ref], state_as_of=now, usage_as_of=now)

    def enter(self, kind: str, what: Any, priority: Priority, account: str) -> None:
        if self.budget is not None:
            limits.take(account, "fleet", self.budget, priority)
        with self.lock:
            self.calls.append((kind, what))
            self.priorities.append(priority)
            error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        named = {what} if isinstance(what, str) else set(what)
        if named & self.poison:
            raise Rejected("no such line", code="310403", operation=kind, account=account)


FLEET = Fleet()


class FleetProvider(Provider):
    adapter = "fleet"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.READ_LINE,
            Capability.BATCH_QUERY,
            Capability.USAGE_BATCH,
            Capability.SUSPEND,
            Capability.RELEASE,
            Capability.CANCEL,
            Capability.REVOKE,
            Capability.SMS,
            Capability.TOP_UP,
        }
    )
    usage_batch: ClassVar[int] = 10
    money_back: ClassVar[Mapping[Capability, MoneyBack]] = {
        Capability.CANCEL: MoneyBack(returned=Returned.ALL),
        Capability.REVOKE: MoneyBack(returned=Returned.NOTHING),
    }

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        del values
        return cls(account)

    @classmethod
    def is_configured(cls, values: Mapping[str, Any]) -> bool:
        return bool(values["on"])

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}

    def _read_line(self, provider_ref: str, priority: Priority) -> LineSnapshot:
        FLEET.enter("line", provider_ref, priority, self.account)
        if provider_ref not in FLEET.lines:
            raise Rejected("no such line", code="404", operation="line", account=self.account)
        return FLEET.tell(provider_ref)

    def _read_order_lines(self, order_ref: str, priority: Priority) -> tuple[LineSnapshot, ...]:
        FLEET.enter("order", order_ref, priority, self.account)
        refs = [ref for ref, line in FLEET.lines.items() if line.order_ref == order_ref and ref not in FLEET.silent]
        if poisoned := FLEET.poison.intersection(
            ref for ref, line in FLEET.lines.items() if line.order_ref == order_ref
        ):
            raise Rejected(f"{len(poisoned)} lines of the order are odd", code="200008", account=self.account)
        return tuple(FLEET.tell(ref) for ref in refs)

    def _read_usage(self, provider_refs: Sequence[str], priority: Priority) -> tuple[UsageSnapshot, ...]:
        FLEET.enter("use", tuple(provider_refs), priority, self.account)
        return tuple(
            UsageSnapshot(
                provider_ref=ref,
                used_bytes=FLEET.lines[ref].total_used_bytes,
                total_data_bytes=FLEET.lines[ref].total_data_bytes,
                as_of=FLEET.clock(),
            )
            for ref in (*provider_refs, *FLEET.unasked)
            if ref in FLEET.lines and ref not in FLEET.silent
        )

    def _send_control(self, request: ControlRequest) -> ProviderReply:
        FLEET.enter("control", request.provider_ref, Priority.PEOPLE, self.account)
        FLEET.controls.append(request)
        effect = FLEET.effects.get(request.capability)
        if effect is not None:
            FLEET.lines[request.provider_ref] = effect(FLEET.lines[request.provider_ref])
        if FLEET.lost_answers:
            FLEET.lost_answers -= 1
            raise OutcomeUnknown("the connection was reset", operation="control", account=self.account)
        now = timezone.now()
        return ProviderReply(
            operation="control", status=200, headers={}, body=b"{}", complete=True, sent_at=now, received_at=now
        )

    def _read_control_reply(self, reply: ProviderReply, capability: Capability) -> ControlOutcome:
        del reply, capability
        return ControlOutcome(refund=FLEET.refund)

    def _list_top_ups(self, provider_ref: str, iccid: str, plan_ref: str) -> tuple[PlanOffer, ...]:
        del provider_ref, iccid, plan_ref
        return ()


class SingleProvider(FleetProvider):
    adapter = "fleet-single"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.READ_LINE, Capability.TERMINATE, Capability.ACTIVATE, Capability.BLOCK, Capability.TOP_UP}
    )
    money_back: ClassVar[Mapping[Capability, MoneyBack]] = {
        Capability.TERMINATE: MoneyBack(returned=Returned.PACKAGE_FEE, only_waiting=True, within=timedelta(days=60)),
        Capability.BLOCK: MoneyBack(returned=Returned.NOTHING),
    }


class MuteProvider(FleetProvider):
    adapter = "fleet-mute"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LINE_ACTIVATION})


ADAPTERS = {cls.adapter: f"{cls.__module__}.{cls.__name__}" for cls in (FleetProvider, SingleProvider, MuteProvider)}
ACCOUNTS = {slug: {"adapter": slug, "name": slug.title(), "sandbox": False, "on": True} for slug in ADAPTERS}


def fresh_fleet() -> Iterator[Fleet]:
    FLEET.reset()
    yield FLEET
    FLEET.reset()
