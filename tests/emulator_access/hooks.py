"""What the stand-in tells our webhook, as the document's samples or as newer texts have it. It signs nothing."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from tests.emulator.house import Arrival, House
from tests.emulator.wire import Fault, Reply
from tests.emulator_access.books import Json, Line
from tests.emulator_access.quirks import Quirks
from tests.emulator_access.server import AccessHouse


class Receiver(House[Quirks]):
    """Stands for our own webhook where the house tries it: answers with the status that it is told."""

    def __init__(self) -> None:
        super().__init__(Quirks())
        self.status = 200

    def _route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        return "hook", {}

    def _act(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        return Reply(self.status)

    def _word_fault(self, fault: Fault) -> tuple[bytes, str]:
        return b"", ""


def write_hook(house: AccessHouse, kind: str, line: Line, **changes: Any) -> bytes:
    """One delivery about a line."""
    document: Json = {"notifyType": kind, "content": _content(house, kind, line) | changes}
    newer = house.quirks.hooks == "newer"
    if newer or kind in ("SMDP_EVENT", "DATA_USAGE", "ESIM_STATUS"):
        moment = house.books.tick()
        # Their samples write it in two ways.
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S") + ("+0000" if kind == "SMDP_EVENT" else "Z")
        document |= {"eventGenerateTime": stamp, "notifyId": uuid.uuid4().hex}
    return json.dumps(document, indent=2 if newer else None).encode()


def _content(house: AccessHouse, kind: str, line: Line) -> Json:
    newer = house.quirks.hooks == "newer"
    status = "REVOKED" if line.status == "REVOKE" else line.status
    order: Json = {"orderNo": line.order_no}
    key: Json = {"transactionId": line.transaction_id}
    match kind:
        case "ORDER_STATUS":
            return order | {"orderStatus": "GOT_RESOURCE"} | (key if newer else {})
        case "SMDP_EVENT" | "ESIM_STATUS":
            told = order | key | {"esimTranNo": line.tran_no, "iccid": line.iccid}
            told |= {"esimStatus": status, "smdpStatus": line.smdp}
            return told | {"eid": line.eid} if kind == "SMDP_EVENT" else told
        case "DATA_USAGE":
            left = line.volume - line.used
            told = order | key | {"esimTranNo": line.tran_no, "iccid": line.iccid, "totalVolume": line.volume}
            told |= {"orderUsage": line.used, "remain": left, "lastUpdateTime": "2026-07-21T09:38:25Z"}
            return told | {"remainThreshold": 0.1}
        case _:
            told = order | key | {"iccid": line.iccid, "durationUnit": "DAY", "totalDuration": line.days}
            return told | {"expiredTime": line.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "remain": 1}
