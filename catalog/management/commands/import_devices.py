"""``manage.py import_devices``: take a list of devices over, or see what that would do."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.device_files import SEED_FILE, DeviceFileRefused, import_devices


class Command(BaseCommand):
    help = (
        "Takes a CSV file of phones and tablets into the list that customers look theirs up in; without a file the "
        "list that comes with the program. The same file twice changes nothing; what it does not name stays. "
        "Exit status: 0 taken (or could be), 1 rows cannot be read (they are named): nothing was changed, "
        "2 no such file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", default=SEED_FILE, help="CSV in UTF-8 (docs/own-page.md)")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            report = import_devices(data=path.read_bytes(), by="command", dry_run=options["dry_run"])
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", returncode=2) from error
        except DeviceFileRefused as error:
            raise CommandError(f"{path}: {error.message}", returncode=2) from error
        for fault in report.faults:
            self.stderr.write(f"line {fault.line}: {fault.message}")
        for device, columns in report.changed:
            self.stdout.write(f"{device}: {', '.join(columns)}")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{len(report.added)} {would}added, {len(report.changed)} {would}changed, {report.unchanged} as they are"
        )
        if report.faults:
            raise CommandError(f"{len(report.faults)} rows cannot be read: nothing was changed", returncode=1)
