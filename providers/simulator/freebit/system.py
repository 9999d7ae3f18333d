"""The two endpoints of freebit: authentication and eSIM account activation (PA05-41).

From the document: the path, the form field, every field and code of the activation. From the field notes: the path
and the fields of the authentication, and that codes arrive as strings. Not known, so ours: the HTTP status of
errors, the life of a key, what a wrong oemKey answers (403/205), the order of the checks.
"""

import argparse
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from providers.simulator.clock import to_jst_date
from providers.simulator.faults import collect_facts
from providers.simulator.freebit.codes import MESSAGE_BY_STATUS, STATUS_BY_CODE, Decline
from providers.simulator.freebit.control import FreebitControl
from providers.simulator.freebit.desk import Desk
from providers.simulator.freebit.fields import check_text
from providers.simulator.freebit.key_store import KeyStore
from providers.simulator.freebit.request_store import PENDING, RequestStore
from providers.simulator.freebit.validation import Reading, read_activation, read_form
from providers.simulator.freebit.world import World
from providers.simulator.messages import Refusal, Reply, Request, json_reply
from providers.simulator.system import Call, ControlRoute, Core, Route, System

AUTH_PATH = "/emptool/api/authOem/"
ACTIVATE_PATH = "/emptool/api/mvno/esim/addAcnt/"

SWITCHES: Mapping[str, Any] = {
    # Seconds that an authentication key lives. Not given: an hour.
    "freebit_key_life_s": 3600.0,
    # resultCode and statusCode as "strings" (seen live) or as "numbers" (the document's example).
    "freebit_codes": "strings",
    # HTTP status of an error. Not given: "always_200", or "as_code" (the status code of the body).
    "freebit_http_status": "always_200",
    # Does the contract use User Management Service: "yes", "no", or "either" (a request with a master account does).
    "freebit_ums": "either",
    # Fields that a pattern does not need, and unknown ones: "refuse" them or "ignore" them. Not given.
    "freebit_unneeded_fields": "refuse",
    # Take (10, M), as two of the document's examples and a sibling document do.
    "freebit_lift_aladin_ban": False,
    # Activations of one EID accepted in a month of Japan before 374; 0 is no limit. Not given.
    "freebit_activations_a_month": 10,
    # Seconds after which an accepted request completes by itself; 0 waits for the control call.
    "freebit_complete_after_s": 0.0,
}
_SWITCH_WORDS: Mapping[str, frozenset[str]] = {
    "freebit_codes": frozenset({"strings", "numbers"}),
    "freebit_http_status": frozenset({"always_200", "as_code"}),
    "freebit_ums": frozenset({"yes", "no", "either"}),
    "freebit_unneeded_fields": frozenset({"refuse", "ignore"}),
}
_BY_SWITCH = 0  # no HTTP status: the mark of an error whose HTTP status the switch chooses


@dataclass(frozen=True)
class Options:
    """How the system is set up."""

    oem_id: str
    oem_key: str


class FreebitSystem(System):
    """The OEM's door at freebit, with its keys, its world and the requests it has accepted."""

    name = "freebit"
    limits: Mapping[str, int | None] = {"auth": None, "activate": None}
    business_status = _BY_SWITCH
    status_words = ("resultCode", "statusCode")

    def __init__(self, core: Core, options: Options) -> None:
        core.switches.declare(SWITCHES, _SWITCH_WORDS)
        self.core = core
        self.world = World(core.store)
        self.requests = RequestStore(core.store)
        self.keys = KeyStore(core.store)
        self.desk = Desk(core, system=self.name, world=self.world, requests=self.requests)
        self._options = options

    def routes(self) -> Sequence[Route]:
        """Both are POST, both write."""
        return [
            Route("auth", "POST", AUTH_PATH, self._make_key, writes=True),
            Route("activate", "POST", ACTIVATE_PATH, self._activate, writes=True),
        ]

    def control_routes(self) -> Sequence[ControlRoute]:
        """See `freebit/control.py`."""
        control = FreebitControl(self.core, desk=self.desk, requests=self.requests, keys=self.keys, world=self.world)
        return control.routes()

    def authenticate(self, request: Request) -> str:
        """oemId and oemKey, or a key made from them, out of the form. Raises Decline 204, 205 or 228."""
        document = read_form(request)
        if request.path == f"{self.prefix}{AUTH_PATH}":
            fits = [
                isinstance(document.get(name), str) and _equal(document[name], value)
                for name, value in (("oemId", self._options.oem_id), ("oemKey", self._options.oem_key))
            ]
            if not all(fits):
                raise Decline("205")
        elif not self.keys.is_alive(check_text("authKey", document.get("authKey")), self.core.clock.now()):
            raise Decline("205")
        return self._options.oem_id

    def render_refusal(self, refusal: Refusal) -> Reply:
        """The document's envelope; what has no code in digits (429, an ordered 500) is resultCode 900."""
        code = refusal.code if refusal.code.isdecimal() else "900"
        chosen = isinstance(refusal, Decline) or refusal.status == _BY_SWITCH
        status = STATUS_BY_CODE.get(refusal.code, refusal.status or 500)
        return self._render(code, status, refusal.message, None if chosen else refusal.status, refusal.headers)

    def refuse_order(self, reason: str) -> Refusal:
        """`reason` is a detail code; the two common words stand for 275 and 900."""
        return Decline({"out_of_stock": "275", "insufficient_balance": "900"}.get(reason, reason))

    def collect_facts(self, arguments: Mapping[str, str], request: Request) -> dict[str, str]:
        """The fields of the document in the form field `json`; those of its objects as `mnp.gender`."""
        document = read_form(request)
        for name in ("mnp", "reissue"):
            if isinstance(document.get(name), dict):
                document |= {f"{name}.{field}": value for field, value in document[name].items()}
        return collect_facts(arguments, request.query, json.dumps(document).encode())

    def settle(self, now: datetime) -> None:
        """Complete what has waited long enough, when a switch says how long that is."""
        after_s = float(self.core.switches["freebit_complete_after_s"])
        if after_s > 0:
            self.desk.complete_due(after_s=after_s, now=now)

    def reset(self, *, plans: int | None, seed: int | None) -> None:
        """No keys, no requests, the first world. Numbers count on."""
        self.keys.forget_all()
        self.requests.forget_all()
        self.world.reset()

    def describe(self) -> dict[str, Any]:
        """Sizes and addresses."""
        requests = self.requests.list_all()
        pending = sum(accepted.state == PENDING for accepted in requests)
        return {"prefix": self.prefix, "requests": len(requests), "pending": pending}

    def _make_key(self, call: Call) -> Reply:
        life = timedelta(seconds=float(self.core.switches["freebit_key_life_s"]))
        key = self.keys.make(call.now, life)
        return self._render("100", 200, MESSAGE_BY_STATUS[200], None, {}, authKey=key)

    def _activate(self, call: Call) -> Reply:
        switches = self.core.switches
        reading = Reading(
            today=to_jst_date(call.now),
            ums=str(switches["freebit_ums"]),
            unneeded=str(switches["freebit_unneeded_fields"]),
            lift_aladin_ban=bool(switches["freebit_lift_aladin_ban"]),
        )
        wanted = read_activation(read_form(call.request), reading)
        self.desk.accept(wanted, request_id=call.request_id, now=call.now)
        return self._render("100", 200, MESSAGE_BY_STATUS[200], None, {})

    def _render(
        self, code: str, status: int, message: str, http_status: int | None, headers: Mapping[str, str], **more: str
    ) -> Reply:
        """resultCode carries the detail code, statusCode the status code, as in the document's example."""
        as_text = self.core.switches["freebit_codes"] == "strings"
        write = str if as_text else int
        envelope = {"resultCode": write(code), **more, "status": {"message": message, "statusCode": write(status)}}
        if http_status is None:
            http_status = status if self.core.switches["freebit_http_status"] == "as_code" else 200
        return json_reply(http_status, envelope, headers)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this provider."""
    parser.add_argument("--freebit-oem-id", default="demo-oem", help="freebit oemId (default %(default)s)")
    parser.add_argument("--freebit-oem-key", default="demo-oem-key", help="freebit oemKey (default %(default)s)")


def build_systems(core: Core, options: argparse.Namespace) -> list[System]:
    """The one system."""
    return [FreebitSystem(core, Options(options.freebit_oem_id, options.freebit_oem_key))]
