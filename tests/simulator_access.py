"""The simulated eSIM Access in tests: its control calls, and provider calls with the right key."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from pytest_django import Settings

from tests.simulator_client import Simulator
from tests.simulator_webhooks import Webhooks

SYSTEM = "access"
ACCESS_CODE = "demo-access-code"
SECRET_KEY = "demo-access-secret"
ROOT = "/api/v1/open"


def open_account(settings: Settings, simulator: Simulator, *, allocation_delay_s: int = 0) -> "Access":
    """The account, known to us alone, with no limits on its side: lines are there so long after their order."""
    access = Access(simulator)
    simulator.set_limits(multiplier=0)
    access.set_switches(allocation_delay_s=allocation_delay_s)
    own = {"url": access.url, "code": ACCESS_CODE, "secret_key": SECRET_KEY, "limits": {"calls": 1000}}
    settings.PROVIDERS = {"esim-access": {**settings.PROVIDERS["esim-access"], **own}}
    return access


class Access:
    """The account at a running simulator. Lines are named by esimTranNo, packages by packageCode."""

    def __init__(self, simulator: Simulator) -> None:
        """`simulator`: a running one; its clock, faults and limits are changed there."""
        self.simulator = simulator
        self.webhooks = Webhooks(simulator, SYSTEM)
        self._session = requests.Session()
        self._session.trust_env = False

    @property
    def url(self) -> str:
        """Base address, before `/api/v1/open`."""
        return f"{self.simulator.url}/{SYSTEM}"

    # Provider calls

    def call(
        self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> requests.Response:
        """POST a body as JSON (bytes as they are, None is no body) with the access code, or with other headers."""
        given = {"RT-AccessCode": ACCESS_CODE} if headers is None else dict(headers)
        content = {"data": body} if body is None or isinstance(body, bytes) else {"json": body}
        return self._session.request(method, f"{self.url}{ROOT}{path}", headers=given, timeout=10, **content)

    def ask(self, path: str, body: Any = None) -> Any:
        """The `obj` of a call that must succeed."""
        answer = self.call(path, body).json()
        assert answer["success"] is True, answer
        return answer["obj"]

    def refusal(self, path: str, body: Any = None) -> str:
        """The `errorCode` of a call that must be refused, in an envelope as the live service sends it."""
        response = self.call(path, body)
        answer = response.json()
        assert (response.status_code, answer["success"], answer["obj"]) == (200, False, None), answer
        assert set(answer) == {"success", "errorCode", "errorMsg", "obj"}
        assert answer["errorMsg"]
        return str(answer["errorCode"])

    def order(self, package: str, count: int = 1, *, transaction_id: str | None = None, **entry: Any) -> str:
        """Buy; returns the orderNo."""
        body = {
            "transactionId": transaction_id or uuid.uuid4().hex,
            "packageInfoList": [{"packageCode": package, "count": count, **entry}],
        }
        return str(self.ask("/esim/order", body)["orderNo"])

    def query(self, **criteria: Any) -> list[dict[str, Any]]:
        """`esimList` of a query by orderNo, esimTranNo, iccid or times; a page of 500."""
        obj = self.ask("/esim/query", {**criteria, "pager": {"pageNum": 1, "pageSize": 500}})
        esims: list[dict[str, Any]] = obj["esimList"]
        return esims

    def buy(self, package: str, count: int = 1, **entry: Any) -> list[dict[str, Any]]:
        """Buy and read the profiles, which must be there at once (`access_allocation_delay_s` 0)."""
        return self.query(orderNo=self.order(package, count, **entry))

    def balance(self) -> int:
        """What the real call says."""
        return int(self.ask("/balance/query")["balance"])

    # Books

    def orders(self) -> list[dict[str, Any]]:
        """One entry for each package of each order: plan, quantity, reference (transactionId), unit_price in USD,
        refs (esimTranNo of what was really sold)."""
        return self.simulator.orders(SYSTEM)

    def effects(self, kind: str | None = None) -> list[dict[str, Any]]:
        """cancel, suspend, unsuspend, revoke, topup, sms, webhook: ref is the esimTranNo."""
        return [effect for effect in self.simulator.effects(SYSTEM) if kind in (None, effect["kind"])]

    def requests(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Calls as they arrived. Endpoints: packages order query cancel suspend unsuspend revoke balance topup sms
        usage locations webhook_save webhook_query."""
        return self.simulator.requests(endpoint, SYSTEM)

    # Control

    def set_switches(self, **switches: Any) -> None:
        """Names without `access_`: `set_switches(allocation_delay_s=0)`; see `esim_access/switches.py`."""
        self.simulator.set_switches(**{f"{SYSTEM}_{name}": value for name, value in switches.items()})

    def set_account(self, **values: Any) -> None:
        """`balance` (USD times 10,000) or `webhook` (an address, None for nowhere; without CHECK_HEALTH)."""
        self._control("POST", "/account", values)

    def base_codes(self) -> list[str]:
        """Base packages on sale."""
        return list(self._control("GET", "/packages")["base"])

    def topup_codes(self) -> list[str]:
        """Top-up packages on sale."""
        return list(self._control("GET", "/packages")["topup"])

    def package(self, code: str) -> dict[str, Any]:
        """The package object, on sale or not."""
        package: dict[str, Any] = self._control("GET", f"/packages/{code}")["package"]
        return package

    def find_package(self, **fields: Any) -> str:
        """The code of the first base package on sale whose wire fields have these values."""
        for code in self.base_codes():
            package = self.package(code)
            if all(package[name] == value for name, value in fields.items()):
                return code
        raise AssertionError(f"no package with {fields}")

    def change_package(self, code: str, **fields: Any) -> None:
        """Change fields by their wire names: `change_package("CKH001", price=9000)`."""
        self._control("POST", "/packages", {"action": "change", "code": code, "fields": fields})

    def remove_packages(self, *codes: str) -> None:
        """Take packages off the list."""
        self._control("POST", "/packages", {"action": "remove", "codes": list(codes)})

    def restore_packages(self, *codes: str) -> None:
        """Put them back where they were."""
        self._control("POST", "/packages", {"action": "restore", "codes": list(codes)})

    def set_stock(self, code: str, stock: int | None) -> None:
        """How many are left; None: as many as anybody wants."""
        self._control("POST", "/packages", {"action": "stock", "code": code, "stock": stock})

    def add_package(self, package: Mapping[str, Any], *, type: str = "BASE") -> None:  # noqa: A002 - the wire's word
        """Add a whole package object behind the others."""
        self._control("POST", "/packages", {"action": "add", "package": dict(package), "type": type})

    def generate_packages(self, count: int, *, seed: int = 1) -> None:
        """Replace the catalogue by a generated one of this size."""
        self._control("POST", "/packages", {"action": "generate", "count": count, "seed": seed})

    def line(self, tran_no: str) -> dict[str, Any]:
        """tran_no, order_no, transaction_id, iccid, package, charged, and `line`, the object of esim/query."""
        return self._control("GET", f"/lines/{tran_no}")

    def lines(self) -> list[dict[str, Any]]:
        """Every line ever sold."""
        lines: list[dict[str, Any]] = self._control("GET", "/lines")["lines"]
        return lines

    def change_line(self, tran_no: str, event: str, **details: Any) -> dict[str, Any]:
        """download, install, enable, connect, disable, delete, use (bytes), use_up, expire; returns the line."""
        line: dict[str, Any] = self._control("POST", f"/lines/{tran_no}", {"event": event, **details})["line"]
        return line

    def use_data(self, tran_no: str, volume: int) -> dict[str, Any]:
        """Use so many bytes (and connect first)."""
        return self.change_line(tran_no, "use", bytes=volume)

    def set_line(self, tran_no: str, **fields: Any) -> dict[str, Any]:
        """Wire fields to any value; without any the truth is shown again."""
        return self.change_line(tran_no, "set", fields=fields)

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.simulator.control(method, f"/{SYSTEM}{path}", body)


def list_states(esims: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(esimStatus, smdpStatus) of each."""
    return [(esim["esimStatus"], esim["smdpStatus"]) for esim in esims]
