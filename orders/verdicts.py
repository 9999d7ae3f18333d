"""What came of one order that was sent: the provider's word, or that there is none."""

import traceback
from collections.abc import Mapping

import structlog

from orders.models import PurchaseAttempt
from orders.requests import Outcome, Request, read_reply
from providers.base import Provider
from providers.errors import NotOffered, ProviderError
from providers.reading import replace_unstorable
from providers.redaction import is_secret_name, mask_keys
from providers.types import ProviderReply

log = structlog.get_logger(__name__)

#: Replies carry them, nobody needs them, and they may open doors.
_SECRET_HEADERS = frozenset({"set-cookie", "cookie", "authorization", "proxy-authorization"})


class Unreadable(Exception):
    """Our own code failed over a reply: the reply is kept, and nothing is concluded from it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


Verdict = Outcome | ProviderError | Unreadable


def describe_crash(error: BaseException) -> str:
    """Where our code failed and by what kind of error; never the error's text, which may quote a reply."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def build_reply(attempt: PurchaseAttempt) -> ProviderReply | None:
    """The reply as it came, from the attempt's row; None when none was stored, or when it was erased."""
    if attempt.status is None or attempt.received_at is None or attempt.body is None:
        return None
    return ProviderReply(
        operation="order",
        status=attempt.status,
        headers=attempt.headers,
        body=attempt.body,
        complete=bool(attempt.is_complete),
        sent_at=attempt.sent_at or attempt.started_at,
        received_at=attempt.received_at,
    )


def write_reply(attempt_id: int, reply: ProviderReply) -> None:
    """Put a reply as it came into the attempt's row (the body encrypted)."""
    # Through the model, not through update(): the field encrypts there in both cases, but types are checked here.
    attempt = PurchaseAttempt(
        pk=attempt_id,
        status=reply.status,
        headers=_keep_headers(reply.headers),
        body=reply.body,
        is_complete=reply.complete,
        sent_at=reply.sent_at,
        received_at=reply.received_at,
    )
    attempt.save(update_fields=["status", "headers", "body", "is_complete", "sent_at", "received_at"])


def _keep_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what opens doors, our own keys included, and without what no database holds: it would lose the reply."""
    return {
        replace_unstorable(name): replace_unstorable(mask_keys(value))
        for name, value in headers.items()
        if name.lower() not in _SECRET_HEADERS and not is_secret_name(name)
    }


def read_verdict(provider: Provider, reply: ProviderReply, request: Request) -> Verdict:
    """Parse a stored reply. Never raises: a bug of ours must not lose what was bought."""
    try:
        return read_reply(provider, reply, request)
    except NotOffered as error:
        # Switched off after it was sent: that is no answer of the provider.
        return Unreadable(error.message)
    except ProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001  (the boundary of the adapter's code: see the docstring)
        crash = describe_crash(error)
        log.critical("reply_unreadable", account=provider.account, crash=crash)
        return Unreadable(f"The reply could not be read by our program ({crash}).")
