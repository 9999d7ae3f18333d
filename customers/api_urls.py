"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path

from customers import api

urlpatterns: list[URLPattern] = [
    path("me", api.Me.as_view(), name="api-me"),
    path("me/sessions", api.Sessions.as_view(), name="api-me-sessions"),
    path("me/devices", api.Devices.as_view(), name="api-me-devices"),
    path("me/devices/<int:pk>", api.DeviceItem.as_view(), name="api-me-device"),
]
