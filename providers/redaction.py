"""Taking secrets and personal data out of what is logged or shown. ICCIDs and transaction ids stay: they are handles.

Works by name (headers, query, JSON keys at any depth, form fields) and by pattern (activation strings, EIDs, IMEIs),
also on text that was cut off in the middle or is no JSON at all.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings

from providers.reading import replace_unstorable

MASK = "[redacted]"

#: Handles by which a person finds an order or a line: opaque, and some look like a device's number.
_HANDLE_NAMES = frozenset({"orderno", "esimtranno", "topupesimtranno"})
_HANDLE = re.compile(r"[A-Za-z0-9_-]{1,30}", re.ASCII)
#: Names as letters and digits only, in lower case.
_SECRET_NAMES = frozenset(
    {
        # keys and tokens
        "xapikeyid", "keyid", "authorization", "proxyauthorization", "cookie", "setcookie", "signature",
        "rtaccesscode", "accesscode", "rtsignature", "authkey", "oemid", "oemkey", "clientid", "clientkey",
        "pin", "puk", "pin1", "pin2", "puk1", "puk2", "pinpuk", "confirmationcode",
        # activation
        "qrcode", "qrcodeurl", "shorturl", "esimqr", "lpa", "lpastring", "activationcode", "ac", "matchingid",
        "carddata",
        # devices and subscribers
        "eid", "oldeid", "imei", "imei1", "imei2", "imsi", "initialinsertiondevice", "initialconnectiondevice",
        # people
        "firstname", "lastname", "fullname", "familyname", "givenname", "firstnamekana", "lastnamekana", "customername",
        "birthday", "birthdate", "dateofbirth", "gender", "email", "mail", "phone", "phonenumber", "msisdn", "tel",
        "mobile", "address", "mnpno",
        "masteraccount", "repaccount", "lastnamekanji", "firstnamekanji", "lastnamezenkana", "firstnamezenkana",
        "reservenumber", "productnumber", "oldproductnumber",
    }
)  # fmt: skip
#: Form fields that hold a whole request (freebit): masked as one, whatever is in them.
_WHOLE_REQUESTS = frozenset({"json"})
_SECRET_PARTS = ("secret", "password", "passwd", "token", "apikey", "privatekey", "credential")
_NOT_LETTERS = re.compile(r"[^a-z0-9]")
_PATTERNS = (
    re.compile(r"lpa:[0-9]?[^\s\"'<>,]*", re.IGNORECASE),
    re.compile(r"\b1\$[^\s\"'<>,$]+\$[^\s\"'<>,]*"),
    # Such a field as it travels, wherever a text quotes it.
    re.compile(r"(?<![\w-])json=%7b[^\s\"'<>&]*", re.IGNORECASE),
    # A JSON Web Token: its first part is a JSON object in base64.
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", re.ASCII),
    re.compile(r"(?<![0-9])[0-9]{32}(?![0-9])"),
    re.compile(r"(?<![0-9])[0-9]{15,16}(?![0-9])"),
    # Tried only where a word begins: on a long run of letters it would take for ever otherwise.
    re.compile(r"(?<![^\s\"'<>,;:=&@])[^\s\"'<>,;:=&@]+@[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE),
)
#: The secret part of a webhook address, ours or another office's; JSON may escape its slashes.
_HOOK = re.compile(r"(\\?/hooks\\?/[\w-]+\\?/)[^\s\"'<>/?#\\]+", re.ASCII)
#: The token of a line's link (esims/links.py): whoever has it sees the line's codes. And that of an invitation
#: (customers/inviting.py): whoever has it joins the staff.
_LINE_LINK = re.compile(r"(\\?/(?:l|join)\\?/)[\w%:-]{16,}", re.ASCII)
#: A quoted name and a scalar value that may end where the text ends.
_PAIR = re.compile(r'"((?:[^"\\]|\\.){1,80})"(\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?$)|[\[{]|[^\s,}\]"\[{]+)', re.DOTALL)
_LOOSE_PAIR = re.compile(
    r"(?<![\w-])([A-Za-z][\w-]{1,40})(['\"]?\s*[:=]\s*['\"]?)(?![\[\"'])((?:Bearer |Basic )?[^\s'\",;&}\]]+)", re.ASCII
)
#: Settings that hold a key under a name that is none in a provider's JSON (``ESIM_ACCESS_CODE``).
_KEY_SETTINGS = frozenset({"code"})
#: A shorter key could be a word of any sentence.
_SHORTEST_KEY = 8
#: Beyond this only the beginning of a body is looked at; the log keeps less.
_PARSE_LIMIT = 64 * 1024


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name is never shown."""
    plain = _NOT_LETTERS.sub("", name.lower())
    return plain in _SECRET_NAMES or any(part in plain for part in _SECRET_PARTS)


def redact(value: Any) -> Any:
    """The same JSON-like value with secrets masked; text is searched by pattern and, where it is JSON, by name."""
    if isinstance(value, Mapping):
        return {name: _redact_item(str(name), item) for name, item in value.items()}
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return redact_text(value.decode("utf-8", "replace"))
    if isinstance(value, Sequence):
        return [redact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > 10**13:
        text = redact_text(str(value))
        return value if text == str(value) else text
    return value


def _redact_item(name: str, item: Any) -> Any:
    if is_secret_name(name):
        return _mask(item)
    if _NOT_LETTERS.sub("", name.lower()) in _HANDLE_NAMES and isinstance(item, str) and _HANDLE.fullmatch(item):
        return item
    return redact(item)


def redact_text(text: str) -> str:
    """Text as it may be logged: whole JSON, a part of it, or a sentence."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped[:1] in ("{", "["):
        try:
            return json.dumps(redact(json.loads(stripped)), ensure_ascii=False, default=str)
        except (ValueError, RecursionError):
            pass
    return _redact_broken(text)


def mask_keys(text: str) -> str:
    """Text without the keys of our own accounts, wherever a provider repeats them: no name and no pattern tells them.

    ``redact_text`` does not look for them; what comes from a provider as free text goes through both.
    """
    for values in settings.PROVIDERS.values():
        for name, value in values.items():
            is_key = is_secret_name(name) or name in _KEY_SETTINGS
            if isinstance(value, str) and len(value) >= _SHORTEST_KEY and is_key:
                text = text.replace(value, MASK)
    return text


def redact_query(query: str) -> str:
    """A query or a form body: secret names masked, the rest searched by pattern and as JSON."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, _redact_field(name, value)) for name, value in pairs], safe="[]")


def _redact_field(name: str, value: str) -> str:
    is_masked = is_secret_name(name) or name.lower() in _WHOLE_REQUESTS
    return MASK if is_masked else redact_text(value)


def redact_path(path: str) -> str:
    """A path, with its query if it has one."""
    bare, mark, query = path.partition("?")
    return redact_text(bare) + (mark + redact_query(query) if mark else "")


def redact_body(body: bytes, *, content_type: str = "", limit: int) -> str:
    """A body as the call log keeps it: redacted first, then cut to ``limit`` characters."""
    text = mask_keys(body[:_PARSE_LIMIT].decode("utf-8", "replace"))
    text = redact_query(text) if "x-www-form-urlencoded" in content_type.lower() else redact_text(text)
    text = replace_unstorable(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _mask(value: Any) -> Any:
    """Absent and empty stay visible: they tell something and hide nothing."""
    return value if value is None or value in ("", [], {}) else MASK


def _redact_broken(text: str) -> str:
    """Text that is no JSON, or not all of it. A secret name before a list or an object hides all that follows it."""
    parts: list[str] = []
    position = 0
    while match := _PAIR.search(text, position):
        name, colon, value = match.groups()
        parts.append(text[position : match.start()])
        position = match.end()
        if not is_secret_name(_unescape(name)):
            parts.append(f'"{name}"{colon}{_redact_literal(value)}')
            continue
        parts.append(f'"{name}"{colon}"{MASK}"')
        if value in ("[", "{"):
            parts.append("…")
            position = len(text)
    parts.append(text[position:])
    return _redact_loose("".join(parts))


def _redact_literal(literal: str) -> str:
    """A value inside broken JSON; a string in it may hold JSON itself."""
    if not literal.startswith('"') or "\\" not in literal:
        return literal
    return json.dumps(_redact_broken(_unescape(literal[1:].removesuffix('"'))), ensure_ascii=False)


def _unescape(text: str) -> str:
    try:
        unescaped: str = json.loads(f'"{text}"')
    except ValueError:
        return text.replace('\\"', '"')
    return unescaped


def _redact_loose(text: str) -> str:
    """``name=value`` and ``name: value`` with a secret name, and everything that looks like a secret by itself."""
    text = _LOOSE_PAIR.sub(lambda pair: pair[1] + pair[2] + MASK if is_secret_name(pair[1]) else pair[0], text)
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    return mask_addresses(text)


def mask_hook_secrets(text: str) -> str:
    """A text in which every address of a webhook lacks its secret part, whosever it is."""
    return _HOOK.sub(rf"\1{MASK}", text)


def mask_addresses(text: str) -> str:
    """A text in which no address of ours opens anything: webhooks lack their secret, links to lines their token."""
    return _LINE_LINK.sub(rf"\1{MASK}", mask_hook_secrets(text))
