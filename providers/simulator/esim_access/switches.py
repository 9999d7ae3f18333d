"""What the document leaves open or the live service does otherwise, as switches; each default is the live service."""

from collections.abc import Mapping
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    # The envelope. Document: `errorMessage`.
    "access_error_text_field": "errorMsg",
    # HTTP status of a refusal in the envelope; some clients expect 400.
    "access_refusal_status": 200,
    # `success` as the document's "String".
    "access_success_as_text": False,
    # `errorCode` of a success: the "text" "0", the "number" 0, or "null".
    "access_success_code": "text",
    # Beyond 8 calls a second: 101013 in the envelope, or HTTP 429 around it.
    "access_limited_as_429": False,
    # False: only the fields that the document lists, and ORDER_STATUS and VALIDITY_USAGE as its samples are.
    "access_live_fields": True,
    # Only signed calls are let in.
    "access_require_signature": False,
    # The same transactionId again: the "original" order or top-up is answered, or "error" 310402, or
    # (top-ups only, whose document promises nothing) it is done "again".
    "access_duplicate_order": "original",
    "access_duplicate_topup": "original",
    # The reply's transactionId of a top-up: "ours", or a number of their "own".
    "access_topup_transaction": "ours",
    # Seconds (simulated) from an order to its profiles; 0: at once.
    "access_allocation_delay_s": 1.0,
    # A query for an order whose profiles are not there yet: "error" 200010, an "empty" list, or "bare" entries
    # without iccid and ac.
    "access_allocating_reply": "error",
    # The ICCID of a line that has ended is given to a new one.
    "access_reuse_iccids": False,
    # Seconds (simulated) until used data is seen. Live: two to three hours; 0, so that a test sees what it did.
    "access_usage_lag_s": 0.0,
    # What is charged is the list price times this, rounded down; 0.9556 was seen live.
    "access_charge_factor": 1.0,
    # Webhooks carry a notifyId (ORDER_STATUS and VALIDITY_USAGE only with `access_live_fields`).
    "access_notify_ids": True,
    # `remainThreshold`: the fraction that is left, as in the sample, or that is "used", as in the text.
    "access_threshold_reading": "remaining",
}

WORDS: Mapping[str, frozenset[str]] = {
    "access_error_text_field": frozenset({"errorMsg", "errorMessage"}),
    "access_success_code": frozenset({"text", "number", "null"}),
    "access_duplicate_order": frozenset({"original", "error"}),
    "access_duplicate_topup": frozenset({"original", "error", "again"}),
    "access_topup_transaction": frozenset({"ours", "own"}),
    "access_allocating_reply": frozenset({"error", "empty", "bare"}),
    "access_threshold_reading": frozenset({"remaining", "used"}),
}
