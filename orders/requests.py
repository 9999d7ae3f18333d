"""What a purchase asks its provider for, by the kind of its order line: one place that knows the three kinds apart."""

import json
from typing import Any

from orders.models import OrderLine, Purchase, PurchaseAttempt
from providers.base import Provider
from providers.types import (
    ActivationRequest,
    Capability,
    Money,
    OrderOutcome,
    OrderRequest,
    ProviderReply,
    TopUpOutcome,
    TopUpRequest,
)

Request = OrderRequest | TopUpRequest | ActivationRequest
Outcome = OrderOutcome | TopUpOutcome
Kind = OrderLine.Kind


class FormErased(Exception):
    """The activation's form is erased already: it cannot be sent (again)."""


def find_capability(kind: str) -> Capability:
    """What a provider has to offer so that an order line of this kind can be bought."""
    if kind == Kind.TOP_UP:
        return Capability.TOP_UP
    return Capability.LINE_ACTIVATION if kind in OrderLine.BY_FORM else Capability.ORDER


def is_repeatable(purchase: Purchase, provider: Provider | None) -> bool:
    """Whether the same request may be sent again with the same key after an unknown outcome (rule 4)."""
    return provider is not None and find_capability(purchase.order_line.kind) in provider.repeatable


def describe_request(purchase: Purchase) -> dict[str, Any]:
    """What is asked, as the attempt keeps it for people: no secret, nothing personal."""
    facts: dict[str, Any] = {"plan": purchase.plan_ref, "quantity": purchase.quantity, "key": purchase.idempotency_key}
    if purchase.period_days is not None:
        facts["days"] = purchase.period_days
    line = purchase.order_line
    if line.kind == Kind.TOP_UP and line.esim is not None:
        facts["line"] = line.esim.provider_ref
    if line.kind in OrderLine.BY_FORM:
        facts["delivery_code"] = line.activation.delivery_code
    return facts


def build_request(attempt: PurchaseAttempt) -> Request:
    """The request of an attempt, the same at every try. The attempt comes with purchase and order line.

    That of an activation lacks its form once the form is erased: a reply can be read with it, nothing can be sent.
    """
    purchase = attempt.purchase
    line = purchase.order_line
    if line.kind == Kind.TOP_UP and line.esim is not None:
        return TopUpRequest(
            provider_ref=line.esim.provider_ref,
            iccid=line.esim.iccid,
            plan_ref=purchase.plan_ref,
            idempotency_key=purchase.idempotency_key,
            expected_price=_read_cost(line),
            plan_alias=purchase.plan_alias,
            period_days=purchase.period_days,
        )
    if line.kind in OrderLine.BY_FORM:
        return _build_activation(line)
    return OrderRequest(
        plan_ref=purchase.plan_ref,
        quantity=purchase.quantity,
        idempotency_key=purchase.idempotency_key,
        expected_unit_price=_read_cost(line),
        plan_alias=purchase.plan_alias,
        period_days=purchase.period_days,
    )


def send_request(provider: Provider, request: Request) -> ProviderReply:
    """Send once; raises as ``providers.base`` says of writes."""
    match request:
        case OrderRequest():
            return provider.send_order(request)
        case TopUpRequest():
            return provider.send_top_up(request)
        case ActivationRequest():
            return provider.send_activation(request)


def read_reply(provider: Provider, reply: ProviderReply, request: Request) -> Outcome:
    """Parse a stored reply; any number of times."""
    match request:
        case OrderRequest():
            return provider.read_order_reply(reply, request)
        case TopUpRequest():
            return provider.read_top_up_reply(reply, request)
        case ActivationRequest():
            return provider.read_activation_reply(reply, request)


def _read_cost(line: OrderLine) -> Money | None:
    if line.unit_cost is None or not line.cost_currency:
        return None
    return Money(amount=line.unit_cost, currency=line.cost_currency)


def _build_activation(line: OrderLine) -> ActivationRequest:
    """With the form while it is kept; reading a reply needs the handles only."""
    activation = line.activation
    payload = json.loads(activation.payload) if activation.payload else {}
    return ActivationRequest(eid=activation.eid, delivery_code=activation.delivery_code, payload=payload)


def require_form(request: Request) -> None:
    """Raise ``FormErased`` when an activation is to be sent whose form is gone."""
    if isinstance(request, ActivationRequest) and not request.payload:
        raise FormErased
