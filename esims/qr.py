"""QR codes of activation codes, drawn here: never fetched from, or linked to, a provider.

The error correction is M and the margin four modules, as ISO/IEC 18004 asks for. Black on white in any theme: phones
read inverted codes badly.
"""

from io import BytesIO

from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.pil import PilImage
from qrcode.main import QRCode

_MARGIN = 4
_PIXELS_PER_MODULE = 10


def qr_png(lpa: str) -> bytes:
    """The activation string as a PNG, ten pixels per module."""
    code = _make_code(lpa)
    buffer = BytesIO()
    code.make_image(fill_color="black", back_color="white").save(buffer, "PNG")
    return buffer.getvalue()


def qr_svg(lpa: str) -> str:
    """The activation string as an SVG document: one path, no style and no script, sharp at any size."""
    modules = qr_modules(lpa)
    size = len(modules) + 2 * _MARGIN
    dark = "".join(f"M{x + _MARGIN} {y + _MARGIN}h{run}v1h-{run}z" for y, x, run in dark_runs(modules))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size * 8}" height="{size * 8}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{size}v{size}H0z"/>'
        f'<path fill="#000" d="{dark}"/></svg>'
    )


def qr_modules(lpa: str) -> list[list[bool]]:
    """The code's modules row by row, True for dark, without the margin."""
    return [[bool(module) for module in row] for row in _make_code(lpa).modules]


def dark_runs(modules: list[list[bool]]) -> list[tuple[int, int, int]]:
    """(row, first column, length) of every horizontal run of dark modules."""
    runs = []
    for y, row in enumerate(modules):
        start = None
        for x, dark in enumerate([*row, False]):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                runs.append((y, start, x - start))
                start = None
    return runs


def _make_code(lpa: str) -> "QRCode[PilImage]":
    code: QRCode[PilImage] = QRCode(
        error_correction=ERROR_CORRECT_M, box_size=_PIXELS_PER_MODULE, border=_MARGIN, image_factory=PilImage
    )
    code.add_data(lpa)
    code.make(fit=True)
    return code
