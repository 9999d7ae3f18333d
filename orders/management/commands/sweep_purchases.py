"""``manage.py sweep_purchases``: take over from workers that died."""

from typing import Any

from django.core.management.base import BaseCommand

from orders.sweeping import sweep_purchases


class Command(BaseCommand):
    help = (
        "Applies provider replies that nobody applied, and rules on orders that were sent and never answered. "
        "Sends nothing. Exit status 0."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        sweep = sweep_purchases()
        self.stdout.write(f"{sweep.applied} stored replies applied, {sweep.lost} orders without an answer")
