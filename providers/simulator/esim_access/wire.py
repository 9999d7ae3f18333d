"""The provider's envelope, its errors, and how it writes instants."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.simulator.messages import Refusal, Reply, json_reply
from providers.simulator.switches import Switches

# A Refusal with this status is a refusal in the envelope; a switch gives its HTTP status.
IN_ENVELOPE = 200

CODES: Mapping[str, str] = {
    "000001": "Server error",
    "000101": "Request header (mandatory) is null",
    "000102": "Wrong request header format",
    "000103": "This https request method (get/post ) is not supported",
    "000104": "Request in invalid JSON format",
    "000105": "Request parameters (mandatory) are not contained",
    "000106": "Request parameter (mandatory) is null",
    "000107": "The length of the request parameter does not meet the requirement.",
    "101001": "The timestamp of the request has expired.",
    "101002": "This IP is in the blocklist.",
    "101003": "Request signature mismatch.",
    "101013": "The system is busy, please try again later.",
    "200002": "This operation is not allowed due to the order status.",
    "200005": "Package price error. Check price.",
    "200006": "Total order price amount is wrong. Check prices.",
    "200007": "Insufficient account balance",
    "200008": "Order parameters error, please contact customer service.",
    "200009": "Abnormal order status",
    "200010": "getting resource",
    "200011": "Insufficient available Profiles for the package, please contact the customer service.",
    "310241": "The packageCode does not exist.",
    "310243": "The package does not exist.",
    "310272": "The orderNo does not exist.",
    "310402": "The transactionId already exists.",
    "310403": "The ICCID does not exist in the order.",
    "900001": "The system is busy, please try again later.",
}

# What the shared core refuses by its own names: (code, whether it stands in the envelope like a refusal of ours).
_CORE_NAMES: Mapping[str, tuple[str, bool]] = {
    "INVALID_JSON": ("000104", True),
    "METHOD_NOT_ALLOWED": ("000103", False),
    "NOT_FOUND": ("404", False),
    "RATE_LIMITED": ("101013", False),
    "SIMULATED": ("000001", False),
}


def refuse(code: str, detail: str = "") -> Refusal:
    """A refusal by a documented code; `detail` says which parameter."""
    text = CODES[code]
    return Refusal(IN_ENVELOPE, code, f"{text} [{detail}]" if detail else text)


def answer(switches: Switches, obj: Any) -> Reply:
    """A success."""
    code = {"text": "0", "number": 0, "null": None}[switches["access_success_code"]]
    return json_reply(200, _wrap(switches, success=True, code=code, text=None, obj=obj))


def answer_refusal(switches: Switches, refusal: Refusal) -> Reply:
    """An error: in the envelope with HTTP 200 as a rule, whatever the core calls it."""
    code, business = _CORE_NAMES.get(refusal.code, (refusal.code, refusal.status == IN_ENVELOPE))
    status, headers = refusal.status, refusal.headers
    if refusal.code == "RATE_LIMITED" and not switches["access_limited_as_429"]:
        business, headers = True, {}
    if business:
        status = int(switches["access_refusal_status"])
    body = _wrap(switches, success=False, code=code, text=refusal.message, obj=None)
    return json_reply(status, body, headers)


def _wrap(switches: Switches, *, success: bool, code: Any, text: str | None, obj: Any) -> dict[str, Any]:
    shown: Any = str(success).lower() if switches["access_success_as_text"] else success
    return {"success": shown, "errorCode": code, switches["access_error_text_field"]: text, "obj": obj}


def write_offset_time(instant: datetime) -> str:
    """`2026-09-27T19:29:36+0000`, as replies and SMDP_EVENT write it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+0000"


def write_zulu_time(instant: datetime) -> str:
    """`2025-07-21T10:57:28Z`, as the other webhooks write it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
