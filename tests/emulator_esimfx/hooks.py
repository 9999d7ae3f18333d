"""What the stand-in tells our webhook. The document gives no shape: only that iccid or order_id is in it."""

import json
from typing import Any

from tests.emulator_esimfx.books import Order
from tests.emulator_esimfx.server import FxHouse


def write_hook(house: FxHouse, event: str, order: Order) -> bytes:
    """One delivery about a package."""
    shapes: tuple[Any, ...] = (
        {"event": event, "data": {"iccid": order.iccid, "order_id": order.number, "threshold": 80}},
        {"event_type": event.lower(), "iccid": order.iccid, "order_id": order.number, "timestamp": 1767225600},
        {"type": event, "payload": {"subscription": {"order_id": order.number}, "notes": [], "esim": None}},
        [{"eventType": event, "detail": [{"iccid": order.iccid}]}],
    )
    return json.dumps(shapes[house.quirks.hooks]).encode()
