"""Orders and actions through our adapter's public door, as the house would make them."""

import uuid
from decimal import Decimal

from providers.base import Provider
from providers.types import (
    Capability,
    ControlOutcome,
    ControlRequest,
    Money,
    OrderOutcome,
    OrderRequest,
    TopUpOutcome,
    TopUpRequest,
)
from tests.emulator_esimfx.books import Order
from tests.emulator_esimfx.office import CODE


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def make_request(code: str = CODE, *, key: str = "") -> OrderRequest:
    return OrderRequest(plan_ref=code, quantity=1, idempotency_key=key or str(uuid.uuid4()))


def send(provider: Provider, request: OrderRequest) -> OrderOutcome:
    return provider.read_order_reply(provider.send_order(request), request)


def buy(provider: Provider, code: str = CODE) -> str:
    """One eSIM; its ICCID."""
    outcome = send(provider, make_request(code))
    assert (outcome.final, len(outcome.lines), outcome.faults) == (True, 1, ())
    return outcome.lines[0].iccid


def top_up(provider: Provider, iccid: str, code: str = CODE, *, key: str = "") -> TopUpOutcome:
    request = TopUpRequest(provider_ref=iccid, iccid=iccid, plan_ref=code, idempotency_key=key or str(uuid.uuid4()))
    return provider.read_top_up_reply(provider.send_top_up(request), request)


def control(provider: Provider, order: Order, capability: Capability) -> ControlOutcome:
    request = ControlRequest(
        provider_ref=order.iccid,
        iccid=order.iccid,
        capability=capability,
        package_ref=order.number,
        order_ref=order.number,
    )
    return provider.read_control_reply(provider.send_control(request), capability)
