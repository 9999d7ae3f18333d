"""The office's accounts at the simulated wholesalers, as entries of ``settings.PROVIDERS`` and as an environment."""

import json
from collections.abc import Mapping
from typing import Any

from tests.simulator_access import ACCESS_CODE, SECRET_KEY
from tests.simulator_client import KEYS, PRODUCTION, SANDBOX, Simulator
from tests.simulator_esimfx import BLOCK_PATH, CLIENT_ID, CLIENT_KEY, WEBHOOK_TOKEN
from tests.simulator_freebit import OEM_ID, OEM_KEY

Entries = Mapping[str, Mapping[str, Any]]
#: Far above what journeys need: budgets have tests of their own.
_LIMITS = dict.fromkeys(("plans", "order", "status", "transaction", "control", "usage"), 3000)


def make_entries(simulator: Simulator) -> Entries:
    """What each account is told, by its slug."""
    return {
        "esim-commerce": _commerce(simulator, PRODUCTION, "USD"),
        "esim-commerce-sandbox": _commerce(simulator, SANDBOX, "EUR"),
        "esim-access": {
            "url": f"{simulator.url}/access",
            "code": ACCESS_CODE,
            "secret_key": SECRET_KEY,
            "webhook_secret": "an-unguessable-path-of-the-journeys",
            "limits": {"calls": 1000},
        },
        "esimfx": {
            "url": f"{simulator.url}/esimfx",
            "client_id": CLIENT_ID,
            "client_key": CLIENT_KEY,
            "webhook_token": WEBHOOK_TOKEN,
            "block_path": f"POST {BLOCK_PATH}",
            "limits": {"calls": None},
        },
        "freebit": {
            "url": f"{simulator.url}/freebit",
            "oem_id": OEM_ID,
            "oem_key": OEM_KEY,
            "limits": {"auth": None, "activate": None},
        },
    }


def write_environment(entries: Entries) -> dict[str, str]:
    """The variables that make them."""
    return {
        f"{slug.upper().replace('-', '_')}_{name.upper()}": json.dumps(value) if isinstance(value, dict) else value
        for slug, values in entries.items()
        for name, value in values.items()
    }


def _commerce(simulator: Simulator, system: str, currency: str) -> Mapping[str, Any]:
    return {
        "url": f"{simulator.url}/{system}",
        "key_id": KEYS[system].key_id,
        "key_secret": KEYS[system].key_secret,
        "currency": currency,
        "limits": _LIMITS,
    }
