"""Our prepaid money at wholesalers: its history, and the mark below which staff are told."""

from datetime import timedelta
from decimal import Decimal

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from providers.models import BalanceReading, ProviderAccount
from providers.types import AccountBalance

log = structlog.get_logger(__name__)

#: An unchanged balance is written down this often, so that the history shows that it was looked at.
_UNCHANGED_EVERY = timedelta(hours=6)


class MarkRefused(Exception):
    """The mark cannot be set; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def record_balance(*, account: ProviderAccount, balance: AccountBalance) -> BalanceReading:
    """Keep what the provider said; the first reading below the mark raises an alarm in the log."""
    before = newest_reading(account)
    amount, currency = balance.money.amount, balance.money.currency
    same = before is not None and (before.amount, before.currency) == (amount, currency)
    if before is not None and same and balance.as_of < before.at + _UNCHANGED_EVERY:
        return before
    reading = BalanceReading.objects.create(account=account, at=balance.as_of, amount=amount, currency=currency)
    if is_low(account, reading) and not (before is not None and is_low(account, before)):
        _raise_alarm(reading)
    return reading


def _raise_alarm(reading: BalanceReading) -> None:
    log.error("balance_low", account=reading.account.slug, amount=str(reading.amount), currency=reading.currency)


def newest_reading(account: ProviderAccount) -> BalanceReading | None:
    """What the provider said last."""
    return BalanceReading.objects.filter(account=account).order_by("-at", "-pk").first()


def is_low(account: ProviderAccount, reading: BalanceReading | None) -> bool:
    """Whether a reading is below the account's mark; without a mark never."""
    return reading is not None and account.low_balance is not None and reading.amount < account.low_balance


def set_low_mark(*, account: ProviderAccount, amount: Decimal | None, by: str) -> ProviderAccount:
    """Tell staff below this amount, in the currency of the balance; None: never. Raises ``MarkRefused``."""
    if amount is not None and amount < 0:
        raise MarkRefused(_("The mark cannot be negative."))
    with transaction.atomic():
        locked = ProviderAccount.objects.select_for_update().get(pk=account.pk)
        newest = newest_reading(locked)
        was_low = is_low(locked, newest)
        old, locked.low_balance = locked.low_balance, amount
        if old != amount:
            locked.save(update_fields=["low_balance"])
            if newest is not None and is_low(locked, newest) and not was_low:
                # Readings raise the alarm when they cross the mark; here the mark crosses the reading.
                _raise_alarm(newest)
            log.info("low_mark_set", account=account.slug, old=str(old), new=str(amount), by=by, at=str(timezone.now()))
    return locked
