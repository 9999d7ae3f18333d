"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path

from esims import api

urlpatterns: list[URLPattern] = [
    path("esims", api.Esims.as_view(), name="api-esims"),
    path("esims/<int:esim_id>", api.OneEsim.as_view(), name="api-esim"),
    path("esims/<int:esim_id>/qr.png", api.QrPng.as_view(), name="api-esim-qr-png"),
    path("esims/<int:esim_id>/qr.svg", api.QrSvg.as_view(), name="api-esim-qr-svg"),
    path("esims/<int:esim_id>/activation", api.Activation.as_view(), name="api-esim-activation"),
    path("esims/<int:esim_id>/guide", api.Guide.as_view(), name="api-esim-guide"),
    path("esims/<int:esim_id>/refresh", api.Refresh.as_view(), name="api-esim-refresh"),
    path("esims/<int:esim_id>/suspension", api.Suspension.as_view(), name="api-esim-suspension"),
    path("esims/<int:esim_id>/release", api.Release.as_view(), name="api-esim-release"),
]
