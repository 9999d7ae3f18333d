"""Columns that only this program can read: provider tokens, request payloads, raw replies.

Keys come from ``FIELD_ENCRYPTION_KEYS``; the first encrypts, every one decrypts, so a key is changed by putting the
new one in front.
"""

import base64
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


def _box() -> MultiFernet:
    return _make_box(tuple(settings.FIELD_ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _make_box(words: tuple[str, ...]) -> MultiFernet:
    keys = [base64.urlsafe_b64encode(hashlib.sha256(word.encode()).digest()) for word in words]
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(data: bytes) -> str:
    """Encrypt; the result is ASCII text."""
    return _box().encrypt(data).decode("ascii")


def decrypt(text: str) -> bytes:
    """Undo ``encrypt``. A text made with a key that is gone is a configuration error."""
    try:
        return _box().decrypt(text.encode("ascii"))
    except InvalidToken as error:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS lacks the key of a stored value") from error


if TYPE_CHECKING:
    _TextField = models.TextField[bytes | None, bytes | None]
else:
    _TextField = models.TextField  # not subscriptable at run time


class EncryptedBytesField(_TextField):
    """Bytes, encrypted at rest. It cannot be searched; empty stays empty."""

    description = "Encrypted bytes"

    def from_db_value(self, value: str | None, _expression: Any, _connection: BaseDatabaseWrapper) -> bytes | None:
        return decrypt(value) if value else None if value is None else b""

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        return encrypt(value) if value else ""
