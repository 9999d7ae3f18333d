"""``manage.py demo_login``: the demo's own member of staff, and a colleague in each role."""

import os
from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from customers.models import User
from customers.roles import ROLES

#: Role → who has it in the demo: its name before the address's @ signs in, with the same password.
COLLEAGUES = {
    "support": "Aiko Mori",
    "sales": "Ben Weber",
    "finance": "Chiyo Abe",
    "catalogue": "Dora Stein",
    "administrator": "Emi Ito",
    "auditor": "Finn Holm",
}


class Command(BaseCommand):
    help = "Make the demo's login, with the password in ROAMDESK_DEMO_PASSWORD. Works in the demo only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("ROAMDESK_DEMO_PASSWORD", "")
        if not settings.DEMO or not password:
            raise CommandError("This command is for the demo office only.")
        with transaction.atomic():
            email = options["email"]
            user = User.objects.filter(email=email).first()
            if user is None:
                user = User.objects.create_superuser(email, password, first_name="Desk", last_name="Roamdesk")
            _let_in(user, password)
            for role, name in COLLEAGUES.items():
                _make_colleague(f"{role}@{email.partition('@')[2]}", name, role, password)


def _make_colleague(email: str, name: str, role: str, password: str) -> None:
    first_name, _space, last_name = name.partition(" ")
    names = {"first_name": first_name, "last_name": last_name}
    user, is_new = User.objects.get_or_create(email=email, defaults={"is_staff": True, **names})
    if is_new:
        user.groups.add(Group.objects.get(name=ROLES[role].group))
    _let_in(user, password)


def _let_in(user: User, password: str) -> None:
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
