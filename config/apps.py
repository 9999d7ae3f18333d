from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from config.checks import register_checks


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Roamdesk"

    def ready(self) -> None:
        # What describes the API is found by being imported.
        from config.api import schema  # noqa: F401, PLC0415

        register_checks()


class RoamdeskAdminConfig(AdminConfig):
    default_site = "config.admin.RoamdeskAdminSite"
