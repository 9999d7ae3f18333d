"""Reading a list of orders: pasted from a spreadsheet, a CSV in whatever encoding, or an XLSX.

Only the form is looked at here; what the cells mean is ``bulk_order_checking``'s.
"""

import csv
import io
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from openpyxl import load_workbook

#: Ours: what one person can look through, and one worker can run in some minutes.
MOST_ROWS, MOST_BYTES = 2_000, 2_000_000
_MOST_COLUMNS = 60
#: An XLSX is a ZIP: so much may come out of it.
_MOST_UNPACKED = 60_000_000
#: Our names of columns, and how people call them, folded by ``_fold_header``.
HEADERS: Mapping[str, frozenset[str]] = {
    "name": frozenset({"name", "customer", "customername", "fullname", "氏名", "名前", "お名前", "顧客名", "お客様名"}),
    "email": frozenset({"email", "mail", "emailaddress", "mailaddress", "メール", "メールアドレス", "eメール"}),
    "phone": frozenset({"phone", "phonenumber", "tel", "telephone", "mobile", "電話", "電話番号", "携帯", "携帯電話"}),
    "language": frozenset({"language", "lang", "言語"}),
    "plan": frozenset({"plan", "sku", "plancode", "planid", "プラン", "プランコード", "プラン番号", "商品コード"}),
    "quantity": frozenset({"quantity", "qty", "count", "数量", "個数", "枚数"}),
    "days": frozenset({"days", "日数"}),
    "note": frozenset({"note", "memo", "remark", "remarks", "comment", "備考", "メモ"}),
}
#: As pages name them; each is a header as well, in every language.
LABELS: Mapping[str, Any] = {
    "name": gettext_lazy("Name"),
    "email": gettext_lazy("E-mail address"),
    "phone": gettext_lazy("Phone"),
    "language": gettext_lazy("Language"),
    "plan": gettext_lazy("Plan"),
    "quantity": gettext_lazy("Quantity"),
    "days": gettext_lazy("Days"),
    "note": gettext_lazy("Note"),
}
_BY_HEADER = {header: name for name, headers in HEADERS.items() for header in headers}
NEEDED = ("name", "plan")
_DELIMITERS = (",", "\t", ";")


class ListRefused(Exception):
    """Not a list of orders; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """The cells of a row by our names of the columns; ``number`` is its row in the file, from 1."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList:
    rows: Sequence[ListRow]
    #: Columns whose header says nothing to us.
    ignored: Sequence[str]


def read_list(data: bytes) -> ReadList:
    """The rows of a list, in their order. Raises ``ListRefused``."""
    if len(data) > MOST_BYTES:
        raise ListRefused(_("The list is larger than %(size)s MB.") % {"size": MOST_BYTES // 1_000_000})
    if data.startswith(b"PK\x03\x04"):
        return _read_table(_read_workbook(data))
    text = _decode(data)
    return _read_table(_read_text(text))


def name_columns(names: Iterable[str]) -> str:
    """Our columns in the reader's language."""
    return ", ".join(str(LABELS[name]) for name in names)


def _read_table(lines: Iterable[tuple[int, Sequence[str]]]) -> ReadList:
    columns: list[str] | None = None
    ignored: list[str] = []
    rows: list[ListRow] = []
    for number, cells in lines:
        if not any(cells):
            continue
        if columns is None:
            columns, ignored = _read_header(cells)
            continue
        if len(rows) >= MOST_ROWS:
            raise ListRefused(_("The list has more than %(rows)s rows. Divide it.") % {"rows": MOST_ROWS})
        found = {name: cell for name, cell in zip(columns, cells, strict=False) if name}
        rows.append(ListRow(number=number, cells=found))
    if not rows:
        raise ListRefused(_("The list has no rows below its headers."))
    return ReadList(rows=rows, ignored=ignored)


def _read_header(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    columns = [_BY_HEADER.get(_fold_header(cell), "") for cell in cells[:_MOST_COLUMNS]]
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        words = _("The first row names the columns. It lacks: %(missing)s.")
        raise ListRefused(words % {"missing": name_columns(missing)})
    named = [name for name in columns if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise ListRefused(_("These columns are named more than once: %(columns)s.") % {"columns": name_columns(twice)})
    return columns, [cell[:40] for cell, name in zip(cells, columns, strict=False) if cell and not name]


def _fold_header(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum() or letter == "ー")


def _decode(data: bytes) -> str:
    """What programs save on this and that side of the sea: UTF-8, UTF-16, Shift_JIS."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in data[:200]:
        encodings = ["utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp932"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ListRefused(_("The list is neither a spreadsheet (XLSX) nor text in UTF-8, UTF-16 or Shift_JIS."))


def _read_text(text: str) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=lambda mark: sum(_fold_header(cell) in _BY_HEADER for cell in first.split(mark)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            yield number, [_tidy(cell) for cell in cells]
    except csv.Error as error:
        raise ListRefused(_("The list cannot be read: %(error)s") % {"error": error}) from error


def _read_workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as pack:
            unpacked = sum(part.file_size for part in pack.infolist())
        if unpacked > _MOST_UNPACKED:
            raise ListRefused(_("The spreadsheet is too large."))
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        # What the file says of its size may be wrong.
        sheet.reset_dimensions()
        for number, cells in enumerate(sheet.iter_rows(values_only=True, max_col=_MOST_COLUMNS), start=1):
            yield number, [_write_cell(cell) for cell in cells]
            if number > 20 * MOST_ROWS:
                raise ListRefused(_("The spreadsheet is too large."))
    except ListRefused:
        raise
    except Exception as error:
        # Whatever the parser fails over: it is a stranger's file.
        raise ListRefused(_("The spreadsheet cannot be read. Save it as XLSX or CSV again.")) from error


def _write_cell(cell: Any) -> str:
    """As people see it: whole numbers without a point."""
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() | date():
            return cell.isoformat()
    return _tidy(str(cell))


def _tidy(cell: str) -> str:
    return cell.replace("\0", "").replace("\r\n", "\n").strip()
