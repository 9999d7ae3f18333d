"""Short-lived tokens of a provider, one per account, shared by all workers of all hosts.

A token is renewed when five sixths of its life are over. The right to renew is claimed by a conditional update, so
that one worker authenticates while the others go on with the old token, or wait for the new one where there is no old
one. No transaction and no lock is held while the provider is asked.

A token belongs to the address and the keys that it was issued for: under other settings it is not used.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from providers.errors import Mend, NotSent, ProviderError, Rejected, Unavailable
from providers.models import ProviderAccount, ProviderToken
from providers.types import ProviderReply

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: OURS: the last sixth of a token's life is for renewing it: ten minutes of an hour.
_RENEWAL_SHARE = 6
#: OURS: how long a call waits for the token that another worker is fetching, and how often it looks.
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05
#: OURS: after a renewal that failed the old token is used, and the next try comes so much later.
_NEXT_TRY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """What an authentication brought. ``expires_at`` is aware UTC."""

    value: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedToken:
    """The token of one account.

    ``issue`` authenticates: one read through ``transport``, which raises like any read. ``issued_for`` are the address
    and the keys that it uses; only a digest of them is stored.
    """

    account: str
    issued_for: tuple[str, ...] = field(repr=False)
    issue: Callable[[], IssuedToken] = field(repr=False)

    def get(self, operation: str) -> str:
        """The token to use now, for a call of this name.

        Raises ``NotSent``, ``RateLimited`` or ``Rejected`` with that name: the call itself was not sent.
        """
        return self._obtain("", operation)

    def replace(self, refused: str, operation: str) -> str:
        """Another token than the one that the provider has just refused; raises like ``get``."""
        return self._obtain(refused, operation)

    def renew(self) -> None:
        """Authenticate now, whatever is stored, so that address and keys are proved. Raises like any read."""
        row = self._read_row()
        self._find_or_renew(self._read_usable(row, "") if row else "")

    def _obtain(self, refused: str, operation: str) -> str:
        try:
            return self._find_or_renew(refused)
        except Unavailable as error:
            message = f"No token could be had, so nothing was sent: {error.message}"
            raise NotSent(message, code=error.code, operation=operation, account=self.account) from error
        except ProviderError as error:
            error.operation = operation
            raise
        except (OperationalError, InterfaceError) as failure:
            message = "The database could not be asked for the token"
            raise NotSent(message, code="database", operation=operation, account=self.account) from failure

    def _find_or_renew(self, refused: str) -> str:
        patience_ends = time.monotonic() + _PATIENCE_SECONDS
        while True:
            row = self._read_row()
            if row is None:
                # An account that has no row yet has no place for its token either.
                return self.issue().value
            usable = self._read_usable(row, refused)
            if usable and timezone.now() < row.renew_at:
                return usable
            claim = self._claim(row)
            if claim:
                return self._renew(row.pk, claim, fallback=usable)
            if usable:
                return usable
            if time.monotonic() > patience_ends:
                raise NotSent(
                    "Another worker has been fetching the token for long, so nothing was sent",
                    code="token",
                    account=self.account,
                )
            time.sleep(_LOOK_SECONDS)

    def _read_row(self) -> ProviderToken | None:
        row = ProviderToken.objects.filter(account__slug=self.account).first()
        if row:
            return row
        account = ProviderAccount.objects.filter(slug=self.account).first()
        if account is None:
            return None
        past = timezone.now()
        defaults = {"token": b"", "expires_at": past, "renew_at": past}
        return ProviderToken.objects.get_or_create(account=account, defaults=defaults)[0]

    def _read_usable(self, row: ProviderToken, refused: str) -> str:
        """The stored token, "" where it is over, refused, or another contract's."""
        if not row.token or row.expires_at <= timezone.now():
            return ""
        if not constant_time_compare(row.issued_for, self._digest()):
            return ""
        value = row.token.decode()
        return "" if value == refused else value

    def _digest(self) -> str:
        return salted_hmac("providers.tokens", "\n".join(self.issued_for), algorithm="sha256").hexdigest()

    def _claim(self, row: ProviderToken) -> datetime | None:
        """The right to renew what was read, until the moment that is returned; None when somebody else has it."""
        now = timezone.now()
        longest = settings.HTTP_CONNECT_TIMEOUT + 2 * settings.HTTP_READ_TIMEOUT + _PATIENCE_SECONDS
        until = now + timedelta(seconds=longest)
        free = Q(renewing_until__isnull=True) | Q(renewing_until__lte=now)
        unchanged = Q(pk=row.pk, renew_at=row.renew_at)
        return until if ProviderToken.objects.filter(free & unchanged).update(renewing_until=until) == 1 else None

    def _renew(self, row_id: int, claim: datetime, *, fallback: str) -> str:
        claimed = ProviderToken.objects.filter(pk=row_id, renewing_until=claim)
        try:
            issued = self.issue()
        except ProviderError as error:
            claimed.update(renewing_until=timezone.now() + _NEXT_TRY if fallback else None)
            if not fallback:
                raise
            log.warning("token_not_renewed", account=self.account, error=type(error).__name__, code=error.code)
            return fallback
        except BaseException:
            claimed.update(renewing_until=None)
            raise
        now = timezone.now()
        try:
            claimed.update(
                token=issued.value.encode(),
                expires_at=issued.expires_at,
                renew_at=issued.expires_at - max(issued.expires_at - now, timedelta(0)) / _RENEWAL_SHARE,
                issued_for=self._digest(),
                renewing_until=None,
            )
        except DatabaseFailure as failure:
            # The token in hand is good; the claim ends by itself.
            log.warning("token_not_stored", account=self.account, error=type(failure).__name__)
        return issued.value


def read_with_token(token: SharedToken, operation: str, attempt: Callable[[str], T]) -> T:
    """Make a read with the token, and once more with another one when the provider refuses it."""
    value = token.get(operation)
    try:
        return attempt(value)
    except Rejected as error:
        if error.mend is not Mend.CREDENTIALS:
            raise
    return attempt(token.replace(value, operation))


def write_with_token(
    token: SharedToken,
    operation: str,
    attempt: Callable[[str], ProviderReply],
    is_refused: Callable[[ProviderReply], bool],
) -> ProviderReply:
    """Send a write with the token, and once more with another one when the reply is a refusal of the token.

    ``is_refused`` must be sure: the provider said that it did nothing. Whatever the second reply says is returned.
    When no other token can be had, the first reply is: it is the provider's answer.
    """
    value = token.get(operation)
    reply = attempt(value)
    if not is_refused(reply):
        return reply
    try:
        another = token.replace(value, operation)
    except ProviderError as error:
        log.warning("token_not_replaced", account=token.account, error=type(error).__name__, code=error.code)
        return reply
    return attempt(another)
