"""The control calls of freebit, below `/_control/freebit`.

GET  /requests      every accepted request: eid, account, delivery_code, kind, state (pending, completed, failed) …
POST /complete      {"eid"?, "deliveryCode"?, "code"?: "100", "message"?}: finish what waits, all or one; another
                    code than 100 is a failure. Answers {"completed": […], "last": number of the file's last line}
GET  /completions   the completion file. Query: `since` (lines after this number; 0), `columns` (names, each with a
                    heading of its own if wanted: `eid,iccid:ICCID番号`), `encoding` (cp932, utf-8, utf-8-sig),
                    `header` (true, false), `dates` (slash, iso, compact, date), `ok` and `failed` (the words of
                    `result`), `repeat` (every line so often), `strangers` (so many lines of other people's EIDs),
                    `broken` (list of columns, eid, result, date, bytes, quote). `X-Last-Line` is the last number
POST /keys          {"action": "revoke", "auth_key"?}: end one authentication key or all
GET  /world         lines in use
POST /world         {"plans"?: [code …], "representatives"?: {number: {"sim_kind"?, "stock"?, "locked"?}},
                    "lines"?: [{"account", "eid"?, "iccid"?, "product_number"?, "sim_kind"?}],
                    "ended"?: [account …], "unknown_eids"?: [eid …]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from providers.simulator.freebit.completion_file import read_wish, write_file
from providers.simulator.freebit.desk import Desk
from providers.simulator.freebit.key_store import KeyStore
from providers.simulator.freebit.request_store import RequestStore
from providers.simulator.freebit.world import World
from providers.simulator.messages import Refusal, Reply
from providers.simulator.system import ControlRoute, Core

Arguments = Mapping[str, str]


class FreebitControl:
    """Handlers of the calls above."""

    def __init__(self, core: Core, *, desk: Desk, requests: RequestStore, keys: KeyStore, world: World) -> None:
        self._core = core
        self._desk = desk
        self._requests = requests
        self._keys = keys
        self._world = world

    def routes(self) -> Sequence[ControlRoute]:
        """All of them."""
        return [
            ControlRoute("GET", "/requests", self._list_requests),
            ControlRoute("POST", "/complete", self._complete),
            ControlRoute("GET", "/completions", self._write_completions),
            ControlRoute("POST", "/keys", self._change_keys),
            ControlRoute("GET", "/world", self._read_world),
            ControlRoute("POST", "/world", self._change_world),
        ]

    def _list_requests(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"requests": [asdict(accepted) for accepted in self._requests.list_all()]}

    def _complete(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        unknown = set(body) - {"eid", "deliveryCode", "code", "message"}
        if unknown:
            raise Refusal(400, "BAD_CONTROL", f"complete takes eid, deliveryCode, code, message, not {sorted(unknown)}")
        with self._core.store.write():
            done = self._desk.complete(
                eid=body.get("eid"),
                delivery_code=body.get("deliveryCode"),
                code=str(body.get("code", "100")),
                message=body.get("message"),
                now=self._core.clock.now(),
            )
            return {"completed": [accepted.eid for accepted in done], "last": self._requests.find_last_row()}

    def _write_completions(self, arguments: Arguments, query: Arguments, body: Any) -> Reply:
        wish = read_wish(query)
        with self._core.store.read():
            body = write_file(self._requests.list_done_after(int(query.get("since", "0"))), wish)
            headers = {"X-Last-Line": str(self._requests.find_last_row())}
        charset = {"cp932": "Windows-31J"}.get(wish.encoding, "utf-8")
        return Reply(200, body, f"text/csv; charset={charset}", headers)

    def _change_keys(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        if body.get("action") != "revoke":
            raise Refusal(400, "BAD_CONTROL", f"No action {body.get('action')!r}: revoke")
        return {"revoked": self._keys.revoke(body.get("auth_key"))}

    def _read_world(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"lines": [asdict(line) for line in self._world.list_lines()]}

    def _change_world(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._world.change(body)
        return self._read_world(arguments, query, body)
