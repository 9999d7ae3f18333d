"""The page that a customer reaches by a link, without signing in: for whoever has the link, and nobody else.

An unknown, an expired and a revoked link get the same answer. Nothing is kept by anybody on the way, no search engine
takes it up, and no other host hears of it.
"""

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from esims.link_page import read_link_page
from esims.links import find_link
from esims.models import Esim
from esims.qr import qr_png
from providers.webhooks import find_sender

_MINUTE = 60


@require_safe
def line_link(request: HttpRequest, token: str) -> HttpResponse:
    """The line: its code, how to install it, how it is doing."""
    esim = _find(request, token)
    if isinstance(esim, HttpResponse):
        return esim
    with _speak_to(esim):
        context = {"page": read_link_page(esim), "token": token, **_brand()}
        return _keep_private(render(request, "esims/line_link.html", context))


@require_safe
def line_link_qr(request: HttpRequest, token: str) -> HttpResponse:
    """The line's QR code as a PNG, for as long as the page shows it."""
    esim = _find(request, token)
    if isinstance(esim, HttpResponse):
        return esim
    if read_link_page(esim).links is None:
        return _refuse(request, 404)
    response = HttpResponse(qr_png(esim.lpa), content_type="image/png")
    response["Content-Disposition"] = 'inline; filename="esim.png"'
    return _keep_private(response)


def _find(request: HttpRequest, token: str) -> Esim | HttpResponse:
    """The line behind the token, or the answer that says no."""
    key = _guesses_key(request)
    guesses: int = cache.get(key, 0)
    if guesses >= settings.LINE_LINK_GUESSES:
        response = _refuse(request, 429)
        response["Retry-After"] = str(_MINUTE)
        return response
    link = find_link(token)
    if link is not None:
        return link.esim
    # Two at once may count as one: a limit of politeness. What keeps strangers out is the length of the token.
    cache.set(key, guesses + 1, timeout=_MINUTE * 2)
    return _refuse(request, 404)


def _guesses_key(request: HttpRequest) -> str:
    """Under which the wrong words of this caller in this minute are counted; the address itself is not kept."""
    address = hashlib.sha256(find_sender(request).encode()).hexdigest()[:32]
    return f"line-link:{address}:{int(timezone.now().timestamp()) // _MINUTE}"


def _refuse(request: HttpRequest, status: int) -> HttpResponse:
    response = render(request, "esims/line_link_gone.html", {"too_often": status == 429, **_brand()}, status=status)
    return _keep_private(response)


def _speak_to(esim: Esim) -> translation.override:
    """The customer's language, where it is known, whatever the browser asks for."""
    language = esim.customer.language
    known = language if language in dict(settings.LANGUAGES) else translation.get_language()
    return translation.override(known)


def _brand() -> dict[str, str]:
    return {"brand": settings.BRAND_NAME, "contact": settings.BRAND_CONTACT}


def _keep_private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Content-Type-Options"] = "nosniff"
    return response
