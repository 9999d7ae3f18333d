"""What happens at the provider and on travellers' phones, ordered from the simulator by its control calls."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from providers.models import ProviderAccount

TIMEOUT_SECONDS = 30.0


class DemoProvider:
    """The simulator behind the accounts of this environment."""

    def __init__(self) -> None:
        parts = urlsplit(settings.PROVIDERS["esim-commerce"]["url"])
        self._base = f"{parts.scheme}://{parts.netloc}/_control"
        self._session = requests.Session()
        # It runs on this machine: no proxy has anything to do with it.
        self._session.trust_env = False

    def set_days_back(self, days: int) -> None:
        """Let it live so many days before now; 0 is real time."""
        self._call("/clock", {"offset": -days * 86_400})

    def order_fault(self, kind: str, *, plan_code: str, system: str, **parameters: Any) -> None:
        """The next order of this plan meets the fault, once."""
        match = {"planCode": plan_code}
        fault = {"kind": kind, "endpoint": "order", "system": system, "times": 1, "match": match, **parameters}
        self._call("/faults", fault)

    def happen(self, event: str, *, iccid: str, system: str, **details: Any) -> None:
        """Something happens to a line: download, install, connect, use (``kb``)."""
        self._call(f"/{system}/lines/{iccid}", {"event": event, **details})

    def _call(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self._session.post(self._base + path, json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()


def find_system(account: ProviderAccount) -> str:
    """The simulator's name of the system that this account is at."""
    return str(urlsplit(settings.PROVIDERS[account.slug]["url"]).path).strip("/")
