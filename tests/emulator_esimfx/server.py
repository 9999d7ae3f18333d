"""A stand-in of Nomad eSIMfx written from its document alone, on a socket of its own, in this process.

It judges requests as strictly as the document allows, and answers as its ``Quirks`` say.
"""

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.emulator.house import Arrival, House
from tests.emulator.phrasing import arrange
from tests.emulator.wire import Fault, Reply
from tests.emulator_esimfx.books import Books, Json, Order, Product, RefusedError
from tests.emulator_esimfx.quirks import ABSENT, Quirks
from tests.emulator_esimfx.wording import Wording

CLIENT_ID = "cid-fx-71d0a6"
CLIENT_KEY = "ckey-fx-5e1b9c40aa"
TOKEN_MARK = "fxtok"
BLOCK_PATH = "/order/api/v1/block_esim"
ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/account/api/v1/auth"): "auth",
    ("GET", "/account/api/v1/reseller/get_profile"): "profile",
    ("POST", "/product/api/v2/get_products"): "products",
    ("POST", "/product/api/v1/get_products"): "products_v1",
    ("GET", "/product/api/v1/get_products"): "products_v1",
    ("GET", "/product/api/v1/get_product"): "product",
    ("GET", "/product/api/v1/get_available_topups"): "topups",
    ("POST", "/order/api/v1/create_order"): "create",
    ("GET", "/order/api/v1/get_order"): "order",
    ("GET", "/order/api/v1/get_esim_status"): "status",
    ("GET", "/order/api/v1/get_esim_orders"): "orders",
    ("POST", "/order/api/v1/terminate_subscription"): "terminate",
    ("POST", "/order/api/v1/activate_subscription"): "activate",
    ("POST", BLOCK_PATH): "block",
}
_FILTERS = {"countries", "region", "page_start", "page_size"}


class FxHouse(House[Quirks]):
    """The one account of ours."""

    def __init__(self, quirks: Quirks) -> None:
        super().__init__(quirks)
        self.books = Books()
        self.wording = Wording(quirks)
        #: Tokens that are good, and until when (monotonic).
        self.tokens: dict[str, float] = {}
        self.token_seconds = 3600.0

    def revoke_tokens(self) -> None:
        self.tokens.clear()

    def _route(self, method: str, target: str) -> tuple[str, dict[str, str]]:
        path = urlsplit(target).path
        if not path.startswith(self.quirks.prefix):
            return "NOWHERE", {}
        return ROUTES.get((method, path.removeprefix(self.quirks.prefix)), "NOWHERE"), {}

    def _word_fault(self, fault: Fault) -> tuple[bytes, str]:
        return self.wording.failure("server"), "application/json"

    # -- one request --------------------------------------------------------------------------------------------------

    def _act(self, arrival: Arrival, arguments: Mapping[str, str]) -> Reply:
        if arrival.operation == "NOWHERE":
            return Reply(404, b"<html>404</html>", "text/html")
        if arrival.operation != "auth" and not self._is_allowed(arrival.headers.get("authorization", "")):
            status, code = self.quirks.token_refused
            return Reply(status, self.wording.refusal(code, "token expired or invalid"))
        if arrival.operation in self.canned:
            return Reply(200, json.dumps(self.canned[arrival.operation](arrival)).encode())
        if arrival.method == "POST" and "json" not in arrival.headers.get("content-type", ""):
            self.complaints.append(f"{arrival.operation}: a body that is not called JSON")
        act: Callable[[Arrival], bytes] = getattr(self, f"_{arrival.operation}")
        try:
            body = act(arrival)
        except RefusedError as refused:
            return Reply(self.quirks.failure_status, self.wording.failure(refused.reason))
        return Reply(200, body, "application/json; charset=utf-8")

    def _is_allowed(self, header: str) -> bool:
        scheme, _, token = header.rpartition(" ")
        if self.quirks.scheme != "either" and scheme != ("" if self.quirks.scheme == "none" else "Bearer"):
            return False
        return self.tokens.get(token, 0.0) > time.monotonic()

    def _read(self, arrival: Arrival, needed: set[str], allowed: set[str]) -> Json:
        body = arrival.body if arrival.method == "POST" else dict(arrival.query)
        if not isinstance(body, dict) or not needed <= body.keys():
            raise RefusedError("parameter")
        for name in body.keys() - needed - allowed:
            self.complaints.append(f"{arrival.operation}: {name} is no parameter")
        return body

    # -- the documented operations ------------------------------------------------------------------------------------

    def _auth(self, arrival: Arrival) -> bytes:
        body = self._read(arrival, {"client_id", "client_key"}, set())
        if (body["client_id"], body["client_key"]) != (CLIENT_ID, CLIENT_KEY):
            raise RefusedError("auth")
        token = f"{TOKEN_MARK}{uuid.uuid4().hex}"
        if self.quirks.token_kind == "jwt":
            now = int(time.time())
            claims = {"iat": now, "exp": now + int(self.token_seconds)}
            head, middle = _pack({"alg": "HS256", "typ": "JWT"}), _pack(claims)
            token = f"{head}.{middle}.{token}"
        self.tokens[token] = time.monotonic() + self.token_seconds
        return self.wording.token(token)

    def _profile(self, _arrival: Arrival) -> bytes:
        return self.wording.success(self.wording.balance(self.books.balance))

    def _products(self, arrival: Arrival) -> bytes:
        return self._list(self._read(arrival, set(), _FILTERS), version=2)

    def _products_v1(self, arrival: Arrival) -> bytes:
        body = arrival.body if isinstance(arrival.body, dict) else {}
        return self._list(body, version=1)

    def _list(self, body: Json, *, version: int) -> bytes:
        start, size = body.get("page_start", {}), body.get("page_size", 10)
        if type(size) is not int or size < 1 or not isinstance(start, dict):
            raise RefusedError("parameter")
        products = [product for product in self.books.products if _fits(product, body)]
        first = self._read_place(start)
        shown = products[first : first + min(size, self.quirks.page_cap)]
        rows = [self.wording.product(product, version=version) for product in shown]
        is_last = first + len(shown) >= len(products)
        key = self.quirks.key_end if is_last else self._tell_place(first + len(shown))
        data = {"products": rows, "last_evaluated_key": key}
        return self.wording.success({name: value for name, value in data.items() if value is not ABSENT})

    def _tell_place(self, place: int) -> Json:
        match self.quirks.key_shape:
            case "nested":
                return {"pk": {"S": f"p/{place}"}, "sort": {"M": {"rank": {"N": str(place)}, "none": {"NULL": None}}}}
            case "scalars":
                return {"id": f"{place:06d}", "rank": place + 0.5, "is_v2": True, "note": None, "empty": ""}
        return {"id": f"k{place}"}

    def _read_place(self, start: Json) -> int:
        """The key is only taken back as it was given."""
        if start in ({}, {"id": ""}):
            return 0
        told = ((place, arrange(self._tell_place(place), self.quirks)) for place in range(1, len(self.books.products)))
        found = next((place for place, key in told if key == start), None)
        if found is None:
            self.complaints.append("page_start is not the key that was given")
            raise RefusedError("parameter")
        return found

    def _product(self, arrival: Arrival) -> bytes:
        ref = self._read(arrival, {"id"}, set())["id"]
        product = self.books.find_product(ref)
        version = 2 if ref.startswith("esimfx_") else 1
        return self.wording.success(self.wording.product(product, version=version))

    def _topups(self, arrival: Arrival) -> bytes:
        asked = self._read(arrival, set(), {"product_id", "iccid"})
        if asked.get("iccid"):
            self.books.find_esim(asked["iccid"])
            first = self.books.orders_of(asked["iccid"])[0].product
        elif asked.get("product_id"):
            first = self.books.find_product(asked["product_id"])
        else:
            raise RefusedError("parameter")
        rows = [
            self.wording.product(product, version=2, coverage=False)
            for product in self.books.fitting(first.profile, first)
        ]
        return self.wording.success({"products": rows})

    def _create(self, arrival: Arrival) -> bytes:
        body = self._read(arrival, {"operation_type", "product"}, {"iccid"})
        key = arrival.headers.get("x-idempotency-key", "")
        if not key:
            raise RefusedError("key")
        product = body["product"]
        if not isinstance(product, dict) or product.keys() != {"id"}:
            raise RefusedError("parameter")
        known = self.books.find_key(key)
        if known:
            if known.asked != body and self.quirks.other_body == "refused":
                raise RefusedError("other_body")
            return self._tell_created(known)
        match body["operation_type"], "iccid" in body:
            case "NEW", False:
                order = self.books.sell(key, self.books.find_product(product["id"]), body)
            case "TOPUP", True:
                order = self.books.add(key, body["iccid"], self.books.find_product(product["id"]), body)
            case _:
                raise RefusedError("parameter")
        return self._tell_created(order)

    def _tell_created(self, order: Order) -> bytes:
        return self.wording.success(self.wording.created(order, self.books.esims[order.iccid]))

    def _order(self, arrival: Arrival) -> bytes:
        order = self.books.find_order(self._read(arrival, {"order_id"}, set())["order_id"])
        return self.wording.success(self.wording.order(order))

    def _status(self, arrival: Arrival) -> bytes:
        esim = self.books.find_esim(self._read(arrival, {"iccid"}, set())["iccid"])
        return self.wording.success(self.wording.esim(esim))

    def _orders(self, arrival: Arrival) -> bytes:
        esim = self.books.find_esim(self._read(arrival, {"iccid"}, set())["iccid"])
        rows = [self.wording.order(order) for order in self.books.orders_of(esim.iccid)]
        if self.quirks.sparse_orders:
            rows = [{"id": row["id"], "subscription": row["subscription"]} for row in rows]
        return self.wording.success({"orders": rows} if self.quirks.orders_wrapper == "orders" else rows)

    def _terminate(self, arrival: Arrival) -> bytes:
        order = self.books.find_order(self._read(arrival, {"order_id"}, set())["order_id"])
        refund = self.books.terminate(order)
        told: Json = self.wording.order(order)
        if self.quirks.says_refund:
            told["refund"] = {"need_refund": refund}
        return self.wording.success(told)

    def _activate(self, arrival: Arrival) -> bytes:
        order = self.books.find_order(self._read(arrival, {"order_id"}, set())["order_id"])
        self.books.activate(order)
        return self.wording.success(self.wording.order(order))

    def _block(self, arrival: Arrival) -> bytes:
        self.books.block(self._read(arrival, {"iccid"}, set())["iccid"])
        return self.wording.success({})


def _pack(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _fits(product: Product, body: Json) -> bool:
    """When both have values, only the region takes effect."""
    if body.get("region"):
        return str(body["region"]) == product.region
    if body.get("countries"):
        return bool(set(body["countries"].split(",")) & set(product.coverage))
    return True
