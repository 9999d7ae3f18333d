"""Codes of many lines on paper: an A4 sheet of cards to print, cut and hand out.

Each card tells all that is needed to install one eSIM, in its customer's language: it may be all that they have with
them. Characters that the standard fonts lack (Japanese) are of a font that every PDF reader brings: none is embedded.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import IO

from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from esims.install import InvalidActivationCode, needs_confirmation_code, parse_activation_code
from esims.models import Esim
from esims.qr import dark_runs, qr_modules

_WIDTH, _HEIGHT = A4
_MARGIN = 34.0
_PAD = 11.0
_PER_PAGE = 4
_CARD = (_HEIGHT - 2 * _MARGIN - 12) / _PER_PAGE
_QR = 158.0
_TEXT_LEFT = _MARGIN + _PAD + _QR + 12
_TEXT_WIDTH = _WIDTH - _MARGIN - _PAD - _TEXT_LEFT
_LABEL_WIDTH = 98.0
_LONG = 90
#: Modules around the code that stay white.
_QUIET = 4
_PLAIN, _BOLD, _CODE, _WIDE = "Helvetica", "Helvetica-Bold", "Courier", "HeiseiKakuGo-W5"
#: The standard fonts hold these characters.
_STANDARD = "cp1252"


def write_sheet(esims: Sequence[Esim], target: IO[bytes], *, title: str) -> None:
    """Write a PDF with a card for each line (fetched with its plan), in the language that is active."""
    pdfmetrics.registerFont(UnicodeCIDFont(_WIDE))
    canvas = Canvas(target, pagesize=A4, pageCompression=1, lang=None)
    canvas.setTitle(title)
    for number, esim in enumerate(esims):
        place = number % _PER_PAGE
        if place == 0:
            if number:
                canvas.showPage()
            _write_small(canvas, title, _MARGIN, _HEIGHT - _MARGIN - 2)
            pages = -(-len(esims) // _PER_PAGE)
            _write_small(canvas, f"{number // _PER_PAGE + 1} / {pages}", _WIDTH - _MARGIN - 40, _HEIGHT - _MARGIN - 2)
        _draw_card(canvas, esim, top=_HEIGHT - _MARGIN - 12 - place * _CARD)
    canvas.save()


def say_how_to_type(esim: Esim) -> tuple[str, str]:
    """SM-DP+ address and the code to type where scanning fails; "" where the line has none."""
    if esim.smdp_address and esim.matching_id:
        return esim.smdp_address, esim.matching_id
    try:
        code = parse_activation_code(esim.lpa)
    except InvalidActivationCode:
        return esim.smdp_address, esim.matching_id
    return code.smdp_address, code.matching_id


def _draw_card(canvas: Canvas, esim: Esim, *, top: float) -> None:
    canvas.setLineWidth(0.5)
    canvas.setStrokeGray(0.7)
    canvas.roundRect(_MARGIN, top - _CARD + 6, _WIDTH - 2 * _MARGIN, _CARD - 6, 5)
    if esim.lpa:
        _draw_code(canvas, esim.lpa, _MARGIN + _PAD, top - _PAD - _QR)
    else:
        _write_none(canvas, esim, top - _PAD - _QR / 2)
    down = _Lines(canvas, top - _PAD - 8)
    down.write(esim.plan.name, 11, bold=True, at_most=2)
    down.space(2)
    down.fact("ICCID", esim.label)
    address, code = say_how_to_type(esim)
    for label, value in (
        (_("SM-DP+ address"), address),
        (_("Activation code"), code),
        (_("Confirmation code"), esim.confirmation_code),
    ):
        if value:
            down.fact(label, value)
    down.space(3)
    if esim.lpa:
        for number, step in enumerate(_list_steps(esim), start=1):
            down.write(f"{number}. {step}", 7.5)


def _list_steps(esim: Esim) -> Iterator[str]:
    """The shortest guide that prevents the usual mistakes."""
    yield _("Connect the phone to Wi-Fi. It must be able to use eSIMs and be free of any operator's lock.")
    yield _("iPhone: Settings › Mobile Service › Add eSIM. Android: Settings › SIMs › Add eSIM.")
    yield _("Scan the code. If that fails, type the address and the activation code.")
    if needs_confirmation_code(esim):
        yield _("Type the confirmation code when the phone asks for it.")
    yield _("At the destination: turn this line on, with data roaming, and choose it for mobile data.")
    if esim.apn:
        yield _("Access point name (APN): %(apn)s") % {"apn": esim.apn}
    yield _("It installs only once: do not remove it from the phone.")


def _write_none(canvas: Canvas, esim: Esim, middle: float) -> None:
    """In the place of a code that is not there."""
    text = _("Opened for the device: it needs no code") if esim.eid else _("The code is not there yet")
    for number, line in enumerate(_break(text, _find_font(text, _PLAIN), 9, _QR)):
        _write(canvas, line, 9, _MARGIN + _PAD, middle - 12 * number)


def _draw_code(canvas: Canvas, lpa: str, left: float, bottom: float) -> None:
    modules = qr_modules(lpa)
    size = _QR / (len(modules) + 2 * _QUIET)
    path = canvas.beginPath()
    for row, column, run in dark_runs(modules):
        path.rect(left + (column + _QUIET) * size, bottom + _QR - (row + _QUIET + 1) * size, run * size, size)
    canvas.setFillGray(0)
    canvas.drawPath(path, stroke=0, fill=1)


class _Lines:
    """The text beside the code, line below line."""

    def __init__(self, canvas: Canvas, top: float) -> None:
        self._canvas = canvas
        self._at = top

    def write(self, text: str, size: float, *, bold: bool = False, at_most: int = 9) -> None:
        font = _find_font(text, _BOLD if bold else _PLAIN)
        for line in _break(text, font, size, _TEXT_WIDTH)[:at_most]:
            self._put(line, font, size, _TEXT_LEFT)
            self._at -= size + 2

    def fact(self, label: str, value: str) -> None:
        self._put(label, _find_font(label, _PLAIN), 7.5, _TEXT_LEFT)
        font = _find_font(value, _CODE)
        # The longest that a provider may give fits on the card as well.
        size = 9.0 if len(value) <= _LONG else 6.0
        for line in _break(value, font, size, _TEXT_WIDTH - _LABEL_WIDTH):
            self._put(line, font, size, _TEXT_LEFT + _LABEL_WIDTH)
            self._at -= size + 3

    def space(self, height: float) -> None:
        self._at -= height

    def _put(self, text: str, font: str, size: float, left: float) -> None:
        self._canvas.setFillGray(0)
        self._canvas.setFont(font, size)
        self._canvas.drawString(left, self._at, text)


def _write(canvas: Canvas, text: str, size: float, left: float, at: float) -> None:
    canvas.setFillGray(0)
    canvas.setFont(_find_font(text, _PLAIN), size)
    canvas.drawString(left, at, text)


def _write_small(canvas: Canvas, text: str, left: float, at: float) -> None:
    _write(canvas, text, 8, left, at)


def _find_font(text: str, font: str) -> str:
    try:
        text.encode(_STANDARD)
    except UnicodeEncodeError:
        return _WIDE
    return font


@lru_cache(maxsize=512)
def _break(text: str, font: str, size: float, width: float) -> list[str]:
    """The text in lines no wider than ``width``: at spaces where it can be, else anywhere, as Japanese is."""
    measure: Callable[[str], float] = lambda part: pdfmetrics.stringWidth(part, font, size)  # noqa: E731
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest:
        end = len(rest)
        while end > 1 and measure(rest[:end]) > width:
            end -= 1
        if end < len(rest) and (space := rest.rfind(" ", 1, end + 1)) > end // 2:
            end = space
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return lines
