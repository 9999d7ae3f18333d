"""What the tests of eSIM Access's adapter send and play back."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from providers.esim_access.client import EsimAccessProvider
from providers.types import Money, OrderRequest, ProviderReply, TopUpRequest
from tests.providers.scripted import ScriptedServer, answer

CODE, SECRET = "our-access-code", "our-secret-key"
WEBHOOK_SECRET = "unguessable-part-of-the-path"
AT = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
KEY = "0f0c3b0e-5f5e-4a51-9f27-0a7a4c7ad1b2"
ORDER = OrderRequest(
    plan_ref="CKH002",
    plan_alias="ES_3_30",
    quantity=2,
    idempotency_key=KEY,
    expected_unit_price=Money(amount=Decimal("1.80"), currency="USD"),
)
TOP_UP = TopUpRequest(
    provider_ref="26033119290005",
    iccid="8985224528000942210",
    plan_ref="TOPUP_CKH002",
    idempotency_key=KEY,
    expected_price=Money(amount=Decimal("1.80"), currency="USD"),
)


def make_client(**settings: Any) -> EsimAccessProvider:
    """A client; without ``url`` it is for replies that are there already."""
    values = {"url": "https://access.example", "code": CODE, "webhook_secret": WEBHOOK_SECRET, **settings}
    return EsimAccessProvider.from_settings("esim-access", values)


def envelope(obj: object = None, **fields: Any) -> bytes:
    """A success as it is seen live, with ``fields`` on top."""
    return json.dumps({"success": True, "errorCode": "0", "errorMsg": None, "obj": obj, **fields}).encode()


def refusal(code: object, message: str = "No.", **fields: Any) -> bytes:
    """A refusal as it is seen live."""
    return envelope(**{"success": False, "errorCode": code, "errorMsg": message, **fields})


def lines(*items: Any, total: int | None = None, **pager: Any) -> bytes:
    """A page of ``esim/query``."""
    count = len(items) if total is None else total
    return envelope({"esimList": list(items), "pager": {"pageSize": 500, "pageNum": 1, "total": count, **pager}})


def make_reply(
    body: bytes, *, status: int = 200, operation: str = "order", complete: bool = True, **headers: str
) -> ProviderReply:
    """A stored reply."""
    return ProviderReply(
        operation=operation, status=status, headers=headers, body=body, complete=complete, sent_at=AT, received_at=AT
    )


def replies(*bodies: bytes) -> tuple[bytes, ...]:
    """HTTP replies for ``scripted``."""
    return tuple(answer(body) for body in bodies)


def read_sent(server: ScriptedServer) -> list[tuple[str, Any]]:
    """(path below ``/api/v1/open/``, JSON body or None) of every request, oldest first."""
    found = []
    for request in server.requests:
        head, _mark, body = request.partition(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        assert head.startswith(b"POST /api/v1/open/"), head
        found.append((path.removeprefix("/api/v1/open/"), json.loads(body) if body else None))
    return found


def read_headers(request: bytes) -> dict[str, str]:
    """The headers of one request, by their names as sent."""
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
