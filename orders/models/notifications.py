"""What customers and staff are told: one row for each telling, stored before anything is sent."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from esims.models import Esim
from orders.models.sales import Order
from providers.encryption import EncryptedBytesField


class Notification(models.Model):
    """One telling. ``key`` is what makes it "once": whoever finds the same reason again finds the row.

    Words, links' places and codes are fixed when the row is written; sent again, it says the same.
    """

    class Audience(models.TextChoices):
        CUSTOMER = "customer", _("customer")
        STAFF = "staff", _("staff")

    class Kind(models.TextChoices):
        ORDER_READY = "order_ready", _("order ready")
        REPLACEMENT = "replacement", _("replacement ready")
        TOPPED_UP = "topped_up", _("topped up")
        DEADLINE = "deadline", _("install deadline nears")
        USAGE = "usage", _("share of the data used")
        USED_UP = "used_up", _("data used up")
        LAST_DAY = "last_day", _("ends soon")
        ENDED = "ended", _("line ended")
        REFUND_DUE = "refund_due", _("money owed back")
        REFUND_MADE = "refund_made", _("money went back")
        UNKNOWN_PURCHASE = "unknown_purchase", _("outcome of a purchase unknown")
        LOW_BALANCE = "low_balance", _("balance low")
        FAILING_SYNC = "failing_sync", _("catalogue sync fails")
        PARKED_DELIVERY = "parked_delivery", _("webhook parked")
        PAYMENT_LOOK = "payment_look", _("payment in doubt")
        INVITATION = "invitation", _("invitation of staff")

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        SMS = "sms", _("SMS")
        PUSH = "push", _("push message")
        #: Shown by the app, sent nowhere.
        FEED = "feed", _("app only")

    class State(models.TextChoices):
        PLANNED = "planned", _("waiting to be sent")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("has been sent")
        #: The mail server may have taken it: never sent again by itself.
        UNCERTAIN = "uncertain", _("may have been sent")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("not sent")

    STAFF_KINDS = (
        Kind.UNKNOWN_PURCHASE,
        Kind.LOW_BALANCE,
        Kind.FAILING_SYNC,
        Kind.PARKED_DELIVERY,
        Kind.PAYMENT_LOOK,
        Kind.INVITATION,
    )

    #: Of what customers may do without: the others bring what they paid for, or their money.
    CAN_BE_OFF = (Kind.TOPPED_UP, Kind.DEADLINE, Kind.USAGE, Kind.USED_UP, Kind.LAST_DAY, Kind.ENDED)

    audience = models.CharField(_("for"), max_length=8, choices=Audience.choices)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    channel = models.CharField(_("way"), max_length=5, choices=Channel.choices)
    key = models.CharField(_("reason"), max_length=160, unique=True)
    customer = models.ForeignKey(
        Customer,
        verbose_name=_("customer"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("member of staff"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
    )
    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    esim = models.ForeignKey(
        Esim, verbose_name=_("eSIM"), on_delete=models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    #: The one of which this is a repetition for which somebody asked.
    resent_of = models.ForeignKey(
        "self", verbose_name=_("again of"), on_delete=models.CASCADE, null=True, blank=True, related_name="resent"
    )
    asked_by = models.CharField(_("asked by"), max_length=254, blank=True)
    language = models.CharField(_("language"), max_length=8)
    address = models.CharField(_("address"), max_length=254, blank=True)
    subject = models.CharField(_("subject"), max_length=300)
    #: Text, HTML and codes (orders/notice_content.py); encrypted, because codes install lines. None: erased.
    content = EncryptedBytesField(_("content"), null=True, blank=True)
    content_erased_at = models.DateTimeField(_("content erased"), null=True, blank=True)
    #: By what it was decided; never secret.
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State.choices, default=State.PLANNED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    #: While ``sending``: when that worker counts as dead.
    deadline_at = models.DateTimeField(_("deadline"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    #: When the customer saw it in the app.
    read_at = models.DateTimeField(_("read"), null=True, blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ("-created_at", "-pk")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(audience="customer", customer__isnull=False)
                | models.Q(audience="staff", user__isnull=False),
                name="notification_is_for_somebody",
            )
        ]
        indexes = [
            models.Index(fields=("-created_at", "-id"), name="notification_recent"),
            models.Index(fields=("state", "-created_at", "-id"), name="notification_by_state"),
            models.Index(fields=("kind", "-created_at", "-id"), name="notification_by_kind"),
            models.Index(fields=("customer", "-created_at", "-id"), name="notification_by_customer"),
            models.Index(
                fields=("next_attempt_at",),
                name="notification_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            # What is still to be erased; the rows themselves stay.
            models.Index(
                fields=("created_at",), name="notification_with_content", condition=models.Q(content__isnull=False)
            ),
            models.Index(
                fields=("deadline_at",), name="notification_overdue", condition=models.Q(deadline_at__isnull=False)
            ),
        ]
        permissions = [("resend_notification", "Can send messages to customers again")]

    def __str__(self) -> str:
        return f"{self.key} {self.state}"


class NoticeChoice(models.Model):
    """Which kinds of trouble a member of staff does not want to be told of."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="notice_choice"
    )
    off = models.JSONField(_("switched off"), default=list, blank=True)

    class Meta:
        verbose_name = _("choice of notices")
        verbose_name_plural = _("choices of notices")

    def __str__(self) -> str:
        return f"{self.user_id}"
