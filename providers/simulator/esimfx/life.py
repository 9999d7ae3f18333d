"""The life of one eSIM and its subscriptions: pure functions from one state to the next.

An eSIM carries a queue of subscriptions, one per order. The first connection activates the oldest; the others
wait until the active one is used up or over, until the API activates them, or until day 60 does, whatever else
runs then. Steps imply the earlier ones: a phone that connects has installed. What the provider's portal would
notify of comes out beside the new state, in the order in which it happened.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from providers.simulator.esimfx.refusals import Declined

UNUSED_LIFE = timedelta(days=60)  # until a pending subscription is activated by the calendar; refunds end with it
BLOCKED_AFTER = timedelta(days=60)  # an eSIM that was EXPIRED for so long is blocked for good


@dataclass(frozen=True)
class Subscription:
    """What one order put on an eSIM; `limit_bytes` None is an unlimited plan, counted in days."""

    order_id: str
    operation: str
    product_id: str
    name: str
    days: int
    profile: str
    price: Decimal
    currency: str
    limit_bytes: int | None
    created_at: datetime
    activate_by: datetime
    status: str = "PENDING"
    used_bytes: int = 0
    activated_at: datetime | None = None
    # When it will end, once it is active; when it did, once it is over.
    ends_at: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.status in ("EXPIRED", "TERMINATED")


@dataclass(frozen=True)
class Line:
    """An eSIM with its subscriptions, oldest order first."""

    iccid: str
    esim_qr: str
    region: str
    profile: str
    created_at: datetime
    subscriptions: tuple[Subscription, ...]
    installed_at: datetime | None = None
    connected_at: datetime | None = None
    blocked_at: datetime | None = None
    deactivated_at: datetime | None = None

    @property
    def status(self) -> str:
        """The documented word, in the document's spelling."""
        if self.deactivated_at is not None:
            return "DEACTIVATED"
        if self.blocked_at is not None:
            return "BLOCKED"
        if self.find("ACTIVE"):
            return "ACTIVE"
        if self.find("PENDING"):
            return "PROVISIONED" if self.installed_at is None else "Installed"
        return "EXPIRED"

    @property
    def dead(self) -> bool:
        """Nothing can be put on it or used on it any more."""
        return self.blocked_at is not None or self.deactivated_at is not None

    def find(self, status: str) -> list[Subscription]:
        """Its subscriptions in a state: the active ones by activation, others by order."""
        found = [subscription for subscription in self.subscriptions if subscription.status == status]
        return sorted(found, key=lambda subscription: subscription.activated_at or subscription.created_at)

    def find_subscription(self, order_id: str) -> Subscription:
        """The one of an order. Raises KeyError."""
        for subscription in self.subscriptions:
            if subscription.order_id == order_id:
                return subscription
        raise KeyError(order_id)


@dataclass(frozen=True)
class Notice:
    """Something that the portal sends a webhook for."""

    event: str
    iccid: str
    at: datetime
    subscription: Subscription
    threshold: int | None = None


Step = tuple[Line, list[Notice]]


def to_second(instant: datetime) -> datetime:
    """The provider's time has whole seconds, as its wire format shows them."""
    return instant.replace(microsecond=0)


def settle(line: Line, now: datetime) -> Step:
    """The eSIM as time alone has made it."""
    notices: list[Notice] = []
    while True:
        instant, act = _find_due(line)
        if instant is None or instant > now:
            return line, notices
        line, more = act(line)
        notices += more


def next_due(line: Line) -> datetime | None:
    """When `settle` will next change something."""
    return _find_due(line)[0]


def connect(line: Line, now: datetime) -> Step:
    """The phone meets an eligible network. Raises Declined on an eSIM that cannot work any more."""
    line = install(line, now)
    if not line.find("ACTIVE"):
        line = _activate_next(line, now)
    active = line.find("ACTIVE")
    if line.connected_at is not None or not active:
        return line, []
    line = replace(line, connected_at=now)
    return line, [Notice("ACTIVATION", line.iccid, now, active[0])]


def install(line: Line, now: datetime) -> Line:
    """The phone installs the profile. Raises Declined on an eSIM that cannot work any more."""
    check_alive(line)
    return line if line.installed_at is not None else replace(line, installed_at=now)


def use(line: Line, amount: int, now: datetime, thresholds: Sequence[int]) -> Step:
    """Data is used: by the oldest active subscription, then by those that follow it. What none can carry is lost."""
    line, notices = connect(line, now)
    while amount > 0 and (active := line.find("ACTIVE")):
        line, taken, more = _use_one(line, active[0], amount, now, thresholds)
        notices += more
        amount -= taken
    return line, notices


def expire(line: Line, order_id: str | None, now: datetime) -> Step:
    """The time of an active subscription is over now: the oldest one, or that of an order. Raises Declined."""
    active = line.find("ACTIVE")
    chosen = next((one for one in active if order_id in (None, one.order_id)), None)
    if chosen is None:
        raise Declined("SUBSCRIPTION_ENDED", "No such subscription is active")
    return _end(line, chosen, now)


def activate(line: Line, order_id: str, now: datetime) -> Line:
    """The API activates a pending subscription. Raises Declined."""
    check_alive(line)
    subscription = line.find_subscription(order_id)
    if subscription.status != "PENDING":
        raise Declined("SUBSCRIPTION_NOT_PENDING", f"The subscription is {subscription.status}")
    return _activate(line, subscription, now)


def terminate(line: Line, order_id: str, now: datetime) -> tuple[Line, bool]:
    """End a subscription for good; whether its package is refunded. Raises Declined."""
    subscription = line.find_subscription(order_id)
    if subscription.over:
        raise Declined("SUBSCRIPTION_ENDED", f"The subscription is {subscription.status}")
    refunded = subscription.status == "PENDING" and now <= subscription.created_at + UNUSED_LIFE
    return _change(line, replace(subscription, status="TERMINATED", ends_at=now)), refunded


def block(line: Line, now: datetime) -> Line:
    """Deactivate the profile for good. Raises Declined when it is so already."""
    check_alive(line)
    return replace(line, blocked_at=now)


def deactivate(line: Line, now: datetime) -> Line:
    """An unexpected error of the eSIM, at any stage."""
    return replace(line, deactivated_at=now)


def top_up(line: Line, subscription: Subscription) -> Line:
    """Queue one more subscription. Raises Declined on an eSIM that cannot work any more."""
    check_alive(line)
    return replace(line, subscriptions=(*line.subscriptions, subscription))


def check_alive(line: Line) -> None:
    """Raises Declined for an eSIM that is blocked or deactivated."""
    if line.dead:
        raise Declined("ESIM_UNUSABLE", f"The eSIM is {line.status}")


def _find_due(line: Line) -> tuple[datetime | None, Callable[[Line], Step]]:
    """The earliest thing that time will do, and how."""
    due: list[tuple[datetime, Callable[[Line], Step]]] = []
    for subscription in line.subscriptions:
        if subscription.status == "ACTIVE" and subscription.ends_at is not None:
            due.append((subscription.ends_at, partial(_end, subscription=subscription, now=subscription.ends_at)))
        if subscription.status == "PENDING" and not line.dead:
            due.append((subscription.activate_by, partial(_activate_by_calendar, subscription=subscription)))
    if all(subscription.over for subscription in line.subscriptions) and not line.dead:
        ended = max(subscription.ends_at or line.created_at for subscription in line.subscriptions)
        due.append((ended + BLOCKED_AFTER, partial(_block_by_calendar, now=ended + BLOCKED_AFTER)))
    if not due:
        return None, lambda unchanged: (unchanged, [])
    return min(due, key=lambda entry: entry[0])


def _activate_by_calendar(line: Line, subscription: Subscription) -> Step:
    return _activate(line, subscription, subscription.activate_by), []


def _block_by_calendar(line: Line, now: datetime) -> Step:
    return block(line, now), []


def _use_one(
    line: Line, subscription: Subscription, amount: int, now: datetime, thresholds: Sequence[int]
) -> tuple[Line, int, list[Notice]]:
    """Use what one subscription can carry: the eSIM after it, how much that was, what to notify of."""
    limit = subscription.limit_bytes
    taken = amount if limit is None else min(amount, limit - subscription.used_bytes)
    after = replace(subscription, used_bytes=subscription.used_bytes + taken)
    line = _change(line, after)
    if limit is None:
        return line, taken, []
    notices = [
        Notice("DATA_USAGE", line.iccid, now, after, threshold)
        for threshold in sorted(thresholds)
        if subscription.used_bytes * 100 < threshold * limit <= after.used_bytes * 100
    ]
    if after.used_bytes < limit:
        return line, taken, notices
    line, more = _end(line, after, now)
    return line, taken, notices + more


def _end(line: Line, subscription: Subscription, now: datetime) -> Step:
    """A subscription is used up or over; the next in the queue takes its place."""
    ended = replace(subscription, status="EXPIRED", ends_at=now)
    line = _change(line, ended)
    notice = Notice("EXPIRATION", line.iccid, now, ended)
    if line.find("ACTIVE") or line.dead:
        return line, [notice]
    return _activate_next(line, now), [notice]


def _activate_next(line: Line, now: datetime) -> Line:
    pending = line.find("PENDING")
    return _activate(line, pending[0], now) if pending else line


def _activate(line: Line, subscription: Subscription, now: datetime) -> Line:
    ends_at = now + timedelta(days=subscription.days)
    return _change(line, replace(subscription, status="ACTIVE", activated_at=now, ends_at=ends_at))


def _change(line: Line, changed: Subscription) -> Line:
    """The eSIM with one subscription in its new state."""
    return replace(
        line,
        subscriptions=tuple(
            changed if subscription.order_id == changed.order_id else subscription
            for subscription in line.subscriptions
        ),
    )
