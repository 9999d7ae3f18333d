"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern, path

from catalog import api

urlpatterns: list[URLPattern] = [
    path("destinations", api.Destinations.as_view(), name="api-destinations"),
    path("regions", api.Regions.as_view(), name="api-regions"),
    path("plans", api.Plans.as_view(), name="api-plans"),
    path("plans/<int:plan_id>", api.OnePlan.as_view(), name="api-plan"),
]
