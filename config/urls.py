"""Every address of the project."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path

from config import health, views
from config.api.views import nothing_here

urlpatterns = [
    # Wholesalers are answered in milliseconds: their addresses are looked at first.
    path("", include("providers.urls")),
    path("", include("orders.urls")),
    path("", include("esims.urls")),
    path("", include("customers.urls")),
    path("", include("catalog.urls")),
    path("api/", include("config.api.urls")),
    # allauth has these addresses whether or not phone numbers are told apart; here nobody signs in with one.
    re_path(r"^_allauth/app/v1/(?:account/phone|auth/phone/)", nothing_here),
    path("_allauth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/second-factor/", include("allauth.mfa.urls")),
    path("admin/", admin.site.urls),
    path("theme/", views.set_theme, name="set-theme"),
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("robots.txt", views.robots, name="robots"),
]
if settings.DEMO:
    urlpatterns.append(path("example-app/", include("config.demo.example_app")))

handler400 = "config.views.bad_request"
handler403 = "config.views.permission_denied"
handler404 = "config.views.page_not_found"
handler429 = "config.views.too_many_requests"
handler500 = "config.views.server_error"
