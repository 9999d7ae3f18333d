"""Money that comes in: attempts to be paid, disputes about them, and what the payment service tells us."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.sales import Order
from providers.encryption import EncryptedBytesField


class Payment(models.Model):
    """One attempt to be paid, with its own state.

    ``amount`` is what was asked for; ``captured_amount`` what came, which may be another amount in another currency.
    Only what came counts in the books.
    """

    class Method(models.TextChoices):
        CASH = "cash", _("cash")
        TRANSFER = "transfer", _("bank transfer")
        TERMINAL = "terminal", _("card terminal")
        INVOICE = "invoice", _("invoice")
        CREDIT = "credit", _("customer credit")
        CARD = "card", _("card, by the payment service")
        #: Nothing is to be paid: a replacement.
        FREE = "free", _("free of charge")

    class State(models.TextChoices):
        #: Asked for; the customer or the payment service has not answered yet.
        PENDING = "pending", _("waiting for the customer")
        CAPTURED = "captured", _("captured")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("given up")
        VOIDED = "voided", _("entered by mistake")

    #: What staff record by hand, after they took the money.
    BY_HAND = (Method.CASH, Method.TRANSFER, Method.TERMINAL, Method.INVOICE)

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="payments")
    #: Made when the form is drawn: the same form sent twice records one payment. The payment service's idempotency key.
    form_key = models.UUIDField(_("form key"), unique=True, default=uuid.uuid4)
    method = models.CharField(_("method"), max_length=10, choices=Method.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.CAPTURED)
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    captured_amount = models.DecimalField(_("captured"), max_digits=14, decimal_places=4, null=True, blank=True)
    captured_currency = models.CharField(_("captured in"), max_length=3, blank=True)
    reference = models.CharField(_("reference"), max_length=120, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("recorded by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    captured_at = models.DateTimeField(_("captured at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("failed or given up"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    #: What a person must look at ("" = nothing): money that does not fit to its order.
    attention = models.TextField(_("needs a look"), blank=True)
    # -- at the payment service -------------------------------------------------------------------------------------
    intent_id = models.CharField(_("payment intent"), max_length=80, blank=True)
    #: The service's own word for its state.
    service_state = models.CharField(_("service's state"), max_length=40, blank=True)
    #: What the customer's app confirms the payment with; erased when the payment has ended.
    client_secret = EncryptedBytesField(_("client secret"), null=True, blank=True)
    #: When the service is asked by itself what became of it, because its webhook may be lost.
    next_check_at = models.DateTimeField(_("next look"), null=True, blank=True)
    checks = models.PositiveIntegerField(_("looks"), default=0)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("order_id", "pk")
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="payment_not_negative"),
            models.CheckConstraint(
                condition=~models.Q(state="captured")
                | models.Q(captured_amount__gte=0, captured_at__isnull=False) & ~models.Q(captured_currency=""),
                name="payment_captured_is_said",
            ),
            models.UniqueConstraint(
                fields=("intent_id",), condition=~models.Q(intent_id=""), name="payment_intent_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=("next_check_at",), name="payment_due", condition=models.Q(next_check_at__isnull=False)
            ),
            models.Index(fields=("created_at",), name="payment_attention", condition=~models.Q(attention="")),
            models.Index(fields=("reference",), name="payment_by_reference", condition=~models.Q(reference="")),
            # SQLite does not use the constraint's partial index for a value that it is given as a parameter.
            models.Index(fields=("intent_id",), name="payment_by_intent"),
        ]
        permissions = [("handle_payment", "Can decide about payments that do not fit")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.method}"


class Dispute(models.Model):
    """A customer's bank takes a card payment back, for now or for good."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        WON = "won", _("won")
        LOST = "lost", _("lost")

    payment = models.ForeignKey(Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="disputes")
    dispute_id = models.CharField(_("dispute"), max_length=80, unique=True)
    state = models.CharField(_("state"), max_length=6, choices=State.choices, default=State.OPEN)
    #: The service's own word for its state.
    raw_state = models.CharField(_("service's state"), max_length=40, blank=True)
    reason = models.CharField(_("reason"), max_length=80, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    #: The money is away: at the opening, until the dispute is won.
    is_withdrawn = models.BooleanField(_("money taken back"), default=True)
    evidence_due_at = models.DateTimeField(_("evidence due"), null=True, blank=True)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    #: Who has looked at a lost one, and said that it is closed here too.
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)
    settled_by = models.CharField(_("settled by"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        ordering = ("-opened_at", "-pk")
        indexes = [models.Index(fields=("state", "-opened_at"), name="dispute_by_state")]

    def __str__(self) -> str:
        return f"{self.dispute_id} {self.state}"


class PaymentDelivery(models.Model):
    """A call of the payment service: verified, stored, then worked off. What it says is a hint to ask the service."""

    class State(models.TextChoices):
        NEW = "new", _("waiting")
        APPLIED = "applied", _("done")
        IGNORED = "ignored", _("nothing to do")
        PARKED = "parked", _("parked")

    event_id = models.CharField(_("event"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=80)
    received_at = models.DateTimeField(_("received"))
    body = EncryptedBytesField(_("body"))
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.NEW)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    handled_at = models.DateTimeField(_("handled"), null=True, blank=True)
    repeats = models.PositiveIntegerField(_("repeated"), default=0)
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("payment delivery")
        verbose_name_plural = _("payment deliveries")
        ordering = ("-received_at", "-pk")
        indexes = [
            models.Index(
                fields=("next_attempt_at",),
                name="payment_delivery_due",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            models.Index(fields=("state", "-received_at", "-id"), name="payment_delivery_by_state"),
            models.Index(fields=("-received_at", "-id"), name="payment_delivery_recent"),
        ]
        permissions = [("handle_paymentdelivery", "Can try deliveries of the payment service again")]

    def __str__(self) -> str:
        return f"{self.event_id} {self.kind} {self.state}"
