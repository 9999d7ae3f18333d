"""The admin site: the console's own sign-in, sign-out and password pages stand before it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from customers.access import refuse_entry


class RoamdeskAdminSite(admin.AdminSite):
    site_header = _("Roamdesk admin")
    site_title = _("Roamdesk admin")
    index_title = _("Everything in the office")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Anonymous people sign in where everybody does; people who are no staff get the console's 403 page."""
        wanted = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
            wanted = resolve_url("admin:index")
        if not request.user.is_authenticated:
            return redirect_to_login(wanted)
        refuse_entry(request, None)
        return HttpResponseRedirect(wanted)

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """By POST, as everywhere; then to the sign-in page."""
        return LogoutView.as_view(next_page="account_login")(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        return redirect("account_change_password")
