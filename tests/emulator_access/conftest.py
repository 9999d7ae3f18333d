"""An office whose account is at a stand-in of eSIM Access of the test's choice, set up by the environment alone."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pytest_django import Settings

from config.settings import esim_access
from providers.base import Provider
from providers.registry import ensure_accounts, get_provider
from tests.emulator_access.office import Office
from tests.emulator_access.quirks import VARIANTS, Quirks
from tests.emulator_access.server import ACCESS_CODE, SECRET_KEY, AccessHouse

OpenOffice = Callable[..., Office]
HOOK_SECRET = "hook-7c1f9a5e3b2d4860"
#: No waiting for budgets of ours: the test that needs them says so.
WIDE = json.dumps({"calls": 1000, "seconds": 1})


@pytest.fixture
def open_office(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[OpenOffice]:
    """``open_office(quirks, **environment)`` starts a house and points Roamdesk at it."""
    caplog.set_level(logging.INFO)
    settings.HTTP_CONNECT_TIMEOUT, settings.HTTP_READ_TIMEOUT, settings.HTTP_ORDER_READ_TIMEOUT = 2.0, 3.0, 5.0
    settings.PURCHASE_INQUIRY_SPACING_SECONDS = 0.0
    with ExitStack() as stack:

        def start(quirks: Quirks | None = None, **environment: str) -> Office:
            house = stack.enter_context(AccessHouse(quirks or Quirks()).running())
            values = {
                "URL": house.url,
                "CODE": ACCESS_CODE,
                "SECRET_KEY": SECRET_KEY,
                "WEBHOOK_SECRET": HOOK_SECRET,
                "LIMITS": WIDE,
                **environment,
            }
            if "LIMITS" not in environment:
                house.limit = None
            for name, value in values.items():
                monkeypatch.setenv(f"ESIM_ACCESS_{name}", value)
            settings.PROVIDERS = {"esim-access": esim_access()}
            (account,) = ensure_accounts()
            return Office(house, account, caplog)

        yield start


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> Quirks:
    """Each of the houses in its turn."""
    return VARIANTS[request.param]


@pytest.fixture
def office(variant: Quirks, open_office: OpenOffice) -> Office:
    """An office at each of the houses."""
    return open_office(variant)


@pytest.fixture(params=["live", "gateway"])
def pair(request: pytest.FixtureRequest, open_office: OpenOffice) -> Office:
    """An office at each of the two that differ most, for what happens on our side of the wire."""
    return open_office(VARIANTS[request.param])


@pytest.fixture
def house(office: Office) -> AccessHouse:
    """The house of that office."""
    return office.emulator


@pytest.fixture
def provider(office: Office) -> Provider:
    """Our adapter for that house."""
    return get_provider(office.account.slug)
