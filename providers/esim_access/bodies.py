"""The bodies of what is bought, exactly as the document prints them."""

from typing import Any

from providers.esim_access.money import write_amount
from providers.types import OrderRequest, TopUpRequest

#: "Max 50 chars, utf8mb4."
LONGEST_KEY = 50


def write_order(request: OrderRequest, *, checks_price: bool) -> dict[str, Any]:
    """An order of one package. The slug is preferred; ``periodNum`` is for plans by the day and for no other.

    ``price`` and ``amount`` make the provider compare them with its own: never for a plan by the day, where the
    document does not say how the days enter the amount.
    """
    package: dict[str, Any] = {"packageCode": request.plan_alias or request.plan_ref, "count": request.quantity}
    body: dict[str, Any] = {"transactionId": request.idempotency_key}
    if request.period_days is not None:
        package["periodNum"] = request.period_days
    elif checks_price:
        price = write_amount(request.expected_unit_price)
        if price is not None:
            package["price"] = price
            body["amount"] = price * request.quantity
    return {**body, "packageInfoList": [package]}


def write_top_up(request: TopUpRequest, *, checks_price: bool) -> dict[str, Any]:
    """A package for one line, named by ``esimTranNo``: an ICCID may be another line's today.

    Only ``packageCode`` is documented here, no slug; ``amount`` is a text here; ``periodNum`` is from newer texts.
    """
    body: dict[str, Any] = {
        "esimTranNo": request.provider_ref,
        "packageCode": request.plan_ref,
        "transactionId": request.idempotency_key,
    }
    if request.period_days is not None:
        body["periodNum"] = request.period_days
    elif checks_price:
        price = write_amount(request.expected_price)
        if price is not None:
            body["amount"] = str(price)
    return body
