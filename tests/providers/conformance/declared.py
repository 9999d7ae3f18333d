"""What an adapter says of itself, and that it does nothing beyond that."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from providers.base import CONTROLS, OPERATIONS, Provider
from providers.errors import NotOffered
from providers.models import ProviderCall
from providers.types import (
    ActivationRequest,
    Capability,
    CompletionRow,
    IncomingWebhook,
    OrderRequest,
    ProviderReply,
    TopUpRequest,
    TopUpRule,
    TopUpTerms,
)
from tests.providers.conformance.ground import CallGround
from tests.providers.conformance.operations import PROTOTYPES, WITHOUT_OPERATION, Stock, find_methods

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_REPLY = ProviderReply(operation="x", status=200, headers={}, body=b"{}", complete=True, sent_at=_NOW, received_at=_NOW)


def _list_second_steps(provider: Provider, capability: Capability) -> list[Callable[[], object]]:
    """What a capability offers without a call: each must refuse by itself."""
    order = OrderRequest(plan_ref="x", quantity=1, idempotency_key="x")
    top_up = TopUpRequest(provider_ref="x", iccid="x", plan_ref="x", idempotency_key="x")
    activation = ActivationRequest(eid="x", delivery_code="x", payload={})
    row = CompletionRow(number=1, eid="x", delivery_code="x", account_number="", succeeded=True)
    webhook = IncomingWebhook(path_secret="x", address="127.0.0.1", headers={}, body=b"{}")
    steps: dict[Capability, list[Callable[[], object]]] = {
        Capability.ORDER: [lambda: provider.read_order_reply(_REPLY, order)],
        Capability.TOP_UP: [lambda: provider.read_top_up_reply(_REPLY, top_up)],
        Capability.LINE_ACTIVATION: [
            lambda: provider.read_activation_reply(_REPLY, activation),
            lambda: provider.read_completions(b""),
            lambda: provider.build_completed_line(row, eid="x", delivery_code="x", seen_at=_NOW),
            lambda: provider.activation_rules,
        ],
        Capability.WEBHOOKS: [
            lambda: provider.authenticate_webhook(webhook),
            lambda: provider.read_webhook_key(b"{}"),
            lambda: provider.read_webhook(b"{}"),
        ],
    }
    if capability in CONTROLS:
        return [lambda: provider.read_control_reply(_REPLY, capability)]
    return steps.get(capability, [])


class DeclaredTests(CallGround):
    def test_what_is_declared_is_written(self, stock: Stock) -> None:
        provider = self.provider
        assert provider.adapter == self.adapter
        assert provider.offered <= provider.capabilities
        assert provider.repeatable <= provider.capabilities
        for capability in provider.capabilities:
            for method in OPERATIONS[capability]:
                assert getattr(type(provider), method) is not getattr(Provider, method), (capability, method)
        assert type(provider)._check is not Provider._check

    def test_what_a_top_up_is_subject_to_is_said_before_it_is_paid(self, stock: Stock) -> None:
        terms = self.provider.top_up_terms
        if Capability.TOP_UP in self.provider.capabilities:
            assert (terms.rule is TopUpRule.UNKNOWN, terms.days_add_up is None) == (False, False)
        else:
            assert terms == TopUpTerms()

    def test_every_offered_operation_is_in_the_suite(self, stock: Stock) -> None:
        offered = {(capability, method) for capability in self.provider.offered for method in find_methods(capability)}
        assert {(operation.capability, operation.method) for operation in self.operations} == offered
        labels = [str(operation) for operation in self.operations]
        assert len(set(labels)) == len(labels)

    def test_what_is_not_offered_is_refused_before_anything_is_sent(self, stock: Stock) -> None:
        provider = self.provider
        before = self.list_arrivals()
        missing = set(Capability) - provider.offered
        for operation in PROTOTYPES:
            if operation.capability in missing:
                with pytest.raises(NotOffered) as caught:
                    operation.run(provider, stock)
                assert caught.value.message == f"{operation.capability.value} is not offered by this provider"
                assert (caught.value.code, caught.value.account) == ("not_offered", self.account)
        for capability in missing:
            for step in _list_second_steps(provider, capability):
                with pytest.raises(NotOffered, match=f"^{capability.value} is not offered by this provider$"):
                    step()
        assert {operation.capability for operation in PROTOTYPES} | WITHOUT_OPERATION >= missing
        assert self.list_arrivals() == before
        assert not ProviderCall.objects.exists()

    def test_its_budgets_are_for_its_operations(self, stock: Stock) -> None:
        budgets = self.provider.budgets
        assert set(budgets) >= {name for operation in self.operations for name in operation.calls}
        assert all(0 <= budget.reserve < budget.calls for budget in budgets.values())
        # Who shares a budget must mean the same one.
        assert len({budget.scope for budget in budgets.values() if budget.scope}) == len(
            {budget for budget in budgets.values() if budget.scope}
        )

    def test_a_sent_order_is_not_given_up_while_it_may_be_answered(self, stock: Stock, settings: Settings) -> None:
        longest = settings.HTTP_CONNECT_TIMEOUT + settings.HTTP_ORDER_READ_TIMEOUT
        assert self.provider.order_deadline > timedelta(seconds=longest)

    def test_an_order_out_of_range_is_not_sent(self, stock: Stock) -> None:
        provider = self.provider
        before = self.list_arrivals()
        for quantity in (-1, 0, provider.max_order_quantity + 1):
            request = OrderRequest(plan_ref=stock.plan_ref, quantity=quantity, idempotency_key="range")
            with pytest.raises(ValueError if Capability.ORDER in provider.offered else NotOffered):
                provider.send_order(request)
        assert self.list_arrivals() == before

    def test_a_batch_out_of_range_is_not_sent(self, stock: Stock) -> None:
        provider = self.provider
        before = self.list_arrivals()
        for count in (0, provider.usage_batch + 1):
            with pytest.raises(ValueError if Capability.USAGE_BATCH in provider.offered else NotOffered):
                provider.read_usage([stock.line_ref] * count)
        assert self.list_arrivals() == before

    def test_check_is_one_call(self, stock: Stock) -> None:
        before = len(self.list_arrivals())
        self.provider.check()
        assert len(self.list_arrivals()) == before + 1
        assert [outcome for _name, outcome in self.list_outcomes()] == ["ok"]
