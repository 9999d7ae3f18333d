"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path

from orders.api import account

urlpatterns: list[URLPattern] = [
    path("me/export", account.Export.as_view(), name="api-me-export"),
    path("me/deletion", account.Deletion.as_view(), name="api-me-deletion"),
]
