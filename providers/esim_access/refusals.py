"""What an error code means for the request, and the one place that turns a reply into an error of ours.

A code decides where it is known, whatever the HTTP status; where it is not, the status does. HTTP 429 comes first: it
says that nothing was processed and for how long to wait. An unknown code under HTTP 200 proves nothing: a write's
outcome stays unknown, a read failed.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from providers import classify
from providers.errors import KeyTaken, Mend, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from providers.esim_access.envelope import Envelope
from providers.limits import wait_asked_for
from providers.types import ProviderReply


class Meaning(StrEnum):
    """What a code means for the request that got it."""

    FINAL = "final"
    CREDENTIALS = "credentials"
    BALANCE = "balance"
    PRICE = "price"
    STOCK = "stock"
    #: Nothing was done, and the same request is taken later.
    TIME = "time"
    #: Nothing was done: the provider has too much to do.
    BUSY = "busy"
    #: A request under our key is there already: our own earlier one, as far as we know.
    TAKEN = "taken"
    #: Nobody can tell what was done.
    UNKNOWN = "unknown"


#: The document's table, and 101013 and 310402 of the field notes; ``ESIM_ACCESS_REFUSALS`` replaces any of them.
MEANINGS: Mapping[str, Meaning] = {
    "000001": Meaning.UNKNOWN,
    # Headers are made of the account's settings.
    "000101": Meaning.CREDENTIALS,
    "000102": Meaning.CREDENTIALS,
    "000103": Meaning.FINAL,
    "000104": Meaning.FINAL,
    "000105": Meaning.FINAL,
    "000106": Meaning.FINAL,
    "000107": Meaning.FINAL,
    # The clock, the address or the key: staff can put each of them right.
    "101001": Meaning.CREDENTIALS,
    "101002": Meaning.CREDENTIALS,
    "101003": Meaning.CREDENTIALS,
    "101013": Meaning.BUSY,
    "200002": Meaning.FINAL,
    "200005": Meaning.PRICE,
    "200006": Meaning.PRICE,
    "200007": Meaning.BALANCE,
    "200008": Meaning.FINAL,
    "200009": Meaning.UNKNOWN,
    "200010": Meaning.UNKNOWN,
    "200011": Meaning.STOCK,
    "310201": Meaning.FINAL,
    "310211": Meaning.FINAL,
    "310221": Meaning.FINAL,
    "310231": Meaning.FINAL,
    "310241": Meaning.FINAL,
    "310243": Meaning.FINAL,
    "310251": Meaning.FINAL,
    "310272": Meaning.FINAL,
    "310402": Meaning.TAKEN,
    "310403": Meaning.FINAL,
    # OURS, a guess by its number: seen live, explained nowhere. What is held for staff is not lost.
    "401001": Meaning.CREDENTIALS,
    "900001": Meaning.BUSY,
}
#: OURS: for one line there is neither stock nor price nor balance to mend; a line that is still being allocated, or
#: whose order is in a strange state, was left as it was.
_FOR_LINES: Mapping[str, Meaning] = {
    "200005": Meaning.FINAL,
    "200006": Meaning.FINAL,
    "200007": Meaning.FINAL,
    "200009": Meaning.FINAL,
    "200010": Meaning.TIME,
    "200011": Meaning.FINAL,
}
#: OURS: a top-up is never sent twice by itself, so "busy" from behind the door leaves its outcome open. 101013 is said
#: at the door.
_FOR_TOP_UPS: Mapping[str, Meaning] = {"200010": Meaning.TIME, "900001": Meaning.UNKNOWN}
_OWN: Mapping[str, Mapping[str, Meaning]] = {
    "topup": _FOR_TOP_UPS,
    **dict.fromkeys(("cancel", "suspend", "unsuspend", "revoke"), _FOR_LINES),
    # A text that arrived is seen nowhere, so it is never sent twice by itself either.
    "sms": {**_FOR_LINES, "900001": Meaning.UNKNOWN},
}
#: The HTTP status, where the body says nothing that is known. OURS: all addresses are fixed, so a path, a method or a
#: media type that is not known is a wrong setting.
_STATUSES: Mapping[str, classify.Verdict] = {
    "400": classify.Verdict.FINAL,
    "401": classify.Verdict.CREDENTIALS,
    "403": classify.Verdict.CREDENTIALS,
    "404": classify.Verdict.CREDENTIALS,
    "405": classify.Verdict.CREDENTIALS,
    "415": classify.Verdict.CREDENTIALS,
    "422": classify.Verdict.FINAL,
}
_MENDS: Mapping[Meaning, Mend] = {
    Meaning.CREDENTIALS: Mend.CREDENTIALS,
    Meaning.BALANCE: Mend.BALANCE,
    Meaning.PRICE: Mend.PRICE,
    Meaning.STOCK: Mend.STOCK,
    Meaning.TIME: Mend.TIME,
}
#: Our field behind a code that names one.
_FIELDS: Mapping[str, str] = {"310241": "plan_ref", "310243": "plan_ref", "310272": "order_ref", "310403": "iccid"}
#: OURS: the limit is 8 calls a second, so a busy provider is asked again soon.
BUSY_WAIT = timedelta(seconds=2)


def find_error(
    reply: ProviderReply,
    envelope: Envelope | None,
    *,
    account: str,
    is_write: bool,
    refusals: Mapping[str, Meaning],
    accepted: frozenset[str] = frozenset(),
) -> ProviderError | None:
    """The error that a reply stands for; None for a success, for a code in ``accepted``, and for a 2xx without an
    envelope, which only whoever reads it can judge. ``refusals`` is what the account's settings replace.
    """
    if reply.status == 429:
        return _judge_status(reply, account, is_write=is_write)
    if envelope is None:
        return None if classify.is_success(reply) else _judge_status(reply, account, is_write=is_write)
    if envelope.is_success or envelope.code in accepted:
        return None
    meaning = refusals.get(envelope.code) or _OWN.get(reply.operation, {}).get(envelope.code)
    meaning = meaning or MEANINGS.get(envelope.code)
    if meaning is None and not classify.is_success(reply):
        return _judge_status(reply, account, is_write=is_write)
    return _make_error(reply, envelope, meaning or Meaning.UNKNOWN, account, is_write=is_write)


def _judge_status(reply: ProviderReply, account: str, *, is_write: bool) -> ProviderError:
    judge = classify.judge_write if is_write else classify.judge_read
    return judge(reply, account=account, verdicts=_STATUSES)


def _make_error(
    reply: ProviderReply, envelope: Envelope, meaning: Meaning, account: str, *, is_write: bool
) -> ProviderError:
    says = " ".join(word for word in (envelope.code, envelope.message) if word) or "without a reason"
    code = envelope.code or str(reply.status)
    asked = wait_asked_for(reply.status, reply.headers, reply.received_at)
    if meaning is Meaning.BUSY:
        return RateLimited(
            f"The provider is busy: {says}",
            retry_after=asked or BUSY_WAIT,
            code=code,
            operation=reply.operation,
            account=account,
        )
    if meaning not in (Meaning.UNKNOWN, Meaning.TAKEN):
        return Rejected(
            f"The provider refused: {says}",
            code=code,
            operation=reply.operation,
            account=account,
            field=_FIELDS.get(code),
            mend=_MENDS.get(meaning),
        )
    if is_write:
        kind, note = (
            (KeyTaken, "an earlier request of ours was carried out")
            if meaning is Meaning.TAKEN
            else (OutcomeUnknown, "the request may have been carried out")
        )
        return kind(
            f"The provider answered {says}; {note}",
            code=code,
            operation=reply.operation,
            account=account,
        )
    return Unavailable(
        f"The provider answered {says}",
        code=code,
        operation=reply.operation,
        account=account,
        retry_after=asked,
    )
