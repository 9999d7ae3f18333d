"""The person's own data as a whole: to take along, or to be forgotten."""

from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, ErrorDetail, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api_access import PersonalView, find_customer, signed_in_lately, user_of
from customers.customers import normalise_email
from orders.exporting import export_person
from orders.leaving import (
    CannotLeave,
    count_working_lines,
    delete_account,
    find_hindrances,
    what_is_erased,
    what_is_kept,
)
from providers.api import StrictSerializer, TextField, read_body


class SignInAgain(PermissionDenied):
    default_code = "sign_in_again"
    default_detail = _("Enter your password or a code again (/_allauth/app/v1/auth/reauthenticate), or sign in anew.")


class AccountHeld(APIException):
    status_code = HTTPStatus.CONFLICT
    default_code = "refused"


class Export(PersonalView):
    """Everything that is kept about the caller."""

    @extend_schema(
        operation_id="exportMe",
        responses=OpenApiResponse(
            OpenApiTypes.OBJECT,
            description="Account, customer, orders with payments and refunds, eSIMs with their codes and use, credit, "
            "messages, devices and sign-ins. `format` is raised when a member goes or changes its meaning.",
        ),
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """All my data, as one JSON document, after a sign-in of a few minutes ago."""
        _need_late_sign_in(request)
        found = export_person(user=user_of(request), customer=find_customer(request))
        return Response(found, headers={"Content-Disposition": 'attachment; filename="my-data.json"'})


class HindranceSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=["staff", "unpaid_order", "open_order", "open_money"])
    text = serializers.CharField()


class DeletionSerializer(serializers.Serializer[Any]):
    """What a deletion of the account means: to be shown before it is asked for."""

    possible = serializers.BooleanField()
    hindrances = HindranceSerializer(many=True)
    working_esims = serializers.IntegerField(help_text="Lines that may still be used, and are no longer seen then.")
    erased = serializers.ListField(child=serializers.CharField())
    kept = serializers.ListField(child=serializers.CharField(), help_text="And why.")


class DeleteAccountSerializer(StrictSerializer):
    email = TextField(max_length=254, help_text="The caller's own address, typed once more.")

    def validate_email(self, value: str) -> str:
        if normalise_email(value) != normalise_email(self.context["request"].user.email):
            raise ValidationError([ErrorDetail(gettext("This is not the address of this account."), code="mismatch")])
        return value


class Deletion(PersonalView):
    """The end of the caller's account."""

    @extend_schema(operation_id="previewDeletion", responses=DeletionSerializer, tags=["me"])
    def get(self, request: Request) -> Response:
        """What would be erased, what is kept and why, and what stands in the way."""
        customer = find_customer(request)
        hindrances = find_hindrances(user=user_of(request), customer=customer)
        return Response(
            {
                "possible": not hindrances,
                "hindrances": [{"code": found.code, "text": found.text} for found in hindrances],
                "working_esims": count_working_lines(customer),
                "erased": what_is_erased(),
                "kept": what_is_kept(),
            }
        )

    @extend_schema(
        operation_id="deleteMe",
        request=DeleteAccountSerializer,
        responses={
            204: OpenApiResponse(description="It is done; no sign-in works any more."),
            409: OpenApiResponse(description="Something stands in the way; nothing was erased."),
        },
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """Delete my account, for good, after a sign-in of a few minutes ago."""
        _need_late_sign_in(request)
        read_body(request, DeleteAccountSerializer)
        try:
            delete_account(user=user_of(request))
        except CannotLeave as error:
            raise AccountHeld(str(error)) from None
        return Response(status=HTTPStatus.NO_CONTENT)


def _need_late_sign_in(request: Request) -> None:
    if not signed_in_lately(request):
        raise SignInAgain
