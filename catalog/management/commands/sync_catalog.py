"""Read the catalogues now, in this process: ``manage.py sync_catalog [--account SLUG]``."""

from argparse import ArgumentParser
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.models import SyncRun
from catalog.sync import OPEN, STEPS, has_catalogue, open_run, run_sync, tell_no_catalogue
from providers.models import ProviderAccount
from providers.registry import ensure_accounts

FAILED, ASKS = 1, 2


class Command(BaseCommand):
    help = (
        "Reads the providers' catalogues and writes what changed. No worker is needed. "
        "Exit status: 0 all went well, 1 a run failed, 2 a run asks a person."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="SLUG", help="only this account; otherwise every one that is set up")

    def handle(self, *_args: Any, **options: Any) -> None:
        accounts = self._choose(options["account"])
        states = {self._sync(account).state for account in accounts}
        if SyncRun.State.FAILED in states:
            raise SystemExit(FAILED)
        if SyncRun.State.NEEDS_APPROVAL in states:
            raise SystemExit(ASKS)

    def _choose(self, slug: str | None) -> list[ProviderAccount]:
        accounts = ensure_accounts()
        listed = [account for account in accounts if has_catalogue(account.slug)]
        if slug is None:
            for account in accounts:
                if account not in listed:
                    self.stderr.write(tell_no_catalogue(account.name))
            if not listed:
                raise CommandError(
                    "No provider account with a catalogue is set up: see docs/environment.md.", returncode=FAILED
                )
            return [account for account in listed if not account.is_paused]
        chosen = [account for account in accounts if account.slug == slug]
        if not chosen:
            known = ", ".join(account.slug for account in listed) or "none"
            raise CommandError(f"No account {slug!r} is set up to be read. Set up: {known}.", returncode=FAILED)
        if chosen[0] not in listed:
            raise CommandError(tell_no_catalogue(chosen[0].name), returncode=FAILED)
        return chosen

    def _sync(self, account: ProviderAccount) -> SyncRun:
        run, _ = open_run(account=account, asked_by="command", enqueue=False)
        self.stderr.write(f"{account.slug}: run {run.pk}")
        run = run_sync(run_id=run.pk, on_progress=self._show)
        while run.state in OPEN:
            # A worker has it: follow.
            self._show(run)
            sleep(1)
            run.refresh_from_db()
        self._report(account, run)
        return run

    def _show(self, run: SyncRun) -> None:
        pages = f"page {run.pages_read} of {run.pages_total or '?'}"
        step = STEPS.get(run.step, run.step or "waiting")
        self.stderr.write(f"  {step}: {pages}, {run.offers_read} of {run.offers_total or '?'} plans")

    def _report(self, account: ProviderAccount, run: SyncRun) -> None:
        counts = (
            f"{run.added} added, {run.changed} changed, {run.unchanged} unchanged, {run.returned} returned, "
            f"{run.retired} retired, {len(run.faults)} faults"
        )
        self.stdout.write(f"{account.slug}: {run.state}: {counts}")
        if run.error:
            self.stderr.write(f"  {run.error}")
        if run.state == SyncRun.State.NEEDS_APPROVAL:
            self.stderr.write(f"  {len(run.would_retire)} plans vanished. A person decides: /syncs/{run.pk}/")
