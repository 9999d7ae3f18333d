"""The settings of one freebit contract. What the document leaves open has a default here, labelled as ours."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from providers.addresses import read_url
from providers.freebit.rules import Contract
from providers.types import RateBudget

#: ``activate`` is the document's; ``auth`` was seen in use (field notes), the document only speaks of "a separate
#: authentication API". ``FREEBIT_PATHS`` replaces either.
DEFAULT_PATHS: Mapping[str, str] = {
    "auth": "/emptool/api/authOem/",
    "activate": "/emptool/api/mvno/esim/addAcnt/",
}
#: OURS: calls a minute. The document names no limit; the numbers are low on purpose.
DEFAULT_LIMITS: Mapping[str, int] = {"auth": 10, "activate": 20}
#: OURS: as for every other provider, a little longer than a minute, because calls may travel at different speed.
_WINDOW_SECONDS = 60.0
_WINDOW_MARGIN = 1.0
#: OURS: how long an authentication key is used. Its life is not given; a refused key is renewed once in any case.
DEFAULT_KEY_MINUTES = 30
#: OURS: after how many seconds a request is sent again that was refused because an account or a representative number
#: was busy (230, 284).
DEFAULT_BUSY_SECONDS = 60

#: What a row of the completion file may tell. ``eid`` or ``delivery_code`` say which activation, ``result`` or
#: ``code`` what became of it.
COMPLETION_FIELDS = ("eid", "delivery_code", "account", "result", "code", "message", "iccid", "completed_at")
#: OURS, A GUESS: the file's definition ("CSV File Format Definition (MVNO Edition)") is another document, which we
#: do not have. Each value is a heading, or the position of the column from 1.
DEFAULT_COLUMNS: Mapping[str, str | int] = {
    "eid": "eid",
    "delivery_code": "deliveryCode",
    "account": "account",
    "result": "result",
    "code": "code",
    "message": "message",
    "iccid": "iccid",
    "completed_at": "completedAt",
}
#: OURS, A GUESS: which words mean that a line was activated, and which that it was not. Any other word says neither.
DEFAULT_WORDS: Mapping[str, tuple[str, ...]] = {
    "success": (
        "OK",
        "SUCCESS",
        "100",
        "成功",
        "完了",
        "正常",
        "正常終了",
        "正常完了",
        "開通",
        "開通済",
        "開通完了",
        "○",
    ),
    "failure": ("NG", "ERROR", "FAILED", "FAILURE", "失敗", "エラー", "異常", "異常終了", "不備", "×"),
}
#: OURS: how dates may be written; without a zone they are Japan time. The first that fits wins.
DEFAULT_DATES = (
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    "%Y%m%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S",
    "%Y年%m月%d日",
)
#: The word of the setting -> Python's codec; "auto" looks at the bytes. Windows-31J is ``cp932``, never ``shift_jis``.
ENCODINGS: Mapping[str, str] = {
    "auto": "",
    "utf-8": "utf-8-sig",
    "utf-8-sig": "utf-8-sig",
    "cp932": "cp932",
    "windows-31j": "cp932",
}

_PATH = re.compile(r"/[!-~]*")
_LAST_COLUMN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionFormat:
    """How the completion file is written. ``encoding`` is a codec, "" for "look at the bytes"."""

    columns: Mapping[str, str | int]
    encoding: str
    success: frozenset[str]
    failure: frozenset[str]
    dates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreebitConfig:
    """One OEM contract."""

    account: str
    url: str
    oem_id: str = field(repr=False)
    oem_key: str = field(repr=False)
    #: Whether the contract uses the User Management Service; which fields a plan needs depends on it.
    uses_ums: bool
    #: OURS, off: (10, M) stands in two of the document's examples, and its own rule refuses it with 400-356.
    allow_aladin_other: bool
    paths: Mapping[str, str]
    budgets: Mapping[str, RateBudget]
    key_life: timedelta
    busy_wait: timedelta
    completion: CompletionFormat

    @property
    def contract(self) -> Contract:
        """What the contract settles for every request."""
        return Contract(uses_ums=self.uses_ums, allow_aladin_operated_other=self.allow_aladin_other)

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> "FreebitConfig":
        """Read one entry of ``settings.PROVIDERS``. Raises ``ImproperlyConfigured`` with the variable's name."""
        prefix = account.upper().replace("-", "_")
        for name in ("url", "oem_id", "oem_key"):
            if not values.get(name):
                raise ImproperlyConfigured(f"{prefix}_{name.upper()} is not set")
        return cls(
            account=account,
            url=read_url(values["url"], variable=f"{prefix}_URL"),
            oem_id=str(values["oem_id"]),
            oem_key=str(values["oem_key"]),
            uses_ums=bool(values.get("uses_ums")),
            allow_aladin_other=bool(values.get("allow_aladin_other")),
            paths=read_paths(values.get("paths") or {}, variable=f"{prefix}_PATHS"),
            budgets=read_budgets(values.get("limits") or {}, variable=f"{prefix}_LIMITS"),
            key_life=timedelta(
                minutes=read_count(
                    values.get("key_minutes", DEFAULT_KEY_MINUTES), 24 * 60, variable=f"{prefix}_KEY_MINUTES"
                )
            ),
            busy_wait=timedelta(
                seconds=read_count(
                    values.get("busy_seconds", DEFAULT_BUSY_SECONDS), 24 * 3600, variable=f"{prefix}_BUSY_SECONDS"
                )
            ),
            completion=read_completion_format(values, prefix=f"{prefix}_COMPLETION"),
        )


def read_paths(value: object, *, variable: str) -> Mapping[str, str]:
    """The two paths: ours, with what the setting replaces. The last slash counts."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"auth": "/emptool/api/authOem/"}}')
    _refuse_strangers(value, DEFAULT_PATHS, variable)
    paths = {name: str(value.get(name, default)).strip() for name, default in DEFAULT_PATHS.items()}
    for name, path in paths.items():
        if not _PATH.fullmatch(path) or "?" in path or "#" in path:
            raise ImproperlyConfigured(f"{variable}: {name} is not a path like /emptool/api/authOem/")
    return paths


def read_budgets(value: object, *, variable: str) -> Mapping[str, RateBudget]:
    """Budgets by operation. A setting may lower, raise or (null) lift a limit."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"activate": 20}}')
    _refuse_strangers(value, DEFAULT_LIMITS, variable)
    budgets = {}
    for name, default in DEFAULT_LIMITS.items():
        calls = value.get(name, default)
        if calls is None:
            continue
        if isinstance(calls, bool) or not isinstance(calls, int) or not 1 <= calls <= 30_000:
            raise ImproperlyConfigured(f"{variable}: {name} is not a whole number of calls a minute, nor null")
        budgets[name] = RateBudget(calls=calls, seconds=_WINDOW_SECONDS, margin=_WINDOW_MARGIN)
    return budgets


def read_count(value: object, most: int, *, variable: str) -> int:
    """A whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ImproperlyConfigured(f"{variable} is not a whole number from 1 to {most}")
    return value


def read_completion_format(values: Mapping[str, Any], *, prefix: str) -> CompletionFormat:
    """How the completion file is written, from four variables that begin with ``prefix``."""
    encoding = str(values.get("completion_encoding") or "auto").strip().lower()
    if encoding not in ENCODINGS:
        raise ImproperlyConfigured(f"{prefix}_ENCODING is one of {', '.join(ENCODINGS)}")
    words = read_words(values.get("completion_words") or {}, variable=f"{prefix}_WORDS")
    return CompletionFormat(
        columns=read_columns(values.get("completion_columns") or {}, variable=f"{prefix}_COLUMNS"),
        encoding=ENCODINGS[encoding],
        success=words["success"],
        failure=words["failure"],
        dates=read_dates(values.get("completion_dates") or DEFAULT_DATES, variable=f"{prefix}_DATES"),
    )


def read_columns(value: object, *, variable: str) -> Mapping[str, str | int]:
    """Our names of the columns -> headings or positions. What is set replaces our guess as a whole."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"eid": "EID", "result": 4}}')
    if not value:
        return DEFAULT_COLUMNS
    _refuse_strangers(value, COMPLETION_FIELDS, variable)
    for name, place in value.items():
        is_position = isinstance(place, int) and not isinstance(place, bool) and 1 <= place <= _LAST_COLUMN
        if not is_position and not (isinstance(place, str) and place.strip()):
            raise ImproperlyConfigured(f"{variable}: {name} is neither a heading nor a position from 1")
    if not value.keys() & {"eid", "delivery_code"} or not value.keys() & {"result", "code"}:
        raise ImproperlyConfigured(f"{variable} needs eid or delivery_code, and result or code")
    return dict(value)


def read_words(value: object, *, variable: str) -> Mapping[str, frozenset[str]]:
    """The words of success and of failure, folded for comparison. What is set replaces our guess of that kind."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"success": ["OK"], "failure": ["NG"]}}')
    _refuse_strangers(value, DEFAULT_WORDS, variable)
    words: dict[str, frozenset[str]] = {}
    for kind, default in DEFAULT_WORDS.items():
        told = value.get(kind, default)
        if not isinstance(told, list | tuple) or not told or not all(isinstance(word, str | int) for word in told):
            raise ImproperlyConfigured(f"{variable}: {kind} is not a list of words")
        words[kind] = frozenset(fold_word(str(word)) for word in told)
    # A word that is set for one kind is no longer our guess for the other.
    for kind, other in (("success", "failure"), ("failure", "success")):
        if kind in value and other not in value:
            words[other] -= words[kind]
    if words["success"] & words["failure"] or "" in words["success"] | words["failure"]:
        raise ImproperlyConfigured(f"{variable}: a word stands for success and for failure, or is empty")
    return words


def read_dates(value: object, *, variable: str) -> tuple[str, ...]:
    """Formats as ``datetime.strptime`` takes them."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ImproperlyConfigured(f'{variable} is not a JSON list like ["%Y/%m/%d %H:%M:%S"]')
    formats = tuple(str(item) for item in value)
    if not formats or any(not all(mark in item for mark in ("%Y", "%m", "%d")) for item in formats):
        raise ImproperlyConfigured(f"{variable}: every format needs %Y, %m and %d")
    return formats


def fold_word(text: str) -> str:
    """A heading or a word for comparison: neither width nor case nor outer spaces count."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _refuse_strangers(value: Mapping[Any, Any], known: Mapping[str, Any] | Sequence[str], variable: str) -> None:
    unknown = sorted(str(name) for name in value if name not in known)
    if unknown:
        raise ImproperlyConfigured(f"{variable} names {unknown}; there are {', '.join(known)}")
