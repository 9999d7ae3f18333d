"""Access tokens: real JSON Web Tokens (HS256), valid for an hour of the simulator's clock."""

import base64
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from providers.simulator.store import Store

TOKEN_LIFE = timedelta(hours=1)
_SIGNING = "esimfx.token_signing"
_EPOCH = "esimfx.token_epoch"


class TokenDesk:
    """Issues tokens and knows its own. Several are valid at once; revoking ends all that were issued before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        if store.read_setting(_SIGNING, None) is None:
            store.write_setting(_SIGNING, secrets.token_hex(32))
        self._secret = str(store.read_setting(_SIGNING, "")).encode()

    def issue(self, client_id: str, now: datetime) -> str:
        """A new token."""
        payload = {
            "sub": client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + TOKEN_LIFE).timestamp()),
            "jti": secrets.token_hex(8),
            "epoch": self._epoch,
        }
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(payload)}"
        return f"{signed}.{self._sign(signed)}"

    def check(self, token: str, now: datetime) -> bool:
        """Whether a token is ours, not over and not revoked."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            return False
        payload: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        return int(payload["epoch"]) == self._epoch and now.timestamp() < int(payload["exp"])

    def revoke_all(self) -> None:
        """Every token issued so far is refused from now on."""
        self._store.write_setting(_EPOCH, self._epoch + 1)

    @property
    def _epoch(self) -> int:
        return int(self._store.read_setting(_EPOCH, 0))

    def _sign(self, text: str) -> str:
        digest = hmac.digest(self._secret, text.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _encode(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
