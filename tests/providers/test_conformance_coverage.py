"""No adapter without a conformance suite."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from pytest_django.fixtures import Settings

from providers import registry
from providers.base import Provider
from providers.types import Capability, PlanPage, RateBudget
from tests.providers.conformance import find_all_suites, find_missing_suites


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


def test_every_account_of_the_settings_has_a_suite(settings: Settings) -> None:
    suites = {suite.account for suite in find_all_suites() if suite.__name__.startswith("Test")}
    assert set(settings.PROVIDERS) - suites == set()
