"""The ground that every conformance test stands on: the account, its stock, what is sent and what must come of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import takewhile
from typing import Any, ClassVar

import pytest

from providers import registry
from providers.base import Provider
from providers.errors import OutcomeUnknown, ProviderError, RateLimited, Unavailable
from providers.models import ProviderAccount, ProviderCall, RatePause, RateSlot
from tests.providers.conformance.answers import BAD_REQUEST, FORBIDDEN, TOO_MANY, UNAUTHORIZED, Answer
from tests.providers.conformance.operations import Operation, Stock
from tests.simulator_client import Simulator

Configure = Callable[..., None]
SECOND = timedelta(seconds=1)
#: How long an answer is waited for, in seconds, where none comes.
SHORT_WAIT = 0.25


class Ground(ABC):
    """One account of one adapter, switched on with the simulator as its provider."""

    adapter: ClassVar[str]
    account: ClassVar[str]
    #: The simulator's name of the system.
    system: ClassVar[str]

    @abstractmethod
    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        """Point the account's settings at the simulator, with ``changes`` on top (``url`` among them)."""

    @property
    def provider(self) -> Provider:
        return registry.get_provider(self.account)


class CallGround(Ground):
    """What a suite of calls says of its adapter, and the expectations that its tests share."""

    #: Every operation that the account offers.
    operations: ClassVar[tuple[Operation, ...]]
    #: The adapter's name of a call -> the simulator's name of the endpoint, where they differ.
    endpoints: ClassVar[Mapping[str, str]] = {}
    #: The documented ways to say no; an operation may have its own.
    refusals: ClassVar[tuple[Answer, ...]] = (BAD_REQUEST,)
    wrong_credentials: ClassVar[tuple[Answer, ...]] = (UNAUTHORIZED, FORBIDDEN)
    #: Rate limits that do not say for how long. A 429 with a time is always tried.
    rate_limits: ClassVar[tuple[Answer, ...]] = (TOO_MANY,)
    #: The adapter's name of the call that fetches a token ("": there is none). A refused token is replaced once.
    sign_in: ClassVar[str] = ""
    #: Settings of the account that shorten a wait for an answer of its own to ``SHORT_WAIT`` seconds.
    short_waits: ClassVar[Mapping[str, Any]] = {}

    simulator: Simulator

    @abstractmethod
    def buy_stock(self, simulator: Simulator) -> Stock:
        """One line, bought by a call of the test's own that no log of ours sees."""

    def prepare(self, simulator: Simulator, stock: Stock, operation: Operation) -> Stock:
        """Bring the stock into a state in which the provider allows the operation; by default it is."""
        del simulator, operation
        return stock

    def limit_to_one(self, name: str) -> Mapping[str, Any] | None:
        """Settings that allow one call of this name in a minute; None where the settings cannot say so."""
        del name
        return None

    def warm_up(self) -> None:
        """Have a token, where one is needed."""
        if self.sign_in:
            self.provider.check()

    @pytest.fixture
    def stock(self, request: pytest.FixtureRequest, simulator: Simulator, configure: Configure) -> Stock:
        self.simulator = simulator
        self.switch_on(configure, simulator)
        registry.ensure_accounts()
        stock = self.buy_stock(simulator)
        operation = getattr(request.node, "callspec", None) and request.node.callspec.params.get("operation")
        if operation:
            stock = self.prepare(simulator, stock, operation)
        self.warm_up()
        self.forget_calls()
        return stock

    def forget_calls(self) -> None:
        """Our own books as if nothing had been sent yet: log, health and budgets."""
        ProviderCall.objects.all().delete()
        # Freed, not deleted: a ring of a hundred places is long to make.
        RateSlot.objects.update(used_at=None)
        RatePause.objects.all().delete()
        ProviderAccount.objects.update(last_success_at=None, last_failure_at=None, last_failure="")

    def start_over(self) -> None:
        """One more case on the same stock: no fault waits, and neither side counts what was called before."""
        self.simulator.set_limits(multiplier=0)
        self.simulator.forget_faults()
        self.forget_calls()

    # -- what was sent ------------------------------------------------------------------------------------------------

    def list_arrivals(self) -> list[str]:
        """The endpoints of all calls that arrived at the simulator, oldest first."""
        return [request["endpoint"] for request in self.simulator.requests(system=self.system)]

    def to_endpoints(self, names: tuple[str, ...]) -> list[str]:
        return [self.endpoints.get(name, name) for name in names]

    def order_fault(self, operation: Operation, kind: str, *, times: int | None = 1, **parameters: Any) -> None:
        """Order a fault for the call under test."""
        endpoint = self.endpoints.get(operation.name, operation.name)
        skip = self.to_endpoints(operation.first).count(endpoint)
        self.simulator.order_fault(kind, endpoint, system=self.system, times=times, skip=skip, **parameters)

    def list_outcomes(self) -> list[tuple[str, str]]:
        """Name and outcome of every call in our log, oldest first."""
        return list(ProviderCall.objects.order_by("pk").values_list("operation", "outcome"))

    def scope_of(self, name: str) -> str:
        """Whose rate budget a call counts for."""
        budget = self.provider.budgets.get(name)
        return (budget.scope if budget else "") or name

    # -- what must come of it -----------------------------------------------------------------------------------------

    def fail_on(self, operation: Operation) -> type[ProviderError]:
        """What an operation raises when it was sent and nothing usable came back."""
        return OutcomeUnknown if operation.is_write else Unavailable

    def expect(
        self,
        operation: Operation,
        stock: Stock,
        kind: type[ProviderError],
        *,
        calls: tuple[str, ...] | None = None,
        name: str | None = None,
    ) -> Any:
        """Run it and return its error, which must be of this very kind; exactly ``calls`` were sent meanwhile.

        By default these are the call under test and those before it.
        """
        before = len(self.list_arrivals())
        with pytest.raises(ProviderError) as caught:
            operation.run(self.provider, stock)
        error = caught.value
        assert type(error) is kind, f"{type(error).__name__}: {error.message}"
        assert (error.account, error.operation) == (self.account, operation.name if name is None else name)
        expected = (*operation.first, operation.name) if calls is None else calls
        assert self.list_arrivals()[before:] == self.to_endpoints(expected)
        return error

    def expect_held_back(self, operation: Operation, stock: Stock) -> timedelta:
        """Our own books refuse the call under test: it is not sent. Returns the time to wait."""
        scope = self.scope_of(operation.name)
        free = takewhile(lambda name: self.scope_of(name) != scope, operation.first)
        error = self.expect(operation, stock, RateLimited, calls=tuple(free), name=scope)
        assert error.code == "budget"
        wait: timedelta = error.retry_after
        return wait

    def expect_unread(self, operation: Operation, stock: Stock) -> None:
        """A reply came that is none: an error, unless only its status counts."""
        if operation.reads_body:
            self.expect(operation, stock, self.fail_on(operation))
        else:
            operation.run(self.provider, stock)
