from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class CustomersConfig(AppConfig):
    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from allauth.account.signals import email_changed  # noqa: PLC0415

        from customers import checks  # noqa: PLC0415
        from customers.linking import follow_address  # noqa: PLC0415

        register(checks.check_push)

        # allauth's own door for what follows a change of address; it is no signal of a model.
        email_changed.connect(follow_address, dispatch_uid="customers.follow_address")
