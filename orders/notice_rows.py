"""Writing notifications: who is told, in which language, by which ways, and that nobody is told twice."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from customers.models import Customer
from customers.push import with_devices
from esims.actions import why_refused
from esims.models import Esim
from orders.models import Notification, Order
from orders.notice_words import Message, choose_language, compose, speaking_to
from providers.types import Capability

C = Notification.Channel
S = Notification.State

#: Why nothing is sent; pages retell it (config/retelling.py).
NO_ADDRESS = "The customer has no e-mail address."


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One thing to tell one customer, once (``key``). ``context`` is called in the customer's language."""

    kind: str
    key: str
    customer: Customer
    context: Callable[[], Mapping[str, Any]]
    order: Order | None = None
    esim: Esim | None = None
    #: Lines that are handed over with it.
    delivered: tuple[Esim, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_tellings(tellings: Iterable[Telling]) -> None:
    """Store the rows of what was not told before, in one statement; within the caller's transaction."""
    wanted = [
        telling
        for telling in tellings
        if telling.kind not in settings.NOTIFICATION_OFF and telling.customer.erased_at is None
    ]
    with_phones: set[int] = set()
    if settings.PUSH_BACKEND and wanted:
        with_phones = with_devices({telling.customer.pk for telling in wanted})
    rows: list[Notification] = []
    for telling in wanted:
        rows += _make_rows(telling, has_phone=telling.customer.pk in with_phones)
    # Always in the same order: two planners with the same reasons never wait for each other in a circle.
    rows.sort(key=lambda row: row.key)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)


def _make_rows(telling: Telling, *, has_phone: bool) -> list[Notification]:
    customer, now = telling.customer, timezone.now()
    with speaking_to(customer):
        message = compose(
            telling.kind,
            telling.context(),
            language=choose_language(customer.language),
            receiver=customer.name,
            delivered=telling.delivered,
            linked=None if telling.delivered else telling.esim,
        )
    row = _make_row(telling, message, C.EMAIL, telling.key)
    may_choose = telling.kind in Notification.CAN_BE_OFF
    if telling.kind in settings.NOTIFICATION_FEED_ONLY or (may_choose and telling.kind in customer.email_off):
        row.channel, row.state, row.sent_at = C.FEED, S.SENT, now
    else:
        address_row(row, customer.email, now)
    rows = [row]
    if _can_be_texted(telling):
        texted = _make_row(telling, message, C.SMS, f"{telling.key}:sms")
        texted.next_attempt_at = now
        rows.append(texted)
    if has_phone and not (may_choose and telling.kind in customer.push_off):
        pushed = _make_row(telling, message, C.PUSH, f"{telling.key}:push")
        pushed.next_attempt_at = now
        rows.append(pushed)
    return rows


def address_row(row: Notification, address: str, now: datetime) -> None:
    """Where it goes, and that it goes now; without an address it is kept, and shown as not sent."""
    row.address = address
    if address:
        row.state, row.next_attempt_at, row.error = S.PLANNED, now, ""
    else:
        row.state, row.next_attempt_at, row.error = S.SKIPPED, None, NO_ADDRESS


def _make_row(telling: Telling, message: Message, channel: str, key: str) -> Notification:
    return Notification(
        audience=Notification.Audience.CUSTOMER,
        kind=telling.kind,
        channel=channel,
        key=key,
        customer=telling.customer,
        order=telling.order,
        esim=telling.esim,
        language=choose_language(telling.customer.language),
        subject=message.subject,
        content=message.content.pack(),
        facts=dict(telling.facts),
    )


def _can_be_texted(telling: Telling) -> bool:
    """Whether the provider can send an SMS to the line that it is about, which is on a phone."""
    if telling.kind not in settings.NOTIFICATION_SMS or telling.esim is None:
        return False
    return not why_refused(telling.esim, Capability.SMS)
