"""Errors of the API: RFC 9457 problem details, the same shape everywhere (docs/api.md lists the codes).

``code`` is stable and meant for programs; ``title`` and ``detail`` are for people, in the reader's language.
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE = "application/problem+json"
log = structlog.get_logger(__name__)

#: code → what went wrong, for people. A code is never renamed and never means something else.
TITLES: Mapping[str, Any] = {
    "malformed": _("The request could not be read."),
    "invalid": _("Something in the request is not valid."),
    "not_signed_in": _("Sign in first."),
    "not_allowed": _("You may not do this."),
    "second_factor_needed": _("Staff need a second factor here."),
    "sign_in_again": _("Show once more that it is you."),
    "not_found": _("There is nothing here, or it is not yours."),
    "method_not_allowed": _("This cannot be done here."),
    "not_acceptable": _("No such representation exists."),
    "unsupported_media_type": _("The body is in a form that is not understood."),
    "too_many_requests": _("Too many requests. Wait a little."),
    "precondition_failed": _("It has changed meanwhile."),
    "key_missing": _("The header Idempotency-Key is needed."),
    "key_reused": _("This Idempotency-Key was used for another request."),
    "key_in_flight": _("The first request with this Idempotency-Key is still being worked on."),
    "refused": _("This cannot be done now."),
    "price_changed": _("The price has changed."),
    "payment_refused": _("The payment cannot be taken."),
    "provider_unavailable": _("The provider could not be asked."),
    "server_error": _("Something went wrong at our side."),
}
_BY_STATUS: Mapping[int, str] = {
    400: "malformed",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    412: "precondition_failed",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
}
#: DRF's own words for what has a code here.
_OWN_WORDS = frozenset(TITLES)


def make_problem(status: int, *, code: str = "", detail: Any = "", errors: Sequence[Any] = ()) -> dict[str, Any]:
    """The members of one problem. An unknown ``code`` is an error of ours: ``KeyError``."""
    code = code or _BY_STATUS.get(status, "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused")
    problem: dict[str, Any] = {
        "type": f"{settings.SITE_URL}/api/problems#{code}",
        "title": str(TITLES[code]),
        "status": int(status),
        "code": code,
        "request_id": str(structlog.contextvars.get_contextvars().get("request_id", "")),
    }
    if detail:
        problem["detail"] = str(detail)
    if errors:
        problem["errors"] = list(errors)
    return problem


def problem_response(request: HttpRequest, status: int, **members: Any) -> JsonResponse:
    """For errors that happen outside the API's own views: an unknown address, a failure of ours."""
    return JsonResponse(make_problem(status, **members), status=status, content_type=CONTENT_TYPE)


def is_for_api(request: HttpRequest) -> bool:
    """Whether errors at this address have the API's shape."""
    return request.path_info.startswith("/api/")


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. What is not foreseen goes on to Django, which logs it and asks ``handler500``."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    status, code, detail, errors = _read(error)
    response = Response(make_problem(status, code=code, detail=detail, errors=errors), status=status)
    response.content_type = CONTENT_TYPE
    _add_headers(response, error)
    return response


def _read(error: exceptions.APIException) -> tuple[int, str, Any, list[dict[str, str]]]:
    """Status, code, detail for people, and what is wrong where."""
    if isinstance(error, exceptions.ValidationError):
        place = getattr(error, "place", "body")
        return HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "", list(_flatten(error.get_full_details(), place))
    status = error.status_code
    given = getattr(error.detail, "code", "")
    code = given if given in _OWN_WORDS else ""
    # What DRF itself says beyond its status is of no use to people who read our title.
    detail = error.detail if code or status in (HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED) else ""
    field = getattr(error, "field", "")
    errors = [{"in": "body", "path": field, "code": code or "refused", "message": str(error.detail)}] if field else []
    return status, code, detail, errors


def _flatten(found: Any, place: str, path: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested details as rows; ``path`` is dotted, "" for what concerns the whole."""
    if isinstance(found, Mapping) and set(found) == {"message", "code"} and not isinstance(found["code"], Mapping):
        yield {"in": place, "path": path, "code": str(found["code"]), "message": str(found["message"])}
    elif isinstance(found, Mapping):
        for name, inner in found.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, place, ".".join(part for part in (path, step) if part))
    else:
        for number, inner in enumerate(found):
            is_row = isinstance(inner, Mapping) and set(inner) == {"message", "code"}
            deeper = path if is_row else ".".join(part for part in (path, str(number)) if part)
            yield from _flatten(inner, place, deeper)


def _add_headers(response: Response, error: exceptions.APIException) -> None:
    if (challenge := getattr(error, "auth_header", "")) != "":
        response["WWW-Authenticate"] = challenge
    wait = getattr(error, "wait", None)
    if wait is not None:
        response["Retry-After"] = str(max(1, int(wait + 0.999)))
    for name, value in getattr(error, "headers", {}).items():
        response[name] = value
