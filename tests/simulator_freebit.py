"""Drives freebit's simulator in tests: its two calls as the document writes them, and its control calls."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from tests.simulator_client import Simulator

SYSTEM = "freebit"
OEM_ID = "demo-oem"
OEM_KEY = "demo-oem-key"
AUTH_PATH = "/emptool/api/authOem/"
ACTIVATE_PATH = "/emptool/api/mvno/esim/addAcnt/"


@dataclass(frozen=True)
class Answer:
    """An answer's HTTP status and its two codes, as numbers."""

    http_status: int
    code: int
    status_code: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Freebit:
    """freebit at a running simulator."""

    simulator: Simulator

    @property
    def url(self) -> str:
        """Base address, for FREEBIT_URL."""
        return f"{self.simulator.url}/{SYSTEM}"

    # The provider's calls

    def send(self, path: str, document: Any, **options: Any) -> requests.Response:
        """A POST with the document in the form field `json`; `options` of `requests` replace anything."""
        options.setdefault("data", {"json": json.dumps(document, ensure_ascii=False)})
        options.setdefault("timeout", 10)
        return self.simulator._session.request(options.pop("method", "POST"), f"{self.url}{path}", **options)

    def make_key(self) -> str:
        """A fresh authentication key."""
        reply = self.send(AUTH_PATH, {"oemId": OEM_ID, "oemKey": OEM_KEY}).json()
        return str(reply["authKey"])

    def activate(self, document: Mapping[str, Any], *, key: str | None = None) -> Answer:
        """Send an activation with a fresh key, or with the one given."""
        return read_answer(self.send(ACTIVATE_PATH, {"authKey": key or self.make_key(), **document}))

    # Control

    def complete(
        self,
        eid: str | None = None,
        *,
        delivery_code: str | None = None,
        code: str = "100",
        message: str | None = None,
    ) -> list[str]:
        """Finish what waits, all or one, well or with a detail code; the EIDs finished."""
        body = {"eid": eid, "deliveryCode": delivery_code, "code": code, "message": message}
        given = {name: value for name, value in body.items() if value is not None}
        return [str(done) for done in self._control("POST", "/complete", given)["completed"]]

    def completion_file(self, **wishes: Any) -> requests.Response:
        """The completion file; `wishes` as in providers/simulator/freebit/control.py (columns, encoding, since …)."""
        url = f"{self.simulator.url}/_control/{SYSTEM}/completions"
        return self.simulator._session.get(url, params=wishes, timeout=10)

    def accepted(self) -> list[dict[str, Any]]:
        """Every accepted request: eid, account, delivery_code, kind, state, code, iccid …"""
        found: list[dict[str, Any]] = self._control("GET", "/requests")["requests"]
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Lines in use: account, eid, iccid, product_number, sim_kind."""
        found: list[dict[str, Any]] = self._control("GET", "/world")["lines"]
        return found

    def change_world(
        self,
        *,
        plans: Sequence[str] | None = None,
        representatives: Mapping[str, Mapping[str, Any]] | None = None,
        lines: Sequence[Mapping[str, str]] | None = None,
        ended: Sequence[str] | None = None,
        unknown_eids: Sequence[str] | None = None,
    ) -> None:
        """Change what exists at freebit; see providers/simulator/freebit/control.py."""
        wanted = {
            "plans": plans,
            "representatives": representatives,
            "lines": lines,
            "ended": ended,
            "unknown_eids": unknown_eids,
        }
        self._control("POST", "/world", {name: value for name, value in wanted.items() if value is not None})

    def revoke_keys(self, key: str | None = None) -> int:
        """End one authentication key or all of them; how many were alive."""
        body = {"action": "revoke", **({} if key is None else {"auth_key": key})}
        return int(self._control("POST", "/keys", body)["revoked"])

    # Books

    def orders(self) -> list[dict[str, Any]]:
        """Accepted activations: plan, reference (deliveryCode), refs (the EID)."""
        return self.simulator.orders(SYSTEM)

    def effects(self) -> list[dict[str, Any]]:
        """Completions: kind (completed, failed), ref (EID), detail (deliveryCode, account, iccid, code)."""
        return self.simulator.effects(SYSTEM)

    def count_activations(self) -> int:
        """How many activation calls arrived."""
        return self.simulator.count_requests("activate", SYSTEM)

    def count_authentications(self) -> int:
        """How many authentication calls arrived."""
        return self.simulator.count_requests("auth", SYSTEM)

    def order_fault(self, kind: str, endpoint: str = "activate", **options: Any) -> int:
        """A fault at freebit alone; `refuse_code` with `code` is any business error."""
        return self.simulator.order_fault(kind, endpoint, system=SYSTEM, **options)

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.simulator.control(method, f"/{SYSTEM}{path}", body)


def read_answer(response: requests.Response) -> Answer:
    """An answer of either call, its codes as numbers whatever they were written as."""
    body = response.json()
    return Answer(response.status_code, int(body["resultCode"]), int(body["status"]["statusCode"]), body)
