"""From eSIMfx's orders and eSIMs to our values. See ``docs/providers/esimfx.md`` for what is left open, and how it is
read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from providers.esimfx.amounts import map_allowance, map_used
from providers.esimfx.plans import map_days
from providers.esimfx.states import derive_state, read_package_status
from providers.identifiers import is_iccid, split_activation_code
from providers.reading import FieldReader, UnreadableError, make_plain, to_decimal
from providers.redaction import redact
from providers.types import (
    AccountBalance,
    Fault,
    LineSnapshot,
    Money,
    PackageSnapshot,
    PackageStatus,
    TransactionRecord,
)

#: The second is as it was seen in use.
_LIMIT_NAMES = ("upper_limit_amount", "uper_limit_amount")
_BEGUN = frozenset({PackageStatus.ACTIVE, PackageStatus.ENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of the provider: what it put on an eSIM. ``days`` is its product's length where that is told."""

    order_id: str
    iccid: str
    package: PackageSnapshot
    days: int | None
    created_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)


def read_iccid(value: object) -> str:
    """An ICCID as the provider gives it, also as a number; "" for anything else."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if is_iccid(text) else ""


def read_esim(data: object, *, iccid: str) -> Mapping[str, Any]:
    """The eSIM that get_esim_status tells of. Raises ``UnreadableError`` for none, and for another one."""
    esim = read_nested_esim(data) or data
    if not isinstance(esim, dict) or not any(esim.get(name) for name in ("iccid", "status", "esim_qr")):
        raise UnreadableError("it has no eSIM")
    if esim.get("iccid") and read_iccid(esim["iccid"]) != iccid:
        raise UnreadableError("it is about another eSIM")
    return esim


def read_nested_esim(data: object) -> Mapping[str, Any]:
    """The object ``esim`` of a reply, empty where there is none."""
    esim = data.get("esim") if isinstance(data, dict) else None
    return esim if isinstance(esim, dict) else {}


def find_iccid(data: object) -> str:
    """The ICCID of an order's reply: in its ``esim`` (create_order) or beside the order (get_order)."""
    beside = data.get("iccid") if isinstance(data, dict) else None
    return read_iccid(read_nested_esim(data).get("iccid")) or read_iccid(beside)


def map_order(item: object, *, faults: list[Fault], account: str, where: str = "", plan_ref: str = "") -> Order:
    """One order, as any call shows it. Only its id is vital, an opaque text. Raises ``UnreadableError``.

    ``plan_ref`` is what was ordered, for a reply that names no product.
    """
    if not isinstance(item, dict):
        raise UnreadableError("is not an object")
    reader = FieldReader(item, where=where, faults=faults)
    order_id = reader.text("id", limit=200)
    if not 1 <= len(order_id) <= 64:
        raise UnreadableError("has no usable id")
    product = FieldReader(reader.object("product"), where=f"{where}.product" if where else "product", faults=faults)
    given = reader.object("subscription")
    subscription = FieldReader(given, where=f"{where}.subscription" if where else "subscription", faults=faults)
    created_at = reader.instant("creation_time")
    package = _map_package(subscription, product, order_id=order_id, plan_ref=plan_ref, account=account)
    return Order(
        order_id=order_id,
        iccid=find_iccid(item),
        package=replace(package, ordered_at=created_at),
        days=map_days(product, account=account),
        created_at=created_at,
        raw=item,
    )


def _map_package(
    subscription: FieldReader, product: FieldReader, *, order_id: str, plan_ref: str, account: str
) -> PackageSnapshot:
    """A subscription has no id of its own: "terminate" and "activate" name the order.

    Activated only if the status says so: what waits carries the times that it would have, in the future.
    """
    word = subscription.text("status", limit=40)
    status = read_package_status(word, account=account)
    has_limit = any(subscription.value(name) is not None for name in _LIMIT_NAMES)
    return PackageSnapshot(
        package_ref=order_id,
        name=product.text("name"),
        plan_ref=product.text("id", limit=120) or plan_ref,
        order_ref=order_id,
        status=status,
        allowance=map_allowance(subscription, _LIMIT_NAMES, unlimited=False, account=account) if has_limit else None,
        used_bytes=map_used(subscription, "used_amount", account=account),
        raw_status=word,
        starts_at=subscription.instant("activation_time"),
        ends_at=subscription.instant("expiry"),
        activate_by=subscription.instant("activate_by"),
        is_projected=status not in _BEGUN,
    )


def map_orders(data: object, *, iccid: str, faults: list[Fault], account: str) -> tuple[Order, ...]:
    """The orders of one eSIM, each once, also where ``data`` is the list itself. A bad one costs only itself.

    Raises ``UnreadableError`` where there is no list: that would look like a line without packages.
    """
    items = data.get("orders") if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise UnreadableError("it has no list of orders")
    orders: dict[str, Order] = {}
    for index, item in enumerate(items):
        where = f"orders[{index}]"
        try:
            order = map_order(item, faults=faults, account=account, where=where)
        except UnreadableError as error:
            faults.append(Fault(where=where, message=str(error)))
            continue
        if order.iccid not in ("", iccid):
            faults.append(Fault(where=where, message="is about another eSIM"))
        elif order.order_id in orders:
            faults.append(Fault(where=where, message="comes twice in the reply"))
        else:
            orders[order.order_id] = order
    return tuple(orders.values())


def map_line(
    esim: Mapping[str, Any],
    orders: Sequence[Order],
    *,
    iccid: str,
    faults: list[Fault],
    account: str,
    as_of: datetime,
    order_ref: str = "",
) -> LineSnapshot:
    """An eSIM with all its packages. No call gives the data's own age, so the moment of asking counts."""
    reader = FieldReader(esim, where="esim", faults=faults)
    word = reader.text("status", limit=40)
    packages = tuple(order.package for order in orders)
    lpa, host, matching_id = _map_activation(reader)
    begun = [package.starts_at for package in packages if package.status in _BEGUN and package.starts_at]
    has_begun = any(package.status in _BEGUN for package in packages)
    used, allowance = _add_up(packages)
    return LineSnapshot(
        provider_ref=iccid,
        iccid=iccid,
        state=derive_state(
            word,
            account=account,
            packages=packages,
            days={order.order_id: order.days for order in orders if order.days is not None},
            now=as_of,
        ),
        raw_states={"status": word},
        state_as_of=as_of,
        usage_as_of=as_of,
        lpa=lpa,
        smdp_address=host,
        matching_id=matching_id,
        apn=reader.text("apn", limit=100),
        activation_deadline=None if has_begun else _find_deadline(packages),
        activated_at=min(begun, default=None),
        expires_at=_find_end(packages),
        order_ref=order_ref or _find_first_order(orders),
        total_used_bytes=used,
        total_data_bytes=allowance,
        packages=packages,
        faults=tuple(faults),
        raw=make_plain(redact({"esim": dict(esim), "orders": [dict(order.raw) for order in orders]})),
    )


def _map_activation(reader: FieldReader) -> tuple[str, str, str]:
    """(the LPA string, its SM-DP+ address, its matching id)."""
    text = reader.text("esim_qr", limit=300)
    code = split_activation_code(text)
    if code is None:
        if text:
            reader.fault("esim_qr", "is not an LPA activation string")
        return "", "", ""
    return code.lpa, code.smdp_address, code.matching_id


def _add_up(packages: Sequence[PackageSnapshot]) -> tuple[int | None, int | None]:
    """(used, allowed) of all packages in bytes, as far as every one of them tells.

    What was terminated no longer gives anything: it counts with what was used of it.
    """
    used: int | None = 0
    allowed: int | None = 0
    for package in packages:
        limit = package.allowance.data_bytes if package.allowance else None
        counted = package.used_bytes if package.status is PackageStatus.TERMINATED else limit
        used = None if used is None or package.used_bytes is None else used + package.used_bytes
        allowed = None if allowed is None or counted is None else allowed + counted
    return (used, allowed) if packages else (None, None)


def _find_deadline(packages: Sequence[PackageSnapshot]) -> datetime | None:
    """Until when the first package of a line that has not begun has to be started."""
    waiting = [
        package.activate_by
        for package in packages
        if package.status is PackageStatus.WAITING and package.activate_by is not None
    ]
    return min(waiting, default=None)


def _find_end(packages: Sequence[PackageSnapshot]) -> datetime | None:
    """When the last package that has begun ends; None while others wait, for theirs are only projections."""
    if any(package.status not in (*_BEGUN, PackageStatus.TERMINATED) for package in packages):
        return None
    return max((package.ends_at for package in packages if package.status in _BEGUN and package.ends_at), default=None)


def _find_first_order(orders: Sequence[Order]) -> str:
    """An eSIM is made by its first order; "" where the order of time is not told."""
    dated = [(order.created_at, order.order_id) for order in orders if order.created_at]
    return min(dated)[1] if dated and len(dated) == len(orders) else ""


def map_transaction(data: object, *, order_id: str, account: str) -> TransactionRecord:
    """The reply of get_order. Raises ``UnreadableError`` for one about another order: its eSIM is not ours to give."""
    faults: list[Fault] = []
    if not isinstance(data, dict) or not data:
        raise UnreadableError("it has no order")
    order = map_order({**data, "id": data.get("id") or order_id}, faults=faults, account=account)
    if order.order_id.casefold() != order_id.casefold():
        raise UnreadableError("it is about another order")
    return TransactionRecord(
        transaction_id=order.order_id,
        line_refs=(order.iccid,) if order.iccid else (),
        is_pending=not order.iccid,
        order_ref=order.order_id,
        faults=tuple(faults),
    )


def read_refund(data: object) -> bool | None:
    """``refund.need_refund``; None where nothing is said about money."""
    refund = data.get("refund") if isinstance(data, dict) else None
    given = refund.get("need_refund") if isinstance(refund, dict) else None
    if isinstance(given, bool):
        return given
    words = {"true": True, "1": True, "false": False, "0": False}
    return words.get(str(given).strip().lower())


def map_balance(data: object, *, currency: str, as_of: datetime) -> AccountBalance:
    """``data.balance``, as it was seen in use; it may be below zero. Raises ``UnreadableError``."""
    profile = data if isinstance(data, dict) else {}
    amount = to_decimal(profile.get("balance"))
    if amount is None:
        raise UnreadableError("it has no balance")
    told = profile.get("balance_unit") or profile.get("currency") or ""
    text = str(told).strip().upper()
    is_code = len(text) == 3 and text.isascii() and text.isalpha()
    return AccountBalance(money=Money(amount=amount, currency=text if is_code else currency), as_of=as_of)
