"""The good case, and all the cases in which nothing may be sent."""

import socket
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from providers.errors import NotOffered, NotSent
from providers.models import ProviderAccount, ProviderCall, RateSlot
from providers.types import RateBudget
from tests.providers.conformance.exchanges import Exchanges
from tests.providers.conformance.ground import SECOND, CallGround, Configure
from tests.providers.conformance.operations import Operation, Stock


class SendingTests(CallGround):
    def test_it_works_and_every_call_is_logged_once(self, operation: Operation, stock: Stock) -> None:
        before = len(self.list_arrivals())
        operation.run(self.provider, stock)
        assert self.list_arrivals()[before:] == self.to_endpoints(operation.calls)
        sent = self.simulator.requests(system=self.system)[before:]
        rows = ProviderCall.objects.order_by("pk").values_list("account", "operation", "outcome", "status")
        assert list(rows) == [
            (self.account, name, "ok", call["status"]) for name, call in zip(operation.calls, sent, strict=True)
        ]
        account = ProviderAccount.objects.get(slug=self.account)
        assert account.last_success_at is not None
        assert account.last_failure_at is None

    def test_the_log_holds_no_secret(self, operation: Operation, stock: Stock, exchanges: Exchanges) -> None:
        operation.run(self.provider, stock)
        rows = list(ProviderCall.objects.all())
        logged = "\n".join(f"{row.path} {row.request} {row.reply} {row.error}" for row in rows)
        assert [secret for secret in stock.secrets if secret in logged] == []
        if any(secret in exchanges.text for secret in stock.secrets):
            assert logged.count("[redacted]") >= 1

    def test_it_keeps_within_its_budget(
        self, operation: Operation, stock: Stock, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scope = self.scope_of(operation.name)
        changes = self.limit_to_one(operation.name)
        if changes is None:
            real = self.provider.budgets
            one = RateBudget(calls=1, seconds=60, scope=real[operation.name].scope)
            narrow = {name: one if self.scope_of(name) == scope else budget for name, budget in real.items()}
            monkeypatch.setattr(type(self.provider), "budgets", property(lambda _self: narrow))
        else:
            self.switch_on(configure, self.simulator, **changes)
        budget = self.provider.budgets[operation.name]
        window = timedelta(seconds=budget.seconds + budget.margin)
        assert (budget.calls, window >= timedelta(minutes=1)) == (1, True)
        RateSlot.objects.filter(account=self.account, operation=scope).delete()
        RateSlot.objects.create(account=self.account, operation=scope, number=0, used_at=timezone.now())
        assert window - 10 * SECOND < self.expect_held_back(operation, stock) <= window

    # -- nothing was sent ---------------------------------------------------------------------------------------------

    def test_nobody_listens(self, operation: Operation, stock: Stock, configure: Configure) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.switch_on(configure, self.simulator, url=f"http://127.0.0.1:{port}")
        self.expect(operation, stock, NotSent, calls=(), name=operation.calls[0])
        assert [outcome for _name, outcome in self.list_outcomes()] == ["not_sent"]
        assert "could not be reached" in ProviderAccount.objects.get(slug=self.account).last_failure

    def test_the_name_does_not_resolve(
        self, operation: Operation, stock: Stock, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = socket.getaddrinfo

        def refuse(host: str, *arguments: Any, **options: Any) -> Any:
            if host == "no-such-host.invalid":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return real(host, *arguments, **options)

        self.switch_on(configure, self.simulator, url="http://no-such-host.invalid")
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        self.expect(operation, stock, NotSent, calls=(), name=operation.calls[0])
        assert [outcome for _name, outcome in self.list_outcomes()] == ["not_sent"]

    def test_what_is_not_offered_is_not_sent(
        self, operation: Operation, stock: Stock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        without = self.provider.offered - {operation.capability}
        monkeypatch.setattr(type(self.provider), "offered", property(lambda _self: without))
        error = self.expect(operation, stock, NotOffered, calls=(), name=operation.capability.value)
        assert error.message == f"{operation.capability.value} is not offered by this provider"
        assert not ProviderCall.objects.exists()

    def test_a_paused_account_sends_nothing(self, operation: Operation, stock: Stock) -> None:
        ProviderAccount.objects.filter(slug=self.account).update(is_paused=True)
        name = operation.calls[0]
        assert self.expect(operation, stock, NotSent, calls=(), name=name).code == "paused"
        assert not ProviderCall.objects.exists()

    def test_it_refuses_to_run_inside_a_transaction(self, operation: Operation, stock: Stock) -> None:
        before = self.list_arrivals()
        with pytest.raises(RuntimeError, match="inside a transaction"), transaction.atomic():
            operation.run(self.provider, stock)
        assert self.list_arrivals() == before
