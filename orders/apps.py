from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        """Register the system checks."""
        from orders import checks  # noqa: PLC0415

        register(checks.check_cards)
