"""The completion notification file (eSIM依頼完了通知ファイル).

Its columns, encoding and way of delivery stand in a document that nobody gave us: all of it is asked for by name,
and every default is a guess. CRLF, commas, quotes only where needed; times are times in Japan.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from providers.simulator.clock import JST, parse_instant
from providers.simulator.freebit.request_store import COMPLETED, Accepted
from providers.simulator.messages import Refusal

ENCODINGS = ("cp932", "utf-8", "utf-8-sig")
DEFAULT_COLUMNS = "eid,deliveryCode,account,result,code,message,iccid,completedAt"
DATES: Mapping[str, str] = {
    "slash": "%Y/%m/%d %H:%M:%S",
    "iso": "%Y-%m-%dT%H:%M:%S+09:00",
    "compact": "%Y%m%d%H%M%S",
    "date": "%Y%m%d",
}
_STRANGER_EID = "8904903200000000000000000000{:04d}"

_Row = dict[str, str]


@dataclass(frozen=True)
class Wish:
    """What file is asked for; `columns` are (name, heading) pairs."""

    columns: Sequence[tuple[str, str]]
    encoding: str
    header: bool
    dates: str
    ok: str
    failed: str
    repeat: int
    strangers: int
    broken: Sequence[str]


def read_wish(query: Mapping[str, str]) -> Wish:
    """The file that a control call describes. Raises Refusal 400 for a word that is not known."""
    wish = Wish(
        columns=[_read_column(column) for column in (query.get("columns") or DEFAULT_COLUMNS).split(",")],
        encoding=_pick("encoding", query.get("encoding", "cp932"), ENCODINGS),
        header=_pick("header", query.get("header", "true"), ("true", "false")) == "true",
        dates=_pick("dates", query.get("dates", "slash"), tuple(DATES)),
        ok=query.get("ok", "OK"),
        failed=query.get("failed", "NG"),
        repeat=int(query.get("repeat", "1")),
        strangers=int(query.get("strangers", "0")),
        broken=[name for name in query.get("broken", "").split(",") if name],
    )
    for name in wish.broken:
        _pick("broken", name, tuple(_BREAKS))
    return wish


def write_file(done: Sequence[Accepted], wish: Wish) -> bytes:
    """The file: real lines (as often as asked for), strangers' lines, broken lines."""
    rows = [_to_row(accepted, wish) for accepted in done] * wish.repeat
    for number in range(1, wish.strangers + 1):
        rows.append(_make_stranger(number, wish))
    lines = [_write_line([heading for _, heading in wish.columns])] if wish.header else []
    lines += [_write_line([row[name] for name, _ in wish.columns]) for row in rows]
    body = "".join(lines).encode(wish.encoding, "replace")
    return body + b"".join(_BREAKS[name](wish) for name in wish.broken)


def _pick(name: str, value: str, words: Sequence[str]) -> str:
    if value not in words:
        raise Refusal(400, "BAD_CONTROL", f"{name} is one of {', '.join(words)}, not {value!r}")
    return value


def _read_column(text: str) -> tuple[str, str]:
    """`eid`, or with a heading of its own `eid:EID番号`."""
    name, _, heading = text.partition(":")
    return _pick("columns", name, COLUMNS), heading or name


def _write_line(values: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue()


def _to_row(accepted: Accepted, wish: Wish) -> _Row:
    succeeded = accepted.state == COMPLETED
    return {
        "eid": accepted.eid,
        "deliveryCode": accepted.delivery_code,
        "account": accepted.account if succeeded or accepted.given else "",
        "result": wish.ok if succeeded else wish.failed,
        "code": accepted.code,
        "message": accepted.message,
        "iccid": accepted.iccid,
        "completedAt": _write_time(accepted.completed_at, wish),
        "requestedAt": _write_time(accepted.at, wish),
        "addKind": accepted.kind,
        "aladinOperated": accepted.aladin,
        "simKind": accepted.sim_kind,
        "contractLine": accepted.contract_line,
        "repAccount": accepted.rep_account,
        "planCode": accepted.plan,
        "empty": "",
    }


COLUMNS = (
    *("eid", "deliveryCode", "account", "result", "code", "message", "iccid", "completedAt", "requestedAt"),
    *("addKind", "aladinOperated", "simKind", "contractLine", "repAccount", "planCode", "empty"),
)


def _write_time(instant: str | None, wish: Wish) -> str:
    return "" if instant is None else parse_instant(instant).astimezone(JST).strftime(DATES[wish.dates])


def _make_stranger(number: int, wish: Wish) -> _Row:
    """A line of somebody else's request: the file of an OEM with several systems has such."""
    stranger = Accepted(
        id=0, request_id=0, at="2026-01-05T00:00:00.000Z", month="202601", aladin="20", kind="N",
        eid=_STRANGER_EID.format(number), account=f"0800900{number:04d}", given=False, sim_kind="E2",
        contract_line="4G", rep_account="", plan="100K_PLAN", delivery_code=f"OTHER{number:04d}", new_master="",
        old_product_number="", old_eid="", reserve_number="", state=COMPLETED, row=None,
        completed_at="2026-01-05T01:00:00.000Z", code="100", message="OK", iccid=f"89819900000000{number:05d}",
    )  # fmt: skip
    return _to_row(stranger, wish)


def _break_columns(wish: Wish) -> bytes:
    """Fewer values than columns."""
    return _write_line(["89049032000000000000000000009001"]).encode()


def _break_eid(wish: Wish) -> bytes:
    """An EID of 31 digits."""
    row = {**_make_stranger(9002, wish), "eid": "8904903200000000000000000000900"}
    return _write_line([row[name] for name, _ in wish.columns]).encode(wish.encoding, "replace")


def _break_result(wish: Wish) -> bytes:
    """A result and a code that no document knows."""
    row = {**_make_stranger(9003, replace(wish, ok="保留")), "code": "999"}
    return _write_line([row[name] for name, _ in wish.columns]).encode(wish.encoding, "replace")


def _break_date(wish: Wish) -> bytes:
    """A time that is none."""
    row = {**_make_stranger(9004, wish), "completedAt": "2026/02/30 25:61:00"}
    return _write_line([row[name] for name, _ in wish.columns]).encode(wish.encoding, "replace")


def _break_bytes(wish: Wish) -> bytes:
    """Bytes that are no text, in cp932 nor in UTF-8."""
    return b"\xff\xfe\xfd,\x81\r\n"


def _break_quote(wish: Wish) -> bytes:
    """A quotation mark that never closes: put it last."""
    return b'"89049032000000000000000000009006,\r\n'


_BREAKS: Mapping[str, Callable[[Wish], bytes]] = {
    "columns": _break_columns,
    "eid": _break_eid,
    "result": _break_result,
    "date": _break_date,
    "bytes": _break_bytes,
    "quote": _break_quote,
}
