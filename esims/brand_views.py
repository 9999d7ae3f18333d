"""The reseller's logo and colours, for the pages of customers: from this machine, from nobody else's."""

from typing import Literal

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from esims.brand import brand_stylesheet, read_logo

_YEAR, _MINUTES = 365 * 24 * 60 * 60, 5 * 60


@require_safe
def brand_colours(request: HttpRequest) -> HttpResponse:
    """A style sheet that sets the colours' tokens; empty where the house's are kept."""
    return _send(request, HttpResponse(brand_stylesheet(), content_type="text/css; charset=utf-8"))


@require_safe
def brand_logo(request: HttpRequest, theme: Literal["light", "dark"]) -> HttpResponse:
    """The picture."""
    logo = read_logo(theme)
    if logo is None:
        raise Http404
    return _send(request, HttpResponse(logo.content, content_type=logo.content_type))


def _send(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Nobody takes it for something else. An address with a version (``?v=``) leads to the same for ever."""
    if "v" in request.GET:
        patch_cache_control(response, public=True, max_age=_YEAR, immutable=True)
    else:
        patch_cache_control(response, public=True, max_age=_MINUTES)
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Robots-Tag"] = "noindex"
    return response
