"""What tests of buying start from."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from orders.checkpoints import install_hook
from providers import registry
from tests.orders import fakes, fakes_lines
from tests.simulator_cards import NOWHERE, PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, CardService
from tests.simulator_client import KEYS, PRODUCTION, Simulator
from tests.simulator_freebit import OEM_ID, OEM_KEY, SYSTEM, Freebit


@pytest.fixture
def wholesaler(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[fakes.Wholesaler]:
    """The wholesaler of ``fakes``, with its accounts configured and its books empty."""
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes.ACCOUNTS}
    fakes.WHOLESALER.reset()
    yield fakes.WHOLESALER
    fakes.WHOLESALER.reset()


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[fakes_lines.Allocator]:
    """The wholesaler of ``fakes_lines``, which allocates after the order and tops lines up; its books are empty."""
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes_lines.ADAPTERS})
    settings.PROVIDERS = {**settings.PROVIDERS, **fakes_lines.ACCOUNTS}
    fakes_lines.ALLOCATOR.reset()
    yield fakes_lines.ALLOCATOR
    fakes_lines.ALLOCATOR.reset()


@pytest.fixture(autouse=True)
def _no_hook() -> Iterator[None]:
    """A test's hook ends with the test."""
    yield
    install_hook(None)


@pytest.fixture
def wire(settings: Settings, simulator: Simulator) -> Simulator:
    """eSIM Commerce at the simulator, over real HTTP, with short time-outs and no limits on its side."""
    simulator.set_limits(multiplier=0)
    keys = KEYS[PRODUCTION]
    settings.PROVIDERS = {
        "esim-commerce": {
            **settings.PROVIDERS["esim-commerce"],
            "url": simulator.production_url,
            "key_id": keys.key_id,
            "key_secret": keys.key_secret,
            "currency": "USD",
            "limits": {"order": 1000, "transaction": 1000},
        }
    }
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 1.0
    return simulator


@pytest.fixture
def freebit(settings: Settings, simulator: Simulator) -> Freebit:
    """freebit at the simulator, over real HTTP, as the only account; its budgets are no matter of these tests."""
    settings.PROVIDERS = {
        "freebit": {
            **settings.PROVIDERS["freebit"],
            "url": f"{simulator.url}/{SYSTEM}",
            "oem_id": OEM_ID,
            "oem_key": OEM_KEY,
            "limits": {"auth": 1000, "activate": 1000},
        }
    }
    settings.HTTP_CONNECT_TIMEOUT = settings.HTTP_READ_TIMEOUT = settings.HTTP_ORDER_READ_TIMEOUT = 2.0
    return Freebit(simulator)


@pytest.fixture
def cards(settings: Settings, simulator: Simulator, wholesaler: fakes.Wholesaler) -> CardService:
    """The payment service at the simulator, over real HTTP; its events wait there until a test brings them in."""
    service = CardService(simulator)
    settings.STRIPE_URL, settings.STRIPE_SECRET_KEY = service.url, SECRET_KEY
    settings.STRIPE_PUBLISHABLE_KEY, settings.STRIPE_WEBHOOK_SECRET = PUBLISHABLE_KEY, WEBHOOK_SECRET
    settings.STRIPE_CONNECT_TIMEOUT = settings.STRIPE_READ_TIMEOUT = 1.0
    service.set_webhook(NOWHERE)
    return service
