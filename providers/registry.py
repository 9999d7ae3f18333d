"""Which wholesalers there are and which accounts are switched on.

An adapter is one line in ``ADAPTERS``; it is imported on first use. An account is an entry of ``settings.PROVIDERS``;
it is on when its address and credentials are set.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from providers.base import Provider
from providers.models import ProviderAccount
from providers.types import Capability

log = structlog.get_logger(__name__)

#: Adapter name (its folder) -> dotted path of its class.
ADAPTERS: dict[str, str] = {
    "esim_commerce": "providers.esim_commerce.client.EsimCommerceProvider",
    "esim_access": "providers.esim_access.client.EsimAccessProvider",
    "esimfx": "providers.esimfx.client.EsimfxProvider",
    "freebit": "providers.freebit.client.FreebitProvider",
}


def adapters() -> dict[str, type[Provider]]:
    """Every registered adapter's class."""
    return {name: find_adapter(name) for name in ADAPTERS}


def find_adapter(name: str) -> type[Provider]:
    """The class of an adapter. Raises ``ImproperlyConfigured`` for a name that is not registered."""
    if name not in ADAPTERS:
        raise ImproperlyConfigured(f"No provider adapter is called {name!r}; there are {', '.join(sorted(ADAPTERS))}")
    adapter = import_string(ADAPTERS[name])
    if not (isinstance(adapter, type) and issubclass(adapter, Provider)):
        raise ImproperlyConfigured(f"{ADAPTERS[name]} is not a Provider")
    return adapter


def configured_accounts() -> tuple[str, ...]:
    """Slugs of the accounts whose settings are complete, in the order of the settings."""
    return tuple(slug for slug in _entries() if is_configured(slug))


def is_configured(slug: str) -> bool:
    """Whether the settings of one account are complete; False for one that nobody knows."""
    values = _entries().get(slug)
    return values is not None and find_adapter(values["adapter"]).is_configured(values)


def get_provider(slug: str) -> Provider:
    """The client of one account. Raises ``ImproperlyConfigured`` when it is unknown or its settings are wrong."""
    values = _entries().get(slug)
    if values is None:
        raise ImproperlyConfigured(f"No provider account is called {slug!r} in the settings")
    return find_adapter(values["adapter"]).from_settings(slug, values)


def offers(slug: str, capability: Capability) -> bool:
    """Whether an account can do something now; False when it is not configured or its settings cannot be used."""
    if not is_configured(slug):
        return False
    try:
        return capability in get_provider(slug).offered
    except ImproperlyConfigured as error:
        # The system checks name the fault; a page lacks a button then, rather than being an error.
        log.warning("provider_misconfigured", account=slug, error=str(error))
        return False


def ensure_accounts() -> list[ProviderAccount]:
    """The rows of all configured accounts, made or brought in line with the settings. May run any number of times."""
    accounts = []
    for slug in configured_accounts():
        values = _entries()[slug]
        facts = {"adapter": values["adapter"], "name": values["name"], "is_sandbox": bool(values.get("sandbox"))}
        account, _made = ProviderAccount.objects.get_or_create(slug=slug, defaults=facts)
        changed = [name for name, value in facts.items() if getattr(account, name) != value]
        if changed:
            for name in changed:
                setattr(account, name, facts[name])
            account.save(update_fields=changed)
        accounts.append(account)
    return accounts


def _entries() -> Mapping[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = settings.PROVIDERS
    return entries
