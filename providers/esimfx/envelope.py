"""The envelope ``{code, message, data}`` of every reply, and what a reply without success means.

"Always verify that ``code === 0`` before processing the ``data`` payload": HTTP 200 proves nothing, and no other code
is documented. A code that nobody can place says for a read that the provider refused; for a write it leaves the outcome
unknown, for the "no" may have come from a step after the sale. A "no" that carries data contradicts itself.
"""

from collections.abc import Mapping
from typing import Any

from providers import classify
from providers.classify import Verdict
from providers.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from providers.esimfx.config import EsimfxConfig
from providers.reading import UnreadableError, parse_document, to_decimal
from providers.types import ProviderReply

#: Statuses of a request that may go on behind a gateway, and of one that is to wait.
_SILENT = (408, 429, 499)
#: For one line there is neither stock nor balance nor price to mend: such a refusal is final.
_OF_THE_SHOP = frozenset({Verdict.STOCK, Verdict.BALANCE, Verdict.PRICE})


def read_data(body: bytes) -> Any:
    """The ``data`` of a success. Raises ``UnreadableError`` for anything else."""
    code, document = _read_envelope(body)
    if code != "0":
        raise UnreadableError("it is no success")
    return document.get("data")


def _read_envelope(body: bytes) -> tuple[str, Mapping[str, Any]]:
    document = parse_document(body)
    if not isinstance(document, dict):
        raise UnreadableError("it is not an object")
    code = document.get("code")
    if to_decimal(code) == 0:
        return "0", document
    text = "" if isinstance(code, bool | list | dict) or code is None else str(code).strip()
    if not text:
        raise UnreadableError("it has no code")
    return text[:60], document


def is_token_refused(reply: ProviderReply, config: EsimfxConfig) -> bool:
    """Whether the provider turned the token away: it has done nothing."""
    if reply.status in (401, 403):
        return True
    return classify.is_success(reply) and config.codes.get(_find_code(reply)) is Verdict.CREDENTIALS


def judge_read(reply: ProviderReply, config: EsimfxConfig) -> ProviderError | None:
    """The error that a read's reply stands for; None for a success, and for what only its parser can refuse."""
    code = _find_code(reply)
    if not classify.is_success(reply):
        placed = _judge_code(reply, config, code, is_sale=False)
        statuses = _soften(config.statuses)
        return placed or classify.judge_read(reply, account=config.account, verdicts=statuses)
    if code in ("", "0"):
        return None
    placed = _judge_code(reply, config, code, is_sale=False)
    if placed:
        return placed
    if config.codes.get(code) is Verdict.UNKNOWN or _read_envelope(reply.body)[1].get("data"):
        says = classify.describe_refusal(reply)
        message = f"The provider answered with a code that no table places ({says})"
        return Unavailable(message, code=code, operation=reply.operation, account=config.account)
    return classify.make_refusal(reply, account=config.account, verdict=Verdict.FINAL)


def judge_write(reply: ProviderReply, config: EsimfxConfig, *, is_sale: bool) -> ProviderError | None:
    """The error that a write's reply stands for, None for a success.

    ``is_sale``: an order or a top-up, where a lack of money or stock can be mended.
    """
    code = _find_code(reply)
    if classify.is_success(reply) and reply.complete and code == "0":
        return None
    placed = _judge_code(reply, config, code, is_sale=is_sale)
    if placed:
        return placed
    if classify.is_success(reply) or code == "0":
        return _unknown(reply, config, code)
    statuses = config.statuses if is_sale else _soften(config.statuses)
    return classify.judge_write(reply, account=config.account, verdicts=statuses)


def _judge_code(reply: ProviderReply, config: EsimfxConfig, code: str, *, is_sale: bool) -> Rejected | None:
    """The refusal that the envelope's code stands for, where the settings place it and the status allows a no."""
    verdict = (config.codes if is_sale else _soften(config.codes)).get(code)
    says_no = classify.is_success(reply) or (400 <= reply.status <= 499 and reply.status not in _SILENT)
    if verdict is None or verdict is Verdict.UNKNOWN or not says_no or not reply.complete:
        return None
    return classify.make_refusal(reply, account=config.account, verdict=verdict)


def _soften(verdicts: Mapping[str, Verdict]) -> Mapping[str, Verdict]:
    """The verdicts for what concerns one line: nothing of the shop's is to mend there."""
    return {name: Verdict.FINAL if verdict in _OF_THE_SHOP else verdict for name, verdict in verdicts.items()}


def _find_code(reply: ProviderReply) -> str:
    """The envelope's code, "" where there is no envelope."""
    try:
        return _read_envelope(reply.body)[0]
    except UnreadableError:
        return ""


def _unknown(reply: ProviderReply, config: EsimfxConfig, code: str) -> OutcomeUnknown:
    if not reply.complete:
        message = "The reply was cut off"
    elif not code:
        message = "The reply is not what the document describes"
    elif code == "0":
        message = f"The provider answered HTTP {reply.status} and success in one; it may have been carried out"
        code = ""
    else:
        says = classify.describe_refusal(reply)
        message = f"The provider answered with a code that no table places ({says}); it may have been carried out"
    return OutcomeUnknown(message, code=code or str(reply.status), operation=reply.operation, account=config.account)
