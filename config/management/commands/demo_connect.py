"""``manage.py demo_connect``: the simulated wholesalers learn where the demo office is."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo.accounts import connect
from config.demo.waiting import FillingStuck


class Command(BaseCommand):
    help = "Set the webhook addresses; needs the demo's simulator, worker and web server. Works in the demo only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the member of staff in whose name it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This command is for the demo office only.")
        try:
            connect(by=options["email"])
        except FillingStuck as error:
            raise CommandError(str(error)) from error
