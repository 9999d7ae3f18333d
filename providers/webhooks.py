"""The door for wholesalers' calls: verify, store, answer; nothing else.

What is behind a delivery is worked out by ``orders/inbox.py``, in a job: a provider gets its 2xx in milliseconds, and
what it says is only a hint to read the line or the order again.
"""

from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from providers.base import Provider
from providers.encryption import encrypt
from providers.errors import WebhookRefused
from providers.models import ProviderAccount, WebhookDelivery
from providers.registry import get_provider, is_configured
from providers.types import Capability, IncomingWebhook

log = structlog.get_logger(__name__)

#: OURS: documented deliveries are below two kilobytes.
MAX_BODY = 256 * 1024

DS = WebhookDelivery.State
_TABLE = WebhookDelivery._meta.db_table  # noqa: SLF001
#: One statement is one way to the database and back, and decides between two calls with one key.
_STORE = f"""
    INSERT INTO {_TABLE}
        (account_id, key, received_at, next_attempt_at, address, body, state, attempts, repeats, kind, word, note)
    VALUES
        (%s, %s, %s, %s, %s, %s, '{DS.NEW.value}', 0, 0, '', '', '')
    ON CONFLICT (account_id, key) DO UPDATE SET repeats = {_TABLE}.repeats + 1
    RETURNING id, repeats, state
"""  # noqa: S608  (names and words of ours)
_DONE = (DS.APPLIED.value, DS.IGNORED.value)
#: Account -> its settings and the client that was made of them: read again only when they have changed. Only asked who
#: may call and how deliveries are told apart, which leaves nothing behind in it.
_doors: dict[str, tuple[dict[str, Any], Provider]] = {}


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest, slug: str, secret: str = "") -> HttpResponse:
    """Take one delivery: 200 when it is stored (also for a repetition), 404 for strangers, 413 when it is too long.

    A stranger learns nothing: an account that is not there, one that takes no webhooks and a wrong secret look alike.
    """
    provider = _find_provider(slug)
    if announced_length(request) > MAX_BODY:
        return HttpResponse(status=413)
    body = request.body
    webhook = IncomingWebhook(
        path_secret=secret,
        address=find_sender(request),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )
    try:
        provider.authenticate_webhook(webhook)
    except WebhookRefused as refused:
        log.warning("webhook_refused", account=slug, code=refused.code, sender=webhook.address)
        raise Http404 from refused
    store_delivery(provider=provider, body=body, sender=webhook.address)
    return HttpResponse(status=200)


def store_delivery(*, provider: Provider, body: bytes, sender: str) -> bool:
    """Store a delivery that was verified; returns whether it was new. A repetition is counted.

    One that was worked off already is worked off once more: without an id of its own, a later event of the same words
    looks like a repetition, and the first may have come before what it names was in our books. It is only a hint.
    """
    now = timezone.now()
    at = connection.ops.adapt_datetimefield_value(now)
    row = (provider.read_webhook_key(body)[:128], at, at, sender[:45], encrypt(body) if body else "")
    try:
        pk, repeats, state = _insert(_find_account_id(provider.account), row)
    except IntegrityError:
        # The account's row was made anew since this process looked.
        _find_account_id.cache_clear()
        pk, repeats, state = _insert(_find_account_id(provider.account), row)
    if repeats and state in _DONE:
        WebhookDelivery.objects.filter(pk=pk, state__in=_DONE).update(
            state=DS.NEW, attempts=0, next_attempt_at=now, handled_at=None
        )
    return not repeats


def forget_accounts() -> None:
    """The accounts' rows are looked up anew: for whoever empties the database under a running process."""
    _find_account_id.cache_clear()


@lru_cache(maxsize=100)
def _find_account_id(slug: str) -> int:
    return ProviderAccount.objects.values_list("pk", flat=True).get(slug=slug)


def _insert(account_id: int, row: tuple[str | None, ...]) -> tuple[int, int, str]:
    with connection.cursor() as cursor:
        cursor.execute(_STORE, (account_id, *row))
        stored: tuple[int, int, str] = cursor.fetchone()
    return stored


def find_sender(request: HttpRequest) -> str:
    """The caller's address: our own connection's, or what the trusted proxies in front of us say.

    Each proxy adds the address that it saw at the end of ``X-Forwarded-For``; what stands before those is the caller's
    own claim and is not believed.
    """
    hops: int = settings.TRUSTED_PROXY_HOPS
    if hops:
        chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        if len(chain) >= hops:
            return chain[-hops]
    return str(request.META.get("REMOTE_ADDR", ""))


def _find_provider(slug: str) -> Provider:
    if not is_configured(slug):
        raise Http404
    values = settings.PROVIDERS[slug]
    told, provider = _doors.get(slug, (None, None))
    if provider is None or told != values:
        try:
            provider = get_provider(slug)
        except ImproperlyConfigured as error:
            raise Http404 from error
        _doors[slug] = (dict(values), provider)
    if Capability.WEBHOOKS not in provider.offered:
        raise Http404
    return provider


def announced_length(request: HttpRequest) -> int:
    """The length of a body before it is read; beyond the limit where none is said."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return MAX_BODY + 1
