"""Webhooks of eSIM Access: not signed, so the path must be unguessable, the sender may be checked, and what they say
is only ever a reason to ask.
"""

import hashlib
import hmac
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from providers.errors import WebhookRefused
from providers.esim_access.config import EsimAccessConfig
from providers.esim_access.lines import read_ref
from providers.reading import FieldReader, UnreadableError, parse_document, to_instant
from providers.types import IncomingWebhook, WebhookHint, WebhookKind

_KINDS: Mapping[str, WebhookKind] = {
    "CHECK_HEALTH": WebhookKind.HEALTH_CHECK,
    "ORDER_STATUS": WebhookKind.ORDER_READY,
    "SMDP_EVENT": WebhookKind.LINE_CHANGED,
    "ESIM_STATUS": WebhookKind.LINE_CHANGED,
    "DATA_USAGE": WebhookKind.USAGE,
    "VALIDITY_USAGE": WebhookKind.VALIDITY,
}
#: The health check's order: it is nobody's.
_NO_ORDER = "1234567890"
#: What the key's column surely holds.
_LONGEST_ID = 100
_LONGEST_WORD = 60


def authenticate(webhook: IncomingWebhook, *, config: EsimAccessConfig, account: str) -> None:
    """Return when path and sender are right; raise ``WebhookRefused`` else, saying which only to the log."""
    given, wanted = webhook.path_secret.encode(), config.webhook_secret.encode()
    if not wanted or not hmac.compare_digest(given, wanted):
        raise _refuse("The path's secret is wrong", "path", account)
    if config.webhook_senders and not _is_sender(webhook.address, config):
        raise WebhookRefused(
            "The sender's address is not on the list", code="sender", operation="webhook", account=account
        )


def _refuse(message: str, code: str, account: str) -> WebhookRefused:
    return WebhookRefused(message, code=code, operation="webhook", account=account)


def _is_sender(address: str, config: EsimAccessConfig) -> bool:
    try:
        sender: IPv4Address | IPv6Address = ip_address(address.strip())
    except ValueError:
        return False
    if isinstance(sender, IPv6Address) and sender.ipv4_mapped:
        sender = sender.ipv4_mapped
    return any(sender in network for network in config.webhook_senders)


def read_key(body: bytes) -> str:
    """``notifyId`` where there is one, else a digest of the body: two samples have none. Never raises."""
    try:
        document = parse_document(body)
    except UnreadableError:
        document = None
    told = document.get("notifyId") if isinstance(document, dict) else None
    notify_id = str(told).strip() if isinstance(told, str | int) and not isinstance(told, bool) else ""
    if 0 < len(notify_id) <= _LONGEST_ID and notify_id.isprintable():
        return notify_id
    return hashlib.sha256(body).hexdigest()


def read_hints(body: bytes) -> tuple[WebhookHint, ...]:
    """What a delivery names. Raises ``UnreadableError`` for what is no JSON.

    ``content`` "may vary slightly": every field may be missing, and what is not known is passed over.
    """
    document = parse_document(body)
    items = document if isinstance(document, list) else [document]
    return tuple(_map_hint(item) for item in items[:100]) or (WebhookHint(kind=WebhookKind.UNKNOWN),)


def _map_hint(item: object) -> WebhookHint:
    if not isinstance(item, dict):
        return WebhookHint(kind=WebhookKind.UNKNOWN)
    told = item.get("notifyType")
    word = told.strip()[:_LONGEST_WORD] if isinstance(told, str) else ""
    kind = _KINDS.get(word.upper(), WebhookKind.UNKNOWN)
    event_at = to_instant(item.get("eventGenerateTime"))
    if kind is WebhookKind.HEALTH_CHECK:
        return WebhookHint(kind=kind, word=word, event_at=event_at)
    content = _find_content(item)
    order_ref = read_ref(content.get("orderNo"))
    return WebhookHint(
        kind=kind,
        word=word,
        provider_ref=read_ref(content.get("esimTranNo")),
        iccid=FieldReader(content, where="", faults=[]).text("iccid", limit=22),
        order_ref="" if order_ref == _NO_ORDER else order_ref,
        order_key=read_ref(content.get("transactionId")),
        event_at=event_at,
    )


def _find_content(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """``content``, also where it is JSON in a text; the delivery itself where it has none."""
    content = item.get("content")
    if isinstance(content, str):
        try:
            content = parse_document(content.encode())
        except UnreadableError:
            return item
    return content if isinstance(content, dict) else item
