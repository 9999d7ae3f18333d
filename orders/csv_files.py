"""Tables as CSV files that spreadsheets open without running what is in them."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

#: With one of these a spreadsheet begins a formula; a Japanese one also with the wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def write_csv(header: Sequence[object], rows: Iterable[Sequence[object]]) -> bytes:
    """The table in UTF-8 with a byte order mark, by which spreadsheets know it. Amounts stay numbers."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([make_safe(cell) for cell in header])
    writer.writerows([make_safe(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def make_safe(cell: object) -> str:
    """The cell as text that no spreadsheet runs; amounts stay numbers."""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text
