"""Fixtures for the catalogue's tests."""

import pytest
from pytest_django import Settings

from providers import registry
from providers.models import ProviderAccount
from tests.catalog.making import make_offer
from tests.catalog.shelf import CARRIER, SLUG, Shelf, ShelfProvider
from tests.catalog.syncing import read
from tests.simulator_client import KEYS, PRODUCTION, Simulator


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Shelf:
    """A registered adapter whose catalogue is a list; its account is the only one that is set up."""
    monkeypatch.setitem(registry.ADAPTERS, "shelf", "tests.catalog.shelf.ShelfProvider")
    settings.PROVIDERS = {SLUG: {"adapter": "shelf", "name": "Shelf", "on": True}}
    stock = Shelf()
    monkeypatch.setattr(ShelfProvider, "shelf", stock)
    return stock


@pytest.fixture
def account(shelf: Shelf, db: None) -> ProviderAccount:
    """The shelf's account."""
    return registry.ensure_accounts()[0]


@pytest.fixture
def carrier(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, settings: Settings, db: None) -> ProviderAccount:
    """An account beside the shelf's whose provider lists no plans: staff enter them."""
    monkeypatch.setitem(registry.ADAPTERS, "form", "tests.catalog.shelf.FormProvider")
    settings.PROVIDERS = {**settings.PROVIDERS, CARRIER: {"adapter": "form", "name": "Carrier", "on": True}}
    return registry.ensure_accounts()[-1]


@pytest.fixture
def ten(account: ProviderAccount, shelf: Shelf) -> list[str]:
    """Ten plans, A to J, that one run has added."""
    refs = list("ABCDEFGHIJ")
    shelf.put(make_offer(ref) for ref in refs)
    assert read(account).added == 10
    return refs


@pytest.fixture
def commerce(simulator: Simulator, settings: Settings, db: None) -> ProviderAccount:
    """eSIM Commerce as the simulator plays it: 400 plans."""
    keys = KEYS[PRODUCTION]
    values = {
        **settings.PROVIDERS["esim-commerce"],
        "url": simulator.production_url,
        "key_id": keys.key_id,
        "key_secret": keys.key_secret,
        "currency": "USD",
    }
    settings.PROVIDERS = {"esim-commerce": values}
    return registry.ensure_accounts()[0]
