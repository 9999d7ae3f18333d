"""System checks of the wholesalers' settings. Messages name variables, never values."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from providers.base import Provider
from providers.registry import find_adapter


def check_accounts(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Every account is either off, with nothing set, or on, with settings that can be used."""
    del app_configs
    return [message for slug, values in settings.PROVIDERS.items() for message in _check_account(slug, values)]


def check_separation(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Two accounts at one address, or with one key, are probably one account that was entered twice."""
    del app_configs
    found: list[CheckMessage] = []
    accounts = [(slug, values) for slug, values in settings.PROVIDERS.items() if values.get("url")]
    for index, (slug, values) in enumerate(accounts):
        for other, other_values in accounts[:index]:
            if str(values["url"]).rstrip("/") == str(other_values["url"]).rstrip("/"):
                found.append(_warn(f"{slug} and {other} have the same address.", "W003", _APART))
            if values.get("key_secret") and values["key_secret"] == other_values.get("key_secret"):
                found.append(_warn(f"{slug} and {other} have the same key.", "W004", _APART))
    return found


def check_encryption(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Raw replies and tokens are stored encrypted."""
    del app_configs
    if settings.FIELD_ENCRYPTION_KEYS:
        return []
    return [Error("FIELD_ENCRYPTION_KEYS holds no key.", hint="Set one long random text.", id="providers.E004")]


_APART = "Production and sandbox are two systems: an order meant as a test would be paid for."


def _check_account(slug: str, values: Mapping[str, Any]) -> Iterator[CheckMessage]:
    prefix = slug.upper().replace("-", "_")
    try:
        adapter = find_adapter(str(values.get("adapter")))
    except ImproperlyConfigured as error:
        yield Error(f"{slug}: {error}", id="providers.E003")
        return
    missing = [name for name in adapter.required_settings if not values.get(name)]
    if missing and len(missing) < len(adapter.required_settings):
        names = ", ".join(f"{prefix}_{name.upper()}" for name in missing)
        yield Error(f"{slug} is half configured: {names} is not set.", hint="Set all or none.", id="providers.E001")
    if not missing:
        yield from _check_settings(slug, prefix, adapter, values)


def _check_settings(
    slug: str, prefix: str, adapter: type[Provider], values: Mapping[str, Any]
) -> Iterator[CheckMessage]:
    try:
        adapter.from_settings(slug, values)
    except ImproperlyConfigured as error:
        yield Error(f"{slug} cannot be used: {error}", id="providers.E002")
        return
    if "currency" in values and not values["currency"]:
        yield _warn(
            f"{prefix}_CURRENCY is not set: plans of {slug} have no net price and cannot be priced.",
            "W001",
            "Set the currency of your contract, e.g. EUR.",
        )
    parts = urlsplit(str(values["url"]))
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        yield _warn(f"{prefix}_URL is not https: keys and activation codes travel in clear.", "W002", "Use https.")


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _warn(message: str, number: str, hint: str) -> CheckWarning:
    return CheckWarning(message, hint=hint, id=f"providers.{number}")
