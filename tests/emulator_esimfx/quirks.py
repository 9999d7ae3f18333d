"""How this stand-in of Nomad eSIMfx chooses where its document is silent or says two things: one value per question."""

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
    #: Where the token is, which is printed nowhere: access_token | token | accessToken | top | bare
    token_place: str = "access_token"
    #: jwt (live service) | opaque
    token_kind: str = "jwt"
    #: none | expires_in | expires_in_text: whether the life is said beside the token
    token_life: str = "none"
    #: What stands before the token in Authorization: Bearer (every known client) | none | either
    scheme: str = "Bearer"
    #: What a refused token gets: HTTP status and the envelope's code.
    token_refused: tuple[int, Any] = (401, 401)
    #: HTTP status of every other refusal: "HTTP 200 proves nothing".
    failure_status: int = 200
    #: numbers | words: the codes are printed nowhere.
    codes: str = "numbers"
    #: "data" of a refusal.
    failure_data: Any = None
    #: Whether "message" is there at all.
    says_message: bool = True
    #: orders (document) | bare (one client has seen the list itself)
    orders_wrapper: str = "orders"
    #: Whether an eSIM's orders come without product and stamps: the text only speaks of their subscriptions.
    sparse_orders: bool = False
    #: Byte (the examples) | GB ("typically GB") | MB
    usage_unit: str = "Byte"
    #: upper (document) | lower | title: the live service varies.
    case: str = "upper"
    #: upper_limit_amount | uper_limit_amount (seen live)
    limit_name: str = "upper_limit_amount"
    #: Whether numbers of data come as text. Conflicts with the examples.
    amounts_as_text: bool = False
    #: flat | nested | scalars
    key_shape: str = "flat"
    #: What last_evaluated_key is on the last page: {} | None | ABSENT
    key_end: Any = None
    page_cap: int = 100
    #: number | text. Conflicts with the examples.
    price: str = "number"
    #: Whether create_order carries esim.apn and subscription.external_id (seen live).
    order_extras: bool = False
    #: Whether terminate says refund.need_refund.
    says_refund: bool = True
    #: Z | fraction | offset
    instants: str = "Z"
    #: Whether get_order's subscription has times while it waits (the examples do: projections).
    projects: bool = True
    #: What the same idempotency key with another body gets: original | refused. Not documented.
    other_body: str = "refused"
    #: 0 nested as {event, data}; 1 flat with event_type; 2 deep; 3 a list of events
    hooks: int = 0
    #: data.balance as number | text | object
    balance: str = "number"


VARIANTS: Mapping[str, Quirks] = {
    "document": Quirks(key_end={}),
    "live": Quirks(
        prefix="/fx",
        token_life="expires_in",
        key_end=None,
        key_shape="nested",
        page_cap=3,
        orders_wrapper="bare",
        case="lower",
        limit_name="uper_limit_amount",
        order_extras=True,
        framing="chunked",
        extra_fields=True,
        failure_status=400,
        hooks=1,
        instants="fraction",
    ),
    "portal": Quirks(
        token_place="token",
        token_kind="opaque",
        token_life="expires_in_text",
        scheme="either",
        token_refused=(403, "TOKEN_INVALID"),
        failure_status=400,
        codes="words",
        failure_data={},
        usage_unit="GB",
        case="title",
        key_shape="scalars",
        key_end=ABSENT,
        page_cap=2,
        price="text",
        says_refund=False,
        instants="offset",
        projects=False,
        hooks=2,
        balance="text",
        gzip=True,
        escapes=True,
        key_order="sorted",
    ),
    "gateway": Quirks(
        prefix="/v9/gw",
        token_place="accessToken",
        token_kind="opaque",
        scheme="none",
        token_refused=(200, 40101),
        failure_data=ABSENT,
        says_message=False,
        usage_unit="MB",
        amounts_as_text=True,
        key_end={},
        key_shape="nested",
        page_cap=1,
        other_body="original",
        hooks=3,
        framing="close",
        header_case="lower",
        key_order="reversed",
        indent=1,
    ),
}
