"""Firebase Cloud Messaging, HTTP v1: one service for iOS, Android and the web.

It is called with a short-lived token that a signed statement of the service account is exchanged for (RFC 7523).
"""

import base64
import json
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured

from customers.push import DeviceGone, PushMessage, PushRefused, PushService, PushUncertain
from providers.encryption import decrypt, encrypt
from providers.wire import AnswerFailure, ConnectFailure, WireReply, exchange

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Of the statement; the service allows an hour.
_STATEMENT_SECONDS = 3600
#: So long before its end a token is not used any more.
_MARGIN_SECONDS = 120
_CACHE_KEY = "push-fcm-token"


class FcmPush(PushService):
    """``FCM_CREDENTIALS`` is the JSON of a service account as the Firebase console gives it."""

    def __init__(self) -> None:
        try:
            self.account: dict[str, str] = json.loads(settings.FCM_CREDENTIALS)
            self.project, self.token_uri = self.account["project_id"], self.account["token_uri"]
        except (ValueError, KeyError, TypeError) as error:
            raise ImproperlyConfigured("FCM_CREDENTIALS is not the JSON of a service account") from error

    def send(self, *, token: str, message: PushMessage) -> None:
        content = {
            "message": {
                "token": token,
                "notification": {"title": message.title, "body": message.body},
                "data": dict(message.data),
            }
        }
        reply = _post(
            f"{settings.FCM_URL.rstrip('/')}/v1/projects/{self.project}/messages:send",
            body=json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self._access_token()}", "Content-Type": "application/json"},
        )
        if reply.status == HTTPStatus.OK:
            return
        if reply.status == HTTPStatus.UNAUTHORIZED:
            cache.delete(_CACHE_KEY)
        code = _error_code(reply)
        if code == "UNREGISTERED":
            raise DeviceGone
        words = f"The push service refuses the message ({reply.status})."
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PushUncertain(words)
        raise PushRefused(words, is_final=code == "INVALID_ARGUMENT")

    def _access_token(self) -> str:
        kept = cache.get(_CACHE_KEY)
        if kept:
            return decrypt(kept).decode()
        try:
            reply = _post(
                self.token_uri,
                body=urlencode({"grant_type": GRANT, "assertion": self._statement()}).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            given = json.loads(reply.body)
            token, seconds = str(given["access_token"]), int(given["expires_in"])
        except PushUncertain as error:
            # No message was on its way yet.
            raise PushRefused(error.message) from None
        except (ValueError, KeyError, TypeError):
            raise PushRefused(f"The push service does not know our account ({reply.status}).") from None
        cache.set(_CACHE_KEY, encrypt(token.encode()), max(1, seconds - _MARGIN_SECONDS))
        return token

    def _statement(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.account["client_email"],
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + _STATEMENT_SECONDS,
        }
        signed = f"{_encode({'alg': 'RS256', 'typ': 'JWT'})}.{_encode(claims)}"
        key = serialization.load_pem_private_key(self.account["private_key"].encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ImproperlyConfigured("FCM_CREDENTIALS holds no RSA key")
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


def _post(address: str, *, body: bytes, headers: dict[str, str]) -> WireReply:
    try:
        return exchange(
            method="POST",
            address=address,
            headers=headers,
            body=body,
            read_timeout=settings.PUSH_TIMEOUT,
            on_connected=lambda _at: None,
        )
    except ConnectFailure as error:
        raise PushRefused(f"The push service cannot be reached ({error.kind}).") from None
    except AnswerFailure as error:
        words = f"The connection to the push service ended before it answered ({type(error).__name__})."
        raise PushUncertain(words) from None


def _error_code(reply: WireReply) -> str:
    """FCM's own word among the details of an error; "" where there is none."""
    try:
        details = json.loads(reply.body)["error"].get("details", [])
        return next((str(part["errorCode"]) for part in details if "errorCode" in part), "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _encode(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
