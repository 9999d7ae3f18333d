from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from config.checks import register_checks


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Roamdesk"

    def ready(self) -> None:
        from django_q.admin import resubmit_task  # noqa: PLC0415

        # What describes the API is found by being imported.
        from config.api import schema  # noqa: F401, PLC0415
        from customers.roles import follow_migrations  # noqa: PLC0415

        register_checks()
        # The package's own button asks for no permission: whoever could see jobs could have them run again.
        resubmit_task.allowed_permissions = ("change",)
        # The last app of all: by then every permission is there.
        post_migrate.connect(follow_migrations, sender=apps.get_app_config("django_q"), dispatch_uid="config.roles")


class RoamdeskAdminConfig(AdminConfig):
    default_site = "config.admin.RoamdeskAdminSite"
