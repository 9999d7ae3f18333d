"""From the bytes of a CSV file to numbered records, so that damage costs the record that it is in and no other.

Bytes that are no text become lone surrogates (``surrogateescape``): the record keeps its place and whoever reads the
cell sees them. A quotation mark that never closes would swallow all that follows it; here it costs its own line.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from providers.reading import UnreadableError

#: OURS: larger files are not completion files of one reseller.
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_LINES = 200_000
MAX_LINE_CHARACTERS = 20_000
#: OURS: over how many lines a quoted cell may run.
_MAX_JOINED_LINES = 5
#: Never ``str.splitlines``: it would also part a line at characters that Japanese systems put inside one.
_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_SURROGATES = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRecord:
    """The cells of one record, without outer spaces; ``number`` is the line that it begins on, from 1.

    ``cells`` is None where they could not be told apart; ``problem`` says why. ``lines`` is how many it runs over.
    """

    number: int
    lines: int = 1
    cells: tuple[str, ...] | None = field(repr=False)
    problem: str = ""


def decode_file(data: bytes, encoding: str) -> str:
    """The text of a file; ``encoding`` "" looks at the bytes. Raises ``UnreadableError`` for what is no text at all."""
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableError(_("the file is larger than %(most)s MB") % {"most": MAX_FILE_BYTES // 1024 // 1024})
    if b"\x00" in data:
        raise UnreadableError(_("the file is no text"))
    # Ctrl-Z ends a file of old Windows programs.
    data = data.rstrip(b"\x1a")
    text = _decode(data, encoding) if encoding else _decode_by_looks(data)
    if not text.strip():
        raise UnreadableError(_("the file is empty"))
    return text


def _decode(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "surrogateescape")


def _decode_by_looks(data: bytes) -> str:
    """UTF-8 unless more of the file makes sense as Windows-31J: one damaged row must not change the others."""
    text = _decode(data, "utf-8-sig")
    if data.startswith(b"\xef\xbb\xbf") or not _SURROGATES.search(text):
        return text
    other = _decode(data, "cp932")
    return text if len(_SURROGATES.findall(text)) <= len(_SURROGATES.findall(other)) else other


def is_damaged(cell: str) -> bool:
    """Whether a cell held bytes that are no text in the file's encoding."""
    return _SURROGATES.search(cell) is not None


def replace_damage(cell: str) -> str:
    """The cell with U+FFFD for such bytes."""
    return _SURROGATES.sub("\ufffd", cell)


def split_lines(text: str) -> list[str]:
    """The lines of a file, without the marks that files keep when they are put together. Raises ``UnreadableError``."""
    lines = [line.removeprefix("\ufeff") for line in _LINE_ENDS.split(text)]
    if len(lines) > MAX_LINES:
        raise UnreadableError(_("the file has more than %(most)s lines") % {"most": MAX_LINES})
    return lines


def read_records(lines: Sequence[str], *, start: int, accepts: Callable[[Sequence[str]], bool]) -> Iterator[CsvRecord]:
    """The records from a line on (0 is the first), empty ones left out.

    A record of several lines counts only when ``accepts`` knows its cells; otherwise only its first line is lost.
    """
    index = start
    while index < len(lines):
        record = _take_record(lines, index, accepts)
        if record.cells is None or any(record.cells):
            yield record
        index += record.lines


def _take_record(lines: Sequence[str], index: int, accepts: Callable[[Sequence[str]], bool]) -> CsvRecord:
    number = index + 1
    if len(lines[index]) > MAX_LINE_CHARACTERS:
        return CsvRecord(number=number, cells=None, problem="is too long")
    block = [line + "\n" for line in lines[index : index + _MAX_JOINED_LINES]]
    try:
        reader = csv.reader(block, strict=True)
        cells, taken = _strip(next(reader)), reader.line_num
    except csv.Error:
        # Not by the book, or open for longer than a record may be.
        cells, taken = (), _MAX_JOINED_LINES + 1
    if taken == 1 or (taken <= _MAX_JOINED_LINES and accepts(cells)):
        return CsvRecord(number=number, lines=taken, cells=cells)
    return _take_alone(lines[index], number)


def _take_alone(line: str, number: int) -> CsvRecord:
    """One line whose quotation marks are not by the book: usable only where none of them stays open."""
    try:
        reader = csv.reader([line, ""])
        cells = _strip(next(reader))
    except csv.Error:
        return CsvRecord(number=number, cells=None, problem="is not CSV")
    if reader.line_num > 1:
        return CsvRecord(number=number, cells=None, problem="has a quotation mark that never closes")
    return CsvRecord(number=number, cells=cells)


def _strip(cells: Sequence[str]) -> tuple[str, ...]:
    """Without outer spaces, and without what makes a spreadsheet keep digits: ``="8904…"`` or a leading apostrophe."""
    return tuple(_unwrap(cell.strip()) for cell in cells)


def _unwrap(cell: str) -> str:
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        return cell[2:-1].strip()
    return cell[1:].strip() if cell.startswith("'") else cell
