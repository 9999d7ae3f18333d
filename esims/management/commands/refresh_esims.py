"""``manage.py refresh_esims``: read due lines, or named ones, from their providers."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from esims.claims import count_due_lines
from esims.due_lines import refresh_due_lines
from esims.models import Esim
from esims.refresh import refresh_line
from providers.errors import ProviderError
from providers.types import Priority


class Command(BaseCommand):
    help = (
        "Reads the lines that are due (watched ones first), or the lines named by ICCID. "
        "Exit status: 0 everything that was due has been read, 1 a named line could not be read, "
        "3 due lines are left (time, limit, rate budget or errors)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("iccid", nargs="*", help="read these lines, due or not")
        parser.add_argument("--limit", type=int, default=None, help="at most so many lines")
        parser.add_argument("--seconds", type=float, default=60.0, help="for at most so long (default 60)")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["iccid"]:
            self._read_named(options["iccid"])
        else:
            self._drain(limit=options["limit"], seconds=options["seconds"])

    def _read_named(self, iccids: list[str]) -> None:
        failed = 0
        for iccid in iccids:
            lines = list(Esim.objects.filter(iccid=iccid))
            if not lines:
                failed += 1
                self.stderr.write(f"{iccid}: not in our books")
            for line in lines:
                try:
                    fresh = refresh_line(esim_id=line.pk, priority=Priority.PEOPLE, by="command")
                except (ProviderError, ImproperlyConfigured) as error:
                    failed += 1
                    self.stderr.write(f"{iccid}: {error}")
                else:
                    self.stdout.write(f"{iccid}: {fresh.state} as of {fresh.state_as_of:%Y-%m-%d %H:%M:%S %Z}")
        if failed:
            raise CommandError(f"{failed} lines were not read")

    def _drain(self, *, limit: int | None, seconds: float) -> None:
        """Read in short runs, so that progress is seen and a spent rate budget is waited for within our time."""
        end, done = time.monotonic() + seconds, 0
        while (rest := end - time.monotonic()) > 0 and (limit is None or done < limit) and count_due_lines():
            step = refresh_due_lines(limit=None if limit is None else limit - done, seconds=min(rest, 5.0))
            done += step
            self.stdout.write(f"{done} lines read, {count_due_lines()} due")
            if not step:
                time.sleep(min(1.0, max(rest, 0.0)))
        if count_due_lines():
            raise CommandError(f"{done} lines read, others are still due", returncode=3)
        self.stdout.write(f"{done} lines read, none is due")
