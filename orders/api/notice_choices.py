"""What customers are told of, and how."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api_access import IsCustomer, PersonalView, customer_of
from customers.models import Customer
from orders.models import Notification
from orders.notifications import choose_customer_notices
from providers.api import StrictSerializer, read_body

_ALL = [kind for kind in Notification.Kind if kind not in Notification.STAFF_KINDS]
CAN_BE_OFF = [kind.value for kind in Notification.CAN_BE_OFF]


class NoticeKindSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[kind.value for kind in _ALL])
    name = serializers.CharField()
    email = serializers.BooleanField(help_text="Sent by e-mail.")
    push = serializers.BooleanField(help_text="Shown on the phone's screen, where the office can do so.")
    can_be_off = serializers.BooleanField(help_text="False: it brings what was paid for, or money.")


class NoticeChoicesSerializer(serializers.Serializer[Any]):
    """Whatever is chosen, all of it stays in the feed."""

    kinds = NoticeKindSerializer(many=True)


class ChooseNoticesSerializer(StrictSerializer):
    """The kinds that are switched off. What is not named stays as it is."""

    email_off = serializers.ListField(
        child=serializers.ChoiceField(choices=CAN_BE_OFF), required=False, max_length=len(CAN_BE_OFF)
    )
    push_off = serializers.ListField(
        child=serializers.ChoiceField(choices=CAN_BE_OFF), required=False, max_length=len(CAN_BE_OFF)
    )


class NoticeChoices(PersonalView):
    """The caller's choices."""

    permission_classes = (IsCustomer,)

    @extend_schema(operation_id="readNotificationChoices", responses=NoticeChoicesSerializer, tags=["me"])
    def get(self, request: Request) -> Response:
        """What I am told of, kind by kind."""
        return Response(_describe(customer_of(request)))

    @extend_schema(
        operation_id="changeNotificationChoices",
        request=ChooseNoticesSerializer,
        responses=NoticeChoicesSerializer,
        tags=["me"],
    )
    def patch(self, request: Request) -> Response:
        """Switch kinds off and on."""
        fields = read_body(request, ChooseNoticesSerializer)
        customer = choose_customer_notices(customer=customer_of(request), **fields)
        return Response(_describe(customer))


def _describe(customer: Customer) -> dict[str, Any]:
    return {
        "kinds": [
            {
                "kind": kind.value,
                "name": str(kind.label),
                "email": kind not in Notification.CAN_BE_OFF or kind.value not in customer.email_off,
                "push": kind not in Notification.CAN_BE_OFF or kind.value not in customer.push_off,
                "can_be_off": kind in Notification.CAN_BE_OFF,
            }
            for kind in _ALL
        ]
    }
