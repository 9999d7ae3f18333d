"""The calls that the service makes: events, signed, to the one address that the account has."""

import json
import time
from typing import Any

from providers.simulator.messages import Refusal
from providers.simulator.store import Store
from providers.simulator.stripe.wire import make_id, sign
from providers.simulator.system import Core

SYSTEM = "stripe"
_SETTING = "stripe_webhook_url"


class Events:
    """Signed with the real time: who receives them compares it with a real clock."""

    def __init__(self, core: Core, *, url: str, secret: str) -> None:
        """`url`, where events go from the start; "" sends none."""
        self._core = core
        self._first_url = url
        self._secret = secret

    @property
    def url(self) -> str:
        """Where events go; "" for nowhere."""
        return str(self._settings.read_setting(_SETTING, self._first_url))

    def tell(self, kind: str, document: dict[str, Any]) -> None:
        """An event about an object as it is now, in the commit of what happened to it."""
        self.send(kind, document)

    def send(
        self,
        kind: str,
        document: Any,
        *,
        event_id: str | None = None,
        age_s: int = 0,
        secret: str | None = None,
        text: str | None = None,
    ) -> str:
        """Any event, also a wrong one: signed so long ago, with another secret, or with `text` as its whole body."""
        event_id = event_id or make_id("evt")
        if not self.url:
            return event_id
        now = int(time.time())
        event = {
            "id": event_id,
            "object": "event",
            "api_version": "2026-09-30.dahlia",
            "created": int(self._core.clock.now().timestamp()),
            "data": {"object": document},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        body = (json.dumps(event, indent=2) if text is None else text).encode()
        signature = sign(body, secret or self._secret, now - age_s)
        headers = {"Stripe-Signature": signature, "User-Agent": "Stripe/1.0"}
        self._core.webhooks.send(system=SYSTEM, kind=kind, url=self.url, headers=headers, body=body)
        return event_id

    def set_url(self, url: str) -> None:
        """Another address; "" for none. Raises Refusal 400."""
        if url and not url.startswith(("http://", "https://")):
            raise Refusal(400, "BAD_CONTROL", "The address is http or https")
        self._settings.write_setting(_SETTING, url)

    def reset(self) -> None:
        """The first address again."""
        self._settings.write_setting(_SETTING, self._first_url)

    @property
    def _settings(self) -> Store:
        return self._core.store
