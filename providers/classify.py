"""What a reply's status means: the one table of error classes, with the words of an error body where there are any.

An adapter supplies the verdicts of its provider; a status that nobody names is judged with care: for a write it leaves
the outcome unknown, for a read it is a failed read.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from providers.errors import Mend, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from providers.limits import DEFAULT_RETRY_AFTER, wait_asked_for
from providers.reading import UnreadableError, parse_document
from providers.redaction import mask_keys, redact_text
from providers.types import ProviderReply


class Verdict(StrEnum):
    """What a refusal means for the request."""

    FINAL = "final"
    CREDENTIALS = "credentials"
    BALANCE = "balance"
    PRICE = "price"
    STOCK = "stock"
    UNKNOWN = "unknown"


_MENDS = {
    Verdict.CREDENTIALS: Mend.CREDENTIALS,
    Verdict.BALANCE: Mend.BALANCE,
    Verdict.PRICE: Mend.PRICE,
    Verdict.STOCK: Mend.STOCK,
}
_MESSAGE_LIMIT = 300


def is_success(reply: ProviderReply) -> bool:
    """Any 2xx: which one a success has is often not documented."""
    return 200 <= reply.status <= 299


def judge_write(reply: ProviderReply, *, account: str, verdicts: Mapping[str, Verdict]) -> ProviderError:
    """The error that a write's reply (not a success) stands for."""
    refusal = judge_refusal(reply, account=account, verdicts=verdicts)
    return refusal or OutcomeUnknown(
        f"The provider answered HTTP {reply.status}; the request may have been carried out",
        code=str(reply.status),
        operation=reply.operation,
        account=account,
    )


def judge_read(reply: ProviderReply, *, account: str, verdicts: Mapping[str, Verdict]) -> ProviderError:
    """The error that a read's reply (not a success) stands for."""
    refusal = judge_refusal(reply, account=account, verdicts=verdicts)
    return refusal or Unavailable(
        f"The provider answered HTTP {reply.status}",
        code=str(reply.status),
        operation=reply.operation,
        account=account,
        retry_after=wait_asked_for(reply.status, reply.headers, reply.received_at),
    )


def judge_refusal(
    reply: ProviderReply, *, account: str, verdicts: Mapping[str, Verdict]
) -> Rejected | RateLimited | None:
    """A clear no, or None where the status does not say that nothing was done."""
    error = _ErrorBody(reply.body)
    if reply.status == 429:
        wait = wait_asked_for(reply.status, reply.headers, reply.received_at) or DEFAULT_RETRY_AFTER
        return RateLimited(
            f"The provider's rate limit is reached; it asks to wait {wait.total_seconds():.0f} s",
            retry_after=max(wait, timedelta(milliseconds=1)),
            code="429",
            operation=reply.operation,
            account=account,
        )
    if not 400 <= reply.status <= 499:
        return None
    # A number in the body is some code of theirs; only the reply's own status is a status.
    word = "" if error.code.isdigit() else error.code
    verdict = verdicts.get(word) or verdicts.get(str(reply.status)) or Verdict.UNKNOWN
    if verdict is Verdict.UNKNOWN:
        return None
    return make_refusal(reply, account=account, verdict=verdict)


def make_refusal(reply: ProviderReply, *, account: str, verdict: Verdict) -> Rejected:
    """The refusal that a reply's body tells of, whatever its HTTP status; ``verdict`` says what it means."""
    error = _ErrorBody(reply.body)
    says = f": {error.message}" if error.message else ""
    names = f" {error.code}" if error.code and error.code != str(reply.status) else ""
    return Rejected(
        f"The provider refused (HTTP {reply.status}{names}){says}",
        code=error.code or str(reply.status),
        operation=reply.operation,
        account=account,
        field=error.field,
        mend=_MENDS.get(verdict),
    )


def describe_refusal(reply: ProviderReply) -> str:
    """Code and text of an error body in one safe line, for a refusal that nobody can place."""
    error = _ErrorBody(reply.body)
    return ": ".join(word for word in (error.code, error.message) if word)


class _ErrorBody:
    """Code, text and field of an error body in any of the usual shapes; the documents show none."""

    def __init__(self, body: bytes) -> None:
        self.code = ""
        self.message = ""
        self.field: str | None = None
        try:
            document = parse_document(body[:100_000])
        except UnreadableError:
            return
        self._look_at(document)

    def _look_at(self, document: Any) -> None:
        if isinstance(document, str):
            self.message = self.message or clean_sentence(document)
            return
        if isinstance(document, list):
            # Several sentences about one request: a validation's findings.
            self._look_at("; ".join(item for item in document[:5] if isinstance(item, str)))
            for item in document[:3]:
                self._look_at(item)
        if not isinstance(document, dict):
            return
        self.code = self.code or _first_word(document, ("code", "errorCode", "error_code"))
        self.message = self.message or _first_text(document, ("message", "errorMessage", "errorMsg", "detail", "title"))
        self.field = self.field or _first_word(document, ("field", "parameter", "property")) or None
        # "error" stands last: beside a list of findings it only repeats the status in words.
        for name in ("message", "errors", "details", "error"):
            self._look_at(document.get(name))


def _first_word(document: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = document.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return redact_text(mask_keys(str(value).strip()))[:60]
    return ""


def _first_text(document: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((clean_sentence(document[name]) for name in names if isinstance(document.get(name), str)), "")


def clean_sentence(text: str) -> str:
    """A provider's sentence, on one line, without secrets."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return redact_text(mask_keys(line))[:_MESSAGE_LIMIT]
