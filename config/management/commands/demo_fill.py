"""``manage.py demo_fill``: what the demo office has seen, through the real flows."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo.filling import Filling
from config.demo.waiting import FillingStuck
from customers.models import User


class Command(BaseCommand):
    help = "Fill the demo office; needs its simulator, worker and dispatcher. Works in the demo only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the member of staff in whose name it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This command is for the demo office only.")
        staff = User.objects.get(email=options["email"])
        try:
            Filling(staff=staff, notes=settings.VAR_DIR / "filling.json", say=self._say).run()
        except FillingStuck as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
