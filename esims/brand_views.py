"""The reseller's logo and colours, for the pages of customers: from this machine, from nobody else's."""

from typing import Literal

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from esims.brand import brand_stylesheet, read_logo

#: The address names the version: what it leads to never changes.
_YEAR = 365 * 24 * 60 * 60


@require_safe
@cache_control(public=True, max_age=_YEAR, immutable=True)
def brand_colours(_request: HttpRequest) -> HttpResponse:
    """A style sheet that sets the colours' tokens; empty where the house's are kept."""
    return _harmless(HttpResponse(brand_stylesheet(), content_type="text/css; charset=utf-8"))


@require_safe
@cache_control(public=True, max_age=_YEAR, immutable=True)
def brand_logo(_request: HttpRequest, theme: Literal["light", "dark"]) -> HttpResponse:
    """The picture."""
    logo = read_logo(theme)
    if logo is None:
        raise Http404
    return _harmless(HttpResponse(logo.content, content_type=logo.content_type))


def _harmless(response: HttpResponse) -> HttpResponse:
    """Nothing in it runs, also where somebody opens a drawing by itself, and nobody takes it for something else."""
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Robots-Tag"] = "noindex"
    return response
