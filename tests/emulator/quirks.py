"""How this stand-in of eSIM Commerce chooses where the documents are silent: one value per open question."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: The methods and paths are printed nowhere: three houses with three tastes. The first is what Roamdesk guesses.
GUESSED: Mapping[str, str] = {
    "plans": "GET /esim/plans",
    "order": "POST /esim/orders",
    "status": "GET /esim/{iccid}",
    "transaction": "GET /esim/transactions/{id}",
    "control": "POST /esim/{iccid}/emergency-control",
    "usage": "PUT /esim/{iccid}/data-usage",
}
VERSIONED: Mapping[str, str] = {
    "plans": "GET /v1/resellers/me/data-plans",
    "order": "PUT /v1/resellers/me/esim-orders",
    "status": "GET /v1/lines/{iccid}/status.json",
    "transaction": "GET /v1/transactions?id={id}",
    "control": "PATCH /v1/lines/{iccid}",
    "usage": "POST /v1/sandbox/usage/{iccid}",
}
CALLS: Mapping[str, str] = {
    "plans": "POST /rpc/listPlans",
    "order": "POST /rpc/order",
    "status": "POST /rpc/status;iccid={iccid}",
    "transaction": "POST /rpc/inquiry/{id}",
    "control": "PUT /rpc/emergency/{iccid}",
    "usage": "PATCH /rpc/usage/{iccid}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The choices of one variant. Nothing here contradicts the documents unless its comment says so."""

    paths: Mapping[str, str] = field(default_factory=lambda: GUESSED)
    prefix: str = ""
    order_status: int = 200
    control_status: int = 200
    #: nest | nested | text | empty | code
    errors: str = "nest"
    #: lower | UPPER | Title
    header_case: str = "Title"
    #: document | reversed | sorted
    key_order: str = "document"
    indent: int | None = None
    escapes: bool = False
    extra_fields: bool = False
    #: Conflicts with the documents, which say a string.
    usage_as_number: bool = False
    #: Conflicts with the documents, which say an integer.
    total_as_text: bool = False
    price_as_number: bool = False
    #: milliseconds | seconds | offset
    instants: str = "milliseconds"
    #: full | sparse (only the code, the name and the prices) | nulls
    plan_fields: str = "full"
    #: What "limit" is taken for when it is larger.
    page_cap: int = 200
    meta_as_text: bool = False
    total_pages: bool = True
    #: length | chunked | close
    framing: str = "length"
    gzip: bool = False
    keeps_open: bool = False
    #: none | plain | quoted
    rate_headers: str = "none"
    #: What an unknown transaction gets: 400 | 404 | 200 (with a code 400 in the body)
    unknown_transaction: int = 400
    #: old | new | empty
    control_reply: str = "old"
    #: So many status replies after a change are cached copies of before.
    cached_reads: int = 0


#: Four houses that differ in everything at once.
VARIANTS: Mapping[str, Quirks] = {
    "plain": Quirks(errors="text", header_case="lower", rate_headers="plain", keeps_open=True),
    "nest": Quirks(
        prefix="/commerce/api",
        order_status=201,
        control_status=201,
        framing="chunked",
        key_order="reversed",
        extra_fields=True,
        usage_as_number=True,
        price_as_number=True,
        instants="offset",
        rate_headers="quoted",
        control_reply="new",
        page_cap=100,
    ),
    "gateway": Quirks(
        paths=VERSIONED,
        prefix="/gw",
        order_status=202,
        errors="nested",
        header_case="UPPER",
        framing="close",
        gzip=True,
        total_as_text=True,
        instants="seconds",
        meta_as_text=True,
        total_pages=False,
        plan_fields="nulls",
        cached_reads=2,
        indent=1,
    ),
    "mute": Quirks(
        paths=CALLS,
        order_status=200,
        control_status=204,
        control_reply="empty",
        errors="empty",
        header_case="lower",
        key_order="sorted",
        framing="chunked",
        gzip=True,
        keeps_open=True,
        escapes=True,
        usage_as_number=True,
        total_as_text=True,
        plan_fields="sparse",
        unknown_transaction=200,
        page_cap=50,
    ),
}
