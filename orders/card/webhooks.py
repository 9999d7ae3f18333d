"""The door for the payment service's calls: verify, store, answer; ``inbox.py`` works them off in a job."""

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.card import gateway
from orders.card.gateway import Event, EventRefused
from orders.models import PaymentDelivery
from providers.webhooks import MAX_BODY, announced_length, find_sender

log = structlog.get_logger(__name__)


@csrf_exempt
@require_POST
def receive_event(request: HttpRequest) -> HttpResponse:
    """Take one call: 200 when it is stored (also for a repetition), 400 for strangers, 413 when it is too long."""
    if not gateway.is_configured():
        raise Http404
    if announced_length(request) > MAX_BODY:
        return HttpResponse(status=413)
    try:
        event = gateway.read_signed_event(request.body, request.headers.get("Stripe-Signature", ""))
    except EventRefused as refused:
        log.warning("payment_event_refused", reason=str(refused), sender=find_sender(request))
        return HttpResponse(status=400)
    store_event(event, request.body)
    return HttpResponse(status=200)


def store_event(event: Event, body: bytes) -> bool:
    """Store a call that was verified; returns whether it was new. A repetition is counted and changes nothing."""
    now = timezone.now()
    try:
        with transaction.atomic():
            PaymentDelivery.objects.create(
                event_id=event.id[:80], kind=event.kind[:80], received_at=now, body=body, next_attempt_at=now
            )
    except IntegrityError:
        PaymentDelivery.objects.filter(event_id=event.id[:80]).update(repeats=F("repeats") + 1)
        return False
    return True
