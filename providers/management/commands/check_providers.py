"""``manage.py check_providers``: does every configured account answer?"""

import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.errors import NotSent, ProviderError, RateLimited, Rejected
from providers.models import ProviderAccount
from providers.registry import ensure_accounts, get_provider


class Command(BaseCommand):
    help = "Ask every configured provider account one cheap question. Exit status 1 when one does not answer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", metavar="SLUG", help="only this account")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = [row for row in ensure_accounts() if options["account"] in (None, row.slug)]
        if not accounts:
            raise CommandError("No such provider account is configured.")
        failed = sum(not self._check(account) for account in accounts)
        if failed:
            raise CommandError(f"{failed} of {len(accounts)} provider accounts did not answer.")

    def _check(self, account: ProviderAccount) -> bool:
        started = time.monotonic()
        try:
            get_provider(account.slug).check()
        except (ProviderError, ImproperlyConfigured) as error:
            self.stdout.write(self.style.ERROR(f"{account.slug}: {_describe(error)}"))
            self._show_history(account)
            return False
        milliseconds = round((time.monotonic() - started) * 1000)
        self.stdout.write(self.style.SUCCESS(f"{account.slug}: answers ({milliseconds} ms)"))
        return True

    def _show_history(self, account: ProviderAccount) -> None:
        account.refresh_from_db()
        success = f"{account.last_success_at:%Y-%m-%d %H:%M:%S} UTC" if account.last_success_at else "never"
        self.stdout.write(f"  last answer: {success}")


def _describe(error: Exception) -> str:
    if isinstance(error, RateLimited):
        return f"the rate limit is reached, try again in {error.retry_after.total_seconds():.0f} s"
    if isinstance(error, NotSent) and error.code == "paused":
        return "paused by staff, nothing was sent"
    if isinstance(error, Rejected) and error.mend:
        return f"{error.message} (look at the {error.mend.value})"
    return str(error)
