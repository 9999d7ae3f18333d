"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path

from orders.api import account, notice_choices

urlpatterns: list[URLPattern] = [
    path("me/notification-choices", notice_choices.NoticeChoices.as_view(), name="api-me-notification-choices"),
    path("me/export", account.Export.as_view(), name="api-me-export"),
    path("me/deletion", account.Deletion.as_view(), name="api-me-deletion"),
]
