"""Customers' orders: taken, listed, paid and cancelled in the app. Staff may look."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api_access import PersonalView, customer_of, find_customer, staff_may, user_of
from customers.api_idempotency import KEY_PARAMETER, IdempotentView
from customers.idempotency import Claim
from orders.api.answers import tell_order, tell_row
from orders.api.refusals import NotAnswered, order_refused, payment_refused
from orders.api.serializers import (
    NewOrderSerializer,
    NewPaymentSerializer,
    OrderDetailSerializer,
    OrderParameters,
    OrderSerializer,
)
from orders.app_sales import AppWish, ServiceSilent, cancel_in_app, order_in_app, pay_in_app
from orders.checkout import CheckoutRefused
from orders.models import Order
from orders.payments import PaymentRefused
from orders.selectors.app_orders import STATES, find_app_orders, read_app_order
from orders.selectors.order_list import list_rows
from providers.api import NEWEST_FIRST, Refused, cursor_page, page_of, read_body, read_query

_BY_WORD = {word: state for state, word in STATES.items()}
SEE_ORDERS = "orders.view_order"
REFUSED = OpenApiResponse(description="It cannot be done now; nothing was written. Or the key: see `code`.")
LOCATION = OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[201], description="Of the order.")
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    response=[201],
    description="The first answer to this key is given again.",
)


class Orders(IdempotentView):
    """The caller's orders."""

    throttle_scopes: ClassVar = {"POST": "order"}

    @extend_schema(
        operation_id="listOrders", parameters=[OrderParameters], responses=page_of(OrderSerializer), tags=["orders"]
    )
    def get(self, request: Request) -> Response:
        """Orders, the newest first."""
        wanted = read_query(request, OrderParameters)
        if wanted["scope"] == "all" and not staff_may(request, SEE_ORDERS):
            raise PermissionDenied
        whose = None if wanted["scope"] == "all" else customer_of(request)
        orders = find_app_orders(customer=whose, states=[_BY_WORD[word] for word in wanted.get("state", ())])
        page = cursor_page(orders, NEWEST_FIRST, cursor=wanted.get("cursor", ""), limit=wanted["limit"])
        return Response(page.answer([tell_row(row) for row in list_rows(page.rows)]))

    @extend_schema(
        operation_id="placeOrder",
        parameters=[KEY_PARAMETER, LOCATION, REPLAYED],
        request=NewOrderSerializer,
        responses={201: OrderDetailSerializer, 409: REFUSED},
        tags=["orders"],
    )
    def post(self, request: Request) -> Response:
        """Order eSIMs at the price that the app has shown. Nothing is bought before the order is paid."""
        customer = customer_of(request)
        wish = read_wish(read_body(request, NewOrderSerializer))

        def work(claim: Claim) -> Response:
            try:
                order = order_in_app(customer=customer, wish=wish, by=user_of(request), claim=claim)
            except CheckoutRefused as error:
                text = _("This plan cannot be bought now. Choose another one.")
                raise order_refused(error, about_plan=text) from None
            return answer_placed(order)

        return self.once(request, work)


class OneOrder(PersonalView):
    """One order."""

    @extend_schema(operation_id="readOrder", responses=OrderDetailSerializer, tags=["orders"])
    def get(self, request: Request, number: str) -> Response:
        """One order, with what must be shown before it is paid, its payments, refunds and eSIMs."""
        order, is_own = find_visible(request, number)
        return Response(tell_order(read_app_order(order), is_own=is_own))


class OrderPayments(IdempotentView):
    """What an order is paid with."""

    throttle_scopes: ClassVar = {"POST": "order"}

    @extend_schema(
        operation_id="payOrder",
        parameters=[KEY_PARAMETER, REPLAYED],
        request=NewPaymentSerializer,
        responses={
            201: OpenApiResponse(
                OrderDetailSerializer,
                description="By card: the pending payment has the `sheet` that the app confirms it with. On credit: "
                "the order is paid and being bought.",
            ),
            409: REFUSED,
            503: OpenApiResponse(description="The payment service does not answer: send it again with the same key."),
        },
        tags=["orders"],
    )
    def post(self, request: Request, number: str) -> Response:
        """Pay what is outstanding, by card or on the customer's credit account."""
        order = find_own(request, number)
        given = read_body(request, NewPaymentSerializer)

        def work(claim: Claim) -> Response:
            try:
                pay_in_app(order=order, method=given["method"], **given["amount"], by=user_of(request), claim=claim)
            except PaymentRefused as error:
                raise payment_refused(error) from None
            except ServiceSilent:
                raise NotAnswered(_("The payment service does not answer. Nothing was paid.")) from None
            return answer_order(order, HTTPStatus.CREATED)

        return self.once(request, work)


class OrderCancellation(PersonalView):
    """The end of an order that is not paid."""

    throttle_scopes: ClassVar = {"POST": "order"}

    @extend_schema(
        operation_id="cancelOrder",
        request=None,
        responses={
            200: OpenApiResponse(OrderDetailSerializer, description="It is cancelled, now or before."),
            409: OpenApiResponse(description="It is paid, or has expired: nothing was changed."),
        },
        tags=["orders"],
    )
    def post(self, request: Request, number: str) -> Response:
        """Cancel an order that is not paid. It may be sent twice."""
        order = find_own(request, number)
        try:
            cancel_in_app(order=order, by=user_of(request))
        except CheckoutRefused as error:
            raise Refused(error.message) from None
        return answer_order(order, HTTPStatus.OK)


def find_own(request: Request, number: str) -> Order:
    """An order of the caller's own. Raises ``NotFound``, and 403 for those who are no customers."""
    order = Order.objects.filter(customer=customer_of(request), number=number).first()
    if order is None:
        raise NotFound
    return order


def find_visible(request: Request, number: str) -> tuple[Order, bool]:
    """An order that the caller may see, and whether it is their own. Raises ``NotFound``."""
    user_of(request)
    customer = find_customer(request)
    order = Order.objects.filter(number=number).first()
    is_own = order is not None and customer is not None and order.customer_id == customer.pk
    if order is None or not (is_own or staff_may(request, SEE_ORDERS)):
        raise NotFound
    return order, is_own


def read_wish(given: dict[str, Any]) -> AppWish:
    price: dict[str, Any] = given.pop("unit_price")
    amount: Decimal = price["amount"]
    return AppWish(**given, unit_price=amount, currency=price["currency"])


def answer_order(order: Order, status: int) -> Response:
    """The caller's own order as it is now."""
    return Response(tell_order(read_app_order(Order.objects.get(pk=order.pk)), is_own=True), status)


def answer_placed(order: Order) -> Response:
    """A new order, and where it is."""
    response = answer_order(order, HTTPStatus.CREATED)
    response["Location"] = reverse("api-order", args=[order.number])
    return response
