"""``manage.py demo_login``: the demo's own member of staff."""

import os
from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from customers.models import User


class Command(BaseCommand):
    help = "Make the demo's login, with the password in ROAMDESK_DEMO_PASSWORD. Works in the demo only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("ROAMDESK_DEMO_PASSWORD", "")
        if not settings.DEMO or not password:
            raise CommandError("This command is for the demo office only.")
        with transaction.atomic():
            user = User.objects.filter(email=options["email"]).first()
            if user is None:
                user = User.objects.create_superuser(
                    options["email"], password, first_name="Desk", last_name="Roamdesk"
                )
            if not user.check_password(password):
                user.set_password(password)
                user.save(update_fields=["password"])
            EmailAddress.objects.update_or_create(
                user=user, email=user.email, defaults={"verified": True, "primary": True}
            )
