"""What tests of buying start from."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from orders.checkpoints import install_hook
from providers import registry
from tests.orders import fakes


@pytest.fixture
def wholesaler(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[fakes.Wholesaler]:
    """The wholesaler of ``fakes``, with its accounts configured and its books empty."""
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes.ACCOUNTS}
    fakes.WHOLESALER.reset()
    yield fakes.WHOLESALER
    fakes.WHOLESALER.reset()


@pytest.fixture(autouse=True)
def _no_hook() -> Iterator[None]:
    """A test's hook ends with the test."""
    yield
    install_hook(None)
