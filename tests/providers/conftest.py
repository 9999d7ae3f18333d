"""The accounts of these tests, on the simulator."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from providers import wire
from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator

# The suite's own assertions should say what they saw; it is no test module by its name.
pytest.register_assert_rewrite("tests.providers.conformance")

from tests.providers.conformance.exchanges import Exchanges  # noqa: E402
from tests.providers.conformance.suite import parametrize  # noqa: E402

ACCOUNTS = {"esim-commerce": PRODUCTION, "esim-commerce-sandbox": SANDBOX}


@pytest.fixture
def configure(settings: Settings) -> Callable[..., None]:
    """Change settings of one account for this test: ``configure("esim-commerce", currency="")``."""

    def change(slug: str, **values: Any) -> None:
        settings.PROVIDERS = {**settings.PROVIDERS, slug: {**settings.PROVIDERS[slug], **values}}

    return change


@pytest.fixture
def accounts(configure: Callable[..., None], simulator: Simulator) -> Simulator:
    """Both contracts switched on, talking to the simulator."""
    for slug, system in ACCOUNTS.items():
        configure(
            slug,
            url=f"{simulator.url}/{system}",
            key_id=KEYS[system].key_id,
            key_secret=KEYS[system].key_secret,
            currency="EUR",
        )
    return simulator


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> Exchanges:
    """All HTTP of this test as it goes over the wire; it can be played back with changes."""
    watched = Exchanges()
    monkeypatch.setattr(wire, "exchange", watched.exchange)
    return watched


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of the conformance suites run once for each operation that a suite names."""
    parametrize(metafunc)
