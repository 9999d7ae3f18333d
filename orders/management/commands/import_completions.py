"""``manage.py import_completions``: read a completion file and apply it, row by row."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.completions import FileRefused, find_earlier, import_completions
from orders.models import CompletionOutcome
from providers.models import ProviderAccount
from providers.registry import configured_accounts, ensure_accounts, offers
from providers.types import Capability

_SAID_EVERY = 500


class Command(BaseCommand):
    help = (
        "Imports a completion file: what a provider says about activations that it took. "
        "Exit status: 0 every row was applied or repeats what is known, 1 some rows match nothing or cannot be read "
        "(they are named), 2 the file cannot be imported at all: nothing was changed. The same file twice is harmless."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file as the provider made it")
        parser.add_argument("--account", default="", help="the provider account (default: the one that has such files)")

    def handle(self, *_args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", returncode=2) from error
        try:
            report = import_completions(
                account=find_account(options["account"]),
                data=data,
                file_name=path.name,
                by="command",
                on_row=self._tell,
            )
        except FileRefused as error:
            raise CommandError(f"{path}: {error.message}", returncode=2) from error
        earlier = find_earlier(report)
        if earlier is not None:
            self.stdout.write(f"The same file was imported before, on {earlier.imported_at:%Y-%m-%d %H:%M %Z}.")
        summary = (
            f"Import {report.pk}: {report.applied} applied, {report.repeated} repeated, "
            f"{report.unmatched} unmatched, {report.faulty} faulty"
        )
        if report.unmatched or report.faulty:
            raise CommandError(summary, returncode=1)
        self.stdout.write(summary)

    def _tell(self, row: CompletionOutcome, place: int, total: int) -> None:
        if row.outcome in (CompletionOutcome.Outcome.UNMATCHED, CompletionOutcome.Outcome.FAULTY):
            code = f" {row.delivery_code}" if row.delivery_code else ""
            self.stderr.write(f"row {row.number}{code}: {row.outcome}: {row.note}")
        if place % _SAID_EVERY == 0 or place == total:
            self.stdout.write(f"{place} of {total} rows")


def find_account(slug: str) -> ProviderAccount:
    """The named account, or the only one that activates lines. Raises ``CommandError``."""
    ensure_accounts()
    fitting = [name for name in configured_accounts() if offers(name, Capability.LINE_ACTIVATION)]
    if slug and slug not in fitting:
        raise CommandError(f"{slug} is not set up, or activates no lines", returncode=2)
    if not slug and len(fitting) != 1:
        known = ", ".join(fitting) or "none"
        raise CommandError(f"name the account with --account; set up are: {known}", returncode=2)
    return ProviderAccount.objects.get(slug=slug or fitting[0])
