"""What the document and the live service leave open or say twice, as switches with labelled defaults."""

from collections.abc import Mapping
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    # HTTP status of an error of the business: "ok" (always 200) or "matching" (400, 402, 404, 409). Guess: 200,
    # because the document tells to look at `code` only.
    "esimfx_error_status": "ok",
    # "An access token passed in the Authorization header"; every client known sends "Bearer ".
    "esimfx_bare_token": False,
    # The end of a list: `last_evaluated_key` "empty" ({}, documented), "null" or "absent".
    "esimfx_page_end": "empty",
    # The same idempotency key with another body is not described: "error" or "first_answer".
    "esimfx_other_body": "error",
    # `data` of get_esim_orders: {"orders": […]} as documented, or the list itself.
    "esimfx_bare_orders": False,
    # Unit of a subscription's amounts: "Byte", "MB", "GB", "Days". Unlimited plans are always in Days.
    "esimfx_unit": "Byte",
    # `uper_limit_amount`, as seen live, instead of `upper_limit_amount`.
    "esimfx_misspelt": False,
    # Status words as the document "prints" them (Installed beside ACTIVE), or "lower", or "title".
    "esimfx_case": "printed",
    # The sample of get_available_topups has `"coverage": []`; True fills it.
    "esimfx_topup_coverage": False,
    # Webhook payloads are not described: "flat", "nested", or "unknown" words without any identity.
    "esimfx_webhook_shape": "flat",
}

WORDS: Mapping[str, frozenset[str]] = {
    "esimfx_error_status": frozenset({"ok", "matching"}),
    "esimfx_page_end": frozenset({"empty", "null", "absent"}),
    "esimfx_other_body": frozenset({"error", "first_answer"}),
    "esimfx_unit": frozenset({"Byte", "MB", "GB", "Days"}),
    "esimfx_case": frozenset({"printed", "lower", "title"}),
    "esimfx_webhook_shape": frozenset({"flat", "nested", "unknown"}),
}
