"""The accounts of these tests, on the simulator."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator

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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A conformance test that takes ``operation`` runs once for each that its suite names."""
    if "operation" in metafunc.fixturenames and metafunc.cls is not None:
        metafunc.parametrize("operation", metafunc.cls.operations, ids=str)
