"""How long the protocol waits, and until when it may ask. Durations are settings or the adapter's; times are UTC."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from orders.models import Purchase, PurchaseAttempt
from providers.base import Provider
from providers.types import Capability


def wait_for_retry(failures: int) -> datetime:
    """When to try again after so many failures in a row: the wait doubles up to its cap."""
    wait = min(settings.PURCHASE_RETRY_SECONDS * 2.0 ** min(failures - 1, 30), settings.PURCHASE_RETRY_CAP_SECONDS)
    return timezone.now() + timedelta(seconds=wait)


def may_repeat(purchase: Purchase) -> bool:
    """Whether a repeatable order may still be sent again: its key does not live for ever."""
    first = purchase.first_sent_at
    return first is None or timezone.now() < first + timedelta(hours=settings.PURCHASE_REPEAT_HOURS)


def find_inquiry_end(purchase: Purchase, provider: Provider) -> datetime | None:
    """Until when the provider finds the transaction, less our margin; None: for ever.

    The window counts from the provider's receipt of the order, which is not before we began to send it.
    """
    if provider.inquiry_window is None:
        return None
    orders = PurchaseAttempt.objects.filter(purchase=purchase, kind=PurchaseAttempt.Kind.ORDER)
    newest = orders.order_by("-number").first()
    start = newest.started_at if newest is not None else purchase.created_at
    return start + provider.inquiry_window - timedelta(minutes=settings.PURCHASE_INQUIRY_MARGIN_MINUTES)


def is_inquirable(purchase: Purchase, provider: Provider | None) -> bool:
    """Whether the provider can still be asked what it holds under this purchase's transaction."""
    if provider is None or not purchase.transaction_id or Capability.TRANSACTION_INQUIRY not in provider.offered:
        return False
    end = find_inquiry_end(purchase, provider)
    return end is None or timezone.now() < end


def has_unanswered_request(purchase: Purchase, *, but: PurchaseAttempt | None = None) -> bool:
    """Whether an order was sent for it (other than in ``but``) of which it is not known what came of it."""
    orders = PurchaseAttempt.objects.filter(purchase=purchase, kind=PurchaseAttempt.Kind.ORDER)
    unanswered = orders.filter(outcome__in=PurchaseAttempt.UNANSWERED)
    return (unanswered if but is None else unanswered.exclude(pk=but.pk)).exists()
