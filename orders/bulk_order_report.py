"""What became of a list, row by row, as a file. Errors are as they are stored."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from orders.csv_files import write_csv
from orders.models import BulkOrder
from orders.selectors.bulk_order_page import find_rows

#: Form, which is the end of the file's name as well → its type.
FORMS: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def write_report(*, bulk: BulkOrder, form: str) -> bytes:
    """The rows with their orders; ``form`` is one of ``FORMS``."""
    header = (
        *(
            _("Row"),
            _("Customer"),
            _("E-mail address"),
            _("Phone"),
            _("Plan code"),
            _("Plan"),
            _("Quantity"),
            _("Days"),
        ),
        *(_("Unit price"), _("Total"), _("Currency"), _("State"), _("Order"), _("State of the order"), _("Error")),
    )
    if form == "csv":
        return write_csv(header, _list_cells(bulk))
    book = Workbook(write_only=True)
    sheet = book.create_sheet(str(_("List %(number)s") % {"number": bulk.pk})[:31])
    for row in (header, *_list_cells(bulk)):
        sheet.append([_make_cell(sheet, value) for value in row])
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def _list_cells(bulk: BulkOrder) -> Iterator[Sequence[Any]]:
    for row in find_rows(bulk).iterator(chunk_size=1000):
        customer = row.customer
        yield (
            row.number,
            customer.name if customer else row.name,
            customer.email if customer else row.email,
            customer.phone if customer else row.phone,
            row.plan.plan_ref if row.plan else row.plan_code,
            row.plan.name if row.plan else "",
            row.quantity,
            row.period_days,
            row.unit_price,
            row.unit_price * row.quantity if row.unit_price is not None else None,
            row.currency,
            row.get_state_display(),
            row.order.number if row.order else "",
            row.order.get_state_display() if row.order else "",
            " ".join(row.faults),
        )


def _make_cell(sheet: Any, value: Any) -> Any:
    """Text stays text, whatever it begins with."""
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", value))
    cell.data_type = "s"
    return cell
