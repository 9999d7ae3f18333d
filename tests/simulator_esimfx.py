"""Drives the simulator of Nomad eSIMfx in tests: the provider's calls as the document has them, and control calls."""

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import requests

from tests.simulator_client import Simulator

SYSTEM = "esimfx"
CLIENT_ID = "demo-client"
CLIENT_KEY = "demo-client-key"
WEBHOOK_TOKEN = "demo-webhook-token"

AUTH_PATH = "/account/api/v1/auth"
PROFILE_PATH = "/account/api/v1/reseller/get_profile"
PRODUCTS_PATH = "/product/api/v2/get_products"
LEGACY_PRODUCTS_PATH = "/product/api/v1/get_products"
PRODUCT_PATH = "/product/api/v1/get_product"
TOPUPS_PATH = "/product/api/v1/get_available_topups"
ORDER_PATH = "/order/api/v1/create_order"
ORDER_DETAIL_PATH = "/order/api/v1/get_order"
ESIM_STATUS_PATH = "/order/api/v1/get_esim_status"
ESIM_ORDERS_PATH = "/order/api/v1/get_esim_orders"
TERMINATE_PATH = "/order/api/v1/terminate_subscription"
ACTIVATE_PATH = "/order/api/v1/activate_subscription"
BLOCK_PATH = "/order/api/v1/block_esim"


class Esimfx:
    """Nomad eSIMfx at a running simulator. Calls that answer data assert `code` 0."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._session = requests.Session()
        # A proxy in the environment must not see calls to this machine.
        self._session.trust_env = False
        self._token = ""

    @property
    def url(self) -> str:
        """Base address, for the account's settings."""
        return f"{self.simulator.url}/{SYSTEM}"

    # The provider's calls

    def make_token(self) -> str:
        """A fresh access token."""
        body = {"client_id": CLIENT_ID, "client_key": CLIENT_KEY}
        answer = self._session.post(f"{self.url}{AUTH_PATH}", json=body, timeout=10).json()
        return str(answer["data"]["access_token"])

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any call with a token, renewed when it is refused; the caller's own `headers` win and are never renewed."""
        headers = options.pop("headers", {})
        options.setdefault("timeout", 10)
        response = self._send(method, path, headers, options)
        if response.status_code == 401 and "Authorization" not in headers:
            self._token = self.make_token()
            response = self._send(method, path, headers, options)
        return response

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], options: Mapping[str, Any]
    ) -> requests.Response:
        given = {"Authorization": f"Bearer {self._token}", **headers}
        return self._session.request(method, f"{self.url}{path}", headers=given, **options)

    def get(self, path: str, **query: str) -> Any:
        """The data of a GET."""
        return _read_data(self.send("GET", path, params=query))

    def post(self, path: str, body: Mapping[str, Any], **options: Any) -> Any:
        """The data of a POST."""
        return _read_data(self.send("POST", path, json=body, **options))

    def list_products(self, *, path: str = PRODUCTS_PATH, page_size: int = 100, **filters: Any) -> list[dict[str, Any]]:
        """Every product of a list, page by page."""
        products: list[dict[str, Any]] = []
        key: Any = {}
        while True:
            data = self.post(path, {"page_start": key, "page_size": page_size, **filters})
            products += data["products"]
            key = data.get("last_evaluated_key")
            if not key:
                return products

    def send_order(self, body: Mapping[str, Any], key: str | None = None) -> requests.Response:
        """An order with its key, a fresh one by default."""
        return self.send("POST", ORDER_PATH, json=body, headers={"X-Idempotency-Key": key or str(uuid.uuid4())})

    def order_new(self, product_id: str, key: str | None = None) -> dict[str, Any]:
        """A new eSIM: the data of the answer."""
        body = {"operation_type": "NEW", "product": {"id": product_id}}
        answer: dict[str, Any] = _read_data(self.send_order(body, key))
        return answer

    def order_topup(self, iccid: str, product_id: str, key: str | None = None) -> dict[str, Any]:
        """A package on top of others: the data of the answer."""
        body = {"operation_type": "TOPUP", "iccid": iccid, "product": {"id": product_id}}
        answer: dict[str, Any] = _read_data(self.send_order(body, key))
        return answer

    def read_order(self, order_id: str) -> dict[str, Any]:
        """get_order."""
        order: dict[str, Any] = self.get(ORDER_DETAIL_PATH, order_id=order_id)
        return order

    def read_subscription(self, order_id: str) -> dict[str, Any]:
        """The subscription of get_order."""
        subscription: dict[str, Any] = self.read_order(order_id)["subscription"]
        return subscription

    def read_esim(self, iccid: str) -> dict[str, Any]:
        """get_esim_status."""
        esim: dict[str, Any] = self.get(ESIM_STATUS_PATH, iccid=iccid)
        return esim

    def read_balance(self) -> Decimal:
        """get_profile."""
        response = self.send("GET", PROFILE_PATH)
        return Decimal(str(response.json()["data"]["balance"]))

    # The catalogue

    def product_ids(self) -> list[str]:
        """Ids of version 2 on sale. Not counted in the books."""
        return [str(product_id) for product_id in self._control("GET", "/products")["ids"]]

    def product(self, product_id: str) -> dict[str, Any]:
        """id, legacy_id, region, on_sale, product (the object of version 2)."""
        return self._control("GET", f"/products/{product_id}")

    def find_product(self, **wanted: Any) -> dict[str, Any]:
        """The first product object on sale with these fields: `find_product(amount=10, amount_unit="GB")`."""
        for product_id in self.product_ids():
            product: dict[str, Any] = self.product(product_id)["product"]
            if all(product[name] == value for name, value in wanted.items()):
                return product
        raise AssertionError(f"no product with {wanted}")

    def change_product(self, product_id: str, **fields: Any) -> None:
        """Change fields by their wire names."""
        self._control("POST", "/products", {"action": "change", "id": product_id, "fields": fields})

    def remove_products(self, *product_ids: str) -> None:
        """Take products off the lists."""
        self._control("POST", "/products", {"action": "remove", "ids": list(product_ids)})

    def restore_products(self, *product_ids: str) -> None:
        """Put removed products back where they were."""
        self._control("POST", "/products", {"action": "restore", "ids": list(product_ids)})

    def add_product(self, product: Mapping[str, Any], *, region: str) -> None:
        """Add a whole object of version 2 behind the others."""
        self._control("POST", "/products", {"action": "add", "product": dict(product), "region": region})

    def generate_products(self, count: int, *, seed: int = 1) -> None:
        """Replace the catalogue by a generated one of this size."""
        self._control("POST", "/products", {"action": "generate", "count": count, "seed": seed})

    # The phone and the network

    def line(self, iccid: str) -> dict[str, Any]:
        """An eSIM with its subscriptions as it truly is."""
        return self._control("GET", f"/lines/{iccid}")

    def lines(self) -> list[dict[str, Any]]:
        """Every eSIM sold."""
        lines: list[dict[str, Any]] = self._control("GET", "/lines")["lines"]
        return lines

    def install(self, iccid: str) -> dict[str, Any]:
        """The phone installs the profile."""
        return self._change_line(iccid, "install")

    def connect(self, iccid: str) -> dict[str, Any]:
        """The phone connects (and installs first)."""
        return self._change_line(iccid, "connect")

    def use(self, iccid: str, amount: int) -> dict[str, Any]:
        """So many bytes are used (the phone connects first)."""
        return self._change_line(iccid, "use", bytes=amount)

    def expire(self, iccid: str, order_id: str | None = None) -> dict[str, Any]:
        """The time of the active subscription is over, or of that order's."""
        return self._change_line(iccid, "expire", **({} if order_id is None else {"order_id": order_id}))

    def deactivate(self, iccid: str) -> dict[str, Any]:
        """The rare error."""
        return self._change_line(iccid, "deactivate")

    # The account and the portal

    def set_balance(self, amount: str) -> None:
        """The balance in US dollars."""
        self._control("POST", "/account", {"balance": amount})

    def set_esim_fee(self, amount: str) -> None:
        """What a new eSIM costs beside its package."""
        self._control("POST", "/account", {"esim_fee": amount})

    def configure_webhooks(
        self, url: str, *, token: str | None = None, thresholds: Sequence[int] | None = None
    ) -> None:
        """The portal: where webhooks go ("" sends none), their token, the thresholds of DATA_USAGE in percent."""
        given = {"token": token, "thresholds": None if thresholds is None else list(thresholds)}
        self._control("POST", "/portal", {"url": url, **{name: value for name, value in given.items() if value}})

    def portal(self) -> dict[str, Any]:
        """url, token, thresholds."""
        return self._control("GET", "/portal")

    def revoke_tokens(self) -> None:
        """Every token issued so far is refused."""
        self._control("POST", "/tokens", {"action": "revoke"})

    def set_switches(self, **switches: Any) -> None:
        """`set_switches(unit="GB")` sets `esimfx_unit`."""
        self.simulator.set_switches(**{f"esimfx_{name}": value for name, value in switches.items()})

    # Books

    def orders(self) -> list[dict[str, Any]]:
        """What was sold: plan (product id), reference (order id), unit_price, refs (the ICCID)."""
        return self.simulator.orders(SYSTEM)

    def effects(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Charges, terminations, activations and blocks: kind, ref, detail."""
        return [effect for effect in self.simulator.effects(SYSTEM) if kind in (None, effect["kind"])]

    def requests(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Calls as they arrived."""
        return self.simulator.requests(endpoint, SYSTEM)

    def _change_line(self, iccid: str, event: str, **details: Any) -> dict[str, Any]:
        return self._control("POST", f"/lines/{iccid}", {"event": event, **details})

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.simulator.control(method, f"/{SYSTEM}{path}", body)


def _read_data(response: requests.Response) -> Any:
    answer = response.json()
    assert (response.status_code, answer["code"]) == (200, 0), answer
    return answer["data"]
