"""One account in one run of reading: what is to be asked there, in which calls, and what the answers said."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import DataError

from esims.claims import ClaimedLine, release_lines
from esims.recording import record_failures, record_snapshots, record_usages
from providers.base import Provider
from providers.errors import Mend, ProviderError, Rejected, Unavailable
from providers.types import Capability, LineSnapshot, Priority, UsageSnapshot

#: The use that so many calls told is written together: one call's worth of rows costs the database almost as much as
#: eight calls' worth.
_CALLS_WRITTEN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one call will read: an order's lines, the use of some, or one line by itself."""

    lines: Sequence[ClaimedLine]
    order_ref: str = ""
    is_use: bool = False

    @property
    def is_single(self) -> bool:
        return not self.order_ref and not self.is_use

    @property
    def priority(self) -> Priority:
        return Priority.PEOPLE if any(line.is_watched for line in self.lines) else Priority.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """The use that one call told, and of which claimed lines; not written down yet."""

    usages: Mapping[int, UsageSnapshot]
    lines: Sequence[ClaimedLine]


@dataclass(slots=True, kw_only=True)
class Desk:
    """One account in one run: what is to be read there, and whether it answers."""

    account_id: int
    provider: Provider
    abilities: frozenset[Capability]
    calls: deque[Call] = field(default_factory=deque)
    told: list[_Told] = field(default_factory=list)
    #: ``monotonic`` time before which its budget gives nothing.
    rests_until: float = 0.0
    last_call_at: float = 0.0
    failures: int = 0
    #: Nothing more is due, or it does not answer.
    is_closed: bool = False

    def close(self) -> None:
        """Write down what was told, and give back what was claimed and not read."""
        self.is_closed = True
        self.write_down()
        release_lines([line for call in self.calls for line in call.lines])
        self.calls.clear()

    def write_down(self) -> None:
        """Record the use that was told. Where a value cannot be stored, the lines of its call are read one by one."""
        told, self.told = self.told, []
        try:
            self._record(told)
        except (DataError, OverflowError):
            for one in told:
                try:
                    self._record([one])
                except (DataError, OverflowError):
                    self.read_singly(one.lines)

    def read_singly(self, lines: Sequence[ClaimedLine]) -> None:
        """Each by a call of its own, next."""
        self.calls.extendleft(Call(lines=[line]) for line in reversed(lines))

    def _record(self, told: Sequence[_Told]) -> None:
        if told:
            usages = {pk: usage for one in told for pk, usage in one.usages.items()}
            record_usages(usages, [line for one in told for line in one.lines], abilities=self.abilities)

    @property
    def lines_waiting(self) -> int:
        return sum(len(call.lines) for call in self.calls)

    def read(self, call: Call) -> int:
        """Ask, and record the answer; returns how many lines it told of. The others are read one by one next."""
        if call.is_use:
            usages: Sequence[UsageSnapshot] = self.provider.read_usage(
                [line.provider_ref for line in call.lines], priority=call.priority
            )
            told_use = {usage.provider_ref: usage for usage in usages}
            found = [line for line in call.lines if line.provider_ref in told_use]
            self.told.append(_Told(usages={line.pk: told_use[line.provider_ref] for line in found}, lines=found))
            if len(self.told) >= _CALLS_WRITTEN:
                self.write_down()
        else:
            told = {snapshot.provider_ref: snapshot for snapshot in self._ask_for_lines(call)}
            found = [line for line in call.lines if line.provider_ref in told]
            record_snapshots(
                {line.pk: told[line.provider_ref] for line in found},
                {line.pk: line.claim for line in found},
                abilities=self.abilities,
                by="refresh",
            )
        missing = [line for line in call.lines if line not in found]
        if missing and call.is_single:
            raise Unavailable("the provider answered for another line", operation="read_line")
        self.read_singly(missing)
        return len(found)

    def _ask_for_lines(self, call: Call) -> Sequence[LineSnapshot]:
        if call.order_ref:
            return self.provider.read_order_lines(call.order_ref, priority=call.priority)
        line = call.lines[0]
        return [self.provider.read_line(line.provider_ref, priority=call.priority, order_ref=line.order_ref)]

    def take_refusal(self, call: Call, error: ProviderError) -> None:
        """A refusal of a batch may be about one of its lines only: each is read by itself. One of keys is about all."""
        if call.is_single or (isinstance(error, Rejected) and error.mend is Mend.CREDENTIALS):
            self.fail(call, error)
        else:
            self.read_singly(call.lines)

    def fail(self, call: Call, error: ProviderError) -> None:
        """Write the error on each of the call's lines."""
        record_failures({line.pk: line.claim for line in call.lines}, error, by="refresh")


def put_into_calls(claimed: Sequence[ClaimedLine], *, by_order: bool, use_per_call: int) -> list[Call]:
    """By order and by use where the provider can and there is more than one; what failed before always by itself."""
    orders: dict[str, list[ClaimedLine]] = {}
    use, single = [], []
    for line in claimed:
        if line.failures or (line.wants_state and not (by_order and line.order_ref)):
            single.append(line)
        elif line.wants_state:
            orders.setdefault(line.order_ref, []).append(line)
        else:
            use.append(line)
    calls = [Call(lines=lines, order_ref=ref) for ref, lines in orders.items() if len(lines) > 1]
    single += [lines[0] for lines in orders.values() if len(lines) == 1]
    if use_per_call == 1:
        single += use
    else:
        calls += [
            Call(lines=use[start : start + use_per_call], is_use=True) for start in range(0, len(use), use_per_call)
        ]
    return [*calls, *(Call(lines=[line]) for line in single)]
