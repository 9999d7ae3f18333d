"""System checks of the settings as a whole; ``manage.py check --deploy`` runs the last ones too."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

#: HMAC and key derivation gain nothing below this many characters of randomness.
SHORTEST_KEY = 32
DEMO_PREFIX = "demo-only-"


def check_addresses(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """SITE_URL is the address that people and providers are sent to."""
    if settings.DEMO:
        return []
    site = urlsplit(settings.SITE_URL)
    if not settings.SITE_URL:
        return [Error("SITE_URL is not set.", hint="Set it to the console's address.", id="roamdesk.E001")]
    if site.scheme not in ("http", "https") or not site.hostname or site.path not in ("", "/") or site.query:
        return [
            Error(
                f"SITE_URL is not an address: {settings.SITE_URL}", hint="https://desk.example.org", id="roamdesk.E002"
            )
        ]
    found: list[CheckMessage] = []
    if settings.SECURE and site.scheme != "https":
        found.append(
            Error(
                "SECURE is on, but SITE_URL is not https.",
                hint="Give the https address, or SECURE=0 on a machine that nobody else reaches.",
                id="roamdesk.E003",
            )
        )
    if not _is_allowed(site.hostname):
        found.append(Error(f"ALLOWED_HOSTS does not hold the host of SITE_URL, {site.hostname}.", id="roamdesk.E004"))
    return found


def check_keys(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Keys are long, differ from each other, and are not the demo's."""
    if settings.DEMO:
        return []
    found: list[CheckMessage] = []
    for name, keys in (
        ("SECRET_KEY", [settings.SECRET_KEY]),
        ("FIELD_ENCRYPTION_KEYS", settings.FIELD_ENCRYPTION_KEYS),
    ):
        if any(len(key) < SHORTEST_KEY for key in keys):
            found.append(Error(f"{name} holds a key of less than {SHORTEST_KEY} characters.", id="roamdesk.E005"))
        if any(key.startswith(DEMO_PREFIX) for key in keys):
            found.append(Error(f"{name} holds a key of the demo.", id="roamdesk.E006"))
    if settings.SECRET_KEY in settings.FIELD_ENCRYPTION_KEYS:
        found.append(
            Error("SECRET_KEY is one of FIELD_ENCRYPTION_KEYS.", hint="Make a key for each.", id="roamdesk.E007")
        )
    return found


def check_numbers(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Numbers that would quietly break the office outside their range."""
    found: list[CheckMessage] = []
    if not 0 < settings.SYNC_RETIRE_SHARE <= 1:
        found.append(Error("SYNC_RETIRE_SHARE is a share: above 0, at most 1.", id="roamdesk.E008"))
    if len(settings.CURRENCY) != 3 or not settings.CURRENCY.isalpha() or not settings.CURRENCY.isupper():
        found.append(Error("CURRENCY is an ISO 4217 code like USD.", id="roamdesk.E009"))
    longest = max(settings.HTTP_READ_TIMEOUT, settings.HTTP_ORDER_READ_TIMEOUT) + settings.HTTP_CONNECT_TIMEOUT
    if longest >= settings.JOB_TIMEOUT:
        found.append(
            Error(
                "JOB_TIMEOUT is not longer than one call to a provider may take.",
                hint=f"The longest call takes {longest:.0f} seconds: a worker would be killed while an order is sent.",
                id="roamdesk.E010",
            )
        )
    return found


def check_production(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """What is fine on a developer's machine only."""
    found: list[CheckMessage] = []
    if settings.DEMO:
        found.append(CheckWarning("ROAMDESK_DEMO is on: secrets have known values.", id="roamdesk.W001"))
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        found.append(
            CheckWarning(
                "The database is SQLite: one machine, one writer at a time.", hint="DATABASE_URL", id="roamdesk.W002"
            )
        )
    return found


def register_checks() -> None:
    """Called once, when the apps are ready."""
    register(check_addresses, Tags.security)
    register(check_keys, Tags.security)
    register(check_numbers, "roamdesk")
    register(check_production, Tags.security, deploy=True)


def _is_allowed(host: str | None) -> bool:
    allowed = [pattern.lower() for pattern in settings.ALLOWED_HOSTS]
    return host is not None and any(
        pattern in ("*", host) or (pattern.startswith(".") and (host.endswith(pattern) or host == pattern[1:]))
        for pattern in allowed
    )
