"""Addresses of version 1, gathered from the apps, and the pages about the API."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, resolve
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from config.api.problems import TITLES, problem_response
from config.api.reference import read_reference

v1_urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("catalog.api_urls")),
    path("", include("customers.api_urls")),
    path("", include("esims.api_urls")),
    path("", include("orders.api.urls")),
]


@csrf_exempt
def nothing_here(request: HttpRequest) -> HttpResponse:
    """An address below ``/api/`` that does not exist."""
    return problem_response(request, HTTPStatus.NOT_FOUND)


@csrf_exempt
def without_slash(request: HttpRequest) -> HttpResponse:
    """No address of version 1 ends with a slash. Who writes one is sent on, with method and body (308)."""
    address, _mark, query = request.get_full_path().partition("?")
    address = address.rstrip("/")
    # Nothing there: the last pattern takes everything, and has no name.
    if resolve(request.path.rstrip("/")).url_name is None:
        return problem_response(request, HTTPStatus.NOT_FOUND)
    return HttpResponsePermanentRedirect(f"{address}?{query}" if query else address, preserve_request=True)


@require_safe
@cache_control(max_age=3600, public=True)
def problems(request: HttpRequest) -> HttpResponse:
    """What the codes of errors mean; every error's ``type`` leads here."""
    return render(request, "api/problems.html", {"problems": TITLES.items()})


#: The subjects of operations, in the order in which an app comes by them.
SUBJECTS = {
    "catalogue": _("Catalogue"),
    "orders": _("Orders"),
    "esims": _("eSIMs"),
    "top-ups": _("Top-ups"),
    "notifications": _("Notifications"),
    "me": _("Me"),
    "staff": _("Staff"),
}
#: The sign-in is allauth's, which describes itself elsewhere: what for, method, address, body.
SIGN_IN = (
    (_("Make an account"), "POST", "auth/signup", "email, password, name?, language?"),
    (_("Confirm the address with the code from the mail"), "POST", "auth/email/verify", "key"),
    (_("Sign in with a password"), "POST", "auth/login", "email, password"),
    (_("Have a code sent"), "POST", "auth/code/request", "email"),
    (_("Sign in with the code"), "POST", "auth/code/confirm", "code"),
    (_("Forgot the password: have a code sent"), "POST", "auth/password/request", "email"),
    (_("Set a new password with the code"), "POST", "auth/password/reset", "key, password"),
    (_("Show again that it is you"), "POST", "auth/reauthenticate", "password"),
    (_("Change the address"), "POST", "account/email", "email"),
    (_("Change the password"), "POST", "account/password/change", "current_password, new_password"),
    (_("Sign out"), "DELETE", "auth/session", ""),
)


@require_safe
@gzip_page
def docs(request: HttpRequest) -> HttpResponse:
    """Every operation of the API, to read, to search and to try."""
    wish = request.GET.get("q", "")
    found = read_reference().find(wish)
    names = [*SUBJECTS, *(name for name in found.subjects if name not in SUBJECTS)]
    subjects = [(name, SUBJECTS.get(name, name), found.subjects[name]) for name in names if name in found.subjects]
    context = {"wish": wish, "subjects": subjects, "bodies": found.bodies, "problems": TITLES.items(), "steps": SIGN_IN}
    return render(request, "api/docs.html", context)
