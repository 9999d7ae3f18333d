"""One id for everything that one request does, and a look at the bodies that allauth reads."""

import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.utils import json

from config.api.bodies import look_through
from config.api.problems import TITLES

_ACCEPTED = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class RequestIdMiddleware:
    """``X-Request-ID`` in and out, and on every line of the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class SignInBodies:
    """Refuses (400) what the API's own parser does, where django-allauth reads bodies itself: at the sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.namespaces[:1] != ["headless"] or not request.body:
            return None
        try:
            look_through(json.loads(request.body.decode()))
        except (ValueError, RecursionError):
            # The shape that allauth's own refusals have.
            error = {"code": "malformed", "message": str(TITLES["malformed"])}
            return JsonResponse({"status": 400, "errors": [error]}, status=HTTPStatus.BAD_REQUEST)
        return None
