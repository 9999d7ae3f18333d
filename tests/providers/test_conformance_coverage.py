"""No adapter, no account and no declared capability without its conformance suite."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import isroutine
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from pytest_django.fixtures import Settings

from providers import registry
from providers.base import CONTROLS, OPERATIONS, Provider
from providers.types import Capability, PlanPage, RateBudget
from tests.providers.conformance.coverage import (
    find_all_suites,
    find_missing_suites,
    find_untested,
    find_webhook_suites,
)
from tests.providers.conformance.operations import PROTOTYPES, WITHOUT_OPERATION, find_methods
from tests.providers.conformance.tokens import TokenConformance


class UntestedProvider(Provider):
    """An adapter that somebody registered and never put to the test."""

    adapter = "untested"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LIST_PLANS})

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> Self:
        del values
        return cls(account)

    @property
    def budgets(self) -> Mapping[str, RateBudget]:
        return {}

    def _list_plans(
        self, *, country: str, region: str, carrier: str, include_roaming: bool, first_page: int, cursor: str
    ) -> Iterator[PlanPage]:
        del country, region, carrier, include_roaming, first_page, cursor
        return iter(())


class TooMuchDeclared(UntestedProvider):
    """An adapter with a suite that grew, and its suite did not."""

    adapter = "esim_commerce"
    capabilities = frozenset(
        {Capability.LIST_PLANS, Capability.USAGE_BY_DAY, Capability.TOP_UP, Capability.WEBHOOKS, Capability.REVOKE}
    )


@pytest.fixture(autouse=True)
def all_suites() -> None:
    for path in sorted(Path(__file__).parent.glob("test_conformance_*.py")):
        import_module(f"tests.providers.{path.stem}")


def test_every_registered_adapter_has_a_suite() -> None:
    assert find_missing_suites(registry.adapters()) == set()


def test_an_adapter_without_a_suite_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.ADAPTERS, "untested", f"{__name__}.UntestedProvider")
    assert registry.adapters()["untested"] is UntestedProvider
    assert find_missing_suites(registry.adapters()) == {"untested"}
    assert find_untested(registry.adapters()) == {("untested", "list_plans")}


def test_every_account_of_the_settings_has_a_suite(settings: Settings) -> None:
    suites = {suite.account: suite.adapter for suite in find_all_suites()}
    assert {slug: values["adapter"] for slug, values in settings.PROVIDERS.items()} == suites


def test_every_declared_capability_is_in_a_suite() -> None:
    assert find_untested(registry.adapters()) == set()


def test_a_capability_that_no_suite_runs_is_noticed() -> None:
    assert find_untested({"esim_commerce": TooMuchDeclared}) == {
        ("esim_commerce", "list_top_ups"),
        ("esim_commerce", "top_up"),
        ("esim_commerce", "webhooks"),
        ("esim_commerce", "revoke"),
    }


def test_every_account_that_is_called_back_has_a_webhook_suite(settings: Settings) -> None:
    suites = {suite.account for suite in find_webhook_suites()}
    called_back = {
        slug
        for slug, values in settings.PROVIDERS.items()
        if Capability.WEBHOOKS in registry.find_adapter(values["adapter"]).capabilities
    }
    assert suites == called_back


def test_every_account_that_signs_in_is_tried_without_its_token() -> None:
    suites = find_all_suites()
    assert [suite.account for suite in suites if bool(suite.sign_in) != issubclass(suite, TokenConformance)] == []


def test_every_capability_has_its_operations() -> None:
    # A capability that is new in the contract is new in the suite.
    assert set(OPERATIONS) == set(Capability)
    assert {capability for capability in Capability if not find_methods(capability)} == WITHOUT_OPERATION
    methods = [operation.method for operation in PROTOTYPES]
    assert len(set(methods)) == len(methods)


def test_every_public_method_of_a_provider_is_known_to_the_suite() -> None:
    # One that is new belongs to the prototypes when it makes calls, and to these when it makes none.
    without_calls = {
        "from_settings",
        "is_configured",
        "require",
        "authenticate_webhook",
        "read_webhook_key",
        "read_webhook",
        "read_completions",
        "build_completed_line",
    }
    methods = {operation.method for operation in PROTOTYPES if operation.capability not in CONTROLS}
    named = methods | {f"send_{method}" for method in methods} | {f"read_{method}_reply" for method in methods}
    named |= {"send_control", "read_control_reply", "check"}
    public = {name for name, value in vars(Provider).items() if isroutine(value) and not name.startswith("_")}
    assert public - named == without_calls
