"""The endpoints of Nomad eSIMfx.

From the document (API doc v1.8): paths and methods of products, orders and eSIMs, their fields, the envelope
`{code, message, data}`, the token of an hour, the idempotency key of six months, the 60-day rules. From the live
service: `data.access_token`, `Bearer `, version 1 of the list by POST, get_profile, the path of
activate_subscription. Guessed, because nobody says: every error code, the path of block_esim, the fields of the
answers to terminate, activate and block beside `refund.need_refund`, region names, page sizes, the eSIM fee.
"""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.simulator.esimfx import life
from providers.simulator.esimfx.account import SYSTEM, Account, Portal, Subscribed, to_dollars
from providers.simulator.esimfx.behaviour import DEFAULTS, WORDS
from providers.simulator.esimfx.control import EsimfxControl
from providers.simulator.esimfx.line_desk import LineDesk
from providers.simulator.esimfx.line_store import LineStore
from providers.simulator.esimfx.numbers import to_number
from providers.simulator.esimfx.ordering import OrderDesk
from providers.simulator.esimfx.product_store import ProductStore, read_page_key, write_page_key
from providers.simulator.esimfx.reading import (
    read_countries,
    read_object,
    read_optional_text,
    read_page_size,
    read_text,
)
from providers.simulator.esimfx.refusals import Declined, read_code
from providers.simulator.esimfx.tokens import TokenDesk
from providers.simulator.esimfx.wire import Wire, write_product
from providers.simulator.messages import Refusal, Reply, Request, json_reply
from providers.simulator.system import Call, ControlRoute, Core, Route, System

AUTH_PATH = "/account/api/v1/auth"
DEFAULT_BLOCK_PATH = "/order/api/v1/block_esim"
# The document names no rate limit.
ENDPOINTS = (
    *("auth", "profile", "products", "products_v1", "product", "topups"),
    *("order", "order_detail", "esim_status", "esim_orders", "terminate", "activate", "block"),
)


@dataclass(frozen=True)
class Options:
    """How the system is set up."""

    client_id: str
    client_key: str
    block_path: str
    limits: Mapping[str, int | None]
    products: int
    seed: int
    balance: Decimal
    esim_fee: Decimal
    webhook_url: str
    webhook_token: str
    thresholds: tuple[int, ...]


class EsimfxSystem(System):
    """One reseller's account with its catalogue, eSIMs and books."""

    name = SYSTEM
    business_status = 200
    status_words = ("status",)

    def __init__(self, core: Core, options: Options) -> None:
        core.switches.declare(DEFAULTS, WORDS)
        self.limits = options.limits
        self.core = core
        self._options = options
        self._wire = Wire(core.switches)
        self._tokens = TokenDesk(core.store)
        self._account = Account(core, balance=options.balance, esim_fee=options.esim_fee)
        first = Subscribed(options.webhook_url, options.webhook_token, options.thresholds)
        self._portal = Portal(core, self._wire, first=first)
        self._products = ProductStore(core.store)
        self._lines = LineStore(core.store)
        self._desk = LineDesk(self._lines, self._portal)
        self._orders = OrderDesk(
            core, products=self._products, lines=self._lines, account=self._account, wire=self._wire
        )
        self._products.open_catalogue(count=options.products, seed=options.seed)

    def routes(self) -> Sequence[Route]:
        """The documented endpoints; version 1 of the list by both methods that are in use."""
        product, order = "/product/api", "/order/api/v1"
        table: list[tuple[str, str, str, Callable[[Call], Reply], bool]] = [
            ("auth", "POST", AUTH_PATH, self._authorise, False),
            ("profile", "GET", "/account/api/v1/reseller/get_profile", self._read_profile, False),
            ("products", "POST", f"{product}/v2/get_products", self._list_products, False),
            ("products_v1", "POST", f"{product}/v1/get_products", self._list_legacy_products, False),
            ("products_v1", "GET", f"{product}/v1/get_products", self._list_legacy_products, False),
            ("product", "GET", f"{product}/v1/get_product", self._read_product, False),
            ("topups", "GET", f"{product}/v1/get_available_topups", self._list_topups, False),
            ("order", "POST", f"{order}/create_order", self._orders.create, True),
            ("order_detail", "GET", f"{order}/get_order", self._read_order, False),
            ("esim_status", "GET", f"{order}/get_esim_status", self._read_esim, False),
            ("esim_orders", "GET", f"{order}/get_esim_orders", self._list_orders, False),
            ("terminate", "POST", f"{order}/terminate_subscription", self._terminate, True),
            ("activate", "POST", f"{order}/activate_subscription", self._activate, True),
            ("block", "POST", self._options.block_path, self._block, True),
        ]
        return [Route(name, method, path, handler, writes) for name, method, path, handler, writes in table]

    def control_routes(self) -> Sequence[ControlRoute]:
        """See `esimfx/control.py`."""
        return EsimfxControl(
            self.core,
            products=self._products,
            lines=self._lines,
            desk=self._desk,
            account=self._account,
            portal=self._portal,
            tokens=self._tokens,
        ).routes()

    def authenticate(self, request: Request) -> str:
        """Everything but the call that fetches a token needs one. Raises Refusal 401."""
        if request.path == self.prefix + AUTH_PATH:
            return "anonymous"
        text = request.headers.get("authorization", "").strip()
        scheme, _, token = text.rpartition(" ")
        if scheme.lower() != "bearer" and not (scheme == "" and self.core.switches["esimfx_bare_token"]):
            raise Refusal(401, "40101", "The access token is missing")
        if not self._tokens.check(token, self.core.clock.now()):
            raise Refusal(401, "40102", "The access token is wrong or has expired")
        return self._options.client_id

    def collect_facts(self, arguments: Mapping[str, str], request: Request) -> dict[str, str]:
        """Beside the usual: `product_id` of an order and its `idempotency_key`."""
        facts = super().collect_facts(arguments, request)
        facts.setdefault("idempotency_key", request.headers.get("x-idempotency-key", ""))
        with suppress(ValueError):
            product = json.loads(facts.get("product", ""))
            if isinstance(product, dict):
                facts.setdefault("product_id", str(product.get("id")))
        return facts

    def render_refusal(self, refusal: Refusal) -> Reply:
        """The envelope with a code other than 0 and `data` null; the HTTP status of business errors is a switch."""
        in_envelope = isinstance(refusal, Declined) and self.core.switches["esimfx_error_status"] == "ok"
        body = {"code": read_code(refusal), "message": refusal.message, "data": None}
        return json_reply(200 if in_envelope else refusal.status, body, refusal.headers)

    def refuse_order(self, reason: str) -> Refusal:
        """Guesses, as all codes are."""
        if reason == "insufficient_balance":
            return Declined("INSUFFICIENT_BALANCE", "The balance does not cover this order")
        return Declined("OUT_OF_STOCK", "No eSIM of this profile in stock")

    def settle(self, now: datetime) -> None:
        """Activations on day 60, ends of validity, blocking 60 days later."""
        self._desk.settle(now)

    def reset(self, *, plans: int | None, seed: int | None) -> None:
        """No eSIMs, first catalogue, balance and portal. Tokens stay valid; ICCIDs count on."""
        self._lines.forget_all()
        self._account.reset()
        self._portal.reset()
        self._products.restore_first(
            count=self._options.products if plans is None else plans,
            seed=self._options.seed if seed is None else seed,
        )

    def describe(self) -> dict[str, Any]:
        """Sizes and address."""
        return {"prefix": self.prefix, "products": self._products.count_on_sale(), "lines": self._lines.count_lines()}

    def _authorise(self, call: Call) -> Reply:
        body = read_object(call.request)
        client_id, client_key = read_text(body, "client_id"), read_text(body, "client_key")
        fits = hmac.compare_digest(client_id.encode(), self._options.client_id.encode())
        if not (hmac.compare_digest(client_key.encode(), self._options.client_key.encode()) and fits):
            raise Refusal(401, "40103", "client_id or client_key is wrong")
        return _succeed({"access_token": self._tokens.issue(client_id, call.now)})

    def _read_profile(self, call: Call) -> Reply:
        return _succeed({"balance": to_number(self._account.balance)})

    def _list_products(self, call: Call) -> Reply:
        return self._list(call, legacy=False)

    def _list_legacy_products(self, call: Call) -> Reply:
        return self._list(call, legacy=True)

    def _list(self, call: Call, *, legacy: bool) -> Reply:
        body = read_object(call.request)
        region = read_optional_text(body, "region")
        page, more = self._products.list_page(
            region=region,
            countries=read_countries(body) if region is None else [],
            after=read_page_key(body.get("page_start", {})),
            size=read_page_size(body),
        )
        data: dict[str, Any] = {"products": [write_product(stored, legacy=legacy) for stored in page]}
        end = self.core.switches["esimfx_page_end"]
        if more:
            last = page[-1]
            data["last_evaluated_key"] = write_page_key(last.legacy_id if legacy else last.id, last.position)
        elif end != "absent":
            data["last_evaluated_key"] = None if end == "null" else {}
        return _succeed(data)

    def _read_product(self, call: Call) -> Reply:
        """Both kinds of ids; the answer carries the one that was asked for."""
        product_id = read_text(call.request.query, "id")
        stored = self._products.find_product(product_id)
        if not stored.on_sale:
            raise Declined("PRODUCT_NOT_FOUND", f"There is no product {product_id}")
        return _succeed({**stored.product, "id": product_id})

    def _list_topups(self, call: Call) -> Reply:
        """By the eSIM when both are named. Ids are of version 2 unless a product of version 1 was named alone."""
        query = call.request.query
        product_id, iccid = read_optional_text(query, "product_id"), read_optional_text(query, "iccid")
        if product_id is None and iccid is None:
            raise Declined("INVALID_REQUEST", "product_id or iccid is required")
        stored = None if product_id is None else self._products.find_product(product_id)
        legacy = iccid is None and stored is not None and stored.legacy_id == product_id
        if iccid is not None:
            line = self._lines.find_line(iccid)
            life.check_alive(line)
            region, profile = line.region, line.profile
        elif stored is not None:
            region, profile = stored.region, stored.profile
        alike = self._products.list_alike(region=region, profile=profile)
        return _succeed({"products": [self._wire.write_topup(other, legacy=legacy) for other in alike]})

    def _read_order(self, call: Call) -> Reply:
        order_id = read_text(call.request.query, "order_id")
        line = self._lines.find_line_of_order(order_id)
        return _succeed(self._wire.write_order(line, line.find_subscription(order_id), call.now))

    def _read_esim(self, call: Call) -> Reply:
        line = self._lines.find_line(read_text(call.request.query, "iccid"))
        return _succeed(self._wire.write_esim(line))

    def _list_orders(self, call: Call) -> Reply:
        line = self._lines.find_line(read_text(call.request.query, "iccid"))
        orders = [self._wire.write_order(line, subscription, call.now) for subscription in line.subscriptions]
        return _succeed(orders if self.core.switches["esimfx_bare_orders"] else {"orders": orders})

    def _terminate(self, call: Call) -> Reply:
        """Whether there is a refund stands in `refund.need_refund`; what else is answered is a guess."""
        order_id = read_text(read_object(call.request), "order_id")
        before = self._lines.find_line_of_order(order_id)
        line, refunded = life.terminate(before, order_id, life.to_second(call.now))
        self._lines.change_line(line)
        subscription = line.find_subscription(order_id)
        amount = to_dollars(subscription.price, subscription.currency) if refunded else Decimal(0)
        self._account.refund(amount)
        self._record(call, "terminate", order_id, {"refunded": str(amount)})
        answer = self._wire.write_order(line, subscription, call.now)
        return _succeed({**answer, "refund": {"need_refund": refunded}})

    def _activate(self, call: Call) -> Reply:
        order_id = read_text(read_object(call.request), "order_id")
        before = self._lines.find_line_of_order(order_id)
        line = life.activate(before, order_id, life.to_second(call.now))
        self._lines.change_line(line)
        self._record(call, "activate", order_id, {})
        return _succeed(self._wire.write_order(line, line.find_subscription(order_id), call.now))

    def _block(self, call: Call) -> Reply:
        before = self._lines.find_line(read_text(read_object(call.request), "iccid"))
        line = life.block(before, life.to_second(call.now))
        self._lines.change_line(line)
        self._record(call, "block", line.iccid, {})
        return _succeed(self._wire.write_esim(line))

    def _record(self, call: Call, kind: str, ref: str, detail: Mapping[str, str]) -> None:
        self.core.books.record_effect(
            system=SYSTEM, request_id=call.request_id, kind=kind, ref=ref, detail=dict(detail)
        )


def _succeed(data: Any) -> Reply:
    return json_reply(200, {"code": 0, "message": "Success", "data": data})
