"""Handing out the codes of an order's eSIMs: a sheet to print, a ZIP of pictures, a table, a text to copy.

Who took them, and in which form, stands on each line's timeline before the first byte leaves.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, RawIOBase
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from customers.models import User
from esims.code_sheet import say_how_to_type, write_sheet
from esims.codes import record_handed_out
from esims.models import Esim
from esims.qr import qr_png
from orders.csv_files import write_csv
from orders.models import Order
from orders.notice_words import speaking_to
from orders.selectors.order_page import order_esims


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """What is handed out; the parts may be made while they are sent."""

    name: str
    content_type: str
    parts: Iterator[bytes]


def hand_out_codes(*, order: Order, form: str, by: User) -> CodeFile:
    """The codes of all the order's eSIMs as a file: ``form`` is one of ``FORMS``.

    Wants ``esims.reveal_codes``. The order comes with its customer.
    """
    content_type, write = FORMS[form]
    esims = _take(order, form, by)
    return CodeFile(name=f"{order.number}.{form}", content_type=content_type, parts=write(order, esims))


def show_codes(*, order: Order, by: User) -> str:
    """The codes of all the order's eSIMs as a text, a line for each: ICCID, code, and the code that confirms it."""
    esims = _take(order, "text", by)
    return "\n".join(
        "\t".join(part for part in (esim.label, esim.lpa, esim.confirmation_code) if part) for esim in esims if esim.lpa
    )


def _take(order: Order, form: str, by: User) -> Sequence[Esim]:
    if not by.has_perm("esims.reveal_codes"):
        raise PermissionDenied
    esims = list(order_esims(order))
    shown = [esim for esim in esims if esim.lpa or esim.confirmation_code]
    record_handed_out(esims=shown, form=form, order=order.number, by=by.email)
    return esims


def _write_pdf(order: Order, esims: Sequence[Esim]) -> Iterator[bytes]:
    sheet = BytesIO()
    with speaking_to(order.customer):
        write_sheet(esims, sheet, title=f"{settings.BRAND_NAME} · {order.number}")
    sheet.seek(0)
    while part := sheet.read(_PART):
        yield part


def _write_zip(order: Order, esims: Sequence[Esim]) -> Iterator[bytes]:
    """One picture for each line and the table, packed while it is sent."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as pack:
        pack.writestr(f"{order.number}.csv", b"".join(_write_table(order, esims)), zipfile.ZIP_DEFLATED)
        for number, esim in enumerate(esims, start=1):
            if esim.lpa:
                # Its number in the order as well: some providers give an ICCID twice.
                pack.writestr(f"{order.number}-{number:04d}-{_for_a_name(esim.label)}.png", qr_png(esim.lpa))
                yield sink.take()
    yield sink.take()


def _write_table(order: Order, esims: Sequence[Esim]) -> Iterator[bytes]:
    header = (
        *(_("Order"), _("ICCID"), _("Plan"), _("Activation code (LPA)"), _("SM-DP+ address"), _("Activation code")),
        *(_("Confirmation code"), _("Install before")),
    )
    yield write_csv(
        header,
        (
            (
                *(order.number, esim.label, esim.plan.name, esim.lpa, *say_how_to_type(esim), esim.confirmation_code),
                esim.activation_deadline.isoformat() if esim.activation_deadline else "",
            )
            for esim in esims
        ),
    )


def _for_a_name(text: str) -> str:
    """As it may stand in the name of a file on any system."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)


class _Sink(RawIOBase):
    """What ``zipfile`` writes into, and what is taken out of it in the meantime."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


_PART = 64 * 1024
Writer = Callable[[Order, Sequence[Esim]], Iterator[bytes]]
#: Form, which is the end of the file's name as well → its type, how it is written.
FORMS: Mapping[str, tuple[str, Writer]] = {
    "pdf": ("application/pdf", _write_pdf),
    "zip": ("application/zip", _write_zip),
    "csv": ("text/csv; charset=utf-8", _write_table),
}
