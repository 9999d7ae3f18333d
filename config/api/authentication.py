"""Who calls the API: the app's session token (django-allauth headless), or the console's own session."""

from typing import Any

from allauth.headless.contrib.rest_framework.authentication import XSessionTokenAuthentication
from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from customers.second_factor import lacks_second_factor

HEADER = "X-Session-Token"


class SecondFactorNeeded(PermissionDenied):
    default_code = "second_factor_needed"
    default_detail = _("Set up an authenticator app, or enter its code, and try again.")


class SessionTokenAuthentication(XSessionTokenAuthentication):  # type: ignore[misc]
    """A token that is not known, has ended or belongs to a closed account is refused, never taken for "nobody"."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        token = request.headers.get(HEADER)
        if token is None:
            return None
        found = authenticate_by_x_session_token(token) if token.isascii() and 0 < len(token) <= 200 else None
        if found is None or not found[0].is_active:
            raise AuthenticationFailed
        if lacks_second_factor(*found):
            raise SecondFactorNeeded
        speak_to(request, found[0])
        return found[0], found[1]

    def authenticate_header(self, request: Request) -> str:
        return f'{HEADER} realm="api"'


def speak_to(request: Request, user: Any) -> None:
    """The caller's own language where they have chosen one and the request asks for none."""
    if user.language and not request.headers.get("Accept-Language"):
        translation.activate(user.language)
