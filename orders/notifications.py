"""What people do about notifications: have one sent again, read them in the app, choose what they are told of."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Customer, User
from esims.models import Esim
from esims.states import ENDED, shown_state
from orders.models import NoticeChoice, Notification
from orders.notice_staff import WATCHES
from orders.replaced import find_replaced
from orders.states import lock_order, note_event

C = Notification.Channel
S = Notification.State


class NotificationRefused(Exception):
    """Nothing was done; ``message`` says why, in the reader's language."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def why_not_resent(row: Notification) -> str:
    """Why it cannot be sent again now, in the reader's language; "" where it can. It comes with customer and user."""
    if row.state in (S.PLANNED, S.SENDING):
        return _("It has not been sent yet: it goes by itself.")
    if row.content_erased_at is not None:
        return _("Its content was erased: nothing is left that could be sent. Hand the line over from its own page.")
    if row.channel == C.FEED or row.kind == Notification.Kind.INVITATION:
        is_feed = row.channel == C.FEED
        return _("It is shown in the app only.") if is_feed else _("Invitations are sent again on the person's page.")
    handed = row.facts.get("esims", ())
    if handed and len(find_over_lines(row)) == len(handed):
        return _("Its lines are over or were replaced: it would hand over what is of no use any more.")
    if row.channel == C.EMAIL and not find_address(row):
        return _("There is no e-mail address. Enter one with the customer first.")
    return ""


def find_over_lines(row: Notification) -> list[Esim]:
    """Lines that it hands over and that are of no use any more: over, or replaced."""
    if row.kind not in (Notification.Kind.ORDER_READY, Notification.Kind.REPLACEMENT):
        return []
    lines = list(Esim.objects.filter(pk__in=row.facts.get("esims", ())).order_by("pk"))
    replaced = find_replaced(line.pk for line in lines) if lines else frozenset()
    return [line for line in lines if line.pk in replaced or shown_state(line) in ENDED]


def find_address(row: Notification) -> str:
    """Where it would go now."""
    if row.customer is not None:
        return row.customer.email
    return row.user.email if row.user is not None else ""


def resend_notification(*, notification: Notification, form_key: UUID, by: User) -> Notification:
    """Plan the same words and codes once more, with fresh links, to the address of today; the same form sent twice
    plans one. Raises ``NotificationRefused``, and ``PermissionDenied`` without
    ``orders.resend_notification``.
    """
    if not by.has_perm("orders.resend_notification"):
        raise PermissionDenied
    row = Notification.objects.select_related("customer", "user").get(pk=notification.pk)
    refusal = why_not_resent(row)
    if refusal:
        raise NotificationRefused(refusal)
    first = row.resent_of_id or row.pk
    key = f"again:{first}:{form_key}"
    with transaction.atomic():
        order = lock_order(row.order_id) if row.order_id is not None else None
        again, is_new = Notification.objects.get_or_create(
            key=key,
            defaults={
                "audience": row.audience,
                "kind": row.kind,
                "channel": row.channel,
                "customer": row.customer,
                "user": row.user,
                "order_id": row.order_id,
                "esim_id": row.esim_id,
                "resent_of_id": first,
                "asked_by": by.email,
                "language": row.language,
                "address": find_address(row) if row.channel == C.EMAIL else "",
                "subject": row.subject,
                "content": row.content,
                "facts": row.facts,
                "next_attempt_at": timezone.now(),
            },
        )
        if is_new and order is not None:
            note_event(order, kind="notification.again", by=by.email, facts={"kind": row.kind, "subject": row.subject})
    return again


def mark_read(*, customer: Customer, ids: Sequence[int]) -> int:
    """The customer saw these in the app; returns how many were new to them. Others' rows are left alone."""
    mine = Notification.objects.filter(customer=customer, audience=Notification.Audience.CUSTOMER, pk__in=list(ids))
    return mine.filter(read_at=None).update(read_at=timezone.now())


def choose_notices(*, user: User, off: Iterable[str]) -> NoticeChoice:
    """Which kinds of trouble a member of staff is not told of."""
    known = [kind for kind in WATCHES if kind in set(off)]
    choice, _is_new = NoticeChoice.objects.update_or_create(user=user, defaults={"off": known})
    return choice


def choose_customer_notices(
    *, customer: Customer, email_off: Iterable[str] | None = None, push_off: Iterable[str] | None = None
) -> Customer:
    """Of which kinds a customer gets no e-mail, or nothing on the phone's screen; None leaves it as it is."""
    changed = []
    for name, kinds in (("email_off", email_off), ("push_off", push_off)):
        if kinds is not None:
            setattr(customer, name, [kind.value for kind in Notification.CAN_BE_OFF if kind.value in set(kinds)])
            changed.append(name)
    if changed:
        customer.save(update_fields=changed)
    return customer
