"""Answers about the catalogue, kept in this process for as long as their version is the catalogue's.

The version is part of an answer's tag, so nothing here is ever out of date: what is old is not asked for any more and
makes room. That apps may keep answers as well rests on the same tag (``ETag``, 304).
"""

import hashlib
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import babel
from django.conf import settings

#: Bytes that one process keeps. Ours: some thousand pages of plans.
MOST_BYTES = 16 * 1024 * 1024


class KeptAnswers:
    """Bodies by their tag; those that nobody asked for the longest go first. For any number of threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, tag: str) -> bytes | None:
        with self._lock:
            body = self._bodies.get(tag)
            if body is not None:
                self._bodies.move_to_end(tag)
            return body

    def keep(self, tag: str, body: bytes) -> None:
        with self._lock:
            self._size += len(body) - len(self._bodies.pop(tag, b""))
            self._bodies[tag] = body
            while self._size > self._most:
                _tag, old = self._bodies.popitem(last=False)
                self._size -= len(old)


def make_tag(*parts: str) -> str:
    """The entity tag of an answer. Weak: a proxy that compresses may give it out all the same."""
    text = "\n".join((_release(), settings.CURRENCY, str(settings.APP_SELLS_SANDBOX), *parts))
    return f'W/"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"'


@lru_cache(maxsize=1)
def _release() -> str:
    """Another release may write the same plan in other words, or name a country otherwise."""
    digest = hashlib.blake2b(babel.__version__.encode(), digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
