"""The bodies of the six webhooks, as the samples print them and with the fields that are sent today.

None is signed: the provider has no secret for it.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.simulator.esim_access.life import (
    DATA_USAGE,
    ESIM_STATUS,
    ORDER_STATUS,
    SMDP_EVENT,
    VALIDITY_USAGE,
    Notice,
)
from providers.simulator.esim_access.line import REVOKED, Line
from providers.simulator.esim_access.wire import write_offset_time, write_zulu_time
from providers.simulator.switches import Switches

CHECK_HEALTH = "CHECK_HEALTH"
# Its order number belongs to nobody.
HEALTH_CHECK = {"notifyType": CHECK_HEALTH, "content": {"orderNo": "1234567890", "orderStatus": "Test"}}

# The samples of these two have neither notifyId nor eventGenerateTime.
_BARE_IN_DOCUMENT = (ORDER_STATUS, VALIDITY_USAGE)


def write_notice(notice: Notice, switches: Switches) -> bytes:
    """The body of one webhook."""
    live = bool(switches["access_live_fields"])
    head: dict[str, Any] = {"notifyType": notice.kind}
    if live or notice.kind not in _BARE_IN_DOCUMENT:
        head["eventGenerateTime"] = _write_event_time(notice.kind, notice.at)
        if switches["access_notify_ids"]:
            head["notifyId"] = uuid.uuid4().hex
    body = {**head, "content": _write_content(notice, switches, live=live)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _write_event_time(kind: str, at: datetime) -> str:
    return write_offset_time(at) if kind == SMDP_EVENT else write_zulu_time(at)


def _write_content(notice: Notice, switches: Switches, *, live: bool) -> dict[str, Any]:
    line = notice.line
    if notice.kind == ORDER_STATUS:
        content = {"orderNo": line.order_no, "orderStatus": "GOT_RESOURCE"}
        return {**content, "transactionId": line.transaction_id} if live else content
    if notice.kind == SMDP_EVENT:
        return {"eid": line.eid, "iccid": line.iccid, **_write_state(line), **_write_numbers(line)}
    if notice.kind == ESIM_STATUS:
        return {**_write_numbers(line), "iccid": line.iccid, **_write_state(line)}
    if notice.kind == DATA_USAGE:
        return {**_write_numbers(line), "iccid": line.iccid, **_write_data(notice, switches)}
    numbers = _write_numbers(line)
    if not live:
        del numbers["esimTranNo"]
    return {**numbers, "iccid": line.iccid, **_write_validity(line)}


def _write_numbers(line: Line) -> dict[str, str]:
    return {"orderNo": line.order_no, "esimTranNo": line.tran_no, "transactionId": line.transaction_id}


def _write_state(line: Line) -> dict[str, str]:
    # Queries say REVOKE, webhooks REVOKED.
    status = "REVOKED" if line.esim_status == REVOKED else line.esim_status
    return {"esimStatus": status, "smdpStatus": line.smdp_status}


def _write_data(notice: Notice, switches: Switches) -> Mapping[str, Any]:
    line, used = notice.line, notice.used or 0.0
    shown = used if switches["access_threshold_reading"] == "used" else round(1 - used, 2)
    return {
        "totalVolume": line.total_volume,
        "orderUsage": line.usage,
        "remain": line.remaining,
        "lastUpdateTime": write_zulu_time(line.usage_at or notice.at),
        "remainThreshold": shown,
    }


def _write_validity(line: Line) -> Mapping[str, Any]:
    return {
        "durationUnit": line.package["durationUnit"],
        "totalDuration": line.total_duration,
        "expiredTime": None if line.expires_at is None else write_zulu_time(line.expires_at),
        "remain": 1,
    }
