"""The caller's own data: who they are, their devices, their sign-ins."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError as BadValue
from drf_spectacular.drainage import set_override
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api_access import PersonalView, find_customer, session_of, user_of
from customers.countries import COUNTRIES
from customers.customers import change_profile
from customers.devices import end_sessions, forget_device, remember_device
from customers.models import Device
from customers.second_factor import has_second_factor
from providers.api import PatternField, StrictSerializer, TextField, read_body

_LANGUAGES = ["", *(code for code, _name in settings.LANGUAGES)]


class SecondFactorSerializer(serializers.Serializer[Any]):
    is_required = serializers.BooleanField(help_text="Whether this person may not use the API without one.")
    is_set_up = serializers.BooleanField()


class MeSerializer(serializers.Serializer[Any]):
    """Who the caller is."""

    email = serializers.EmailField(help_text="Confirmed. Changed by `/_allauth/app/v1/account/email`.")
    name = serializers.CharField()
    phone = serializers.CharField(help_text='"" where none is known.')
    country = serializers.CharField(help_text='ISO 3166-1 alpha-2; "" where none is known.')
    language = serializers.ChoiceField(
        choices=_LANGUAGES, help_text='Of answers and messages; "": as `Accept-Language` says.'
    )
    time_zone = serializers.CharField(help_text='Of the tz database; "": the office\'s own.')
    has_password = serializers.BooleanField(help_text="False: they sign in by codes.")
    is_customer = serializers.BooleanField(help_text="Whether they can buy for themselves.")
    is_staff = serializers.BooleanField()
    permissions = serializers.ListField(child=serializers.CharField(), help_text="Of staff; of others empty.")
    second_factor = SecondFactorSerializer()


class OneOfMany(TextField):
    """One of more words than a description can list: it names their kind by ``format``."""

    def __init__(self, words: Collection[str], *, kind: str, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.words = words
        set_override(self, "field", {"type": "string", "format": kind})

    def to_internal_value(self, data: Any) -> Any:
        word = super().to_internal_value(data)
        if word not in self.words:
            self.fail("invalid")
        return word


class MeChangeSerializer(StrictSerializer):
    """What is not named stays. Name, phone and country are those of customers."""

    name = TextField(required=False, max_length=150)
    phone = PatternField(r"\+?[0-9 ().\-]{0,31}", required=False, allow_blank=True, max_length=32)
    country = OneOfMany(
        COUNTRIES, kind="country-code", required=False, allow_blank=True, help_text='ISO 3166-1 alpha-2, or "".'
    )
    language = serializers.ChoiceField(choices=_LANGUAGES, required=False)
    time_zone = OneOfMany(
        available_timezones(),
        kind="time-zone",
        required=False,
        allow_blank=True,
        help_text='Of the tz database, or "".',
    )


class Me(PersonalView):
    """The caller's profile."""

    @extend_schema(operation_id="readMe", responses=MeSerializer, tags=["me"])
    def get(self, request: Request) -> Response:
        """Who is signed in."""
        return Response(_describe(request))

    @extend_schema(operation_id="changeMe", request=MeChangeSerializer, responses=MeSerializer, tags=["me"])
    def patch(self, request: Request) -> Response:
        """Change name, phone, country, language or time zone."""
        fields: Any = read_body(request, MeChangeSerializer)
        try:
            change_profile(user=user_of(request), **fields)
        except BadValue as error:
            raise ValidationError(
                {name: [ErrorDetail(text, code="invalid") for text in texts] for name, texts in _by_field(error)}
            ) from None
        user_of(request).refresh_from_db()
        return Response(_describe(request))


def _by_field(error: BadValue) -> list[tuple[str, list[str]]]:
    return list(error.message_dict.items())


def _describe(request: Request) -> dict[str, Any]:
    user, customer = user_of(request), find_customer(request)
    return {
        "email": user.email,
        "name": customer.name if customer else user.get_full_name(),
        "phone": customer.phone if customer else "",
        "country": customer.country if customer else "",
        "language": user.language,
        "time_zone": user.time_zone,
        "has_password": user.has_usable_password(),
        "is_customer": customer is not None,
        "is_staff": user.is_staff,
        "permissions": sorted(user.get_all_permissions()) if user.is_staff else [],
        "second_factor": {
            "is_required": user.is_staff and settings.STAFF_MFA_REQUIRED,
            "is_set_up": has_second_factor(user),
        },
    }


class Sessions(PersonalView):
    """All sign-ins of the caller."""

    @extend_schema(
        operation_id="signOutEverywhere",
        request=None,
        responses={204: OpenApiResponse(description="Every sign-in has ended, this one too.")},
        tags=["me"],
    )
    def delete(self, request: Request) -> Response:
        """Sign out everywhere, in the app and in the browser. Devices are forgotten."""
        end_sessions(user=user_of(request), session_key=session_of(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class DeviceSerializer(serializers.Serializer[Any]):
    """A device that may be sent push messages."""

    id = serializers.IntegerField()
    platform = serializers.ChoiceField(choices=[value for value, _label in Device.Platform.choices])
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()


class DeviceListSerializer(serializers.Serializer[Any]):
    """At most twenty."""

    results = DeviceSerializer(many=True)


class NewDeviceSerializer(StrictSerializer):
    token = PatternField(r"[!-~]{8,500}", max_length=500, help_text="Given by the push service to this installation.")
    platform = serializers.ChoiceField(choices=[value for value, _label in Device.Platform.choices])
    name = TextField(required=False, allow_blank=True, max_length=80, default="", help_text="As people call it.")


class Devices(PersonalView):
    """The caller's devices."""

    @extend_schema(operation_id="listDevices", responses=DeviceListSerializer, tags=["me"])
    def get(self, request: Request) -> Response:
        """Devices that push messages go to, while they are signed in."""
        return Response({"results": [_device(row) for row in Device.objects.filter(user=user_of(request))]})

    @extend_schema(
        operation_id="registerDevice",
        request=NewDeviceSerializer,
        responses={
            200: OpenApiResponse(DeviceSerializer, description="It was known."),
            201: OpenApiResponse(DeviceSerializer, description="It is new."),
        },
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """Store the push token of this phone. Send it at each start of the app: the newest sign-in counts."""
        fields = read_body(request, NewDeviceSerializer)
        device, is_new = remember_device(user=user_of(request), session_key=session_of(request), **fields)
        return Response(_device(device), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


class DeviceItem(PersonalView):
    """One of the caller's devices."""

    @extend_schema(
        operation_id="forgetDevice",
        request=None,
        responses={204: OpenApiResponse(description="Nothing is sent to it any more.")},
        tags=["me"],
    )
    def delete(self, request: Request, pk: int) -> Response:
        """Forget a device."""
        if not forget_device(user=user_of(request), pk=pk):
            raise NotFound
        return Response(status=HTTPStatus.NO_CONTENT)


def _device(row: Device) -> dict[str, Any]:
    return {
        "id": row.pk,
        "platform": row.platform,
        "name": row.name,
        "created_at": row.created_at,
        "seen_at": row.seen_at,
    }
