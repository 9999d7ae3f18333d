"""The settings of one eSIMfx account. What the document leaves open has a default here, labelled as ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from providers.addresses import Endpoint, read_endpoint, read_url
from providers.classify import Verdict
from providers.types import RateBudget

#: As documented, but for ``profile`` and ``activate``, which were seen in use (field notes). ``ESIMFX_PATHS`` replaces
#: any of them. ``block`` has no known path: it is ``ESIMFX_BLOCK_PATH``.
DEFAULT_PATHS: Mapping[str, str] = {
    "auth": "POST /account/api/v1/auth",
    "profile": "GET /account/api/v1/reseller/get_profile",
    "products": "POST /product/api/v2/get_products",
    "product": "GET /product/api/v1/get_product",
    "topups": "GET /product/api/v1/get_available_topups",
    "order": "POST /order/api/v1/create_order",
    "order_detail": "GET /order/api/v1/get_order",
    "esim_status": "GET /order/api/v1/get_esim_status",
    "esim_orders": "GET /order/api/v1/get_esim_orders",
    "terminate": "POST /order/api/v1/terminate_subscription",
    "activate": "POST /order/api/v1/activate_subscription",
}
#: The older list, which "will still be valid". The document prints GET with a body once; in use it is POST.
_LEGACY_PRODUCTS = "POST /product/api/v1/get_products"
_READS_BY_QUERY = frozenset({"profile", "product", "topups", "order_detail", "esim_status", "esim_orders"})
OPERATIONS = (*DEFAULT_PATHS, "block")

#: OURS: no limit is documented. All calls of the account share the budget; one of them is kept for people and orders.
DEFAULT_LIMITS: Mapping[str, int] = {"calls": 5, "seconds": 1, "reserve": 1}
_WINDOW_MARGIN = 0.1
#: OURS: no largest page is documented; pages of 99 were seen to work.
DEFAULT_PAGE_SIZE = 99
#: OURS: the balance comes without a currency, and prices are in US dollars in every sample.
DEFAULT_BALANCE_CURRENCY = "USD"

#: OURS: no error status is documented. One that is not here leaves a write's outcome unknown: 408 and 499 may stand
#: for a request that went on behind a gateway. 409 did nothing; as "stock" the purchase is held for a person.
DEFAULT_STATUSES: Mapping[str, Verdict] = {
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
#: OURS: no code but 0 is documented. These two can only be what the HTTP statuses of the same number are.
DEFAULT_CODES: Mapping[str, Verdict] = {"401": Verdict.CREDENTIALS, "403": Verdict.CREDENTIALS}

_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
_STATUS_NAME = re.compile(r"HTTP\s*([0-9]{3})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EsimfxConfig:
    """One account, as its portal describes it."""

    account: str
    url: str
    client_id: str = field(repr=False)
    client_key: str = field(repr=False)
    #: The portal's "Secret Key" of webhooks; "" while none is configured there.
    webhook_token: str = field(repr=False)
    #: OURS: the unguessable part of the address that the portal calls; "" asks for none.
    webhook_secret: str = field(repr=False)
    #: Before the token in the header: ``Bearer `` is not in the document, and what every known client sends.
    token_prefix: str
    #: Whether the older list, with the older ids, is read.
    is_legacy: bool
    page_size: int
    balance_currency: str
    endpoints: Mapping[str, Endpoint]
    budget: RateBudget | None
    #: What a refusal means: by HTTP status, and by the envelope's code.
    statuses: Mapping[str, Verdict]
    codes: Mapping[str, Verdict]

    @property
    def can_block(self) -> bool:
        """Whether the path for blocking an eSIM is known."""
        return "block" in self.endpoints

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> "EsimfxConfig":
        """Read one entry of ``settings.PROVIDERS``. Raises ``ImproperlyConfigured`` with the variable's name."""
        prefix = account.upper().replace("-", "_")
        for name in ("url", "client_id", "client_key"):
            if not values.get(name):
                raise ImproperlyConfigured(f"{prefix}_{name.upper()} is not set")
        is_legacy = read_version(values.get("products_version", ""), variable=f"{prefix}_PRODUCTS_VERSION") == 1
        statuses, codes = read_refusals(values.get("refusals") or {}, variable=f"{prefix}_REFUSALS")
        return cls(
            account=account,
            url=read_url(values["url"], variable=f"{prefix}_URL"),
            client_id=str(values["client_id"]),
            client_key=str(values["client_key"]),
            webhook_token=read_header(values.get("webhook_token") or "", variable=f"{prefix}_WEBHOOK_TOKEN"),
            webhook_secret=str(values.get("webhook_secret") or ""),
            token_prefix="" if values.get("bare_token") else "Bearer ",
            is_legacy=is_legacy,
            page_size=read_page_size(values.get("page_size") or DEFAULT_PAGE_SIZE, variable=f"{prefix}_PAGE_SIZE"),
            balance_currency=read_currency(
                values.get("balance_currency") or DEFAULT_BALANCE_CURRENCY, variable=f"{prefix}_BALANCE_CURRENCY"
            ),
            endpoints=read_endpoints(
                values.get("paths") or {},
                block=str(values.get("block_path") or ""),
                is_legacy=is_legacy,
                prefix=prefix,
            ),
            budget=read_budget(values.get("limits") or {}, variable=f"{prefix}_LIMITS"),
            statuses=statuses,
            codes=codes,
        )


def read_version(value: object, *, variable: str) -> int:
    """Which list of products is read: 2, as the document demands, or 1."""
    text = str(value).strip().lower().removeprefix("v") or "2"
    if text not in ("1", "2"):
        raise ImproperlyConfigured(f"{variable} is 1 or 2")
    return int(text)


def read_header(value: object, *, variable: str) -> str:
    """Text that a header can carry, or ""."""
    text = str(value)
    if text and not _HEADER_VALUE.fullmatch(text):
        raise ImproperlyConfigured(f"{variable} holds characters that no header can carry")
    return text


def read_page_size(value: object, *, variable: str) -> int:
    """How many products a page may hold."""
    try:
        size = int(str(value))
    except ValueError:
        size = 0
    if not 1 <= size <= 10_000:
        raise ImproperlyConfigured(f"{variable} is a whole number from 1 to 10000")
    return size


def read_currency(value: object, *, variable: str) -> str:
    """An ISO 4217 code."""
    text = str(value).strip().upper()
    if not _CURRENCY.fullmatch(text):
        raise ImproperlyConfigured(f"{variable} is not an ISO currency code like USD")
    return text


def read_endpoints(value: object, *, block: str, is_legacy: bool, prefix: str) -> Mapping[str, Endpoint]:
    """The endpoints: the document's, with what the settings replace, and the one for blocking where it is told."""
    variable = f"{prefix}_PATHS"
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"activate": "POST /path"}}')
    unknown = sorted(set(value) - set(DEFAULT_PATHS))
    if unknown:
        raise ImproperlyConfigured(f"{variable} names {unknown}; there are {', '.join(DEFAULT_PATHS)}")
    defaults = {**DEFAULT_PATHS, "products": _LEGACY_PRODUCTS} if is_legacy else DEFAULT_PATHS
    endpoints = {}
    for name, default in defaults.items():
        endpoint = read_endpoint(value.get(name, default), method=default.split()[0], variable=f"{variable}: {name}")
        if name not in _READS_BY_QUERY and name != "products" and endpoint.method == "GET":
            raise ImproperlyConfigured(f"{variable}: {name} sends a body, so it cannot be GET")
        endpoints[name] = endpoint
    if block:
        endpoints["block"] = read_endpoint(block, method="POST", variable=f"{prefix}_BLOCK_PATH")
    return endpoints


def read_budget(value: object, *, variable: str) -> RateBudget | None:
    """The budget of all calls together; a setting of ``{"calls": null}`` lifts it."""
    example = '{"calls": 5, "seconds": 1, "reserve": 1}'
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{variable} is not a JSON object like {example}")
    unknown = sorted(set(value) - set(DEFAULT_LIMITS))
    if unknown:
        raise ImproperlyConfigured(f"{variable} names {unknown}; it is like {example}")
    if "calls" in value and value["calls"] is None:
        return None
    numbers = {**DEFAULT_LIMITS, **value}
    for name, least in (("calls", 1), ("seconds", 1), ("reserve", 0)):
        number = numbers[name]
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= 30_000:
            raise ImproperlyConfigured(f"{variable}: {name} is not a whole number from {least}")
    return RateBudget(
        calls=numbers["calls"],
        seconds=float(numbers["seconds"]),
        reserve=min(numbers["reserve"], numbers["calls"] - 1),
        margin=_WINDOW_MARGIN,
        scope="account",
    )


def read_refusals(value: object, *, variable: str) -> tuple[Mapping[str, Verdict], Mapping[str, Verdict]]:
    """What refusals mean: (by HTTP status, by code). ``HTTP 409`` names a status, anything else the envelope's code."""
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"10023": "balance", "HTTP 409": "stock"}}')
    statuses, codes = dict(DEFAULT_STATUSES), dict(DEFAULT_CODES)
    for name, word in value.items():
        try:
            verdict = Verdict(str(word))
        except ValueError as error:
            raise ImproperlyConfigured(f"{variable} takes the words {', '.join(Verdict)}") from error
        status = _STATUS_NAME.fullmatch(name.strip())
        if status:
            statuses[status.group(1)] = verdict
        else:
            codes[name.strip()] = verdict
    return statuses, codes
