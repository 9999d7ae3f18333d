"""What the customer is told, as the app shows it: rows with read marks."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api_access import PersonalView, customer_of
from orders.models import Notification
from orders.notifications import mark_read
from orders.selectors.notifications import FeedItem, count_unread, find_feed, look_at_item
from providers.api import (
    MOST,
    NEWEST_FIRST,
    FlagField,
    PageParameters,
    StrictSerializer,
    WholeField,
    cursor_page,
    page_of,
    read_body,
    read_query,
)

#: What customers are told of.
KINDS = [kind.value for kind in Notification.Kind if kind not in Notification.STAFF_KINDS]


class NotificationSerializer(serializers.Serializer[Any]):
    """One telling. It holds no activation codes: the eSIM itself has them."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=KINDS)
    created_at = serializers.DateTimeField()
    subject = serializers.CharField(help_text="In the language that the customer had then.")
    paragraphs = serializers.ListField(child=serializers.CharField())
    order_number = serializers.CharField(allow_null=True)
    esim_id = serializers.IntegerField(allow_null=True)
    is_read = serializers.BooleanField()


class NotificationParameters(PageParameters):
    unread = FlagField(required=False, default=False, help_text="Only what was not read yet.")


class ReadMarksSerializer(StrictSerializer):
    """Notifications that were seen."""

    ids = serializers.ListField(
        child=WholeField(min_value=1, max_value=2**63 - 1),
        min_length=1,
        max_length=MOST,
        help_text="What the customer has seen. Ids that are not theirs change nothing.",
    )


class UnreadSerializer(serializers.Serializer[Any]):
    unread = serializers.IntegerField(help_text="How many are not read yet.")


class Notifications(PersonalView):
    """The feed."""

    @extend_schema(
        operation_id="listNotifications",
        parameters=[NotificationParameters],
        responses=page_of(NotificationSerializer),
        tags=["notifications"],
    )
    def get(self, request: Request) -> Response:
        """What the customer was told, the newest first."""
        customer = customer_of(request)
        wanted = read_query(request, NotificationParameters)
        rows = find_feed(customer, unread=wanted["unread"]).select_related("order")
        page = cursor_page(rows, NEWEST_FIRST, cursor=wanted.get("cursor", ""), limit=wanted["limit"])
        return Response(page.answer([_tell(look_at_item(row)) for row in page.rows]))


class UnreadCount(PersonalView):
    """The number on the app's bell."""

    @extend_schema(operation_id="countUnread", responses=UnreadSerializer, tags=["notifications"])
    def get(self, request: Request) -> Response:
        """How many notifications are not read yet."""
        return Response({"unread": count_unread(customer_of(request))})


class ReadMarks(PersonalView):
    """What was seen."""

    @extend_schema(
        operation_id="markRead", request=ReadMarksSerializer, responses=UnreadSerializer, tags=["notifications"]
    )
    def post(self, request: Request) -> Response:
        """Mark notifications as read. It may be sent twice."""
        customer = customer_of(request)
        mark_read(customer=customer, ids=read_body(request, ReadMarksSerializer)["ids"])
        return Response({"unread": count_unread(customer)})


def _tell(item: FeedItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "created_at": item.at,
        "subject": item.subject,
        "paragraphs": list(item.paragraphs),
        "order_number": item.order_number or None,
        "esim_id": item.esim_id,
        "is_read": item.is_read,
    }
