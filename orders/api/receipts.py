"""Receipts with tax, as the app shows or prints them."""

from http import HTTPStatus
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.currencies import as_money
from customers.api_access import PersonalView, user_of
from orders.api.orders import find_own, find_visible
from orders.api.serializers import PAYMENT_METHODS
from orders.models import Order, OrderLine, Payment, Receipt
from orders.receipts import (
    ReceiptRefused,
    Returned,
    TaxShare,
    is_qualified,
    issue_receipt,
    list_returned,
    share_tax,
)
from providers.api import MoneySerializer, Refused


class IssuerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    address = serializers.CharField(help_text='In lines; "" where it is not told.')
    registration = serializers.CharField(help_text='For tax, as it is to be read; "" where there is none.')


class TaxSerializer(serializers.Serializer[Any]):
    percent = serializers.CharField(help_text='Exact, as text: "10"; "0": not taxed.')
    gross = MoneySerializer(help_text="Of this rate, with the tax.")
    tax = MoneySerializer(help_text="The tax in it.")


class ReceiptLineSerializer(serializers.Serializer[Any]):
    description = serializers.CharField()
    quantity = serializers.IntegerField()
    period_days = serializers.IntegerField(allow_null=True)
    unit_price = MoneySerializer()
    price = MoneySerializer(help_text="With the tax.")
    tax_percent = serializers.CharField(allow_null=True, help_text="null: nothing is said of tax.")


class ReceiptPaymentSerializer(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=PAYMENT_METHODS)
    amount = MoneySerializer()
    captured_at = serializers.DateTimeField(help_text="On credit: when it was charged to the account.")


class ReturnedSerializer(serializers.Serializer[Any]):
    amount = MoneySerializer()
    made_on = serializers.DateField(help_text="In the office's time zone.")
    taxes = TaxSerializer(many=True)


class ReceiptSerializer(serializers.Serializer[Any]):
    """Fixed when it was issued; only what went back of the sale is added later."""

    number = serializers.CharField()
    order_number = serializers.CharField()
    issued_at = serializers.DateTimeField()
    sold_on = serializers.DateField(help_text="In the office's time zone.")
    recipient = serializers.CharField(help_text='"" where it was erased.')
    issuer = IssuerSerializer()
    is_qualified_invoice = serializers.BooleanField(help_text="By Japan's law on consumption tax (適格請求書).")
    lines = ReceiptLineSerializer(many=True)
    total = MoneySerializer(help_text="With the tax.")
    taxes = TaxSerializer(many=True, help_text="Empty where nothing is said of tax.")
    payments = ReceiptPaymentSerializer(many=True)
    returned = ReturnedSerializer(many=True, help_text="What went back of the sale, with the tax in it.")


class OrderReceipt(PersonalView):
    """The receipt of an order."""

    throttle_scopes: ClassVar = {"POST": "order"}

    @extend_schema(operation_id="readReceipt", responses=ReceiptSerializer, tags=["orders"])
    def get(self, request: Request, number: str) -> Response:
        """The receipt, once it was issued."""
        order, _is_own = find_visible(request, number)
        receipt = Receipt.objects.filter(order=order).first()
        if receipt is None:
            raise NotFound
        return Response(_tell(receipt, order))

    @extend_schema(
        operation_id="issueReceipt",
        request=None,
        responses={
            200: OpenApiResponse(ReceiptSerializer, description="It was issued before."),
            201: ReceiptSerializer,
            409: OpenApiResponse(description="The order is not paid, or was free of charge."),
        },
        tags=["orders"],
    )
    def post(self, request: Request, number: str) -> Response:
        """Have the receipt of a paid order issued. Sent again, it is the same one."""
        order = find_own(request, number)
        try:
            receipt, is_new = issue_receipt(order=order, by=user_of(request))
        except ReceiptRefused as error:
            raise Refused(error.message) from None
        return Response(_tell(receipt, order), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


def _tell(receipt: Receipt, order: Order) -> dict[str, Any]:
    lines = list(order.lines.order_by("pk"))
    captured = order.payments.filter(state=Payment.State.CAPTURED).order_by("pk")
    refunds = order.refunds.select_related("purchase").order_by("made_at", "pk")
    return {
        "number": receipt.number,
        "order_number": order.number,
        "issued_at": receipt.issued_at,
        "sold_on": receipt.sold_on,
        "recipient": receipt.recipient,
        "issuer": {
            "name": receipt.issuer_name,
            "address": receipt.issuer_address,
            "registration": receipt.issuer_registration,
        },
        "is_qualified_invoice": is_qualified(receipt),
        "lines": [_line(receipt, line) for line in lines],
        "total": as_money(receipt.total, receipt.currency),
        "taxes": [_tax(share, receipt.currency) for share in share_tax(receipt, lines)],
        "payments": [_payment(payment) for payment in captured],
        "returned": [_returned(row) for row in list_returned(receipt, refunds)],
    }


def _line(receipt: Receipt, line: OrderLine) -> dict[str, Any]:
    return {
        "description": line.plan_name,
        "quantity": line.quantity,
        "period_days": line.period_days,
        "unit_price": as_money(line.unit_price, receipt.currency),
        "price": as_money(line.whole_price, receipt.currency),
        "tax_percent": receipt.rates.get(str(line.pk)),
    }


def _tax(share: TaxShare, currency: str) -> dict[str, Any]:
    return {
        "percent": f"{share.percent:f}",
        "gross": as_money(share.gross, currency),
        "tax": as_money(share.tax, currency),
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "method": payment.method,
        "amount": as_money(payment.captured_amount or payment.amount, payment.captured_currency),
        "captured_at": payment.captured_at,
    }


def _returned(row: Returned) -> dict[str, Any]:
    currency = row.refund.currency
    return {
        "amount": as_money(row.refund.amount, currency),
        "made_on": row.made_on,
        "taxes": [_tax(share, currency) for share in row.taxes],
    }
