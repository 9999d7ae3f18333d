"""Orders, payments, and the requests by which eSIMs are bought (docs/decisions and DESIGN: the purchase protocol)."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan
from customers.models import Customer
from esims.models import Esim
from providers.encryption import EncryptedBytesField
from providers.models import ProviderAccount


class Order(models.Model):
    """What a customer wants. All its lines are in one currency."""

    class State(models.TextChoices):
        UNPAID = "unpaid", _("waiting for payment")
        BUYING = "buying", _("being bought")
        COMPLETED = "completed", _("completed")
        PARTIAL = "partial", _("partly delivered")
        FAILED = "failed", _("not delivered")
        CANCELLED = "cancelled", _("cancelled")

    number = models.CharField(_("number"), max_length=20, unique=True)
    #: Made when the form is drawn: the same form sent twice gives one order.
    checkout_key = models.UUIDField(unique=True, default=uuid.uuid4)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.UNPAID)
    currency = models.CharField(_("currency"), max_length=3)
    total = models.DecimalField(_("total"), max_digits=14, decimal_places=4)
    note = models.TextField(_("note"), blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(fields=("-created_at", "-id"), name="order_recent"),
            models.Index(fields=("state", "-created_at", "-id"), name="order_by_state"),
            models.Index(fields=("customer", "-created_at"), name="order_by_customer"),
        ]
        permissions = [
            ("sell", "Can take orders and record payments"),
            ("reconcile", "Can decide about purchases whose outcome is not known"),
            ("refund", "Can record refunds"),
        ]

    def __str__(self) -> str:
        return self.number


class OrderLine(models.Model):
    """One plan × quantity, with names and prices frozen at checkout."""

    class Kind(models.TextChoices):
        ESIM = "esim", _("eSIM")
        TOP_UP = "top_up", _("top-up")

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.ESIM)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="order_lines")
    plan_name = models.CharField(_("plan"), max_length=300)
    quantity = models.PositiveIntegerField(_("quantity"))
    unit_price = models.DecimalField(_("unit price"), max_digits=14, decimal_places=4)
    price_source = models.CharField(_("price comes from"), max_length=60, blank=True)
    unit_cost = models.DecimalField(_("unit cost"), max_digits=14, decimal_places=4, null=True, blank=True)
    cost_currency = models.CharField(_("cost currency"), max_length=3, blank=True)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ("order_id", "pk")
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="order_line_quantity_positive"),
            models.CheckConstraint(condition=models.Q(unit_price__gte=0), name="order_line_price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.plan_name}"


class Payment(models.Model):
    """One attempt to be paid, with its own state."""

    class Method(models.TextChoices):
        CASH = "cash", _("cash")
        TRANSFER = "transfer", _("bank transfer")
        TERMINAL = "terminal", _("card terminal")
        INVOICE = "invoice", _("invoice")

    class State(models.TextChoices):
        CAPTURED = "captured", _("captured")
        VOIDED = "voided", _("entered by mistake")

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    #: Made when the form is drawn: the same form sent twice records one payment.
    form_key = models.UUIDField(unique=True, default=uuid.uuid4)
    method = models.CharField(_("method"), max_length=10, choices=Method.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.CAPTURED)
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    reference = models.CharField(_("reference"), max_length=120, blank=True)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    captured_at = models.DateTimeField(_("captured"))

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("order_id", "pk")
        constraints = [models.CheckConstraint(condition=models.Q(amount__gte=0), name="payment_not_negative")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.method}"


class Purchase(models.Model):
    """One request to one provider: the unit that is retried, parked and reconciled."""

    class State(models.TextChoices):
        PLANNED = "planned", _("waiting to be sent")
        SENDING = "sending", _("being sent")
        ALLOCATING = "allocating", _("waiting for the provider's lines")
        FULFILLED = "fulfilled", _("delivered")
        SHORT = "short", _("delivered in part")
        HELD = "held", _("held: staff can mend it")
        REJECTED = "rejected", _("refused: nothing was bought")
        UNKNOWN = "unknown", _("outcome unknown")
        CANCELLED = "cancelled", _("cancelled before sending")

    #: States in which the purchase is done for good (a late reply is applied all the same).
    ENDED = (State.FULFILLED, State.SHORT, State.REJECTED, State.CANCELLED)

    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="purchases")
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="purchases")
    plan_ref = models.CharField(_("plan code"), max_length=120)
    quantity = models.PositiveIntegerField(_("quantity"))
    #: Ours; committed before the first call and never changed.
    idempotency_key = models.CharField(_("our key"), max_length=50, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PLANNED)
    attempts_made = models.PositiveIntegerField(_("attempts"), default=0)
    #: When the next step is due by itself; null: nothing happens by itself.
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    #: While ``sending``: who holds it, and when that worker counts as dead.
    claim = models.UUIDField(null=True, blank=True)
    claim_until = models.DateTimeField(null=True, blank=True)
    #: The provider's handles, once known.
    transaction_id = models.CharField(_("provider's transaction"), max_length=80, blank=True)
    provider_order_ref = models.CharField(_("provider's order"), max_length=80, blank=True)
    #: How often an inquiry was made for an allocating purchase, and how many lines it named the last time.
    inquiries_made = models.PositiveIntegerField(_("inquiries"), default=0)
    last_line_count = models.PositiveIntegerField(null=True, blank=True)
    error_code = models.CharField(_("provider's code"), max_length=60, blank=True)
    error = models.TextField(_("error"), blank=True)
    #: What staff can mend while ``held``: a providers.errors.Mend.
    mend = models.CharField(_("to mend"), max_length=12, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    first_sent_at = models.DateTimeField(_("first sent"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="purchase_quantity_positive"),
        ]
        indexes = [
            models.Index(
                fields=("next_attempt_at",), name="purchase_due", condition=models.Q(next_attempt_at__isnull=False)
            ),
            models.Index(fields=("state", "created_at"), name="purchase_by_state"),
            models.Index(fields=("transaction_id",), name="purchase_by_transaction"),
        ]

    def __str__(self) -> str:
        return f"{self.idempotency_key} {self.state}"


class PurchaseAttempt(models.Model):
    """One call made for a purchase, written before it is sent and kept as evidence."""

    class Kind(models.TextChoices):
        ORDER = "order", _("order")
        INQUIRY = "inquiry", _("inquiry")

    purchase = models.ForeignKey(Purchase, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    #: What was asked, without secrets.
    request = models.JSONField(_("request"), default=dict)
    started_at = models.DateTimeField(_("started"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    received_at = models.DateTimeField(_("answered"), null=True, blank=True)
    status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    #: The reply as it came, stored before it is parsed; erased after RAW_REPLY_DAYS.
    body = EncryptedBytesField(_("raw reply"), null=True, blank=True)
    is_complete = models.BooleanField(_("whole reply"), null=True, blank=True)
    #: fulfilled, allocating, rejected, rate_limited, not_sent, unknown, …: what came of this call.
    outcome = models.CharField(_("outcome"), max_length=20, blank=True)
    error_code = models.CharField(_("provider's code"), max_length=60, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("purchase attempt")
        verbose_name_plural = _("purchase attempts")
        ordering = ("purchase_id", "number")
        constraints = [models.UniqueConstraint(fields=("purchase", "number"), name="attempt_number_once")]

    def __str__(self) -> str:
        return f"{self.purchase_id} #{self.number} {self.outcome}"


class PurchasedEsim(models.Model):
    """Which purchase brought a line: each line came by exactly one."""

    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="delivered")
    esim = models.OneToOneField(Esim, on_delete=models.PROTECT, related_name="purchased")

    class Meta:
        verbose_name = _("delivered eSIM")
        verbose_name_plural = _("delivered eSIMs")
        ordering = ("purchase_id", "pk")

    def __str__(self) -> str:
        return f"{self.purchase_id} → {self.esim_id}"


class Refund(models.Model):
    """Money owed to the customer for what was paid and not delivered: it shows until it is made."""

    class State(models.TextChoices):
        DUE = "due", _("due")
        MADE = "made", _("made")
        #: The provider delivered late after all, before the money went back.
        DROPPED = "dropped", _("no longer due")

    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, related_name="refund")
    quantity = models.PositiveIntegerField(_("eSIMs not delivered"))
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=4)
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.DUE)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    method = models.CharField(_("method"), max_length=10, choices=Payment.Method.choices, blank=True)
    reference = models.CharField(_("reference"), max_length=120, blank=True)
    created_at = models.DateTimeField(_("due since"), auto_now_add=True)
    made_at = models.DateTimeField(_("made"), null=True, blank=True)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ("-created_at", "-pk")
        indexes = [models.Index(fields=("state", "-created_at"), name="refund_by_state")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.state}"


class OrderEvent(models.Model):
    """The order's timeline: every change of state, with who and why."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    purchase = models.ForeignKey(Purchase, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    at = models.DateTimeField(_("at"), auto_now_add=True)
    kind = models.CharField(_("kind"), max_length=40)
    #: An e-mail address for a person, a job's name otherwise.
    by = models.CharField(_("by"), max_length=254, blank=True)
    why = models.TextField(_("why"), blank=True)
    facts = models.JSONField(_("facts"), default=dict, blank=True)

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("order", "-at"), name="order_event_recent")]

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"


class Wake(models.Model):
    """A job that ``dispatch`` wakes: at most one of each name waits in the queue at a time."""

    name = models.CharField(max_length=40, unique=True)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("wake")
        verbose_name_plural = _("wakes")

    def __str__(self) -> str:
        return self.name


class WorkerBeat(models.Model):
    """When a worker of a queue last did a job of ours, and when one was last asked for: their gap is the alarm."""

    queue = models.CharField(_("queue"), max_length=40, unique=True)
    asked_at = models.DateTimeField(_("asked"), null=True, blank=True)
    beat_at = models.DateTimeField(_("answered"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker beat")
        verbose_name_plural = _("worker beats")

    def __str__(self) -> str:
        return self.queue
