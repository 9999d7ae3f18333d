"""An office whose two accounts are at the simulator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from customers.models import Customer
from esims.lifecycle import register_lines
from esims.models import Esim
from providers import registry
from providers.models import ProviderAccount
from providers.registry import ensure_accounts, get_provider
from tests.catalog.making import make_plan
from tests.esims import fakes
from tests.esims.fakes import Fleet
from tests.esims.making import make_customer
from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator

SLUGS = {PRODUCTION: "esim-commerce", SANDBOX: "esim-commerce-sandbox"}
SellLines = Callable[..., list[Esim]]


@pytest.fixture
def office(db: None, settings: Settings, simulator: Simulator) -> Simulator:
    """Both accounts set up at the simulator, with budgets that no test reaches by accident."""
    simulator.set_limits(multiplier=0)
    urls = {PRODUCTION: simulator.production_url, SANDBOX: simulator.sandbox_url}
    entries: dict[str, dict[str, Any]] = {}
    for system, slug in SLUGS.items():
        entries[slug] = {
            **settings.PROVIDERS[slug],
            "url": urls[system],
            "key_id": KEYS[system].key_id,
            "key_secret": KEYS[system].key_secret,
            "currency": "USD",
            "limits": {"status": 5000, "control": 5000, "usage": 5000},
        }
    settings.PROVIDERS = entries
    settings.HTTP_READ_TIMEOUT = 5.0
    ensure_accounts()
    return simulator


@pytest.fixture
def sell_lines(office: Simulator) -> SellLines:
    """Buy lines from the simulator, past our purchases, and enter them as a delivery is entered."""

    def sell(count: int = 1, *, system: str = PRODUCTION, customer: Customer | None = None) -> list[Esim]:
        code = office.plan_codes(system)[0]
        reply = office.call("POST", "/esim/orders", system=system, json={"planCode": code, "quantity": count})
        assert reply.ok, reply.text
        account = ProviderAccount.objects.get(slug=SLUGS[system])
        provider = get_provider(account.slug)
        return register_lines(
            account=account,
            customer=customer or make_customer(),
            plan=make_plan(account),
            snapshots=[provider.read_line(line["iccid"]) for line in reply.json()["esims"]],
            by="purchase",
        )

    return sell


@pytest.fixture
def fleet(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Accounts at wholesalers in this process: ``fleet``, ``fleet-single`` and ``fleet-mute``."""
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, **fakes.ADAPTERS})
    settings.PROVIDERS = fakes.ACCOUNTS
    ensure_accounts()
    yield from fakes.fresh_fleet()
