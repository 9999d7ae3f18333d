"""How this stand-in of eSIM Access chooses where its document is silent or says two things: one value per question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A member that is left out of the reply.
ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The choices of one variant. What contradicts the document, or is only said elsewhere, is marked so."""

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
    #: Whether "success" is the String of the table or the boolean of the live service.
    success_as_text: bool = True
    #: "null or 0 when successful"
    ok_code: Any = None
    #: errorMessage (document) | errorMsg (live service)
    message_name: str = "errorMessage"
    failure_status: int = 200
    failure_obj: Any = None
    #: Conflicts with the tables, whose types are not to be trusted (success is a String there).
    numbers_as_text: bool = False
    #: What a query by orderNo gets while the order allocates: code (200010) | empty | bare | lag (310272, then 200010)
    pending: str = "code"
    #: So many queries find it allocating; then so many eSIMs more are there at each.
    looks: int = 1
    #: "Duplicate transactionId will be identified as the same request": original | 310402 (some live answers)
    duplicate: str = "original"
    #: Whether a top-up's transactionId protects from a second one; the document only says that it is required.
    keys_top_ups: bool = False
    #: Whether the order's reply, and each eSIM, carries our transactionId (live service).
    tells_key: bool = False
    #: document | live | sparse (no slug, no networks, no descriptions)
    packages: str = "document"
    #: numbers (1, 2, 3) | booleans (the table's type) | text
    top_up_flag: str = "numbers"
    location_separator: str = ", "
    #: zone (+0000) | Z | fraction | minutes
    instants: str = "zone"
    page_cap: int = 500
    #: Whether a reply's pager counts: the table of the reply names ``pageSize`` and ``pageNum`` alone.
    tells_total: bool = True
    #: Whether a query heeds ``esimTranNo``, which stands in the text and not in the table of its parameters.
    heeds_tran_no: bool = True
    #: Whether other buyers of the account add eSIMs while a listing is being paged.
    moves: bool = False
    #: The document gives no names; "" is the list itself.
    usage_wrapper: str = "esimUsageList"
    region_wrapper: str = "locationList"
    sub_regions: str = "subLocation"
    #: document | newer
    hooks: str = "document"
    reuses_iccids: bool = True
    #: Whether the access code alone is refused.
    only_signed: bool = False
    #: text (the example) | millis (the type, Long)
    top_up_expiry: str = "text"
    #: Whether the top-up's reply names a transaction of their own (live service).
    own_top_up_key: bool = False
    #: What webhook/query answers: text | webhook | webhookUrl (the document shows nothing)
    hook_reply: str = "webhook"
    #: Where a line is not known: 310403 | empty
    unknown_line: str = "310403"
    #: What the ninth call in a second gets: 429 | 900001 | 101013
    busy: str = "429"
    wrong_key: str = "101003"
    #: Ten-thousandths that are charged less than listed (live service).
    discount: int = 0


VARIANTS: Mapping[str, Quirks] = {
    "document": Quirks(),
    "live": Quirks(
        success_as_text=False,
        ok_code="0",
        message_name="errorMsg",
        pending="bare",
        looks=2,
        tells_key=True,
        packages="live",
        location_separator=",",
        sub_regions="subLocationList",
        hooks="newer",
        top_up_expiry="text",
        own_top_up_key=True,
        framing="chunked",
        busy="101013",
        discount=400,
        extra_fields=True,
        duplicate="310402",
    ),
    "gateway": Quirks(
        prefix="/gw/access",
        success_as_text=False,
        ok_code=0,
        failure_status=400,
        failure_obj={},
        numbers_as_text=True,
        pending="empty",
        packages="sparse",
        top_up_flag="text",
        instants="fraction",
        page_cap=7,
        moves=True,
        usage_wrapper="usageList",
        region_wrapper="regions",
        only_signed=True,
        hook_reply="webhookUrl",
        unknown_line="empty",
        busy="900001",
        key_order="sorted",
        gzip=True,
        escapes=True,
        keys_top_ups=True,
    ),
    "odd": Quirks(
        ok_code="",
        message_name="errorMsg",
        failure_status=500,
        failure_obj=ABSENT,
        pending="lag",
        tells_key=True,
        packages="live",
        top_up_flag="numbers",
        instants="Z",
        page_cap=5,
        usage_wrapper="",
        region_wrapper="",
        sub_regions="subLocations",
        hooks="newer",
        top_up_expiry="millis",
        hook_reply="text",
        key_order="reversed",
        indent=1,
        framing="close",
        header_case="lower",
        only_signed=True,
        wrong_key="401001",
    ),
}
