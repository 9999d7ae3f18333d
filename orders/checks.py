"""System checks of what the order side is configured with."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from orders.models import Notification

_CARD_SETTINGS = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET")
_LOCAL = ("127.0.0.1", "localhost", "::1")


def check_cards(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """The payment service is configured whole, or not at all."""
    del app_configs
    missing = [name for name in _CARD_SETTINGS if not getattr(settings, name)]
    if len(missing) == len(_CARD_SETTINGS):
        return []
    found: list[CheckMessage] = []
    if missing:
        message = f"Payments by card are half configured: {', '.join(missing)} is not set."
        found.append(Error(message, hint="Set all or none.", id="orders.E001"))
    address = urlsplit(settings.STRIPE_URL)
    if address.scheme not in ("http", "https") or not address.hostname:
        found.append(Error(f"STRIPE_URL is not an address: {settings.STRIPE_URL}", id="orders.E002"))
    elif address.scheme == "http" and address.hostname not in _LOCAL:
        hint = "Use https."
        found.append(CheckWarning("STRIPE_URL is not https: the key travels in clear.", hint=hint, id="orders.W001"))
    if settings.STRIPE_PUBLISHABLE_KEY.startswith("sk_"):
        # It is handed out to customers' apps.
        found.append(Error("STRIPE_PUBLISHABLE_KEY holds a secret key.", id="orders.E003"))
    return found


def check_notifications(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """The settings that name kinds name such as there are, and ways of customers only kinds of theirs."""
    del app_configs
    every = list(Notification.Kind.values)
    of_customers = [kind for kind in every if kind not in Notification.STAFF_KINDS]
    found: list[CheckMessage] = []
    for name, kinds in (
        # Who is invited gets the link by no other way.
        ("NOTIFICATION_OFF", [kind for kind in every if kind != Notification.Kind.INVITATION]),
        ("NOTIFICATION_FEED_ONLY", of_customers),
        ("NOTIFICATION_SMS", of_customers),
    ):
        for kind in getattr(settings, name):
            if kind not in kinds:
                near = get_close_matches(kind, kinds, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(kinds)}."
                found.append(Error(f"{name} names a kind that it cannot: {kind}", hint=hint, id="orders.E004"))
    found += [
        Error(f"{name} is not above 0.", id="orders.E005")
        for name in ("NOTIFICATION_CODE_HOURS", "NOTIFICATION_CONTENT_DAYS")
        if getattr(settings, name) <= 0
    ]
    return found
