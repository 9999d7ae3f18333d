"""Deliveries whose shape nobody described: what they name is found wherever it stands."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from providers.esimfx.webhooks import read_hints, read_key
from providers.types import WebhookKind

ICCID = "89442001795562652000"
OTHER = "89442001795562652018"


def read(document: object) -> list[tuple[WebhookKind, str, str, str]]:
    hints = read_hints(json.dumps(document).encode())
    return [(hint.kind, hint.word, hint.iccid, hint.order_ref) for hint in hints]


@pytest.mark.parametrize(
    "document",
    [
        {"event": "DATA_USAGE", "iccid": ICCID, "order_id": "o-1"},
        {"eventType": "data_usage", "data": {"ICCID": ICCID, "orderId": "o-1"}},
        {"type": "esim", "event_name": "Data Usage", "esim": {"iccid": ICCID}, "order": {"id": "o-1"}},
        {"webhook": {"event": {"type": "DATA_USAGE"}}, "deep": [{"er": [{"esim": ICCID, "order": "o-1"}]}]},
        {"DATA_USAGE": "DATA_USAGE", "sim": {"id": ICCID}, "order_no": "o-1"},
        {"event": "USAGE_100", "iccids": [ICCID], "order_ids": ["o-1"]},
        {"event": "DATA_USAGE", "data": [{"iccid": ICCID, "order_id": "o-1"}]},
        [{"event": "DATA_USAGE", "iccid": ICCID, "order_id": "o-1"}],
    ],
)
def test_what_a_delivery_names_is_found(document: object) -> None:
    ((kind, _word, iccid, order),) = read(document)
    assert (kind, iccid, order) == (WebhookKind.USAGE, ICCID, "o-1")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *(("ACTIVATION", WebhookKind.LINE_CHANGED), ("esim.activated", WebhookKind.LINE_CHANGED)),
        *(("EXPIRATION", WebhookKind.VALIDITY), ("Data Usage 80%", WebhookKind.USAGE)),
        *(("SOMETHING_NEW", WebhookKind.UNKNOWN), ("", WebhookKind.UNKNOWN)),
    ],
)
def test_the_words_of_events(word: str, kind: WebhookKind) -> None:
    assert read({"event": word, "iccid": ICCID}) == [(kind, word, ICCID, "")]


def test_several_events_in_one_delivery() -> None:
    document = {"event": "EXPIRATION", "events": [{"iccid": ICCID}, {"iccid": OTHER, "event": "ACTIVATION"}]}
    assert read(document) == [
        (WebhookKind.VALIDITY, "EXPIRATION", ICCID, ""),
        (WebhookKind.LINE_CHANGED, "ACTIVATION", OTHER, ""),
    ]


@pytest.mark.parametrize("wrap", [list, lambda events: {"event": "EXPIRATION", "events": events}])
def test_of_a_very_long_list_the_first_events_are_read_and_that_there_are_more(wrap: Callable[[Any], object]) -> None:
    events = [{"event": "EXPIRATION", "order_id": f"o-{number}"} for number in range(12_000)]
    whole = read(wrap(events[:100]))
    assert whole == [(WebhookKind.VALIDITY, "EXPIRATION", "", f"o-{number}") for number in range(100)]
    assert read(wrap(events)) == [*whole, (WebhookKind.UNKNOWN, "11900 more", "", "")]
    assert read(wrap(events[:101]))[100:] == [(WebhookKind.UNKNOWN, "1 more", "", "")]


def test_an_amount_is_no_event_and_a_bare_id_no_order() -> None:
    assert read({"id": "e-1", "data_usage": 80, "iccid": ICCID}) == [(WebhookKind.UNKNOWN, "", ICCID, "")]


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"event_id": "evt-00000001", "iccid": ICCID}, "evt-00000001"),
        ({"deliveryId": 1234567890}, "1234567890"),
    ],
)
def test_the_key_is_the_deliverys_own_id(document: dict[str, Any], key: str) -> None:
    assert read_key(json.dumps(document).encode()) == key


@pytest.mark.parametrize("name", ["id", "order_id", "iccid", "subscription_id"])
def test_an_id_that_events_may_share_is_no_key(name: str) -> None:
    """50 % and 80 % of one order are two deliveries."""
    keys = {read_key(json.dumps({name: "a" * 20, "threshold": share}).encode()) for share in (50, 80)}
    assert {len(key) for key in keys} == {64}
    assert len(keys) == 2
