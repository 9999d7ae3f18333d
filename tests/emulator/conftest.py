"""An office whose accounts are at a stand-in of the test's choice, set up by the environment alone."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django import Settings

from config.settings import esim_commerce
from providers.registry import ensure_accounts
from tests.emulator.office import Office
from tests.emulator.quirks import VARIANTS, Quirks
from tests.emulator.server import KEY_ID, KEY_SECRET, Emulator

OpenOffice = Callable[..., Office]
#: No budgets of ours: the tests that need them say so.
_UNLIMITED = dict.fromkeys(("plans", "order", "status", "transaction", "control", "usage"))


@pytest.fixture
def open_office(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[OpenOffice]:
    """``open_office(quirks, sandbox=False, **environment)`` starts a house and points Roamdesk at it."""
    caplog.set_level(logging.INFO)
    settings.HTTP_CONNECT_TIMEOUT, settings.HTTP_READ_TIMEOUT, settings.HTTP_ORDER_READ_TIMEOUT = 2.0, 3.0, 5.0
    settings.PURCHASE_INQUIRY_SPACING_SECONDS = 0.0
    with ExitStack() as stack:

        def start(quirks: Quirks | None = None, *, sandbox: bool = False, **environment: Any) -> Office:
            emulator = stack.enter_context(Emulator(quirks or Quirks(), sandbox=sandbox).running())
            prefix = "ESIM_COMMERCE_SANDBOX" if sandbox else "ESIM_COMMERCE"
            values = {
                "URL": emulator.url + "/",
                "KEY_ID": KEY_ID,
                "KEY_SECRET": KEY_SECRET,
                "CURRENCY": "USD",
                "PATHS": json.dumps(dict(emulator.quirks.paths)),
                "LIMITS": json.dumps(_UNLIMITED),
                **environment,
            }
            for name, value in values.items():
                monkeypatch.setenv(f"{prefix}_{name}", value)
            slug = prefix.lower().replace("_", "-")
            settings.PROVIDERS = {slug: esim_commerce(prefix, sandbox=sandbox)}
            (account,) = ensure_accounts()
            return Office(emulator, account, caplog)

        yield start


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> Quirks:
    """Each of the four houses in its turn."""
    return VARIANTS[request.param]


@pytest.fixture
def house(variant: Quirks, open_office: OpenOffice) -> Office:
    """An office at each of the four houses."""
    return open_office(variant)
