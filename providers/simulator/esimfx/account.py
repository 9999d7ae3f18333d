"""The reseller's account: the balance, the eSIM fee, and what the portal says about webhooks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from providers.simulator.esimfx.life import Notice
from providers.simulator.esimfx.refusals import Declined
from providers.simulator.esimfx.wire import Wire, write_instant
from providers.simulator.system import Core

SYSTEM = "esimfx"
# The balance is kept in US dollars. How goods priced in another currency are charged is not described: a guess.
RATES: Mapping[str, Decimal] = {"USD": Decimal(1), "EUR": Decimal("1.10")}
DEFAULT_THRESHOLDS = (50, 80, 90)

_BALANCE = "esimfx.balance"
_FEE = "esimfx.esim_fee"
_PORTAL = "esimfx.portal"


def to_dollars(amount: Decimal, currency: str) -> Decimal:
    """What the balance moves by for a price, in cents. Raises Declined for a currency that we do not sell in."""
    if currency not in RATES:
        raise Declined("PRODUCT_NOT_FOUND", f"Goods in {currency} are not on sale")
    return (amount * RATES[currency]).quantize(Decimal("0.01"), ROUND_HALF_UP)


class Account:
    """Money. A change is part of the caller's transaction."""

    def __init__(self, core: Core, *, balance: Decimal, esim_fee: Decimal) -> None:
        """`balance`, `esim_fee`: what a new state and every reset begin with."""
        self._store = core.store
        self._first = (balance, esim_fee)

    @property
    def balance(self) -> Decimal:
        """What is left, in US dollars."""
        return Decimal(self._store.read_setting(_BALANCE, str(self._first[0])))

    @property
    def esim_fee(self) -> Decimal:
        """What a new eSIM costs beside its package; never refunded."""
        return Decimal(self._store.read_setting(_FEE, str(self._first[1])))

    def charge(self, amount: Decimal) -> None:
        """Take from the balance. Raises Declined when it does not suffice."""
        if amount > self.balance:
            raise Declined("INSUFFICIENT_BALANCE", "The balance does not cover this order")
        self.set(balance=self.balance - amount)

    def refund(self, amount: Decimal) -> None:
        """Give back to the balance."""
        self.set(balance=self.balance + amount)

    def set(self, *, balance: Decimal | None = None, esim_fee: Decimal | None = None) -> None:
        """Put other amounts in their place."""
        for name, value in ((_BALANCE, balance), (_FEE, esim_fee)):
            if value is not None:
                self._store.write_setting(name, str(value))

    def reset(self) -> None:
        """Back to the first amounts."""
        self.set(balance=self._first[0], esim_fee=self._first[1])


@dataclass(frozen=True)
class Subscribed:
    """Where webhooks go; an empty `url` sends none."""

    url: str
    token: str
    thresholds: tuple[int, ...]


class Portal:
    """The portal page that configures webhooks, and the sending of them."""

    def __init__(self, core: Core, wire: Wire, *, first: Subscribed) -> None:
        """`first`: what a new state and every reset begin with."""
        self._core = core
        self._wire = wire
        self._first = first

    def read(self) -> Subscribed:
        """The present configuration."""
        values: dict[str, Any] = self._core.store.read_setting(_PORTAL, {})
        return Subscribed(
            url=values.get("url", self._first.url),
            token=values.get("token", self._first.token),
            thresholds=tuple(values.get("thresholds", self._first.thresholds)),
        )

    def change(self, values: Mapping[str, Any]) -> None:
        """Change url, token or thresholds."""
        self._core.store.write_setting(_PORTAL, {**self._core.store.read_setting(_PORTAL, {}), **values})

    def reset(self) -> None:
        """Back to the first configuration."""
        self._core.store.write_setting(_PORTAL, {})

    def notify(self, notices: Sequence[Notice]) -> None:
        """Send a webhook for each. Call inside the transaction of the effect: it leaves with the commit."""
        subscribed = self.read()
        if not subscribed.url:
            return
        for notice in notices:
            self._core.webhooks.send(
                system=SYSTEM,
                kind=notice.event,
                url=subscribed.url,
                headers={"token": subscribed.token},
                body=json.dumps(self._write_payload(notice)).encode(),
            )

    def _write_payload(self, notice: Notice) -> dict[str, Any]:
        shape = self._core.switches["esimfx_webhook_shape"]
        if shape == "unknown":
            return {"topic": "LINE_MOVED", "card": f"…{notice.iccid[-4:]}", "moved": write_instant(notice.at)}
        facts = {"iccid": notice.iccid, "order_id": notice.subscription.order_id, **self._write_usage(notice)}
        if shape == "nested":
            return {"event": notice.event, "data": {**facts, "time": write_instant(notice.at)}}
        return {"event_type": notice.event, **facts, "event_time": write_instant(notice.at)}

    def _write_usage(self, notice: Notice) -> dict[str, Any]:
        if notice.threshold is None:
            return {}
        return {"threshold": notice.threshold, **self._wire.write_amounts(notice.subscription, notice.at)}


def add_months(instant: datetime, months: int) -> datetime:
    """The same day some months later, or the last day of that month."""
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    for day in range(instant.day, instant.day - 4, -1):
        try:
            return instant.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
