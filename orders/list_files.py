"""Lists as files: read in batches by key, written out as they are read, and noted down who took what."""

import tempfile
from collections.abc import Generator, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

from django.core.exceptions import PermissionDenied
from django.http import QueryDict
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from customers.lists import EXPORT, Column, ListPage, keep_words, walk
from customers.models import User
from orders.csv_files import make_safe, write_csv
from orders.models import ListExport

_BATCH = 1000
#: A spreadsheet is put together before it is sent: longer lists go out as CSV.
MOST_SHEET_ROWS = 50_000


class ExportRefused(Exception):
    """No file was made; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Export:
    """One file, from the moment that somebody asked for it. Rows are read while it is written."""

    def __init__(self, page: ListPage, words: QueryDict, columns: Sequence[Column], record: ListExport) -> None:
        self._page, self._words, self._columns, self._record = page, words, columns, record
        # The answer is streamed after the request's language and time zone have gone.
        self._language, self._zone = translation.get_language(), timezone.get_current_timezone()
        self.header = [self._name(column) for column in columns]

    def _name(self, column: Column) -> str:
        return str(column.label)

    def batches(self) -> Iterator[list[list[object]]]:
        """Rows of plain values; how many went out is kept even where nobody takes the rest."""
        page, rows = self._page, self._page.narrow(self._words)
        secret = any(column.is_secret for column in self._columns)
        if secret and page.with_secrets is not None:
            rows = page.with_secrets(rows)
        count, finished = 0, None
        try:
            for batch in walk(rows, page.sort_of(self._words), size=_BATCH):
                if secret and page.note_secrets is not None:
                    page.note_secrets(batch, self._record.by)
                with translation.override(self._language), timezone.override(self._zone):
                    cells = [[_plain(column.value(row)) for column in self._columns] for row in page.prepare(batch)]
                count += len(cells)
                yield cells
            finished = timezone.now()
        finally:
            ListExport.objects.filter(pk=self._record.pk).update(rows=count, finished_at=finished)

    def write_csv(self) -> Generator[bytes, None, None]:
        """The file in pieces, with a byte order mark by which spreadsheets know UTF-8."""
        yield write_csv(self.header, [])
        for cells in self.batches():
            yield write_csv(cells[0], cells[1:]).removeprefix(b"\xef\xbb\xbf")

    def write_sheet(self) -> IO[bytes]:
        """The file, whole, at its beginning; the caller closes it."""
        book = Workbook(write_only=True)
        sheet = book.create_sheet(str(self._page.label)[:31])
        sheet.append([_for_sheet(cell) for cell in self.header])
        for cells in self.batches():
            for row in cells:
                sheet.append([_for_sheet(cell) for cell in row])
        file = tempfile.TemporaryFile()  # noqa: SIM115  (the answer closes it)
        book.save(file)
        file.seek(0)
        return file


def begin_export(*, page: ListPage, query: str, secrets: Sequence[str], kind: str, by: User) -> Export:
    """Write down that ``by`` takes the list that ``query`` shows, with its columns and those of ``secrets``.

    Raises ``PermissionDenied``, and ``ExportRefused`` where a spreadsheet would be too long.
    """
    if not (by.has_perm(EXPORT) and by.has_perm(page.permission)):
        raise PermissionDenied
    words = keep_words(QueryDict(query))
    columns = page.file_columns_of(words, by, secrets=secrets)
    if kind == ListExport.Format.XLSX:
        longer = page.narrow(words).select_related(None).order_by().values_list("pk")[: MOST_SHEET_ROWS + 1].count()
        if longer > MOST_SHEET_ROWS:
            raise ExportRefused(
                _("More than %(most)s rows: take them as CSV, or narrow the list.") % {"most": MOST_SHEET_ROWS}
            )
    record = ListExport.objects.create(
        page=page.name,
        kind=kind,
        query=words.urlencode(),
        columns=[column.name for column in columns],
        by=by.email,
        user=by,
    )
    return Export(page, words, columns, record)


def _plain(value: object) -> object:
    """Instants in the person's zone, to the second."""
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None, microsecond=0)
    return value


def _for_sheet(cell: Any) -> object:
    if cell is None or isinstance(cell, int | Decimal | date):
        return cell
    return ILLEGAL_CHARACTERS_RE.sub("", make_safe(cell))
