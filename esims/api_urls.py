"""Addresses of the API that belong to this app, below ``/api/v1/``."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
