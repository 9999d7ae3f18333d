"""eSIM Access: addresses, request checks, replies.

Everything is a POST with a JSON object (or with nothing at all, where nothing is asked for). Refusals stand in
an envelope with HTTP 200. Where the document and the live service differ, `switches.py` chooses.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.simulator.esim_access import life
from providers.simulator.esim_access.account import DEFAULT_BALANCE, Account
from providers.simulator.esim_access.authentication import authenticate
from providers.simulator.esim_access.catalogue import BASE, DEFAULT_PACKAGES
from providers.simulator.esim_access.control import AccessControl
from providers.simulator.esim_access.line import DISABLED, ENABLED, INSTALLED, Line
from providers.simulator.esim_access.line_desk import LineDesk
from providers.simulator.esim_access.line_store import LineStore
from providers.simulator.esim_access.notices import CHECK_HEALTH, HEALTH_CHECK
from providers.simulator.esim_access.package_store import PackageStore
from providers.simulator.esim_access.queries import Queries
from providers.simulator.esim_access.reading import (
    Body,
    read_body,
    read_optional_text,
    read_text,
)
from providers.simulator.esim_access.sales import Sales
from providers.simulator.esim_access.serials import Serials
from providers.simulator.esim_access.switches import DEFAULTS, WORDS
from providers.simulator.esim_access.wire import IN_ENVELOPE, answer, answer_refusal, refuse
from providers.simulator.faults import collect_facts
from providers.simulator.limits import ALL_ENDPOINTS
from providers.simulator.messages import Refusal, Reply, Request
from providers.simulator.system import Call, ControlRoute, Core, Route, System

NAME = "access"
ROOT = "/api/v1/open"
CALLS_A_SECOND = 8
MOST_SMS = 500
_ON_A_PHONE = (INSTALLED, ENABLED, DISABLED)


@dataclass(frozen=True)
class Options:
    """How the system is set up."""

    access_code: str = "demo-access-code"
    secret_key: str = "demo-access-secret"  # noqa: S105 - of a stand-in on this machine
    packages: int = DEFAULT_PACKAGES
    seed: int = 1
    balance: int = DEFAULT_BALANCE
    calls_a_second: int | None = CALLS_A_SECOND


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This system's options of the command line."""
    first = Options()
    add = parser.add_argument
    add("--access-code", default=first.access_code, help="eSIM Access: access code (default %(default)s)")
    add("--access-secret", default=first.secret_key, help="eSIM Access: secret key (default %(default)s)")
    packages_help = "eSIM Access: base packages in a new state's catalogue (default %(default)s)"
    add("--access-packages", type=int, default=first.packages, metavar="N", help=packages_help)
    balance_help = "eSIM Access: first balance, USD times 10,000 (default %(default)s)"
    add("--access-balance", type=int, default=first.balance, metavar="N", help=balance_help)


def build_systems(core: Core, options: argparse.Namespace) -> list[System]:
    """The one system there is: the provider has no sandbox."""
    mine = Options(
        access_code=options.access_code,
        secret_key=options.access_secret,
        packages=options.access_packages,
        seed=options.seed,
        balance=options.access_balance,
    )
    return [AccessSystem(core, mine)]


class AccessSystem(System):
    """One account of the provider."""

    name = NAME
    limit_window_s = 1.0
    limit_slides = True
    business_status = IN_ENVELOPE
    status_words = ("esimStatus", "smdpStatus", "durationUnit", "dataType", "activeType")

    def __init__(self, core: Core, options: Options) -> None:
        core.switches.declare(DEFAULTS, WORDS)
        self.limits = {ALL_ENDPOINTS: options.calls_a_second}
        self.core = core
        self._options = options
        self.packages = PackageStore(core.store)
        self.lines = LineStore(core.store)
        self.account = Account(core.store, balance=options.balance)
        self.queries = Queries(core, packages=self.packages, lines=self.lines)
        serials = Serials(core.store)
        self.desk = LineDesk(core, system=NAME, lines=self.lines, account=self.account, serials=serials)
        self.sales = Sales(
            core,
            system=NAME,
            packages=self.packages,
            lines=self.lines,
            account=self.account,
            desk=self.desk,
            serials=serials,
        )
        self.packages.open_catalogue(count=options.packages, seed=options.seed)

    def routes(self) -> Sequence[Route]:
        """Every endpoint of the document."""
        table: Sequence[tuple[str, str, Callable[[Call], Reply], bool]] = (
            ("packages", "/package/list", self.queries.list_packages, False),
            ("order", "/esim/order", self._order, True),
            ("query", "/esim/query", self.queries.query, False),
            ("cancel", "/esim/cancel", self._cancel, True),
            ("suspend", "/esim/suspend", lambda call: self._act(call, "suspend", life.suspend), True),
            ("unsuspend", "/esim/unsuspend", lambda call: self._act(call, "unsuspend", life.unsuspend), True),
            ("revoke", "/esim/revoke", lambda call: self._act(call, "revoke", life.revoke), True),
            ("balance", "/balance/query", self._read_balance, False),
            ("topup", "/esim/topup", self._top_up, True),
            ("sms", "/esim/sendSms", self._send_sms, True),
            ("usage", "/esim/usage/query", self.queries.read_usage, False),
            ("locations", "/location/list", self.queries.list_locations, False),
            ("webhook_query", "/webhook/query", self._read_webhook, False),
        )
        routes = [Route(name, "POST", f"{ROOT}{path}", handler, writes) for name, path, handler, writes in table]
        return [*routes, Route("webhook_save", "POST", f"{ROOT}/webhook/save", self._save_webhook, alone=False)]

    def control_routes(self) -> Sequence[ControlRoute]:
        """See `esim_access/control.py`."""
        control = AccessControl(
            self.core, packages=self.packages, lines=self.lines, desk=self.desk, account=self.account
        )
        return control.routes()

    def authenticate(self, request: Request) -> str:
        """See `authentication.py`."""
        return authenticate(
            request,
            access_code=self._options.access_code,
            secret_key=self._options.secret_key,
            must_sign=bool(self.core.switches["access_require_signature"]),
        )

    def render_refusal(self, refusal: Refusal) -> Reply:
        """The envelope."""
        return answer_refusal(self.core.switches, refusal)

    def refuse_order(self, reason: str) -> Refusal:
        """Documented codes."""
        return refuse("200007" if reason == "insufficient_balance" else "200011")

    def collect_facts(self, arguments: Mapping[str, str], request: Request) -> dict[str, str]:
        """Also the fields of `pager` and of the first of `packageInfoList`."""
        facts = collect_facts(arguments, request.query, request.body)
        for name in ("pager", "packageInfoList"):
            inner = json.loads(facts.get(name, "null"))
            first = inner[0] if isinstance(inner, list) and inner else inner
            if isinstance(first, dict):
                facts = {**collect_facts({}, {}, json.dumps(first).encode()), **facts}
        return facts

    def settle(self, now: datetime) -> None:
        """Allocation, known usage, warnings, ends."""
        self.desk.settle(now)

    def reset(self, *, plans: int | None, seed: int | None) -> None:
        """No lines, first balance, no webhook, first catalogue; `plans` speaks of eSIM Commerce's."""
        self.lines.forget_all()
        self.account.reset()
        self.packages.restore_first(count=self._options.packages, seed=self._options.seed if seed is None else seed)

    def describe(self) -> dict[str, Any]:
        """Sizes and addresses."""
        packages = len(self.packages.list_codes(BASE))
        return {"prefix": self.prefix, "packages": packages, "lines": self.lines.count_lines()}

    def _order(self, call: Call) -> Reply:
        return answer(self.core.switches, self.sales.order(call, read_body(call.request)))

    def _cancel(self, call: Call) -> Reply:
        self.sales.cancel(call, self._find_line(read_body(call.request)))
        return answer(self.core.switches, {})

    def _act(self, call: Call, kind: str, action: Callable[[Line, datetime], life.Step]) -> Reply:
        line = self._find_line(read_body(call.request))
        self.desk.act(line, action, call.now)
        self._book(call, kind, line, {})
        return answer(self.core.switches, {})

    def _top_up(self, call: Call) -> Reply:
        body = read_body(call.request)
        return answer(self.core.switches, self.sales.top_up(call, self._find_line(body), body))

    def _read_balance(self, call: Call) -> Reply:
        read_body(call.request, may_be_empty=True)
        return answer(self.core.switches, {"balance": self.account.balance})

    def _send_sms(self, call: Call) -> Reply:
        body = read_body(call.request)
        message = read_text(body, "message", most=MOST_SMS)
        line = self._find_line(body)
        if line.smdp_status not in _ON_A_PHONE:
            raise refuse("200002")
        if line.package["smsStatus"] == 0:
            raise refuse("200008", "smsStatus 0")
        self._book(call, "sms", line, {"message": message})
        return answer(self.core.switches, {})

    def _save_webhook(self, call: Call) -> Reply:
        """Saved only when the address answers the test; other calls go on meanwhile."""
        url = read_text(read_body(call.request), "webhook")
        status = self.core.webhooks.deliver_now(
            system=NAME, kind=CHECK_HEALTH, url=url, headers={}, body=json.dumps(HEALTH_CHECK).encode()
        )
        if status is None or not 200 <= status < 300:
            raise refuse("200008", "webhook")
        with self.core.store.write():
            self.account.set_webhook(url)
            self.core.books.record_effect(
                system=NAME, request_id=call.request_id, kind="webhook", ref="", detail={"webhook": url}
            )
        return answer(self.core.switches, {})

    def _read_webhook(self, call: Call) -> Reply:
        read_body(call.request, may_be_empty=True)
        return answer(self.core.switches, {"webhook": self.account.webhook})

    def _find_line(self, body: Body) -> Line:
        """By esimTranNo, else the newest with this ICCID. Raises Refusal 000105, 310403."""
        tran_no, iccid = read_optional_text(body, "esimTranNo"), read_optional_text(body, "iccid")
        if tran_no is None and iccid is None:
            raise refuse("000105", "iccid, esimTranNo")
        line = self.lines.find_line(tran_no) if tran_no is not None else self.lines.find_by_iccid(str(iccid))
        if line is None:
            raise refuse("310403")
        return line

    def _book(self, call: Call, kind: str, line: Line, detail: dict[str, Any]) -> None:
        self.core.books.record_effect(
            system=NAME, request_id=call.request_id, kind=kind, ref=line.tran_no, detail=detail
        )
