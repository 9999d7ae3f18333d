"""Refusals of our verbs as the API answers them."""

from http import HTTPStatus

from rest_framework.exceptions import APIException

from orders.checkout import CheckoutRefused
from orders.payments import PaymentRefused
from providers.api import Refused

#: Fields of an order that have the same name in the request.
_CONTENT = frozenset({"quantity", "period_days"})


class NotAnswered(APIException):
    """Somebody whom we ask has not answered; the same request may be sent again."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "provider_unavailable"

    def __init__(self, detail: str = "", *, wait: int = 5) -> None:
        super().__init__(detail or None)
        self.wait = wait


def order_refused(error: CheckoutRefused, *, about_plan: str) -> APIException:
    """``about_plan`` is said of a plan that cannot be sold: the verb's own words may name the wholesaler."""
    if error.field in _CONTENT:
        return Refused(error.message, field=error.field)
    if error.field == "price":
        return Refused(error.message, "price_changed", "unit_price")
    if error.field == "plan":
        return Refused(about_plan, field="plan_id")
    return Refused(error.message)


def payment_refused(error: PaymentRefused) -> APIException:
    """The words for staff speak of "the customer"; the fault is the same."""
    return Refused(error.message, "payment_refused", error.field if error.field in ("amount", "method") else "")
