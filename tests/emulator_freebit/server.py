"""A stand-in of freebit's OEM door written from its document alone, on a socket of its own, in this process.

It judges requests as strictly as the document allows, and answers as its ``Quirks`` say.
"""

import json
import uuid
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from tests.emulator.house import Arrival, House
from tests.emulator.phrasing import write_json
from tests.emulator.wire import Fault, Reply
from tests.emulator_freebit.books import Books, Json
from tests.emulator_freebit.quirks import Quirks
from tests.emulator_freebit.rules import Reading

OEM_ID = "oem-roam-77"
OEM_KEY = "oemkey-2b61d09fe4"
KEY_MARK = "FBKEY"
ROUTES = {"/emptool/api/authOem/": "auth", "/emptool/api/mvno/esim/addAcnt/": "activate"}
#: Detail code -> (status code, message), where the message of the table is not that of its status code.
_STATUS = {100: 200, 205: 403, 232: 404}
_SYSTEM = {208, 210, 230, 275, 284, 287, 288, 289, 304, 310, 371, 372, 374, 900}
_MESSAGES = {200: "OK", 400: "Bad Request", 403: "Auth Error", 404: "Not Found", 500: "NG"}
_JAPANESE = {200: "正常終了", 400: "パラメータエラー", 403: "認証エラー", 404: "該当なし", 500: "処理エラー"}


class FreebitHouse(House[Quirks]):
    """The one OEM contract of ours."""

    def __init__(self, quirks: Quirks, *, uses_ums: bool = False, allows_other: bool = False) -> None:
        super().__init__(quirks)
        self.books = Books()
        self.uses_ums = uses_ums
        self.allows_other = allows_other
        #: Keys that are good, and for how many calls.
        self.keys: dict[str, int] = {}

    def _route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        path = urlsplit(target).path
        known = ROUTES.get(path.removeprefix(self.quirks.prefix)) if path.startswith(self.quirks.prefix) else None
        return (known if known and method == "POST" and target == path else "NOWHERE"), {}

    def _word_fault(self, fault: Fault) -> tuple[bytes, str]:
        return self.word(900), self.quirks.content_type

    # -- one request --------------------------------------------------------------------------------------------------

    def _act(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        if arrival.operation == "NOWHERE":
            return Reply(404, b"<html>404</html>", "text/html")
        request = self._read_form(arrival)
        if request is None:
            return self._answer_with(204)
        return self._auth(request) if arrival.operation == "auth" else self._activate(request)

    def _read_form(self, arrival: Arrival) -> Json | None:
        """The JSON in the one form field: "POST (JSON format, URL-encoded)"."""
        if not arrival.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            self.complaints.append("the body is not URL-encoded")
            return None
        try:
            form = parse_qsl(arrival.raw.decode("ascii"), strict_parsing=True, errors="strict")
            if [name for name, _value in form] != ["json"]:
                self.complaints.append("the form has other fields than json")
                return None
            request = json.loads(form[0][1])
        except ValueError:
            return None
        return request if isinstance(request, dict) else None

    def _answer_with(self, detail: int) -> Reply:
        status = _find_status(detail)
        return Reply(status if self.quirks.says_http_status else 200, self.word(detail), self.quirks.content_type)

    def word(self, detail: int) -> bytes:
        status = _find_status(detail)
        # The example of success stands whatever the table calls the two.
        first, second = (status, detail) if self.quirks.detail_in_status and detail != 100 else (detail, status)
        told: Json = {"statusCode": self._code(second)}
        if self.quirks.message != "none":
            told = {"message": (_JAPANESE if self.quirks.message == "japanese" else _MESSAGES)[status], **told}
        return write_json({"resultCode": self._code(first), "status": told}, self.quirks)

    def _code(self, code: int) -> int | str:
        return str(code) if self.quirks.codes_as_text else code

    # -- the two operations -------------------------------------------------------------------------------------------

    def _auth(self, request: Json) -> Reply:
        if request != {"oemId": OEM_ID, "oemKey": OEM_KEY}:
            return self._answer_with(205)
        key = f"{KEY_MARK}{uuid.uuid4().hex}"
        self.keys[key] = self.quirks.key_calls
        document: Json = {"resultCode": self._code(100), "authKey": key}
        if self.quirks.auth_status:
            document["status"] = {"message": "OK", "statusCode": self._code(200)}
        return Reply(200, write_json(document, self.quirks), self.quirks.content_type)

    def _activate(self, request: Json) -> Reply:
        refused_key = self._judge_key(request.get("authKey"))
        reading = Reading(request, uses_ums=self.uses_ums, allows_other=self.allows_other)
        faults = reading.faults()
        self.complaints += [f"sent for nothing: {name}" for name in reading.needless]
        if refused_key:
            # A house that looks at the key last tells of another fault first, if there is one.
            faults = [refused_key, *faults] if self.quirks.key_first else [*faults[:1], refused_key][:1]
        elif not faults:
            faults = list(self.books.faults(request))
        if faults:
            tells_last = self.quirks.tells == "last" and not refused_key
            return self._answer_with(faults[-1] if tells_last else faults[0])
        self.books.take(request)
        return self._answer_with(100)

    def _judge_key(self, key: object) -> int:
        """0, or the detail code of the refusal."""
        if not isinstance(key, str) or key not in self.keys:
            return self.quirks.key_refused[1]
        if self.keys[key] <= 0:
            return self.quirks.key_refused[1]
        self.keys[key] -= 1
        return 0


def _find_status(detail: int) -> int:
    return _STATUS.get(detail, 500 if detail in _SYSTEM else 400)
