"""Addresses in the settings of wholesalers: the base of an API, and its endpoints."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_PATH = re.compile(r"/[\x21\x22\x24-\x3e\x40-\x7e]*")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a path."""

    method: str
    path: str


def read_url(value: object, *, variable: str) -> str:
    """A base address, which may carry a path prefix, without its last slash."""
    try:
        parts = urlsplit(str(value).strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        usable = usable and parts.port != 0 and not parts.username
    except ValueError:
        usable = False
    if not usable:
        raise ImproperlyConfigured(f"{variable} is not an address like https://host or https://host/prefix")
    return str(value).strip().rstrip("/")


def read_endpoint(value: object, *, method: str, variable: str) -> Endpoint:
    """``POST /path``, or a path alone, which has ``method``. The last slash counts."""
    words = str(value).split()
    told, path = words if len(words) == 2 else (method, " ".join(words))
    if told.upper() not in _METHODS or not _PATH.fullmatch(path):
        raise ImproperlyConfigured(f'{variable} is not like "{method} /path"')
    return Endpoint(told.upper(), path)
