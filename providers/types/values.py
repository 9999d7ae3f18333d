"""Values that plans, lines and calls share."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from providers.types.words import DataPeriod

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A data cap. ``data_bytes`` None with ``unlimited`` False means "not reported".

    ``unlimited`` is True only when no cap number is given and the provider says unlimited: a plan that is merely
    throttled after a daily cap has that cap.
    """

    data_bytes: int | None
    period: DataPeriod
    unlimited: bool
    raw_amount: str = ""
    raw_unit: str = ""
    raw_period: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing in a reply that could not be read; the rest of the reply was.

    ``ref`` names the plan or line at fault where at least that could be read: a plan that is offered but not readable
    must not be taken for one that vanished.
    """

    where: str
    message: str
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBudget:
    """At most ``calls`` in any ``seconds``; ``reserve`` of them are kept for people and orders.

    ``margin`` (seconds) lengthens the window a little: two calls may travel at different speed, and the provider counts
    arrivals. Operations whose budgets have the same ``scope`` share one budget ("" = the operation has its own).
    """

    calls: int
    seconds: float
    reserve: int = 0
    margin: float = 0.0
    scope: str = ""
