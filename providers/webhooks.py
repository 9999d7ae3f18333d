"""The door for wholesalers' calls: verify, store, answer; nothing else.

What is behind a delivery is worked out by ``orders/inbox.py``, in a job: a provider gets its 2xx in milliseconds, and
what it says is only a hint to read the line or the order again.
"""

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from providers.base import Provider
from providers.errors import WebhookRefused
from providers.models import ProviderAccount, WebhookDelivery
from providers.registry import configured_accounts, get_provider
from providers.types import Capability, IncomingWebhook

log = structlog.get_logger(__name__)

#: OURS: documented deliveries are below two kilobytes.
MAX_BODY = 256 * 1024


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest, slug: str, secret: str = "") -> HttpResponse:
    """Take one delivery: 200 when it is stored (also for a repetition), 404 for strangers, 413 when it is too long.

    A stranger learns nothing: an account that is not there, one that takes no webhooks and a wrong secret look alike.
    """
    provider = _find_provider(slug)
    if _announced_length(request) > MAX_BODY:
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
    account_id = ProviderAccount.objects.values_list("pk", flat=True).get(slug=provider.account)
    now = timezone.now()
    key = provider.read_webhook_key(body)[:128]
    try:
        with transaction.atomic():
            WebhookDelivery.objects.create(
                account_id=account_id, key=key, received_at=now, address=sender[:45], body=body, next_attempt_at=now
            )
    except IntegrityError:
        same = WebhookDelivery.objects.filter(account_id=account_id, key=key)
        same.update(repeats=F("repeats") + 1)
        done = (WebhookDelivery.State.APPLIED, WebhookDelivery.State.IGNORED)
        same.filter(state__in=done).update(
            state=WebhookDelivery.State.NEW, attempts=0, next_attempt_at=now, handled_at=None
        )
        return False
    return True


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
    if slug not in configured_accounts():
        raise Http404
    try:
        provider = get_provider(slug)
    except ImproperlyConfigured as error:
        raise Http404 from error
    if Capability.WEBHOOKS not in provider.offered:
        raise Http404
    return provider


def _announced_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return MAX_BODY + 1
