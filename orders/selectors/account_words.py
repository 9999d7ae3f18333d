"""What provider accounts can do, and what their calls are for, in words."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from providers.types import Capability

CAPABILITY_WORDS: Mapping[Capability, Any] = {
    Capability.LIST_PLANS: _("Read the catalogue"),
    Capability.PLAN_LOOKUP: _("Read one plan"),
    Capability.ORDER: _("Order eSIMs"),
    Capability.ORDER_LOOKUP: _("Find an order by our key"),
    Capability.LINE_LISTING: _("List the lines sold in a time"),
    Capability.USAGE_BATCH: _("Read the use of several lines at once"),
    Capability.WEBHOOKS: _("Call us when something happens"),
    Capability.BATCH_QUERY: _("Read many lines at once"),
    Capability.READ_LINE: _("Read a line"),
    Capability.SUSPEND: _("Suspend a line"),
    Capability.RELEASE: _("Release a suspended line"),
    Capability.CANCEL: _("Cancel an unused line"),
    Capability.REVOKE: _("Revoke a line"),
    Capability.TERMINATE: _("End a line"),
    Capability.ACTIVATE: _("Activate a line"),
    Capability.BLOCK: _("Block a line"),
    Capability.TOP_UP: _("Top up a line"),
    Capability.BALANCE: _("Tell our balance"),
    Capability.USAGE_BY_DAY: _("Report usage by day"),
    Capability.SMS: _("Send an SMS to a line"),
    Capability.REGIONS: _("List regions"),
    Capability.WEBHOOK_SETUP: _("Set up webhooks"),
    Capability.TRANSACTION_INQUIRY: _("Look up a transaction"),
    Capability.LINE_ACTIVATION: _("Activate a line with the holder's data"),
    Capability.SIMULATE_USAGE: _("Simulate usage (sandbox)"),
}

OPERATION_WORDS: Mapping[str, Any] = {
    "plans": _("Catalogue pages"),
    "order": _("Orders"),
    "status": _("Line reads"),
    "transaction": _("Transaction inquiries"),
    "control": _("Suspend and release"),
    "usage": _("Usage"),
    "account": _("All calls together"),
}
