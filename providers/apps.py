from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class ProvidersConfig(AppConfig):
    name = "providers"
    verbose_name = _("Providers")

    def ready(self) -> None:
        """Register the system checks; they need the models, so they cannot be imported with this module."""
        from providers import checks  # noqa: PLC0415

        register(checks.check_accounts)
        register(checks.check_separation)
        register(checks.check_encryption, Tags.security)
