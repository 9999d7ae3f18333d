"""What happens at the wholesalers and on travellers' phones, ordered from the simulator by its control calls."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from catalog.models import Plan
from esims.models import Esim
from providers.models import ProviderAccount

TIMEOUT_SECONDS = 30.0
ACCESS, ESIMFX, FREEBIT, CARDS = "access", "esimfx", "freebit", "stripe"
#: The name of a plan's code in each system's orders; the two of eSIM Commerce have the default.
_CODE_NAMES = {ACCESS: "packageCode", ESIMFX: "product_id"}
_DEFAULT_CODE_NAME = "planCode"
#: eSIM Commerce counts in KB, the others in bytes.
_COUNTS_BYTES = (ACCESS, ESIMFX)


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
        self._post("/clock", {"offset": -days * 86_400})

    def order_fault(self, kind: str, plan: Plan, **parameters: Any) -> None:
        """The next order of this plan meets the fault, once."""
        system = find_system(plan.account)
        # Where a plan has two ids, orders name the other one.
        match = {_CODE_NAMES.get(system, _DEFAULT_CODE_NAME): plan.alias or plan.plan_ref}
        fault = {"kind": kind, "endpoint": "order", "system": system, "times": 1, "match": match, **parameters}
        self._post("/faults", fault)

    def happen(self, event: str, esim: Esim, **details: Any) -> None:
        """Something happens to a line: download, install, connect."""
        self._post(f"/{find_system(esim.account)}/lines/{esim.provider_ref}", {"event": event, **details})

    def use(self, esim: Esim, amount: int) -> None:
        """So many bytes are used on a line."""
        counted = {"bytes": amount} if find_system(esim.account) in _COUNTS_BYTES else {"kb": amount // 1024}
        self.happen("use", esim, **counted)

    def buy_in_portal(self, plan: Plan) -> None:
        """Somebody buys an eSIM of eSIM Access outside Roamdesk; the same again is the same order."""
        values = settings.PROVIDERS[plan.account.slug]
        body = {
            "transactionId": "bought-in-the-portal",
            "packageInfoList": [{"packageCode": plan.plan_ref, "count": 1}],
        }
        answer = self._session.post(
            f"{values['url']}/api/v1/open/esim/order",
            json=body,
            headers={"RT-AccessCode": values["code"]},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()

    def deposit(self, amount: int) -> None:
        """So many dollars of ours arrive at eSIMfx."""
        answer = self._session.get(f"{self._base}/{ESIMFX}/account", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        self._post(f"/{ESIMFX}/account", {"balance": str(Decimal(answer.json()["balance"]) + amount)})

    def open_portal(self, url: str) -> None:
        """eSIMfx's portal, where people enter the address that is called."""
        self._post(f"/{ESIMFX}/portal", {"url": url})

    def set_card_webhook(self, url: str) -> None:
        """The payment service's page on which people enter the address that is called."""
        self._post(f"/{CARDS}/account", {"webhook": url})

    def pay_card(self, intent_id: str) -> None:
        """A customer pays by card now. Nothing, where that was so already."""
        body = {"event": "pay"}
        answer = self._session.post(f"{self._base}/{CARDS}/intents/{intent_id}", json=body, timeout=TIMEOUT_SECONDS)
        if answer.status_code != requests.codes.bad_request:
            answer.raise_for_status()

    def dispute_card(self, intent_id: str, *, reason: str) -> None:
        """A customer's bank takes a card payment back."""
        self._post(f"/{CARDS}/intents/{intent_id}/dispute", {"reason": reason})

    def send_webhook(self, *, system: str, kind: str, url: str, body: Mapping[str, Any]) -> None:
        """Any call to an address of this machine."""
        self._post("/webhooks", {"action": "send", "system": system, "kind": kind, "url": url, "body": body})

    def count_waiting_webhooks(self) -> int:
        """How many calls to us are not made yet."""
        answer = self._session.get(f"{self._base}/webhooks", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return int(answer.json()["waiting"])

    def complete_activation(self, eid: str, *, code: str) -> None:
        """freebit finishes an activation that it accepted; 100 is success. Nothing, where it has done so already."""
        answer = self._session.post(
            f"{self._base}/{FREEBIT}/complete", json={"eid": eid, "code": code}, timeout=TIMEOUT_SECONDS
        )
        if answer.status_code != requests.codes.not_found:
            answer.raise_for_status()

    def read_completions(self, **wishes: Any) -> bytes:
        """freebit's completion file; wishes as in ``providers/simulator/freebit/control.py``."""
        answer = self._session.get(f"{self._base}/{FREEBIT}/completions", params=wishes, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.content

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self._session.post(self._base + path, json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()


def find_system(account: ProviderAccount) -> str:
    """The simulator's name of the system that this account is at."""
    return str(urlsplit(settings.PROVIDERS[account.slug]["url"]).path).strip("/")
