"""The control calls of eSIM Access, below `/_control/access`.

GET  /packages          {"base": [codes], "topup": [codes]} on sale, in the provider's order
GET  /packages/{code}   {"code", "type", "on_sale", "stock", "package": the package object}
POST /packages          {"action": "change", "code", "fields": {"price": 9000, …}}
                        {"action": "remove", "codes": […]}   {"action": "restore", "codes": […]}
                        {"action": "stock", "code", "stock": n | null}
                        {"action": "add", "package": a whole package object, "type"?: "BASE" | "TOPUP"}
                        {"action": "generate", "count": n, "seed"?: n}
GET  /lines             every line: {"tran_no", "order_no", "transaction_id", "iccid", "package", "charged",
                        "line": the object of esim/query, whatever the switches hide}
GET  /lines/{tran_no}   one of them
POST /lines/{tran_no}   {"event": "download" | "install" | "enable" | "connect", "eid"?}
                        {"event": "disable" | "delete" | "use_up" | "expire"}   {"event": "use", "bytes": n}
                        {"event": "set", "fields": {…}}: wire fields to any value; {} shows the truth again
GET  /account           {"balance", "webhook"}
POST /account           {"balance"?: n, "webhook"?: address | null}: without the CHECK_HEALTH of the real call
"""

from collections.abc import Mapping, Sequence
from typing import Any

from providers.simulator.esim_access.account import Account
from providers.simulator.esim_access.catalogue import BASE, TOPUP
from providers.simulator.esim_access.line import Line
from providers.simulator.esim_access.line_desk import LineDesk
from providers.simulator.esim_access.line_store import LineStore
from providers.simulator.esim_access.package_store import PackageStore
from providers.simulator.messages import Refusal
from providers.simulator.system import ControlRoute, Core

Arguments = Mapping[str, str]


class AccessControl:
    """Handlers of the calls above."""

    def __init__(
        self, core: Core, *, packages: PackageStore, lines: LineStore, desk: LineDesk, account: Account
    ) -> None:
        self._core = core
        self._packages = packages
        self._lines = lines
        self._desk = desk
        self._account = account

    def routes(self) -> Sequence[ControlRoute]:
        """All of them."""
        return [
            ControlRoute("GET", "/packages", self._list_packages),
            ControlRoute("GET", "/packages/{code}", self._read_package),
            ControlRoute("POST", "/packages", self._change_packages),
            ControlRoute("GET", "/lines", self._list_lines),
            ControlRoute("GET", "/lines/{tran_no}", self._read_line),
            ControlRoute("POST", "/lines/{tran_no}", self._change_line),
            ControlRoute("GET", "/account", self._read_account),
            ControlRoute("POST", "/account", self._change_account),
        ]

    def _list_packages(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"base": self._packages.list_codes(BASE), "topup": self._packages.list_codes(TOPUP)}

    def _read_package(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        stored = self._packages.find_any(arguments["code"])
        state = {"code": stored.code, "type": stored.type, "on_sale": stored.on_sale, "stock": stored.stock}
        return {**state, "package": stored.package}

    def _change_packages(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            match body.get("action"):
                case "change":
                    self._packages.change_package(str(body["code"]), dict(body["fields"]))
                case "remove" | "restore" as action:
                    for code in body["codes"]:
                        self._packages.set_values(str(code), on_sale=int(action == "restore"))
                case "stock":
                    stock = body["stock"]
                    self._packages.set_values(str(body["code"]), stock=None if stock is None else int(stock))
                case "add":
                    self._packages.add_package(dict(body["package"]), type=str(body.get("type", BASE)))
                case "generate":
                    self._packages.generate(count=int(body["count"]), seed=int(body.get("seed", 1)))
                case other:
                    known = "change, remove, restore, stock, add, generate"
                    raise Refusal(400, "BAD_CONTROL", f"No action {other!r}: {known}")
        return {"on_sale": len(self._packages.list_codes(BASE))}

    def _list_lines(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._catch_up()
        return {"lines": [_show(line) for line in self._lines.list_all()]}

    def _read_line(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._catch_up()
        return _show(self._find(arguments["tran_no"]))

    def _change_line(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        self._catch_up()
        with self._core.store.write():
            line = self._find(arguments["tran_no"])
            return _show(self._desk.apply_event(line, str(body.get("event")), body, self._core.clock.now()))

    def _read_account(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"balance": self._account.balance, "webhook": self._account.webhook}

    def _change_account(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            if "balance" in body:
                self._account.set_balance(int(body["balance"]))
            if "webhook" in body:
                self._account.set_webhook(None if body["webhook"] is None else str(body["webhook"]))
        return self._read_account(arguments, query, body)

    def _catch_up(self) -> None:
        """A control call sees what time has made due, like every other call."""
        with self._core.store.write():
            self._desk.settle(self._core.clock.now())

    def _find(self, tran_no: str) -> Line:
        line = self._lines.find_line(tran_no)
        if line is None:
            raise Refusal(404, "NOT_FOUND", f"There is no line {tran_no}")
        return line


def _show(line: Line) -> dict[str, Any]:
    return {
        "tran_no": line.tran_no,
        "order_no": line.order_no,
        "transaction_id": line.transaction_id,
        "iccid": line.iccid,
        "package": line.package["packageCode"],
        "charged": line.charged,
        "line": line.to_wire(live=True),
    }
