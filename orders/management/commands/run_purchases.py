"""``manage.py run_purchases``: buy what is due, in this process."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.purchasing import due_purchases, run_due_purchases


class Command(BaseCommand):
    help = (
        "Takes the next step of every purchase that is due: sends it, or asks what the provider holds. "
        "Exit status: 0 nothing is due any more, 3 purchases are left (time, limit or rate budget)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=None, help="at most so many steps")
        parser.add_argument("--seconds", type=float, default=60.0, help="begin no step after so long (default 60)")

    def handle(self, *_args: Any, **options: Any) -> None:
        end, taken, limit = time.monotonic() + options["seconds"], 0, options["limit"]
        while (rest := end - time.monotonic()) > 0 and (limit is None or taken < limit) and due_purchases().exists():
            step = run_due_purchases(limit=None if limit is None else limit - taken, seconds=min(rest, 10.0))
            taken += step
            self.stdout.write(f"{taken} steps taken, {due_purchases().count()} purchases due")
            if not step:
                time.sleep(min(1.0, max(rest, 0.0)))
        left = due_purchases().count()
        if left:
            raise CommandError(f"{taken} steps taken, {left} purchases are still due", returncode=3)
        self.stdout.write(f"{taken} steps taken, nothing is due")
