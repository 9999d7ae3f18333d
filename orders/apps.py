from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import pre_migrate
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        """Register the system checks, and what looks at the books before migrations are taken back."""
        from orders import checks, way_back  # noqa: PLC0415

        register(checks.check_cards)
        register(checks.check_notifications)
        pre_migrate.connect(way_back.refuse_to_lose_books, sender=self)
