"""The settings of one eSIM Access contract. What the document leaves open has a default here, labelled as ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from providers.addresses import read_url
from providers.esim_access.refusals import Meaning
from providers.types import RateBudget

#: "8 API request per second are allowed", for the account: one budget for all operations and workers.
LIMIT_CALLS, LIMIT_SECONDS = 8, 1.0
#: OURS: a quarter of the limit is kept for people and orders.
_RESERVE_SHARE = 4
#: OURS: the window is this much longer than a second, because calls may travel at different speed. More would waste
#: what the provider allows; a call that comes too early all the same is told so (101013) and made again.
_MARGIN = 0.03
#: OURS: ``package/list`` brings everything in one reply, several megabytes, and was seen to take more than 30 s.
PACKAGES_TIMEOUT = 180.0
#: OURS: a shorter secret in a path could be guessed.
SHORTEST_WEBHOOK_SECRET = 16

_SCOPE = "account"
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
_PATH_SEGMENT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_CODE = re.compile(r"[0-9A-Za-z_-]{1,40}", re.ASCII)
_LIMITS = ("calls", "seconds", "reserve", "margin")


@dataclass(frozen=True, slots=True, kw_only=True)
class EsimAccessConfig:
    """One contract. Without ``secret_key`` calls are not signed, without ``webhook_secret`` there are no webhooks."""

    account: str
    url: str
    access_code: str = field(repr=False)
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_senders: tuple[IPv4Network | IPv6Network, ...]
    checks_prices: bool
    packages_timeout: float
    budget: RateBudget
    refusals: Mapping[str, Meaning]
    #: A share of what is listed.
    charged_less: Decimal = Decimal(0)

    @classmethod
    def from_settings(cls, account: str, values: Mapping[str, Any]) -> "EsimAccessConfig":
        """Read one entry of ``settings.PROVIDERS``. Raises ``ImproperlyConfigured`` with the variable's name."""
        prefix = account.upper().replace("-", "_")
        for name in ("url", "code"):
            if not values.get(name):
                raise ImproperlyConfigured(f"{prefix}_{name.upper()} is not set")
        if not _HEADER_VALUE.fullmatch(str(values["code"])):
            raise ImproperlyConfigured(f"{prefix}_CODE holds characters that no header can carry")
        return cls(
            account=account,
            url=read_url(values["url"], variable=f"{prefix}_URL"),
            access_code=str(values["code"]),
            secret_key=str(values.get("secret_key") or ""),
            webhook_secret=read_webhook_secret(values.get("webhook_secret") or "", variable=f"{prefix}_WEBHOOK_SECRET"),
            webhook_senders=read_networks(values.get("webhook_ips") or (), variable=f"{prefix}_WEBHOOK_IPS"),
            checks_prices=bool(values.get("check_prices", True)),
            packages_timeout=read_seconds(
                values.get("packages_timeout", PACKAGES_TIMEOUT), variable=f"{prefix}_PACKAGES_TIMEOUT"
            ),
            budget=read_budget(values.get("limits") or {}, variable=f"{prefix}_LIMITS"),
            refusals=read_refusals(values.get("refusals") or {}, variable=f"{prefix}_REFUSALS"),
            charged_less=read_percent(values.get("charged_less_percent", 0), variable=f"{prefix}_CHARGED_LESS_PERCENT"),
        )


def read_webhook_secret(value: object, *, variable: str) -> str:
    """A part of our webhook's path that nobody can guess; "" for no webhooks."""
    text = str(value).strip()
    if text and (len(text) < SHORTEST_WEBHOOK_SECRET or not _PATH_SEGMENT.fullmatch(text)):
        raise ImproperlyConfigured(
            f"{variable} is not {SHORTEST_WEBHOOK_SECRET} or more letters, digits, hyphens or underscores"
        )
    return text


def read_networks(value: object, *, variable: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses or networks that webhooks may come from, as a list or with commas; none means any."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise ImproperlyConfigured(f"{variable} is not a list of addresses")
    try:
        return tuple(ip_network(str(word).strip(), strict=False) for word in words if str(word).strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} holds something that is no IP address") from error


def read_seconds(value: object, *, variable: str) -> float:
    """A time-out."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        raise ImproperlyConfigured(f"{variable} is not a number of seconds up to an hour")
    return float(value)


def read_percent(value: object, *, variable: str) -> Decimal:
    """A percentage as a share. OURS: more than half would hide more than it explains."""
    try:
        percent = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ImproperlyConfigured(f"{variable} is not a number of percent") from error
    if not (percent.is_finite() and 0 <= percent <= 50):
        raise ImproperlyConfigured(f"{variable} is not a number of percent from 0 to 50")
    return percent / 100


def read_budget(value: object, *, variable: str) -> RateBudget:
    """The one budget of the account. A setting may lower or raise it: it is knowledge of the contract."""
    example = f'{variable} is not a JSON object like {{"calls": 8, "seconds": 1, "reserve": 2}}'
    if not isinstance(value, dict) or set(value) - set(_LIMITS):
        raise ImproperlyConfigured(example)
    calls = value.get("calls", LIMIT_CALLS)
    if isinstance(calls, bool) or not isinstance(calls, int) or not 1 <= calls <= 1000:
        raise ImproperlyConfigured(f"{variable}: calls is not a whole number from 1 to 1000")
    reserve = value.get("reserve", calls // _RESERVE_SHARE)
    if isinstance(reserve, bool) or not isinstance(reserve, int) or not 0 <= reserve < calls:
        raise ImproperlyConfigured(f"{variable}: reserve is not a whole number below calls")
    seconds = read_seconds(value.get("seconds", LIMIT_SECONDS), variable=f"{variable}: seconds")
    margin = value.get("margin", _MARGIN)
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin <= seconds:
        raise ImproperlyConfigured(f"{variable}: margin is not a number of seconds within the window")
    return RateBudget(calls=calls, seconds=seconds, reserve=reserve, margin=float(margin), scope=_SCOPE)


def read_refusals(value: object, *, variable: str) -> Mapping[str, Meaning]:
    """What an error code means, where it differs from our table."""
    if not isinstance(value, dict) or not all(_CODE.fullmatch(str(code)) for code in value):
        raise ImproperlyConfigured(f'{variable} is not a JSON object like {{"200011": "stock"}}')
    try:
        return {str(code): Meaning(str(word)) for code, word in value.items()}
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} takes the words {', '.join(Meaning)}") from error
