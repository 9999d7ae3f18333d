"""What a simulated provider is: one module beside this core subclasses `System` once per system it serves."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.simulator.books import Books
from providers.simulator.clock import Clock
from providers.simulator.faults import Fault, collect_facts, find_fault
from providers.simulator.messages import Refusal, Reply, Request
from providers.simulator.store import Store
from providers.simulator.switches import Switches
from providers.simulator.webhooks import WebhookSender


@dataclass(frozen=True)
class Core:
    """The shared parts that every system works with."""

    store: Store
    clock: Clock
    books: Books
    switches: Switches
    webhooks: WebhookSender


@dataclass(frozen=True)
class Call:
    """One call on its way through a handler."""

    request: Request
    request_id: int
    arguments: Mapping[str, str]
    faults: list[Fault]
    now: datetime

    def count_missing(self, kind: str) -> int:
        """How many eSIMs a `short_order` or `short_reply` fault takes away; 0 without one."""
        fault = find_fault(self.faults, kind)
        return 0 if fault is None else int(fault.params["by"])


@dataclass(frozen=True)
class Route:
    """An endpoint: `writes` runs the handler in one transaction, `limit_headers` sends `X-RateLimit-*`.

    `alone` False lets other calls in meanwhile, for a handler that itself waits for somebody's answer: it
    opens its own transactions.
    """

    endpoint: str
    method: str
    template: str
    handler: Callable[[Call], Reply]
    writes: bool = False
    limit_headers: bool = False
    alone: bool = True


@dataclass(frozen=True)
class ControlRoute:
    """A control call of one system, below `/_control/<system>`; gets path arguments, query and body."""

    method: str
    template: str
    handler: Callable[[Mapping[str, str], Mapping[str, str], Any], Any]


class System(ABC):
    """One address space of one provider: its prefix, keys, books and endpoints."""

    name: str
    # Calls of an endpoint per window; the name "*" counts all endpoints of the account together.
    limits: Mapping[str, int | None]
    limit_window_s: float = 60.0
    # False: windows start with their first call. True: no stretch of `limit_window_s` may hold more.
    limit_slides: bool = False
    # HTTP status of a `refuse_code` fault that names none.
    business_status: int = 400
    # Fields that the fault `unknown_words` changes when it names none.
    status_words: Sequence[str] = ()

    @property
    def prefix(self) -> str:
        """Where the system is served, without a slash at the end."""
        return f"/{self.name}"

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """The provider's endpoints."""

    @abstractmethod
    def control_routes(self) -> Sequence[ControlRoute]:
        """The control calls of this system alone."""

    @abstractmethod
    def authenticate(self, request: Request) -> str:
        """The caller's key. Raises Refusal when it is none of ours."""

    @abstractmethod
    def render_refusal(self, refusal: Refusal) -> Reply:
        """An error in the provider's own format."""

    def collect_facts(self, arguments: Mapping[str, str], request: Request) -> dict[str, str]:
        """What `match` of a fault compares with; override where the interesting fields lie deeper."""
        return collect_facts(arguments, request.query, request.body)

    def settle(self, now: datetime) -> None:  # noqa: B027 - most systems have nothing that falls due
        """Do what has fallen due by the clock alone. Runs often and before every call: look first, then write."""

    @abstractmethod
    def refuse_order(self, reason: str) -> Refusal:
        """What the provider answers when stock or balance is lacking."""

    @abstractmethod
    def reset(self, *, plans: int | None, seed: int | None) -> None:
        """Forget all lines and put the first catalogue back; None: size or seed as the program was started with."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Sizes for `/_control/health`."""


class RouteTable:
    """Finds the route of a path; a template with more literal segments wins (`/esim/plans` over `/esim/{iccid}`)."""

    def __init__(self, templates: Sequence[tuple[str, str]]) -> None:
        """`templates`: (method, template) pairs; the position is what `find` answers."""
        compiled = [(method, _compile(template), template, index) for index, (method, template) in enumerate(templates)]
        self._table = sorted(compiled, key=lambda entry: entry[2].count("{"))

    def find(self, method: str, path: str) -> tuple[int, dict[str, str]]:
        """Index of the route and its arguments. Raises Refusal 404, or 405 with `Allow`."""
        allowed: list[str] = []
        for route_method, pattern, _template, index in self._table:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if route_method == method:
                return index, found.groupdict()
            allowed.append(route_method)
        if allowed:
            raise Refusal(
                405, "METHOD_NOT_ALLOWED", f"{method} is not served here", {"Allow": ", ".join(sorted(allowed))}
            )
        raise Refusal(404, "NOT_FOUND", "There is nothing at this address")


def _compile(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    pattern = "".join(re.escape(part) if index % 2 == 0 else f"(?P<{part}>[^/]+)" for index, part in enumerate(parts))
    return re.compile(pattern)
