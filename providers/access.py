"""Who may open a page of the console. It knows only "staff" and permission names, so every floor can use it.

Anonymous people are sent to the sign-in page and come back. Signed-in people who are no staff, or lack the permission,
get the 403 page, which names what is missing. Partial requests (htmx) get a redirect of the whole page, or a fragment.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers

Args = ParamSpec("Args")
View = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]


class NotStaff(PermissionDenied):
    """Signed in, but the console is not for this person."""


class MissingPermission(PermissionDenied):
    """Staff, but without ``permission`` ("app.codename")."""

    def __init__(self, permission: str) -> None:
        super().__init__(permission)
        self.permission = permission


class NothingHere(Http404):
    """A 404 whose page says why, with ``reason`` in the reader's language."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_partial(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def staff_page(permission: str | None = None) -> Callable[[View[Args]], View[Args]]:
    """Guard a function view: staff only, holding ``permission`` ("app.codename") where one is named.

    Answers are never cached unless the view says otherwise itself.
    """

    def guard(view: View[Args]) -> View[Args]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
            refused = refuse_entry(request, permission)
            return refused if refused is not None else _uncached(view(request, *args, **kwargs))

        return guarded

    return guard


class StaffPageMixin:
    """The same guard for a class-based view: put it first and set ``permission``."""

    permission: str | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        refused = refuse_entry(request, self.permission)
        if refused is not None:
            return refused
        return _uncached(super().dispatch(request, *args, **kwargs))  # type: ignore[misc]


def refuse_entry(request: HttpRequest, permission: str | None) -> HttpResponse | None:
    """The way to the sign-in page for strangers, None for those who may enter.

    Raises :class:`NotStaff` or :class:`MissingPermission` for the others.
    """
    user = request.user
    if not user.is_authenticated:
        return _to_sign_in(request)
    if not user.is_staff:
        raise NotStaff
    if permission is not None and not user.has_perm(permission):
        raise MissingPermission(permission)
    return None


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if not is_partial(request):
        return redirect_to_login(request.get_full_path())
    # A partial must not be where the person lands after signing in: the page that asked for it is.
    page = urlsplit(request.headers.get("HX-Current-URL", ""))
    back = page._replace(scheme="", netloc="", fragment="").geturl() or "/"
    response = HttpResponse(status=401)
    response["HX-Redirect"] = redirect_to_login(back, resolve_url(settings.LOGIN_URL)).url
    return response


def _uncached(response: HttpResponseBase) -> HttpResponseBase:
    if not response.has_header("Cache-Control"):
        add_never_cache_headers(response)
    return response
