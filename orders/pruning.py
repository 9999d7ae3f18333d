"""Taking away what is kept for a time only."""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task

from customers.idempotency import delete_old_keys
from customers.keeping_house import delete_idle_sign_ups, forget_ended_sign_ins
from esims.days import trim_usage_samples
from esims.links import delete_old_links
from orders.bulk import forget_previews
from orders.bulk_order_running import forget_old_lists
from orders.erasing import erase_waiting_forms
from orders.models import Notification, PaymentDelivery, Purchase, PurchaseAttempt
from orders.topups import forget_old_offers
from providers.calls import prune_calls
from providers.models import WebhookDelivery


def prune_old_rows() -> Mapping[str, int]:
    """Erase or delete what is older than its setting says; returns how many of each. May run at any time, twice too."""
    now = timezone.now()
    return {
        "calls": prune_calls(),
        "replies": erase_raw_replies(older_than=timedelta(days=settings.RAW_REPLY_DAYS)),
        "samples": trim_usage_samples(),
        "deliveries": delete_deliveries(older_than=timedelta(days=settings.DELIVERY_DAYS)),
        "payment deliveries": delete_payment_deliveries(older_than=timedelta(days=settings.DELIVERY_DAYS)),
        "forms": erase_waiting_forms(older_than=timedelta(days=settings.ACTIVATION_FORM_DAYS)),
        "bulk orders": forget_old_lists(),
        "contents": erase_contents(older_than=timedelta(days=settings.NOTIFICATION_CONTENT_DAYS)),
        "offers": forget_old_offers(older_than=timedelta(days=1)),
        "jobs": _delete_jobs(older_than=timedelta(days=settings.JOB_LOG_DAYS)),
        "links": delete_old_links(),
        "previews": forget_previews(),
        "answers": delete_old_keys(),
        "sign-ups": delete_idle_sign_ups(),
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
        # After them: what hangs on those that are gone.
        "sign-ins": forget_ended_sign_ins(),
    }


def erase_raw_replies(*, older_than: timedelta) -> int:
    """Erase the raw replies of purchases that have ended; the others still need theirs as evidence."""
    old = PurchaseAttempt.objects.filter(
        received_at__lt=timezone.now() - older_than,
        body__isnull=False,
        purchase__state__in=Purchase.ENDED,
        purchase__attention="",
    ).exclude(outcome__in=PurchaseAttempt.NOT_JUDGED)
    return PurchaseAttempt.objects.filter(pk__in=list(old.values_list("pk", flat=True))).update(body=None)


def delete_deliveries(*, older_than: timedelta) -> int:
    """Delete providers' calls that were worked off; those that wait for a person stay."""
    done = (WebhookDelivery.State.APPLIED, WebhookDelivery.State.IGNORED)
    old = WebhookDelivery.objects.filter(state__in=done, received_at__lt=timezone.now() - older_than)
    deleted: int = old.delete()[0]
    return deleted


def delete_payment_deliveries(*, older_than: timedelta) -> int:
    """The same for the payment service's calls."""
    done = (PaymentDelivery.State.APPLIED, PaymentDelivery.State.IGNORED)
    old = PaymentDelivery.objects.filter(state__in=done, received_at__lt=timezone.now() - older_than)
    deleted: int = old.delete()[0]
    return deleted


def erase_contents(*, older_than: timedelta) -> int:
    """Erase what old notifications said, with the codes in it, unless they are still to be sent; that they were, when
    and to whom stays.
    """
    now = timezone.now()
    under_way = (Notification.State.PLANNED, Notification.State.SENDING)
    old = Notification.objects.filter(content__isnull=False, created_at__lt=now - older_than)
    return old.exclude(state__in=under_way).update(content=None, content_erased_at=now)


def _delete_jobs(*, older_than: timedelta) -> int:
    deleted: int = Task.objects.filter(stopped__lt=timezone.now() - older_than).delete()[0]
    return deleted
