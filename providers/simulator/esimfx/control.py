"""The control calls of Nomad eSIMfx, below `/_control/esimfx`.

GET  /products          {"ids": […]} of version 2 on sale, in the provider's order
GET  /products/{id}     {"id", "legacy_id", "region", "on_sale", "product": the object of version 2}; either id
POST /products          {"action": "change", "id", "fields": {"price": 9.5, …}}
                        {"action": "remove", "ids": […]}   {"action": "restore", "ids": […]}
                        {"action": "add", "product": a whole object of version 2, "region": "Japan"}
                        {"action": "generate", "count": n, "seed"?: n}
GET  /lines             every eSIM with its subscriptions, as they truly are
GET  /lines/{iccid}     one of them
POST /lines/{iccid}     {"event": "install"} {"event": "connect"} {"event": "use", "bytes": n}
                        {"event": "expire", "order_id"?}: the time of an active subscription is over
                        {"event": "deactivate"}: the rare error
GET  /account           {"balance", "esim_fee"} in US dollars, as text
POST /account           {"balance"?: "100.00", "esim_fee"?: "0.00"}
GET  /portal            {"url", "token", "thresholds"}: where webhooks go
POST /portal            {"url"?: "" sends none, "token"?, "thresholds"?: [50, 80, 90]}
POST /tokens            {"action": "revoke"}: every token issued so far is refused
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.simulator.esimfx.account import Account, Portal
from providers.simulator.esimfx.catalogue import DEFAULT_SEED
from providers.simulator.esimfx.life import Line
from providers.simulator.esimfx.line_desk import LineDesk
from providers.simulator.esimfx.line_store import LineStore, describe_line
from providers.simulator.esimfx.product_store import ProductStore
from providers.simulator.esimfx.tokens import TokenDesk
from providers.simulator.messages import Refusal
from providers.simulator.system import ControlRoute, Core

Arguments = Mapping[str, str]


class EsimfxControl:
    """Handlers of the calls above."""

    def __init__(
        self,
        core: Core,
        *,
        products: ProductStore,
        lines: LineStore,
        desk: LineDesk,
        account: Account,
        portal: Portal,
        tokens: TokenDesk,
    ) -> None:
        self._core = core
        self._products = products
        self._lines = lines
        self._desk = desk
        self._account = account
        self._portal = portal
        self._tokens = tokens

    def routes(self) -> Sequence[ControlRoute]:
        """All of them."""
        return [
            ControlRoute("GET", "/products", self._list_products),
            ControlRoute("GET", "/products/{id}", self._read_product),
            ControlRoute("POST", "/products", self._change_products),
            ControlRoute("GET", "/lines", self._list_lines),
            ControlRoute("GET", "/lines/{iccid}", self._read_line),
            ControlRoute("POST", "/lines/{iccid}", self._change_line),
            ControlRoute("GET", "/account", self._read_account),
            ControlRoute("POST", "/account", self._change_account),
            ControlRoute("GET", "/portal", self._read_portal),
            ControlRoute("POST", "/portal", self._change_portal),
            ControlRoute("POST", "/tokens", self._revoke_tokens),
        ]

    def _list_products(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"ids": self._products.list_ids()}

    def _read_product(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        stored = self._products.find_product(arguments["id"])
        kept = {"id": stored.id, "legacy_id": stored.legacy_id, "region": stored.region, "on_sale": stored.on_sale}
        return {**kept, "product": stored.product}

    def _change_products(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            match body.get("action"):
                case "change":
                    self._products.change_product(str(body["id"]), dict(body["fields"]))
                case "remove" | "restore" as action:
                    for product_id in body["ids"]:
                        self._products.put_on_sale(str(product_id), on_sale=action == "restore")
                case "add":
                    self._products.add_product(dict(body["product"]), region=str(body["region"]))
                case "generate":
                    self._products.generate(count=int(body["count"]), seed=int(body.get("seed", DEFAULT_SEED)))
                case other:
                    raise Refusal(400, "BAD_CONTROL", f"No action {other!r}: change, remove, restore, add, generate")
        return {"on_sale": self._products.count_on_sale()}

    def _list_lines(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"lines": [_show(line) for line in self._lines.list_lines()]}

    def _read_line(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return _show(self._lines.find_line(arguments["iccid"]))

    def _change_line(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            self._desk.apply_event(arguments["iccid"], str(body.get("event")), body, self._core.clock.now())
        return self._read_line(arguments, query, body)

    def _read_account(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return {"balance": str(self._account.balance), "esim_fee": str(self._account.esim_fee)}

    def _change_account(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        with self._core.store.write():
            self._account.set(balance=_read_amount(body, "balance"), esim_fee=_read_amount(body, "esim_fee"))
        return self._read_account(arguments, query, body)

    def _read_portal(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        return asdict(self._portal.read())

    def _change_portal(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        changes: dict[str, Any] = {name: str(body[name]) for name in ("url", "token") if name in body}
        if "thresholds" in body:
            changes["thresholds"] = [int(threshold) for threshold in body["thresholds"]]
        if not changes or set(body) - set(changes):
            raise Refusal(400, "BAD_CONTROL", "The portal takes url, token and thresholds")
        self._portal.change(changes)
        return self._read_portal(arguments, query, body)

    def _revoke_tokens(self, arguments: Arguments, query: Arguments, body: Any) -> Any:
        if body.get("action") != "revoke":
            raise Refusal(400, "BAD_CONTROL", f"No action {body.get('action')!r}: revoke")
        self._tokens.revoke_all()
        return {"ok": True}


def _show(line: Line) -> dict[str, Any]:
    return {**describe_line(line), "status": line.status}


def _read_amount(body: Mapping[str, Any], name: str) -> Decimal | None:
    if name not in body:
        return None
    try:
        amount = Decimal(str(body[name]))
    except InvalidOperation as error:
        raise Refusal(400, "BAD_CONTROL", f"{name} is an amount") from error
    if not amount.is_finite() or amount < 0:
        raise Refusal(400, "BAD_CONTROL", f"{name} is an amount from 0")
    return amount
