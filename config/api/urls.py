"""``/api/``: version 1, its description, and the pages about it."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from config.api import views

urlpatterns = [
    path("v1/", include(views.v1_urlpatterns)),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", views.docs, name="api-docs"),
    path("problems", views.problems, name="api-problems"),
    re_path(r"^v1/.+/$", views.without_slash),
    re_path(r"^", views.nothing_here),
]
