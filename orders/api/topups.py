"""More data for a line: what fits now, and the order for it."""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api_serializers import PlanDataSerializer
from catalog.currencies import as_money
from catalog.models import Plan
from customers.api_access import customer_of, user_of
from customers.api_idempotency import KEY_PARAMETER, IdempotentView
from customers.idempotency import Claim
from esims.install import top_up_rules
from esims.models import Esim
from orders.api.orders import LOCATION, REFUSED, REPLAYED, answer_placed, read_wish
from orders.api.refusals import NotAnswered, order_refused
from orders.api.serializers import NewTopUpSerializer, OrderDetailSerializer
from orders.app_sales import top_up_in_app
from orders.checkout import CheckoutRefused
from orders.topups import TopUpsUnknown, find_top_ups
from providers.api import MoneySerializer, Refused, as_data, read_body
from providers.errors import ProviderError
from providers.types import DataPeriod


class TopUpOptionSerializer(serializers.Serializer[Any]):
    plan_id = serializers.IntegerField()
    name = serializers.CharField()
    data = PlanDataSerializer()  # type: ignore[assignment]
    validity_days = serializers.IntegerField(allow_null=True, help_text="null: it is not said.")
    days_to_choose = serializers.IntegerField(
        allow_null=True, help_text="The most days that can be chosen; data and price are of one day then."
    )
    price = MoneySerializer()


class TopUpOptionsSerializer(serializers.Serializer[Any]):
    must_show = serializers.ListField(
        child=serializers.CharField(), help_text="Rules of what is added, to be shown before it is paid."
    )
    valid_until = serializers.DateTimeField(help_text="Until then these can be ordered.")
    options = TopUpOptionSerializer(many=True, help_text="What fits to the line now; may be empty.")


class TopUps(IdempotentView):
    """More data for one of the caller's lines."""

    throttle_scopes: ClassVar = {"GET": "refresh", "POST": "order"}

    @extend_schema(
        operation_id="listTopUpOptions",
        responses={
            200: TopUpOptionsSerializer,
            409: OpenApiResponse(description="Nothing can be added to this line: `detail` says why."),
            503: OpenApiResponse(description="The provider does not answer: ask again."),
        },
        tags=["top-ups"],
    )
    def get(self, request: Request, esim_id: int) -> Response:
        """What fits to the line, asked of its provider at this moment."""
        esim = _find_line(request, esim_id)
        try:
            choices = find_top_ups(esim=esim)
        except TopUpsUnknown as error:
            if isinstance(error.__cause__, ProviderError):
                raise NotAnswered(error.message) from None
            raise Refused(error.message) from None
        return Response(
            {
                "must_show": [str(rule) for rule in top_up_rules(esim)],
                "valid_until": timezone.now() + timedelta(minutes=settings.TOP_UP_OFFER_MINUTES),
                "options": [_option(choice.plan) for choice in choices if not choice.refusal],
            }
        )

    @extend_schema(
        operation_id="orderTopUp",
        parameters=[KEY_PARAMETER, LOCATION, REPLAYED],
        request=NewTopUpSerializer,
        responses={201: OrderDetailSerializer, 409: REFUSED},
        tags=["top-ups"],
    )
    def post(self, request: Request, esim_id: int) -> Response:
        """Order one of the options at the price that the app has shown. Nothing is bought before it is paid."""
        esim = _find_line(request, esim_id)
        wish = read_wish(read_body(request, NewTopUpSerializer))

        def work(claim: Claim) -> Response:
            try:
                order = top_up_in_app(esim=esim, wish=wish, by=user_of(request), claim=claim)
            except CheckoutRefused as error:
                text = _("This package cannot be ordered for the line now. Ask again what fits.")
                raise order_refused(error, about_plan=text) from None
            return answer_placed(order)

        return self.once(request, work)


def _find_line(request: Request, esim_id: int) -> Esim:
    lines = Esim.objects.select_related("account", "plan", "customer")
    esim = lines.filter(customer=customer_of(request), pk=esim_id).first()
    if esim is None:
        raise NotFound
    return esim


def _option(plan: Plan) -> dict[str, Any]:
    if plan.retail_price is None:
        raise ValueError("what has no price is not offered")
    unknown = plan.data_period == DataPeriod.UNKNOWN
    return {
        "plan_id": plan.pk,
        "name": plan.name,
        "data": {
            **as_data(plan.data_bytes, unlimited=plan.data_unlimited),
            "period": None if unknown else plan.data_period,
        },
        "validity_days": plan.validity_days,
        "days_to_choose": plan.days_choice_max,
        "price": as_money(plan.retail_price, plan.currency),
    }
