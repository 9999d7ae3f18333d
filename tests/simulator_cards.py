"""Drives the simulated payment service in tests: what customers and banks do, and what its books say."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from django.test import Client

from tests.simulator_client import Simulator
from tests.simulator_webhooks import Webhooks

SYSTEM = "stripe"
SECRET_KEY = "sk_test_demo"
PUBLISHABLE_KEY = "pk_test_demo"
WEBHOOK_SECRET = "whsec_demo"
DOOR = "/webhooks/payments/"
#: Nobody listens there: events are kept at the simulator until a test brings them in itself.
NOWHERE = "http://127.0.0.1:9/webhooks/payments/"


@dataclass(frozen=True)
class CardService:
    """The payment service at a running simulator."""

    simulator: Simulator

    @property
    def url(self) -> str:
        """Base address, for STRIPE_URL."""
        return f"{self.simulator.url}/{SYSTEM}"

    def call(self, method: str, path: str, *, key: str = SECRET_KEY, **options: Any) -> requests.Response:
        """A call of the API, for tests that need no client of ours."""
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        return self.simulator._session.request(method, f"{self.url}{path}", headers=headers, timeout=10, **options)

    # What happens there

    def set_webhook(self, url: str) -> None:
        """Where events go."""
        self._control("POST", "/account", {"webhook": url})

    def pay(self, intent_id: str, *, amount: int | None = None, currency: str | None = None) -> dict[str, Any]:
        """The customer pays, perhaps less, or in another currency."""
        return self._move(intent_id, "pay", amount=amount, currency=currency)

    def decline(self, intent_id: str, *, code: str = "insufficient_funds", message: str = "Not enough.") -> None:
        """The card is refused."""
        self._move(intent_id, "decline", code=code, message=message)

    def move(self, intent_id: str, event: str) -> None:
        """`processing` or `requires_action`."""
        self._move(intent_id, event)

    def dispute(self, intent_id: str, **details: Any) -> str:
        """The bank takes the money back, or only asks (`inquiry`); the dispute's id."""
        return str(self._control("POST", f"/intents/{intent_id}/dispute", details)["dispute"]["id"])

    def move_dispute(self, dispute_id: str, status: str) -> None:
        """What the bank decides."""
        self._control("POST", f"/disputes/{dispute_id}", {"status": status})

    def end_refund(self, refund_id: str, status: str) -> None:
        """A refund arrives, or fails."""
        self._control("POST", f"/refunds/{refund_id}", {"status": status})

    def send_event(self, kind: str, document: Any = None, **details: Any) -> str:
        """Any event; its id."""
        return str(self._control("POST", "/events", {"type": kind, "object": document, **details})["id"])

    # What it has

    def objects(self, kind: str = "payment_intent") -> list[dict[str, Any]]:
        """Its objects of a kind, the newest first."""
        found: list[dict[str, Any]] = self._control("GET", f"/objects?kind={kind}")["objects"]
        return found

    def effects(self, *kinds: str) -> list[tuple[str, int]]:
        """What its books say of money, oldest first: kind and amount."""
        rows = self.simulator.effects(SYSTEM)
        return [(row["kind"], row["detail"].get("amount", 0)) for row in rows if not kinds or row["kind"] in kinds]

    def count(self, endpoint: str) -> int:
        """How many calls of an endpoint arrived."""
        return self.simulator.count_requests(endpoint, SYSTEM)

    def order_fault(self, kind: str, endpoint: str, **options: Any) -> int:
        """A fault at the payment service alone."""
        return self.simulator.order_fault(kind, endpoint, system=SYSTEM, **options)

    # Its calls to us

    def list_events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Every event that was sent or tried, oldest first."""
        return Webhooks(self.simulator, SYSTEM).list_all(kind)

    def bring_in(self, *kinds: str, times: int = 1, backwards: bool = False) -> list[int]:
        """Carry events to our door, all or of some kinds; the answers."""
        events = [event for event in self.list_events() if not kinds or event["kind"] in kinds]
        ordered = reversed(events) if backwards else events
        return [self.knock(event) for event in ordered for _number in range(times)]

    def knock(self, event: Mapping[str, Any]) -> int:
        """Carry one event to our door, byte for byte; the answer's status."""
        response = Client().post(
            DOOR, data=event["body"].encode(), content_type="application/json", headers=event["headers"]
        )
        return response.status_code

    def wait_for_event(self, kind: str) -> dict[str, Any]:
        """Wait until an event of a kind was sent."""
        deadline = time.monotonic() + 5
        while True:
            sent = [event for event in self.list_events(kind) if event["state"] in ("sent", "failed")]
            if sent:
                return sent[0]
            assert time.monotonic() < deadline, f"no {kind} was sent"
            time.sleep(0.02)

    def _move(self, intent_id: str, event: str, **details: Any) -> dict[str, Any]:
        given = {name: value for name, value in details.items() if value is not None}
        answer: dict[str, Any] = self._control("POST", f"/intents/{intent_id}", {"event": event, **given})["intent"]
        return answer

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.simulator.control(method, f"/{SYSTEM}{path}", body)
