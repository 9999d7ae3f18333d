"""The colour of a state, for badges that name none themselves: one word, one tone, on every page.

Tones: ok, info (under way), warn (look at it), danger (something is wrong), neutral.
"""

TONES = {
    # lines
    "provisioning": "info",
    "ready": "info",
    "downloaded": "info",
    "installed": "info",
    "active": "ok",
    "suspended": "warn",
    "depleted": "warn",
    "expired": "neutral",
    "terminated": "neutral",
    "error": "danger",
    # orders, purchases, payments, refunds
    "unpaid": "warn",
    "buying": "info",
    # lists of orders
    "checked": "warn",
    "ordered": "ok",
    "faulty": "danger",
    "refused": "danger",
    "completed": "ok",
    "partial": "warn",
    "failed": "danger",
    "cancelled": "neutral",
    "planned": "info",
    "sending": "info",
    "allocating": "info",
    "fulfilled": "ok",
    "short": "warn",
    "held": "warn",
    "rejected": "danger",
    "unknown": "danger",
    "captured": "ok",
    "voided": "neutral",
    "due": "warn",
    "made": "ok",
    "dropped": "neutral",
    # payments that wait, disputes
    "pending": "info",
    "won": "ok",
    "lost": "danger",
    # what was asked of a provider
    "not_confirmed": "info",
    "confirmed": "ok",
    "ok": "ok",
    "rate_limited": "warn",
    "not_sent": "warn",
    # webhook deliveries, account tasks
    "new": "info",
    "applied": "ok",
    "ignored": "neutral",
    "not_understood": "warn",
    "parked": "danger",
    "done": "ok",
    # notifications
    "sent": "ok",
    "uncertain": "danger",
    "skipped": "neutral",
    # sync runs
    "waiting": "info",
    "running": "info",
    "needs_approval": "warn",
    "succeeded": "ok",
    "incomplete": "warn",
    # differences between a provider and us
    "open": "warn",
    "closed": "ok",
    "gone": "neutral",
}
