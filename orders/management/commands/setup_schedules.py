"""``manage.py setup_schedules``: declare what runs by the clock."""

from typing import Any

from django.core.management.base import BaseCommand

from orders.schedules import set_up_schedules


class Command(BaseCommand):
    help = "Makes django-q2's schedules as this version declares them; may be run again at any time. Exit status 0."

    def handle(self, *_args: Any, **_options: Any) -> None:
        made, changed, removed = set_up_schedules()
        self.stdout.write(f"schedules: {made} made, {changed} changed, {removed} removed")
