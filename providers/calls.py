"""The call log and the health of accounts. Neither may change the outcome of a call, so neither ever raises."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from providers.errors import Mend, NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.models import ProviderAccount, ProviderCall
from providers.redaction import redact_body, redact_path
from providers.types import ProviderReply

log = structlog.get_logger(__name__)

REQUEST_LIMIT = 2_000
REPLY_LIMIT = 4_000
#: The account's row is written at most this often: every worker of an account would queue for it otherwise.
HEALTH_INTERVAL = timedelta(seconds=5)

Outcome = ProviderCall.Outcome
_BY_ERROR: Mapping[type[ProviderError], ProviderCall.Outcome] = {
    NotSent: Outcome.NOT_SENT,
    RateLimited: Outcome.RATE_LIMITED,
    Rejected: Outcome.REJECTED,
    OutcomeUnknown: Outcome.UNKNOWN,
}


def record_call(
    *,
    account: str,
    operation: str,
    method: str,
    url: str,
    body: bytes,
    content_type: str = "",
    sent_at: datetime,
    reply: ProviderReply | None,
    error: ProviderError | None,
    is_write: bool,
) -> None:
    """Write one row of the log, redacted and cut, and the account's health. Never raises."""
    try:
        finished_at = reply.received_at if reply else timezone.now()
        outcome = _judge(reply, error, is_write=is_write)
        parts = urlsplit(url)
        message = _message(reply, error)
        row = ProviderCall(
            account=account,
            operation=operation,
            method=method,
            path=redact_path(parts.path + (f"?{parts.query}" if parts.query else ""))[:300],
            request=redact_body(body, content_type=content_type, limit=REQUEST_LIMIT),
            status=reply.status if reply else None,
            reply=redact_body(reply.body, limit=REPLY_LIMIT) if reply else "",
            outcome=outcome,
            error=message[:300],
            sent_at=sent_at,
            duration_ms=max(0, round((finished_at - sent_at).total_seconds() * 1000)),
            request_id=str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64],
        )
        row.save(force_insert=True)
        _note_health(account, outcome, message, finished_at, keys_refused=_are_keys_refused(reply, error))
    except Exception as failure:  # noqa: BLE001 - a job boundary: a line on the wire is worth more than its log row
        log.warning("call_log_failed", account=account, operation=operation, error=type(failure).__name__)


def _judge(reply: ProviderReply | None, error: ProviderError | None, *, is_write: bool) -> ProviderCall.Outcome:
    for kind, outcome in _BY_ERROR.items():
        if isinstance(error, kind):
            return outcome
    if error or reply is None:
        return Outcome.FAILED
    if reply.status == 429:
        return Outcome.RATE_LIMITED
    if 200 <= reply.status <= 299:
        return Outcome.UNKNOWN if is_write and not reply.complete else Outcome.OK
    if 400 <= reply.status <= 499 and reply.status != 408:
        return Outcome.REJECTED
    return Outcome.UNKNOWN if is_write else Outcome.FAILED


def _message(reply: ProviderReply | None, error: ProviderError | None) -> str:
    if error:
        return error.message
    if reply and not reply.complete:
        return "the reply was cut off"
    return f"HTTP {reply.status}" if reply and not 200 <= reply.status <= 299 else ""


def _are_keys_refused(reply: ProviderReply | None, error: ProviderError | None) -> bool:
    """Also where a provider says so in a body of its own with HTTP 200."""
    told = isinstance(error, Rejected) and error.mend is Mend.CREDENTIALS
    return told or (reply is not None and reply.status in (401, 403))


def _note_health(
    account: str, outcome: ProviderCall.Outcome, message: str, at: datetime, *, keys_refused: bool
) -> None:
    rows = ProviderAccount.objects.filter(slug=account)
    due = at - HEALTH_INTERVAL
    if outcome == Outcome.OK:
        # Whoever asks whether an account fails compares the two times: a change of luck is written at once.
        is_news = Q(last_success_at__isnull=True) | Q(last_failure_at__gte=F("last_success_at"))
        rows.filter(is_news | Q(last_success_at__lt=due)).update(last_success_at=at)
    elif outcome in (Outcome.NOT_SENT, Outcome.FAILED, Outcome.UNKNOWN) or keys_refused:
        is_news = Q(last_failure_at__isnull=True) | Q(last_success_at__gte=F("last_failure_at"))
        rows.filter(is_news | Q(last_failure_at__lt=due) | ~Q(last_failure=message)).update(
            last_failure_at=at, last_failure=message
        )


def prune_calls(*, days: int | None = None) -> int:
    """Delete log rows older than ``days`` (``CALL_LOG_DAYS``); returns how many."""
    limit = timezone.now() - timedelta(days=settings.CALL_LOG_DAYS if days is None else days)
    deleted, _by_model = ProviderCall.objects.filter(sent_at__lt=limit).delete()
    return deleted
