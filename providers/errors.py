"""What went wrong with a provider, told as what the caller may do next.

A broken configuration is Django's ``ImproperlyConfigured`` and stands outside this tree on purpose: no
``except ProviderError`` may swallow it.
"""

from datetime import timedelta
from enum import StrEnum


class Mend(StrEnum):
    """What staff can put right so that the same request may be sent again."""

    BALANCE = "balance"
    PRICE = "price"
    STOCK = "stock"
    CREDENTIALS = "credentials"
    #: What was typed in: a field of the request is named.
    DATA = "data"
    #: Nothing but time: the provider takes it later (next month, say).
    TIME = "time"


class ProviderError(Exception):
    """The root: something a provider, or the way to it, did.

    ``message`` is safe to show to staff: it holds no key, token or activation code. ``code`` is the provider's own
    word (an HTTP status where it gives none), kept as text because leading zeros matter to some.
    """

    def __init__(self, message: str, *, code: str = "", operation: str = "", account: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.operation = operation
        self.account = account


class NotSent(ProviderError):
    """Nothing left this machine (no connection, name or TLS failure): retry freely, writes too."""


class Rejected(ProviderError):
    """The provider said no and did nothing. Never repeat it unchanged.

    ``field`` names our request field at fault, where the provider says which. ``mend`` says what staff can put right;
    None means that the answer is final.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        operation: str = "",
        account: str = "",
        field: str | None = None,
        mend: Mend | None = None,
    ) -> None:
        super().__init__(message, code=code, operation=operation, account=account)
        self.field = field
        self.mend = mend


class NotOffered(Rejected):
    """The adapter does not declare this capability: nothing was sent."""


class RateLimited(ProviderError):
    """Not processed: either our own budget is spent (nothing was sent) or the provider answered 429.

    ``retry_after`` is always positive.
    """

    def __init__(
        self, message: str, *, retry_after: timedelta, code: str = "", operation: str = "", account: str = ""
    ) -> None:
        super().__init__(message, code=code, operation=operation, account=account)
        self.retry_after = retry_after


#: The code of an ``Unavailable`` where the provider answered and does not tell of what was asked for.
NOT_TOLD = "not_told"


class Unavailable(ProviderError):
    """A read failed (time-out, reset, 5xx, nonsense). Nothing changed anywhere; read again later.

    ``retry_after`` is what the provider asked for, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        operation: str = "",
        account: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, code=code, operation=operation, account=account)
        self.retry_after = retry_after


class OutcomeUnknown(ProviderError):
    """A write was sent and no usable answer came: it may have happened.

    ``transaction_id`` is the provider's handle where a part of the answer still gave it away ("" otherwise).
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        operation: str = "",
        account: str = "",
        transaction_id: str = "",
    ) -> None:
        super().__init__(message, code=code, operation=operation, account=account)
        self.transaction_id = transaction_id


class KeyTaken(OutcomeUnknown):
    """The provider holds a request under this key of ours already and does not say which: look it up by the key."""


class StillAllocating(ProviderError):
    """The provider took the order and has not allocated the lines yet: ask again later."""


class WebhookRefused(ProviderError):
    """A delivery whose sender did not prove to be the provider: it is not stored."""
