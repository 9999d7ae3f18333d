"""Compare the providers' books with ours now, in this process: ``manage.py compare_accounts [--account SLUG]``."""

from argparse import ArgumentParser
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.comparing import ComparisonRefused, open_comparison, run_comparison
from orders.models import Comparison, Difference
from providers.models import ProviderAccount
from providers.registry import ensure_accounts

FAILED, DIFFERS = 1, 2


class Command(BaseCommand):
    help = (
        "Compares what each provider holds with our books, and lists what differs. No worker is needed. "
        "Exit status: 0 nothing differs, 1 a run failed or could not look at everything, 2 differences are open."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="SLUG", help="only this account; otherwise every one that is set up")

    def handle(self, *_args: Any, **options: Any) -> None:
        accounts = self._choose(options["account"])
        states = {self._compare(account) for account in accounts}
        if states & {Comparison.State.FAILED, Comparison.State.INCOMPLETE}:
            raise SystemExit(FAILED)
        if Difference.objects.filter(account__in=accounts, state=Difference.State.OPEN).exists():
            raise SystemExit(DIFFERS)

    def _choose(self, slug: str | None) -> list[ProviderAccount]:
        accounts = ensure_accounts()
        chosen = [account for account in accounts if slug in (None, account.slug)]
        if not chosen:
            known = ", ".join(account.slug for account in accounts) or "none"
            raise CommandError(f"No account {slug!r} is set up. Set up: {known}.", returncode=FAILED)
        return [account for account in chosen if slug is not None or not account.is_paused]

    def _compare(self, account: ProviderAccount) -> str:
        try:
            run, _made = open_comparison(account=account, asked_by="command", enqueue=False)
        except ComparisonRefused as error:
            raise CommandError(error.message, returncode=FAILED) from error
        self.stderr.write(f"{account.slug}: comparison {run.pk}")
        run = run_comparison(run_id=run.pk, on_progress=self._show)
        while run.state in Comparison.OPEN:
            # A worker has it: follow.
            self._show(run)
            sleep(1)
            run.refresh_from_db()
        self._report(account, run)
        return run.state

    def _show(self, run: Comparison) -> None:
        self.stderr.write(f"  {run.step or 'waiting'}: {run.done} of {run.total or '?'}")

    def _report(self, account: ProviderAccount, run: Comparison) -> None:
        self.stdout.write(
            f"{account.slug}: {run.state}: {run.found} new, {run.reopened} reopened, {run.changed} changed, "
            f"{run.still} as before, {run.gone} gone"
        )
        for name, told in run.parts.items():
            note = f": {told['note']}" if told["note"] else ""
            self.stdout.write(f"  {name} {told['state']}, {told['looked']} looked at{note}")
        if run.error:
            self.stderr.write(f"  {run.error}")
        for row in Difference.objects.filter(account=account, state=Difference.State.OPEN).order_by("pk"):
            self.stdout.write(f"  {row.kind} {row.key}: /differences/{row.pk}/")
