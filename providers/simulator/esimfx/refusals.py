"""How this provider says no. The document names no error code: every number here is our guess."""

from collections.abc import Mapping

from providers.simulator.messages import Refusal

# Word → (code in the envelope, HTTP status that would match it).
CODES: Mapping[str, tuple[int, int]] = {
    "INVALID_REQUEST": (40001, 400),
    "INVALID_PAGE_START": (40002, 400),
    "IDEMPOTENCY_KEY_REQUIRED": (40003, 400),
    "INSUFFICIENT_BALANCE": (40201, 402),
    "PRODUCT_NOT_FOUND": (40401, 404),
    "ORDER_NOT_FOUND": (40402, 404),
    "ESIM_NOT_FOUND": (40403, 404),
    "IDEMPOTENCY_KEY_REUSED": (40901, 409),
    "OUT_OF_STOCK": (40902, 409),
    "TOPUP_NOT_ALLOWED": (40903, 409),
    "ESIM_UNUSABLE": (40904, 409),
    "SUBSCRIPTION_NOT_PENDING": (40905, 409),
    "SUBSCRIPTION_ENDED": (40906, 409),
}


class Declined(Refusal):
    """An answer of the business, not of the transport: HTTP 200 with a code, unless a switch says otherwise."""

    def __init__(self, word: str, message: str) -> None:
        code, status = CODES[word]
        super().__init__(status, str(code), message)


def read_code(refusal: Refusal) -> int:
    """The number in the envelope, never 0; refusals of the transport get a hundred times their HTTP status."""
    return int(refusal.code) if refusal.code.isdecimal() and int(refusal.code) else refusal.status * 100
