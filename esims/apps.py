from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class EsimsConfig(AppConfig):
    name = "esims"
    verbose_name = _("eSIMs")

    def ready(self) -> None:
        from esims import checks  # noqa: PLC0415

        register(checks.check_brand)
