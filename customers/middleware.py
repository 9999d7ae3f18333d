"""The signed-in person's language and time zone, the second factor that their pages may need, and locked sign-ins."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode

from customers.locking import REFUSED_FOR
from customers.second_factor import has_second_factor, lacks_second_factor
from providers.access import is_partial


class PersonalSettingsMiddleware:
    """Pages speak the person's language and show their time zone, whatever the browser asks for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if user.is_authenticated and user.language:
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        zone = user.time_zone if user.is_authenticated else ""
        try:
            timezone.activate(ZoneInfo(zone) if zone else timezone.get_default_timezone())
        except (ZoneInfoNotFoundError, ValueError):
            timezone.deactivate()
        return self.get_response(request)


class SecondFactorMiddleware:
    """Staff who need a second factor set one up, or show it, before any page of the console or the admin opens.

    The API looks for itself (``config/api/authentication.py``): there a redirect would be of no use.
    """

    #: What is needed to get there, and to leave.
    OPEN = frozenset({"account_logout", "account_reauthenticate", "set_language", "set-theme", "healthz", "readyz"})

    #: What is typed there may be personal: it goes into no other page's address.
    WITHOUT_WORDS = frozenset({"search"})

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        match, user = request.resolver_match, request.user
        if match is None or not user.is_authenticated or not lacks_second_factor(user, request.session):
            return None
        name = match.url_name or ""
        if name in self.OPEN or name.startswith("mfa_") or match.namespaces[:1] == ["headless"] or _is_api(request):
            return None
        if has_second_factor(user):
            back = request.path if name in self.WITHOUT_WORDS else request.get_full_path()
            words = {REDIRECT_FIELD_NAME: back if request.method == "GET" else "/"}
            address = f"{reverse('mfa_reauthenticate')}?{urlencode(words)}"
        else:
            address = reverse("mfa_activate_totp")
        if is_partial(request):
            return HttpResponse(status=401, headers={"HX-Redirect": address})
        return redirect(address)


class LockOutMiddleware:
    """Who is refused because too many attempts failed learns when to come back: 429 and ``Retry-After``.

    The app's sign-in answers 400 with ``too_many_login_attempts``, as all its mistakes; it gets the header too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        seconds = getattr(request, REFUSED_FOR, 0)
        if seconds:
            response["Retry-After"] = str(seconds)
            if response.status_code == HTTPStatus.OK:
                response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return response


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
