"""Who may use an operation of the API, and what every answer about a person carries.

Signing in, and the second factor of staff, are looked at before (``config/api/authentication.py``): what comes here is
somebody, or nobody at all.
"""

import time
from typing import Any

from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Customer, User
from customers.second_factor import METHODS

#: After so many seconds what cannot be undone asks for the password or a code again. The same as allauth's.
LATELY_SECONDS = 300


class PersonalView(APIView):
    """An operation whose answer belongs to the caller alone: kept nowhere on its way."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        if not answer.has_header("Cache-Control"):
            answer["Cache-Control"] = "no-store"
        patch_vary_headers(answer, ("X-Session-Token", "Accept-Language"))
        return answer


class IsCustomer(BasePermission):
    """The caller buys and travels: there is a customer of theirs. Staff need not have one."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return find_customer(request) is not None


def StaffMay(permission: str) -> type[BasePermission]:  # noqa: N802 - it stands where a class does
    """Staff who hold ``permission`` ("app.codename"). May be joined: ``IsCustomer | StaffMay(…)``."""

    class Held(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            return staff_may(request, permission)

    return Held


def staff_may(request: Request, permission: str) -> bool:
    """Whether the caller is of the staff and holds ``permission``."""
    user = request.user
    return isinstance(user, User) and user.is_active and user.is_staff and user.has_perm(permission)


def find_customer(request: Request) -> Customer | None:
    """The caller's own customer; None for those who have none and for nobody."""
    user = request.user
    found: Customer | None = getattr(user, "customer", None) if isinstance(user, User) else None
    return found


def customer_of(request: Request) -> Customer:
    """The caller's own customer. Who has none is refused: 401 for nobody, 403 for the others."""
    customer = find_customer(request)
    if customer is None:
        raise PermissionDenied if user_of(request) else NotAuthenticated
    return customer


def user_of(request: Request) -> User:
    """The caller. Nobody is refused: 401."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def session_of(request: Request) -> str:
    """The key of the sign-in by which the caller comes."""
    return str(getattr(request.auth, "session_key", None) or "")


def signed_in_lately(request: Request) -> bool:
    """Whether the caller gave a password or a code a few minutes ago: a phone that lies open is not enough."""
    session: Any = request.auth
    records = (session.get(METHODS) or []) if session is not None else []
    return any(time.time() - record.get("at", 0) < LATELY_SECONDS for record in records)
