"""Drives the provider simulator in tests: a process of its own, spoken to over HTTP only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.simulator_process import SimulatorProcess

PRODUCTION = "commerce"
SANDBOX = "commerce-sandbox"


class ControlRefused(AssertionError):
    """The simulator did not understand a control call: the test is wrong."""


@dataclass(frozen=True)
class Keys:
    """The key pair of one system, and the headers that carry it."""

    key_id: str
    key_secret: str

    @property
    def headers(self) -> dict[str, str]:
        """Ready for `requests`."""
        return {"X-API-Key-ID": self.key_id, "X-API-Key-Secret": self.key_secret}


KEYS: Mapping[str, Keys] = {
    PRODUCTION: Keys("demo-key", "demo-secret"),
    SANDBOX: Keys("demo-sandbox-key", "demo-sandbox-secret"),
}


class Simulator(SimulatorProcess):
    """A running simulator. Methods that name a line or a plan take `system`, production by default."""

    def __init__(self, *, state: Path | None = None, options: Sequence[str] = ()) -> None:
        """`state` and `options` as for the process."""
        super().__init__(state=state, options=options)
        self._session = requests.Session()
        # A proxy in the environment must not see calls to this machine.
        self._session.trust_env = False

    # Addresses

    @property
    def production_url(self) -> str:
        """Base address of eSIM Commerce production, for ESIM_COMMERCE_URL."""
        return f"{self.url}/{PRODUCTION}"

    @property
    def sandbox_url(self) -> str:
        """Base address of the sandbox, for ESIM_COMMERCE_SANDBOX_URL."""
        return f"{self.url}/{SANDBOX}"

    def call(self, method: str, path: str, *, system: str = PRODUCTION, **options: Any) -> requests.Response:
        """A provider call with the right keys, for tests that need no client of ours."""
        options.setdefault("headers", KEYS[system].headers)
        options.setdefault("timeout", 10)
        return self._session.request(method, f"{self.url}/{system}{path}", **options)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A control call, `path` without `/_control`. Clients of single systems are built on it."""
        response = self._session.request(method, f"{self.url}/_control{path}", json=body, timeout=60)
        if response.status_code != 200:
            raise ControlRefused(f"{method} {path}: {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json()
        return answer

    # Everything

    def reset(self, *, plans: int | None = None, seed: int | None = None) -> None:
        """Empty books, first catalogue, no faults, real time; calls that still wait are dropped without effect."""
        self.control("POST", "/reset", _given(plans=plans, seed=seed))

    def health(self) -> dict[str, Any]:
        """Name, clock, sizes."""
        return self.control("GET", "/health")

    # Books

    def books(self, *parts: str, system: str | None = None) -> dict[str, Any]:
        """Parts of the books: orders, effects, requests, counts, violations; all of them by default."""
        query = "&".join(f"{name}={value}" for name, value in _given(parts=",".join(parts), system=system).items())
        return self.control("GET", f"/books?{query}")

    def orders(self, system: str = PRODUCTION) -> list[dict[str, Any]]:
        """What was sold: plan, quantity, reference (transactionId), unit_price, total_price, refs (ICCIDs), shown."""
        orders: list[dict[str, Any]] = self.books("orders", system=system)["orders"]
        return orders

    def sold_iccids(self, system: str = PRODUCTION) -> list[str]:
        """Every ICCID sold, oldest first."""
        return [iccid for order in self.orders(system) for iccid in order["refs"]]

    def effects(self, system: str = PRODUCTION) -> list[dict[str, Any]]:
        """Suspends, releases and usage settings that took effect: kind, ref (ICCID), at, detail."""
        effects: list[dict[str, Any]] = self.books("effects", system=system)["effects"]
        return effects

    def requests(self, endpoint: str | None = None, system: str = PRODUCTION) -> list[dict[str, Any]]:
        """Calls as they arrived: endpoint, method, path, query, body, at, status (None: no answer), outcome, faults."""
        found: list[dict[str, Any]] = self.books("requests", system=system)["requests"]
        return [request for request in found if endpoint in (None, request["endpoint"])]

    def count_requests(self, endpoint: str, system: str = PRODUCTION) -> int:
        """How many calls of an endpoint arrived."""
        return int(self.books("counts", system=system)["counts"].get(system, {}).get(endpoint, 0))

    def violations(self) -> int:
        """How many calls broke a rate limit (faults that say 429 do not count)."""
        return int(self.books("violations")["violations"])

    # Faults

    def order_fault(
        self,
        kind: str,
        endpoint: str = "*",
        *,
        system: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        match: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> int:
        """Order a fault (kinds and parameters: providers/simulator/README.md); returns its id."""
        spec = {
            "kind": kind,
            "endpoint": endpoint,
            "times": times,
            "skip": skip,
            "match": dict(match or {}),
            **parameters,
        }
        return int(self.control("POST", "/faults", {**spec, **_given(system=system)})["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Ordered faults with `used`."""
        found: list[dict[str, Any]] = self.control("GET", "/faults")["faults"]
        return found

    def fault_kinds(self) -> list[str]:
        """Every kind that it knows."""
        kinds: list[str] = self.control("GET", "/faults")["kinds"]
        return kinds

    def forget_faults(self) -> None:
        """No faults from now on."""
        self.control("DELETE", "/faults")

    # Time, switches, limits

    def move_clock(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        seconds: float = 0,
        at: str | None = None,
        frozen: bool | None = None,
    ) -> str:
        """Advance, or jump `at` an instant with a zone, or freeze; returns the simulated instant."""
        advance = days * 86_400 + hours * 3_600 + seconds
        body = _given(advance=advance or None, at=at, frozen=frozen)
        return str(self.control("POST", "/clock", body)["now"])

    def now(self) -> str:
        """The simulated instant as the wire writes it."""
        return str(self.control("GET", "/clock")["now"])

    def set_switches(self, **switches: Any) -> None:
        """Change behaviour that the documents leave open, e.g. `control_reply_shows_old_state=False`."""
        self.control("POST", "/switches", switches)

    def set_limits(self, *, multiplier: float | None = None, system: str = PRODUCTION, **limits: int | None) -> None:
        """Change limits: `set_limits(order=2)`, `set_limits(plans=None)`, `set_limits(multiplier=0)` lifts all."""
        body = _given(multiplier=multiplier, limits={system: limits} if limits else None)
        self.control("POST", "/limits", {**body, "clear": True})

    # Plans

    def plan(self, code: str, system: str = PRODUCTION) -> dict[str, Any]:
        """The plan object, on sale or not."""
        plan: dict[str, Any] = self.control("GET", f"/{system}/plans/{code}")["plan"]
        return plan

    def plan_codes(self, system: str = PRODUCTION) -> list[str]:
        """Codes on sale, in the provider's order. Not counted in the books."""
        return [str(code) for code in self.control("GET", f"/{system}/plans")["codes"]]

    def change_plan(self, code: str, system: str = PRODUCTION, **fields: Any) -> None:
        """Change fields by their wire names: `change_plan("KD0001", netPrice="9.50")`."""
        self.control("POST", f"/{system}/plans", {"action": "change", "code": code, "fields": fields})

    def remove_plans(self, *codes: str, system: str = PRODUCTION) -> None:
        """Take plans off the list."""
        self.control("POST", f"/{system}/plans", {"action": "remove", "codes": list(codes)})

    def restore_plans(self, *codes: str, system: str = PRODUCTION) -> None:
        """Put removed plans back where they were."""
        self.control("POST", f"/{system}/plans", {"action": "restore", "codes": list(codes)})

    def add_plan(self, plan: Mapping[str, Any], *, home: str | None = None, system: str = PRODUCTION) -> None:
        """Add a whole plan object behind the others."""
        self.control("POST", f"/{system}/plans", {"action": "add", "plan": dict(plan), **_given(home=home)})

    def generate_plans(self, count: int, *, seed: int = 1, system: str = PRODUCTION) -> None:
        """Replace the catalogue of one system by a generated one of this size."""
        self.control("POST", f"/{system}/plans", {"action": "generate", "count": count, "seed": seed})

    # Lines

    def line(self, iccid: str, system: str = PRODUCTION) -> dict[str, Any]:
        """The eSIM object as it truly is now."""
        line: dict[str, Any] = self.control("GET", f"/{system}/lines/{iccid}")["line"]
        return line

    def lines(self, system: str = PRODUCTION) -> list[dict[str, Any]]:
        """Every line: iccid, reference, plan, as_of, line."""
        lines: list[dict[str, Any]] = self.control("GET", f"/{system}/lines")["lines"]
        return lines

    def change_line(self, iccid: str, event: str, system: str = PRODUCTION, **details: Any) -> dict[str, Any]:
        """Any event: confirmation_failed, error, cancel, terminate, suspend, release …; returns the line."""
        body = {"event": event, **_given(**details)}
        line: dict[str, Any] = self.control("POST", f"/{system}/lines/{iccid}", body)["line"]
        return line

    def download_line(self, iccid: str, system: str = PRODUCTION) -> dict[str, Any]:
        """The phone downloads the profile."""
        return self.change_line(iccid, "download", system)

    def install_line(self, iccid: str, system: str = PRODUCTION, *, imei: str | None = None) -> dict[str, Any]:
        """The phone installs the profile (and downloads it first)."""
        return self.change_line(iccid, "install", system, imei=imei)

    def connect_line(self, iccid: str, system: str = PRODUCTION, *, imei: str | None = None) -> dict[str, Any]:
        """The phone connects (and installs first): the plan's days begin."""
        return self.change_line(iccid, "connect", system, imei=imei)

    def use_data(
        self, iccid: str, kb: int, *, day: str | None = None, only: str | None = None, system: str = PRODUCTION
    ) -> dict[str, Any]:
        """Use data on a JST day, today by default (and connect first); `only`: "days" or "total" moves just that."""
        return self.change_line(iccid, "use", system, kb=kb, day=day, **{"in": only})

    def set_line(self, iccid: str, system: str = PRODUCTION, **fields: Any) -> dict[str, Any]:
        """Any wire field to any value, null included."""
        body = {"event": "set", "fields": fields}
        line: dict[str, Any] = self.control("POST", f"/{system}/lines/{iccid}", body)["line"]
        return line

    def serve_cached(self, as_of: str | None = "now", *, iccid: str | None = None, system: str = PRODUCTION) -> None:
        """Answer queries with the data of an instant ("now" freezes, None is live again), for one line or all."""
        self.control("POST", f"/{system}/cache", {"as_of": as_of, **_given(iccid=iccid)})


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not None (and no empty text)."""
    return {name: value for name, value in values.items() if value is not None and value != ""}
