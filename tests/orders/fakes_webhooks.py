"""A wholesaler that calls us: its deliveries are ``{"id", "kind", "ref", "iccid", "order"}``, its secret a header."""

import hashlib
import json
from collections.abc import Sequence

from providers.errors import WebhookRefused
from providers.reading import UnreadableError, parse_document
from providers.types import Capability, IncomingWebhook, Priority, UsageSnapshot, WebhookHint, WebhookKind
from tests.orders.fakes_lines import SlowProvider

SECRET = "a-long-shared-secret"


class CallingProvider(SlowProvider):
    adapter = "fake-calls"
    capabilities = SlowProvider.capabilities | {Capability.WEBHOOKS, Capability.USAGE_BATCH}
    usage_batch = 10

    def _authenticate_webhook(self, webhook: IncomingWebhook) -> None:
        if webhook.headers.get("token") != SECRET or webhook.address == "203.0.113.9":
            raise WebhookRefused("a stranger", code="token", account=self.account)

    def _read_webhook_key(self, body: bytes) -> str:
        try:
            return str(json.loads(body)["id"])
        except (ValueError, KeyError, TypeError):
            return hashlib.sha256(body).hexdigest()

    def _read_webhook(self, body: bytes) -> tuple[WebhookHint, ...]:
        document = parse_document(body)
        if not isinstance(document, dict):
            raise UnreadableError("it is not an object")
        if document.get("kind") == "crash":
            raise KeyError("LPA:1$smdp.example$SECRET")
        known = {kind.value for kind in WebhookKind}
        kind = document.get("kind", "")
        return (
            WebhookHint(
                kind=WebhookKind(kind) if kind in known else WebhookKind.UNKNOWN,
                word=str(kind).upper(),
                provider_ref=document.get("ref", ""),
                iccid=document.get("iccid", ""),
                order_ref=document.get("order", ""),
                order_key=document.get("key", ""),
            ),
        )

    def _read_usage(self, provider_refs: Sequence[str], priority: Priority) -> tuple[UsageSnapshot, ...]:
        del provider_refs, priority
        return ()


ADAPTERS = {CallingProvider.adapter: f"{__name__}.CallingProvider"}
ACCOUNTS = {CallingProvider.adapter: {"adapter": CallingProvider.adapter, "name": "Calls", "sandbox": False}}
