"""What freebit answers: ``{"resultCode": 100, "status": {"message": "OK", "statusCode": 200}}``.

``resultCode`` holds the detail code and ``status.statusCode`` the status code, as in the document's example; its table
of parameters says it the other way round. No number is both, so the two are told apart by what they are. Codes come as
numbers (document) or as strings (live). The HTTP status is not given: the body counts, whatever it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from providers.errors import Mend, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from providers.freebit.rules import RESULT_CODES, NextStep
from providers.limits import DEFAULT_RETRY_AFTER, wait_asked_for
from providers.reading import UnreadableError, parse_document
from providers.redaction import mask_keys, redact_text
from providers.types import ProviderReply

ACCEPTED = "100"
_OK = 200
#: By the document every 400 is a "Parameter error", 403 an "Auth Error", 404 "Not Found": nothing was done.
_STATUS_MENDS: Mapping[int, Mend] = {400: Mend.DATA, 403: Mend.CREDENTIALS, 404: Mend.DATA}
_TROUBLE = 500
#: What staff can put right, by what the code asks for. The codes of ``may_be_ours`` (the number, the MNP reservation or
#: the EID is in use already) are final all the same: in this request there is nothing to mend.
_MENDS: Mapping[NextStep, Mend] = {
    NextStep.FIX_FIELD: Mend.DATA,
    NextStep.RENEW_KEY: Mend.CREDENTIALS,
    NextStep.NEXT_MONTH: Mend.TIME,
    # A representative number without phone numbers: freebit has to give us more.
    NextStep.CONTRACT: Mend.STOCK,
}
#: OURS: without an answer of freebit's own, these say that a server in front did not let the request through.
_TURNED_AWAY = frozenset({401, 403, 404, 405, 415})
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_LONG_DIGITS = re.compile(r"[0-9][0-9 -]{6,}[0-9]", re.ASCII)
_MESSAGE_LIMIT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The two codes of a reply ("" and None for what is absent or no number) and its text."""

    code: str
    status: int | None
    message: str
    document: Mapping[str, Any]

    @property
    def is_accepted(self) -> bool:
        """Success is both, never one of them."""
        return self.code == ACCEPTED and self.status == _OK

    @property
    def is_new_refusal(self) -> bool:
        """A code that came after the document, in a class of which the document says that nothing was done."""
        return self.code not in (ACCEPTED, *RESULT_CODES) and self.status in _STATUS_MENDS

    @property
    def next_step(self) -> NextStep | None:
        """What the document's code asks for; None for a code that is not in it, or that contradicts the status."""
        known = RESULT_CODES.get(self.code)
        return known.next_step if known and self.status != _OK else None


def read_answer(reply: ProviderReply) -> Answer | None:
    """The answer in a reply's body; None where it is cut off or not freebit's."""
    try:
        document = parse_document(reply.body) if reply.complete else None
    except UnreadableError:
        return None
    if not isinstance(document, dict):
        return None
    status = document.get("status")
    inner = status if isinstance(status, dict) else {}
    code, status_code = _to_number(document.get("resultCode")), _to_number(inner.get("statusCode"))
    if code is None:
        return None
    if code in (*_STATUS_MENDS, _TROUBLE) and status_code is not None and is_known_refusal(str(status_code)):
        code, status_code = status_code, code
    return Answer(code=str(code), status=status_code, message=_clean(inner.get("message")), document=document)


def is_known_refusal(code: str) -> bool:
    """Whether this is the detail code of one of the document's errors."""
    return code in RESULT_CODES


def is_key_refused(reply: ProviderReply) -> bool:
    """Whether a reply surely says that the authentication key was refused and nothing was done."""
    answer = read_answer(reply)
    return answer is not None and answer.next_step is NextStep.RENEW_KEY


def judge_activation(reply: ProviderReply, *, account: str, busy_wait: timedelta) -> ProviderError | None:
    """The error that the reply to an activation stands for; None when it was accepted."""
    answer = read_answer(reply)
    if answer and answer.is_accepted:
        return None
    if reply.status == 429 or (answer and answer.next_step is NextStep.RETRY_LATER):
        return _hold_back(reply, answer, account=account, busy_wait=busy_wait)
    refusal = _refuse(reply, answer, account=account)
    return refusal or OutcomeUnknown(
        f"The provider gave no usable answer ({_name(reply, answer)}); the activation may have been accepted",
        code=answer.code if answer else str(reply.status),
        operation=reply.operation,
        account=account,
    )


def judge_authentication(reply: ProviderReply, *, account: str, busy_wait: timedelta) -> ProviderError | None:
    """The error that the reply to an authentication stands for; None for success and for what must be parsed."""
    answer = read_answer(reply)
    if answer and answer.code == ACCEPTED:
        return None
    if reply.status == 429 or (answer and answer.next_step is NextStep.RETRY_LATER):
        return _hold_back(reply, answer, account=account, busy_wait=busy_wait)
    if reply.status in _TURNED_AWAY or (answer and _is_clear_refusal(answer)):
        return _reject(reply, answer, account=account, mend=Mend.CREDENTIALS)
    if answer is None and 200 <= reply.status <= 299:
        return None
    return Unavailable(
        f"The provider gave no authentication key ({_name(reply, answer)})",
        code=answer.code if answer else str(reply.status),
        operation=reply.operation,
        account=account,
        retry_after=wait_asked_for(reply.status, reply.headers, reply.received_at),
    )


def _is_clear_refusal(answer: Answer) -> bool:
    """Whether an authentication was refused for what we sent, rather than for their trouble."""
    return answer.next_step is not NextStep.OUTCOME_UNKNOWN and answer.status != _TROUBLE


def _refuse(reply: ProviderReply, answer: Answer | None, *, account: str) -> Rejected | None:
    """A clear no, or None where it is not clear that nothing was done."""
    mend = _MENDS.get(answer.next_step) if answer and answer.next_step else None
    if answer and mend:
        is_final = RESULT_CODES[answer.code].may_be_ours
        return _reject(reply, answer, account=account, mend=None if is_final else mend)
    if answer and answer.is_new_refusal:
        return _reject(reply, answer, account=account, mend=_STATUS_MENDS.get(answer.status or 0))
    is_theirs = answer is not None and (answer.code == ACCEPTED or answer.status == _OK)
    if reply.complete and reply.status in _TURNED_AWAY and not is_theirs:
        return _reject(reply, answer, account=account, mend=Mend.CREDENTIALS)
    return None


def _reject(reply: ProviderReply, answer: Answer | None, *, account: str, mend: Mend | None) -> Rejected:
    known = RESULT_CODES.get(answer.code) if answer else None
    says = str(known.meaning) if known else answer.message if answer else ""
    return Rejected(
        f"The provider refused ({_name(reply, answer)})" + (f": {says}" if says else ""),
        code=answer.code if answer else str(reply.status),
        operation=reply.operation,
        account=account,
        field=known.field if known else None,
        mend=mend,
    )


def _hold_back(reply: ProviderReply, answer: Answer | None, *, account: str, busy_wait: timedelta) -> RateLimited:
    asked = wait_asked_for(reply.status, reply.headers, reply.received_at)
    wait = asked or (DEFAULT_RETRY_AFTER if reply.status == 429 else busy_wait)
    return RateLimited(
        f"The provider does not take the request now ({_name(reply, answer)}); again in {wait.total_seconds():.0f} s",
        retry_after=wait,
        code="429" if answer is None or reply.status == 429 else answer.code,
        operation=reply.operation,
        account=account,
    )


def _name(reply: ProviderReply, answer: Answer | None) -> str:
    """A reply's codes as the document writes them: 400-215."""
    if answer is None:
        return f"HTTP {reply.status}"
    return answer.code if answer.status is None else f"{answer.status}-{answer.code}"


def _to_number(value: object) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return int(value.strip())
    if isinstance(value, Decimal) and value == value.to_integral_value() and 0 <= value < 10**6:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**6 else None


def _clean(value: object) -> str:
    """Their sentence; by the document "alphanumeric + symbols". What might be a number or a name is left out."""
    if not isinstance(value, str):
        return ""
    text = " ".join("".join(c if c.isascii() and c.isprintable() else " " for c in value[:1000]).split())
    return _LONG_DIGITS.sub("…", redact_text(mask_keys(text)))[:_MESSAGE_LIMIT]
