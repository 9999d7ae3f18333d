"""``manage.py demo``: a filled, working back office on this machine."""

import sys
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.demo.home import DemoHome, DemoRuns, find_free_port
from config.demo.office import PROJECT_DIR, DemoOffice


class Command(BaseCommand):
    help = "Open the demo office: database, provider simulator, worker, dispatcher and web server, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help="port of the web server (default: 8000 or the next free one)")
        parser.add_argument("--home", type=Path, default=PROJECT_DIR / "var" / "demo", help="where its data lives")
        parser.add_argument("--no-fill", action="store_true", help="open an empty office")
        parser.add_argument("--once", action="store_true", help="close again as soon as everything works")

    def handle(self, *args: Any, **options: Any) -> None:
        home = DemoHome(options["home"])
        try:
            home.open()
        except DemoRuns as error:
            raise CommandError(f"The demo office in {error} is already open in another terminal.") from error
        if options["port"] is not None and not find_free_port(options["port"]):
            raise CommandError(f"Port {options['port']} is taken; choose another with --port.")
        office = DemoOffice(home, port=options["port"], say=self._say)
        sys.exit(office.run(fill=not options["no_fill"], once=options["once"]))

    def _say(self, line: str) -> None:
        # The terminal may be gone: that must not keep the office from closing.
        with suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()
