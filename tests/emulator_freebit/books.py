"""What this stand-in of freebit really took in, and what became of it."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
FIRST_NUMBER = 8011110000
FIRST_ICCID = 8981040000000007000


@dataclass(slots=True)
class Activation:
    """One request that was accepted."""

    eid: str
    kind: str
    delivery_code: str
    account: str
    request: Json
    taken_at: datetime
    #: waiting | done | failed
    state: str = "waiting"
    iccid: str = ""
    code: str = ""
    ended_at: datetime | None = None


@dataclass(slots=True)
class Parent:
    """A representative number."""

    free: int = 3
    sim_kind: str = ""
    is_locked: bool = False


@dataclass(slots=True)
class Books:
    """The house's lock guards it."""

    taken: list[Activation] = field(default_factory=list)
    plans: set[str] = field(default_factory=lambda: {"100K_PLAN"})
    masters: set[str] = field(default_factory=set)
    parents: dict[str, Parent] = field(default_factory=lambda: {"08000001111": Parent()})
    accounts: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    reservations: set[str] = field(default_factory=set)
    #: EIDs that no maker knows.
    unknown_eids: set[str] = field(default_factory=set)
    months: Counter[str] = field(default_factory=Counter)
    month_limit: int = 3
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def waiting(self) -> list[Activation]:
        return [activation for activation in self.taken if activation.state == "waiting"]

    def faults(self, request: Json) -> Iterator[int]:
        """What is wrong with a request that the tables allow."""
        eid = request["eid"]
        if request.get("planCode", "100K_PLAN") not in self.plans:
            yield 232
        yield from self._account_faults(request)
        yield from self._parent_faults(request.get("repAccount"), request)
        if request.get("mnp", {}).get("reserveNumber") in self.reservations:
            yield 310
        old = request.get("reissue", {}).get("oldProductNumber")
        if old is not None and old not in self.products:
            yield 288
        if eid in self.unknown_eids:
            yield 372
        if any(other.eid == eid and other.state != "failed" for other in self.taken):
            yield 371
        if self.months[eid] >= self.month_limit:
            yield 374

    def _account_faults(self, request: Json) -> Iterator[int]:
        account, master, create = (request.get(name) for name in ("account", "masterAccount", "createType"))
        if account in self.busy:
            yield 230
        if request["addKind"] == "R" and account not in self.accounts:
            yield 210
        if request["addKind"] == "N" and account in self.accounts:
            yield 208
        if create == "new" and master in self.masters:
            yield 208
        if create == "add" and master not in self.masters:
            yield 210

    def _parent_faults(self, number: str | None, request: Json) -> Iterator[int]:
        if number is None:
            return
        parent = self.parents.get(number)
        if parent is None:
            yield 287
            return
        if parent.is_locked:
            yield 284
        if parent.free <= 0:
            yield 275
        if parent.sim_kind and parent.sim_kind != request.get("simKind"):
            yield 304

    def take(self, request: Json) -> Activation:
        account = request.get("account") or f"0{FIRST_NUMBER + next(self.numbers)}"
        self.now += timedelta(seconds=1)
        activation = Activation(
            request["eid"], request["addKind"], request.get("deliveryCode", ""), account, request, self.now
        )
        self.taken.append(activation)
        self.months[activation.eid] += 1
        if "masterAccount" in request:
            self.masters.add(request["masterAccount"])
        if "mnp" in request:
            self.reservations.add(request["mnp"]["reserveNumber"])
        if request.get("repAccount") in self.parents:
            self.parents[request["repAccount"]].free -= 1
        return activation

    def finish(self, activation: Activation, *, code: str = "") -> None:
        """The carrier is done with it; ``code`` says why it failed."""
        self.now += timedelta(minutes=1)
        activation.ended_at, activation.code = self.now, code
        activation.state = "failed" if code else "done"
        if not code:
            self.accounts.add(activation.account)
            activation.iccid = str(FIRST_ICCID + next(self.numbers))
