"""Pages that belong to no app: errors, colours, robots."""

from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from config.api.problems import is_for_api, problem_response
from config.context_processors import THEME_COOKIE, THEMES
from customers.access import MissingPermission, NothingHere, NotStaff, is_partial

_YEAR = 365 * 24 * 60 * 60


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember light or dark in a cookie; anything else forgets it. Then back to where the person was."""
    theme = request.POST.get("theme", "")
    response = HttpResponseRedirect(_back(request))
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _back(request: HttpRequest) -> str:
    for address in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
            return address
    return "/"


@require_safe
@cache_control(max_age=86400, public=True)
def robots(_request: HttpRequest) -> HttpResponse:
    """A back office is nobody's search result. Customers' links may be read: who must not read a page never learns from
    it that it is not to be listed, and lists its bare address, where somebody posted it.
    """
    return HttpResponse("User-agent: *\nAllow: /l/\nDisallow: /\n", content_type="text/plain; charset=utf-8")


# -- Errors -----------------------------------------------------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _failure(request, HTTPStatus.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Says whether the console is not for this person at all, or which permission is missing."""
    missing = exception.permission if isinstance(exception, MissingPermission) else ""
    user = getattr(request, "user", None)
    not_staff = isinstance(exception, NotStaff) or (user is not None and user.is_authenticated and not user.is_staff)
    return _failure(
        request,
        HTTPStatus.FORBIDDEN,
        not_staff=not_staff,
        missing=missing,
        missing_name=_permission_name(missing) if missing else "",
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Says why, where the view knew."""
    reason = exception.reason if isinstance(exception, NothingHere) else ""
    return _failure(request, HTTPStatus.NOT_FOUND, reason=reason)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Whatever was asked for too often here is counted by the minute."""
    response = _failure(request, HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = "60"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was too old, or came from elsewhere. ``reason`` is for the log, which Django writes."""
    return _failure(request, HTTPStatus.FORBIDDEN, template="errors/csrf.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """Leans on nothing that may just have failed: no session, no database, no manifest of static files."""
    if is_for_api(request):
        return problem_response(request, HTTPStatus.INTERNAL_SERVER_ERROR)
    stylesheets = []
    for name in ("css/tokens.css", "css/base.css", "css/shell.css", "css/components.css"):
        try:
            stylesheets.append(staticfiles_storage.url(name))
        except ValueError:
            break
    body = render_to_string("errors/500.html", {"stylesheets": stylesheets, "request_id": _request_id()})
    return HttpResponse(body, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _failure(request: HttpRequest, status: HTTPStatus, *, template: str = "", **context: Any) -> HttpResponse:
    if is_for_api(request):
        return problem_response(request, status)
    user = getattr(request, "user", None)
    is_staff = user is not None and user.is_authenticated and user.is_staff
    context |= {
        "status": int(status),
        "request_id": _request_id(),
        "user": user,
        "layout": "base.html" if is_staff else "entrance.html",
    }
    if is_partial(request):
        return render(request, "errors/fragment.html", context, status=status)
    return render(request, template or f"errors/{int(status)}.html", context, status=status)


def _request_id() -> str:
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _permission_name(permission: str) -> str:
    """What the permission lets a person do, in words; the codename where no row says."""
    app, _dot, codename = permission.partition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
    return gettext(found.name) if found is not None else permission
