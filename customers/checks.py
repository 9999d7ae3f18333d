"""System checks of what concerns people."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from customers.push import PushService, find_service


def check_push(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """The way of push messages exists, and has what it needs."""
    del app_configs
    try:
        service = find_service()
    except (ImportError, ImproperlyConfigured, TypeError) as error:
        return [Error(f"Push messages cannot be sent: {error}.", hint="See docs/environment.md.", id="customers.E001")]
    if service is not None and not isinstance(service, PushService):
        hint = "It must be a customers.push.PushService."
        return [Error("PUSH_BACKEND names something else.", hint=hint, id="customers.E002")]
    return []


def check_staff(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Looked at before a deployment: who may do what in the office is worth more than a password."""
    del app_configs
    found: list[CheckMessage] = []
    if not settings.STAFF_MFA_REQUIRED:
        hint = "Set STAFF_MFA_REQUIRED=1, or leave it out."
        found.append(CheckWarning("Staff sign in with a password alone.", hint=hint, id="customers.W001"))
    if settings.STAFF_INVITATION_HOURS <= 0:
        found.append(Error("STAFF_INVITATION_HOURS is not above 0.", id="customers.E003"))
    return found
