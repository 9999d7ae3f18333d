"""eSIMfx's webhooks. Their shape is not documented: only that a header ``token`` repeats the portal's secret key, that
there are three events, and that the payload identifies an ``iccid`` or an ``order_id``.

So both are looked for everywhere, in any spelling; what names neither, or an event that nobody knows, is a hint of
kind ``UNKNOWN`` that staff see.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.utils.crypto import constant_time_compare

from providers.errors import WebhookRefused
from providers.esimfx.config import EsimfxConfig
from providers.esimfx.mapping import read_iccid
from providers.reading import UnreadableError, parse_document, to_instant
from providers.types import IncomingWebhook, WebhookHint, WebhookKind

#: Parts of the words for events, the longest first: 100 % of usage is told by a word of its own (FAQ 3).
_EVENTS: Mapping[str, WebhookKind] = {
    "datausage": WebhookKind.USAGE,
    "usage": WebhookKind.USAGE,
    "expiration": WebhookKind.VALIDITY,
    "expired": WebhookKind.VALIDITY,
    "activation": WebhookKind.LINE_CHANGED,
    "activated": WebhookKind.LINE_CHANGED,
}
_EVENT_NAMES = frozenset(
    {
        *("event", "eventtype", "eventname", "eventcode", "type", "topic", "action", "notification"),
        *("notificationtype", "webhooktype", "webhookevent", "trigger", "subject"),
    }
)
_TIME_NAMES = frozenset(
    {"time", "eventtime", "eventtimestamp", "timestamp", "occurredat", "eventat", "triggeredat", "sentat"}
)
_ICCID_NAMES = frozenset({"iccid", "esimiccid", "simiccid", "iccids"})
_ORDER_NAMES = frozenset({"orderid", "esimorderid", "orderno", "orderids", "orderreference"})
_OBJECTS_OF_ICCIDS = frozenset({"esim", "sim", "esims"})
_OBJECTS_OF_ORDERS = frozenset({"order", "orders"})
_KEY_NAMES = frozenset({"idempotencykey", "xidempotencykey"})
#: What can only be the id of the delivery. A bare ``id`` may be the order's, which several events share.
_DELIVERY_NAMES = frozenset({"eventid", "notificationid", "notifyid", "webhookid", "deliveryid", "messageid"})
_LISTS = frozenset({"data", "events", "notifications", "items", "records", "payload"})
#: Ours: no document says how many events a delivery holds.
_MOST_EVENTS = 100
_DELIVERY_ID = re.compile(r"[!-~]{8,100}")
_ORDER_ID = re.compile(r"[!-~]{1,64}")
_NOT_LETTERS = re.compile(r"[^a-z0-9]")


def authenticate(webhook: IncomingWebhook, config: EsimfxConfig) -> None:
    """Raise ``WebhookRefused`` unless the header ``token`` is the portal's secret key.

    The portal's address is ours to choose: where a secret part of it is set, that has to fit as well.
    """
    fits = _is_same(webhook.headers.get("token", ""), config.webhook_token)
    is_at_home = not config.webhook_secret or _is_same(webhook.path_secret, config.webhook_secret)
    if not (config.webhook_token and fits and is_at_home):
        raise WebhookRefused("The token of the delivery is wrong", code="token", account=config.account)


def _is_same(given: str, wanted: str) -> bool:
    """In constant time, whatever bytes came."""
    return constant_time_compare(given.encode("utf-8", "replace"), wanted.encode())


def read_key(body: bytes) -> str:
    """The id of a delivery where it carries one of its own, else a digest of its body. Never raises."""
    try:
        document = parse_document(body)
    except UnreadableError:
        document = None
    if isinstance(document, dict):
        for name, value in document.items():
            text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
            if _plain(name) in _DELIVERY_NAMES and _DELIVERY_ID.fullmatch(text):
                return text
    return hashlib.sha256(body).hexdigest()


def read_hints(body: bytes) -> tuple[WebhookHint, ...]:
    """What a delivery names, one hint for each event in it. Raises ``UnreadableError`` for what is no JSON.

    Of a longer list the first events are read; that there are more is a hint of kind ``UNKNOWN``, which staff see.
    """
    document = parse_document(body)
    word = _find_word(document, deep=False)
    events = _split(document)
    more = len(events) - _MOST_EVENTS
    hints = tuple(_read_hint(event, word) for event in events[:_MOST_EVENTS])
    return hints if more <= 0 else (*hints, WebhookHint(kind=WebhookKind.UNKNOWN, word=f"{more} more"))


def _split(document: Any) -> list[Any]:
    """The events of a delivery: it may be, or hold, a list of them."""
    if isinstance(document, list):
        return document or [document]
    if isinstance(document, dict):
        for name, value in document.items():
            is_list = _plain(name) in _LISTS and isinstance(value, list) and value
            if is_list and all(isinstance(item, dict) for item in value):
                return list(value)
    return [document]


def _read_hint(event: Any, word: str) -> WebhookHint:
    word = _find_word(event, deep=True) or word
    pairs = list(_walk(event))
    iccid = next((read_iccid(value) for name, value in pairs if name in _ICCID_NAMES and read_iccid(value)), "")
    kind = _find_kind(word)
    return WebhookHint(
        kind=kind,
        word=word[:60],
        provider_ref=iccid,
        iccid=iccid,
        order_ref=_find_text(pairs, _ORDER_NAMES, _ORDER_ID),
        order_key=_find_text(pairs, _KEY_NAMES, _ORDER_ID),
        event_at=_find_time(pairs),
    )


def _walk(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar with its name in plain letters, in the order in which it stands.

    The id of an object called "order" goes by the name of an order's id, that of an "esim" by an ICCID's.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            plain = _plain(key)
            if plain == "id" and name in _OBJECTS_OF_ORDERS:
                plain = "orderid"
            elif plain == "id" and name in _OBJECTS_OF_ICCIDS:
                plain = "iccid"
            yield from _walk(item, plain)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, name)
    elif name in _OBJECTS_OF_ORDERS:
        yield "orderid", value
    elif name in _OBJECTS_OF_ICCIDS:
        yield "iccid", value
    else:
        yield name, value


def _find_word(event: Any, *, deep: bool) -> str:
    """The provider's word for the event: of the fields called like one, the first whose word we know, else the first.

    Where there is no such field, any text or field's name that is one of the three events.
    """
    pairs = list(_walk(event)) if deep else list(_walk_top(event))
    words = [value.strip() for name, value in pairs if name in _EVENT_NAMES and isinstance(value, str) and value]
    known = [word for word in words if _find_kind(word) is not WebhookKind.UNKNOWN]
    if known or words:
        return (known or words)[0]
    texts = [value.strip() for _name, value in pairs if isinstance(value, str) and len(value) <= 60]
    return next((text for text in texts if _find_kind(text) is not WebhookKind.UNKNOWN), "")


def _walk_top(event: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(event, dict):
        yield from ((_plain(name), value) for name, value in event.items() if not isinstance(value, dict | list))


def _find_kind(word: str) -> WebhookKind:
    plain = _plain(word)
    return next((kind for part, kind in _EVENTS.items() if part in plain), WebhookKind.UNKNOWN)


def _find_text(pairs: list[tuple[str, Any]], names: frozenset[str], pattern: re.Pattern[str]) -> str:
    for name, value in pairs:
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if name in names and pattern.fullmatch(text):
            return text
    return ""


def _find_time(pairs: list[tuple[str, Any]]) -> datetime | None:
    return next((to_instant(value) for name, value in pairs if name in _TIME_NAMES and to_instant(value)), None)


def _plain(name: object) -> str:
    return _NOT_LETTERS.sub("", str(name).lower())
