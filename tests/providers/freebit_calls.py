"""What the tests of freebit's adapter send and play back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from providers.freebit.client import FreebitProvider
from providers.types import ActivationRequest, ProviderReply
from tests.providers.scripted import answer

EID = "89049032123451234512345678901235"
CODE = "RD00000001"
KEY = "KEY0000000000000000000000001"
OEM_ID, OEM_KEY = "our-oem-id", "our-oem-key"

NEW: Mapping[str, Any] = {"simKind": "E2", "addKind": "N", "createType": "new", "planCode": "100K_PLAN"}
PERSON: Mapping[str, str] = {
    "reserveNumber": "1101201234",
    "lastnameKanji": "山田",
    "firstnameKanji": "太郎",
    "lastnameZenKana": "ヤマダ",
    "firstnameZenKana": "タロウ",
    "gender": "M",
    "birthday": "19900101",
}
TRANSFER: Mapping[str, Any] = {
    "masterAccount": "desk@example.org",
    "masterPassword": "a+b&c=d%41",
    "createType": "new",
    "account": "08011112222",
    "simKind": "E0",
    "contractLine": "5G",
    "addKind": "M",
    "mnp": dict(PERSON),
    "planCode": "100K_PLAN",
}


def make_client(**settings: Any) -> FreebitProvider:
    """A client for replies that are there already."""
    values = {"url": "https://freebit.example", "oem_id": OEM_ID, "oem_key": OEM_KEY, **settings}
    return FreebitProvider.from_settings("freebit", values)


def make_request(payload: Mapping[str, Any] = NEW, *, eid: str = EID, code: str = CODE) -> ActivationRequest:
    """A request whose form names its own handles."""
    return ActivationRequest(eid=eid, delivery_code=code, payload={"eid": eid, **payload, "deliveryCode": code})


def envelope(code: object, status: object = None, message: object = "NG") -> bytes:
    """A body of freebit's; without a status code its object is left out."""
    inner = {} if status is None else {"status": {"message": message, "statusCode": status}}
    return json.dumps({"resultCode": code, **inner}).encode()


ACCEPTED = envelope(100, 200, "OK")
AUTHENTICATED = json.dumps({"resultCode": "100", "authKey": KEY}).encode()
SIGNED_IN = answer(AUTHENTICATED)


def sign_in(key: str) -> bytes:
    """An HTTP reply with this authentication key."""
    return answer(json.dumps({"resultCode": "100", "authKey": key}).encode())


def reply_of(body: bytes, *, status: int = 200, complete: bool = True, **headers: str) -> ProviderReply:
    """A stored reply to an activation."""
    now = datetime(2026, 2, 3, tzinfo=UTC)
    return ProviderReply(
        operation="activate",
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body,
        complete=complete,
        sent_at=now,
        received_at=now,
    )


def read_request(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """(request line, headers in lower case, body) of a call as a scripted server got it."""
    head, _mark, body = request.partition(b"\r\n\r\n")
    line, *headers = head.decode("ascii").split("\r\n")
    pairs = (header.split(": ", 1) for header in headers)
    return line, {name.lower(): value for name, value in pairs}, body


def read_document(request: bytes) -> Any:
    """The JSON document in the form field ``json``, which must be the only one."""
    fields = parse_qs(read_request(request)[2].decode("ascii"), strict_parsing=True, keep_blank_values=True)
    assert list(fields) == ["json"]
    (text,) = fields["json"]
    return json.loads(text)
