"""Who is tested: found by looking at the suites that exist, so that nobody has to keep a list."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from providers.base import Provider
from providers.types import Capability
from tests.providers.conformance.operations import find_methods
from tests.providers.conformance.suite import ProviderConformance
from tests.providers.conformance.webhooks import WebhookConformance

T = TypeVar("T")


def find_all_suites() -> list[type[ProviderConformance]]:
    """Every subclass of the suite that pytest collects."""
    return _find_below(ProviderConformance)  # type: ignore[type-abstract]


def find_webhook_suites() -> list[type[WebhookConformance]]:
    """The same for webhooks."""
    return _find_below(WebhookConformance)  # type: ignore[type-abstract]


def _find_below(root: type[T]) -> list[type[T]]:
    found = list(root.__subclasses__())
    for suite in found:
        found.extend(suite.__subclasses__())
    return [suite for suite in found if suite.__name__.startswith("Test")]


def find_missing_suites(adapters: Collection[str]) -> set[str]:
    """Registered adapters that no suite covers."""
    return set(adapters) - {suite.adapter for suite in find_all_suites()}


def find_untested(adapters: Mapping[str, type[Provider]]) -> set[tuple[str, str]]:
    """(adapter, operation) for what an adapter declares and no suite of it runs."""
    tested = {(suite.adapter, operation.method) for suite in find_all_suites() for operation in suite.operations}
    tested |= {(suite.adapter, Capability.WEBHOOKS.value) for suite in find_webhook_suites()}
    declared = {
        (name, method)
        for name, adapter in adapters.items()
        for capability in adapter.capabilities
        for method in _name_operations(capability)
    }
    return declared - tested


def _name_operations(capability: Capability) -> Collection[str]:
    return {capability.value} if capability is Capability.WEBHOOKS else find_methods(capability)
