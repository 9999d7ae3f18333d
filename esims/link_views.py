"""The page that a customer reaches by a link, without signing in: for whoever has the link, and nobody else.

An unknown, an expired and a revoked link get the same answer. Nothing is kept by anybody on the way, no search engine
takes it up, and no other host hears of it.
"""

import hashlib
from http import HTTPStatus
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from esims.brand import read_brand
from esims.link_page import Asked, read_link_page, shows_code
from esims.links import find_link
from esims.models import Esim
from esims.own_guide import PLATFORM_LABELS, PhoneKind
from esims.qr import qr_png
from providers.webhooks import find_sender

_MINUTE = 60
#: Nobody's phone has a longer name.
_LONGEST_PHONE = 80


@require_safe
def line_link(request: HttpRequest, token: str) -> HttpResponse:
    """The line: its code, how to install it, how it is doing. ``?os=iphone&phone=pixel+8&lang=ja``"""
    esim = _find(request, token)
    if isinstance(esim, HttpResponse):
        return esim
    with _speak_to(request, esim):
        asked = _read_asked(request)
        page = read_link_page(esim, asked)
        context = {
            "page": page,
            "token": token,
            "asked": asked,
            "languages": [(code, label, _address(request, lang=code)) for code, label in settings.LANGUAGES],
            "platforms": [
                (code, label, _address(request, os=code) + "#install") for code, label in PLATFORM_LABELS.items()
            ],
            "kept": [(name, request.GET[name]) for name in ("lang", "os") if name in request.GET],
            "brand": read_brand(),
        }
        return _keep_private(render(request, "esims/line_link.html", context))


@require_safe
def line_link_qr(request: HttpRequest, token: str) -> HttpResponse:
    """The line's QR code as a PNG, for as long as the page shows it."""
    esim = _find(request, token)
    if isinstance(esim, HttpResponse):
        return esim
    if not shows_code(esim):
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
    with translation.override(_asked_language(request) or translation.get_language()):
        context = {"too_often": status == HTTPStatus.TOO_MANY_REQUESTS, "brand": read_brand()}
        return _keep_private(render(request, "esims/line_link_gone.html", context, status=status))


def _read_asked(request: HttpRequest) -> Asked:
    """What the address says was chosen; anything else is as if nothing were."""
    chosen = request.GET.get("os", "")
    return Asked(
        platform=PhoneKind(chosen) if chosen in set(PhoneKind) else None,
        phone=" ".join(request.GET.get("phone", "").split())[:_LONGEST_PHONE],
        user_agent=request.headers.get("User-Agent", ""),
    )


def _address(request: HttpRequest, **changes: str) -> str:
    """This page with another choice, the others as they are."""
    chosen = {name: request.GET[name] for name in ("lang", "os", "phone") if request.GET.get(name)}
    return f"?{urlencode({**chosen, **changes})}"


def _asked_language(request: HttpRequest) -> str:
    language = request.GET.get("lang", "")
    return language if language in dict(settings.LANGUAGES) else ""


def _speak_to(request: HttpRequest, esim: Esim) -> translation.override:
    """The language that was chosen on the page; else the customer's, whatever the browser asks for; else that."""
    language = _asked_language(request) or esim.customer.language
    known = language if language in dict(settings.LANGUAGES) else translation.get_language()
    return translation.override(known)


def _keep_private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Content-Type-Options"] = "nosniff"
    return response
