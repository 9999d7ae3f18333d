"""The example app in the demo office (``docs/example-app/``): its files, and the sheet of its payment service.

It comes from the office's own address, so that the browser lets it speak to the API. Outside the demo it is not served.
"""

import re

import requests
from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from config.environment import BASE_DIR

FILES = BASE_DIR / "docs" / "example-app"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
_SECRET = re.compile(r"(pi_\w+?)_secret_\w+")
_TIMEOUT_SECONDS = 10.0


@require_safe
@never_cache
def show_file(request: HttpRequest, name: str = "index.html") -> FileResponse:
    """A file of the app."""
    file = FILES / name
    if file.suffix not in _TYPES or not file.is_file():
        raise Http404
    return FileResponse(file.open("rb"), content_type=_TYPES[file.suffix])


@csrf_exempt
@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    """What the sheet of the service's SDK does on a phone: it confirms a payment with the customer's card.

    It knows no more than the app does: whoever has the client secret may pay.
    """
    found = _SECRET.fullmatch(request.POST.get("client_secret", ""))
    if found is None:
        return HttpResponse(status=400)
    session = requests.Session()
    # The simulated service runs on this machine: no proxy has anything to do with it.
    session.trust_env = False
    answer = session.post(
        f"{settings.STRIPE_URL}/v1/payment_intents/{found[1]}/confirm",
        data={"client_secret": found[0], "payment_method": request.POST.get("card", "")},
        headers={"Authorization": f"Bearer {request.POST.get('publishable_key', '')}"},
        timeout=_TIMEOUT_SECONDS,
    )
    return HttpResponse(answer.content, status=answer.status_code, content_type="application/json")


urlpatterns = [
    path("", show_file, name="example-app"),
    path("card-sheet", confirm, name="example-app-card-sheet"),
    path("<str:name>", show_file, name="example-app-file"),
]
