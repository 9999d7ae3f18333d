"""The headers of one call: the access code alone, or signed with HMAC-SHA256 over the exact bytes of the body."""

import hashlib
import hmac
import time
import uuid
from collections.abc import Mapping


def make_headers(*, access_code: str, secret_key: str, body: bytes) -> Mapping[str, str]:
    """Fresh headers, to be used for one call only: time and request id are part of the signature.

    Without a secret key the access code travels alone. An empty body is signed as "", which is not ``{}``.
    """
    headers = {"RT-AccessCode": access_code, "Accept": "application/json"}
    if body:
        headers["Content-Type"] = "application/json"
    if not secret_key:
        return headers
    request_id, timestamp = str(uuid.uuid4()), str(time.time_ns() // 1_000_000)
    signature = sign(
        timestamp=timestamp, request_id=request_id, access_code=access_code, secret_key=secret_key, body=body
    )
    return {**headers, "RT-RequestID": request_id, "RT-Timestamp": timestamp, "RT-Signature": signature}


def sign(*, timestamp: str, request_id: str, access_code: str, secret_key: str, body: bytes) -> str:
    """The signature of one call, in lower case as the document's code says (its printed example is in capitals)."""
    text = f"{timestamp}{request_id}{access_code}".encode() + body
    return hmac.new(secret_key.encode(), text, hashlib.sha256).hexdigest()
