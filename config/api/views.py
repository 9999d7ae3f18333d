"""Addresses of version 1, gathered from the apps, and the pages about the API."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from config.api.problems import TITLES, problem_response

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


@require_safe
@cache_control(max_age=3600, public=True)
def problems(request: HttpRequest) -> HttpResponse:
    """What the codes of errors mean; every error's ``type`` leads here."""
    return render(request, "api/problems.html", {"problems": TITLES.items()})


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The description of the API to read and to try, drawn in the browser from ``/api/schema/``."""
    return render(request, "api/docs.html")
