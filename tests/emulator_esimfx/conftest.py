"""An office whose account is at a stand-in of eSIMfx of the test's choice, set up by the environment alone."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pytest_django import Settings

from config.settings import esimfx
from providers.base import Provider
from providers.registry import ensure_accounts, get_provider
from tests.emulator_esimfx.office import Office
from tests.emulator_esimfx.quirks import VARIANTS, Quirks
from tests.emulator_esimfx.server import BLOCK_PATH, CLIENT_ID, CLIENT_KEY, FxHouse
from tests.emulator_esimfx.wording import CODES

OpenOffice = Callable[..., Office]
HOOK_TOKEN = "hooktok-51c7e0b9"
#: What the house's contract would tell of its codes.
_MEANINGS = {"balance": "balance", "product": "final", "topup": "final", "state": "final", "parameter": "final"}


def describe_codes(quirks: Quirks) -> str:
    """``ESIMFX_REFUSALS`` for a house: its own codes, and how it says that a token is over."""
    place = 0 if quirks.codes == "numbers" else 1
    told = {str(CODES[reason][place]): meaning for reason, meaning in _MEANINGS.items()}
    return json.dumps(told | {str(quirks.token_refused[1]): "credentials"})


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
            house = stack.enter_context(FxHouse(quirks or Quirks()).running())
            values = {
                "URL": house.url,
                "CLIENT_ID": CLIENT_ID,
                "CLIENT_KEY": CLIENT_KEY,
                "WEBHOOK_TOKEN": HOOK_TOKEN,
                "BLOCK_PATH": f"POST {BLOCK_PATH}",
                "BARE_TOKEN": "1" if house.quirks.scheme == "none" else "0",
                "LIMITS": json.dumps({"calls": None}),
                "REFUSALS": describe_codes(house.quirks),
                **environment,
            }
            for name, value in values.items():
                monkeypatch.setenv(f"ESIMFX_{name}", value)
            settings.PROVIDERS = {"esimfx": esimfx()}
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
def house(office: Office) -> FxHouse:
    """The house of that office."""
    return office.emulator


@pytest.fixture
def provider(office: Office) -> Provider:
    """Our adapter for that house."""
    return get_provider(office.account.slug)
