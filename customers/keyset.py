"""Pages of long lists by key: page one thousand costs what page one costs, and nothing is counted."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysetPage(Generic[Row]):
    """One page. The cursors are opaque words for ``?after=`` and ``?before=``; "" where there is no such page."""

    rows: Sequence[Row]
    after: str
    before: str

    @property
    def has_others(self) -> bool:
        return bool(self.after or self.before)


def keyset_page(
    queryset: QuerySet[Row],
    *,
    after: str = "",
    before: str = "",
    size: int = 50,
    key: str = "created_at",
    descending: bool = True,
    is_text: bool = False,
) -> KeysetPage[Row]:
    """By (``key``, primary key), the greatest first unless ``descending`` is off, ``size`` rows, with one query.

    ``key`` is a column of instants (of texts with ``is_text``) that is never null; an index on (key, id) makes it
    fast. A cursor that cannot be read counts as none: the first page comes.
    """
    backwards = _read_cursor(before, is_text) if before else None
    forwards = _read_cursor(after, is_text) if after and backwards is None else None
    falls = descending is (backwards is None)
    rows = queryset.order_by(f"-{key}", "-pk") if falls else queryset.order_by(key, "pk")
    mark = backwards or forwards
    if mark is not None:
        side = "lt" if falls else "gt"
        rows = rows.filter(
            Q(**{f"{key}__{side}": mark[0]}) | Q(**{key: mark[0], f"pk__{side}": mark[1]}),
            # The same again, wider: where an OR hides the way into the index, this shows it.
            **{f"{key}__{side}e": mark[0]},
        )
    found = list(rows[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    there_is_newer = more if backwards else forwards is not None
    there_is_older = more if not backwards else True
    return KeysetPage(
        rows=found,
        after=_write_cursor(found[-1], key) if found and there_is_older else "",
        before=_write_cursor(found[0], key) if found and there_is_newer else "",
    )


def _write_cursor(row: Model, key: str) -> str:
    value: datetime | str = getattr(row, key)
    written = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([written, row.pk]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, is_text: bool) -> tuple[datetime | str, int] | None:
    try:
        given: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        value, pk = str(given[0]), int(given[1])
        value.encode()  # half a character is no text
        moment = None if is_text else datetime.fromisoformat(value)
    except (binascii.Error, ValueError, TypeError, LookupError):
        return None
    if moment is None:
        return (value, pk) if "\x00" not in value else None
    return (moment, pk) if moment.tzinfo else None
