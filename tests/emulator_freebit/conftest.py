"""An office whose contract is at a stand-in of freebit of the test's choice, set up by the environment alone."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pytest_django import Settings

from config.settings import freebit
from providers.base import Provider
from providers.registry import ensure_accounts, get_provider
from tests.emulator_freebit.office import Office
from tests.emulator_freebit.quirks import VARIANTS, Quirks
from tests.emulator_freebit.server import OEM_ID, OEM_KEY, FreebitHouse

OpenOffice = Callable[..., Office]


@pytest.fixture
def open_office(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[OpenOffice]:
    """``open_office(quirks, uses_ums=False, allows_other=False, **environment)`` starts a house and points at it."""
    caplog.set_level(logging.INFO)
    settings.HTTP_CONNECT_TIMEOUT, settings.HTTP_READ_TIMEOUT, settings.HTTP_ORDER_READ_TIMEOUT = 2.0, 3.0, 5.0
    with ExitStack() as stack:

        def start(
            quirks: Quirks | None = None, *, uses_ums: bool = False, allows_other: bool = False, **environment: str
        ) -> Office:
            house = FreebitHouse(quirks or Quirks(), uses_ums=uses_ums, allows_other=allows_other)
            stack.enter_context(house.running())
            values = {
                "URL": house.url,
                "OEM_ID": OEM_ID,
                "OEM_KEY": OEM_KEY,
                "USES_UMS": str(int(uses_ums)),
                "ALLOW_ALADIN_OTHER": str(int(allows_other)),
                "LIMITS": json.dumps({"auth": None, "activate": None}),
                **environment,
            }
            for name, value in values.items():
                monkeypatch.setenv(f"FREEBIT_{name}", value)
            settings.PROVIDERS = {"freebit": freebit()}
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


@pytest.fixture
def house(office: Office) -> FreebitHouse:
    """The house of that office."""
    return office.emulator


@pytest.fixture
def provider(office: Office) -> Provider:
    """Our adapter for that house."""
    return get_provider(office.account.slug)
