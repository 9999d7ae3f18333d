"""What a line's provider can tell or do, also while its account is not set up on this machine."""

import structlog
from django.core.exceptions import ImproperlyConfigured

from providers.models import ProviderAccount
from providers.registry import configured_accounts, find_adapter, get_provider
from providers.types import Capability

log = structlog.get_logger(__name__)


def abilities_of(account: ProviderAccount) -> frozenset[Capability]:
    """What the account offers; without usable settings, what its adapter declares.

    For facts about lines ("it is never read"). Whether something can be done now is ``registry.offers``.
    """
    try:
        if account.slug in configured_accounts():
            return get_provider(account.slug).offered
    except ImproperlyConfigured as error:
        log.warning("provider_misconfigured", account=account.slug, error=str(error))
    try:
        return find_adapter(account.adapter).capabilities
    except ImproperlyConfigured:
        return frozenset()
