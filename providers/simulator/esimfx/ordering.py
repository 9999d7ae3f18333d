"""Orders: the idempotency key, the sale, the money."""

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.simulator.esimfx import life
from providers.simulator.esimfx.account import SYSTEM, Account, add_months, to_dollars
from providers.simulator.esimfx.life import Line, Subscription
from providers.simulator.esimfx.line_store import KeptAnswer, LineStore
from providers.simulator.esimfx.numbers import make_iccid, make_matching_id
from providers.simulator.esimfx.product_store import ProductStore, StoredProduct
from providers.simulator.esimfx.reading import read_object, read_text
from providers.simulator.esimfx.refusals import Declined
from providers.simulator.esimfx.wire import Wire
from providers.simulator.messages import Reply, json_reply
from providers.simulator.system import Call, Core

KEY_MONTHS = 6
SMDP = "smdp.esimfx.simulator.example"
_SERIAL = "esimfx.serial"


@dataclass(frozen=True)
class _Order:
    """A well-formed request."""

    operation: str
    product_id: str
    iccid: str | None


class OrderDesk:
    """Sells. Runs inside the transaction of its call."""

    def __init__(self, core: Core, *, products: ProductStore, lines: LineStore, account: Account, wire: Wire) -> None:
        self._core = core
        self._products = products
        self._lines = lines
        self._account = account
        self._wire = wire

    def create(self, call: Call) -> Reply:
        """One order, or the first answer again. A refused order binds no key. Raises Declined."""
        key = call.request.headers.get("x-idempotency-key", "").strip()
        if not key:
            raise Declined("IDEMPOTENCY_KEY_REQUIRED", "The header X-Idempotency-Key is required")
        body = read_object(call.request)
        fingerprint = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        kept = self._lines.find_answer(key)
        if kept is not None and call.now < add_months(kept.at, KEY_MONTHS):
            if kept.fingerprint != fingerprint and self._core.switches["esimfx_other_body"] == "error":
                raise Declined("IDEMPOTENCY_KEY_REUSED", "This key was used for another order")
            return json_reply(200, kept.answer)
        answer = self._sell(_read_order(body), call)
        self._lines.keep_answer(key, KeptAnswer(fingerprint, call.now, answer))
        if call.count_missing("short_reply"):
            # One order is one eSIM: "fewer are shown" is an answer without it.
            answer = {**answer, "data": {**answer["data"], "esim": None}}
        return json_reply(200, answer)

    def _sell(self, order: _Order, call: Call) -> dict[str, Any]:
        stored = self._products.find_product(order.product_id)
        if not stored.on_sale:
            raise Declined("PRODUCT_NOT_FOUND", f"There is no product {order.product_id}")
        if call.count_missing("short_order"):
            # One order is one eSIM: "fewer are sold" is none.
            raise Declined("OUT_OF_STOCK", "No eSIM of this profile in stock")
        now = life.to_second(call.now)
        subscription = _open_subscription(order, stored, now)
        line = self._put_on_line(order, stored, subscription, now)
        self._charge(order, subscription, line, call)
        data = self._wire.write_created(line, subscription, call.now)
        return {"code": 0, "message": "Success", "data": data}

    def _put_on_line(self, order: _Order, stored: StoredProduct, subscription: Subscription, now: datetime) -> Line:
        """A new eSIM, or the one to top up with the subscription queued."""
        if order.iccid is None:
            serial = self._take_serial()
            line = Line(
                iccid=make_iccid(serial),
                esim_qr=f"LPA:1${SMDP}${make_matching_id()}",
                region=stored.region,
                profile=stored.profile,
                created_at=now,
                subscriptions=(subscription,),
            )
            self._lines.add_line(line, serial=serial)
            return line
        line = self._lines.find_line(order.iccid)
        if (line.region, line.profile) != (stored.region, stored.profile):
            raise Declined("TOPUP_NOT_ALLOWED", "The product has another imsi_profile or region than the eSIM")
        line = life.top_up(line, subscription)
        self._lines.change_line(line)
        return line

    def _charge(self, order: _Order, subscription: Subscription, line: Line, call: Call) -> None:
        package = to_dollars(subscription.price, subscription.currency)
        fee = self._account.esim_fee if order.iccid is None else Decimal(0)
        self._account.charge(package + fee)
        self._core.books.record_order(
            system=SYSTEM,
            request_id=call.request_id,
            plan=subscription.product_id,
            quantity=1,
            reference=subscription.order_id,
            unit_price=subscription.price,
            refs=[line.iccid],
            shown=0 if call.count_missing("short_reply") else 1,
        )
        key = call.request.headers.get("x-idempotency-key", "").strip()
        detail = {"package": str(package), "esim_fee": str(fee), "operation": order.operation, "key": key}
        self._core.books.record_effect(
            system=SYSTEM, request_id=call.request_id, kind="charge", ref=subscription.order_id, detail=detail
        )

    def _take_serial(self) -> int:
        """A fresh serial. A new state starts from the present time, so that two states differ."""
        serial = int(self._core.store.read_setting(_SERIAL, int(time.time()) * 100))
        self._core.store.write_setting(_SERIAL, serial + 1)
        return serial


def _read_order(body: Mapping[str, Any]) -> _Order:
    operation = body.get("operation_type")
    if operation not in ("NEW", "TOPUP"):
        raise Declined("INVALID_REQUEST", "operation_type is NEW or TOPUP")
    product = body.get("product")
    if not isinstance(product, dict):
        raise Declined("INVALID_REQUEST", 'product is an object: {"id": …}')
    iccid = read_text(body, "iccid") if operation == "TOPUP" else None
    return _Order(operation, read_text(product, "id"), iccid)


def _open_subscription(order: _Order, stored: StoredProduct, now: datetime) -> Subscription:
    product = stored.product
    days = int(product["duration"])
    unit = {"GB": 2**30, "MB": 2**20}.get(str(product["amount_unit"]))
    return Subscription(
        order_id=str(uuid.uuid4()),
        operation=order.operation,
        product_id=order.product_id,
        name=str(product["name"]),
        days=days,
        profile=stored.profile,
        price=Decimal(str(product["price"])),
        currency=str(product["price_unit"]),
        limit_bytes=None if product["is_unlimited"] or unit is None else int(Decimal(str(product["amount"])) * unit),
        created_at=now,
        activate_by=now + life.UNUSED_LIFE,
    )
