"""The caller's own data."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import User


class ProfileSerializer(serializers.ModelSerializer[User]):
    """Who the caller is."""

    language = serializers.ChoiceField(choices=[(code, name) for code, name in settings.LANGUAGES], allow_blank=True)

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "language", "time_zone", "is_staff")
        read_only_fields = ("email", "is_staff")


class Me(APIView):
    """The caller's profile."""

    @extend_schema(operation_id="readMe", responses=ProfileSerializer)
    def get(self, request: Request) -> Response:
        return Response(ProfileSerializer(request.user).data)

    @extend_schema(operation_id="changeMe", request=ProfileSerializer, responses=ProfileSerializer)
    def patch(self, request: Request) -> Response:
        form: Any = ProfileSerializer(request.user, data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        form.save()
        return Response(form.data)
