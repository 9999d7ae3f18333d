"""The page behind the link of an invitation: choose a password, and be signed in. Kept by nobody on the way."""

from http import HTTPStatus

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from customers.forms_staff import JoinForm
from customers.inviting import accept_invitation, find_invitation
from customers.models import User
from customers.roles import find_role
from customers.staffing import StaffRefused


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """To look uses nothing up: programs that look at links in e-mails do so too."""
    invitation = find_invitation(token)
    if invitation is None:
        return _keep_private(render(request, "staff/join_gone.html", status=HTTPStatus.GONE))
    user = invitation.user
    with translation.override(_choose_language(request, user)):
        form = JoinForm(user, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                joined = accept_invitation(token=token, password=form.cleaned_data["new_password1"])
            except StaffRefused:
                return _keep_private(render(request, "staff/join_gone.html", status=HTTPStatus.GONE))
            return _keep_private(_sign_in(request, joined))
        context = {
            "form": form,
            "person": user,
            "role": find_role(user),
            "invitation": invitation,
            "needs_factor": settings.STAFF_MFA_REQUIRED,
            "brand": settings.BRAND_NAME,
        }
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
        return _keep_private(render(request, "staff/join.html", context, status=status))


def _choose_language(request: HttpRequest, user: User) -> str | None:
    """The one in which they were invited, until they choose another at the top of the page."""
    has_chosen = settings.LANGUAGE_COOKIE_NAME in request.COOKIES
    return translation.get_language() if has_chosen or not user.language else user.language


def _sign_in(request: HttpRequest, user: User) -> HttpResponse:
    """As with the password that was just chosen; whoever was signed in in this browser is not any more."""
    if request.user.is_authenticated:
        logout(request)
    response: HttpResponse = perform_password_login(request, {"email": user.email}, Login(user=user))
    return response


def _keep_private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return response
