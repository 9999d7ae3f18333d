"""Sending what is planned: each row once, by one worker.

planned ──claim──▶ sending ──▶ sent
  ▲                  │ │ └───▶ uncertain   the mail server may have taken it, or the worker died: a person decides
  └── not taken ◀────┘ └─────▶ failed      it will not be taken, or was not for too long

An e-mail cannot be asked for afterwards. So the rule is: never twice by itself. What was certainly not taken is tried
again; where nobody can tell, the row says so, and a member of staff may send it again. No lock is held while a mail
server thinks.
"""

from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from customers.push import find_service
from esims.actions import ActionRefused, request_action
from esims.links import forget_links, make_links
from orders.models import Notification
from orders.notice_content import Content
from orders.notice_invitations import find_link_of
from orders.notice_mail import Letter, MailRefused, MailUncertain, build_mail, send_mail
from orders.notice_push import NO_PHONE, push
from orders.verdicts import describe_crash
from providers.types import Capability

log = structlog.get_logger(__name__)
S = Notification.State
BY = "notifications"

#: Waits after what was not taken; then it has failed. Ours: mail servers that grey-list take it within the first three.
WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
)
#: A worker that sends for longer is dead: several times what a mail server may take for one step.
_LEASE_STEPS = 6
#: Stored in the row and retold by pages (config/retelling.py).
WORKER_DIED = "The worker died while it was being sent."


def due_notifications() -> QuerySet[Notification]:
    return Notification.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at", "pk")


def overdue_notifications() -> QuerySet[Notification]:
    """Rows whose worker is silent beyond its deadline."""
    return Notification.objects.filter(deadline_at__lte=timezone.now(), state=S.SENDING)


def is_anything_to_send() -> bool:
    return due_notifications().exists() or overdue_notifications().exists()


def send_due_notifications(*, limit: int | None = None, seconds: float = 5.0) -> int:
    """Send what is due, the longest due first, for at most about ``seconds``; returns how many were tried."""
    sweep_notifications()
    end, done = monotonic() + seconds, 0
    while (limit is None or done < limit) and monotonic() < end:
        pk = due_notifications().values_list("pk", flat=True).first()
        if pk is None:
            break
        done += send_notification(notification_id=pk)
    return done


def send_notification(*, notification_id: int) -> bool:
    """Send one notification if it is due; whether this call did. Not to be called inside a transaction."""
    if not claim_notification(notification_id):
        return False
    row = Notification.objects.select_related("esim__account", "customer", "order").get(pk=notification_id)
    if row.channel == Notification.Channel.SMS:
        _hand_over_sms(row)
    elif row.channel == Notification.Channel.PUSH:
        _send_push(row)
    else:
        _send_email(row)
    return True


def claim_notification(notification_id: int) -> bool:
    """Take the right to send it; the conditional update decides between workers."""
    now = timezone.now()
    lease = timedelta(seconds=settings.EMAIL_TIMEOUT * _LEASE_STEPS)
    waiting = Notification.objects.filter(pk=notification_id, state=S.PLANNED, next_attempt_at__lte=now)
    claimed = waiting.update(state=S.SENDING, next_attempt_at=None, deadline_at=now + lease, attempts=F("attempts") + 1)
    return claimed == 1


def sweep_notifications() -> int:
    """Mark what dead workers left: it may have been sent, and is not sent again by itself. Returns how many."""
    return overdue_notifications().update(state=S.UNCERTAIN, deadline_at=None, error=WORKER_DIED)


def _send_email(row: Notification) -> None:
    made_for = f"notification:{row.pk}:{row.attempts}"
    try:
        content = Content.unpack(row.content)
        with transaction.atomic():
            links = make_links(esim_ids=content.lines, made_for=made_for)
        mail = build_mail(Letter(notification=row, content=content, links=links, invitation=find_link_of(row)))
    except Exception as error:  # noqa: BLE001  (nothing was sent; one bad row must not stop the others)
        crash = describe_crash(error)
        log.warning("notification_not_built", notification=row.pk, crash=crash)
        _record_not_sent(row, f"Our program failed over it ({crash}).", is_final=True)
        return
    try:
        send_mail(mail)
    except MailRefused as refused:
        forget_links(made_for=made_for)
        _record_not_sent(row, refused.message, is_final=refused.is_final)
    except MailUncertain as uncertain:
        _record(row, S.UNCERTAIN, error=uncertain.message)
    except Exception as error:  # noqa: BLE001  (a way to send that fails in its own way may have sent it)
        crash = describe_crash(error)
        log.warning("notification_crashed", notification=row.pk, crash=crash)
        _record(row, S.UNCERTAIN, error=f"Our program failed while it was being sent ({crash}).")
    else:
        _record(row, S.SENT)


def _hand_over_sms(row: Notification) -> None:
    """Ask the provider for an SMS as staff would; the request and this row's end are one transaction.

    The action keeps the place of the link: it is made when the SMS is sent (``esims.actions``).
    """
    content = Content.unpack(row.content)
    try:
        with transaction.atomic():
            if row.esim is None:
                raise ActionRefused("The line is gone.")
            action = request_action(
                esim=row.esim,
                capability=Capability.SMS,
                reason=f"Notification {row.pk}",
                by=BY,
                message=content.sms,
            )
            _record(row, S.SENT, facts={**row.facts, "action": action.pk})
    except ActionRefused as refused:
        _record_not_sent(row, refused.message, is_final=False)


def _send_push(row: Notification) -> None:
    """One phone that has it is enough: nothing is sent twice for the sake of the others."""
    service = find_service()
    if service is None:
        _record(row, S.SKIPPED, error=NO_PHONE)
        return
    try:
        pushed = push(row, service)
    except Exception as error:  # noqa: BLE001  (a way to send that fails in its own way may have sent it)
        crash = describe_crash(error)
        log.warning("notification_crashed", notification=row.pk, crash=crash)
        _record(row, S.UNCERTAIN, error=f"Our program failed while it was being sent ({crash}).")
        return
    if pushed.sent:
        _record(row, S.SENT, facts={**row.facts, "phones": pushed.sent})
    elif pushed.uncertain:
        _record(row, S.UNCERTAIN, error=pushed.uncertain)
    elif pushed.refused:
        _record_not_sent(row, pushed.refused, is_final=pushed.is_final)
    else:
        _record(row, S.SKIPPED, error=NO_PHONE)


def _record_not_sent(row: Notification, error: str, *, is_final: bool) -> None:
    """It was certainly not sent: again after a while, or never."""
    if is_final or row.attempts > len(WAITS):
        log.error("notification_failed", notification=row.pk, kind=row.kind)
        _record(row, S.FAILED, error=error)
    else:
        _record(row, S.PLANNED, error=error, next_attempt_at=timezone.now() + WAITS[row.attempts - 1])


def _record(row: Notification, state: str, *, error: str = "", **fields: object) -> None:
    """What came of a claimed row, unless somebody else has judged it since. A word that it was sent always counts."""
    claimed = Notification.objects.filter(pk=row.pk)
    if state != S.SENT:
        claimed = claimed.filter(state=S.SENDING, attempts=row.attempts)
    sent_at = timezone.now() if state == S.SENT else None
    claimed.update(state=state, error=error[:300], deadline_at=None, sent_at=sent_at, **fields)
