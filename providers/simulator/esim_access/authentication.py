"""Who calls: the access code alone, or signed. A signature that is there must be right over the exact bytes."""

import hashlib
import hmac
import time

from providers.simulator.esim_access.wire import refuse
from providers.simulator.messages import Request

MOST_AGE_MS = 5 * 60 * 1000
_SIGNED = ("rt-requestid", "rt-timestamp", "rt-signature")


def authenticate(request: Request, *, access_code: str, secret_key: str, must_sign: bool) -> str:
    """The access code. Raises Refusal 000101, 000102, 101001 or 101003."""
    given = request.headers.get("rt-accesscode", "").strip()
    if not given:
        raise refuse("000101", "RT-AccessCode")
    if not hmac.compare_digest(given.encode(), access_code.encode()):
        # No code is documented for a foreign access code; this is the nearest.
        raise refuse("101003", "RT-AccessCode")
    if must_sign or "rt-signature" in request.headers:
        _check_signature(request, access_code=access_code, secret_key=secret_key)
    return given


def sign(*, timestamp: str, request_id: str, access_code: str, secret_key: str, body: bytes) -> str:
    """The documented recipe, in lower case."""
    text = f"{timestamp}{request_id}{access_code}".encode() + body
    return hmac.new(secret_key.encode(), text, hashlib.sha256).hexdigest()


def _check_signature(request: Request, *, access_code: str, secret_key: str) -> None:
    request_id, timestamp, signature = (request.headers.get(name, "").strip() for name in _SIGNED)
    for name, value in zip(_SIGNED, (request_id, timestamp, signature), strict=True):
        if not value:
            raise refuse("000101", name)
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise refuse("000102", "RT-Timestamp")
    # Signed by the caller's clock, which is real time whatever the simulated clock says.
    if abs(time.time() * 1000 - int(timestamp)) > MOST_AGE_MS:
        raise refuse("101001")
    wanted = sign(
        timestamp=timestamp, request_id=request_id, access_code=access_code, secret_key=secret_key, body=request.body
    )
    # Clients send either case and the live service takes both.
    if not hmac.compare_digest(signature.lower().encode(), wanted.encode()):
        raise refuse("101003")
