"""What every adapter must do, operation by operation and error by error, over real HTTP.

An adapter passes by a subclass per account that names its operations (see ``docs/adding-a-provider.md``); a meta-test
fails for a registered adapter without one. Faults are those of the provider simulator.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from providers import registry
from providers.base import OPERATIONS, Provider
from providers.errors import (
    Mend,
    NotOffered,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from providers.models import ProviderAccount, ProviderCall, RatePause, RateSlot
from providers.types import Capability, ControlRequest, OrderRequest, Priority
from tests.simulator_client import Simulator

Configure = Callable[..., None]
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What was bought before a fault is ordered."""

    plan_ref: str
    line_ref: str
    transaction_id: str
    #: Texts that must never be in the log: keys, activation codes, device numbers.
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One public operation of an adapter: ``run`` sends, and reads the reply where that is a second step."""

    capability: Capability
    #: The simulator's name of the endpoint, and the adapter's name of the operation in log and budgets.
    endpoint: str
    is_write: bool
    run: Callable[[Provider, Stock], Any]
    #: False where only the status of a reply counts, because its content is not trusted.
    reads_body: bool = True

    def __str__(self) -> str:
        return self.capability.value


def list_plans(provider: Provider, _stock: Stock) -> Any:
    return list(provider.list_plans())


def order(provider: Provider, stock: Stock) -> Any:
    request = OrderRequest(plan_ref=stock.plan_ref, quantity=2, idempotency_key="conformance")
    return provider.read_order_reply(provider.send_order(request), request)


def read_line(provider: Provider, stock: Stock) -> Any:
    return provider.read_line(stock.line_ref, priority=Priority.BACKGROUND)


def read_transaction(provider: Provider, stock: Stock) -> Any:
    return provider.read_transaction(stock.transaction_id)


def control(capability: Capability) -> Callable[[Provider, Stock], Any]:
    def run(provider: Provider, stock: Stock) -> Any:
        return provider.read_control_reply(
            provider.send_control(ControlRequest(provider_ref=stock.line_ref, capability=capability)), capability
        )

    return run


def find_all_suites() -> list[type["ProviderConformance"]]:
    """Every subclass of the suite that exists now."""
    found = list(ProviderConformance.__subclasses__())
    for suite in found:
        found.extend(suite.__subclasses__())
    return found


def find_missing_suites(adapters: Collection[str]) -> set[str]:
    """Registered adapters that no suite covers."""
    return set(adapters) - {suite.adapter for suite in find_all_suites()}


@pytest.mark.django_db
class ProviderConformance(ABC):
    """Subclass it as ``Test…``, one per account, in ``tests/providers/test_conformance_<adapter>.py``."""

    adapter: ClassVar[str]
    account: ClassVar[str]
    #: The simulator's name of the system.
    system: ClassVar[str]
    #: Every operation that the account offers.
    operations: ClassVar[tuple[Operation, ...]]

    @abstractmethod
    def switch_on(self, configure: Configure, simulator: Simulator, **changes: Any) -> None:
        """Point the account's settings at the simulator, with ``changes`` on top."""

    @abstractmethod
    def limit_to(self, endpoint: str, calls: int) -> Mapping[str, Any]:
        """Settings that limit an endpoint to so many calls a minute."""

    @abstractmethod
    def buy_stock(self, simulator: Simulator) -> Stock:
        """One line, bought by a call of the test's own that no log of ours sees."""

    # -- ground -------------------------------------------------------------------------------------------------------

    @pytest.fixture
    def stock(self, simulator: Simulator, configure: Configure) -> Stock:
        self.switch_on(configure, simulator)
        registry.ensure_accounts()
        return self.buy_stock(simulator)

    @property
    def provider(self) -> Provider:
        return registry.get_provider(self.account)

    def count_calls(self, simulator: Simulator) -> int:
        return len(simulator.requests(system=self.system))

    def fail_on(self, operation: Operation) -> type[ProviderError]:
        """What an operation raises when it was sent and nothing usable came back."""
        return OutcomeUnknown if operation.is_write else Unavailable

    def expect(self, operation: Operation, stock: Stock, kind: type[ProviderError]) -> Any:
        with pytest.raises(ProviderError) as caught:
            operation.run(self.provider, stock)
        assert type(caught.value) is kind
        assert (caught.value.account, caught.value.operation) == (self.account, operation.endpoint)
        return caught.value

    # -- the good case ------------------------------------------------------------------------------------------------

    def test_it_works_and_is_logged_once(self, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        before = self.count_calls(simulator)
        operation.run(self.provider, stock)
        sent = simulator.requests(operation.endpoint, self.system)
        rows = list(ProviderCall.objects.values_list("account", "operation", "outcome", "status"))
        assert set(rows) == {(self.account, operation.endpoint, "ok", sent[-1]["status"])}
        assert len(rows) == self.count_calls(simulator) - before
        assert ProviderAccount.objects.get(slug=self.account).last_success_at is not None

    def test_the_log_holds_no_secret(self, operation: Operation, stock: Stock) -> None:
        operation.run(self.provider, stock)
        read_line(self.provider, stock)
        logged = "\n".join(f"{row.path} {row.request} {row.reply} {row.error}" for row in ProviderCall.objects.all())
        assert [secret for secret in stock.secrets if secret in logged] == []
        assert logged.count("[redacted]") >= 1

    def test_it_keeps_within_its_budget(
        self, operation: Operation, stock: Stock, simulator: Simulator, configure: Configure
    ) -> None:
        self.switch_on(configure, simulator, **self.limit_to(operation.endpoint, 1))
        RateSlot.objects.create(account=self.account, operation=operation.endpoint, number=0, used_at=timezone.now())
        before = self.count_calls(simulator)
        error = self.expect(operation, stock, RateLimited)
        assert 55 * SECOND < error.retry_after <= 62 * SECOND
        assert self.count_calls(simulator) == before

    # -- nothing was sent ---------------------------------------------------------------------------------------------

    def test_nobody_listens(
        self, operation: Operation, stock: Stock, simulator: Simulator, configure: Configure
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.switch_on(configure, simulator, url=f"http://127.0.0.1:{port}")
        self.expect(operation, stock, NotSent)
        assert ProviderCall.objects.get().outcome == "not_sent"
        assert "could not be reached" in ProviderAccount.objects.get(slug=self.account).last_failure

    def test_the_name_does_not_resolve(
        self,
        operation: Operation,
        stock: Stock,
        simulator: Simulator,
        configure: Configure,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(*_args: object, **_options: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        self.switch_on(configure, simulator, url="http://no-such-host.invalid")
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        self.expect(operation, stock, NotSent)

    def test_what_is_not_offered_is_not_sent(
        self,
        operation: Operation,
        stock: Stock,
        simulator: Simulator,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        without = self.provider.offered - {operation.capability}
        monkeypatch.setattr(type(self.provider), "offered", property(lambda _self: without))
        before = self.count_calls(simulator)
        with pytest.raises(NotOffered):
            operation.run(self.provider, stock)
        assert self.count_calls(simulator) == before
        assert not ProviderCall.objects.exists()

    def test_a_paused_account_sends_nothing(self, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        ProviderAccount.objects.filter(slug=self.account).update(is_paused=True)
        before = self.count_calls(simulator)
        assert self.expect(operation, stock, NotSent).code == "paused"
        assert self.count_calls(simulator) == before

    def test_it_refuses_to_run_inside_a_transaction(
        self, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        before = self.count_calls(simulator)
        with pytest.raises(RuntimeError, match="inside a transaction"), transaction.atomic():
            operation.run(self.provider, stock)
        assert self.count_calls(simulator) == before

    # -- the provider says no -----------------------------------------------------------------------------------------

    def test_a_refusal_is_final(self, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        simulator.order_fault(
            "status_before", operation.endpoint, system=self.system, status=400, code="BAD", message="No such thing"
        )
        error = self.expect(operation, stock, Rejected)
        assert (error.code, error.mend) == ("BAD", None)
        assert "No such thing" in error.message
        assert ProviderCall.objects.get().outcome == "rejected"

    @pytest.mark.parametrize("status", [401, 403])
    def test_wrong_credentials_can_be_mended(
        self, status: int, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        simulator.order_fault("status_before", operation.endpoint, system=self.system, status=status)
        assert self.expect(operation, stock, Rejected).mend is Mend.CREDENTIALS
        assert ProviderAccount.objects.get(slug=self.account).last_failure_at is not None

    @pytest.mark.parametrize("style", ["seconds", "date"])
    def test_a_rate_limit_holds_everybody_back(
        self, style: str, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        simulator.order_fault("rate_limited", operation.endpoint, system=self.system, retry_after=30, style=style)
        error = self.expect(operation, stock, RateLimited)
        assert 28 * SECOND <= error.retry_after <= 31 * SECOND
        assert ProviderCall.objects.get().outcome == "rate_limited"
        # From now on it is known, and nothing is sent before the time has come.
        before = self.count_calls(simulator)
        again = self.expect(operation, stock, RateLimited)
        assert again.code == "budget"
        assert 25 * SECOND <= again.retry_after <= 31 * SECOND
        assert self.count_calls(simulator) == before

    def test_a_rate_limit_without_a_time_has_a_default(
        self, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        simulator.order_fault("status_before", operation.endpoint, system=self.system, status=429)
        assert self.expect(operation, stock, RateLimited).retry_after > SECOND
        assert RatePause.objects.get(account=self.account, operation=operation.endpoint).until > timezone.now()

    # -- sent, and no usable answer -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_broken_server(self, status: int, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        simulator.order_fault("status_before", operation.endpoint, system=self.system, status=status)
        assert self.expect(operation, stock, self.fail_on(operation)).code == str(status)

    @pytest.mark.parametrize("status", [301, 307, 408])
    def test_a_status_that_says_nothing_about_the_effect(
        self, status: int, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        headers = {"Location": f"{simulator.url}/{self.system}/elsewhere"}
        before = self.count_calls(simulator)
        simulator.order_fault(
            "status_before", operation.endpoint, system=self.system, times=None, status=status, headers=headers
        )
        self.expect(operation, stock, self.fail_on(operation))
        # No redirect was followed and nothing was sent again.
        assert self.count_calls(simulator) == before + 1

    def test_a_server_that_is_down_may_say_for_how_long(
        self, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        simulator.order_fault(
            "status_before", operation.endpoint, system=self.system, status=503, headers={"Retry-After": "17"}
        )
        error = self.expect(operation, stock, self.fail_on(operation))
        if not operation.is_write:
            assert error.retry_after == 17 * SECOND
        assert self.expect(operation, stock, RateLimited).retry_after > 15 * SECOND

    @pytest.mark.parametrize("kind", ["reset_before", "close_before", "reset_after", "close_after"])
    def test_the_connection_ends(self, kind: str, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        before = self.count_calls(simulator)
        simulator.order_fault(kind, operation.endpoint, system=self.system)
        self.expect(operation, stock, self.fail_on(operation))
        assert self.count_calls(simulator) == before + 1
        assert ProviderCall.objects.get().outcome == ("unknown" if operation.is_write else "failed")

    def test_no_answer_in_time(
        self, operation: Operation, stock: Stock, simulator: Simulator, settings: Settings
    ) -> None:
        settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 0.3
        simulator.order_fault("hang_after", operation.endpoint, system=self.system, seconds=1.0)
        assert "in time" in self.expect(operation, stock, self.fail_on(operation)).message

    def test_a_reply_that_is_cut_off(self, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        simulator.order_fault("cut_body", operation.endpoint, system=self.system)
        self._expect_unread(operation, stock)

    @pytest.mark.parametrize("kind", ["wrong_json", "empty_body", "html_body"])
    def test_a_reply_that_is_no_json(self, kind: str, operation: Operation, stock: Stock, simulator: Simulator) -> None:
        simulator.order_fault(kind, operation.endpoint, system=self.system)
        self._expect_unread(operation, stock)

    @pytest.mark.parametrize("body", ["null", "[]", "{}", "17", '"text"', '{"items": 5, "esims": 5, "iccids": {}}'])
    def test_a_reply_that_is_other_json(
        self, body: str, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        simulator.order_fault("replace_body", operation.endpoint, system=self.system, body=body)
        self._expect_unread(operation, stock)

    def _expect_unread(self, operation: Operation, stock: Stock) -> None:
        if operation.reads_body:
            self.expect(operation, stock, self.fail_on(operation))
        else:
            operation.run(self.provider, stock)

    # -- strange, and yet usable --------------------------------------------------------------------------------------

    def test_unknown_words_and_new_fields_never_raise(
        self, operation: Operation, stock: Stock, simulator: Simulator
    ) -> None:
        simulator.order_fault("unknown_words", operation.endpoint, system=self.system, word="SOMETHING_NEW")
        simulator.order_fault("extra_fields", operation.endpoint, system=self.system)
        operation.run(self.provider, stock)

    # -- what it says of itself ---------------------------------------------------------------------------------------

    def test_what_is_declared_is_written(self, stock: Stock) -> None:
        provider = self.provider
        assert provider.adapter == self.adapter
        assert provider.offered <= provider.capabilities
        assert provider.repeatable <= provider.capabilities
        for capability in provider.capabilities:
            for method in OPERATIONS[capability]:
                assert getattr(type(provider), method) is not getattr(Provider, method), (capability, method)
        assert type(provider)._check is not Provider._check

    def test_every_offered_operation_is_in_the_suite(self, stock: Stock) -> None:
        tested = {method for operation in self.operations for method in OPERATIONS[operation.capability]}
        offered = {method for capability in self.provider.offered for method in OPERATIONS[capability]}
        assert tested == offered

    def test_its_budgets_are_for_its_operations(self, stock: Stock) -> None:
        assert set(self.provider.budgets) >= {operation.endpoint for operation in self.operations}
        assert all(0 <= budget.reserve < budget.calls for budget in self.provider.budgets.values())

    def test_a_sent_order_is_not_given_up_while_it_may_be_answered(self, stock: Stock, settings: Settings) -> None:
        longest = settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_ORDER_READ_TIMEOUT
        assert self.provider.order_deadline > timedelta(seconds=longest)

    def test_an_order_out_of_range_is_not_sent(self, stock: Stock, simulator: Simulator) -> None:
        before = self.count_calls(simulator)
        for quantity in (-1, 0, self.provider.max_order_quantity + 1):
            with pytest.raises(NotOffered):
                self.provider.send_order(
                    OrderRequest(plan_ref=stock.plan_ref, quantity=quantity, idempotency_key="range")
                )
        assert self.count_calls(simulator) == before

    def test_check_is_one_call(self, stock: Stock, simulator: Simulator) -> None:
        before = self.count_calls(simulator)
        self.provider.check()
        assert self.count_calls(simulator) == before + 1
