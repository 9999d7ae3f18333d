"""The settings of one eSIM Commerce contract. What the documents leave open has a default here, labelled as ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from providers.addresses import read_url
from providers.classify import Verdict
from providers.types import RateBudget

#: OURS, A GUESS: the documents print neither methods nor paths. ``*_PATHS`` replaces any of them.
DEFAULT_PATHS: Mapping[str, str] = {
    "plans": "GET /esim/plans",
    "order": "POST /esim/orders",
    "status": "GET /esim/{iccid}",
    "transaction": "GET /esim/transactions/{id}",
    "control": "POST /esim/{iccid}/emergency-control",
    "usage": "PUT /esim/{iccid}/data-usage",
}
_PLACEHOLDERS = {"status": "{iccid}", "transaction": "{id}", "control": "{iccid}", "usage": "{iccid}"}
_READS = frozenset({"plans", "status", "transaction"})

#: Calls a minute as documented. ``plans`` has no documented limit: OURS is the API's own rate for reads.
DEFAULT_LIMITS: Mapping[str, int] = {
    "plans": 60,
    "order": 10,
    "status": 60,
    "transaction": 10,
    "control": 10,
    "usage": 60,
}
#: OURS: so many status reads a minute (a sixth of the limit) are kept for people and orders.
_RESERVE_SHARE = 6
#: OURS: the window is this much longer than a minute, because calls may travel at different speed.
_WINDOW_SECONDS = 60.0
_WINDOW_MARGIN = 1.0

#: OURS: the documents show no error statuses. A status that is not here leaves a write's outcome unknown: 408 and 499
#: may stand for a request that went on behind a gateway, and nothing says what the others mean here. 409 has no
#: documented meaning either; a conflict did nothing, and as "stock" the purchase is held for a person to look at.
#: ``*_REFUSALS`` replaces any of them, by status or by the code word of the error body.
DEFAULT_REFUSALS: Mapping[str, Verdict] = {
    "400": Verdict.FINAL,
    "401": Verdict.CREDENTIALS,
    "402": Verdict.BALANCE,
    "403": Verdict.CREDENTIALS,
    "404": Verdict.FINAL,
    # A wrong method or media type is a wrong setting of ours, which staff can mend.
    "405": Verdict.CREDENTIALS,
    "409": Verdict.STOCK,
    "410": Verdict.FINAL,
    "415": Verdict.CREDENTIALS,
    "422": Verdict.FINAL,
}

_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a path template."""

    method: str
    template: str

    def path(self, **arguments: str) -> str:
        """The path with its placeholders filled, percent-encoded."""
        path = self.template
        for name, value in arguments.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class EsimCommerceConfig:
    """One contract: production and sandbox are two systems with two key pairs."""

    account: str
    is_sandbox: bool
    url: str
    key_id: str
    key_secret: str
    currency: str
    endpoints: Mapping[str, Endpoint]
    budgets: Mapping[str, RateBudget]
    refusals: Mapping[str, Verdict]

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> "EsimCommerceConfig":
        """Read one entry of ``settings.PROVIDERS``. Raises ``ImproperlyConfigured`` with the variable's name."""
        prefix = account.upper().replace("-", "_")
        for name in ("url", "key_id", "key_secret"):
            if not values.get(name):
                raise ImproperlyConfigured(f"{prefix}_{name.upper()} is not set")
        for name in ("key_id", "key_secret"):
            if not _HEADER_VALUE.fullmatch(values[name]):
                raise ImproperlyConfigured(f"{prefix}_{name.upper()} holds characters that no header can carry")
        return cls(
            account=account,
            is_sandbox=bool(values.get("sandbox")),
            url=read_url(values["url"], variable=f"{prefix}_URL"),
            key_id=values["key_id"],
            key_secret=values["key_secret"],
            currency=read_currency(values.get("currency", ""), variable=f"{prefix}_CURRENCY"),
            endpoints=read_endpoints(values.get("paths") or {}, variable=f"{prefix}_PATHS"),
            budgets=read_budgets(values.get("limits") or {}, variable=f"{prefix}_LIMITS"),
            refusals=read_refusals(values.get("refusals") or {}, variable=f"{prefix}_REFUSALS"),
        )


def read_currency(value: object, *, variable: str) -> str:
    """An ISO 4217 code; "" while it is not set: then no plan has a net price."""
    text = str(value).strip().upper()
    if text and not _CURRENCY.fullmatch(text):
        raise ImproperlyConfigured(f"{variable} is not an ISO currency code like EUR")
    return text


def read_endpoints(value: object, *, variable: str) -> Mapping[str, Endpoint]:
    """The path table: ours, with what the setting replaces. A template may leave out its method."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"plans": "GET /esim/plans"}}')
    unknown = sorted(set(value) - set(DEFAULT_PATHS))
    if unknown:
        raise ImproperlyConfigured(f"{variable} names {unknown}; there are {', '.join(DEFAULT_PATHS)}")
    endpoints = {}
    for name, default in DEFAULT_PATHS.items():
        words = str(value.get(name, default)).split()
        method, template = words if len(words) == 2 else (default.split()[0], " ".join(words))
        method = method.upper()
        template = template.replace("{transactionId}", "{id}")
        if method not in _METHODS or not template.startswith("/") or " " in template:
            raise ImproperlyConfigured(f'{variable}: {name} is not like "GET /path"')
        if name not in _READS and method == "GET":
            raise ImproperlyConfigured(f"{variable}: {name} sends a body, so it cannot be GET")
        if template.count(_PLACEHOLDERS.get(name, "")) != 1 and name in _PLACEHOLDERS:
            raise ImproperlyConfigured(f"{variable}: {name} needs {_PLACEHOLDERS[name]} once in its path")
        if "{" in template.replace(_PLACEHOLDERS.get(name, "\0"), ""):
            raise ImproperlyConfigured(f"{variable}: {name} has a placeholder that nothing fills")
        endpoints[name] = Endpoint(method, template)
    return endpoints


def read_budgets(value: object, *, variable: str) -> Mapping[str, RateBudget]:
    """Budgets by operation. A setting may lower, raise or (null) lift a limit: it is knowledge of the contract."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"status": 60}}')
    unknown = sorted(set(value) - set(DEFAULT_LIMITS))
    if unknown:
        raise ImproperlyConfigured(f"{variable} names {unknown}; there are {', '.join(DEFAULT_LIMITS)}")
    budgets = {}
    for name, default in DEFAULT_LIMITS.items():
        calls = value.get(name, default)
        if calls is None:
            continue
        if isinstance(calls, bool) or not isinstance(calls, int) or not 1 <= calls <= 30_000:
            raise ImproperlyConfigured(f"{variable}: {name} is not a whole number of calls a minute, nor null")
        reserve = calls // _RESERVE_SHARE if name == "status" else 0
        budgets[name] = RateBudget(calls=calls, seconds=_WINDOW_SECONDS, reserve=reserve, margin=_WINDOW_MARGIN)
    return budgets


def read_refusals(value: object, *, variable: str) -> Mapping[str, Verdict]:
    """What a refusal means, by status or code word."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"409": "stock"}}')
    try:
        own = {str(name): Verdict(str(verdict)) for name, verdict in value.items()}
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} takes the words {', '.join(Verdict)}") from error
    return {**DEFAULT_REFUSALS, **own}
