"""How this stand-in of freebit chooses where its document is silent or says two things: one value per question."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The choices of one variant."""

    prefix: str = ""
    #: length | chunked | close
    framing: str = "length"
    gzip: bool = False
    keeps_open: bool = False
    #: lower | UPPER | Title
    header_case: str = "Title"
    #: document | reversed | sorted
    key_order: str = "document"
    indent: int | None = None
    escapes: bool = False
    extra_fields: bool = False
    content_type: str = "application/json"
    #: Numbers in the document, text at the live service.
    codes_as_text: bool = False
    #: Whether the HTTP status is the body's status code, or always 200.
    says_http_status: bool = False
    #: The example has the detail in resultCode; the parameter table calls status.statusCode the "Detail Result Code".
    detail_in_status: bool = False
    #: table | japanese | none
    message: str = "table"
    #: Whether the authentication's reply has a "status" too; we only know of resultCode and authKey.
    auth_status: bool = False
    #: What a key that is over gets.
    key_refused: tuple[int, int] = (403, 205)
    #: After so many calls a key is over; its life is printed nowhere.
    key_calls: int = 1000
    #: first | last: which of several faults is told.
    tells: str = "first"
    #: Whether the key is looked at before the rest of the request.
    key_first: bool = True


VARIANTS: Mapping[str, Quirks] = {
    "document": Quirks(),
    "live": Quirks(
        prefix="/oem",
        codes_as_text=True,
        says_http_status=True,
        auth_status=True,
        message="japanese",
        content_type="text/html; charset=UTF-8",
        framing="chunked",
        extra_fields=True,
        key_calls=2,
    ),
    "table": Quirks(
        detail_in_status=True,
        codes_as_text=True,
        key_refused=(400, 228),
        tells="last",
        key_first=False,
        message="none",
        key_order="sorted",
        gzip=True,
        escapes=True,
        key_calls=1,
    ),
    "strict": Quirks(
        says_http_status=True,
        detail_in_status=True,
        key_refused=(400, 228),
        tells="last",
        content_type="text/plain",
        framing="close",
        header_case="lower",
        key_order="reversed",
        indent=1,
        key_calls=3,
    ),
}
