"""The document's own samples (API doc v1.8), repaired where they are no JSON: comments, commas and braces only."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.types import ProviderReply

SENT = datetime(2025, 10, 1, 12, tzinfo=UTC)
ICCID = "89440000000000000000"
LPA = "LPA:1$rsp.truphone.com$JQ-2D51JC-XXXXXX"
PRODUCT_ID = "ca7e9da3-ca97-47cc-9d40-a77610c2xxxx"

#: get_products, the quick start's (version 1).
PRODUCT: dict[str, Any] = {
    "id": PRODUCT_ID,
    "name": "japan_10GB_7Day",
    "duration": 7,
    "duration_unit": "DAY",
    "amount": 10,
    "amount_unit": "GB",
    "coverage": ["JP"],
    "networks": [
        {"mccmnc": "44020", "name": "SOFTBANK", "speed": "5G"},
        {"mccmnc": "44051", "name": "KDDI au", "speed": "5G"},
    ],
    "imsi_profile": "Green",
    "price": 12,
    "price_unit": "USD",
}
#: create_order, NEW.
CREATED: dict[str, Any] = {
    "id": "01b47ffa-4a74-4209-87e2-d282e274xxxx",
    "status": "COMPLETED",
    "subscription": {
        "upper_limit_amount": 10737418240,
        "amount_unit": "Byte",
        "status": "PENDING",
        "activation_time": "2025-09-30T03:07:11Z",
        "expiry": "2025-10-07T03:07:11Z",
        "activate_by": "2025-09-30T03:07:11Z",
    },
    "creation_time": "2025-08-01T03:07:11Z",
    "esim": {"iccid": ICCID, "esim_qr": LPA, "status": "PROVISIONED"},
}
#: create_order, TOPUP: an id that is no UUID, and a 7-day package that "expires" after 6.
TOPPED_UP: dict[str, Any] = {
    **CREATED,
    "id": "13bd78f-4a74-4873-87e2-d234y475xxxx",
    "subscription": {
        **CREATED["subscription"],
        "activation_time": "2025-10-08T03:07:11Z",
        "expiry": "2025-10-14T03:07:11Z",
        "activate_by": "2025-10-08T03:07:11Z",
    },
    "esim": {**CREATED["esim"], "status": "ACTIVE"},
}
#: get_order; ``ab9b30e5-4c83-49f8-bc12-e7c1a84cxxxx`` was asked for.
ORDER: dict[str, Any] = {
    "id": "01b47ffa-4a74-4209-87e2-d282e274xxxx",
    "iccid": ICCID,
    "product": {
        "id": PRODUCT_ID,
        "name": "japan_10GB_7Day",
        "duration": 7,
        "duration_unit": "DAY",
        "imsi_profile": "Green",
    },
    "subscription": {
        "upper_limit_amount": 10737418240,
        "used_amount": 0,
        "amount_unit": "Byte",
        "activation_time": "2025-09-30T05:20:12Z",
        "expiry": "2025-10-07T05:20:12Z",
        "status": "PENDING",
        "activate_by": "2025-09-30T05:20:12Z",
    },
    "status": "COMPLETED",
    "creation_time": "2025-09-24T05:20:12Z",
}


def make_order(number: int, **subscription: Any) -> dict[str, Any]:
    """An order of the sample eSIM with its own id and time, and changes to its subscription."""
    return {
        **ORDER,
        "id": f"order-{number}",
        "subscription": {**ORDER["subscription"], **subscription},
        "creation_time": f"2025-09-{number:02d}T05:20:12Z",
    }


def make_reply(data: Any, *, code: Any = 0, status: int = 200, complete: bool = True) -> ProviderReply:
    """A stored reply around ``data``; bytes are the whole body."""
    envelope = {"code": code, "message": "Success" if code == 0 else "No such thing", "data": data}
    return ProviderReply(
        operation="order",
        status=status,
        headers={},
        body=data if isinstance(data, bytes) else json.dumps(envelope).encode(),
        complete=complete,
        sent_at=SENT,
        received_at=SENT + timedelta(seconds=2),
    )
