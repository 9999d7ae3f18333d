from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class CustomersConfig(AppConfig):
    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from allauth.account.signals import email_changed  # noqa: PLC0415
        from allauth.mfa.signals import authenticator_added  # noqa: PLC0415

        from customers import checks  # noqa: PLC0415
        from customers.linking import follow_address  # noqa: PLC0415
        from customers.second_factor import note_set_up  # noqa: PLC0415

        register(checks.check_push)
        register(checks.check_staff, deploy=True)

        # allauth's own doors for what follows such a step; they are no signals of models.
        email_changed.connect(follow_address, dispatch_uid="customers.follow_address")
        authenticator_added.connect(note_set_up, dispatch_uid="customers.note_set_up")
