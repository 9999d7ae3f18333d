"""How long the protocol waits, and until when it may ask. Durations are settings or the adapter's; times are UTC."""

from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils import timezone

from orders.models import OrderLine, Purchase, PurchaseAttempt
from providers.base import Provider
from providers.errors import ProviderError, Unavailable
from providers.types import Capability


class Look(StrEnum):
    """How a provider can be asked what became of a request; each is an attempt's kind."""

    INQUIRY = PurchaseAttempt.Kind.INQUIRY.value
    LOOKUP = PurchaseAttempt.Kind.LOOKUP.value
    COMPARE = PurchaseAttempt.Kind.COMPARE.value


def wait_for_retry(failures: int) -> datetime:
    """When to try again after so many failures in a row: the wait doubles up to its cap."""
    wait = min(settings.PURCHASE_RETRY_SECONDS * 2.0 ** min(failures - 1, 30), settings.PURCHASE_RETRY_CAP_SECONDS)
    return timezone.now() + timedelta(seconds=wait)


def wait_after_failure(failures: int, error: ProviderError | str) -> datetime:
    """The same for a read that failed, and not before the provider asked us to come back."""
    asked = error.retry_after if isinstance(error, Unavailable) else None
    later = wait_for_retry(failures)
    return later if asked is None else max(later, timezone.now() + asked)


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


def find_look(purchase: Purchase, provider: Provider | None) -> Look | None:
    """How the provider can be asked now what it holds for this purchase; None where only a person can find out.

    By its transaction where that is known, else by our own key, and for a top-up by a fresh look at the line.
    """
    if provider is None:
        return None
    if purchase.order_line.kind == OrderLine.Kind.TOP_UP:
        return Look.COMPARE if purchase.totals_before and Capability.READ_LINE in provider.offered else None
    if is_inquirable(purchase, provider):
        return Look.INQUIRY
    is_sent = purchase.first_sent_at is not None or purchase.attempts_made > 0
    by_key = is_sent and not purchase.transaction_id and Capability.ORDER_LOOKUP in provider.offered
    return Look.LOOKUP if by_key and purchase.order_line.kind == OrderLine.Kind.ESIM else None


def is_long_allocating(purchase: Purchase, provider: Provider | None) -> bool:
    """Whether an allocating purchase has been so beyond its provider's patience."""
    patience = (provider or Provider).allocation_patience
    return timezone.now() - (purchase.allocating_since or purchase.created_at) > patience


def wait_for_allocation(provider: Provider, looks_made: int) -> timedelta:
    """How long to wait before the next look at an order whose lines are still being allocated."""
    if not provider.allocation_pace:
        return timedelta(seconds=settings.PURCHASE_INQUIRY_SPACING_SECONDS)
    return timedelta(seconds=provider.allocation_pace[min(looks_made, len(provider.allocation_pace) - 1)])


def has_unanswered_request(purchase: Purchase, *, but: PurchaseAttempt | None = None) -> bool:
    """Whether an order was sent for it (other than in ``but``) of which it is not known what came of it."""
    orders = PurchaseAttempt.objects.filter(purchase=purchase, kind=PurchaseAttempt.Kind.ORDER)
    unanswered = orders.filter(outcome__in=PurchaseAttempt.UNANSWERED)
    return (unanswered if but is None else unanswered.exclude(pk=but.pk)).exists()
